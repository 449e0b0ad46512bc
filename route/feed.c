/*
 * feed.c -- walks over the retained index, a slice per turn.
 *
 * router->feeds holds the walks that may go on; a feed without appetite is on no list and comes
 * back by feed_continue. A session finds its feeds by a chain of its own, so that its end finds
 * them all.
 *
 * Threads: see feed.h.
 */
#include "feed.h"

#include <string.h>

#include "deliver.h"
#include "outbound.h"

#define FEED_MAGIC          0x46454544u
#define FEED_NODES_PER_TURN 512
#define FEEDS_PER_TURN      64

struct feed {
    uint32_t magic;
    uint8_t granted_qos;
    uint32_t sub_id;
    uint32_t left; /* messages that this slice may still hand over */
    struct router *router;
    struct session *session;
    struct feed *next;     /* of the same session */
    struct list_node node; /* in router->feeds while it can go on */
    struct retained_cursor cursor;
};

static void feed_free(struct feed *feed)
{
    CHECK_OBJ(feed, FEED_MAGIC);
    struct session *session = feed->session;
    struct feed **link = &session->feeds;
    while (*link != feed) {
        CHECK(*link != NULL);
        link = &(*link)->next;
    }
    *link = feed->next;
    if (list_is_linked(&feed->node))
        list_remove(&feed->node);
    retained_cursor_fini(&feed->cursor);
    feed->magic = 0;
    mem_free(feed);
}

enum rc feed_start(struct router *router, struct session *session, struct bytes filter,
                   uint8_t granted_qos, uint32_t sub_id)
{
    struct feed *feed = mem_alloc(sizeof(*feed));
    if (feed == NULL)
        return RC_NO_MEMORY;
    memset(feed, 0, sizeof(*feed));
    if (retained_cursor_init(&feed->cursor, filter) != RC_OK) {
        mem_free(feed);
        return RC_NO_MEMORY;
    }
    feed->magic = FEED_MAGIC;
    feed->granted_qos = granted_qos;
    feed->sub_id = sub_id;
    feed->router = router;
    feed->session = session;
    struct feed **link = &session->feeds;
    uint32_t count = 0;
    for (; *link != NULL; link = &(*link)->next)
        count++;
    *link = feed;
    list_push_back(&router->feeds, &feed->node);
    if (count >= FEEDS_MAX)
        feed_free(session->feeds);
    return RC_OK;
}

void feed_continue(struct router *router, struct session *session)
{
    for (struct feed *feed = session->feeds; feed != NULL; feed = feed->next)
        if (!list_is_linked(&feed->node))
            list_push_back(&router->feeds, &feed->node);
}

void feed_end(struct router *router, struct session *session, struct bytes filter)
{
    (void)router;
    struct feed *next;
    for (struct feed *feed = session->feeds; feed != NULL; feed = next) {
        CHECK_OBJ(feed, FEED_MAGIC);
        next = feed->next;
        struct bytes own = {.ptr = feed->cursor.filter, .len = feed->cursor.filter_len};
        if (bytes_equal(own, filter))
            feed_free(feed);
    }
}

void feed_end_all(struct router *router, struct session *session)
{
    (void)router;
    while (session->feeds != NULL)
        feed_free(session->feeds);
}

static enum retained_verdict feed_visit(void *context, void *value, uint64_t version)
{
    (void)version;
    struct feed *feed = context;
    struct router *router = feed->router;
    struct msg *msg = value;
    CHECK_OBJ(msg, MSG_MAGIC);
    if (pub_is_expired(&msg->pub, router->shard->now_ms)) {
        router_count(router, STAT_RETAINED_EXPIRED, 1);
        return RETAINED_DELETE;
    }
    /* A few large messages fill the output before the slice is used up. */
    if (feed->left == 0 || !router->sink->has_room(feed->session->conn))
        return RETAINED_NOT_NOW;
    feed->left--;
    struct pub pub = msg->pub;
    struct outbound_copy copy = {.pub = &pub,
                                 .sub_ids = &feed->sub_id,
                                 .sub_ids_count = feed->sub_id != 0 ? 1 : 0,
                                 .qos = deliver_qos(router, pub.qos, feed->granted_qos),
                                 .retain = true};
    outbound_deliver(router, feed->session, &copy);
    router_count(router, STAT_RETAINED_SENT, 1);
    return RETAINED_TAKEN;
}

bool feeds_run(struct router *router)
{
    struct list_node again;
    list_init(&again);
    struct list_node *node;
    for (unsigned i = 0; i < FEEDS_PER_TURN && (node = list_pop_front(&router->feeds)); i++) {
        struct feed *feed = CONTAINER_OF(node, struct feed, node);
        CHECK_OBJ(feed, FEED_MAGIC);
        feed->left = outbound_appetite(router, feed->session);
        if (feed->left == 0)
            continue; /* outbound_pump brings it back */
        enum rc rc = retained_walk(router->shared->retained, router->shard->epoch, &feed->cursor,
                                   FEED_NODES_PER_TURN, feed_visit, feed);
        if (rc == RC_OK)
            feed_free(feed);
        else
            list_push_back(&again, &feed->node);
    }
    list_splice_back(&router->feeds, &again);
    return !list_is_empty(&router->feeds);
}
