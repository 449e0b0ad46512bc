/*
 * share_handover.h -- shared deliveries of durable sessions on their way to another member.
 *
 * A delivery that is in the log must stay there until it is in another one. So when a durable
 * session passes it on (outbound.h), what becomes of the log's record depends on the taker:
 *
 *   of this shard           the taker's ENQUEUE and the giver's DONE are one commit
 *   durable, of another     a handover stands here until the other shard has committed; then DONE
 *   not durable             DONE at once: the taker would not have had a record either
 *
 *     begin -> WAIT -> READ (its body is in the log only) -> SENT -> confirmed: DONE
 *          \-> SENT                                             \--> refused: back into the queue
 *
 * A crash meanwhile leaves the delivery with the giver, or, if the taker has committed, with the
 * taker: of QoS 2 its log says whose it was (store_taken.h). Of QoS 1 both may have it. Meanwhile
 * the delivery is in no window and no queue: a checkpoint is not finished before what was under way
 * when its last snapshot was written has been answered. A session that ends passes on what it has,
 * and its end is logged after the last of its handovers (session_end).
 *
 * The ticket of a handover (hold.h) is its own handle with HOLD_HANDOVER in its slot, by which
 * confirm.c finds its way here. The taker's shard answers always: stored, refused, or not needed
 * any more. If it has no member for the delivery, it refuses. What it has appended it will commit,
 * so a log that fails meanwhile is waited for.
 *
 * Bounds: HANDOVER_MAX and HANDOVER_BYTES_MAX under way for a session that goes on, which passes
 * on more when they have been answered; HANDOVER_READS_MAX reads. 144 bytes each, and the message.
 *
 * Threads: the shard's.
 */
#ifndef SLUICE_SHARE_HANDOVER_H
#define SLUICE_SHARE_HANDOVER_H

#include "store.h"

#define HANDOVER_MAX       65536u
#define HANDOVER_BYTES_MAX (UINT64_C(64) * 1024 * 1024)
#define HANDOVER_READS_MAX 512u

struct handover_giver;

enum handover_stage { HANDOVER_WAIT, HANDOVER_READ, HANDOVER_SENT };

struct handover {
    uint32_t magic;               /* [I] */
    enum handover_stage stage;    /* [O] */
    struct list_node node;        /* [O] in store->handovers.waiting, while it is WAIT */
    struct handle handle;         /* [I] in store->handovers.slots */
    uint64_t order;               /* [I] rises */
    struct router *router;        /* [I] */
    struct handover_giver *giver; /* [I] */
    struct msg *msg;              /* [O] one reference; NULL: to be read */
    void *aux;                    /* [O] as the giver had it */
    uint64_t location;            /* [O] with a reference */
    uint64_t number;              /* [I] of the entry */
    uint32_t bytes;               /* [I] */
    uint16_t packet_id;           /* [I] 0: it was in the queue */
    uint16_t flags;               /* [I] */
    uint8_t qos;                  /* [I] */
    bool has_ended;               /* [I] the session passes it on because it ends */
};

/* A delivery as window or queue have it, a value. */
struct handover_item {
    struct msg *msg;
    void *aux;
    uint64_t location;
    uint64_t number;
    uint32_t bytes;
    uint16_t packet_id; /* 0: from the queue */
    uint16_t flags;
    uint8_t qos;
};

/*
 * Passes a stored delivery of the session on, or begins to. True: it is not the session's any more;
 * the caller removes it, and releases and logs nothing. False: it stays; message and aux in `item`
 * may be others, equal ones.
 */
bool handover_begin(struct router *router, struct session *session, bool ended,
                    struct handover_item *item);

/* The session has ended and passed on what it had: SESSION_END, now or after its handovers. */
void handover_session_ended(struct router *router, struct session *session);

/* The answer to a ticket, from a taker's shard. */
void handover_confirmed(struct router *router, struct handle ticket, shard_id taker, bool ok);

/* Remembers what is under way; and whether nothing of that is any more. */
void handover_mark(struct store *store);
bool handover_is_past(const struct store *store);

/* The end of a turn: starts reads. */
void handover_turn(struct store *store);

void handover_init(struct store *store);

/* The process stops. What is under way stays in the log. */
void handover_fini(struct store *store);

#endif
