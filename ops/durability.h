/*
 * durability.h -- before the shards start: which logs there are, and how they are to be kept;
 * afterwards: the alarm of logs that cannot be written.
 *
 * Threads: main, before the shards start; durability_turn: the ops thread.
 */
#ifndef SLUICE_DURABILITY_H
#define SLUICE_DURABILITY_H

#include "broker.h"

/*
 * Fills broker->store and broker->route.store from the configuration and the manifest of the data
 * directory, which is made if it is fresh; and broker->reshard if it was written by another number
 * of shards. Without a data directory: nothing. On failure `out_reason` has one line.
 */
MUST_USE enum rc durability_prepare(struct broker *broker, unsigned shards, char *out_reason,
                                    size_t reason_size);

/* The shards have started or not: nothing is left of a change of their number. */
void durability_settle(struct broker *broker, bool started);

/* Raises the alarm log_failing while a shard's log takes nothing new, and clears it. */
void durability_turn(struct broker *broker);

#endif
