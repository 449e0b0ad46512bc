/*
 * test_output.c -- bytes that wait to be sent on one connection (net/output.h).
 *
 * What has been appended must leave in order, whatever pieces the kernel takes: send_some gathers
 * and consumes as net/send.c does and collects the bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "output.h"

#define SELF     4
#define SENT_MAX (1024 * 1024)

static struct output output;
static struct output_pool pool;
static uint8_t sent[SENT_MAX];
static uint32_t sent_len;
static uint8_t expected[SENT_MAX];
static uint32_t expected_len;

static int set_up(void **state)
{
    (void)state;
    output = (struct output){0};
    pool = (struct output_pool){.self = SELF};
    sent_len = expected_len = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)mem_fail_after(UINT64_MAX);
    output_clear(&output, &pool);
    output_pool_fini(&pool);
    return 0;
}

static uint8_t next_byte(void)
{
    return (uint8_t)(expected_len * 7 + expected_len / 251);
}

static void append(uint32_t len)
{
    uint8_t *at = output_reserve(&output, &pool, len);
    assert_non_null(at);
    for (uint32_t i = 0; i < len; i++) {
        at[i] = next_byte();
        expected[expected_len++] = at[i];
    }
}

static struct msg *message(uint32_t len)
{
    uint8_t *payload = malloc(len);
    assert_non_null(payload);
    for (uint32_t i = 0; i < len; i++)
        payload[i] = (uint8_t)(i * 13 + len);
    struct pub pub = {.topic = bytes_of_text("t"), .payload = bytes_of(payload, len)};
    struct msg *msg = msg_create(&pub, SELF);
    free(payload);
    assert_non_null(msg);
    return msg;
}

static void refer(struct msg *msg)
{
    assert_true(output_refer(&output, &pool, msg));
    memcpy(expected + expected_len, msg->pub.payload.ptr, msg->pub.payload.len);
    expected_len += msg->pub.payload.len;
}

/* Gathers at most `offer` bytes, of which the kernel takes `take` at most. Returns how many. */
static uint64_t send_some(uint64_t offer, uint64_t take)
{
    struct iovec iov[OUTPUT_IOV_MAX];
    uint32_t count = output_gather(&output, iov, offer);
    assert_true(count <= OUTPUT_IOV_MAX);
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        assert_true(iov[i].iov_len > 0);
        total += iov[i].iov_len;
        uint64_t part = iov[i].iov_len < take ? iov[i].iov_len : take;
        memcpy(sent + sent_len, iov[i].iov_base, part);
        sent_len += (uint32_t)part;
        take -= part;
    }
    assert_true(total <= offer);
    return total;
}

/* Sends everything in pieces of `piece` bytes and compares. */
static void send_all(uint64_t piece)
{
    while (output.bytes > 0) {
        uint32_t before = sent_len;
        assert_true(send_some(1024 * 1024, piece) > 0);
        output_consume(&output, &pool, sent_len - before);
    }
    assert_int_equal(sent_len, expected_len);
    assert_memory_equal(sent, expected, expected_len);
    assert_null(output.first);
    assert_null(output.last);
}

static unsigned pool_count(void)
{
    unsigned count = 0;
    for (unsigned class = 0; class < OUTPUT_SIZES; class ++)
        count += pool.free_count[class];
    return count;
}

static void an_empty_output_owns_nothing(void **state)
{
    (void)state;
    struct iovec iov[OUTPUT_IOV_MAX];
    assert_int_equal(output_gather(&output, iov, 1000), 0);
    append(10);
    send_all(100);
    assert_null(output.first);
    assert_int_equal(output_gather(&output, iov, 1000), 0);
    assert_int_equal(pool_count(), 1);
}

static void small_packets_share_a_chunk(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++)
        append(20);
    assert_int_equal(output.bytes, 200);
    struct iovec iov[OUTPUT_IOV_MAX];
    assert_int_equal(output_gather(&output, iov, 1000), 1);
    assert_int_equal(iov[0].iov_len, 200);
    send_all(1000);
}

/* The kernel still reads the chunk's beginning while packets are put behind it. */
static void appending_does_not_move_what_is_being_sent(void **state)
{
    (void)state;
    append(30);
    struct iovec iov[OUTPUT_IOV_MAX];
    assert_int_equal(output_gather(&output, iov, 1000), 1);
    struct iovec in_flight = iov[0];
    append(30);
    append(5000);
    assert_int_equal(output_gather(&output, iov, 10000), 2);
    assert_ptr_equal(iov[0].iov_base, in_flight.iov_base);
    assert_memory_equal(in_flight.iov_base, expected, 30);
    send_all(100000);
}

static void every_piece_size_gives_the_same_bytes(void **state)
{
    (void)state;
    static const uint64_t pieces[] = {1, 2, 7, 100, 511, 4096, 70000, 1000000};
    for (unsigned i = 0; i < ARRAY_LEN(pieces); i++) {
        set_up(NULL);
        for (uint32_t len = 1; len < 3000; len = len * 3 / 2 + 1)
            append(len);
        struct msg *msg = message(5000);
        refer(msg);
        append(3);
        refer(msg);
        msg_unref(msg, SELF);
        append(100000);
        append(1);
        send_all(pieces[i]);
        tear_down(NULL);
    }
}

