/*
 * feed.h -- retained messages for a new subscription, in slices, at the subscriber's pace.
 *
 * A feed is a walk over the retained index (retained.h) on behalf of one subscription. The feeds of
 * a session go on one after the other. Each turn they may visit some nodes and hand over as many
 * messages as the session has appetite for (outbound_appetite: room in the window, the queue and
 * the connection's output). When there is none they wait, off every list, until outbound_pump finds
 * room again. So a `#` on a million retained messages neither stalls the shard nor overflows the
 * client's queue, and nothing is capped.
 *
 * A session that is lost while a feed runs keeps it: it goes on when the session is resumed. A feed
 * whose subscription is gone ends when its turn comes.
 *
 * Bounds: as many feeds as the session has subscriptions. A client that subscribes to the same
 * filters again and again without reading has at most FEEDS_REPEATED_MAX, if that is more; beyond
 * that the oldest ends, because the newer one repeats it.
 *
 * Threads: the session's home shard.
 */
#ifndef SLUICE_FEED_H
#define SLUICE_FEED_H

#include "router.h"

#define FEEDS_REPEATED_MAX 1024

/* What a subscription asks for, a value; views borrowed for the call. */
struct feed_request {
    struct bytes filter;
    struct filter_id id;
    uint32_t sub_id; /* 0: none */
    uint8_t granted_qos;
    bool no_local; /* not what the session's own client has published */
};

/* Starts a feed. RC_NO_MEMORY: the subscription stands, without its retained messages. */
MUST_USE enum rc feed_start(struct router *router, struct session *session,
                            const struct feed_request *request);

/* The session, which has feeds, has room again. */
void feed_continue(struct router *router, struct session *session);

/* Ends all feeds of a session that ends. */
void feed_end_all(struct router *router, struct session *session);

/* One slice for every session whose feeds can go on. True if there is more to do at once. */
bool feeds_run(struct router *router);

#endif
