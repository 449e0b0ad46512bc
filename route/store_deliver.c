/*
 * store_deliver.c -- deliveries of durable sessions: into the log, the window and the queue.
 *
 * The first copy of a publication on this shard brings the message into the log, further ones name
 * its location (pub.stored_at). A copy that goes straight into the window is logged with its packet
 * id, so that a message which is delivered at once costs one record, and one more when it is
 * acknowledged. No message is made in memory for it: if it has to be sent again it is read back.
 *
 * Threads: see store.h.
 */
#include "store.h"

#include "outbound_inner.h"
#include "store_seen.h"
#include "zone.h"

/* Of a record beside topic, properties and payload. */
#define STORE_HEAD_USUAL 40

static struct store *store_of(struct router *router)
{
    CHECK_OBJ(router->store, STORE_MAGIC);
    return router->store;
}

/* What a shared delivery's group is called in the log, "" if it is none; into `text`. */
static struct bytes store_group_text(struct router *router, const struct delivery_extra *extra,
                                     uint8_t *text)
{
    const struct filter_index *filters = router->shared->filters;
    const struct filter *filter = filter_index_by_id_rcu(filters, extra->filter);
    const struct share_group *group = filter_index_group_rcu(filters, extra->filter, extra->group);
    if (filter == NULL || group == NULL)
        return (struct bytes){0};
    return store_filter_text(share_group_name(group), filter_text(filter), text);
}

struct store_entry store_entry_of(struct router *router, void *aux, uint32_t *id_space,
                                  uint8_t *text)
{
    struct store_entry entry = {0};
    entry.ids_count = sub_ids_view(aux, id_space, &entry.ids);
    if (entry.ids_count > STORE_IDS_MAX)
        entry.ids_count = STORE_IDS_MAX;
    const struct delivery_extra *extra = sub_ids_extra(aux);
    if (extra != NULL && extra->group != 0) {
        entry.group = store_group_text(router, extra, text);
        entry.attempts = extra->attempts;
    }
    return entry;
}

/* What a message takes of the log: its weight without what only memory needs, and a head. */
static uint32_t store_log_bytes(uint32_t bytes)
{
    return (bytes > OUTBOUND_WEIGHT_FIXED ? bytes - OUTBOUND_WEIGHT_FIXED : bytes) +
           STORE_HEAD_USUAL;
}

bool store_keep(struct store *store, uint64_t location, uint32_t bytes)
{
    CHECK(location != 0);
    return wal_ref(store->wal, (struct wal_loc){location}, store_log_bytes(bytes));
}

void store_forget(struct router *router, uint64_t location, uint32_t bytes)
{
    /* At the end of the process sessions leave memory, not the log: their bodies must stay. */
    if (location != 0 && !router->closing)
        wal_unref(store_of(router)->wal, (struct wal_loc){location}, store_log_bytes(bytes));
}

/* Appends ENQUEUE; a message that is not in the log yet goes with it. */
static enum rc store_enqueue(struct store *store, const struct session *session, struct pub *pub,
                             struct store_entry *entry, uint64_t *out_lsn)
{
    struct wal_loc loc;
    if (!store_is_ready(store))
        return RC_FULL;
    entry->location = pub->stored_at;
    if (entry->location != 0) {
        store_encode_entry(STORE_ENQUEUE, session->stored_number, entry, NULL, &store->parts);
    } else {
        struct store_message message = store_message_of(store, pub);
        store_encode_entry(STORE_ENQUEUE, session->stored_number, entry, &message, &store->parts);
    }
    enum rc rc = store_append(store, STORE_ENQUEUE, out_lsn, &loc);
    if (rc != RC_OK)
        return rc;
    if (entry->location == 0) {
        entry->location = loc.word;
        pub->stored_at = loc.word;
    }
    store_keep(store, entry->location, entry->bytes);
    return RC_OK;
}

/* The log does not take the copy: the publication as a whole is not accepted. */
static void store_refuse(struct router *router, struct msg *keep, void *aux)
{
    router->log_refused++;
    router_count(router, STAT_DROP_LOG, 1);
    outbound_release(router, keep, aux);
}

/* Hands a window entry to the connection. It stays there even if the connection broke over it. */
static void store_publish(struct router *router, struct session *session,
                          const struct delivery *copy, struct inflight_entry *entry)
{
    struct delivery delivery = *copy;
    delivery.packet_id = entry->packet_id;
    if (router->sink->publish(session->conn, &delivery) != RC_TOO_LARGE)
        return;
    router_count(router, STAT_DROP_TOO_LARGE, 1);
    void *aux = entry->aux;
    struct msg *msg = entry->msg;
    store_done(router, session, entry);
    outbound_window_remove(router, session, entry);
    outbound_release(router, msg, aux);
}

