/*
 * test_schedule.c -- intended send times of an open loop (bench/load/schedule.h).
 *
 * The oracle is the definition, start + (k * P + i) / rate, in whole nanoseconds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schedule.h"

#define SECOND UINT64_C(1000000000)

static struct schedule started(uint64_t rate, uint64_t num_publishers)
{
    struct schedule schedule;
    schedule_init(&schedule, rate, num_publishers);
    schedule_start(&schedule, 5 * SECOND, SECOND, 10 * SECOND);
    return schedule;
}

static void publishers_take_turns(void **state)
{
    (void)state;
    struct schedule schedule = started(1000, 4);
    for (uint32_t k = 0; k < 8; k++)
        assert_int_equal(schedule_time_ns(&schedule, k % 4, k / 4), 5 * SECOND + k * SECOND / 1000);
}

static void a_rate_that_divides_nothing_does_not_drift(void **state)
{
    (void)state;
    struct schedule schedule = started(333333, 7);
    for (uint64_t k = 0; k < 3000000000; k += 99999989) {
        uint64_t exact = (uint64_t)((unsigned __int128)(k * 7 + 3) * SECOND / 333333);
        uint64_t got = schedule_time_ns(&schedule, 3, k) - 5 * SECOND;
        assert_in_range(got, exact - 2, exact + 2);
    }
}

static void due_is_what_is_not_in_the_future(void **state)
{
    (void)state;
    static const struct {
        uint64_t rate;
        uint32_t num;
    } rows[] = {{1, 1}, {3, 2}, {1000, 7}, {999983, 10}, {100000000, 3}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct schedule schedule = started(rows[i].rate, rows[i].num);
        for (uint32_t publisher = 0; publisher < rows[i].num; publisher++) {
            for (uint64_t now = 5 * SECOND - 10; now < 16 * SECOND; now += 77777777) {
                uint64_t due = schedule_due(&schedule, publisher, now);
                assert_true(due == 0 || schedule_time_ns(&schedule, publisher, due - 1) <= now);
                assert_true(schedule_time_ns(&schedule, publisher, due) > now);
            }
        }
    }
}

static void nothing_is_due_before_the_start_or_behind_the_end(void **state)
{
    (void)state;
    struct schedule schedule = started(10, 1);
    assert_int_equal(schedule_due(&schedule, 0, 5 * SECOND - 1), 0);
    assert_int_equal(schedule_due(&schedule, 0, 5 * SECOND), 1);
    /* 11 seconds, 10 a second: the one of the last instant is not sent. */
    assert_int_equal(schedule_due(&schedule, 0, 16 * SECOND - 1), 110);
    assert_int_equal(schedule_due(&schedule, 0, 100 * SECOND), 110);
    schedule_cut(&schedule, 7 * SECOND);
    assert_int_equal(schedule_due(&schedule, 0, 100 * SECOND), 20);
    schedule_cut(&schedule, 9 * SECOND);
    assert_int_equal(schedule_due(&schedule, 0, 100 * SECOND), 20);
}

static void measured_is_what_is_due_behind_the_warm_up(void **state)
{
    (void)state;
    struct schedule schedule = started(10, 1);
    assert_false(schedule_is_measured(&schedule, 6 * SECOND - 1));
    assert_true(schedule_is_measured(&schedule, 6 * SECOND));
    assert_true(schedule_is_measured(&schedule, 16 * SECOND - 1));
    assert_false(schedule_is_measured(&schedule, 16 * SECOND));
}

static void a_window_is_two_seconds_within_bounds(void **state)
{
    (void)state;
    assert_int_equal(schedule_window(1000000, 10), 200000);
    assert_int_equal(schedule_window(1000, 1000), SCHEDULE_WINDOW_MIN);
    assert_int_equal(schedule_window(100000000, 1), SCHEDULE_WINDOW_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(publishers_take_turns),
        cmocka_unit_test(a_rate_that_divides_nothing_does_not_drift),
        cmocka_unit_test(due_is_what_is_not_in_the_future),
        cmocka_unit_test(nothing_is_due_before_the_start_or_behind_the_end),
        cmocka_unit_test(measured_is_what_is_due_behind_the_warm_up),
        cmocka_unit_test(a_window_is_two_seconds_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
