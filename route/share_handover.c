/*
 * share_handover.c -- see share_handover.h.
 *
 * Threads: see share_handover.h.
 */
#include "share_handover.h"

#include "outbound_inner.h"
#include "share_dispatch.h"
#include "store_checkpoint.h"
#include "store_taken.h"
#include "zone.h"

#define HANDOVER_MAGIC       0x48414e44u
#define HANDOVER_GIVER_MAGIC 0x48414e47u
#define HANDOVERS_ALL_MAX    (1u << 30)

/* Whose deliveries are under way; there while there are some. */
struct handover_giver {
    uint32_t magic;        /* [I] */
    uint32_t count;        /* [O] under way */
    uint64_t bytes;        /* [O] of these */
    uint64_t number;       /* [I] of the session */
    struct handle session; /* [I] */
    bool has_ended;        /* [O] SESSION_END follows the last one */
    bool was_refused;      /* [O] of one of these */
};

/* What became of an attempt. */
enum handover_result {
    HANDOVER_STAYS,   /* no better place: nothing was taken over */
    HANDOVER_REFUSED, /* the taker, of this shard, could not store it: its copies are gone */
    HANDOVER_LEFT,    /* another shard will answer */
    HANDOVER_DONE,    /* that was all, and it is logged */
};

/* ---- givers ---- */

static struct handover_giver *handover_giver_of(struct session *session)
{
    struct handover_giver *giver = session->giver;
    if (giver != NULL) {
        CHECK_OBJ(giver, HANDOVER_GIVER_MAGIC);
        return giver;
    }
    giver = mem_alloc(sizeof(*giver));
    if (giver == NULL)
        return NULL;
    *giver = (struct handover_giver){.magic = HANDOVER_GIVER_MAGIC,
                                     .number = session->stored_number,
                                     .session = session->handle};
    session->giver = giver;
    return giver;
}

static bool handover_has_ended(const struct handover *handover)
{
    return handover->has_ended || handover->giver->has_ended;
}

/* The session, if it has not ended. */
static struct session *handover_session(const struct handover *handover)
{
    if (handover_has_ended(handover))
        return NULL;
    return slot_table_get(&handover->router->sessions, handover->giver->session);
}

static void handover_log_end(struct router *router, uint64_t number)
{
    store_encode_one(number, &router->store->parts);
    store_note(router->store, STORE_SESSION_END);
}

/* Of a session whose deliveries all stayed, or went at once. */
static void handover_giver_drop(struct session *session)
{
    struct handover_giver *giver = session->giver;
    if (giver == NULL || giver->count > 0)
        return;
    session->giver = NULL;
    giver->magic = 0;
    mem_free(giver);
}

/* The last one of the giver has been answered. */
static void handover_giver_end(struct router *router, struct handover_giver *giver)
{
    struct session *session = slot_table_get(&router->sessions, giver->session);
    bool goes_on = !giver->has_ended && !giver->was_refused && !router->closing;
    if (giver->has_ended && !router->closing)
        handover_log_end(router, giver->number);
    if (session != NULL)
        session->giver = NULL;
    giver->magic = 0;
    mem_free(giver);
    if (goes_on && session != NULL && session->conn == NULL)
        outbound_pass_on(router, session);
}

void handover_session_ended(struct router *router, struct session *session)
{
    struct handover_giver *giver = session->giver;
    if (giver == NULL) {
        handover_log_end(router, session->stored_number);
        return;
    }
    CHECK_OBJ(giver, HANDOVER_GIVER_MAGIC);
    CHECK(giver->count > 0);
    giver->has_ended = true;
    session->giver = NULL;
}

/* ---- handovers ---- */

static void *handover_copy_aux(const struct delivery_extra *extra)
{
    return sub_ids_pack_shared(extra->count > 0 ? extra->ids[0] : 0, extra->filter, extra->group,
                               extra->attempts);
}

