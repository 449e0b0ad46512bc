/*
 * share_dispatch.c -- picking, passing on and parking of shared deliveries.
 *
 * A delivery under way owns one reference to its message and one delivery_extra; both change hands
 * together: session -> mail -> session, or to the parked list.
 *
 * Threads: see share_dispatch.h.
 */
#include "share_dispatch.h"

#include <string.h>

#include "deliver.h"
#include "outbound.h"
#include "share_handover.h"
#include "store_taken.h"

#define SHARE_PARKED_MAGIC 0x5041524bu

/* A delivery without a member to go to. */
struct share_parked {
    uint32_t magic;
    struct list_node node;
    struct msg *msg;
    struct delivery_extra *extra;
};

static struct share_pick share_pick_of(const struct router *router, const struct pub *pub,
                                       struct handle exclude)
{
    uint64_t publisher;
    STATIC_CHECK(sizeof(publisher) == sizeof(pub->publisher), "a handle is 64 bits");
    memcpy(&publisher, &pub->publisher, sizeof(publisher));
    return (struct share_pick){.publisher = publisher,
                               .publisher_hash = pub->publisher_hash,
                               .topic_hash = pub->topic_hash,
                               .shard = router->shard->id,
                               .exclude = exclude};
}

/*
 * Delivers to a session of this shard with the options of its subscription. Takes over message
 * reference and extra.
 */
static void share_deliver_here(struct router *router, struct session *session, struct msg *msg,
                               struct delivery_extra *extra, uint8_t options)
{
    uint8_t qos = deliver_qos(router, session, msg->pub.qos, options & SUB_QOS_MASK);
    bool retain = msg->pub.retain && (options & SUB_RETAIN_AS_IS) != 0;
    if (qos > 0) {
        outbound_deliver_kept(router, session, msg, extra, qos, retain);
        return;
    }
    struct pub pub = msg->pub;
    struct delivery copy = {
        .pub = &pub, .sub_ids = extra->ids, .sub_ids_count = extra->count, .retain = retain};
    uint64_t mark = lag_mark(router);
    outbound_deliver(router, session, &copy);
    if (pub.received_ns != router->shard->now_ns)
        lag_since(router, mark, pub.received_ns);
    sub_ids_free(extra);
    msg_unref(msg, router->shard->id);
}

/* Sends a delivery on its way to `member`. Takes over message reference and extra. */
static void share_send(struct router *router, const struct share_member *member, struct msg *msg,
                       struct delivery_extra *extra)
{
    struct share_terms terms = share_member_terms(member);
    if (member->session.shard == router->shard->id) {
        struct session *session = slot_table_get(&router->sessions, member->session);
        /* A member leaves its groups before its session ends, and both happen on this shard. */
        CHECK(session != NULL);
        share_deliver_here(router, session, msg, extra, terms.options);
        return;
    }
    struct mail mail = {.kind = MAIL_SHARED, .ptr = msg, .weight = msg->size};
    memcpy(&mail.words[0], &member->session, sizeof(member->session));
    if ((terms.options & SUB_DURABLE) != 0 && msg->pub.qos > 0) {
        /* One that came by mail and goes on takes its ticket along. */
        struct hold_ticket ticket = router->passing;
        router->passing = (struct hold_ticket){.conn = HANDLE_NONE};
        if (hold_ticket_is_none(&ticket))
            ticket = router_ticket(router);
        memcpy(&mail.words[3], &ticket.conn, sizeof(ticket.conn));
        mail.words[4] = ticket.gate_number;
        if (hold_ticket_is_handover(&ticket)) {
            mail.words[2] = router->passing_session << 8;
            mail.words[5] = router->passing_number;
        }
    }
    mail.words[1] = (uint64_t)(uintptr_t)extra;
    mail.words[2] |= terms.options;
    msg_ref_shared(msg);
    shard_mail(router->shard, member->session.shard, MAIL_DATA, &mail);
    router_count(router, STAT_FORWARDED, 1);
    router->pressed |= mail_pressed(router->shard->port, member->session.shard);
    msg_unref(msg, router->shard->id);
}

