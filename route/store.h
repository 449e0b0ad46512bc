/*
 * store.h -- durable sessions: what route logs, when, and how it comes back.
 *
 * A session is durable if the broker has a data directory and the session outlives its connection
 * (expiry > 0); it has a number in the log then (session.stored_number). Everything about it is
 * written as it happens (store_record.h says how). Clean sessions and QoS 0 never come here: their
 * path has one predictable branch more.
 *
 * What must be committed before what leaves; tests/sim/sim_rows.c shows each row with a held log:
 *
 *     CONNACK of a durable session          SESSION, and WILL
 *     CONNACK that ends a durable session   SESSION_END
 *     SUBACK, UNSUBACK                      SUBSCRIBE, UNSUBSCRIBE
 *     PUBACK, PUBREC to a publisher         ENQUEUE at every shard that stores, RETAIN
 *     PUBREC to a durable publisher         also INBOUND
 *     PUBCOMP to a durable publisher        RELEASED, UNSEEN at every shard that stored
 *     PUBLISH with QoS 2                    ENQUEUE or SENT with its packet id
 *     PUBREL                                RECEIVED
 *     PUBLISH with QoS 1                    nothing: a repetition is allowed
 *
 * A subscriber's PUBACK and PUBCOMP are logged (DONE) and wait for nothing.
 *
 * If the log takes nothing (the disk is full or fails) what needs it is refused: CONNECT of a
 * durable session or that ends one, SUBSCRIBE, UNSUBSCRIBE, a publication that a durable session
 * should store; a session that is over stays until its end is logged (session.h). What can only be
 * noted, as an acknowledgement, happens in memory; a checkpoint then fills the gap of the log.
 *
 * Bodies: of a logged delivery, window and queue keep the location only (but for the first
 * STORE_KEEP_MAX of a connected client); store_load reads them back ahead of the window.
 * Times in records are those of the wall clock, in memory those of the monotonic one.
 *
 * Files: store.c (life of the store, appending), store_session.c, store_will.c, store_deliver.c,
 * store_keyed.c, store_load.c, store_restore.c (start), store_checkpoint.c, store_compact.c.
 *
 * Threads: the shard's.
 */
#ifndef SLUICE_STORE_H
#define SLUICE_STORE_H

#include "handover_set.h"
#include "outbound.h"
#include "router.h"
#include "store_keyed.h"
#include "store_record.h"
#include "topic.h"
#include "wal.h"

#define STORE_MAGIC 0x53544f52u

/* Messages of a connected session's queue that stay in memory although they are logged. */
#define STORE_KEEP_MAX 256

/* Messages read ahead of a window, and their bytes. */
#define STORE_AHEAD_MAX       256
#define STORE_AHEAD_BYTES_MAX (1024 * 1024)

/* How far from the head of a queue messages may be in memory. */
#define STORE_SHED_MAX (STORE_KEEP_MAX + STORE_AHEAD_MAX)

struct image_table;
struct store_checkpoint;
struct store_compact;
struct store_image;

struct store {
    uint32_t magic;                      /* [I] */
    bool gap;                            /* [O] something happened that is not in the log */
    bool is_refusing;                    /* [O] store_is_ready was false at the last turn's end */
    bool resumed;                        /* [O] the log takes records again: wake who waits */
    bool is_partial;                     /* [O] deliveries pass those that have it (store_seen.h) */
    struct router *router;               /* [I] */
    struct wal *wal;                     /* [O] */
    uint64_t number_next;                /* [O] of sessions and wills */
    uint64_t wall_offset_ms;             /* [O] wall clock minus monotonic clock */
    uint64_t offset_next_ms;             /* [O] when to compare the clocks again */
    struct image_table *seen;            /* [O] QoS 2 of other shards (store_seen.h) */
    struct image_table *taken;           /* [O] deliveries of other shards (store_taken.h) */
    struct list_node given;              /* [O] to be forgotten there */
    struct store_keyed keyed;            /* [O] rows of other parts (store_keyed.h) */
    struct store_checkpoint *checkpoint; /* [O] under way, or NULL */
    uint64_t checkpoint_next_ms;         /* [O] not before */
    struct timer checkpoint_timer;       /* [O] of that moment */
    uint64_t checkpoint_bytes;           /* [O] size of the last one */
    struct store_compact *compact;       /* [O] under way, or NULL */
    uint64_t compact_next_ms;            /* [O] not before */
    uint64_t slice_end;                  /* [O] of the log, before the last slice of either */
    uint64_t checkpoint_bytes_min;       /* [I] growth of the log that makes one due */
    struct list_node loads;              /* [O] reads under way (store_load.c) */
    struct handover_set handovers;       /* [O] deliveries on their way to other members */
    uint32_t resume_slot;                /* [O] next session to wake */
    uint64_t attach_bytes;               /* [O] taken by those who came back to a full log */
    uint64_t attach_turn_ns;             /* [O] in which turn, last */
    struct store_parts parts;            /* [O] scratch */
};