/* With copies of its own of message and aux. NULL without memory. */
static struct handover *handover_create(struct router *router, struct session *session,
                                        const struct handover_item *item)
{
    struct store *store = router->store;
    struct handover_giver *giver = handover_giver_of(session);
    struct handover *handover = giver == NULL ? NULL : mem_alloc(sizeof(*handover));
    if (handover == NULL)
        goto undo_giver;
    *handover = (struct handover){.magic = HANDOVER_MAGIC,
                                  .router = router,
                                  .giver = giver,
                                  .msg = item->msg,
                                  .aux = handover_copy_aux(sub_ids_extra(item->aux)),
                                  .order = store->handovers.next,
                                  .location = item->location,
                                  .number = item->number,
                                  .bytes = item->bytes,
                                  .packet_id = item->packet_id,
                                  .flags = item->flags,
                                  .qos = item->qos};
    if (handover->aux == NULL ||
        slot_table_add(&store->handovers.slots, handover, &handover->handle) != RC_OK)
        goto undo_handover;
    store->handovers.next++;
    if (handover->msg != NULL)
        msg_ref(handover->msg, router->shard->id);
    giver->count++;
    giver->bytes += item->bytes;
    return handover;

undo_handover:
    sub_ids_free(handover->aux);
    mem_free(handover);
undo_giver:
    handover_giver_drop(session);
    return NULL;
}

/* Frees it; what it held is the caller's. The giver stays, also without any. */
static struct handover_giver *handover_free(struct handover *handover)
{
    struct store *store = handover->router->store;
    struct handover_giver *giver = handover->giver;
    CHECK_OBJ(handover, HANDOVER_MAGIC);
    slot_table_remove(&store->handovers.slots, handover->handle);
    if (handover->stage == HANDOVER_WAIT && list_is_linked(&handover->node))
        list_remove(&handover->node);
    if (handover->order < store->handovers.marked) {
        CHECK(store->handovers.left > 0);
        store->handovers.left--;
    }
    CHECK(giver->count > 0 && giver->bytes >= handover->bytes);
    giver->count--;
    giver->bytes -= handover->bytes;
    handover->magic = 0;
    mem_free(handover);
    return giver;
}

/* The giver has it no more, says the log. Its lsn, 0: there was nothing to log, or it failed. */
static uint64_t handover_log_done(const struct handover *handover)
{
    struct store *store = handover->router->store;
    struct session *session = handover_session(handover);
    if (handover->packet_id == 0) {
        store_encode_pair(handover->giver->number, handover->number, &store->parts);
        return store_note(store, STORE_DROPPED);
    }
    /* Whoever else has the packet id now has taken its place in the log, too. */
    const struct inflight_entry *slot = NULL;
    if (session != NULL)
        slot = inflight_find(&session->inflight, handover->packet_id);
    if (slot != NULL && slot->number != handover->number)
        return 0;
    store_encode_pair(handover->giver->number, handover->packet_id, &store->parts);
    return store_note(store, STORE_DONE);
}

/* Releases what it still holds and frees it; the giver goes with its last one. */
static void handover_end(struct handover *handover)
{
    struct router *router = handover->router;
    store_forget(router, handover->location, handover->bytes);
    outbound_release(router, handover->msg, handover->aux);
    struct handover_giver *giver = handover_free(handover);
    if (giver->count == 0)
        handover_giver_end(router, giver);
}

/* ---- sending ---- */

/* Looks for another member. `msg` and `extra` are given away but for HANDOVER_STAYS. */
static enum handover_result handover_send(struct handover *handover, struct msg *msg,
                                          struct delivery_extra *extra)
{
    struct router *router = handover->router;
    struct store *store = router->store;
    struct hold_ticket passing = router->passing;
    uint64_t refused = router->log_refused;
    /* What the taker logs here, and that the giver is done, is one commit. */
    bool has_group = !wal_group_is_open(store->wal);
    if (has_group)
        wal_group_begin(store->wal);
    router->passing = (struct hold_ticket){.conn = handover->handle};
    router->passing.conn.slot |= HOLD_HANDOVER;
    router->passing_session = handover->giver->number;
    router->passing_number = handover->number;
    bool passed = share_redispatch(router, msg, extra, handover->giver->session,
                                   handover_has_ended(handover));
    enum handover_result result = !passed                                 ? HANDOVER_STAYS
                                  : hold_ticket_is_none(&router->passing) ? HANDOVER_LEFT
                                                                          : HANDOVER_DONE;
    router->passing = passing;
    if (result == HANDOVER_DONE && router->log_refused != refused) {
        router->log_refused = refused; /* no publisher waits for this */
        result = HANDOVER_REFUSED;
    }
    if (result == HANDOVER_DONE)
        handover_log_done(handover);
    if (has_group)
        wal_group_end(store->wal);
    return result;
}

