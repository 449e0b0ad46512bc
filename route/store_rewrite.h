/*
 * store_rewrite.h -- a log of another number of shards, written from the images of the old logs.
 *
 * Each new log gets what belongs to its shard when the number of shards is `to_num`: the sessions
 * whose client ids hash to it, with all that they have, and the retained messages whose topics do.
 *
 *     COPY ...               messages that its sessions wait for, each once, in the order in which
 *                            the old log has them
 *     wal_checkpoint_begin
 *     SNAP_BEGIN ... SNAP_END of each session
 *     WILL ...               with their sessions; one whose session has ended goes to one new log
 *     SEEN, SEEN_BY ...      (below)
 *     RETAIN, UNRETAIN, KEYED ...
 *     wal_checkpoint_end
 *
 * The messages stand before the checkpoint, so that a start does not read them.
 *
 * Sessions are numbered anew: the old logs one after the other, in each by rank (image_rank). The
 * wills come behind all sessions. So all new logs agree on the numbers, and numbers do not grow
 * with each change.
 *
 * What has been seen of QoS 2 (store_seen.h). A row says which sessions have a message: those of
 * the old log in which it stands. The INBOUND of a publisher says the same for the log of its home,
 * unless that log has rows of its own for the message. In the new logs that becomes rows of the
 * class {old log, number of old logs}, in each log to which a session of that class may have come;
 * where all its sessions are of the class, a row for all. Rows of publishers that are gone are left
 * out.
 *
 * Rows of deliveries that came from other logs (store_taken.h) have done their work here: what they
 * speak of is left out where it came from, and so are they.
 *
 * Bounds: 16 bytes for each message that is copied. Bodies are in memory one at a time.
 * Threads: the new shard's. The images are read by all; a session's deliveries only by the shard to
 * which it goes.
 */
#ifndef SLUICE_STORE_REWRITE_H
#define SLUICE_STORE_REWRITE_H

#include "store_image.h"
#include "wal_replay.h"

/* An old log. A value; what it points to stays the maker's. */
struct rewrite_from {
    struct store_image *image; /* after image_rank */
    struct wal_image *log;     /* NULL: it is empty */
    uint64_t alive_wall_ms;    /* when the broker was last alive */
    uint64_t sessions_before;  /* in the logs before this one */
    uint64_t wills_before;
};

/* All that new logs are made from, a value. */
struct rewrite_plan {
    const struct rewrite_from *from;
    uint32_t from_num;
    uint32_t to_num;
    uint64_t sessions_all;
    struct hash_key home_key; /* decides where a client id or a topic belongs */
    struct image_clock clock; /* of all images */
    bool skip_damaged;
};

/* What went into a new log, a value. */
struct rewrite_figures {
    uint64_t bytes; /* of records */
    uint64_t sessions;
    uint64_t deliveries;
    uint64_t lost; /* deliveries whose message could not be read (skip_damaged) */
};

/*
 * Writes the new log of shard `to` into `wal`, which is empty, and waits until it is on the disk.
 * `wal` NULL: only says what it would be. RC_INVALID: a message is damaged; RC_IO, RC_NO_MEMORY.
 */
MUST_USE enum rc store_rewrite(const struct rewrite_plan *plan, shard_id to, struct wal *wal,
                               struct rewrite_figures *out);

/* Whether shard `to` of `to_num` may have sessions of the class, and whether it has no others. */
bool store_class_meets(struct store_class by, uint32_t to, uint32_t to_num);
bool store_class_covers(struct store_class by, uint32_t to, uint32_t to_num);

#endif