/* QoS 0 to a session of this shard needs neither message nor extra: the usual hot case. */
static bool share_dispatch_plain(struct router *router, struct pub *pub,
                                 const struct share_member *member, struct share_terms terms)
{
    if (member->session.shard != router->shard->id)
        return false;
    struct session *session = slot_table_get(&router->sessions, member->session);
    if (session == NULL || deliver_qos(router, session, pub->qos, terms.qos) != 0)
        return false;
    struct delivery copy = {.pub = pub,
                            .sub_ids = &terms.sub_id,
                            .sub_ids_count = terms.sub_id != 0 ? 1 : 0,
                            .retain = pub->retain && (terms.options & SUB_RETAIN_AS_IS) != 0};
    outbound_deliver(router, session, &copy);
    return true;
}

bool share_dispatch(struct router *router, struct pub *pub, const struct match_group *group)
{
    struct share_round round = {0};
    struct share_pick pick = share_pick_of(router, pub, HANDLE_NONE);
    const struct share_member *member = share_group_pick_rcu(group->group, router->picker, &pick,
                                                             &round);
    if (UNLIKELY(member == NULL))
        member = share_group_any_rcu(group->group, HANDLE_NONE);
    if (member == NULL)
        return true; /* the last member left while we looked */
    struct share_terms terms = share_member_terms(member);
    if (share_dispatch_plain(router, pub, member, terms))
        return true;
    struct msg *msg = pub_msg(pub, router->shard->id);
    if (msg == NULL)
        return false;
    struct delivery_extra *extra = sub_ids_pack_shared(terms.sub_id, group->id,
                                                       group->group->number, 0);
    if (extra == NULL)
        return false;
    msg_ref(msg, router->shard->id);
    share_send(router, member, msg, extra);
    return true;
}

/* The extra names the subscription identifier of a member; the next member has its own. */
static struct delivery_extra *share_extra_for(const struct delivery_extra *old, uint32_t sub_id)
{
    return sub_ids_pack_shared(sub_id, old->filter, old->group, old->attempts + 1);
}

void share_park(struct router *router, struct msg *msg, struct delivery_extra *extra)
{
    struct share_parked *parked = mem_alloc(sizeof(*parked));
    if (parked == NULL) {
        router_count(router, STAT_DROP_NO_MEMORY, 1);
        sub_ids_free(extra);
        msg_unref(msg, router->shard->id);
        return;
    }
    *parked = (struct share_parked){.magic = SHARE_PARKED_MAGIC, .msg = msg, .extra = extra};
    list_push_back(&router->parked, &parked->node);
    router_count(router, STAT_SHARE_PARKED, 1);
    if (++router->parked_count <= SHARE_PARKED_MAX)
        return;
    struct list_node *node = list_pop_front(&router->parked);
    struct share_parked *oldest = CONTAINER_OF(node, struct share_parked, node);
    router->parked_count--;
    router_count(router, STAT_DROP_QUEUE_FULL, 1);
    sub_ids_free(oldest->extra);
    msg_unref(oldest->msg, router->shard->id);
    mem_free(oldest);
}

bool share_has_taker(const struct router *router, const struct delivery_extra *extra, bool ended)
{
    const struct share_group *group = filter_index_group_rcu(router->shared->filters, extra->filter,
                                                             extra->group);
    if (group == NULL || share_group_members_count(group) == 0)
        return false;
    return ended || share_group_connected_count(group) > 0;
}

