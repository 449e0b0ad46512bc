/*
 * sim_world.h -- one run: a broker of several shards in one thread, and its clients.
 *
 * The broker is built by ops/broker.h as in the real process; only its threads are missing. The
 * world turns a random shard, lets a random client do something, moves the clock a little. A shard
 * sleeps by the rules of engine/shard.c: after a turn that left nothing to do it announces its
 * sleep to the mesh, and is turned again only when its ring has something, it is woken, or a timer
 * is due. What it would leave lying is looked for then, and a wake-up that went missing shows as a
 * standstill.
 *
 *   storm   everything may happen
 *   calm    nothing new begins, nothing goes wrong; all clients come back and finish what is open
 *   check   the oracle's duties
 *   drain   the broker says goodbye to everybody, as at SIGTERM
 */
#ifndef SLUICE_SIM_WORLD_H
#define SLUICE_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

/* How a run is made, a value. */
struct sim_options {
    uint32_t steps; /* of the storm; eight times as many in one of 16 seeds */
    bool durable;   /* with a data directory, which outlives the broker several times */
};

/* One run. Fails (sim_fail) where an invariant does not hold. */
void sim_world_run(uint64_t seed, const struct sim_options *options);

#endif
