/*
 * counters.h -- what a worker counts, readable from outside while it runs.
 *
 * One table, so that summing, subtracting and reporting need no list of their own. Rates are the
 * difference of two readings; the accounting of messages is over the whole run.
 *
 * Threads: written by one worker, read by any: relaxed loads and stores of whole words.
 */
#ifndef BENCH_COUNTERS_H
#define BENCH_COUNTERS_H

#include "check.h"

#define COUNTERS_TABLE(X)                                                                          \
    X(published, "messages sent")                                                                  \
    X(acknowledged, "messages whose QoS 1 or 2 handshake the broker completed")                    \
    X(rejected, "messages that the broker refused with a reason code")                             \
    X(fresh, "deliveries that were new and not late")                                              \
    X(out_of_order, "deliveries behind a later message of the same publisher")                     \
    X(late, "deliveries that were new, but had been given up")                                     \
    X(duplicate, "deliveries of what had arrived before")                                          \
    X(misrouted, "deliveries nobody expected there, or damaged")                                   \
    X(given_up, "deliveries missing at a stall or at the end")                                     \
    X(stalls, "times that a window was opened again by giving up")                                 \
    X(protocol_errors, "packets that MQTT does not allow")                                         \
    X(bytes_out, "of whole PUBLISH packets sent")                                                  \
    X(bytes_in, "of whole PUBLISH packets received")                                               \
    X(subscribed, "filters of --filters and --storm that were acknowledged")                       \
    X(turns, "times round the worker's loop")

#define COUNTERS_FIELD(name, text) uint64_t name;
struct counters {
    COUNTERS_TABLE(COUNTERS_FIELD)
};
#undef COUNTERS_FIELD

static inline void counters_add(uint64_t *counter, uint64_t num)
{
    __atomic_store_n(counter, *counter + num, __ATOMIC_RELAXED);
}

static inline uint64_t counters_get(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* into += from, which another thread may be writing. */
static inline void counters_sum(struct counters *into, const struct counters *from)
{
#define COUNTERS_SUM(name, text) into->name += counters_get(&from->name);
    COUNTERS_TABLE(COUNTERS_SUM)
#undef COUNTERS_SUM
}

/* into -= from. */
static inline void counters_subtract(struct counters *into, const struct counters *from)
{
#define COUNTERS_SUBTRACT(name, text) into->name -= from->name;
    COUNTERS_TABLE(COUNTERS_SUBTRACT)
#undef COUNTERS_SUBTRACT
}

#endif
