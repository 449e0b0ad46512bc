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
#include "store.h"

#define WILLS_PER_TURN 128

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
    list_push_back(&router->wills, &will->node);
    router->wills_count++;
}

bool wills_run(struct router *router)
{
    struct shard *shard = router->shard;
    for (unsigned i = 0; i < WILLS_PER_TURN && !mail_pressed_any(shard->port); i++) {
        struct list_node *node = list_pop_front(&router->wills);
        if (node == NULL)
            return false;
        CHECK(router->wills_count > 0);
        router->wills_count--;
        struct will *will = CONTAINER_OF(node, struct will, node);
        struct pub pub = will->msg->pub;
        pub.received_ns = shard->now_ns;
        if (will->expiry_s != 0) {
            pub.expires_at_ms = shard->now_ms + will->expiry_s * UINT64_C(1000);
            pub.msg = NULL;
        }
        publish_route(router, &pub);
        if (will->expiry_s != 0)
            pub_release(&pub, shard->id);
        router_count(router, STAT_WILLS, 1);
        store_will_gone(router, will->stored_number);
        will_free(will, shard->id);
    }
    return !list_is_empty(&router->wills) && !mail_pressed_any(shard->port);
}

void wills_fini(struct router *router)
{
    struct list_node *node;
    while ((node = list_pop_front(&router->wills)) != NULL)
        will_free(CONTAINER_OF(node, struct will, node), router->shard->id);
    router->wills_count = 0;
}
