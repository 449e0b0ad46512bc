/*
 * outbound.c -- window, queue and acknowledgements of one session.
 *
 * Ownership: a window or queue entry owns one reference to its message and its aux (sub_ids.h).
 * Whoever takes an entry out gives both back or passes both on; on a failure the giver keeps them.
 *
 * Threads: see outbound.h.
 */
#include "outbound.h"

#include "feed.h"
#include "outbound_inner.h"
#include "share_dispatch.h"
#include "share_handover.h"
#include "store.h"
#include "user_quota.h"
#include "zone.h"

void outbound_release(struct router *router, struct msg *msg, void *aux)
{
    if (msg != NULL)
        msg_unref(msg, router->shard->id);
    sub_ids_free(aux);
}

/* A queue and its owner, for what the queue calls back. */
struct outbound_queue_pass {
    struct router *router;
    struct session *session;
    bool ended;
    bool is_quota; /* bytes are short because of the user's quota */
};

/* An entry is not in the session's queue any more. */
static void outbound_left_queue(struct router *router, struct session *session,
                                const struct mqueue_entry *entry)
{
    if (entry->qos == 0) {
        CHECK(session->queued_qos0 > 0);
        session->queued_qos0--;
    }
    stat_sub(router->shard->stats, STAT_QUEUE_MESSAGES, 1);
    stat_sub(router->shard->stats, STAT_QUEUE_BYTES, entry->bytes);
    if (UNLIKELY(session->account != NULL))
        account_sub(session->account, ACCOUNT_QUEUED_BYTES, entry->bytes);
}

/* An entry that is in no queue, or not any more, is dropped. */
static void outbound_unqueued(struct router *router, struct session *session,
                              const struct mqueue_entry *entry)
{
    if (entry->location != 0)
        store_dropped(router, session, entry);
    outbound_release(router, entry->msg, entry->aux);
}

void outbound_left(struct router *router, struct session *session, const struct mqueue_entry *entry)
{
    outbound_left_queue(router, session, entry);
    outbound_unqueued(router, session, entry);
}

/* What a message is counted as that the queue had no room for. */
static enum route_stat outbound_short_of(const struct outbound_queue_pass *pass)
{
    return pass->is_quota ? STAT_DROP_USER_BYTES : STAT_DROP_QUEUE_BYTES;
}

static void outbound_on_drop(void *context, const struct mqueue_entry *entry,
                             enum mqueue_drop reason)
{
    struct outbound_queue_pass *pass = context;
    router_count(pass->router,
                 reason == MQUEUE_DROP_LEN ? STAT_DROP_QUEUE_FULL : outbound_short_of(pass), 1);
    outbound_left(pass->router, pass->session, entry);
}

void outbound_queue_put(struct router *router, struct session *session,
                        const struct mqueue_entry *entry)
{
    struct outbound_queue_pass pass = {.router = router, .session = session};
    struct mqueue_limits limits = router_settings_of(router, session)->queue;
    if (UNLIKELY(session->account != NULL) &&
        !user_quota_queue(router, session, entry->bytes, &limits, &pass.is_quota)) {
        router_count(router, STAT_DROP_USER_BYTES, 1);
        outbound_unqueued(router, session, entry);
        return;
    }
    enum rc rc = mqueue_put(&session->queue, &limits, entry, outbound_on_drop, &pass);
    if (rc == RC_OK) {
        session->queued_qos0 += entry->qos == 0 ? 1 : 0;
        router_count(router, STAT_QUEUED, 1);
        router_count(router, STAT_QUEUE_MESSAGES, 1);
        router_count(router, STAT_QUEUE_BYTES, entry->bytes);
        return;
    }
    if (UNLIKELY(session->account != NULL))
        account_sub(session->account, ACCOUNT_QUEUED_BYTES, entry->bytes);
    router_count(router, rc == RC_NO_MEMORY ? STAT_DROP_NO_MEMORY : outbound_short_of(&pass), 1);
    outbound_unqueued(router, session, entry);
}

/* Queues a kept delivery that is not in the log, taking it over. */
static void outbound_queue(struct router *router, struct session *session, struct msg *msg,
                           void *aux, uint8_t qos, uint16_t flags)
{
    struct mqueue_entry entry = {
        .msg = msg,
        .aux = aux,
        .bytes = outbound_weight_of(&msg->pub),
        .qos = qos,
        .priority = router_priority(router_settings_of(router, session), msg->pub.topic),
        .flags = flags,
        .number = session->stored_next++};
    outbound_queue_put(router, session, &entry);
}