/* Straight into the window. False if it is not open: nothing happened. */
static bool store_deliver_window(struct router *router, struct session *session,
                                 const struct delivery *copy, struct store_entry *entry, void *aux,
                                 struct msg *keep)
{
    struct store *store = store_of(router);
    if (!outbound_window_open(router, session) || mqueue_count(&session->queue) > 0 ||
        !router->sink->has_room(session->conn))
        return false;
    uint32_t flags = copy->retain ? OUTBOUND_RETAIN : 0;
    struct inflight_entry *slot;
    if (inflight_add(&session->inflight, keep, aux, flags, copy->qos, &slot) != RC_OK)
        return false;
    uint64_t lsn;
    entry->packet_id = slot->packet_id;
    entry->state = slot->state;
    if (store_enqueue(store, session, copy->pub, entry, &lsn) != RC_OK) {
        inflight_remove(&session->inflight, slot);
        store_refuse(router, keep, aux);
        return true;
    }
    slot->location = entry->location;
    slot->number = entry->number;
    outbound_weigh(router, session, slot, entry->bytes);
    session->stored_next++;
    if (copy->qos == 2)
        router_hold(router, session, lsn);
    store_publish(router, session, copy, slot);
    return true;
}

static void store_deliver_queue(struct router *router, struct session *session,
                                const struct delivery *copy, struct store_entry *entry, void *aux,
                                struct msg *keep)
{
    struct store *store = store_of(router);
    uint64_t lsn;
    entry->state = STORE_QUEUED;
    entry->packet_id = 0;
    entry->priority = router_priority(router_settings_of(router, session), copy->pub->topic);
    if (store_enqueue(store, session, copy->pub, entry, &lsn) != RC_OK) {
        store_refuse(router, keep, aux);
        return;
    }
    session->stored_next++;
    struct msg *msg = keep;
    if (msg == NULL && session->conn != NULL && mqueue_count(&session->queue) < STORE_KEEP_MAX &&
        (msg = pub_msg(copy->pub, router->shard->id)) != NULL)
        msg_ref(msg, router->shard->id);
    struct mqueue_entry put = {.msg = msg,
                               .aux = aux,
                               .bytes = entry->bytes,
                               .qos = copy->qos,
                               .priority = entry->priority,
                               .flags = copy->retain ? OUTBOUND_RETAIN : 0,
                               .location = entry->location,
                               .number = entry->number};
    outbound_queue_put(router, session, &put);
}

void store_deliver(struct router *router, struct session *session, const struct delivery *copy,
                   void *aux, struct msg *keep)
{
    CHECK(session_is_stored(session) && copy->qos > 0 && copy->qos <= 2);
    if (UNLIKELY(router->store->is_partial) && keep == NULL &&
        store_seen_by(router, copy->pub, session)) {
        sub_ids_free(aux);
        return;
    }
    uint32_t id_space[1];
    uint8_t text[STORE_FILTER_MAX];
    struct store_entry entry = store_entry_of(router, aux, id_space, text);
    entry.number = session->stored_next;
    entry.qos = copy->qos;
    entry.retain = copy->retain;
    entry.bytes = outbound_weight_of(copy->pub);
    if (!store_deliver_window(router, session, copy, &entry, aux, keep))
        store_deliver_queue(router, session, copy, &entry, aux, keep);
}

/* A queued delivery as a record has it. `id_space` and `text` as for store_entry_of. */
static struct store_entry store_entry_queued(struct router *router,
                                             const struct mqueue_entry *queued, uint32_t *id_space,
                                             uint8_t *text)
{
    struct store_entry entry = store_entry_of(router, queued->aux, id_space, text);
    entry.number = queued->number;
    entry.location = queued->location;
    entry.bytes = queued->bytes;
    entry.qos = queued->qos;
    entry.state = STORE_QUEUED;
    entry.priority = queued->priority;
    entry.retain = (queued->flags & OUTBOUND_RETAIN) != 0;
    return entry;
}

enum rc store_requeued(struct router *router, struct session *session,
                       const struct mqueue_entry *entry, uint64_t *out_lsn)
{
    struct store *store = store_of(router);
    uint32_t id_space[1];
    uint8_t text[STORE_FILTER_MAX];
    struct store_entry again = store_entry_queued(router, entry, id_space, text);
    struct wal_loc loc;
    store_encode_entry(STORE_ENQUEUE, session->stored_number, &again, NULL, &store->parts);
    return store_append(store, STORE_ENQUEUE, out_lsn, &loc);
}

