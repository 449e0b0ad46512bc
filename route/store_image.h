/*
 * store_image.h -- what a log says: the state that its records add up to.
 *
 * Replay is a function of the records in their order and of nothing else: image_apply is called for
 * each, and afterwards the image holds every session with its subscriptions, window, queue,
 * received QoS 2 ids, every will, every retained message, and every keyed row. The shard then makes
 * its own objects of it (store_restore.h). Window, queue and received ids are the same structures
 * that a session has, so that they are moved, not copied.
 *
 * Bodies of deliveries are not read: entries keep their location (mqueue.h, `msg` is NULL). Of a
 * shared delivery the aux (sub_ids.h) holds, instead of the number of its group, the number under
 * which the image knows the group's filter (image_group).
 *
 * A snapshot: from SNAP_BEGIN of a session on there are two states of it. The old one goes on with
 * every record as if nothing were going on; it counts if the log ends before SNAP_END. The new one
 * begins empty, takes what the snapshot says and whatever happens meanwhile; deliveries that come
 * meanwhile stand behind those of the snapshot. SNAP_END makes it the only one. A record about a
 * session that is not known is ignored: in a log that is read from a checkpoint on it belongs to a
 * session whose snapshot is still to come, and will contain what the record says.
 *
 * Records that make no sense one after the other are ignored and counted (anomalies). Nothing that
 * a log may contain can do more harm than to be restored.
 *
 * Bounds: memory in proportion to the live state. Threads: one at a time.
 */
#ifndef SLUICE_STORE_IMAGE_H
#define SLUICE_STORE_IMAGE_H

#include "awaiting_rel.h"
#include "hash.h"
#include "inflight.h"
#include "list.h"
#include "mqueue.h"
#include "msg.h"
#include "store_record.h"

#define IMAGE_SESSION_MAGIC 0x494d5353u

struct image_session;
struct store_image;

/* The chain of a table of the image; first member of what stands in it. */
struct image_node {
    struct image_node *next; /* [O] */
    uint64_t hash;           /* [O] */
};

struct image_sub {
    struct image_node node; /* [O] by state and filter */
    struct list_node link;  /* [O] in image_state.subs */
    const void *state;      /* [I] */
    uint32_t sub_id;        /* [O] */
    uint8_t options;        /* [O] SUB_* of session_subs.h */
    uint16_t filter_len;    /* [I] */
    uint8_t filter[];       /* [I] with $share/group/ */
};

/* What a session holds. */
struct image_state {
    struct mqueue queue;          /* [O] */
    struct mqueue later;          /* [O] came while the snapshot was written */
    struct inflight window;       /* [O] */
    struct awaiting_rel awaiting; /* [O] the tag is the message id */
    struct list_node subs;        /* [O] */
    uint32_t subs_count;          /* [O] */
};

struct image_session {
    uint32_t magic;             /* [I] */
    uint32_t expiry_s;          /* [O] */
    struct image_node node;     /* [O] by number */
    struct list_node link;      /* [O] all sessions, oldest first */
    uint64_t number;            /* [I] */
    uint64_t entry_next;        /* [O] above every entry number seen */
    uint64_t wall_ms;           /* [O] when it was disconnected; 0: it was connected */
    uint64_t rank;              /* [O] among all sessions by their numbers, from 1 (image_rank) */
    struct image_state *state;  /* [O] NULL until the first snapshot is complete */
    struct image_state *shadow; /* [O] of the snapshot that is being read, or NULL */
    uint8_t version;            /* [O] */
    bool is_bridge;             /* [O] */
    uint64_t owner;             /* [O] as in struct session */
    uint16_t id_len;            /* [I] */
    uint8_t id[];               /* [I] client id */
};

/*
 * A will that is not known to be published. It is the session's if it is the latest one of a
 * session that exists; any other is due.
 */
struct image_will {
    struct image_node node; /* [O] by number */
    uint64_t number;        /* [I] */
    uint64_t session;       /* [I] */
    uint64_t rank;          /* [O] among all wills by their numbers, from 1 (image_rank) */
    struct msg *msg;        /* [O] one reference; NULL once somebody has taken it */
    uint32_t delay_s;       /* [I] */
    uint32_t expiry_s;      /* [I] */
};