bool outbound_pop(struct router *router, struct session *session, struct mqueue_entry *out)
{
    if (!mqueue_pop(&session->queue, out))
        return false;
    outbound_left_queue(router, session, out);
    return true;
}

/* Hands one PUBLISH to the connection. */
static enum rc outbound_send(struct router *router, struct session *session, struct pub *pub,
                             void *aux, uint8_t qos, bool retain, bool dup, uint16_t packet_id)
{
    uint32_t scratch;
    struct delivery delivery = {
        .pub = pub, .packet_id = packet_id, .qos = qos, .dup = dup, .retain = retain};
    delivery.sub_ids_count = sub_ids_view(aux, &scratch, &delivery.sub_ids);
    enum rc rc = router->sink->publish(session->conn, &delivery);
    if (rc != RC_OK)
        return rc;
    if (dup || pub->received_ns != router->shard->now_ns)
        lag_one(router, dup ? 0 : pub->received_ns);
    return RC_OK;
}

/*
 * The window has no memory for a delivery. While others are under way it may wait for one of their
 * acknowledgements; otherwise nothing would ever take it out of the queue, and it is dropped
 * (true).
 */
static bool outbound_window_drop(struct router *router, const struct session *session,
                                 struct msg *msg, void *aux)
{
    if (session->inflight.count > 0)
        return false;
    router_count(router, STAT_DROP_NO_MEMORY, 1);
    outbound_release(router, msg, aux);
    return true;
}

/*
 * Puts a kept delivery into the window and sends it, taking it over on all but RC_FULL: the output
 * has no room, nothing happened.
 */
static enum rc outbound_window_send(struct router *router, struct session *session, struct msg *msg,
                                    void *aux, uint8_t qos, uint16_t flags)
{
    CHECK(qos > 0 && outbound_window_open(router, session));
    struct inflight_entry *entry;
    enum rc rc = inflight_add(&session->inflight, msg, aux, flags, qos, &entry);
    if (rc == RC_NO_MEMORY)
        return outbound_window_drop(router, session, msg, aux) ? RC_NO_MEMORY : RC_FULL;
    CHECK(rc == RC_OK); /* the window is open */
    rc = outbound_send(router, session, &msg->pub, aux, qos, (flags & OUTBOUND_RETAIN) != 0, false,
                       entry->packet_id);
    if (rc == RC_OK) {
        outbound_weigh(router, session, entry, outbound_weight_of(&msg->pub));
        return RC_OK;
    }
    inflight_remove(&session->inflight, entry);
    if (rc == RC_TOO_LARGE) {
        router_count(router, STAT_DROP_TOO_LARGE, 1);
        outbound_release(router, msg, aux);
    }
    return rc;
}

void outbound_stall(struct router *router, struct session *session, bool stalled)
{
    if (session->stalled == stalled)
        return;
    session->stalled = stalled;
    subtable_changed(&router->subs);
}

static void outbound_deliver_qos0(struct router *router, struct session *session,
                                  const struct delivery *copy)
{
    switch (router->sink->publish(session->conn, copy)) {
    case RC_OK:
        return;
    case RC_TOO_LARGE:
        router_count(router, STAT_DROP_TOO_LARGE, 1);
        return;
    default:
        outbound_stall(router, session, true);
        router_count(router, STAT_DROP_QOS0_SLOW, 1);
    }
}

/* Sends a fresh copy through the window without asking for `aux` first, the usual case. */
static bool outbound_deliver_window(struct router *router, struct session *session,
                                    struct delivery *copy, struct msg *msg, void *aux)
{
    struct inflight_entry *entry;
    uint32_t flags = copy->retain ? OUTBOUND_RETAIN : 0;
    if (inflight_add(&session->inflight, msg, aux, flags, copy->qos, &entry) != RC_OK)
        return outbound_window_drop(router, session, msg, aux);
    copy->packet_id = entry->packet_id;
    enum rc rc = router->sink->publish(session->conn, copy);
    if (LIKELY(rc == RC_OK)) {
        outbound_weigh(router, session, entry, outbound_weight_of(&msg->pub));
        return true;
    }
    inflight_remove(&session->inflight, entry);
    copy->packet_id = 0;
    if (rc != RC_TOO_LARGE)
        return false;
    router_count(router, STAT_DROP_TOO_LARGE, 1);
    outbound_release(router, msg, aux);
    return true;
}

