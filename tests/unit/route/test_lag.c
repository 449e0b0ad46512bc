/*
 * test_lag.c -- which copies are recorded at the end of a turn, and with what time.
 */
#include "lag.h"
#include "router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct shard shard;
static struct router router;
static struct stats stats;
static struct latency latencies[SHARD_LATENCY_COUNT];

static int setup(void **state)
{
    (void)state;
    memset(&shard, 0, sizeof(shard));
    memset(&router, 0, sizeof(router));
    memset(&stats, 0, sizeof(stats));
    memset(latencies, 0, sizeof(latencies));
    shard.stats = &stats;
    shard.latencies = latencies;
    shard.route = &router;
    shard.now_ns = 1000000;
    router.magic = ROUTER_MAGIC;
    router.shard = &shard;
    router.stats = &stats;
    return 0;
}

static void deliver(uint64_t copies)
{
    router_count(&router, STAT_DELIVERED_QOS0, copies / 2);
    router_count(&router, STAT_DELIVERED_QOS2, copies - copies / 2);
}

/* Copies recorded with a time of `duration_ns`, a bucket's worth of doubt included. */
static uint64_t recorded(uint64_t duration_ns)
{
    return latencies[SHARD_LATENCY_DELIVERY].buckets[latency_index(duration_ns)];
}

static uint64_t recorded_in_all(void)
{
    return latency_cumulate(&latencies[SHARD_LATENCY_DELIVERY], NULL, 0, NULL);
}

static void copies_of_the_turn_take_its_length(void **state)
{
    (void)state;
    deliver(7);
    lag_turned(&shard, 1000000 + 5000);
    assert_int_equal(recorded(5000), 7);
    shard.now_ns = 2000000;
    lag_turned(&shard, 2000000 + 9000);
    deliver(2);
    lag_turned(&shard, 2000000 + 40000);
    assert_int_equal(recorded(40000), 2);
    assert_int_equal(recorded_in_all(), 9);
}

static void late_copies_take_the_time_since_their_arrival(void **state)
{
    (void)state;
    deliver(3);
    uint64_t mark = lag_mark(&router);
    deliver(100);
    lag_since(&router, mark, 400000);
    deliver(1);
    lag_one(&router, 400000);
    deliver(1);
    lag_one(&router, 100000);
    assert_int_equal(router.lag.num_runs, 2);
    lag_turned(&shard, 1005000);
    assert_int_equal(recorded(5000), 3);
    assert_int_equal(recorded(605000), 101);
    assert_int_equal(recorded(905000), 1);
    assert_int_equal(recorded_in_all(), 105);
    /* They are done with. */
    lag_turned(&shard, 1006000);
    assert_int_equal(recorded_in_all(), 105);
}

static void what_arrived_during_the_turn_elsewhere_counts_to_its_end(void **state)
{
    (void)state;
    deliver(1);
    lag_one(&router, 1003000);
    deliver(1);
    lag_one(&router, 1006000); /* after the end: clocks of two cores */
    lag_turned(&shard, 1005000);
    assert_int_equal(recorded(2000), 1);
    assert_int_equal(recorded(0), 1);
}

static void what_is_not_to_be_recorded_is_not(void **state)
{
    (void)state;
    uint64_t mark = lag_mark(&router);
    deliver(50);
    lag_since(&router, mark, 0);
    deliver(1);
    lag_one(&router, 0);
    lag_turned(&shard, 1005000);
    assert_int_equal(recorded_in_all(), 0);
    deliver(4);
    lag_turned(&shard, 1006000);
    assert_int_equal(recorded_in_all(), 4);
}

static void nothing_delivered_is_no_run(void **state)
{
    (void)state;
    lag_since(&router, lag_mark(&router), 123);
    assert_int_equal(router.lag.num_runs, 0);
}

static void more_runs_than_there_is_room_for_are_all_recorded(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 10 * LAG_RUNS; i++) {
        deliver(1);
        lag_one(&router, i);
    }
    assert_true(router.lag.num_runs <= LAG_RUNS);
    lag_turned(&shard, 1005000);
    assert_int_equal(recorded_in_all(), 10 * LAG_RUNS);
    assert_int_equal(lag_mark(&router), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(copies_of_the_turn_take_its_length, setup),
        cmocka_unit_test_setup(late_copies_take_the_time_since_their_arrival, setup),
        cmocka_unit_test_setup(what_arrived_during_the_turn_elsewhere_counts_to_its_end, setup),
        cmocka_unit_test_setup(what_is_not_to_be_recorded_is_not, setup),
        cmocka_unit_test_setup(nothing_delivered_is_no_run, setup),
        cmocka_unit_test_setup(more_runs_than_there_is_room_for_are_all_recorded, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
