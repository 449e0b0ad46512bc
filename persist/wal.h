/*
 * wal.h -- the write-ahead log of one shard: append now, be told when it is on the disk.
 *
 * Records gather in a batch in memory. At the end of a turn, if no write is in flight, the batch
 * becomes one commit and is written; what is appended meanwhile gathers in the next one. So a
 * commit carries one record or thousands, and load makes batches larger instead of queues longer.
 * The commit is the unit of validity: after a crash all of it is there or nothing of it. How it
 * looks on the disk: wal_format.h. How it is read at start: wal_replay.h.
 *
 *   lsn       the number of a record: 1, 2, 3 ... over the whole life of the log. A number is used
 *             again only if its record was lost with an unfinished commit.
 *   location  where a record lies, known at once and for ever (0: none). Locations rise with lsn.
 *
 * What may leave the process when:
 *
 *   wal_append(..., &lsn, &loc)   the record is in memory and will be written, whatever happens
 *                                 short of the end of the process
 *   committed(context, lsn)       everything up to lsn is as durable as the mode says:
 *       WAL_COMMIT    on the disk: survives a power failure
 *       WAL_OS        in the kernel: survives the death of this process, not that of the machine
 *       WAL_INTERVAL  as WAL_OS, and on the disk after options.interval_ms more
 *
 * When a write fails, or there is no room for another segment, the log tries again by itself, 100
 * ms later, then 200, 400, 800, 1000: the same records in a new segment. Nothing that was appended
 * is forgotten, nothing is called committed before it is. After WAL_FAILED_AFTER_MS of failing the
 * log says so (failed) and takes nothing new until it has written what it has (recovered).
 *
 * Space: a segment is given free when it lies before the beginning of the newest valid checkpoint
 * and holds no record with a live reference. wal_pressure says when to make checkpoints and to copy
 * forward.
 *
 * Bounds: WAL_PENDING_BYTES_MAX of records in memory that are not committed; WAL_READS_MAX reads.
 * Threads: the shard's, all functions.
 */
#ifndef SLUICE_WAL_H
#define SLUICE_WAL_H

#include "bytes.h"
#include "rc.h"
#include "shard.h"

struct wal;
struct wal_image;

enum wal_mode { WAL_COMMIT, WAL_OS, WAL_INTERVAL };

#define WAL_FAILED_AFTER_MS   1000
#define WAL_PENDING_BYTES_MAX (256u * 1024 * 1024 + 16 * 1024 * 1024) /* the largest packet fits */
#define WAL_READS_MAX         4096

/* The largest record: an MQTT packet and what is said about it. */
#define WAL_RECORD_LEN_MAX (256u * 1024 * 1024 + 1024 * 1024)

/* A value. 0: none. */
struct wal_loc {
    uint64_t word;
};

#define WAL_LOC_NONE ((struct wal_loc){0})

static inline bool wal_loc_is_none(struct wal_loc loc)
{
    return loc.word == 0;
}

/* What the log tells its owner, from within turns (and wal_flush); filled in before wal_open. */
struct wal_events {
    void *context;
    void (*committed)(void *context, uint64_t lsn);
    void (*failed)(void *context, int error); /* errno; once, until recovered */
    void (*recovered)(void *context);
};

/* How a log is run, a value. Sizes in bytes. */
struct wal_options {
    const char *path; /* the directory of this log; made if it is not there */
    enum wal_mode mode;
    uint32_t interval_ms;         /* of WAL_INTERVAL */
    uint64_t segment_bytes_first; /* 0: 4 MiB; doubles with each segment up to */
    uint64_t segment_bytes_max;   /* 0: 64 MiB */
    uint64_t disk_bytes_max;      /* of all segments of this log; 0: no limit */
    struct wal_events events;
};

/*
 * Opens the log for writing on the calling shard. `image` is what wal_replay made of the directory
 * (wal_replay.h), NULL for a directory without a log; it stays the caller's. Blocks: makes the
 * first segment. Afterwards the owner names its live references (wal_ref) before the first
 * wal_turn_end. Fails with one line in `out_reason`.
 *
 * A disk without room for the first segment is no failure: the log begins as one that has failed
 * (wal_is_failed), without `failed` having been called, and recovers as that would.
 */
MUST_USE enum rc wal_open(struct wal **out, struct shard *shard, const struct wal_options *options,
                          const struct wal_image *image, char *out_reason, size_t reason_size);

/* Writes what is pending if the disk lets it, waits for requests under way, frees. May block. */
void wal_close(struct wal *wal);

/* The row OP_LOG of the shard's table of operations: completions find their way by shard->wal. */
void wal_tables_fill(struct shard_tables *tables);

/* ---- appending ---- */

/*
 * Appends a record of the parts' bytes, in order. `type` is the owner's. RC_FULL: too much is
 * pending; RC_IO: the log is failing; RC_NO_MEMORY; RC_TOO_LARGE: then nothing has happened.
 */
MUST_USE enum rc wal_append(struct wal *wal, uint8_t type, const struct bytes *parts,
                            unsigned parts_num, uint64_t *out_lsn, struct wal_loc *out_loc);

/*
 * Records between begin and end go into the same commit: after a crash all are there or none.
 * wal_group_abort instead of wal_group_end takes them back, as if they had not been appended.
 * A group ends in the turn in which it began; groups do not nest.
 */
void wal_group_begin(struct wal *wal);
void wal_group_end(struct wal *wal);
void wal_group_abort(struct wal *wal);
bool wal_group_is_open(const struct wal *wal);

/* Starts a write if there is something to write and none in flight. At the end of each turn. */
void wal_turn_end(struct wal *wal);

