/*
 * store_compact.h -- compaction: what is alive in sparse segments is copied forward.
 *
 * A queue that nobody takes keeps the segments in which its messages lie, each of them full of what
 * was taken long ago. So when the segments before the newest checkpoint hold too little that is
 * alive (store_compact.c: COMPACT_*), a pass empties some of them:
 *
 *     FIND  all windows and queues are walked, a slice a turn: which messages lie there?
 *     COPY  these are read, a batch of neighbours at a time, and each is appended again: COPY {old
 *           location, message}
 *     MOVE  all windows and queues are walked again: what names an old location names the new one,
 *           and the reference goes with it
 *     WAIT  until the last copy is on the disk; then the segments lose their last reference, which
 *           the pass itself held, and are free
 *
 * Only windows and queues name locations; wills and retained messages are in memory, and every
 * checkpoint writes them anew.
 *
 * Why a crash loses nothing. Until WAIT is over the old place is there. Afterwards replay may come
 * upon records that name it (an ENQUEUE, a snapshot), all older than MOVE. Either replay begins
 * before the first COPY of the pass and meets it, and store_image.c takes the one for the other. Or
 * it begins with a checkpoint that began later: then MOVE was over, because no checkpoint begins
 * between the first COPY and the end of MOVE, and its snapshots name the new place. A pass that
 * ends early, because the log takes nothing more, moves what it has copied; the rest stays.
 *
 * Bounds: one pass at a time, with the memory of store_moves.h; COMPACT_SLICE deliveries are looked
 * at in a turn, or COMPACT_BATCH_BYTES copied. No checkpoint is made beside FIND, COPY and MOVE, so
 * that queues have one walk at a time.
 *
 * Threads: the shard's.
 */
#ifndef SLUICE_STORE_COMPACT_H
#define SLUICE_STORE_COMPACT_H

#include "store.h"

/* The part of this turn. True if there is more to do at once. */
bool store_compact_turn(struct store *store);

/* Whether a checkpoint has to wait for it. */
bool store_compact_is_busy(const struct store *store);

/* Gives an unfinished pass up, when the store closes. */
void store_compact_stop(struct store *store);

#endif
