/*
 * msg.c -- the one allocation of a message and its biased reference count.
 *
 * Why a message that comes home by mail does not confuse the count: msg_adopt turns the shared
 * reference of the mail into a home reference. If home_refs was 0, that shared reference becomes
 * the home shard's single share; if not, the shard has its share already and gives the extra one
 * back.
 *
 * Threads: see msg.h.
 */
#include "msg.h"

#include "mem.h"
#include "route_stats.h"
#include "shard.h"

struct msg *msg_create(const struct pub *pub, shard_id home)
{
    size_t size = sizeof(struct msg) + pub->topic.len + pub->props.len + pub->payload.len;
    CHECK(size <= UINT32_MAX);
    struct msg *msg = recycler_alloc(size);
    if (msg == NULL)
        return NULL;
    stat_add(stats_self, STAT_MESSAGE_BYTES, size);
    msg->magic = MSG_MAGIC;
    msg->home = home;
    msg->home_refs = home == SHARD_NONE ? 0 : 1;
    msg->shared_refs = 1;
    msg->size = (uint32_t)size;
    msg->owner = 0;
    msg->pub = *pub;
    msg->pub.msg = msg;
    msg->pub.topic_number = 0; /* other shards have other numbers, */
    msg->pub.stored_at = 0;    /* and other logs */
    uint8_t *at = msg->bytes;
    memcpy(at, pub->topic.ptr, pub->topic.len);
    msg->pub.topic.ptr = at;
    at += pub->topic.len;
    if (pub->props.len > 0)
        memcpy(at, pub->props.ptr, pub->props.len);
    msg->pub.props.ptr = at;
    at += pub->props.len;
    if (pub->payload.len > 0)
        memcpy(at, pub->payload.ptr, pub->payload.len);
    msg->pub.payload.ptr = at;
    return msg;
}

void msg_free(struct msg *msg)
{
    CHECK_OBJ(msg, MSG_MAGIC);
    stat_sub(stats_self, STAT_MESSAGE_BYTES, msg->size);
    msg->magic = 0;
    recycler_free(msg, msg->size);
}

void msg_unref_shared(struct msg *msg)
{
    CHECK_OBJ(msg, MSG_MAGIC);
    uint32_t before = __atomic_fetch_sub(&msg->shared_refs, 1, __ATOMIC_ACQ_REL);
    CHECK(before > 0);
    if (before == 1)
        msg_free(msg);
}

void msg_ref_shared(struct msg *msg)
{
    CHECK_OBJ(msg, MSG_MAGIC);
    uint32_t before = __atomic_fetch_add(&msg->shared_refs, 1, __ATOMIC_RELAXED);
    CHECK(before < UINT32_MAX / 2);
}

void msg_adopt(struct msg *msg, shard_id self)
{
    CHECK_OBJ(msg, MSG_MAGIC);
    CHECK(self != SHARD_NONE);
    if (msg->home == self && msg->home_refs++ > 0)
        msg_unref_shared(msg);
}

struct msg *pub_msg(struct pub *pub, shard_id self)
{
    if (pub->msg == NULL)
        pub->msg = msg_create(pub, self);
    return pub->msg;
}
