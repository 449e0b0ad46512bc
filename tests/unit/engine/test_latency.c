/*
 * test_latency.c -- the histogram of durations: where a duration falls, and what readers are told.
 */
#include "latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct latency latency;

static int clear(void **state)
{
    (void)state;
    memset(&latency, 0, sizeof(latency));
    return 0;
}

static void buckets_follow_each_other(void **state)
{
    (void)state;
    uint64_t begin_ns = 0;
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
        uint64_t end_ns = latency_bucket_end_ns(i);
        assert_true(end_ns > begin_ns);
        assert_int_equal(latency_index(begin_ns), i);
        assert_int_equal(latency_index(end_ns - 1), i);
        /* 1/32 of the value, where whole nanoseconds allow it. */
        if (begin_ns >= LATENCY_PARTS && i < LATENCY_BUCKETS - 1)
            assert_true((end_ns - begin_ns) * LATENCY_PARTS <= begin_ns);
        begin_ns = end_ns;
    }
    assert_int_equal(begin_ns, UINT64_MAX);
    assert_int_equal(latency_index(UINT64_MAX), LATENCY_BUCKETS - 1);
}

static void what_is_told_is_never_better_than_the_truth(void **state)
{
    (void)state;
    static const uint64_t limits_ns[] = {10000, 1000000, 1000000000};
    uint64_t counts[ARRAY_LEN(limits_ns)];
    for (size_t i = 0; i < ARRAY_LEN(limits_ns); i++) {
        clear(NULL);
        latency_record(&latency, limits_ns[i] + 1, 1);
        assert_int_equal(latency_cumulate(&latency, limits_ns, ARRAY_LEN(limits_ns), counts), 1);
        assert_int_equal(counts[i], 0);
        clear(NULL);
        latency_record(&latency, limits_ns[i] - limits_ns[i] / 32, 1);
        assert_int_equal(latency_cumulate(&latency, limits_ns, ARRAY_LEN(limits_ns), counts), 1);
        assert_int_equal(counts[i], 1);
    }
}

static void a_limit_that_ends_a_bucket_is_exact(void **state)
{
    (void)state;
    static const uint64_t limits_ns[] = {31, 63, 65};
    uint64_t counts[ARRAY_LEN(limits_ns)];
    latency_record(&latency, 31, 1);
    latency_record(&latency, 32, 1);
    latency_record(&latency, 63, 1);
    latency_record(&latency, 65, 1);
    latency_record(&latency, 66, 1);
    assert_int_equal(latency_cumulate(&latency, limits_ns, ARRAY_LEN(limits_ns), counts), 5);
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[1], 3);
    assert_int_equal(counts[2], 4);
}

static void several_shards_add_up(void **state)
{
    (void)state;
    static struct latency all;
    static struct latency other;
    static const uint64_t limits_ns[] = {1000, 2000000};
    uint64_t counts[ARRAY_LEN(limits_ns)];
    memset(&all, 0, sizeof(all));
    memset(&other, 0, sizeof(other));
    latency_record(&latency, 500, 3);
    latency_record(&other, 1000000, 2);
    latency_record(&other, UINT64_C(1) << 50, 1);
    latency_gather(&all, &latency);
    latency_gather(&all, &other);
    assert_int_equal(latency_cumulate(&all, limits_ns, ARRAY_LEN(limits_ns), counts), 6);
    assert_int_equal(counts[0], 3);
    assert_int_equal(counts[1], 5);
    assert_int_equal(all.sum_ns, 1500 + 2000000 + (UINT64_C(1) << 50));
    assert_int_equal(latency_cumulate(&all, NULL, 0, NULL), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(buckets_follow_each_other, clear),
        cmocka_unit_test_setup(what_is_told_is_never_better_than_the_truth, clear),
        cmocka_unit_test_setup(a_limit_that_ends_a_bucket_is_exact, clear),
        cmocka_unit_test_setup(several_shards_add_up, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
