/*
 * test_bucket.c -- token buckets at their edges (engine/bucket.h); model_bucket.c compares them
 * with exact fractions.
 */
#include "bucket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct bucket_rate ten_a_second = {.amount = 10, .burst = 10, .period_ms = 1000};
static const struct bucket_rate no_limit = {.amount = 0, .burst = 0, .period_ms = 0};

static void a_new_bucket_is_full(void **state)
{
    (void)state;
    for (uint64_t now_ms = 0; now_ms <= 1; now_ms++) {
        struct bucket bucket = {.at_ms = 0};
        for (int i = 0; i < 10; i++)
            assert_true(bucket_take(&bucket, &ten_a_second, now_ms, 1));
        assert_false(bucket_take(&bucket, &ten_a_second, now_ms, 1));
        assert_int_equal(bucket_wait_ms(&bucket, &ten_a_second, now_ms), 100);
    }
}

static void it_fills_evenly_and_not_beyond_the_burst(void **state)
{
    (void)state;
    struct bucket bucket = {.at_ms = 0};
    assert_true(bucket_take(&bucket, &ten_a_second, 1000, 10));
    assert_false(bucket_take(&bucket, &ten_a_second, 1099, 1));
    assert_int_equal(bucket_wait_ms(&bucket, &ten_a_second, 1099), 1);
    assert_true(bucket_take(&bucket, &ten_a_second, 1100, 1));
    assert_false(bucket_take(&bucket, &ten_a_second, 1100, 1));
    assert_true(bucket_take(&bucket, &ten_a_second, 1000000, 10));
    assert_false(bucket_take(&bucket, &ten_a_second, 1000000, 1));
}

static void parts_of_a_token_are_not_lost(void **state)
{
    (void)state;
    const struct bucket_rate rate = {.amount = 3, .burst = 1, .period_ms = 1000};
    struct bucket bucket = {.at_ms = 0};
    assert_true(bucket_take(&bucket, &rate, 1, 1));
    unsigned taken = 0;
    /* Looked at in every millisecond: a third of a token at a time. */
    for (uint64_t now_ms = 2; now_ms <= 9001; now_ms++)
        taken += bucket_take(&bucket, &rate, now_ms, 1);
    /* A full bucket drops its rest, so a token comes every 334 ms. */
    assert_in_range(taken, 26, 27);
}

static void a_debt_is_paid_by_waiting(void **state)
{
    (void)state;
    struct bucket bucket = {.at_ms = 0};
    bucket_charge(&bucket, &ten_a_second, 5000, 110);
    assert_int_equal(bucket.level, -100);
    assert_int_equal(bucket_wait_ms(&bucket, &ten_a_second, 5000), 10100);
    assert_int_equal(bucket_wait_ms(&bucket, &ten_a_second, 15099), 1);
    assert_int_equal(bucket_wait_ms(&bucket, &ten_a_second, 15100), 0);
}

static void debt_has_an_end(void **state)
{
    (void)state;
    const struct bucket_rate rate = {
        .amount = 1, .burst = 1, .period_ms = (uint32_t)BUCKET_PERIOD_MS_MAX};
    struct bucket bucket = {.at_ms = 0};
    bucket_rate_assert(&rate);
    for (int i = 0; i < 3; i++)
        bucket_charge(&bucket, &rate, 1, UINT64_MAX);
    assert_int_equal(bucket.level, -BUCKET_DEBT_MAX);
    assert_int_equal(bucket_wait_ms(&bucket, &rate, 1),
                     (BUCKET_AMOUNT_MAX + 1) * BUCKET_PERIOD_MS_MAX);
    assert_int_equal(bucket_wait_ms(&bucket, &rate, UINT64_MAX), 0);
}

static void a_changed_rate_holds_at_once(void **state)
{
    (void)state;
    const struct bucket_rate slow = {.amount = 1, .burst = 2, .period_ms = 10};
    struct bucket bucket = {.at_ms = 0};
    assert_true(bucket_take(&bucket, &ten_a_second, 1, 1));
    assert_false(bucket_take(&bucket, &slow, 100, 3));
    assert_int_equal(bucket.level, 2);
    assert_true(bucket_take(&bucket, &slow, 100, 2));
    bucket.rest = 999;
    assert_false(bucket_take(&bucket, &slow, 100, 1));
    assert_true(bucket.rest < slow.period_ms);
}

static void without_a_limit_everything_passes(void **state)
{
    (void)state;
    struct bucket bucket = {.at_ms = 0};
    assert_false(bucket_rate_limits(&no_limit));
    bucket_rate_assert(&no_limit);
    assert_true(bucket_take(&bucket, &no_limit, 1, UINT64_MAX));
    bucket_charge(&bucket, &no_limit, 1, UINT64_MAX);
    assert_int_equal(bucket_wait_ms(&bucket, &no_limit, 1), 0);
    assert_int_equal(bucket.at_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_bucket_is_full),
        cmocka_unit_test(it_fills_evenly_and_not_beyond_the_burst),
        cmocka_unit_test(parts_of_a_token_are_not_lost),
        cmocka_unit_test(a_debt_is_paid_by_waiting),
        cmocka_unit_test(debt_has_an_end),
        cmocka_unit_test(a_changed_rate_holds_at_once),
        cmocka_unit_test(without_a_limit_everything_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