/* How the log is kept; a value. */
struct store_config {
    char log_dir[4200];      /* [I] <data>/log */
    uint32_t generation;     /* [I] */
    uint32_t shards_before;  /* [I] logs of the generation */
    enum wal_mode mode;      /* [I] */
    uint32_t interval_ms;    /* [I] */
    uint64_t disk_bytes_max; /* [I] of all logs together; 0: no limit */
    bool skip_damaged;       /* [I] */
    /* Small ones let tests see in seconds what else takes days. */
    uint64_t segment_bytes_first;  /* [I] 0: the usual ones, or what disk_bytes_max allows */
    uint64_t segment_bytes_max;    /* [I] 0: as above */
    uint64_t checkpoint_bytes_min; /* [I] 0: CHECKPOINT_BYTES_MIN (store_checkpoint.h) */
};

/* Of SUB_* (session_subs.h), what a record keeps; the rest follows from the session. */
#define STORE_SUB_OPTIONS (SUB_QOS_MASK | SUB_NO_LOCAL | SUB_RETAIN_AS_IS)

static inline bool session_is_stored(const struct session *session)
{
    return session->stored_number != 0;
}

/* How each of so many logs is run; path and events are the caller's. */
struct wal_options store_wal_options(const struct store_config *config, unsigned shards);

/*
 * Reads the log of this shard, makes its sessions, opens the log. Called by router_open on the
 * shard's thread; RC_OK and router->store == NULL without a data directory. Failures are logged.
 */
MUST_USE enum rc store_open(struct router *router);
void store_close(struct router *router);

/* The end of a turn: checkpoints, sessions that waited for the log, the log's own turn. */
bool store_turn_end(struct router *router);

bool store_is_ready(const struct store *store);  /* the log takes what must be logged */
bool store_is_failed(const struct store *store); /* nothing at all */

/* ---- appending (store.c) ---- */

/* Appends what stands in store->parts. On failure nothing has happened; `gap` is the caller's. */
MUST_USE enum rc store_append(struct store *store, enum store_type type, uint64_t *out_lsn,
                              struct wal_loc *out_loc);

/* For what has happened already: the same, and a failure becomes a gap. The lsn, 0 on failure. */
uint64_t store_note(struct store *store, enum store_type type);

/* What has happened is not in the log: a checkpoint is due, and no body goes before it. */
void store_gap(struct store *store);

/* Wall clock in ms of a moment of the monotonic clock. */
uint64_t store_wall_ms(struct store *store, uint64_t mono_ms);
/* A publication as a message of a record; views into it. Retained ones and wills with owner. */
struct store_message store_message_of(struct store *store, const struct pub *pub);
struct store_message store_message_owned(struct store *store, const struct msg *msg);

/* ---- sessions (store_session.c) ---- */

/*
 * CONNECT of a session that is durable or becomes so: SESSION and WILL. `*out_number` is the
 * session's (that of `session` unless NULL), `*out_lsn` is to be waited for. RC_* of wal_append.
 * store_attach_undo: it did not come into being.
 */
MUST_USE enum rc store_attach(struct router *router, const struct session *session,
                              const struct attach_request *request, uint64_t owner,
                              uint64_t *out_number, uint64_t *out_lsn);
