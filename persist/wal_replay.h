/*
 * wal_replay.h -- reading a log: at start, before traffic, and by tools on a directory at rest.
 *
 * Replay starts at the newest valid checkpoint, hands over every record in the order of their lsn
 * and ends at the torn tail. Segments before the checkpoint are not read; they are stores of
 * bodies, from which wal_read and wal_image_read fetch.
 *
 * A commit that is not whole is judged so: if a later commit proves that it had been durable (each
 * commit says up to which lsn all before it was), the log is damaged: RC_INVALID and a line with
 * file and offset, or, with skip_damaged, a call of `damage` and on with the next commit that is
 * whole. Without such a proof it is where the crash happened, and the log ends before it.
 *
 * Bounds: one segment at a time is held in memory.
 * Threads: any; one at a time for a directory.
 */
#ifndef SLUICE_WAL_REPLAY_H
#define SLUICE_WAL_REPLAY_H

#include "wal.h"

/* A record as it is read, a value; `body` is borrowed for the call. */
struct wal_record {
    uint64_t lsn;
    struct wal_loc loc;
    uint64_t wall_ms; /* when its commit was written */
    struct bytes body;
    uint8_t type;
};

/* A value. Functions may be NULL. */
struct wal_replay_options {
    const char *path; /* the directory of one log */
    bool skip_damaged;
    bool from_start; /* every segment that is there, not from the checkpoint: for tools */
    void *context;
    enum rc (*record)(void *context, const struct wal_record *record); /* not RC_OK: ends replay */
    void (*progress)(void *context, uint64_t bytes_done, uint64_t bytes_all);
    void (*damage)(void *context, const char *text);
};

/* What was found, a value. */
struct wal_image_figures {
    uint64_t lsn_last;       /* 0: an empty log */
    uint64_t lsn_checkpoint; /* the first record that was replayed */
    uint64_t wall_ms_last;   /* of the last commit: when the broker was last alive; 0: never */
    uint64_t records;        /* handed over */
    uint64_t commits;
    uint64_t bytes;   /* read */
    uint64_t damaged; /* places that were skipped */
    uint32_t segments;
    bool torn; /* whole segments lie behind the end: lost with the page cache, or torn */
};

/*
 * Reads the log in options->path. RC_OK: `out_image` is the caller's, to be passed to wal_open and
 * destroyed. RC_NOT_FOUND: there is no log (the directory is missing or holds no segment).
 * RC_INVALID: damaged. RC_UNSUPPORTED: written by a newer version. RC_IO, RC_NO_MEMORY, or what
 * `record` answered. All but RC_OK and RC_NOT_FOUND put one line into `out_reason`.
 */
MUST_USE enum rc wal_replay(const struct wal_replay_options *options, struct wal_image **out_image,
                            char *out_reason, size_t reason_size);

void wal_image_destroy(struct wal_image *image);

/*
 * Another image of the same log, for wal_image_read on another thread: the first one may be read or
 * destroyed meanwhile. RC_NO_MEMORY.
 */
MUST_USE enum rc wal_image_view(const struct wal_image *image, struct wal_image **out);
void wal_image_figures_read(const struct wal_image *image, struct wal_image_figures *out);

/*
 * Reads the body of one record, blocking: for moving a log to another number of shards. The bytes
 * are mem_alloc'ed and become the caller's (*out_buffer); `out_body` lies within. RC_NOT_FOUND: no
 * segment holds that place; RC_INVALID: no whole record lies there.
 */
MUST_USE enum rc wal_image_read(struct wal_image *image, struct wal_loc loc, void **out_buffer,
                                struct bytes *out_body);

#endif
