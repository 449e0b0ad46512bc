/*
 * will.h -- will messages: kept with the session, published when it is lost.
 *
 * Life of a will (MQTT 5.0 section 3.1.2.5, 3.1.3.2.2):
 *
 *   CONNECT -> held by the session -> DISCONNECT 0x00: deleted
 *                                  -> connection lost: delay 0 or session ends: due now
 *                                                      else: pending until delay or session's end
 *                                  -> resumed before: deleted
 *
 * Due wills do not go out at once, because a network that fails takes many clients with it: they
 * queue on their shard, which publishes WILLS_PER_TURN of them a turn, and none while a shard that
 * they would have to reach is pressed. A will's message expiry begins when it is published.
 *
 * With a log, a will counts as published when every shard with a durable subscriber has said that
 * it is stored there; only then WILL_GONE is logged. Where a log refused it, it is offered again,
 * to durable sessions of those shards only. So after a crash a will may come twice, but is not
 * lost.
 *
 *   due -> flying, until all shards have confirmed -> gone
 *    ^        |
 *    +--------+  a log took nothing: again after WILLS_AGAIN_MS
 *
 * Bounds: one for each session, and as many due ones as sessions lost; WILLS_FLYING_MAX of these
 * fly.
 *
 * Threads: the session's home shard.
 */
#ifndef SLUICE_WILL_H
#define SLUICE_WILL_H

#include "hold.h"
#include "list.h"
#include "msg.h"
#include "timer.h"

#define WILL_MAGIC 0x57494c4cu

struct router;

struct will {
    uint32_t magic;         /* [I] */
    uint32_t delay_s;       /* [I] */
    uint32_t expiry_s;      /* [I] message expiry; 0: never */
    uint8_t zone;           /* [O] of the session; 0: none, or it was recovered */
    struct list_node node;  /* [O] in wills.due, or in wills.flying */
    uint64_t stored_number; /* [O] its number in the log; 0: not logged */
    struct msg *msg;        /* [O] one reference */
    uint32_t number;        /* [O] of its tickets, while it flies */
    uint32_t waits;         /* [O] confirmations that are missing */
    bool is_repeated;       /* [O] who stores nothing has had it */
    bool is_refused;        /* [O] by a log, in this flight */
    struct shard_set by;    /* [O] shards that store it */
};

/* Those of a shard that are to be published. */
struct wills {
    struct list_node due;    /* [O] published a slice per turn */
    struct list_node flying; /* [O] not confirmed by all shards */
    uint32_t due_count;      /* [O] */
    uint32_t flying_count;   /* [O] */
    uint32_t number;         /* [O] of a flight, drawn last */
    uint64_t next_ms;        /* [O] some were refused: none before */
    struct timer timer;      /* [O] of that moment */
    struct will *promised;   /* [O] being published; NULL: none */
};

/* Copies `pub`. NULL without memory. */
MUST_USE struct will *will_create(const struct pub *pub, uint32_t delay_s, uint32_t expiry_s,
                                  shard_id self);
void will_free(struct will *will, shard_id self);

/* Queues a will for publication, taking it over. */
void will_due(struct router *router, struct will *will);

void wills_init(struct router *router);

/* Publishes a slice. True if more are due and can go. */
bool wills_run(struct router *router);

/* Whether those that are due may be published now. */
bool wills_can_run(const struct router *router);

/* A ticket for the will that is being published; none if none is. */
struct hold_ticket will_ticket(struct router *router);

/* `from` has answered `count` tickets of a will; not `ok`: it cannot be stored there now. */
void will_confirmed(struct router *router, const struct hold_ticket *ticket, shard_id from,
                    uint32_t count, bool ok);

/* Drops what is due, when the process stops. */
void wills_fini(struct router *router);

#endif
