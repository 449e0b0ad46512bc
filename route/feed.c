/*
 * feed.c -- walks over the retained index, a slice per turn.
 *
 * A session's feeds stand in one set, oldest first; the set has memory only while there are feeds.
 * It is the set that gets its turn: router->feeds holds the sets that may go on now, and a set
 * without appetite is in no list and comes back by feed_continue. A turn makes at most
 * FEED_WALKS_PER_TURN walks, FEED_WALKS_PER_SLICE of them for one session, each over at most
 * FEED_NODES_PER_WALK nodes. The oldest feed of a set is walked until it is done, so that thousands
 * of feeds of one session cost no more per message than one.
 *
 * UNSUBSCRIBE does not look for the feed of its filter. What remains of the retained messages would
 * be new messages [MQTT-3.10.4-2], so a feed whose subscription is gone ends when its turn comes.
 *
 * Threads: see feed.h.
 */
#include "feed.h"

#include <string.h>

#include "deliver.h"
#include "outbound.h"

#define FEED_MAGIC           0x46454544u
#define FEED_SET_MAGIC       0x46534554u
#define FEED_NODES_PER_WALK  512
#define FEED_WALKS_PER_TURN  64
#define FEED_WALKS_PER_SLICE 16

struct feed_set {
    uint32_t magic;
    uint32_t count;
    uint32_t left; /* messages that this slice may still hand over */
    struct router *router;
    struct session *session;
    struct list_node feeds; /* oldest first; never empty between calls */
    struct list_node node;  /* in router->feeds while it can go on */
};

struct feed {
    uint32_t magic;
    uint32_t sub_id;
    uint8_t granted_qos;
    bool no_local;
    struct filter_id filter;
    struct list_node node; /* in the set */
    struct retained_cursor cursor;
};

static void feed_set_free(struct feed_set *set)
{
    CHECK_OBJ(set, FEED_SET_MAGIC);
    CHECK(set->count == 0 && list_is_empty(&set->feeds));
    if (list_is_linked(&set->node))
        list_remove(&set->node);
    set->session->feeds = NULL;
    set->magic = 0;
    mem_free(set);
}

/* The set stays, even if it holds nothing any more. */
static void feed_free(struct feed_set *set, struct feed *feed)
{
    CHECK_OBJ(feed, FEED_MAGIC);
    CHECK(set->count > 0);
    list_remove(&feed->node);
    set->count--;
    retained_cursor_fini(&feed->cursor);
    feed->magic = 0;
    mem_free(feed);
}

static struct feed *feed_oldest(const struct feed_set *set)
{
    struct list_node *node = list_first(&set->feeds);
    return node == NULL ? NULL : CONTAINER_OF(node, struct feed, node);
}

static struct feed_set *feed_set_of(struct router *router, struct session *session)
{
    if (session->feeds != NULL)
        return session->feeds;
    struct feed_set *set = mem_alloc(sizeof(*set));
    if (set == NULL)
        return NULL;
    *set = (struct feed_set){.magic = FEED_SET_MAGIC, .router = router, .session = session};
    list_init(&set->feeds);
    list_push_back(&router->feeds, &set->node);
    session->feeds = set;
    return set;
}

enum rc feed_start(struct router *router, struct session *session,
                   const struct feed_request *request)
{
    struct feed *feed = mem_alloc(sizeof(*feed));
    if (feed == NULL)
        return RC_NO_MEMORY;
    *feed = (struct feed){.magic = FEED_MAGIC,
                          .sub_id = request->sub_id,
                          .granted_qos = request->granted_qos,
                          .no_local = request->no_local,
                          .filter = request->id};
    if (retained_cursor_init(&feed->cursor, request->filter) != RC_OK) {
        mem_free(feed);
        return RC_NO_MEMORY;
    }
    struct feed_set *set = feed_set_of(router, session);
    if (set == NULL) {
        retained_cursor_fini(&feed->cursor);
        mem_free(feed);
        return RC_NO_MEMORY;
    }
    CHECK_OBJ(set, FEED_SET_MAGIC);
    list_push_back(&set->feeds, &feed->node);
    set->count++;
    if (set->count > FEEDS_REPEATED_MAX && set->count > session->subs.count)
        feed_free(set, feed_oldest(set));
    return RC_OK;
}

