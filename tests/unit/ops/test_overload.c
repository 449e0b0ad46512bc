/*
 * test_overload.c -- the ladder of measures against overload, step by step (ops/overload.h), and
 * alarms (ops/alarms.h).
 */
#include "alarms.h"
#include "overload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "log.h"

static const struct overload_marks marks = {
    .lag_high_ms = 100, .memory_high = 1000, .step_time_ms = 500};
static struct overload_ladder ladder;
static uint64_t now_ms;

static int set_up(void **state)
{
    (void)state;
    memset(&ladder, 0, sizeof(ladder));
    now_ms = 10000;
    log_level_set(LOG_ERROR);
    return 0;
}

/* The level after `ms` with these figures, looked at ten times a second. */
static unsigned after(uint64_t ms, uint64_t lag_ms, uint64_t memory)
{
    unsigned level = ladder.level;
    for (uint64_t until_ms = now_ms + ms; now_ms < until_ms; now_ms += 100)
        level = overload_next(&ladder, &marks, lag_ms, memory, now_ms);
    return level;
}

static void each_step_takes_its_time(void **state)
{
    (void)state;
    assert_int_equal(after(5000, 100, 1000), 0); /* at the marks, not above */
    assert_int_equal(after(500, 101, 0), 0);
    assert_int_equal(after(100, 101, 0), 1);
    assert_int_equal(after(400, 101, 0), 1);
    assert_int_equal(after(100, 0, 1001), 2); /* still high, by the other figure */
    assert_int_equal(after(500, 101, 1001), 3);
    assert_int_equal(after(5000, 101, 1001), 3);
}

static void it_goes_back_step_by_step(void **state)
{
    (void)state;
    assert_int_equal(after(2000, 101, 0), 3);
    assert_int_equal(after(500, 80, 800), 3);
    assert_int_equal(after(100, 80, 800), 2);
    assert_int_equal(after(500, 80, 800), 1);
    assert_int_equal(after(500, 80, 800), 0);
    assert_int_equal(after(5000, 0, 0), 0);
}

static void between_the_marks_it_stays(void **state)
{
    (void)state;
    assert_int_equal(after(600, 101, 0), 1);
    assert_int_equal(after(5000, 81, 0), 1);
    assert_int_equal(after(5000, 0, 801), 1);
    assert_int_equal(after(5000, 80, 1000), 1);
    /* And what was high before begins anew. */
    assert_int_equal(after(500, 101, 0), 1);
    assert_int_equal(after(100, 101, 0), 2);
}

static void a_short_peak_is_no_overload(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(after(500, 101, 0), 0);
        assert_int_equal(after(100, 0, 0), 0);
    }
}

static void without_marks_there_is_none(void **state)
{
    (void)state;
    const struct overload_marks none = {
        .lag_high_ms = UINT64_MAX, .memory_high = UINT64_MAX, .step_time_ms = 500};
    for (; now_ms < 20000; now_ms += 100)
        assert_int_equal(overload_next(&ladder, &none, 1000000, UINT64_MAX - 1, now_ms), 0);
}

static void alarms_are_raised_once(void **state)
{
    (void)state;
    struct alarms alarms = {.times = {0}};
    for (unsigned i = 0; i < 3; i++)
        alarms_set(&alarms, ALARM_LOG_FAILING, true, "why");
    assert_true(alarms.is_raised[ALARM_LOG_FAILING]);
    assert_int_equal(alarms.times[ALARM_LOG_FAILING], 1);
    alarms_set(&alarms, ALARM_LOG_FAILING, false, "");
    alarms_set(&alarms, ALARM_LOG_FAILING, true, "");
    assert_int_equal(alarms.times[ALARM_LOG_FAILING], 2);
    assert_false(alarms.is_raised[ALARM_OVERLOAD_REFUSING]);
    assert_string_equal(alarm_name(ALARM_LOG_FAILING), "log_failing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_step_takes_its_time, set_up),
        cmocka_unit_test_setup(it_goes_back_step_by_step, set_up),
        cmocka_unit_test_setup(between_the_marks_it_stays, set_up),
        cmocka_unit_test_setup(a_short_peak_is_no_overload, set_up),
        cmocka_unit_test_setup(without_marks_there_is_none, set_up),
        cmocka_unit_test_setup(alarms_are_raised_once, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
