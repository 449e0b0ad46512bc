/*
 * store_restore.h -- from an image of the log to sessions, retained messages and wills.
 *
 * Time that passed while the broker was down counts: a session's expiry and its will's delay run
 * from its disconnection, and a session that was connected at the end was disconnected when the
 * last commit was written.
 *
 * Threads: the shard's, before its first turn.
 */
#ifndef SLUICE_STORE_RESTORE_H
#define SLUICE_STORE_RESTORE_H

#include "store.h"
#include "store_image.h"

/*
 * Moves what the image holds into the router, whose store is open, and names the live references of
 * its log. `alive_wall_ms`: when the broker was last alive. RC_NO_MEMORY, RC_FULL.
 */
MUST_USE enum rc store_restore(struct router *router, struct store_image *image,
                               uint64_t alive_wall_ms);

#endif