bool share_redispatch(struct router *router, struct msg *msg, struct delivery_extra *extra,
                      struct handle from, bool ended)
{
    /* Every session is about to end, and those that still stand have lost their connections. */
    if (UNLIKELY(router->closing))
        return false;
    const struct share_group *group = filter_index_group_rcu(router->shared->filters, extra->filter,
                                                             extra->group);
    if (!share_has_taker(router, extra, ended))
        return false;
    /*
     * The loser has left the group or its connected part, so a new pick cannot meet it again; what
     * ends the round is that as many members have lost the message as the group has.
     */
    uint32_t members = share_group_members_count(group);
    /* Parked deliveries wait for the first member to connect; with one connected, go on. */
    if (ended && extra->attempts > members && share_group_connected_count(group) > 0)
        extra->attempts = 0;
    struct share_pick pick = share_pick_of(router, &msg->pub, from);
    struct share_round round = {0};
    const struct share_member *member = NULL;
    if (extra->attempts <= members)
        member = share_group_pick_rcu(group, router->picker, &pick, &round);
    if (member == NULL && ended && extra->attempts <= share_group_members_count(group))
        member = share_group_any_rcu(group, from);
    if (member == NULL) {
        if (!ended || hold_ticket_is_handover(&router->passing))
            return false;
        share_park(router, msg, extra);
        return true;
    }
    struct delivery_extra *next = share_extra_for(extra, share_member_terms(member).sub_id);
    if (next == NULL)
        return false;
    sub_ids_free(extra);
    router_count(router, STAT_SHARE_REDISPATCHED, 1);
    share_send(router, member, msg, next);
    return true;
}

/* A delivery for one member has come: to it, or on to another. */
static void share_receive(struct router *router, const struct mail *mail)
{
    struct shard *shard = router->shard;
    struct msg *msg = mail->ptr;
    struct delivery_extra *extra = (struct delivery_extra *)(uintptr_t)mail->words[1];
    struct handle handle;
    memcpy(&handle, &mail->words[0], sizeof(handle));
    msg_adopt(msg, shard->id);
    struct session *session = slot_table_get(&router->sessions, handle);
    bool lost = session == NULL || session->conn == NULL;
    if (lost && msg->pub.qos > 0 && share_redispatch(router, msg, extra, handle, session == NULL))
        return;
    if (session != NULL) {
        share_deliver_here(router, session, msg, extra, (uint8_t)mail->words[2]);
        return;
    }
    if (hold_ticket_is_handover(&router->passing)) {
        confirm_refuse(router, &router->passing); /* its giver still has it */
        router->passing = (struct hold_ticket){.conn = HANDLE_NONE};
    } else {
        router_count(router, STAT_DROP_SESSION_GONE, 1);
    }
    sub_ids_free(extra);
    msg_unref(msg, shard->id);
}

/*
 * What share_receive logs, and whose delivery it was, is one commit. One that comes back to the
 * giver's shard, for another session there, is done with that.
 */
static void share_receive_handover(struct router *router, const struct mail *mail)
{
    const struct taken_row row = {.session = router->passing_session,
                                  .entry = router->passing_number,
                                  .home = router->passing.conn.shard};
    uint64_t logged = router->log_last;
    uint64_t refused = router->log_refused;
    uint8_t qos = ((const struct msg *)mail->ptr)->pub.qos;
    wal_group_begin(router->store->wal);
    share_receive(router, mail);
    struct handle ticket = router->passing.conn;
    /* Not passed on, and stored. */
    bool is_stored = hold_ticket_is_handover(&router->passing) && router->log_last != logged &&
                     router->log_refused == refused;
    if (is_stored && row.home == router->shard->id) {
        router->passing = (struct hold_ticket){.conn = HANDLE_NONE};
        handover_confirmed(router, ticket, row.home, true);
    } else if (is_stored && qos == 2) {
        store_taken_note(router, &row);
    }
    wal_group_end(router->store->wal);
}

