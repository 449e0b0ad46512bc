/*
 * store_reshard.h -- a data directory goes on with another number of shards.
 *
 * Which shard a session or a retained topic belongs to follows from the number of shards, and the
 * logs of a generation (manifest.h) are for one number. So before anything else the logs of the old
 * generation are read, those of the next one are written from them (store_rewrite.h), and then the
 * start goes on as always, with the new logs. All shards take part, in steps between which they
 * wait for each other:
 *
 *     read    old log i is read into an image by new shard i mod n
 *     number  shard 0 gives sessions and wills new numbers
 *     weigh   each shard finds out how large its new log will be
 *     check   shard 0 compares that with the room on the disk: nothing has been written so far
 *     write   each shard writes its new log, and waits until it is on the disk, whatever the
 *             durability of the broker is otherwise
 *     decide  shard 0 replaces MANIFEST: from here on the new generation is the state
 *     leave   the images are given free
 *     sweep   shard 0 removes the old generation
 *
 * Whatever ends the process before `decide`, the old generation is untouched, and what there is of
 * the new one is removed by the next start (manifest_sweep), or at once if the process lives on to
 * say what was wrong (store_reshard_undo). After `decide` the old generation is what is left over.
 *
 * Bounds: time and memory in proportion to the live state, like a start; on the disk, both
 * generations for a while. durability.max_disk_bytes holds for each of them.
 *
 * Threads: made and destroyed by main; store_reshard: each shard's, in its start.
 */
#ifndef SLUICE_STORE_RESHARD_H
#define SLUICE_STORE_RESHARD_H

#include "store.h"

struct store_reshard;

/*
 * `config` names the old generation with its number of logs, and after `decide` the new one; it
 * stays the caller's. `home_key` is that of route_shared. NULL without memory.
 */
MUST_USE struct store_reshard *store_reshard_create(struct store_config *config, uint32_t shards,
                                                    const struct hash_key *home_key);
void store_reshard_destroy(struct store_reshard *reshard);

/* All steps, from the start of each shard. On failure it was logged why: the start is given up. */
MUST_USE enum rc store_reshard(struct shard *shard, struct store_reshard *reshard);

/* After a start that failed, when all shards have ended: removes an unfinished new generation. */
void store_reshard_undo(struct store_reshard *reshard);

/* One step of one shard; store_reshard does them all. Every shard before the next step. */
#define STORE_RESHARD_STEPS 8
MUST_USE enum rc store_reshard_step(struct shard *shard, struct store_reshard *reshard,
                                    unsigned step);

/* Bytes of the files of a log with so many bytes of records. */
uint64_t store_reshard_room(uint64_t bytes, const struct wal_options *options);

#endif
