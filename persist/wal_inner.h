/*
 * wal_inner.h -- the parts of one log, for the files of persist/ that make it up.
 *
 *     wal.c         appending, groups, opening and closing
 *     wal_write.c   one commit at a time to the disk; failure and repetition; syncs of the modes
 *                   that do not sync each commit
 *     wal_space.c   the segments: which holds a position, which are free
 *     wal_sparse.c  which of them are worth being copied forward
 *     wal_prepare.c segments made ahead, recycled, removed: files, in the background
 *     wal_read.c    reading records back
 *
 * A batch of records goes this way:
 *
 *     gathering --full or end of turn--> ready --its turn--> flying --success--> freed, committed
 *                                                              ^  |
 *                                                              +--+ failure: a new segment, later
 *
 * A segment goes this way:
 *
 *     prepared: spare ---first commit---> current ---full, failed---> sealed
 *        ^                                                              |
 *        +----------- renamed ------ pool <-- free (no references) -----+---> removed
 *
 * Threads: the shard's.
 */
#ifndef SLUICE_WAL_INNER_H
#define SLUICE_WAL_INNER_H

#include "disk.h"
#include "timer.h"
#include "wal_parts.h"

#define WAL_MAGIC 0x57414c31u

struct wal {
    uint32_t magic;
    bool is_direct;
    bool has_dsync;
    bool is_writing;     /* a request for the flying batch is with the kernel */
    bool is_failed_told; /* failed() was called, recovered() not yet */
    bool is_group_open;
    bool must_commit;   /* a checkpoint waits for a commit that carries it */
    bool is_free_dirty; /* some segment may have become free */
    bool is_stalled;    /* a commit waits for a segment */
    bool is_sync_due;
    bool is_closing;
    bool is_alone; /* the owner is gone: nobody takes other completions, nothing becomes free */
    struct shard *shard;
    struct wal_options options;
    char path[WAL_PATH_MAX];
    int dir_fd; /* of the directory, to sync it */
    uint64_t log_id;

    /* appending */
    struct wal_batch *gathering; /* NULL: none */
    struct list_node ready;
    struct wal_batch *flying; /* NULL: none */
    struct list_node kept;
    uint32_t num_kept;
    uint64_t next_pos;      /* where the batch after the newest one begins */
    uint64_t pos_committed; /* what lies before is in segments, what lies behind in batches */
    uint64_t lsn_last;      /* appended */
    uint64_t lsn_committed; /* by the mode */
    uint64_t pos_synced;    /* the same, but for what failing syncs have lost */
    uint64_t pos_lost;      /* behind what a failing sync may have lost; 0: nothing */
    uint64_t pos_durable;   /* what lies before is on the disk */
    uint64_t pending_bytes; /* of records in batches */
    struct {
        uint32_t len;
        uint32_t count;
        uint32_t heads_crc;
    } group; /* the gathering batch as it was when the group began */

    /* checkpoints, each {position of a commit, first lsn}; 0: none */
    uint64_t begun_pos, begun_lsn; /* begin was called, end not yet */
    uint64_t ended_pos, ended_lsn; /* end was called: on its way to validity */
    uint64_t ended_end;            /* WAL_STAGE_SYNC: behind its last commit */
    uint32_t ended_num;            /* counts them */
    enum wal_stage stage;
    uint64_t carried_pos, carried_lsn;       /* the next commit says so */
    uint64_t checkpoint_pos, checkpoint_lsn; /* committed: valid */
    uint64_t gap_lsn;                        /* appended last before the last gap; 0: none */
    uint64_t checkpoint_end;                 /* behind the commit that made it valid */

    /* writing */
    struct wal_segment *current; /* NULL: the next commit begins a new one */
    struct wal_segment *syncing; /* NULL: no sync under way */
    uint64_t before;             /* number of the last segment with a good commit */
    uint64_t began_ns;           /* the write under way */
    uint64_t failing_since_ms;   /* 0: not failing */
    uint64_t retry_at_ms;
    uint32_t retry_ms;
    int error;
    struct timer retry;
    struct timer interval;

