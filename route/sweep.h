/*
 * sweep.h -- retained messages that have expired are removed, also where nobody asks for them.
 *
 * A walk of a subscriber deletes the expired values that it meets; all others would stay until the
 * end of the process and count against the limits. So shard 0 walks the whole retained index in the
 * background: a slice of SWEEP_NODES every SWEEP_SLICE_MS (a million topics take about a minute,
 * and less than a hundredth of a core), then a pause of SWEEP_PAUSE_MS. Nothing is walked while no
 * value has an expiry: whoever stores one says so (sweep_note).
 *
 * Bounds: an expired value stays for the pause and one walk at most.
 *
 * Threads: sweep_note any shard; the others shard 0.
 */
#ifndef SLUICE_SWEEP_H
#define SLUICE_SWEEP_H

#include "router.h"

/* The first sweep is a pause away. RC_NO_MEMORY. */
MUST_USE enum rc sweep_start(struct router *router);
void sweep_stop(struct router *router);

/* A value with an expiry has been retained. */
void sweep_note(struct route_shared *shared);

#endif
