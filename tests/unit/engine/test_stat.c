/*
 * test_stat.c -- counters and gauges, and the engine's table of them (engine/stat.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "engine_stats.h"

static void a_counter_counts(void **state)
{
    (void)state;
    static struct stats stats;
    stat_add(&stats, STAT_TURNS, 2);
    stat_add(&stats, STAT_TURNS, 3);
    stat_add(&stats, STAT_SLEEPS, 7);
    assert_int_equal(stat_read(&stats, STAT_TURNS), 5);
    assert_int_equal(stat_read(&stats, STAT_SLEEPS), 7);
    for (unsigned i = 0; i < STAT_COUNT; i++)
        if (i != STAT_TURNS && i != STAT_SLEEPS)
            assert_int_equal(stat_read(&stats, i), 0);
}

static void a_gauge_is_right_as_a_sum(void **state)
{
    (void)state;
    static struct stats blocks[2];
    stat_add(&blocks[0], 40, 10);
    stat_sub(&blocks[1], 40, 4); /* went down on another thread than it went up */
    assert_int_equal(stat_read(&blocks[0], 40) + stat_read(&blocks[1], 40), 6);
    stat_sub(&blocks[0], 40, 6);
    assert_int_equal(stat_read(&blocks[0], 40) + stat_read(&blocks[1], 40), 0);
}

static void the_last_counter_has_a_place(void **state)
{
    (void)state;
    static struct stats stats;
    stat_add(&stats, STAT_COUNT - 1, 1);
    assert_int_equal(stat_read(&stats, STAT_COUNT - 1), 1);
    assert_int_equal(_Alignof(struct stats), 64); /* two owners share no cache line */
    assert_int_equal(sizeof(stats) % 64, 0);
}

static void rows_of_the_table_have_names_of_their_own(void **state)
{
    (void)state;
#define ENGINE_STAT_ROW(id, kind, name, help) {STAT_##kind, name, help},
    static const struct stat_info rows[] = {ENGINE_STATS(ENGINE_STAT_ROW)};
#undef ENGINE_STAT_ROW
    assert_int_equal(ARRAY_LEN(rows), STAT_ENGINE_END - STAT_ENGINE_FIRST);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(strlen(rows[i].help) > 0);
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(rows[i].name, rows[j].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_counter_counts),
        cmocka_unit_test(a_gauge_is_right_as_a_sum),
        cmocka_unit_test(the_last_counter_has_a_place),
        cmocka_unit_test(rows_of_the_table_have_names_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
