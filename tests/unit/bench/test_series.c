/*
 * test_series.c -- the measured time in slices (bench/load/series.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "series.h"

#define MS UINT64_C(1000000)

static void slices_fit_the_time_and_are_not_too_short(void **state)
{
    (void)state;
    struct series series;
    series_init(&series, 1000 * MS);
    assert_int_equal(series.slice_ns, 50 * MS);
    assert_int_equal(series.num_slices, 20);
    series_init(&series, 100000 * MS);
    assert_int_equal(series.slice_ns, 1000 * MS);
    assert_int_equal(series.num_slices, 100);
    series_init(&series, 1 * MS);
    assert_int_equal(series.num_slices, 1);
}

static void what_is_recorded_is_in_its_slice_and_in_the_whole(void **state)
{
    (void)state;
    struct series_part parts[2] = {{.current = NULL}, {.current = NULL}};
    struct series series;
    struct histogram whole;
    series_init(&series, 1000 * MS);
    for (unsigned i = 0; i < 2; i++) {
        series_part_turn(&parts[i], series.slice_ns, 120 * MS);
        histogram_record(parts[i].current, 10 + i);
        /* Behind the end: the last slice. */
        series_part_turn(&parts[i], series.slice_ns, 1000000 * MS);
        histogram_record(parts[i].current, 1000);
        series_part_turn(&parts[i], series.slice_ns, SERIES_SLICES * series.slice_ns);
        histogram_record(parts[i].current, 1000);
        series_part_turn(&parts[i], series.slice_ns, 149 * MS);
        histogram_record(parts[i].current, 12);
    }
    histogram_init(&whole);
    for (unsigned i = 0; i < 2; i++)
        series_part_merge(&whole, &parts[i]);
    for (uint32_t i = 0; i < SERIES_SLICES; i++)
        series_sum(&series, i, parts, sizeof(parts[0]), 2);
    assert_int_equal(whole.num, 8);
    assert_int_equal(series.latency[2].num, 4);
    assert_int_equal(series.latency[2].max_ns, 12);
    assert_int_equal(series.latency[2].p50_ns, 11);
    assert_int_equal(series.latency[SERIES_SLICES - 1].num, 4);
    assert_int_equal(series.latency[3].num, 0);
    for (unsigned i = 0; i < 2; i++)
        series_part_fini(&parts[i]);
}

static void marks_never_run_out(void **state)
{
    (void)state;
    struct series series;
    series_init(&series, 1000 * MS);
    for (unsigned i = 0; i < 3 * SERIES_SLICES; i++)
        series_add(&series, i * MS, i, 2 * i);
    assert_int_equal(series.num_marks, SERIES_SLICES + 1);
    assert_int_equal(series.marks[SERIES_SLICES].published, 3 * SERIES_SLICES - 1);
    assert_int_equal(series.marks[7].delivered, 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_fit_the_time_and_are_not_too_short),
        cmocka_unit_test(what_is_recorded_is_in_its_slice_and_in_the_whole),
        cmocka_unit_test(marks_never_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