    /* segments */
    struct wal_segment **segments; /* by rising base */
    uint32_t num_segments;
    uint32_t segments_cap;
    uint32_t found; /* index of the segment that was looked up last */
    uint64_t number_max;
    uint64_t disk_bytes;
    uint64_t live_bytes;
    uint64_t size_next; /* of the segment to be made next */
    struct wal_segment *spare;
    struct list_node pool; /* free, to be renamed */
    uint32_t num_pool;
    struct wal_prepare prepare;
    struct list_node discards;
    struct wal_discard discard;

    /* reading */
    struct wal_request *requests; /* not yet in a window */
    uint32_t num_requests;
    uint32_t requests_cap;
    uint32_t num_reads; /* requests of both kinds */
    struct wal_window windows[WAL_WINDOWS];
};

#define WAL_CHECK(wal) CHECK((wal)->magic == WAL_MAGIC && (wal)->shard == shard_self)

/* ---- wal.c ---- */

/* The batch that is to be written next, closed and taken; NULL: there is none. */
struct wal_batch *wal_batch_take(struct wal *wal);
void wal_batch_free(struct wal *wal, struct wal_batch *batch);

/* The position behind all that was appended. */
static inline uint64_t wal_end(const struct wal *wal)
{
    const struct wal_batch *batch = wal->gathering;
    return batch != NULL ? batch->pos + batch->len : wal->next_pos;
}

/* The batch in memory that holds the record at `pos`; NULL: none. */
struct wal_batch *wal_batch_find(const struct wal *wal, uint64_t pos);

/* Bytes of a commit in its file. */
static inline uint32_t wal_batch_total(const struct wal_batch *batch)
{
    return (uint32_t)wal_round(WAL_COMMIT_LEN + (uint64_t)batch->len);
}

/* ---- wal_write.c ---- */

bool wal_write_is_wanted(const struct wal *wal);

/* The log begins without a segment and without room for one: as one that has failed. */
void wal_write_begin_failed(struct wal *wal, int error);

/* There is a segment again: one that failed and has nothing to write has recovered. */
void wal_write_prepared(struct wal *wal);
void wal_write_step(struct wal *wal, uint64_t now_ms);
void wal_write_done(struct wal *wal, enum wal_op op, int32_t result);
void wal_sync_step(struct wal *wal);
void wal_sync_done(struct wal *wal, int32_t result);

/* Lets the shard turn again when something is to be tried again. */
void wal_retry_arm(struct wal *wal, uint64_t now_ms);

/* ---- wal_space.c ---- */

struct wal_segment *wal_segment_create(uint64_t number, uint64_t size);

/* The segment that holds `pos`; NULL: none does. */
struct wal_segment *wal_segment_find(struct wal *wal, uint64_t pos);

/* Enters a segment behind all others. False without memory. */
MUST_USE bool wal_segment_add(struct wal *wal, struct wal_segment *segment);
void wal_segment_remove(struct wal *wal, struct wal_segment *segment);

/* Gives up what has become free. */
void wal_space_step(struct wal *wal);
void wal_space_fini(struct wal *wal);
void wal_count_disk(struct wal *wal, int64_t bytes);
void wal_segment_path(const struct wal *wal, uint64_t number, char *out);

/* ---- wal_prepare.c ---- */

/* Makes the first spare segment, blocking. errno on failure. */
MUST_USE enum rc wal_prepare_first(struct wal *wal);

/* Or goes on without, and tries again like later ones. */
void wal_prepare_none(struct wal *wal, int error);
void wal_prepare_step(struct wal *wal, uint64_t now_ms);
void wal_prepare_done(struct wal *wal, int32_t result);

/* Keeps a free segment to be used again; false: it is not wanted. */
MUST_USE bool wal_prepare_keep(struct wal *wal, struct wal_segment *segment);

/* Lets a segment's file go; it is in no table any more. */
void wal_discard(struct wal *wal, struct wal_segment *segment);
void wal_discard_step(struct wal *wal);
void wal_discard_done(struct wal *wal);

/* ---- wal_read.c ---- */

void wal_read_step(struct wal *wal);
void wal_read_done(struct wal *wal, uint32_t index, int32_t result);
bool wal_read_is_busy(const struct wal *wal);

/* Whether a read of the segment waits for a window. */
bool wal_read_is_asked(const struct wal *wal, const struct wal_segment *segment);
void wal_read_fini(struct wal *wal);

#endif