void share_on_mail(struct shard *shard, const struct mail *mail)
{
    struct router *router = router_of(shard);
    memcpy(&router->passing.conn, &mail->words[3], sizeof(router->passing.conn));
    router->passing.gate_number = (uint32_t)mail->words[4];
    router->passing_session = mail->words[2] >> 8;
    router->passing_number = mail->words[5];
    uint64_t logged = router->log_last;
    uint64_t refused = router->log_refused;
    if (hold_ticket_is_handover(&router->passing))
        share_receive_handover(router, mail);
    else
        share_receive(router, mail);
    struct hold_ticket ticket = router->passing;
    router->passing = (struct hold_ticket){.conn = HANDLE_NONE};
    if (router->log_refused != refused)
        confirm_refuse(router, &ticket);
    else
        confirm_owe(router, &ticket, router->log_last == logged ? 0 : router->log_last);
}

void share_drop(const struct mail *mail)
{
    sub_ids_free((void *)(uintptr_t)mail->words[1]);
    msg_unref_shared(mail->ptr);
}

void share_announce(struct router *router, struct share_group *group, struct filter_id id)
{
    if (!share_group_take_rise(group))
        return;
    for (unsigned to = 0; to < router->shared->shards; to++) {
        struct mail mail = {.kind = MAIL_SHARE_UP};
        memcpy(&mail.words[0], &id, sizeof(id));
        mail.words[1] = group->number;
        shard_mail(router->shard, (shard_id)to, MAIL_CONTROL, &mail);
    }
}

void share_member_connected(struct router *router, struct share_member *member, bool is_connected)
{
    filter_index_member_set_connected(router->shared->filters, member, is_connected);
    const struct filter *filter = member->group->filter;
    if (is_connected)
        share_announce(router, member->group, filter->id);
}

/* Parked deliveries of the group begin a new round. */
static void share_unpark(struct router *router, struct filter_id id, uint64_t number)
{
    struct list_node waiting;
    list_init(&waiting);
    list_splice_back(&waiting, &router->parked);
    router->parked_count = 0;
    struct list_node *node;
    while ((node = list_pop_front(&waiting)) != NULL) {
        struct share_parked *parked = CONTAINER_OF(node, struct share_parked, node);
        CHECK_OBJ(parked, SHARE_PARKED_MAGIC);
        if (filter_id_equal(parked->extra->filter, id) && parked->extra->group == number) {
            parked->extra->attempts = 0;
            if (!share_redispatch(router, parked->msg, parked->extra, HANDLE_NONE, true)) {
                router_count(router, STAT_DROP_SESSION_GONE, 1);
                sub_ids_free(parked->extra);
                msg_unref(parked->msg, router->shard->id);
            }
            mem_free(parked);
            continue;
        }
        list_push_back(&router->parked, &parked->node);
        router->parked_count++;
    }
}

void share_on_up(struct shard *shard, const struct mail *mail)
{
    struct router *router = router_of(shard);
    struct filter_id id;
    memcpy(&id, &mail->words[0], sizeof(id));
    const struct share_group *group = filter_index_group_rcu(router->shared->filters, id,
                                                             mail->words[1]);
    if (group == NULL)
        return;
    share_unpark(router, id, mail->words[1]);
    struct share_places *places = atomic_load_explicit(&group->places, memory_order_acquire);
    uint32_t members = share_group_members_count(group);
    for (uint32_t i = 0; places != NULL && i < members && i < places->capacity; i++) {
        const struct share_member *member = atomic_load_explicit(&places->member[i],
                                                                 memory_order_acquire);
        if (member == NULL || member->session.shard != shard->id)
            continue;
        struct session *session = slot_table_get(&router->sessions, member->session);
        if (session != NULL && session->conn == NULL)
            outbound_pass_on(router, session);
    }
}

void share_parked_fini(struct router *router)
{
    struct list_node *node;
    while ((node = list_pop_front(&router->parked)) != NULL) {
        struct share_parked *parked = CONTAINER_OF(node, struct share_parked, node);
        sub_ids_free(parked->extra);
        msg_unref(parked->msg, router->shard->id);
        mem_free(parked);
    }
    router->parked_count = 0;
}
