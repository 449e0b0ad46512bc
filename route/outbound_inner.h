/*
 * outbound_inner.h -- what outbound.c and store_deliver.c share: queue and window of one session.
 *
 * Threads: the session's home shard.
 */
#ifndef SLUICE_OUTBOUND_INNER_H
#define SLUICE_OUTBOUND_INNER_H

#include "outbound.h"
#include "zone.h"

/* Of a copy's weight, what it takes in memory beside topic, properties and payload. */
#define OUTBOUND_WEIGHT_FIXED ((uint32_t)(sizeof(struct msg) + sizeof(struct mqueue_entry)))

/* What a queued copy of the publication weighs. */
static inline uint32_t outbound_weight_of(const struct pub *pub)
{
    uint64_t weight = OUTBOUND_WEIGHT_FIXED + (uint64_t)pub->topic.len + pub->props.len +
                      pub->payload.len;
    return weight > UINT32_MAX ? UINT32_MAX : (uint32_t)weight;
}

static inline bool outbound_window_open(const struct router *router, const struct session *session)
{
    return session->conn != NULL && session->resend_count == 0 &&
           !inflight_is_full(&session->inflight) &&
           session->inflight_bytes < router_settings_of(router, session)->inflight_bytes_max;
}

/* The entry is in flight from now on, its message counts with so many bytes. */
static inline void outbound_weigh(struct router *router, struct session *session,
                                  struct inflight_entry *entry, uint32_t bytes)
{
    entry->bytes = bytes;
    session->inflight_bytes += bytes;
    router_count(router, STAT_INFLIGHT, 1);
}

/* The entry's message does not count any more: it was completed, passed on or never sent. */
static inline void outbound_weigh_off(struct session *session, struct inflight_entry *entry)
{
    CHECK(session->inflight_bytes >= entry->bytes);
    session->inflight_bytes -= entry->bytes;
    entry->bytes = 0;
}

/*
 * What has been weighed leaves the window, but by an answer of the client: that is counted already
 * (route_stats_inflight).
 */
static inline void outbound_window_remove(struct router *router, struct session *session,
                                          struct inflight_entry *entry)
{
    outbound_weigh_off(session, entry);
    inflight_remove(&session->inflight, entry);
    stat_sub(router->stats, STAT_INFLIGHT, 1);
}

/* Queues a kept delivery, taking it over; what the queue cannot hold is dropped and counted. */
void outbound_queue_put(struct router *router, struct session *session,
                        const struct mqueue_entry *entry);

/* Takes the head out of the queue; false if there is none. */
bool outbound_pop(struct router *router, struct session *session, struct mqueue_entry *out);

/* Releases what a kept delivery owns. */
void outbound_release(struct router *router, struct msg *msg, void *aux);

#endif