/* Logs that the head of the queue gets this packet id. */
static enum rc store_sent(struct router *router, struct session *session,
                          const struct mqueue_entry *head, uint16_t packet_id, uint8_t state,
                          uint64_t *out_lsn)
{
    struct store *store = store_of(router);
    uint32_t id_space[1];
    uint8_t text[STORE_FILTER_MAX];
    struct store_entry entry = store_entry_queued(router, head, id_space, text);
    entry.packet_id = packet_id;
    entry.state = state;
    entry.priority = 0; /* the window has none */
    struct wal_loc loc;
    store_encode_entry(STORE_SENT, session->stored_number, &entry, NULL, &store->parts);
    return store_append(store, STORE_SENT, out_lsn, &loc);
}

enum rc store_send_head(struct router *router, struct session *session)
{
    struct mqueue_entry head = *mqueue_peek(&session->queue);
    CHECK(head.location != 0 && head.qos > 0 && outbound_window_open(router, session));
    if (head.msg == NULL) {
        store_load(router, session);
        return RC_FULL;
    }
    if (!router->sink->has_room(session->conn))
        return RC_FULL;
    struct inflight_entry *slot;
    /* A shared delivery may have to go to another member, so its message stays at hand. */
    bool keeps = sub_ids_extra(head.aux) != NULL && sub_ids_extra(head.aux)->group != 0;
    if (inflight_add(&session->inflight, keeps ? head.msg : NULL, head.aux, head.flags, head.qos,
                     &slot) != RC_OK)
        return RC_FULL; /* without memory: tried again with the next acknowledgement or message */
    uint64_t lsn = 0;
    if (store_sent(router, session, &head, slot->packet_id, slot->state, &lsn) != RC_OK) {
        if (head.qos == 2) {
            inflight_remove(&session->inflight, slot);
            return RC_FULL; /* store_turn_end tries again when the log takes records */
        }
        store_gap(store_of(router)); /* after a crash it would have another packet id */
    }
    slot->location = head.location;
    slot->number = head.number;
    outbound_weigh(router, session, slot, head.bytes);
    struct mqueue_entry popped;
    outbound_pop(router, session, &popped);
    if (head.qos == 2)
        router_hold(router, session, lsn);
    uint32_t scratch;
    struct delivery copy = {
        .pub = &head.msg->pub, .qos = head.qos, .retain = (head.flags & OUTBOUND_RETAIN) != 0};
    copy.sub_ids_count = sub_ids_view(head.aux, &scratch, &copy.sub_ids);
    lag_one(router, head.msg->pub.received_ns);
    if (keeps)
        msg_ref(head.msg, router->shard->id);
    store_publish(router, session, &copy, slot);
    msg_unref(head.msg, router->shard->id);
    return RC_OK;
}

enum rc store_received(struct router *router, struct session *session, struct inflight_entry *entry,
                       uint64_t *out_lsn)
{
    struct store *store = store_of(router);
    struct wal_loc loc;
    store_encode_pair(session->stored_number, entry->packet_id, &store->parts);
    enum rc rc = store_append(store, STORE_RECEIVED, out_lsn, &loc);
    if (rc != RC_OK)
        return rc;
    store_forget(router, entry->location, entry->bytes);
    entry->location = 0;
    return RC_OK;
}

void store_done(struct router *router, struct session *session, const struct inflight_entry *entry)
{
    struct store *store = store_of(router);
    store_encode_pair(session->stored_number, entry->packet_id, &store->parts);
    store_note(store, STORE_DONE);
    store_forget(router, entry->location, entry->bytes);
}

void store_dropped(struct router *router, const struct session *session,
                   const struct mqueue_entry *entry)
{
    struct store *store = store_of(router);
    store_encode_pair(session->stored_number, entry->number, &store->parts);
    store_note(store, STORE_DROPPED);
    store_forget(router, entry->location, entry->bytes);
}

/* A body can leave memory if it can be read back and no other member may need it. */
static bool store_can_shed(const struct msg *msg, uint64_t location, void *aux)
{
    const struct delivery_extra *extra = sub_ids_extra(aux);
    return msg != NULL && location != 0 && (extra == NULL || extra->group == 0);
}

void store_shed(struct router *router, struct session *session)
{
    shard_id self = router->shard->id;
    struct inflight_entry *entry = inflight_first(&session->inflight);
    for (; entry != NULL; entry = inflight_next(&session->inflight, entry)) {
        if (!store_can_shed(entry->msg, entry->location, entry->aux))
            continue;
        msg_unref(entry->msg, self);
        entry->msg = NULL;
    }
    /* Bodies in memory are among the first of the queue: those kept, and those read ahead. */
    struct mqueue_cursor cursor;
    struct mqueue_entry *queued = mqueue_first(&session->queue, &cursor);
    for (unsigned i = 0; queued != NULL && i < STORE_SHED_MAX; i++) {
        if (store_can_shed(queued->msg, queued->location, queued->aux)) {
            msg_unref(queued->msg, self);
            queued->msg = NULL;
        }
        queued = mqueue_next(&session->queue, &cursor);
    }
}
