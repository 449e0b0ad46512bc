/*
 * test_stream.c -- a connection's output in chunks (bench/load/stream.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "stream.h"

static struct stream_pool pool;
static struct stream stream;

static int setup(void **state)
{
    (void)state;
    stream_pool_init(&pool, 100);
    stream_init(&stream, -1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stream_fini(&stream, &pool);
    stream_pool_fini(&pool);
    return 0;
}

static void put(uint8_t value, uint32_t len)
{
    uint32_t room;
    uint8_t *to = stream_reserve(&stream, &pool, len, &room);
    assert_true(room >= len);
    memset(to, value, len);
    stream_commit(&stream, len);
}

static void what_goes_in_comes_out_in_order(void **state)
{
    (void)state;
    uint32_t len;
    put('a', 10);
    put('b', 5);
    const uint8_t *data = stream_peek(&stream, &pool, &len);
    assert_int_equal(len, 15);
    assert_memory_equal(data, "aaaaaaaaaabbbbb", 15);
    stream_advance(&stream, &pool, 12);
    data = stream_peek(&stream, &pool, &len);
    assert_int_equal(len, 3);
    assert_memory_equal(data, "bbb", 3);
    stream_advance(&stream, &pool, 3);
    assert_false(stream_has_output(&stream));
    assert_int_equal(stream.num_chunks, 0);
}

static void a_full_chunk_is_followed_by_another(void **state)
{
    (void)state;
    uint32_t len;
    put('a', STREAM_CHUNK_LEN_MIN - 1);
    put('b', 2);
    assert_int_equal(stream.num_chunks, 2);
    stream_peek(&stream, &pool, &len);
    assert_int_equal(len, STREAM_CHUNK_LEN_MIN - 1);
    stream_advance(&stream, &pool, len);
    assert_int_equal(stream.num_chunks, 1);
    assert_memory_equal(stream_peek(&stream, &pool, &len), "bb", 2);
    assert_int_equal(len, 2);
}

static void writing_goes_on_while_the_first_chunk_is_sent(void **state)
{
    (void)state;
    uint32_t len;
    put('a', 10);
    stream_advance(&stream, &pool, 4);
    put('b', 1);
    assert_memory_equal(stream_peek(&stream, &pool, &len), "aaaaaab", 7);
    assert_int_equal(len, 7);
}

static void chunks_are_used_again(void **state)
{
    (void)state;
    uint32_t room;
    uint8_t *first = stream_reserve(&stream, &pool, 10, &room);
    stream_commit(&stream, 10);
    stream_advance(&stream, &pool, 10);
    assert_ptr_equal(stream_reserve(&stream, &pool, 10, &room), first);
    assert_int_equal(room, STREAM_CHUNK_LEN_MIN);
}

static void a_long_message_makes_long_chunks(void **state)
{
    (void)state;
    struct stream_pool large;
    uint32_t room;
    stream_pool_init(&large, 10 * STREAM_CHUNK_LEN_MIN);
    stream_reserve(&stream, &large, 10 * STREAM_CHUNK_LEN_MIN, &room);
    assert_true(room >= 10 * STREAM_CHUNK_LEN_MIN);
    stream_fini(&stream, &large);
    stream_pool_fini(&large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_goes_in_comes_out_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_chunk_is_followed_by_another, setup, teardown),
        cmocka_unit_test_setup_teardown(writing_goes_on_while_the_first_chunk_is_sent, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(chunks_are_used_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_message_makes_long_chunks, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
