/*
 * store_replay.h -- one log of a data directory, read into an image of what it says.
 *
 * Threads: any; one for a replay.
 */
#ifndef SLUICE_STORE_REPLAY_H
#define SLUICE_STORE_REPLAY_H

#include "store.h"
#include "store_image.h"
#include "wal_replay.h"

struct store_replay {
    struct store_image *image; /* [O] */
    struct wal_image *log;     /* [O] NULL: there is none yet, the image is empty */
    uint64_t unknown;          /* [O] records that could not be understood */
    uint64_t shown_percent;    /* [O] of the progress */
    uint32_t number;           /* [I] of the log, as its directory is called */
};

/*
 * Reads log `number` of config->generation. Failures are logged; RC_INVALID: damaged. What replay
 * holds afterwards, also on failure, goes with store_replay_close.
 */
MUST_USE enum rc store_replay_open(struct store_replay *replay, const struct store_config *config,
                                   uint32_t number, const struct hash_key *key,
                                   struct image_clock clock);
void store_replay_close(struct store_replay *replay);

#endif