/* The last record appended, and the last one that is durable by the mode; 0: none ever. */
uint64_t wal_last(const struct wal *wal);
uint64_t wal_committed(const struct wal *wal);

/* Takes nothing new at present: `failed` was called and `recovered` not yet. */
bool wal_is_failed(const struct wal *wal);

/* Blocks until all that was appended is committed; for start-up and shutdown. RC_IO: it failed. */
MUST_USE enum rc wal_flush(struct wal *wal);

/* ---- reading back ---- */

/* `body` is borrowed for the call. RC_OK; RC_IO; RC_INVALID: what lies there is not the record. */
typedef void (*wal_read_fn)(void *context, uint64_t tag, enum rc rc, struct bytes body);

/*
 * Reads the record at `loc`, which must have a live reference or not be committed yet; what happens
 * to the reference afterwards does not matter. `done` is called in a later turn or at the end of
 * this one, never from within; answers come in any order.
 * Requests of one turn that lie near each other become one read. RC_FULL at WAL_READS_MAX.
 */
MUST_USE enum rc wal_read(struct wal *wal, struct wal_loc loc, wal_read_fn done, void *context,
                          uint64_t tag);

/* Forgets the reads of `context` that have not been answered: `done` will not be called. */
void wal_read_cancel(struct wal *wal, const void *context);

/* ---- space ---- */

/*
 * A live reference keeps the record at `loc` readable. `bytes` is the size of the record's body;
 * the same value goes to ref and unref. Any number of references to one record, each counted.
 * A segment whose last reference goes is kept until what was appended by the end of that turn is
 * committed: the record that says why must not be lost while the body already is.
 * False: there is no such place, the segment is lost (after damage); nothing is counted, and
 * wal_unref of it does nothing.
 */
bool wal_ref(struct wal *wal, struct wal_loc loc, uint32_t bytes);
void wal_unref(struct wal *wal, struct wal_loc loc, uint32_t bytes);

/*
 * A checkpoint: after begin, the owner appends records from which, together with all that is
 * appended after begin, its state can be made again. With end it becomes valid (at the commit of
 * the records appended so far): replay will start with the first record after begin. Begin twice
 * without end: the first one is given up.
 */
void wal_checkpoint_begin(struct wal *wal);
void wal_checkpoint_end(struct wal *wal);

/*
 * Something has happened that the owner could not append. Records say less than is true from here
 * on, so references that go may be missed after a crash: no segment is set free until a checkpoint
 * that begins later is valid.
 */
void wal_gap(struct wal *wal);

/*
 * How much was appended since the last valid checkpoint began: when to make the next one; and
 * whether one has ended that is not valid yet, and would not be if another began.
 */
uint64_t wal_checkpoint_bytes(const struct wal *wal);
bool wal_checkpoint_is_coming(const struct wal *wal);

/* A segment whose records the owner copies forward to set it free; a value. */
struct wal_sparse {
    struct wal_loc first; /* its records' locations are >= first */
    struct wal_loc end;   /* and < end */
    uint64_t live_bytes;
    uint64_t size_bytes;
};

/*
 * Chooses the sparsest segments that lie before the newest valid checkpoint: at most `max` of them,
 * each with live bytes below `percent_max` of its size, with at most `bytes_max` of live bytes in
 * all. They stand in `out` in the order of their positions; returns how many. Each is kept by a
 * reference of its own until wal_sparse_give.
 */
MUST_USE uint32_t wal_sparse_take(struct wal *wal, unsigned percent_max, uint64_t bytes_max,
                                  struct wal_sparse *out, uint32_t max);

/*
 * True: no record of it has a reference any more, the segment will be free. Else it may be chosen
 * again; if all of it `was_tried`, only when half of what is left is gone.
 */
bool wal_sparse_give(struct wal *wal, const struct wal_sparse *sparse, bool was_tried);

/* What wal_sparse_take may be worth, a value. */
struct wal_space {
    uint64_t old_bytes;      /* size of the segments before the checkpoint that have references */
    uint64_t old_live_bytes; /* in them */
    uint64_t room_bytes;     /* what can be appended; UINT64_MAX: nothing is known that limits it */
    bool is_tight;           /* half of disk_bytes_max is used */
};

void wal_space_read(const struct wal *wal, struct wal_space *out);

/* Whether the record is on the disk, in whatever mode; and in modes that sync later: soon. */
bool wal_is_durable(const struct wal *wal, struct wal_loc loc);
void wal_sync_soon(struct wal *wal);

/*
 * NONE; HIGH: half of disk_bytes_max is used, or a sync has failed: make a checkpoint;
 * FULL: the limit is near or the disk is full: append only what sets space free (a checkpoint,
 * acknowledgements).
 */
enum wal_pressure { WAL_PRESSURE_NONE, WAL_PRESSURE_HIGH, WAL_PRESSURE_FULL };
enum wal_pressure wal_pressure(const struct wal *wal);

/* ---- figures, beside the counters of persist_stats.h; a value ---- */

struct wal_figures {
    uint64_t disk_bytes;    /* all files of the log */
    uint64_t live_bytes;    /* with references */
    uint64_t pending_bytes; /* appended, not committed */
    uint64_t end;           /* position behind all that was appended; rises */
    uint64_t segment_bytes; /* size of the next segment */
    uint32_t segments;      /* with records; without those made ahead */
    uint32_t spare;         /* made ahead */
    bool direct;            /* O_DIRECT works here */
    int error;              /* the errno of the last failure while failing, else 0 */
};

void wal_figures_read(const struct wal *wal, struct wal_figures *out);

#endif
