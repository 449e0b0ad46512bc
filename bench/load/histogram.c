/*
 * histogram.c -- see histogram.h for the layout and its error.
 *
 * The quantile walks all slots: it is asked for a dozen times at the end of a run.
 *
 * Threads: any, one at a time per histogram.
 */
#include "histogram.h"

#include <math.h>

STATIC_CHECK(HISTOGRAM_VALUE_NS_MAX < (UINT64_C(1) << 36), "the last slot follows from bit 35");

void histogram_init(struct histogram *h)
{
    *h = (struct histogram){.min_ns = UINT64_MAX};
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    CHECK(into != from);
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++)
        into->counts[i] += from->counts[i];
    into->num += from->num;
    into->num_over += from->num_over;
    into->sum_ns += from->sum_ns;
    if (from->min_ns < into->min_ns)
        into->min_ns = from->min_ns;
    if (from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
}

uint64_t histogram_slot_low_ns(unsigned slot)
{
    CHECK(slot < HISTOGRAM_SLOTS);
    if (slot < 2 * HISTOGRAM_SUBS)
        return slot;
    unsigned shift = slot / HISTOGRAM_SUBS - 1;
    return (uint64_t)(HISTOGRAM_SUBS + slot % HISTOGRAM_SUBS) << shift;
}

uint64_t histogram_slot_high_ns(unsigned slot)
{
    CHECK(slot < HISTOGRAM_SLOTS);
    if (slot < 2 * HISTOGRAM_SUBS)
        return slot;
    unsigned shift = slot / HISTOGRAM_SUBS - 1;
    return histogram_slot_low_ns(slot) + (UINT64_C(1) << shift) - 1;
}

uint64_t histogram_quantile_ns(const struct histogram *h, double fraction)
{
    CHECK(fraction >= 0.0 && fraction <= 1.0);
    if (h->num == 0)
        return 0;
    /* The rank-th value in order, counted from 1. */
    uint64_t rank = (uint64_t)ceil(fraction * (double)h->num);
    if (rank == 0)
        rank = 1;
    if (rank >= h->num)
        return h->max_ns;
    uint64_t passed = 0;
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
        passed += h->counts[i];
        if (passed >= rank) {
            uint64_t high = histogram_slot_high_ns(i);
            return high < h->max_ns ? high : h->max_ns;
        }
    }
    return h->max_ns;
}

uint64_t histogram_mean_ns(const struct histogram *h)
{
    return h->num == 0 ? 0 : h->sum_ns / h->num;
}
