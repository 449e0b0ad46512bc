/*
 * test_histogram.c -- slots, error and quantiles of the latency histogram (bench/load/histogram.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "histogram.h"

static struct histogram histogram;
static struct histogram other;

static int setup(void **state)
{
    (void)state;
    histogram_init(&histogram);
    histogram_init(&other);
    return 0;
}

static void slots_adjoin_without_gap_or_overlap(void **state)
{
    (void)state;
    assert_int_equal(histogram_slot_low_ns(0), 0);
    for (unsigned slot = 0; slot < HISTOGRAM_SLOTS; slot++) {
        uint64_t low = histogram_slot_low_ns(slot);
        uint64_t high = histogram_slot_high_ns(slot);
        assert_true(low <= high);
        assert_int_equal(histogram_slot(low), slot);
        assert_int_equal(histogram_slot(high), slot);
        if (slot > 0)
            assert_int_equal(histogram_slot_high_ns(slot - 1) + 1, low);
    }
}

static void slots_are_narrower_than_one_percent(void **state)
{
    (void)state;
    for (unsigned slot = 0; slot < HISTOGRAM_SLOTS; slot++) {
        uint64_t low = histogram_slot_low_ns(slot);
        uint64_t width = histogram_slot_high_ns(slot) - low;
        assert_true(width * 100 <= low);
    }
}

static void the_last_value_has_a_slot(void **state)
{
    (void)state;
    assert_true(histogram_slot(HISTOGRAM_VALUE_NS_MAX) < HISTOGRAM_SLOTS);
}

static void quantiles_of_a_known_series(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 1000; i++)
        histogram_record(&histogram, i * 1000);
    const double fractions[] = {0.001, 0.5, 0.9, 0.99, 0.999};
    for (unsigned i = 0; i < ARRAY_LEN(fractions); i++) {
        uint64_t exact = (uint64_t)(fractions[i] * 1000 + 0.5) * 1000;
        uint64_t told = histogram_quantile_ns(&histogram, fractions[i]);
        assert_true(told >= exact);
        assert_true(told - exact <= exact / 100);
    }
    assert_int_equal(histogram_quantile_ns(&histogram, 1.0), 1000000);
    assert_int_equal(histogram_mean_ns(&histogram), 500500);
    assert_int_equal(histogram.min_ns, 1000);
}

static void an_empty_one_answers_zero(void **state)
{
    (void)state;
    assert_int_equal(histogram_quantile_ns(&histogram, 0.5), 0);
    assert_int_equal(histogram_mean_ns(&histogram), 0);
}

static void one_value_is_every_quantile(void **state)
{
    (void)state;
    histogram_record(&histogram, 123456789);
    assert_int_equal(histogram_quantile_ns(&histogram, 0.0), 123456789);
    assert_int_equal(histogram_quantile_ns(&histogram, 0.5), 123456789);
    assert_int_equal(histogram_quantile_ns(&histogram, 1.0), 123456789);
}

static void no_quantile_is_above_the_maximum(void **state)
{
    (void)state;
    /* Both in the slot of 1000 to 1003. */
    histogram_record(&histogram, 1000);
    histogram_record(&histogram, 1001);
    assert_int_equal(histogram_quantile_ns(&histogram, 0.5), 1001);
}

static void beyond_the_range_is_counted_and_the_maximum_is_exact(void **state)
{
    (void)state;
    histogram_record(&histogram, HISTOGRAM_VALUE_NS_MAX);
    assert_int_equal(histogram.num_over, 0);
    histogram_record(&histogram, UINT64_MAX);
    assert_int_equal(histogram.num_over, 1);
    assert_int_equal(histogram.num, 2);
    assert_int_equal(histogram.max_ns, UINT64_MAX);
}

static void merging_adds_everything(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 100; i++)
        histogram_record(&histogram, 1000);
    for (uint64_t i = 0; i < 300; i++)
        histogram_record(&other, 90000);
    histogram_record(&other, UINT64_C(70000000000));
    histogram_merge(&histogram, &other);
    assert_int_equal(histogram.num, 401);
    assert_int_equal(histogram.num_over, 1);
    assert_int_equal(histogram.min_ns, 1000);
    assert_int_equal(histogram.max_ns, 70000000000);
    assert_int_equal(histogram_quantile_ns(&histogram, 0.2), 1003);
    assert_true(histogram_quantile_ns(&histogram, 0.5) >= 90000);
    assert_int_equal(histogram_mean_ns(&histogram),
                     (100 * 1000 + 300 * 90000 + UINT64_C(70000000000)) / 401);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(slots_adjoin_without_gap_or_overlap, setup),
        cmocka_unit_test_setup(slots_are_narrower_than_one_percent, setup),
        cmocka_unit_test_setup(the_last_value_has_a_slot, setup),
        cmocka_unit_test_setup(quantiles_of_a_known_series, setup),
        cmocka_unit_test_setup(an_empty_one_answers_zero, setup),
        cmocka_unit_test_setup(one_value_is_every_quantile, setup),
        cmocka_unit_test_setup(no_quantile_is_above_the_maximum, setup),
        cmocka_unit_test_setup(beyond_the_range_is_counted_and_the_maximum_is_exact, setup),
        cmocka_unit_test_setup(merging_adds_everything, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
