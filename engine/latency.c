/*
 * latency.c -- reading a histogram of durations; see latency.h for its shape.
 *
 * A reader copies all buckets once and works on its copy, so that the counts of one answer fit each
 * other: they rise with the limits and the total is at or above the last of them.
 */
#include "latency.h"

uint64_t latency_bucket_end_ns(uint32_t index)
{
    CHECK(index < LATENCY_BUCKETS);
    if (index == LATENCY_BUCKETS - 1)
        return UINT64_MAX;
    if (index < LATENCY_PARTS)
        return index + 1;
    uint32_t shift = (index >> LATENCY_PARTS_BITS) - 1;
    return (uint64_t)(LATENCY_PARTS + (index & (LATENCY_PARTS - 1)) + 1) << shift;
}

void latency_gather(struct latency *into, const struct latency *from)
{
    CHECK(into != NULL && from != NULL && into != from);
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
        into->buckets[i] += __atomic_load_n(&from->buckets[i], __ATOMIC_RELAXED);
    into->sum_ns += __atomic_load_n(&from->sum_ns, __ATOMIC_RELAXED);
}

uint64_t latency_cumulate(const struct latency *latency, const uint64_t *limits_ns,
                          uint32_t num_limits, uint64_t *out_counts)
{
    CHECK(latency != NULL);
    CHECK(num_limits == 0 || (limits_ns != NULL && out_counts != NULL));
    uint64_t count = 0;
    uint32_t index = 0;
    for (uint32_t i = 0; i < num_limits; i++) {
        CHECK(i == 0 || limits_ns[i - 1] < limits_ns[i]);
        CHECK(limits_ns[i] < UINT64_MAX);
        while (latency_bucket_end_ns(index) <= limits_ns[i] + 1)
            count += latency->buckets[index++];
        out_counts[i] = count;
    }
    while (index < LATENCY_BUCKETS)
        count += latency->buckets[index++];
    return count;
}
