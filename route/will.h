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
 * Bounds: one for each session, and as many due ones as sessions lost.
 *
 * Threads: the session's home shard.
 */
#ifndef SLUICE_WILL_H
#define SLUICE_WILL_H

#include "list.h"
#include "msg.h"

#define WILL_MAGIC 0x57494c4cu

struct router;

struct will {
    uint32_t magic;         /* [I] */
    uint32_t delay_s;       /* [I] */
    uint32_t expiry_s;      /* [I] message expiry; 0: never */
    struct list_node node;  /* [O] in router->wills when due */
    uint64_t stored_number; /* [O] its number in the log; 0: not logged */
    struct msg *msg;        /* [O] one reference */
};

/* Copies `pub`. NULL without memory. */
MUST_USE struct will *will_create(const struct pub *pub, uint32_t delay_s, uint32_t expiry_s,
                                  shard_id self);
void will_free(struct will *will, shard_id self);

/* Queues a will for publication, taking it over. */
void will_due(struct router *router, struct will *will);

/* Publishes a slice. True if more are due and can go. */
bool wills_run(struct router *router);

/* Drops what is due, when the process stops. */
void wills_fini(struct router *router);

#endif
