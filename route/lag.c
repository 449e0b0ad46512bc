/*
 * lag.c -- see lag.h.
 *
 * The number of copies in time is the sum of the shard's counters of deliveries less the late ones;
 * it only grows. Arrival may be after this shard's turn began, when it was on another shard: the
 * end of the turn is what counts, and a difference below zero is told as zero.
 *
 * Threads: see lag.h.
 */
#include "lag.h"

#include "clock.h"
#include "router.h"

uint64_t lag_mark(const struct router *router)
{
    const struct stats *stats = router->shard->stats;
    return stat_read(stats, STAT_DELIVERED_QOS0) + stat_read(stats, STAT_DELIVERED_QOS1) +
           stat_read(stats, STAT_DELIVERED_QOS2) - router->lag.late;
}

static void lag_record_runs(struct shard *shard, struct lag *lag, uint64_t end_ns)
{
    CHECK(lag->num_runs <= LAG_RUNS);
    for (uint32_t i = 0; i < lag->num_runs; i++) {
        const struct lag_run *run = &lag->runs[i];
        uint64_t duration_ns = end_ns > run->received_ns ? end_ns - run->received_ns : 0;
        latency_record(&shard->latencies[SHARD_LATENCY_DELIVERY], duration_ns, run->count);
    }
    lag->num_runs = 0;
}

static void lag_add(struct router *router, uint64_t received_ns, uint64_t count)
{
    struct lag *lag = &router->lag;
    lag->late += count;
    if (received_ns == 0)
        return;
    if (lag->num_runs > 0 && lag->runs[lag->num_runs - 1].received_ns == received_ns) {
        lag->runs[lag->num_runs - 1].count += count;
        return;
    }
    if (lag->num_runs == LAG_RUNS)
        lag_record_runs(router->shard, lag, clock_mono_ns());
    lag->runs[lag->num_runs++] = (struct lag_run){.received_ns = received_ns, .count = count};
}

void lag_since(struct router *router, uint64_t mark, uint64_t received_ns)
{
    CHECK_OBJ(router, ROUTER_MAGIC);
    uint64_t count = lag_mark(router) - mark;
    if (count > 0)
        lag_add(router, received_ns, count);
}

void lag_one(struct router *router, uint64_t received_ns)
{
    CHECK_OBJ(router, ROUTER_MAGIC);
    lag_add(router, received_ns, 1);
}

void lag_turned(struct shard *shard, uint64_t end_ns)
{
    struct router *router = router_of(shard);
    struct lag *lag = &router->lag;
    CHECK(end_ns >= shard->now_ns);
    uint64_t in_time = lag_mark(router);
    if (in_time != lag->seen)
        latency_record(&shard->latencies[SHARD_LATENCY_DELIVERY], end_ns - shard->now_ns,
                       in_time - lag->seen);
    lag->seen = in_time;
    lag_record_runs(shard, lag, end_ns);
}