static void a_gather_has_its_bounds(void **state)
{
    (void)state;
    struct msg *msg = message(3000);
    for (unsigned i = 0; i < 2 * OUTPUT_IOV_MAX; i++)
        refer(msg);
    msg_unref(msg, SELF);
    struct iovec iov[OUTPUT_IOV_MAX];
    assert_int_equal(output_gather(&output, iov, UINT64_MAX), OUTPUT_IOV_MAX);
    assert_int_equal(output_gather(&output, iov, 3000), 1);
    assert_int_equal(output_gather(&output, iov, 3001), 2);
    assert_int_equal(iov[1].iov_len, 1);
    assert_int_equal(output_gather(&output, iov, 10), 1);
    assert_int_equal(iov[0].iov_len, 10);
    send_all(9999);
}

static void a_reference_keeps_its_message(void **state)
{
    (void)state;
    struct msg *msg = message(4000);
    refer(msg);
    refer(msg);
    assert_int_equal(msg->home_refs, 3);
    msg_unref(msg, SELF);
    uint32_t before = sent_len;
    send_some(4000, 4000);
    output_consume(&output, &pool, sent_len - before);
    assert_int_equal(msg->home_refs, 1);
    send_all(3999); /* frees the message: a leak otherwise */
}

static void clearing_releases_messages(void **state)
{
    (void)state;
    struct msg *msg = message(4000);
    append(10);
    refer(msg);
    append(10);
    output_clear(&output, &pool);
    assert_int_equal(msg->home_refs, 1);
    assert_int_equal(output.bytes, 0);
    assert_null(output.first);
    msg_unref(msg, SELF);
    expected_len = 0;
    append(10);
    send_all(10);
}

/* The more waits, the larger the next chunk. */
static void chunks_grow_with_what_waits(void **state)
{
    (void)state;
    unsigned counts[2];
    for (unsigned round = 0; round < 2; round++) {
        uint32_t packets = round == 0 ? 10 : 1000;
        for (uint32_t i = 0; i < packets; i++)
            append(100);
        struct iovec iov[OUTPUT_IOV_MAX];
        counts[round] = output_gather(&output, iov, UINT64_MAX);
        send_all(UINT64_MAX);
    }
    assert_true(counts[0] >= 2 && counts[0] <= 4); /* 1 kB: 512, then larger */
    assert_true(counts[1] <= 8);                   /* 100 kB: not 200 of 512 */
}

static void chunks_are_used_again_within_a_bound(void **state)
{
    (void)state;
    append(10);
    struct output_segment *chunk = output.first;
    send_all(10);
    append(10);
    assert_ptr_equal(output.first, chunk);
    assert_int_equal(pool_count(), 0);
    send_all(10);
    static struct output many[3000];
    for (unsigned i = 0; i < ARRAY_LEN(many); i++)
        assert_non_null(output_reserve(&many[i], &pool, 10));
    for (unsigned i = 0; i < ARRAY_LEN(many); i++)
        output_clear(&many[i], &pool);
    assert_int_equal(pool_count(), 2048);
    assert_int_equal(pool.free_count[0], 2048);
}

static void a_packet_larger_than_all_chunks_has_its_own(void **state)
{
    (void)state;
    append(10);
    append(500000);
    append(10);
    send_all(65536);
    assert_int_equal(pool_count(), 2);
}

static void a_copy_fills_the_chunks_that_are_there(void **state)
{
    (void)state;
    static uint8_t bytes[200000];
    append(100);
    for (uint32_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = next_byte();
        expected[expected_len++] = bytes[i];
    }
    assert_true(output_copy(&output, &pool, bytes_of(bytes, sizeof(bytes))));
    append(7);
    struct iovec iov[OUTPUT_IOV_MAX];
    assert_int_equal(output.bytes, 100 + sizeof(bytes) + 7);
    assert_int_equal(output_gather(&output, iov, UINT64_MAX), 5); /* 512, 3 of 64 KiB, the rest */
    assert_int_equal(iov[0].iov_len + 40, 512);
    send_all(10007);
    struct msg *msg = message(3000);
    refer(msg);
    assert_true(output_copy(&output, &pool, bytes_of(NULL, 0)));
    send_all(1000);
    msg_unref(msg, SELF);
}

static void a_copy_without_memory_says_so(void **state)
{
    (void)state;
    static const uint8_t bytes[100000];
    if (!mem_fail_after(1))
        skip();
    assert_false(output_copy(&output, &pool, bytes_of(bytes, sizeof(bytes))));
    assert_true(output.bytes > 0 && output.bytes < sizeof(bytes));
}

static void without_memory_nothing_happens(void **state)
{
    (void)state;
    if (!mem_fail_after(0))
        skip();
    assert_null(output_reserve(&output, &pool, 10));
    assert_null(output.first);
    append(300);
    assert_true(mem_fail_after(0));
    assert_null(output_reserve(&output, &pool, 300));
    assert_int_equal(output.bytes, 300);
    (void)mem_fail_after(UINT64_MAX);
    struct msg *msg = message(3000);
    assert_true(mem_fail_after(0));
    assert_false(output_refer(&output, &pool, msg));
    assert_int_equal(msg->home_refs, 1);
    (void)mem_fail_after(UINT64_MAX);
    msg_unref(msg, SELF);
    append(300);
    send_all(100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_output_owns_nothing),
        TEST(small_packets_share_a_chunk),
        TEST(appending_does_not_move_what_is_being_sent),
        TEST(every_piece_size_gives_the_same_bytes),
        TEST(a_gather_has_its_bounds),
        TEST(a_reference_keeps_its_message),
        TEST(clearing_releases_messages),
        TEST(chunks_grow_with_what_waits),
        TEST(chunks_are_used_again_within_a_bound),
        TEST(a_packet_larger_than_all_chunks_has_its_own),
        TEST(a_copy_fills_the_chunks_that_are_there),
        TEST(a_copy_without_memory_says_so),
        TEST(without_memory_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