/*
 * It expired on its way here, by mail or by another member's queue [MQTT-3.3.2-5]. An interval of 0
 * means what can be delivered at once, so a message that has not waited is never late.
 */
static bool outbound_is_late(struct router *router, const struct pub *pub)
{
    uint64_t now_ms = router->shard->now_ms;
    if (LIKELY(!pub_is_expired(pub, now_ms)) || now_ms <= pub->received_ns / 1000000)
        return false;
    router_count(router, STAT_DROP_EXPIRED, 1);
    return true;
}

void outbound_deliver(struct router *router, struct session *session, struct delivery *copy)
{
    CHECK_OBJ(session, SESSION_MAGIC);
    CHECK(copy->qos <= 2);
    if (UNLIKELY(outbound_is_late(router, copy->pub)))
        return;
    if (UNLIKELY(copy->pub->audience != PUB_FOR_ALL)) {
        bool stores = session_is_stored(session) && copy->qos > 0;
        if (stores != (copy->pub->audience == PUB_FOR_DURABLE))
            return;
    }
    /* Nothing overtakes the QoS 0 that was stored while the client was away [MQTT-4.6.0-6]. */
    if (copy->qos == 0 && session->conn != NULL && LIKELY(session->queued_qos0 == 0)) {
        outbound_deliver_qos0(router, session, copy);
        return;
    }
    if (copy->qos == 0 && !router_settings_of(router, session)->queue_store_qos0) {
        router_count(router, STAT_DROP_QOS0_OFFLINE, 1);
        return;
    }
    if (UNLIKELY(router->over_limit) && copy->qos == 0) {
        router_count(router, STAT_DROP_MESSAGE_BYTES, 1);
        return;
    }
    void *aux = NULL;
    if (UNLIKELY(session_is_stored(session)) && copy->qos > 0) {
        if (sub_ids_pack(copy->sub_ids, copy->sub_ids_count, &aux))
            store_deliver(router, session, copy, aux, NULL);
        else
            router_count(router, STAT_DROP_NO_MEMORY, 1);
        return;
    }
    struct msg *msg = pub_msg(copy->pub, router->shard->id);
    if (msg == NULL || !sub_ids_pack(copy->sub_ids, copy->sub_ids_count, &aux)) {
        router_count(router, STAT_DROP_NO_MEMORY, 1);
        return;
    }
    msg_ref(msg, router->shard->id);
    if (copy->qos > 0 && outbound_window_open(router, session) &&
        mqueue_count(&session->queue) == 0 &&
        outbound_deliver_window(router, session, copy, msg, aux))
        return;
    outbound_queue(router, session, msg, aux, copy->qos, copy->retain ? OUTBOUND_RETAIN : 0);
}

void outbound_deliver_kept(struct router *router, struct session *session, struct msg *msg,
                           void *aux, uint8_t qos, bool retain)
{
    CHECK_OBJ(session, SESSION_MAGIC);
    CHECK(qos == 1 || qos == 2);
    uint16_t flags = retain ? OUTBOUND_RETAIN : 0;
    if (UNLIKELY(outbound_is_late(router, &msg->pub))) {
        outbound_release(router, msg, aux);
        return;
    }
    session->shared_seen = true;
    if (session_is_stored(session)) {
        struct pub pub = msg->pub;
        struct delivery copy = {.pub = &pub, .qos = qos, .retain = retain};
        uint32_t scratch;
        copy.sub_ids_count = sub_ids_view(aux, &scratch, &copy.sub_ids);
        store_deliver(router, session, &copy, aux, msg);
        return;
    }
    if (outbound_window_open(router, session) && mqueue_count(&session->queue) == 0 &&
        outbound_window_send(router, session, msg, aux, qos, flags) != RC_FULL)
        return;
    outbound_queue(router, session, msg, aux, qos, flags);
}

/*
 * The first entry behind `entry` that this connection has not seen yet, 0 if there is none. One in
 * between may have been acknowledged before its turn came.
 */
