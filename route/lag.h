/*
 * lag.h -- how long publications take from their arrival to a connection's output.
 *
 * A shard reads the clock at the begin and at the end of a turn. Nearly all copies are delivered in
 * the turn in which their publication was received: of these nothing is kept but their number,
 * which is what the counter of deliveries has grown by, and at the end of the turn they are
 * recorded together with the turn's length. So a copy on the hot path costs nothing.
 *
 * Copies of publications that were received earlier or elsewhere (a queue, mail of another shard, a
 * window that was full) are late: whoever delivers them says so, and they are taken off that
 * number. They are collected as runs with the same time of arrival and recorded at the end of the
 * turn too, with the time from their arrival to then. Times of different shards come from one
 * clock.
 *
 * Retained messages and what is sent again after a reconnection are late with the time 0: they are
 * not recorded at all.
 *
 * Bounds: LAG_RUNS runs; when there is no room the clock is read and all are recorded.
 *
 * Threads: the owner shard.
 */
#ifndef SLUICE_LAG_H
#define SLUICE_LAG_H

#include "shard.h"

#define LAG_RUNS 16

struct router;

/* Late copies of publications that arrived at the same time, a value. */
struct lag_run {
    uint64_t received_ns;
    uint64_t count;
};

struct lag {
    uint64_t late;                 /* [O] copies that were late, ever */
    uint64_t seen;                 /* [O] copies in time that have been recorded, ever */
    uint32_t num_runs;             /* [O] */
    struct lag_run runs[LAG_RUNS]; /* [O] late copies of this turn, not recorded yet */
};

/* Before a delivery that may make copies which are late: what lag_since wants to know. */
uint64_t lag_mark(const struct router *router);

/* All copies delivered since `mark` were of a publication received then; 0: not to be recorded. */
void lag_since(struct router *router, uint64_t mark, uint64_t received_ns);

/* One copy was delivered just now that is late, or not to be recorded (0). */
void lag_one(struct router *router, uint64_t received_ns);

/* The turn has ended: records. The runtime's hook. */
void lag_turned(struct shard *shard, uint64_t end_ns);

#endif
