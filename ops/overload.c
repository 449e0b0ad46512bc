/*
 * overload.c -- see overload.h.
 *
 * Turns that have ended are found in the shards' histograms: the highest bucket that has grown
 * since the last look. So the shards do nothing for it. A shard that is awake and has made no turn
 * since the last look is inside of one.
 */
#include "overload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "clock.h"
#include "engine_stats.h"
#include "latency.h"
#include "process_figures.h"

#define OVERLOAD_LOOK_MS   100
#define OVERLOAD_LEVEL_MAX 3
#define OVERLOAD_NS_MS     1000000

static bool overload_is_above(uint64_t value, uint64_t mark)
{
    return mark != UINT64_MAX && value > mark;
}

static bool overload_is_low(uint64_t value, uint64_t mark)
{
    return mark == UINT64_MAX || value <= mark - mark / 5;
}

unsigned overload_next(struct overload_ladder *ladder, const struct overload_marks *marks,
                       uint64_t lag_ms, uint64_t memory, uint64_t now_ms)
{
    int8_t zone = 0;
    if (overload_is_above(lag_ms, marks->lag_high_ms) ||
        overload_is_above(memory, marks->memory_high))
        zone = 1;
    else if (overload_is_low(lag_ms, marks->lag_high_ms) &&
             overload_is_low(memory, marks->memory_high))
        zone = -1;
    if (zone != ladder->zone) {
        ladder->zone = zone;
        ladder->since_ms = now_ms;
    }
    if (zone == 0 || now_ms - ladder->since_ms < marks->step_time_ms)
        return ladder->level;
    ladder->since_ms = now_ms;
    if (zone > 0 && ladder->level < OVERLOAD_LEVEL_MAX)
        ladder->level++;
    else if (zone < 0 && ladder->level > 0)
        ladder->level--;
    return ladder->level;
}

/* The longest turn that has ended since the last look, of all shards. */
static uint64_t overload_longest_ms(struct broker *broker)
{
    static struct latency now; /* too large for a stack */
    struct latency *seen = broker->overload.seen;
    memset(&now, 0, sizeof(now));
    for (unsigned i = 0; i < broker->net.shards; i++)
        latency_gather(&now, &broker->runtime->shards[i].latencies[SHARD_LATENCY_TURN]);
    uint32_t index = LATENCY_BUCKETS;
    while (index > 0 && now.buckets[index - 1] == seen->buckets[index - 1])
        index--;
    *seen = now;
    if (index == 0)
        return 0;
    if (index == LATENCY_BUCKETS) /* its end is not known, only its beginning */
        return (UINT64_C(1) << LATENCY_TOP_BITS) / OVERLOAD_NS_MS;
    return latency_bucket_end_ns(index - 1) / OVERLOAD_NS_MS;
}

/* How long some shard has been in a turn that has not ended. */
static uint64_t overload_stuck_ms(struct broker *broker, uint64_t now_ms)
{
    struct overload *overload = &broker->overload;
    uint64_t longest_ms = 0;
    for (unsigned i = 0; i < broker->net.shards; i++) {
        uint64_t turns = stat_read(broker->runtime->shards[i].stats, STAT_TURNS);
        if (turns != overload->turns[i] || mesh_sleeps(broker->runtime->mesh, (shard_id)i)) {
            overload->turns[i] = turns;
            overload->stuck_since_ms[i] = now_ms;
        }
        if (now_ms - overload->stuck_since_ms[i] > longest_ms)
            longest_ms = now_ms - overload->stuck_since_ms[i];
    }
    return longest_ms;
}

static uint64_t overload_lag_ms(struct broker *broker, uint64_t now_ms)
{
    struct overload *overload = &broker->overload;
    uint64_t ended_ms = overload_longest_ms(broker);
    uint64_t stuck_ms = overload_stuck_ms(broker, now_ms);
    overload->lags_ms[overload->look++ % OVERLOAD_LOOKS] = ended_ms > stuck_ms ? ended_ms
                                                                               : stuck_ms;
    uint64_t longest_ms = 0;
    for (unsigned i = 0; i < OVERLOAD_LOOKS; i++) {
        if (overload->lags_ms[i] > longest_ms)
            longest_ms = overload->lags_ms[i];
    }
    return longest_ms;
}

static void overload_set_level(struct broker *broker, unsigned level, uint64_t lag_ms,
                               uint64_t memory)
{
    STATIC_CHECK(ALARM_OVERLOAD_SHEDDING - ALARM_OVERLOAD_REFUSING + 1 == OVERLOAD_LEVEL_MAX,
                 "an alarm for each level");
    char why[96];
    snprintf(why, sizeof(why), "a turn took %llu ms, memory is %llu MB", (unsigned long long)lag_ms,
             (unsigned long long)(memory >> 20));
    __atomic_store_n(&broker->net.overload, level, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < OVERLOAD_LEVEL_MAX; i++)
        alarms_set(&broker->alarms, (enum alarm)(ALARM_OVERLOAD_REFUSING + i), level > i, why);
}

static bool overload_begin(struct overload *overload)
{
    if (overload->seen != NULL)
        return true;
    overload->seen = aligned_alloc(64, sizeof(*overload->seen));
    if (overload->seen != NULL)
        memset(overload->seen, 0, sizeof(*overload->seen));
    return overload->seen != NULL;
}

void overload_turn(struct broker *broker)
{
    struct overload *overload = &broker->overload;
    const struct config_overload_protection *config = &broker->config->overload_protection;
    if (!config->enable && overload->seen == NULL)
        return;
    uint64_t now_ms = clock_mono_ns() / OVERLOAD_NS_MS;
    if (now_ms < overload->next_ms || !broker->started || !overload_begin(overload))
        return;
    bool first = overload->next_ms == 0;
    overload->next_ms = now_ms + OVERLOAD_LOOK_MS;
    if (!config->enable) {
        overload_set_level(broker, 0, 0, 0);
        overload_close(broker);
        return;
    }
    uint64_t lag_ms = overload_lag_ms(broker, now_ms);
    if (first) {
        /* What was before the first look is nobody's business. */
        memset(overload->lags_ms, 0, sizeof(overload->lags_ms));
        return;
    }
    uint64_t memory = 0;
    if (!process_resident_read(&memory))
        memory = 0; /* the kernel does not tell: only the lag counts */
    struct overload_marks marks = {.lag_high_ms = config->loop_lag_high_ms,
                                   .memory_high = config->memory_high,
                                   .step_time_ms = config->step_time_ms};
    overload->lag_ms = lag_ms;
    unsigned level = overload_next(&overload->ladder, &marks, lag_ms, memory, now_ms);
    if (level != broker->net.overload)
        overload_set_level(broker, level, lag_ms, memory);
}

void overload_close(struct broker *broker)
{
    free(broker->overload.seen);
    memset(&broker->overload, 0, sizeof(broker->overload));
}
