/*
 * store_checkpoint.h -- the present state, written again so that the past can be forgotten.
 *
 * A checkpoint is written while traffic goes on, a slice at the end of each turn:
 *
 *     wal_checkpoint_begin
 *     each durable session:  SNAP_BEGIN, SUBSCRIBE ..., INBOUND ..., WILL, SNAP_ENTRIES ...,
 *                            SNAP_END
 *     each due will that is logged
 *     each retained message whose topic is this shard's to log
 *     each row of a keyed table
 *     wal_checkpoint_end
 *
 * What happens to a session while its snapshot is written is logged as always; store_image.h says
 * how both come together. Subscriptions are written from the last to the first, because removing
 * one moves the last one into its place, where it is written once more instead of never.
 *
 * A checkpoint begins when the log has grown by CHECKPOINT_BYTES_MIN and CHECKPOINT_FACTOR times
 * the size of the last one, or when its disk space runs short and it has grown by
 * CHECKPOINT_SEGMENTS_MIN segments and that size; so what is written for checkpoints is a fraction
 * of what is logged anyway, and a start has to read a constant times the live state. And at most
 * once a second when the log has a gap, or space is short and anything has been logged.
 *
 * Bounds: CHECKPOINT_SLICE_BYTES and CHECKPOINT_SLICE_RECORDS a turn. While more than
 * CHECKPOINT_PENDING_BYTES wait for the disk, CHECKPOINT_SHARE times as much must have been logged
 * by others since the last slice: the disk may be busy for ever, and the log must not grow as long.
 *
 * Threads: the shard's.
 */
#ifndef SLUICE_STORE_CHECKPOINT_H
#define SLUICE_STORE_CHECKPOINT_H

#include "store.h"

#define CHECKPOINT_BYTES_MIN     (64u * 1024 * 1024)
#define CHECKPOINT_FACTOR        2
#define CHECKPOINT_SEGMENTS_MIN  4
#define CHECKPOINT_SLICE_BYTES   (64u * 1024)
#define CHECKPOINT_SLICE_RECORDS 512u
#define CHECKPOINT_PENDING_BYTES (4u * 1024 * 1024)
#define CHECKPOINT_SHARE         4u

/* A checkpoint waits until no more due wills than this are to be written in one turn. */
#define CHECKPOINT_WILLS_MAX 1024

/* The part of this turn. True if there is more to do at once. */
bool store_checkpoint_turn(struct store *store);

/* Whether a slice of so many bytes may be logged now, of a checkpoint or of compaction. */
bool store_checkpoint_may_write(struct store *store, uint64_t bytes);

void store_checkpoint_init(struct store *store);

/* Gives an unfinished one up. */
void store_checkpoint_stop(struct store *store);

#endif
