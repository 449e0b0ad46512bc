/*
 * test_store_moves.c -- which messages are to be copied (route/store_moves.h): without repetition,
 * in order, within bounds however many there are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mem.h"
#include "store_moves.h"

static const struct wal_sparse ranges[] = {
    {.first = {4096}, .end = {1004096}},
    {.first = {9000000}, .end = {10000000}},
    {.first = {UINT64_C(1) << 50}, .end = {(UINT64_C(1) << 50) + 64000000}},
};

static struct store_moves *moves;

static int close_moves(void **state)
{
    (void)state;
    store_moves_destroy(moves);
    moves = NULL;
    return 0;
}

/* All of them in batches; checks that none comes twice and none lies far from the others. */
static uint32_t take_all(uint64_t span, uint32_t max)
{
    struct store_move *batch[64];
    uint32_t all = 0;
    uint64_t last = 0;
    for (;;) {
        uint32_t num = store_moves_batch(moves, span, batch, max);
        if (num == 0)
            return all;
        uint64_t low = UINT64_MAX;
        uint64_t high = 0;
        for (uint32_t i = 0; i < num; i++) {
            assert_int_equal(batch[i]->to, 0);
            batch[i]->to = batch[i]->from + 1;
            low = batch[i]->from < low ? batch[i]->from : low;
            high = batch[i]->from > high ? batch[i]->from : high;
        }
        uint64_t bucket = UINT64_C(1) << moves->shift;
        assert_true(high - low < (span > bucket ? span : bucket) || low < (UINT64_C(1) << 50));
        assert_true(high + bucket >= last);
        last = high;
        all += num;
    }
}

static void each_once_and_in_order(void **state)
{
    (void)state;
    moves = store_moves_create(ranges, 3, 42);
    assert_non_null(moves);
    for (unsigned round = 0; round < 3; round++)
        for (uint64_t i = 0; i < 1000; i++) {
            store_moves_add(moves, ranges[2].first.word + i * 63000);
            store_moves_add(moves, ranges[0].end.word - 1 - i * 999);
            store_moves_add(moves, 2000000 + i * 1000); /* in no range */
        }
    store_moves_add(moves, ranges[1].end.word);
    store_moves_add(moves, ranges[0].first.word - 1);
    assert_int_equal(moves->count, 2000);
    store_moves_order(moves);
    assert_int_equal(store_moves_find(moves, ranges[2].first.word), 0);
    struct store_move *batch[64];
    assert_int_equal(store_moves_batch(moves, 1000000, batch, 5), 5);
    store_moves_back(moves, 5);
    assert_int_equal(take_all(1000000, 64), 2000);
    assert_int_equal(store_moves_find(moves, ranges[2].first.word), ranges[2].first.word + 1);
    assert_int_equal(store_moves_find(moves, ranges[0].end.word - 1), ranges[0].end.word);
    assert_int_equal(store_moves_find(moves, ranges[0].end.word - 2), 0);
    assert_int_equal(store_moves_find(moves, 2000000), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_true(store_moves_covers(moves, &ranges[i]));
}

static void too_many_give_up_ranges(void **state)
{
    (void)state;
    moves = store_moves_create(ranges, 3, 7);
    assert_non_null(moves);
    for (uint64_t i = 0; i < 2 * STORE_MOVES_MAX; i++) {
        store_moves_add(moves, ranges[0].first.word + i % 1000);
        store_moves_add(moves, ranges[2].first.word + i * 50);
    }
    assert_int_equal(moves->ranges_num, 2);
    assert_int_equal(moves->count, 1000);
    assert_true(store_moves_covers(moves, &ranges[0]));
    assert_false(store_moves_covers(moves, &ranges[2]));
    store_moves_destroy(moves);
    /* The only one is halved as often as it takes. */
    moves = store_moves_create(ranges, 1, 7);
    assert_non_null(moves);
    for (uint64_t i = 0; i < 200000; i++)
        store_moves_add(moves, ranges[0].first.word + i * 5);
    assert_int_equal(moves->ranges_num, 1);
    assert_false(store_moves_covers(moves, &ranges[0]));
    assert_true(moves->count > STORE_MOVES_MAX / 4 && moves->count <= STORE_MOVES_MAX);
    store_moves_order(moves);
    uint32_t count = moves->count;
    assert_int_equal(take_all(4096, 64), count);
    assert_int_equal(store_moves_find(moves, ranges[0].first.word), ranges[0].first.word + 1);
}

/* Without memory nothing is given up, and what is full stays as it is. */
static void no_memory(void **state)
{
    (void)state;
    for (unsigned num_good = 0; num_good < 3; num_good++) {
        if (!mem_fail_after(num_good))
            skip();
        assert_null(store_moves_create(ranges, 3, 1));
    }
    moves = store_moves_create(ranges, 3, 1);
    for (uint64_t i = 0; i < STORE_MOVES_MAX; i++)
        store_moves_add(moves, ranges[2].first.word + i);
    mem_fail_after(0);
    store_moves_add(moves, ranges[2].first.word + STORE_MOVES_MAX);
    assert_int_equal(moves->count, STORE_MOVES_MAX);
    assert_int_equal(moves->ranges_num, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_once_and_in_order, close_moves),
        cmocka_unit_test_teardown(too_many_give_up_ranges, close_moves),
        cmocka_unit_test_teardown(no_memory, close_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