static uint16_t outbound_resend_after(const struct session *session,
                                      const struct inflight_entry *entry)
{
    do
        entry = inflight_next(&session->inflight, entry);
    while (entry != NULL && (entry->flags & OUTBOUND_RESEND) == 0);
    return entry == NULL ? 0 : entry->packet_id;
}

/* Takes an entry out of the window, uncounted, and releases what it owns. */
static void outbound_window_leave(struct router *router, struct session *session,
                                  struct inflight_entry *entry)
{
    struct msg *msg = entry->msg;
    void *aux = entry->aux;
    if (entry->number != 0)
        store_done(router, session, entry);
    outbound_weigh_off(session, entry);
    inflight_remove(&session->inflight, entry);
    outbound_release(router, msg, aux);
}

/* Sends the next entry that this connection has not seen yet; false if the output has no room. */
static bool outbound_resend_next(struct router *router, struct session *session)
{
    struct inflight_entry *entry = inflight_find(&session->inflight, session->resend_id);
    CHECK(entry != NULL && (entry->flags & OUTBOUND_RESEND) != 0);
    uint16_t next_id = outbound_resend_after(session, entry);
    if (entry->msg == NULL && entry->state != INFLIGHT_WAIT_PUBCOMP) {
        store_load(router, session);
        return false;
    }
    if (entry->state == INFLIGHT_WAIT_PUBCOMP) {
        if (!router->sink->has_room(session->conn))
            return false;
        router->sink->release(session->conn, entry->packet_id, REASON_SUCCESS);
        entry->flags &= ~OUTBOUND_RESEND;
    } else {
        enum rc rc = outbound_send(router, session, &entry->msg->pub, entry->aux, entry->qos,
                                   (entry->flags & OUTBOUND_RETAIN) != 0, true, entry->packet_id);
        if (rc == RC_FULL)
            return false;
        entry->flags &= ~OUTBOUND_RESEND;
        router_count(router, STAT_RESENT, 1);
        if (rc == RC_TOO_LARGE) {
            router_count(router, STAT_DROP_TOO_LARGE, 1);
            stat_sub(router->stats, STAT_INFLIGHT, 1);
            outbound_window_leave(router, session, entry);
        }
    }
    session->resend_count--;
    session->resend_id = next_id;
    CHECK((session->resend_count == 0) == (next_id == 0));
    return true;
}

/* Sends the head of the queue; false if it has to stay there. */
static bool outbound_queue_next(struct router *router, struct session *session)
{
    struct mqueue_entry *head = mqueue_peek(&session->queue);
    struct mqueue_entry entry;
    if (head == NULL)
        return false;
    if (head->msg == NULL) {
        store_load(router, session);
        return false;
    }
    if (pub_is_expired(&head->msg->pub, router->shard->now_ms)) {
        outbound_pop(router, session, &entry);
        router_count(router, STAT_DROP_EXPIRED, 1);
        if (entry.location != 0)
            store_dropped(router, session, &entry);
        outbound_release(router, entry.msg, entry.aux);
        return true;
    }
    if (head->qos > 0) {
        if (!outbound_window_open(router, session))
            return false;
        if (head->location != 0)
            return store_send_head(router, session) == RC_OK;
        entry = *head;
        if (outbound_window_send(router, session, entry.msg, entry.aux, entry.qos, entry.flags) ==
            RC_FULL)
            return false;
        outbound_pop(router, session, &entry);
        return true;
    }
    enum rc rc = outbound_send(router, session, &head->msg->pub, head->aux, 0,
                               (head->flags & OUTBOUND_RETAIN) != 0, false, 0);
    if (rc == RC_FULL)
        return false;
    if (rc == RC_TOO_LARGE)
        router_count(router, STAT_DROP_TOO_LARGE, 1);
    outbound_pop(router, session, &entry);
    outbound_release(router, entry.msg, entry.aux);
    return true;
}

void outbound_pump(struct router *router, struct session *session)
{
    CHECK_OBJ(session, SESSION_MAGIC);
    if (session->conn == NULL)
        return;
    outbound_stall(router, session, false);
    while (session->resend_count > 0 &&
           session->inflight.count - session->resend_count < session->inflight.window_max)
        if (!outbound_resend_next(router, session))
            return;
    while (session->resend_count == 0 && outbound_queue_next(router, session))
        ;
    if (session->feeds != NULL)
        feed_continue(router, session);
}