/* Back to the giver, behind what waits there; if it has ended, to whoever comes. */
static void handover_back(struct handover *handover)
{
    struct router *router = handover->router;
    struct store *store = router->store;
    struct session *session = handover_session(handover);
    handover->giver->was_refused = true;
    if (session == NULL) {
        if (handover->msg != NULL) {
            share_park(router, handover->msg, handover->aux);
            handover->msg = NULL;
            handover->aux = NULL;
        } else {
            router_count(router, STAT_DROP_SESSION_ENDED, 1);
        }
        handover_log_done(handover);
        handover_end(handover);
        return;
    }
    struct mqueue_entry entry = {.msg = handover->msg,
                                 .aux = handover->aux,
                                 .bytes = handover->bytes,
                                 .qos = handover->qos,
                                 .flags = handover->flags,
                                 .location = handover->location,
                                 .number = session->stored_next++};
    if (handover->msg != NULL)
        entry.priority = router_priority(router_settings_of(router, session),
                                         handover->msg->pub.topic);
    uint64_t lsn;
    if (store_requeued(router, session, &entry, &lsn) == RC_OK) {
        handover_log_done(handover);
    } else {
        /* The log has the old entry, which a snapshot of before may lack. */
        store_gap(store);
        store_checkpoint_stop(store);
    }
    handover->msg = NULL;
    handover->aux = NULL;
    handover->location = 0;
    outbound_queue_put(router, session, &entry);
    handover_end(handover);
    if (session->conn != NULL)
        outbound_pump(router, session);
}

/* With its body in memory now. */
static void handover_go(struct handover *handover)
{
    struct router *router = handover->router;
    struct delivery_extra *extra = handover_copy_aux(sub_ids_extra(handover->aux));
    if (extra == NULL) {
        handover_back(handover);
        return;
    }
    msg_ref(handover->msg, router->shard->id);
    handover->stage = HANDOVER_SENT;
    switch (handover_send(handover, handover->msg, extra)) {
    case HANDOVER_STAYS:
        outbound_release(router, handover->msg, extra);
        handover_back(handover);
        return;
    case HANDOVER_REFUSED:
        handover_back(handover);
        return;
    case HANDOVER_LEFT:
        return;
    case HANDOVER_DONE:
        handover_end(handover);
        return;
    }
    UNREACHABLE();
}

/* Whether one more of this session may be under way. */
static bool handover_may_begin(const struct router *router, const struct session *session,
                               bool ended, const struct handover_item *item)
{
    const struct handover_giver *giver = session->giver;
    if (router->closing || !share_has_taker(router, sub_ids_extra(item->aux), ended))
        return false;
    return ended || giver == NULL ||
           (giver->count < HANDOVER_MAX && giver->bytes < HANDOVER_BYTES_MAX);
}

/* The first attempt with a body in memory, which is the item's; as handover_begin. */
static bool handover_begin_send(struct handover *handover, struct handover_item *item)
{
    struct router *router = handover->router;
    struct delivery_extra *extra = sub_ids_extra(item->aux);
    switch (handover_send(handover, item->msg, extra)) {
    case HANDOVER_LEFT:
        handover->stage = HANDOVER_SENT;
        return true;
    case HANDOVER_REFUSED:
        item->msg = handover->msg;
        item->aux = handover->aux;
        handover_free(handover);
        return false;
    case HANDOVER_STAYS:
        outbound_release(router, handover->msg, handover->aux);
        if (!handover->has_ended) {
            handover_free(handover);
            return false;
        }
        share_park(router, item->msg, extra);
        handover_log_done(handover);
        break;
    case HANDOVER_DONE:
        outbound_release(router, handover->msg, handover->aux);
        break;
    }
    store_forget(router, handover->location, handover->bytes);
    handover_free(handover);
    return true;
}