void store_attach_undo(struct router *router, uint64_t number, const struct will *will);
void store_detached(struct router *router, struct session *session);

/* SUBSCRIBE and UNSUBSCRIBE, before they are done. */
MUST_USE enum rc store_subscribe(struct router *router, struct session *session,
                                 const struct topic_filter_parts *parts, uint32_t sub_id,
                                 uint8_t options);
MUST_USE enum rc store_unsubscribe(struct router *router, struct session *session,
                                   const struct topic_filter_parts *parts);

/*
 * QoS 2 from a durable publisher: begins a commit with INBOUND, into which everything goes that is
 * logged until store_inbound_end, because of the publication. Not `accepted`: it was not.
 */
MUST_USE enum rc store_inbound(struct router *router, struct session *session, uint16_t packet_id,
                               uint64_t message_id);
void store_inbound_end(struct router *router, struct session *session, uint16_t packet_id,
                       bool accepted);

/* PUBREL, before the id is forgotten; and an id that is forgotten for another reason. */
MUST_USE enum rc store_released(struct router *router, struct session *session, uint16_t packet_id);
void store_forget_inbound(struct router *router, struct session *session, uint16_t packet_id,
                          uint64_t tag);

/* The session ends: other shards forget what they have seen of it. */
void store_forget_received(struct router *router, struct session *session);

/* ---- deliveries (store_deliver.c) ---- */

/*
 * Delivers a copy with QoS 1 or 2 to a durable session. Takes over `aux` and the reference `keep`
 * (of a shared delivery, which must stay in memory; or NULL). What cannot be logged is not
 * delivered, and the publication is refused (router->log_refused).
 */
void store_deliver(struct router *router, struct session *session, const struct delivery *copy,
                   void *aux, struct msg *keep);

/*
 * The head of the queue, which is stored, goes into the window and out. RC_OK; RC_FULL: it has to
 * wait, also for its body or for the log.
 */
MUST_USE enum rc store_send_head(struct router *router, struct session *session);

/* PUBREC came: the lsn to wait for before PUBREL leaves. RC_*: the log takes nothing. */
MUST_USE enum rc store_received(struct router *router, struct session *session,
                                struct inflight_entry *entry, uint64_t *out_lsn);

/* What `aux` says of a delivery. `id_space` and `text` (STORE_FILTER_MAX) back it. */
struct store_entry store_entry_of(struct router *router, void *aux, uint32_t *id_space,
                                  uint8_t *text);

/* A window entry or a queue entry of the session is gone, however that came. */
void store_done(struct router *router, struct session *session, const struct inflight_entry *entry);
void store_dropped(struct router *router, const struct session *session,
                   const struct mqueue_entry *entry);

/* A delivery of this weight needs the message there, or no more. False: the place is lost. */
bool store_keep(struct store *store, uint64_t location, uint32_t bytes);
void store_forget(struct router *router, uint64_t location, uint32_t bytes);

/* The connection is lost: bodies that can be read back leave memory. */
void store_shed(struct router *router, struct session *session);

/* A delivery goes into the queue again, under a new number. RC_*: the log has only the old one. */
MUST_USE enum rc store_requeued(struct router *router, struct session *session,
                                const struct mqueue_entry *entry, uint64_t *out_lsn);

/* ---- bodies (store_load.c): the message of a record; NULL: it has none, or no memory ---- */

struct msg *store_load_msg(struct store *store, struct bytes body);

/*
 * Bodies of the next deliveries are wanted: starts reading those that are not in memory, a bounded
 * number of them. outbound_pump is called when they have come.
 */
void store_load(struct router *router, struct session *session);

/* The session is about to end, or the store: nothing comes any more. */
void store_load_cancel(struct router *router, struct session *session);

/* ---- filters ---- */

/* "$share/group/filter", or the filter itself, into `out`; views borrowed for the call. */
struct bytes store_filter_text(struct bytes group, struct bytes filter, uint8_t *out);

#define STORE_FILTER_MAX (2 * 65535 + 16)

#endif
