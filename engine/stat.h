/*
 * stat.h -- counters: one writer each, any number of relaxed readers.
 *
 * Every shard (and the ops thread) owns one block; a counter is a 64-bit word that only its owner
 * adds to, so an addition is a plain load and store. A reader on another thread sums the blocks and
 * may be a little behind, never wrong by more than what is going on at that moment.
 *
 * Each floor names its counters in a table of its own (engine_stats.h, persist_stats.h,
 * route_stats.h, net_stats.h)
 * and gets a range of the block here. Gauges are counters that also go down: they wrap below zero
 * in one block only where another block went up, so that the sum over the blocks is right.
 *
 * Threads: stat_add by the owner of the block; stat_read by any.
 */
#ifndef SLUICE_STAT_H
#define SLUICE_STAT_H

#include <stdint.h>

#include "check.h"

enum stat_range {
    STAT_ENGINE_FIRST = 0,
    STAT_PERSIST_FIRST = 32,
    STAT_ROUTE_FIRST = 64,
    STAT_NET_FIRST = 192,
    STAT_COUNT = 320,
};

enum stat_kind { STAT_COUNTER, STAT_GAUGE };

/* One row of a floor's table, a value: identifier, kind, name as operators see it, help text. */
struct stat_info {
    enum stat_kind kind;
    const char *name;
    const char *help;
};

struct stats {
    uint64_t values[STAT_COUNT]; /* [A] relaxed; written by the owner only */
} __attribute__((aligned(64)));

static inline void stat_add(struct stats *stats, unsigned index, uint64_t amount)
{
    CHECK_SLOW(index < STAT_COUNT);
#ifndef SLUICE_NO_COUNTERS
    /* A relaxed load, an addition and a relaxed store: one instruction, which gcc makes three. */
    __asm__("addq %1, %0" : "+m"(stats->values[index]) : "er"(amount) : "cc");
#else
    (void)stats;
    (void)index;
    (void)amount;
#endif
}

static inline void stat_sub(struct stats *stats, unsigned index, uint64_t amount)
{
    CHECK_SLOW(index < STAT_COUNT);
#ifndef SLUICE_NO_COUNTERS
    __asm__("subq %1, %0" : "+m"(stats->values[index]) : "er"(amount) : "cc");
#else
    (void)stats;
    (void)index;
    (void)amount;
#endif
}

static inline uint64_t stat_read(const struct stats *stats, unsigned index)
{
    CHECK_SLOW(index < STAT_COUNT);
    return __atomic_load_n(&stats->values[index], __ATOMIC_RELAXED);
}

#endif
