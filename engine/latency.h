/*
 * latency.h -- a histogram of durations: one writer, any number of relaxed readers.
 *
 * Log-linear: durations below 32 ns have a bucket each; above that every power of two is divided
 * into 32 equal parts, so that a bucket is at most 1/32 (3 %) of its value wide. The last bucket
 * takes everything from 2^37 ns (137 s). Recording is one addition to a bucket and one to the sum.
 *
 *     index   0 .. 31      32 .. 63     64, 66 .. 126    ...     2^36 .. infinity
 *     width      1            1              2           ...         2^31
 *
 * Readers ask how many durations lie at or below some limits. A bucket counts as below a limit if
 * all of it is: what is told is never better than the truth, and at most one bucket worse.
 *
 * Threads: latency_record by the owner; latency_gather by any; the rest on copies of one's own.
 */
#ifndef SLUICE_LATENCY_H
#define SLUICE_LATENCY_H

#include "check.h"

#include <stdint.h>

#define LATENCY_PARTS_BITS 5 /* 32 parts of a power of two: 3 % */
#define LATENCY_TOP_BITS   37
#define LATENCY_PARTS      (1u << LATENCY_PARTS_BITS)
#define LATENCY_BUCKETS    ((LATENCY_TOP_BITS - LATENCY_PARTS_BITS + 1) * LATENCY_PARTS)

struct latency {
    uint64_t buckets[LATENCY_BUCKETS]; /* [A] relaxed; written by the owner only */
    uint64_t sum_ns;                   /* [A] relaxed; written by the owner only */
} __attribute__((aligned(64)));

static inline uint32_t latency_index(uint64_t duration_ns)
{
    if (duration_ns < LATENCY_PARTS)
        return (uint32_t)duration_ns;
    if (duration_ns >> LATENCY_TOP_BITS != 0)
        return LATENCY_BUCKETS - 1;
    uint32_t shift = 63 - (uint32_t)__builtin_clzll(duration_ns) - LATENCY_PARTS_BITS;
    return ((shift + 1) << LATENCY_PARTS_BITS) +
           (uint32_t)((duration_ns >> shift) & (LATENCY_PARTS - 1));
}

/* `count` events took this long each. */
static inline void latency_record(struct latency *latency, uint64_t duration_ns, uint64_t count)
{
#ifndef SLUICE_NO_COUNTERS
    uint64_t *bucket = &latency->buckets[latency_index(duration_ns)];
    __atomic_store_n(bucket, __atomic_load_n(bucket, __ATOMIC_RELAXED) + count, __ATOMIC_RELAXED);
    uint64_t sum_ns = __atomic_load_n(&latency->sum_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&latency->sum_ns, sum_ns + duration_ns * count, __ATOMIC_RELAXED);
#else
    (void)latency;
    (void)duration_ns;
    (void)count;
#endif
}

/* The first duration, in ns, that is above the bucket; UINT64_MAX for the last one. */
uint64_t latency_bucket_end_ns(uint32_t index);

/* Adds what `from` holds now to `into`, which is the caller's own. */
void latency_gather(struct latency *into, const struct latency *from);

/*
 * For each of the rising `limits_ns`: how many durations are at or below it. Returns how many there
 * are in all. `latency` is the caller's own.
 */
uint64_t latency_cumulate(const struct latency *latency, const uint64_t *limits_ns,
                          uint32_t num_limits, uint64_t *out_counts);

#endif
