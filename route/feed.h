/*
 * feed.h -- retained messages for a new subscription, in slices, at the subscriber's pace.
 *
 * A feed is a walk over the retained index (retained.h) on behalf of one subscription. Each turn it
 * may visit FEED_NODES_PER_TURN nodes and hand over as many messages as the session has appetite
 * for (outbound_appetite: room in the window, the queue and the connection's output). When there is
 * none it waits, off every list, until outbound_pump finds room again. So a `#` on a million
 * retained messages neither stalls the shard nor overflows the client's queue, and nothing is
 * capped.
 *
 * A session that is lost while a feed runs keeps it: it goes on when the session is resumed.
 *
 * Bounds: one feed for each filter of a SUBSCRIBE; FEEDS_MAX per session, the oldest ended.
 *
 * Threads: the session's home shard.
 */
#ifndef SLUICE_FEED_H
#define SLUICE_FEED_H

#include "router.h"

/* A client that subscribes in a loop without reading cannot pile up walks. */
#define FEEDS_MAX 1024

/* Starts a feed. RC_NO_MEMORY: the subscription stands, without its retained messages. */
MUST_USE enum rc feed_start(struct router *router, struct session *session, struct bytes filter,
                            uint8_t granted_qos, uint32_t sub_id);

/* The session has room again. */
void feed_continue(struct router *router, struct session *session);

/* UNSUBSCRIBE: ends the feeds of this filter, whose messages would be new ones [MQTT-3.10.4-2]. */
void feed_end(struct router *router, struct session *session, struct bytes filter);

/* Ends all feeds of a session that ends. */
void feed_end_all(struct router *router, struct session *session);

/* One slice of every feed that can go on. True if there is more to do at once. */
bool feeds_run(struct router *router);

#endif