void feed_continue(struct router *router, struct session *session)
{
    struct feed_set *set = session->feeds;
    CHECK_OBJ(set, FEED_SET_MAGIC);
    if (!list_is_linked(&set->node))
        list_push_back(&router->feeds, &set->node);
}

void feed_end_all(struct router *router, struct session *session)
{
    (void)router;
    struct feed_set *set = session->feeds;
    if (set == NULL)
        return;
    while (set->count > 0)
        feed_free(set, feed_oldest(set));
    feed_set_free(set);
}

/* What a visit has to know. */
struct feed_visit {
    struct feed_set *set;
    const struct feed *feed;
};

static enum retained_verdict feed_visit(void *context, void *value, uint64_t version)
{
    (void)version;
    const struct feed_visit *visit = context;
    struct feed_set *set = visit->set;
    struct router *router = set->router;
    struct msg *msg = value;
    CHECK_OBJ(msg, MSG_MAGIC);
    if (pub_is_expired(&msg->pub, router->shard->now_ms)) {
        router_count(router, STAT_RETAINED_EXPIRED, 1);
        return RETAINED_DELETE;
    }
    /* A few large messages fill the window or the output before the slice is used up. */
    if (set->left == 0 || outbound_appetite(router, set->session) == 0)
        return RETAINED_NOT_NOW;
    set->left--;
    const struct feed *feed = visit->feed;
    if (feed->no_local && msg->pub.publisher_hash == set->session->id_hash) {
        router_count(router, STAT_DROP_NO_LOCAL, 1);
        return RETAINED_TAKEN;
    }
    struct pub pub = msg->pub;
    struct delivery copy = {.pub = &pub,
                            .sub_ids = &feed->sub_id,
                            .sub_ids_count = feed->sub_id != 0 ? 1 : 0,
                            .qos = deliver_qos(router, set->session, pub.qos, feed->granted_qos),
                            .retain = true};
    outbound_deliver(router, set->session, &copy);
    router_count(router, STAT_RETAINED_SENT, 1);
    return RETAINED_TAKEN;
}

/* One walk of the set's oldest feed. True if that is done. */
static bool feed_walk(struct feed_set *set)
{
    struct router *router = set->router;
    struct feed *feed = feed_oldest(set);
    CHECK_OBJ(feed, FEED_MAGIC);
    if (session_subs_find(&set->session->subs, feed->filter, 0) != NULL) {
        struct feed_visit visit = {set, feed};
        if (retained_walk(router->shared->retained, router->shard->epoch, &feed->cursor,
                          FEED_NODES_PER_WALK, feed_visit, &visit) != RC_OK)
            return false;
    }
    feed_free(set, feed);
    return true;
}

bool feeds_run(struct router *router)
{
    struct list_node again;
    list_init(&again);
    struct list_node *node;
    unsigned walks = FEED_WALKS_PER_TURN;
    while (walks > 0 && (node = list_pop_front(&router->feeds)) != NULL) {
        struct feed_set *set = CONTAINER_OF(node, struct feed_set, node);
        CHECK_OBJ(set, FEED_SET_MAGIC);
        set->left = outbound_appetite(router, set->session);
        if (set->left == 0) {
            walks--;  /* a look costs something too */
            continue; /* outbound_pump brings it back */
        }
        unsigned slice = FEED_WALKS_PER_SLICE;
        bool done = true;
        while (done && set->count > 0 && set->left > 0 && slice > 0 && walks > 0) {
            done = feed_walk(set);
            slice--;
            walks--;
        }
        if (set->count == 0)
            feed_set_free(set);
        else
            list_push_back(&again, &set->node);
    }
    list_splice_back(&router->feeds, &again);
    return !list_is_empty(&router->feeds);
}