/* A QoS 2 message of another shard's durable publisher that is stored here (store_seen.h). */
struct image_seen {
    struct image_node node; /* [O] */
    uint64_t session;       /* [I] */
    struct store_class by;  /* [I] which sessions have it */
    uint16_t packet_id;     /* [I] */
    shard_id home;          /* [I] */
};

/* A delivery that came from a session of another shard (store_taken.h). */
struct image_taken {
    struct image_node node; /* [O] */
    uint64_t session;       /* [I] */
    uint64_t entry;         /* [I] */
    shard_id home;          /* [I] */
};

struct image_retained {
    struct image_node node; /* [O] by topic */
    uint64_t version;       /* [O] */
    struct msg *msg;        /* [O] one reference; NULL: deleted */
    uint16_t topic_len;     /* [I] */
    uint8_t topic[];        /* [I] */
};

struct image_row {
    struct image_node node; /* [O] by table and key */
    uint64_t version;       /* [O] */
    uint8_t *value;         /* [O] NULL: deleted, or empty */
    uint32_t value_len;     /* [O] */
    bool kept;              /* [O] false: deleted */
    uint16_t table_len;     /* [I] */
    uint16_t key_len;       /* [I] */
    uint8_t names[];        /* [I] table, then key */
};

/* What was seen, a value. */
struct image_figures {
    uint64_t records;
    uint64_t sessions;
    uint64_t entries; /* deliveries that wait */
    uint64_t retained;
    uint64_t wills;
    uint64_t anomalies;
    uint64_t number_last; /* the highest number of a session or will */
};

/* Wall clock and monotonic clock at the same moment, in ms: expiries become monotonic here. */
struct image_clock {
    uint64_t wall_ms; /* [I] */
    uint64_t mono_ms; /* [I] */
};

/* NULL without memory. */
struct store_image *image_create(const struct hash_key *key, struct image_clock clock);
void image_destroy(struct store_image *image);

/*
 * The next record; `location` is where it lies. RC_INVALID: not a record of route, or a damaged
 * one; the image is as before. RC_NO_MEMORY: the image is of no use any more.
 */
MUST_USE enum rc image_apply(struct store_image *image, uint8_t type, struct bytes body,
                             uint64_t location);

/* The log is at its end: unfinished snapshots are dropped, copied messages found. */
MUST_USE enum rc image_finish(struct store_image *image);

/* Numbers sessions and wills anew, without gaps, in the old order. RC_NO_MEMORY. */
MUST_USE enum rc image_rank(struct store_image *image);

/* Sessions in the order of their first record; NULL at the end. */
struct image_session *image_session_first(struct store_image *image);
struct image_session *image_session_next(struct store_image *image, struct image_session *session);
struct image_session *image_session_find(struct store_image *image, uint64_t number);

/* Calls `visit` for each; RC_OK goes on, anything else ends the walk and is returned. */
MUST_USE enum rc image_retained_walk(struct store_image *image, void *context,
                                     enum rc (*visit)(void *context, struct image_retained *kept));
MUST_USE enum rc image_wills_walk(struct store_image *image, void *context,
                                  enum rc (*visit)(void *context, struct image_will *will));
MUST_USE enum rc image_seen_walk(struct store_image *image, void *context,
                                 enum rc (*visit)(void *context, struct image_seen *seen));
MUST_USE enum rc image_rows_walk(struct store_image *image, void *context,
                                 enum rc (*visit)(void *context, struct image_row *row));

MUST_USE enum rc image_taken_walk(struct store_image *image, void *context,
                                  enum rc (*visit)(void *context, struct image_taken *taken));

/* Whether there is any such row. */
bool image_taken_has(const struct store_image *image, shard_id home, uint64_t session,
                     uint64_t entry);
bool image_seen_has(const struct store_image *image, shard_id home, uint64_t session,
                    uint16_t packet_id);

/* The filter, with $share/group/, of a group number in an aux of the image. */
struct bytes image_group(const struct store_image *image, uint64_t group);

void image_figures_read(const struct store_image *image, struct image_figures *out);

#endif
