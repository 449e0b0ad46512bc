/*
 * wal_parts.h -- what a log is made of: batches, segments, requests (see wal_inner.h).
 *
 * The sizes of all buffers stand here. A batch is as large as what gathered while the one before it
 * was written; everything else is fixed.
 *
 * Threads: the shard's.
 */
#ifndef SLUICE_WAL_PARTS_H
#define SLUICE_WAL_PARTS_H

#include "list.h"
#include "op.h"
#include "wal.h"
#include "wal_format.h"

#define WAL_PATH_MAX   4400
#define WAL_BATCH_LEN  (1024u * 1024) /* closed at this size: 1 MiB is on the disk in a ms or so */
#define WAL_ZERO_LEN   (256u * 1024)  /* written at a time while a segment is made */
#define WAL_RETRY_MS   100            /* after the first failure */
#define WAL_RETRY_MAX  1000
#define WAL_WINDOWS    16            /* reads from the disk under way */
#define WAL_WINDOW_LEN (256u * 1024) /* of one, unless a record is larger */
#define WAL_BATCH_KEPT 2             /* batches whose memory is kept */
#define WAL_POOL_MAX   2             /* free segments that are kept to be used again */

/* What a completion is of; the low bits of a token's slot are the window's index. */
enum wal_op {
    WAL_OP_WRITE,      /* of the flying batch */
    WAL_OP_WRITE_SYNC, /* after it, where RWF_DSYNC does not work */
    WAL_OP_SYNC,       /* of a segment in the modes that do not sync each commit */
    WAL_OP_PREPARE,
    WAL_OP_DISCARD,
    WAL_OP_READ,
};

#define WAL_OP_SHIFT 16

static inline uint64_t wal_token(enum wal_op op, uint32_t index)
{
    return op_token(OP_LOG, ((uint32_t)op << WAL_OP_SHIFT) | index, 0);
}

/*
 * A checkpoint's way to validity. Where commits are durable, the commit that holds its last record
 * also says that it is valid. Elsewhere that commit must be on the disk first, because replay from
 * a checkpoint of which a part is missing would find nothing.
 */
enum wal_stage {
    WAL_STAGE_NONE,
    WAL_STAGE_END,   /* its last record is to be committed */
    WAL_STAGE_SYNC,  /* is committed and to be synced */
    WAL_STAGE_CARRY, /* a commit is to carry it */
};

/* Live references to records and the bytes that they named. */
struct wal_live {
    uint64_t refs;
    uint64_t bytes;
};

/* Records on their way. The buffer: a block for a segment's header, then whole blocks of commit. */
struct wal_batch {
    struct list_node node; /* in wal.ready or wal.kept */
    uint8_t *buffer;       /* aligned to WAL_BLOCK; the commit is at WAL_BLOCK */
    uint64_t pos;          /* of the commit */
    uint64_t lsn_first;
    uint64_t checkpoint_pos; /* what it carries; set when it is closed */
    uint64_t checkpoint_lsn;
    struct wal_live live; /* the segment's once it is written */
    uint32_t capacity;    /* bytes of the buffer */
    uint32_t len;         /* bytes of records */
    uint32_t count;
    uint32_t heads_crc;
    uint32_t ended_num;   /* which checkpoint that is */
    enum wal_stage stage; /* of the checkpoint for which this is the last commit */
};

struct wal_segment {
    struct list_node node; /* in wal.discards once it is given up */
    uint64_t number;
    uint64_t base; /* position of its first commit */
    uint64_t end;  /* behind its last good one */
    uint64_t size; /* of the file */
    uint64_t salt;
    struct wal_live live;
    uint64_t synced;  /* its end when the last sync of it began */
    uint32_t windows; /* reads under way */
    int fd;
    uint64_t free_lsn;    /* the last reference went with the records up to here */
    uint64_t tried_refs;  /* that were left when copying it forward ended; 0: it was not tried */
    bool is_pinned;       /* one of its references is wal_sparse_take's */
    bool is_unreferenced; /* and which these are, the end of the turn will say */
    bool is_unsynced;     /* has commits that are not known to be on the disk */
};

enum wal_prepare_step {
    WAL_PREPARE_IDLE,
    WAL_PREPARE_OPEN,
    WAL_PREPARE_ALLOCATE,
    WAL_PREPARE_ZERO,
    WAL_PREPARE_SYNC,
    WAL_PREPARE_RENAME, /* a free segment instead of these */
    WAL_PREPARE_SYNC_DIR,
};

/* The segment that is being made. */
struct wal_prepare {
    enum wal_prepare_step step;
    struct wal_segment *segment;
    uint8_t *zeroes; /* WAL_ZERO_LEN, while needed */
    uint64_t offset;
    uint64_t number_from; /* of a segment that is renamed; 0: it is new */
    uint64_t retry_at_ms; /* 0: nothing has failed */
    uint32_t retry_ms;
    int error; /* why none could be made; 0: one could */
    char path[WAL_PATH_MAX];
    char path_from[WAL_PATH_MAX];
};

/* The segment that is being removed; its file first, then its descriptor. */
struct wal_discard {
    struct wal_segment *segment; /* NULL: none */
    bool is_closing;
    char path[WAL_PATH_MAX];
};

/* One request of wal_read. */
struct wal_request {
    struct wal_loc loc;
    wal_read_fn done; /* NULL: nobody wants to know any more */
    void *context;
    uint64_t tag;
    uint32_t len; /* of header and body, once known; else 0 */
};

/* One read from the disk and the requests that it answers. */
struct wal_window {
    struct wal_segment *segment; /* NULL: not in use */
    uint8_t *buffer;
    uint64_t pos; /* of its first byte, on a block */
    uint32_t len;
    struct wal_request *requests;
    uint32_t num_requests;
};

#endif