void outbound_resume(struct router *router, struct session *session)
{
    CHECK(session->conn != NULL);
    struct inflight_entry *entry = inflight_first(&session->inflight);
    session->resend_id = entry == NULL ? 0 : entry->packet_id;
    session->resend_count = session->inflight.count;
    for (; entry != NULL; entry = inflight_next(&session->inflight, entry))
        entry->flags |= OUTBOUND_RESEND;
    outbound_pump(router, session);
}

/* An entry leaves the window before it was sent again. */
static void outbound_resend_skip(struct session *session, const struct inflight_entry *entry)
{
    if ((entry->flags & OUTBOUND_RESEND) == 0)
        return;
    CHECK(session->resend_count > 0);
    session->resend_count--;
    if (session->resend_id == entry->packet_id)
        session->resend_id = outbound_resend_after(session, entry);
}

void outbound_give_up(struct router *router, struct session *session, struct inflight_entry *entry)
{
    outbound_resend_skip(session, entry);
    stat_sub(router->stats, STAT_INFLIGHT, 1);
    outbound_window_leave(router, session, entry);
}

/* The client has answered for the last time, which the caller has counted: one in flight less. */
static void outbound_complete(struct router *router, struct session *session,
                              struct inflight_entry *entry)
{
    outbound_resend_skip(session, entry);
    outbound_window_leave(router, session, entry);
    if (UNLIKELY(session->queue.body != NULL) || UNLIKELY(session->resend_count > 0) ||
        UNLIKELY(session->feeds != NULL))
        outbound_pump(router, session);
}

void outbound_puback(struct router *router, struct session *session, uint16_t packet_id,
                     enum reason reason)
{
    CHECK_OBJ(session, SESSION_MAGIC);
    struct inflight_entry *entry = inflight_find(&session->inflight, packet_id);
    if (entry == NULL || entry->state != INFLIGHT_WAIT_PUBACK)
        return;
    if (LIKELY(!reason_is_failure(reason)))
        router_count(router, STAT_ACKED, 1);
    else
        router_count(router, STAT_DROP_NACKED, 1);
    outbound_complete(router, session, entry);
}

void outbound_pubrec(struct router *router, struct session *session, uint16_t packet_id,
                     enum reason reason)
{
    CHECK_OBJ(session, SESSION_MAGIC);
    struct inflight_entry *entry = inflight_find(&session->inflight, packet_id);
    if (entry == NULL || entry->state == INFLIGHT_WAIT_PUBACK) {
        /* The client holds an id that we do not: PUBREL lets it forget it. */
        if (!reason_is_failure(reason))
            router->sink->release(session->conn, packet_id, REASON_PACKET_ID_NOT_FOUND);
        return;
    }
    if (entry->state == INFLIGHT_WAIT_PUBCOMP) {
        router->sink->release(session->conn, packet_id, REASON_SUCCESS);
        return;
    }
    if (reason_is_failure(reason)) {
        router_count(router, STAT_DROP_NACKED, 1);
        outbound_complete(router, session, entry);
        return;
    }
    uint64_t lsn;
    if (entry->number != 0 && store_received(router, session, entry, &lsn) == RC_OK) {
        router_hold(router, session, lsn);
    } else if (entry->number != 0) {
        /* Without the record there must be no PUBREL: the client starts over when it is back. */
        router->sink->close(session->conn, REASON_QUOTA_EXCEEDED);
        session_detach(router, session, true);
        return;
    }
    outbound_resend_skip(session, entry);
    entry->flags &= ~OUTBOUND_RESEND;
    outbound_weigh_off(session, entry);
    inflight_received(&session->inflight, entry);
    outbound_release(router, entry->msg, entry->aux);
    entry->msg = NULL;
    entry->aux = NULL;
    router->sink->release(session->conn, packet_id, REASON_SUCCESS);
}

void outbound_pubcomp(struct router *router, struct session *session, uint16_t packet_id)
{
    CHECK_OBJ(session, SESSION_MAGIC);
    struct inflight_entry *entry = inflight_find(&session->inflight, packet_id);
    if (entry == NULL || entry->state != INFLIGHT_WAIT_PUBCOMP)
        return;
    router_count(router, STAT_ACKED, 1);
    outbound_complete(router, session, entry);
}