bool handover_begin(struct router *router, struct session *session, bool ended,
                    struct handover_item *item)
{
    CHECK(session_is_stored(session) && item->location != 0 && sub_ids_extra(item->aux) != NULL);
    if (!handover_may_begin(router, session, ended, item))
        return false;
    struct handover *handover = handover_create(router, session, item);
    if (handover == NULL)
        return false;
    handover->has_ended = ended;
    if (item->msg == NULL) {
        sub_ids_free(item->aux);
        list_push_back(&router->store->handovers.waiting, &handover->node);
        return true;
    }
    bool is_gone = handover_begin_send(handover, item);
    handover_giver_drop(session);
    return is_gone;
}

void handover_confirmed(struct router *router, struct handle ticket, shard_id taker, bool ok)
{
    CHECK((ticket.slot & HOLD_HANDOVER) != 0);
    ticket.slot &= ~HOLD_HANDOVER;
    struct handover *handover = slot_table_get(&router->store->handovers.slots, ticket);
    CHECK_OBJ(handover, HANDOVER_MAGIC);
    CHECK(handover->stage == HANDOVER_SENT);
    if (!ok) {
        handover_back(handover);
        return;
    }
    const struct taken_row row = {
        .session = handover->giver->number, .entry = handover->number, .home = router->shard->id};
    uint64_t lsn = handover_log_done(handover);
    if (handover->qos == 2 && taker != router->shard->id)
        store_taken_given(router, taker, &row, lsn);
    handover_end(handover);
}

/* ---- bodies ---- */

static void handover_read(struct store *store);

static void handover_on_read(void *context, uint64_t tag, enum rc rc, struct bytes body)
{
    struct store *store = context;
    struct handle handle;
    CHECK_OBJ(store, STORE_MAGIC);
    CHECK(store->handovers.reads > 0);
    store->handovers.reads--;
    memcpy(&handle, &tag, sizeof(handle));
    struct handover *handover = slot_table_get(&store->handovers.slots, handle);
    CHECK_OBJ(handover, HANDOVER_MAGIC);
    CHECK(handover->stage == HANDOVER_READ);
    if (rc == RC_OK)
        handover->msg = store_load_msg(store, body);
    if (handover->msg != NULL) {
        handover_go(handover);
    } else if (rc == RC_INVALID) {
        router_count(store->router, STAT_DROP_LOG_READ, 1);
        handover_log_done(handover);
        handover_end(handover);
    } else {
        handover_back(handover);
    }
    handover_read(store);
}

/* Starts as many reads as may be under way, oldest first. */
static void handover_read(struct store *store)
{
    struct list_node *node;
    while (store->handovers.reads < HANDOVER_READS_MAX &&
           (node = list_pop_front(&store->handovers.waiting)) != NULL) {
        struct handover *handover = CONTAINER_OF(node, struct handover, node);
        CHECK(handover->stage == HANDOVER_WAIT);
        uint64_t tag;
        STATIC_CHECK(sizeof(tag) == sizeof(handover->handle), "a handle is one word");
        memcpy(&tag, &handover->handle, sizeof(tag));
        if (wal_read(store->wal, (struct wal_loc){handover->location}, handover_on_read, store,
                     tag) != RC_OK) {
            list_push_front(&store->handovers.waiting, node);
            return; /* store_turn_end tries again */
        }
        handover->stage = HANDOVER_READ;
        store->handovers.reads++;
    }
}

void handover_turn(struct store *store)
{
    if (UNLIKELY(!list_is_empty(&store->handovers.waiting)))
        handover_read(store);
}

/* ---- the store's ---- */

void handover_mark(struct store *store)
{
    store->handovers.marked = store->handovers.next;
    store->handovers.left = store->handovers.slots.num_live;
}

bool handover_is_past(const struct store *store)
{
    return store->handovers.left == 0;
}

void handover_init(struct store *store)
{
    slot_table_init(&store->handovers.slots, store->router->shard->id, HANDOVERS_ALL_MAX);
    list_init(&store->handovers.waiting);
}

void handover_fini(struct store *store)
{
    uint32_t cursor = 0;
    struct handover *handover;
    wal_read_cancel(store->wal, store);
    while ((handover = slot_table_next(&store->handovers.slots, &cursor)) != NULL)
        handover_end(handover);
    CHECK(list_is_empty(&store->handovers.waiting));
    slot_table_fini(&store->handovers.slots);
}
