/*
 * overload.h -- when is the broker overloaded, and what is to be done about it.
 *
 * Ten times a second the ops thread looks at two figures: the longest turn of any shard's loop in
 * the last 0.8 s (a turn that has not ended counts, too), and the resident memory of the process.
 *
 *   high      one of them is above its mark
 *   low       both are at or below four fifths of their marks
 *   between   neither: things stay as they are
 *
 *            high for step_time      high for step_time       high for step_time
 *   level 0 ------------------> 1 -------------------> 2 --------------------> 3
 *     all well   <-- low -- refuse new    <-- low -- pause greedy   <-- low -- drop
 *                           connections              publishers              QoS 0
 *
 * Each step down needs low for step_time as well. A level has the measures of those below it. The
 * level is one word that shards read (net_shared.overload); what they do with it is in
 * net/on_connect.c, net/quota.h and net/on_publish.c. Each level has an alarm.
 *
 * Threads: the ops thread. overload_next is pure.
 */
#ifndef SLUICE_OVERLOAD_H
#define SLUICE_OVERLOAD_H

#include "check.h"
#include "types.h"

#define OVERLOAD_LOOKS 8 /* of which the longest turn counts */

struct broker;

/* The marks, a value. */
struct overload_marks {
    uint64_t lag_high_ms; /* UINT64_MAX: none */
    uint64_t memory_high; /* bytes; UINT64_MAX: none */
    uint64_t step_time_ms;
};

/* Where the ladder stands, a value; all zero at first. */
struct overload_ladder {
    unsigned level;
    int8_t zone;       /* 1: high, -1: low, 0: between */
    uint64_t since_ms; /* of the zone, or of the last step in it */
};

/* Moves the ladder, by one step at most, and returns its level. */
unsigned overload_next(struct overload_ladder *ladder, const struct overload_marks *marks,
                       uint64_t lag_ms, uint64_t memory, uint64_t now_ms);

struct latency;

struct overload {
    struct overload_ladder ladder;
    struct latency *seen; /* of all shards, as of the last look; NULL: not enabled yet */
    uint64_t lags_ms[OVERLOAD_LOOKS];
    unsigned look;
    uint64_t next_ms;                    /* when to look again */
    uint64_t turns[SHARDS_MAX];          /* of each shard at the last look */
    uint64_t stuck_since_ms[SHARDS_MAX]; /* when `turns` was first seen like that, awake */
    uint64_t lag_ms;                     /* as of the last look, for metrics */
};

/* Looks, if it is time and protection is enabled. Once per turn. */
void overload_turn(struct broker *broker);

void overload_close(struct broker *broker);

#endif