/* A shared delivery leaves the session for another member of its group, if there is one for it. */
static bool outbound_pass(struct router *router, struct session *session, bool ended,
                          struct handover_item *item)
{
    struct delivery_extra *extra = sub_ids_extra(item->aux);
    if (extra == NULL || extra->group == 0)
        return false;
    if (item->location != 0)
        return handover_begin(router, session, ended, item);
    return item->msg != NULL && share_redispatch(router, item->msg, extra, session->handle, ended);
}

static bool outbound_pass_queued(void *context, struct mqueue_entry *entry)
{
    struct outbound_queue_pass *pass = context;
    struct handover_item item = {.msg = entry->msg,
                                 .aux = entry->aux,
                                 .location = entry->location,
                                 .number = entry->number,
                                 .bytes = entry->bytes,
                                 .flags = entry->flags,
                                 .qos = entry->qos};
    bool is_gone = outbound_pass(pass->router, pass->session, pass->ended, &item);
    entry->msg = item.msg;
    entry->aux = item.aux;
    if (is_gone)
        outbound_left_queue(pass->router, pass->session, entry);
    return is_gone;
}

/* QoS 2 once sent stays with this session [MQTT-4.8.2-4]. */
static bool outbound_pass_sent(struct router *router, struct session *session, bool ended,
                               struct inflight_entry *entry)
{
    if (entry->state != INFLIGHT_WAIT_PUBACK)
        return false;
    struct handover_item item = {.msg = entry->msg,
                                 .aux = entry->aux,
                                 .location = entry->location,
                                 .number = entry->number,
                                 .bytes = entry->bytes,
                                 .packet_id = entry->packet_id,
                                 .flags = (uint16_t)(entry->flags & OUTBOUND_RETAIN),
                                 .qos = entry->qos};
    bool is_gone = outbound_pass(router, session, ended, &item);
    entry->msg = item.msg;
    entry->aux = item.aux;
    return is_gone;
}

void outbound_pass_on(struct router *router, struct session *session)
{
    CHECK(session->conn == NULL);
    if (!session->shared_seen)
        return;
    struct inflight_entry *entry = inflight_first(&session->inflight);
    while (entry != NULL) {
        struct inflight_entry *next = inflight_next(&session->inflight, entry);
        if (outbound_pass_sent(router, session, false, entry))
            outbound_window_remove(router, session, entry);
        entry = next;
    }
    struct outbound_queue_pass pass = {.router = router, .session = session};
    mqueue_remove_if(&session->queue, outbound_pass_queued, &pass);
}

void outbound_lost(struct router *router, struct session *session)
{
    session->resend_count = 0;
    outbound_pass_on(router, session);
}

void outbound_discard(struct router *router, struct session *session)
{
    session->resend_count = 0;
    struct inflight_entry *entry;
    while ((entry = inflight_first(&session->inflight)) != NULL) {
        if (!outbound_pass_sent(router, session, true, entry)) {
            router_count(router, STAT_DROP_SESSION_ENDED, 1);
            store_forget(router, entry->location, entry->bytes);
            outbound_release(router, entry->msg, entry->aux);
        }
        outbound_window_remove(router, session, entry);
    }
    struct outbound_queue_pass pass = {.router = router, .session = session, .ended = true};
    if (session->shared_seen)
        mqueue_remove_if(&session->queue, outbound_pass_queued, &pass);
    struct mqueue_entry queued;
    while (outbound_pop(router, session, &queued)) {
        router_count(router, STAT_DROP_SESSION_ENDED, 1);
        store_forget(router, queued.location, queued.bytes);
        outbound_release(router, queued.msg, queued.aux);
    }
    inflight_fini(&session->inflight);
    mqueue_fini(&session->queue);
}

uint32_t outbound_appetite(struct router *router, const struct session *session)
{
    if (session->conn == NULL || session->resend_count > 0 ||
        session->inflight_bytes >= router_settings_of(router, session)->inflight_bytes_max ||
        !router->sink->has_room(session->conn))
        return 0;
    /* What the log does not take would be lost; store_turn_end wakes who waits for it. */
    if (session_is_stored(session) && !store_is_ready(router->store))
        return 0;
    /* A resumed session may hold more than its new connection allows. */
    uint64_t waiting = mqueue_count(&session->queue) + (uint64_t)session->inflight.count;
    uint16_t window_max = session->inflight.window_max;
    return waiting >= window_max ? 0 : (uint32_t)(window_max - waiting);
}
