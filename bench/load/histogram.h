/*
 * histogram.h -- counts of durations in log-linear slots.
 *
 * Values are nanoseconds. Below 128 every value has a slot of its own; above, each power of two is
 * cut into 128 equal slots, so a slot is never wider than 1/128 (0.8 %) of the values in it. The
 * range ends at 60 s; what is longer lands in the last slot and is counted in `num_over` as well,
 * while `max_ns` stays exact. 3,840 slots of eight bytes: 30 KiB, of which a run touches a few
 * dozen lines. Recording is a count of leading zeros, a shift and an increment.
 *
 * Threads: one writer, no readers beside it. Workers have one each; they are merged after joining.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include "check.h"

#define HISTOGRAM_SUB_BITS     7
#define HISTOGRAM_SUBS         (1u << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_VALUE_NS_MAX UINT64_C(60000000000)

/* The highest bit of the largest value is 35: 28 halvings leave it within [128, 255]. */
#define HISTOGRAM_SLOTS (28 * HISTOGRAM_SUBS + 2 * HISTOGRAM_SUBS)

struct histogram {
    uint64_t counts[HISTOGRAM_SLOTS];
    uint64_t num;      /* of values recorded */
    uint64_t num_over; /* of these, beyond HISTOGRAM_VALUE_NS_MAX */
    uint64_t sum_ns;   /* wraps after 584 years of waiting */
    uint64_t min_ns;   /* UINT64_MAX while empty */
    uint64_t max_ns;
};

static inline unsigned histogram_slot(uint64_t value_ns)
{
    unsigned high_bit = 63u - (unsigned)__builtin_clzll(value_ns | HISTOGRAM_SUBS);
    unsigned shift = high_bit - HISTOGRAM_SUB_BITS;
    return shift * HISTOGRAM_SUBS + (unsigned)(value_ns >> shift);
}

static inline void histogram_record(struct histogram *h, uint64_t value_ns)
{
    uint64_t kept = value_ns;
    if (UNLIKELY(value_ns > HISTOGRAM_VALUE_NS_MAX)) {
        kept = HISTOGRAM_VALUE_NS_MAX;
        h->num_over++;
    }
    h->counts[histogram_slot(kept)]++;
    h->num++;
    h->sum_ns += value_ns;
    if (value_ns < h->min_ns)
        h->min_ns = value_ns;
    if (value_ns > h->max_ns)
        h->max_ns = value_ns;
}

void histogram_init(struct histogram *h);

/* Adds all of `from` to `into`. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The smallest and the largest value of a slot, in ns. slot < HISTOGRAM_SLOTS. */
uint64_t histogram_slot_low_ns(unsigned slot);
uint64_t histogram_slot_high_ns(unsigned slot);

/*
 * The value that `fraction` (0 to 1) of the recorded values do not exceed, in ns: the upper end of
 * its slot, at most max_ns, hence never too small and at most 0.8 % too large. 0 if empty.
 */
uint64_t histogram_quantile_ns(const struct histogram *h, double fraction);

/* 0 if empty. */
uint64_t histogram_mean_ns(const struct histogram *h);

#endif
