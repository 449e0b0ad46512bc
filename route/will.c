/*
 * will.c -- wills: made at CONNECT, queued when due, published a slice per turn.
 *
 * A will without an expiry is published as the message that it is; one with an expiry gets a
 * message of its own if somebody has to keep it, because its clock starts only now.
 *
 * Threads: see will.h.
 */
#include "will.h"

#include "publish.h"
#include "store_will.h"

#define WILLS_PER_TURN   128
#define WILLS_FLYING_MAX 1024
#define WILLS_AGAIN_MS   1000

struct will *will_create(const struct pub *pub, uint32_t delay_s, uint32_t expiry_s, shard_id self)
{
    struct will *will = mem_alloc(sizeof(*will));
    if (will == NULL)
        return NULL;
    *will = (struct will){.magic = WILL_MAGIC, .delay_s = delay_s, .expiry_s = expiry_s};
    will->msg = msg_create(pub, self);
    if (will->msg == NULL) {
        mem_free(will);
        return NULL;
    }
    return will;
}

void will_free(struct will *will, shard_id self)
{
    if (will == NULL)
        return;
    CHECK_OBJ(will, WILL_MAGIC);
    CHECK(!list_is_linked(&will->node));
    msg_unref(will->msg, self);
    will->magic = 0;
    mem_free(will);
}

void will_due(struct router *router, struct will *will)
{
    CHECK_OBJ(will, WILL_MAGIC);
    list_push_back(&router->wills.due, &will->node);
    router->wills.due_count++;
    store_will_due(router, will);
}

/* ---- flights ---- */

static void wills_on_timer(struct timer_wheel *wheel, struct timer *timer, uint64_t now_ms)
{
    (void)wheel; /* the end of this turn looks at what is due */
    (void)timer;
    (void)now_ms;
}

void wills_init(struct router *router)
{
    list_init(&router->wills.due);
    list_init(&router->wills.flying);
    timer_init(&router->wills.timer, wills_on_timer);
}

bool wills_can_run(const struct router *router)
{
    return router->wills.flying_count < WILLS_FLYING_MAX &&
           router->shard->now_ms >= router->wills.next_ms && !mail_pressed_any(router->shard->port);
}

struct hold_ticket will_ticket(struct router *router)
{
    struct will *will = router->wills.promised;
    if (will == NULL)
        return (struct hold_ticket){.conn = HANDLE_NONE};
    CHECK_OBJ(will, WILL_MAGIC);
    will->waits++;
    return (struct hold_ticket){.conn = {.generation = 1, .shard = router->shard->id},
                                .gate_number = will->number};
}

/* All shards have answered. */
static void will_land(struct router *router, struct will *will)
{
    CHECK(will->waits == 0 && router->wills.flying_count > 0);
    list_remove(&will->node);
    router->wills.flying_count--;
    if (will->is_refused) {
        will_due(router, will);
        router->wills.next_ms = router->shard->now_ms + WILLS_AGAIN_MS;
        timer_set(&router->shard->timers, &router->wills.timer, router->wills.next_ms);
        return;
    }
    router_count(router, STAT_WILLS, 1);
    store_will_gone(router, will->stored_number);
    will_free(will, router->shard->id);
}

void will_confirmed(struct router *router, const struct hold_ticket *ticket, shard_id from,
                    uint32_t count, bool ok)
{
    struct list_node *node = list_first(&router->wills.flying);
    for (; node != NULL; node = list_after(&router->wills.flying, node)) {
        struct will *will = CONTAINER_OF(node, struct will, node);
        if (will->number != ticket->gate_number)
            continue;
        CHECK(will->waits >= count);
        will->waits -= count;
        will->is_refused |= !ok;
        if (ok)
            shard_set_add(&will->by, from);
        if (will->waits == 0)
            will_land(router, will);
        return;
    }
}

static void will_publish(struct router *router, struct will *will)
{
    struct shard *shard = router->shard;
    struct pub pub = will->msg->pub;
    uint64_t refused = router->log_refused;
    pub.received_ns = shard->now_ns;
    if (will->expiry_s != 0)
        pub.expires_at_ms = shard->now_ms + will->expiry_s * UINT64_C(1000);
    /* Its expiry, and the ticket for those who store it, make it another message. */
    bool is_other = will->expiry_s != 0 || router->store != NULL;
    if (is_other)
        pub.msg = NULL;
    will->number = HOLD_WILL | (++router->wills.number & ~HOLD_WILL);
    will->is_refused = false;
    list_push_back(&router->wills.flying, &will->node);
    router->wills.flying_count++;
    router->wills.promised = will;
    bool done = will->is_repeated ? publish_again(router, &pub, &will->by)
                                  : !reason_is_failure(publish_route(router, &pub));
    router->wills.promised = NULL;
    if (is_other)
        pub_release(&pub, shard->id);
    if (router->log_refused != refused)
        will->is_refused = true;
    else
        shard_set_add(&will->by, shard->id);
    if (!done) {
        /* Without memory: what was counted is lost, or those who have not answered get it again. */
        will->waits = 0;
        will->is_refused = will->is_repeated;
    }
    will->is_repeated = true;
    if (will->waits == 0)
        will_land(router, will);
}

bool wills_run(struct router *router)
{
    for (unsigned i = 0; i < WILLS_PER_TURN && wills_can_run(router); i++) {
        struct list_node *node = list_pop_front(&router->wills.due);
        if (node == NULL)
            return false;
        CHECK(router->wills.due_count > 0);
        router->wills.due_count--;
        will_publish(router, CONTAINER_OF(node, struct will, node));
    }
    return !list_is_empty(&router->wills.due) && wills_can_run(router);
}

void wills_fini(struct router *router)
{
    struct list_node *node;
    list_splice_back(&router->wills.due, &router->wills.flying);
    while ((node = list_pop_front(&router->wills.due)) != NULL)
        will_free(CONTAINER_OF(node, struct will, node), router->shard->id);
    router->wills.due_count = router->wills.flying_count = 0;
    timer_cancel(&router->shard->timers, &router->wills.timer);
}
