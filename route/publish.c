/*
 * publish.c -- publications from clients and from other shards.
 *
 * Filter ids of one publication stand in a mail record up to ROUTE_MAIL_IDS_INLINE; more than that
 * is an allocation, which a wildcard-heavy topic can afford. Where this shard's subscribers are is
 * remembered with the match (deliver.h), and usually they are all that there is to serve. To other
 * shards go letters (letter.h) where they can, and messages otherwise.
 *
 * Threads: see publish.h.
 */
#include "publish.h"

#include <stdlib.h>

#include "deliver.h"
#include "letter.h"
#include "permit.h"
#include "share_dispatch.h"
#include "store_retain.h"
#include "store_seen.h"
#include "sweep.h"
#include "user_quota.h"

/*
 * A retained message is a message of its own: its expiry may differ and RETAIN is set. False: its
 * owner has all retained messages that it may have.
 */
static bool publish_retain_set(struct router *router, const struct pub *pub)
{
    const struct route_settings *settings = router->settings;
    if (pub->payload.len > settings->retained_payload_max) {
        router_count(router, STAT_DROP_RETAIN_LARGE, 1);
        return true;
    }
    struct pub kept = *pub;
    kept.msg = NULL;
    kept.received_ns = 0; /* its age says nothing about the broker */
    if (kept.expires_at_ms == 0 && settings->retained_expiry_s != UINT32_MAX)
        kept.expires_at_ms = router->shard->now_ms + settings->retained_expiry_s * UINT64_C(1000);
    /* The index and its readers on other shards count atomically: no home. */
    struct msg *msg = msg_create(&kept, SHARD_NONE);
    if (msg == NULL) {
        router_count(router, STAT_DROP_NO_MEMORY, 1);
        return true;
    }
    struct retained_owner owner;
    user_quota_retain(router, pub, &owner);
    msg->owner = owner.user;
    uint64_t version;
    enum rc rc = retained_set(router->shared->retained, router->shard->epoch, pub->topic, msg,
                              msg->size, &owner, &version);
    if (rc == RC_OK) {
        router_count(router, STAT_RETAINED_SET, 1);
        if (kept.expires_at_ms != 0)
            sweep_note(router->shared);
        if (router->store != NULL)
            store_retain(router, &kept, owner.user, version, false);
        return true;
    }
    if (rc == RC_DENIED)
        router_count(router, STAT_DROP_USER_RETAINED, 1);
    else
        router_count(router, rc == RC_FULL ? STAT_DROP_RETAIN_FULL : STAT_DROP_NO_MEMORY, 1);
    if (owner.account != NULL)
        account_give(router->shared->accounts, owner.account);
    msg_unref_shared(msg);
    return rc != RC_DENIED;
}

static bool publish_retain(struct router *router, const struct pub *pub)
{
    if (pub->payload.len > 0)
        return publish_retain_set(router, pub);
    uint64_t version;
    if (retained_delete(router->shared->retained, router->shard->epoch, pub->topic, &version) !=
        RC_OK)
        return true;
    router_count(router, STAT_RETAINED_DELETED, 1);
    if (router->store != NULL)
        store_retain(router, pub, 0, version, true);
    return true;
}

/* The filters of `result` that `shard` subscribes to. */
static uint32_t publish_ids_of(const struct match_result *result, shard_id shard,
                               struct filter_id *out_ids)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < result->filters_len; i++)
        if (shard_set_has(&result->filters[i].any, shard))
            out_ids[count++] = result->filters[i].id;
    return count;
}

/* Of the letter's `len` bytes. */
static bool publish_letter(struct router *router, const struct pub *pub,
                           const struct match_result *result, shard_id to, uint32_t len)
{
    void *letter = mail_post(router->shard->port, to, MAIL_LETTER, len);
    if (letter == NULL)
        return false;
    struct filter_id *ids = letter_write(letter, pub, result->filters_len);
    letter_ids_set(letter, publish_ids_of(result, to, ids));
    router_count(router, STAT_MESSAGE_BYTES, len);
    router_count(router, STAT_FORWARDED, 1);
    router->pressed |= mail_pressed(router->shard->port, to);
    return true;
}

static bool publish_mail(struct router *router, struct pub *pub, const struct match_result *result,
                         shard_id to)
{
    bool store = pub->qos > 0 && shard_set_has(&result->durable, to);
    uint32_t len = store ? 0 : letter_len(pub, result->filters_len);
    if (LIKELY(len > 0))
        return publish_letter(router, pub, result, to, len);
    struct msg *msg = pub_msg(pub, router->shard->id);
    if (msg == NULL)
        return false;
    struct mail mail = {
        .kind = store ? MAIL_PUBLISH_STORE : MAIL_PUBLISH, .ptr = msg, .weight = msg->size};
    struct filter_id *ids = (struct filter_id *)(void *)mail.words;
    STATIC_CHECK(sizeof(struct filter_id) == sizeof(mail.words[0]), "an id is one word");
    if (result->filters_len <= ROUTE_MAIL_IDS_INLINE) {
        mail.count = (uint8_t)publish_ids_of(result, to, ids);
    } else {
        struct filter_id *array = mem_alloc(result->filters_len * sizeof(*array));
        if (array == NULL)
            return false;
        mail.count = ROUTE_MAIL_IDS_INLINE + 1;
        mail.words[0] = (uint64_t)(uintptr_t)array;
        mail.words[1] = publish_ids_of(result, to, array);
        mail.weight += (uint32_t)(result->filters_len * sizeof(*array));
    }
    msg_ref_shared(msg);
    shard_mail(router->shard, to, MAIL_DATA, &mail);
    router_count(router, STAT_FORWARDED, 1);
    router->pressed |= mail_pressed(router->shard->port, to);
    return true;
}

/*
 * The acknowledgement waits for every other shard with a durable subscriber. All get the same
 * ticket, which is in the message, so it is drawn before there is one.
 */
static void publish_ticket(struct router *router, struct pub *pub,
                           const struct match_result *result)
{
    pub->ticket = (struct hold_ticket){.conn = HANDLE_NONE};
    router->stored_shards = 0;
    for (unsigned word = 0; word < SHARD_SET_WORDS; word++) {
        uint64_t rest = result->durable.words[word];
        if (router->shard->id / 64 == word)
            rest &= ~(UINT64_C(1) << (router->shard->id % 64));
        for (; rest != 0; rest &= rest - 1) {
            unsigned to = word * 64 + (unsigned)__builtin_ctzll(rest);
            router->stored_shards |= to < 62 ? UINT64_C(1) << to : STORE_TAG_ALL;
            pub->ticket = router_ticket(router);
        }
    }
}

/* Somebody else wants it than sessions of this shard that are not durable. */
static enum reason publish_widely(struct router *router, struct pub *pub,
                                  const struct match_result *result, const struct match_plan *plan)
{
    shard_id self = router->shard->id;
    if (match_is_empty(result)) {
        router_count(router, STAT_DROP_NO_SUBSCRIBER, 1);
        return REASON_NO_MATCHING_SUBSCRIBERS;
    }
    if (pub->qos > 0 && !shard_set_is_empty(&result->durable))
        publish_ticket(router, pub, result);
    bool done = true;
    if (plan->len > 0)
        deliver_planned(router, pub, plan);
    for (unsigned word = 0; word < SHARD_SET_WORDS; word++) {
        for (uint64_t rest = result->any.words[word]; rest != 0; rest &= rest - 1) {
            shard_id to = (shard_id)(word * 64 + (unsigned)__builtin_ctzll(rest));
            if (to != self)
                done &= publish_mail(router, pub, result, to);
        }
    }
    for (uint32_t i = 0; i < result->groups_len; i++)
        done &= share_dispatch(router, pub, &result->groups[i]);
    if (UNLIKELY(!done))
        router_count(router, STAT_DROP_NO_MEMORY, 1);
    return done ? REASON_SUCCESS : REASON_QUOTA_EXCEEDED;
}

enum reason publish_route(struct router *router, struct pub *pub)
{
    CHECK_OBJ(router, ROUTER_MAGIC);
    CHECK(epoch_is_inside(router->shard->epoch));
    router->pressed = false;
    if (UNLIKELY(router->over_limit) && (pub->qos > 0 || pub->retain)) {
        router_count(router, STAT_DROP_MESSAGE_BYTES, 1);
        return REASON_QUOTA_EXCEEDED;
    }
    router_count(router, STAT_PUBLISHED, 1);
    if (UNLIKELY(pub->retain)) {
        /* A will goes to its subscribers all the same: nobody is there to be told otherwise. */
        if (!publish_retain(router, pub) && router->wills.promised == NULL)
            return REASON_QUOTA_EXCEEDED;
        if (pub->payload.len == 0 && router->settings->retained_clear_stays)
            return REASON_SUCCESS;
    }
    const struct match_result *result = LIKELY(pub->topic_number != 0)
                                            ? match_numbered(router->matches, pub->topic,
                                                             pub->topic_hash, pub->topic_number)
                                            : match_topic(router->matches, pub->topic,
                                                          pub->topic_hash);
    if (UNLIKELY(result == NULL)) {
        router_count(router, STAT_DROP_NO_MEMORY, 1);
        return REASON_QUOTA_EXCEEDED;
    }
    const struct match_plan *plan = deliver_plan(router, result);
    if (UNLIKELY(!plan->is_all))
        return publish_widely(router, pub, result, plan);
    deliver_planned(router, pub, plan);
    return REASON_SUCCESS;
}

bool publish_again(struct router *router, struct pub *pub, const struct shard_set *stored)
{
    const struct match_result *result = match_topic(router->matches, pub->topic, pub->topic_hash);
    if (result == NULL)
        return false;
    struct match_result rest = *result;
    for (unsigned word = 0; word < SHARD_SET_WORDS; word++)
        rest.durable.words[word] &= ~stored->words[word];
    if (pub->qos == 0 || shard_set_is_empty(&rest.durable))
        return true;
    pub->audience = PUB_FOR_DURABLE;
    publish_ticket(router, pub, &rest);
    bool done = true;
    for (unsigned to = 0; to < router->shared->shards; to++) {
        if (!shard_set_has(&rest.durable, (shard_id)to))
            continue;
        if (to == router->shard->id)
            deliver_planned(router, pub, deliver_plan(router, result));
        else
            done &= publish_mail(router, pub, result, (shard_id)to);
    }
    return done;
}

/* QoS 2 of a durable publisher: stored here in one commit, unless it is here already. */
static void publish_once(struct router *router, struct pub *pub, const struct filter_id *ids,
                         uint32_t count)
{
    if (store_seen_has(router, pub))
        return;
    uint64_t refused = router->log_refused;
    if (store_seen_begin(router, pub) != RC_OK) {
        router->log_refused++;
        /* Sessions that store nothing do without the log; what is sent again passes them by. */
        if (pub->audience == PUB_FOR_ALL) {
            pub->audience = PUB_FOR_TRANSIENT;
            deliver_filters(router, pub, ids, count);
        }
        return;
    }
    deliver_filters(router, pub, ids, count);
    store_seen_end(router, pub, router->log_refused == refused);
}

void publish_on_mail(struct shard *shard, const struct mail *mail)
{
    struct router *router = router_of(shard);
    struct msg *msg = mail->ptr;
    const struct filter_id *ids = (const struct filter_id *)(const void *)mail->words;
    struct filter_id *array = NULL;
    uint32_t count = mail->count;
    if (count > ROUTE_MAIL_IDS_INLINE) {
        array = (struct filter_id *)(uintptr_t)mail->words[0];
        ids = array;
        count = (uint32_t)mail->words[1];
    }
    msg_adopt(msg, shard->id);
    struct pub pub = msg->pub;
    uint64_t mark = lag_mark(router);
    uint64_t logged = router->log_last;
    uint64_t refused = router->log_refused;
    if (pub.stored_id != 0 && mail->kind == MAIL_PUBLISH_STORE && router->store != NULL) {
        publish_once(router, &pub, ids, count);
    } else {
        if (UNLIKELY(pub.stored_id != 0))
            pub.audience = PUB_FOR_TRANSIENT;
        deliver_filters(router, &pub, ids, count);
    }
    lag_since(router, mark, pub.received_ns);
    if (mail->kind == MAIL_PUBLISH_STORE && router->log_refused != refused)
        confirm_refuse(router, &pub.ticket);
    else if (mail->kind == MAIL_PUBLISH_STORE)
        confirm_owe(router, &pub.ticket,
                    router->log_last == logged && pub.stored_id == 0 ? 0 : router->log_last);
    msg_unref(msg, shard->id);
    mem_free(array);
}

void publish_on_letter(struct shard *shard, const struct mail *mail)
{
    struct router *router = router_of(shard);
    uint32_t len = (uint32_t)mail->words[0];
    struct pub pub;
    uint32_t count;
    const struct filter_id *ids = letter_read(mail->ptr, len, &pub, &count);
    uint64_t mark = lag_mark(router);
    deliver_filters(router, &pub, ids, count);
    lag_since(router, mark, pub.received_ns);
    pub_release(&pub, shard->id);
    stat_sub(router->stats, STAT_MESSAGE_BYTES, len);
}

void publish_drop(const struct mail *mail)
{
    if (mail->count > ROUTE_MAIL_IDS_INLINE)
        mem_free((void *)(uintptr_t)mail->words[0]);
    msg_unref_shared(mail->ptr);
}

/*
 * Routes a publication of QoS 1 or 2 whose acknowledgement claims what was logged for it, here and
 * on other shards.
 */
static enum reason publish_acknowledged(struct router *router, struct session *session,
                                        struct pub *pub)
{
    uint64_t logged = router->log_last;
    uint64_t refused = router->log_refused;
    router->publishing = session->conn;
    enum reason reason = publish_route(router, pub);
    router->publishing = NULL;
    if (router->log_last != logged)
        router_hold(router, session, router->log_last);
    return UNLIKELY(router->log_refused != refused) ? REASON_QUOTA_EXCEEDED : reason;
}

/*
 * The same at the publisher's home, to which sessions came from other shards when their number was
 * changed: those that do not have the publication get it.
 */
static bool publish_rest(struct router *router, struct pub *pub, const struct match_result *result)
{
    uint64_t refused = router->log_refused;
    if (!shard_set_has(&result->any, router->shard->id) || !store_seen_is_partial(router, pub))
        return true;
    if (store_seen_begin(router, pub) != RC_OK)
        return false;
    deliver_planned(router, pub, deliver_plan(router, result));
    bool done = router->log_refused == refused;
    store_seen_end(router, pub, done);
    return done;
}

/* Of the shards that store, those that were asked to when the publication came first. */
static struct match_result publish_asked(const struct match_result *result, uint64_t tag)
{
    struct match_result asked = *result;
    if ((tag & (STORE_TAG_ALL | STORE_TAG_RECOVERED)) != 0)
        return asked;
    asked.durable.words[0] &= tag;
    for (unsigned word = 1; word < SHARD_SET_WORDS; word++)
        asked.durable.words[word] = 0;
    return asked;
}

/*
 * A durable publisher sends QoS 2 again. Its home has what it stores itself; the other shards may
 * not have theirs, if there was a crash in between. PUBREC waits until all of them have. Without a
 * crash, who was not asked to store it had nothing to store, whoever has subscribed since then.
 */
static enum reason publish_repeated(struct router *router, struct session *session, struct pub *pub,
                                    uint16_t packet_id)
{
    struct awaiting_rel_entry *entry = awaiting_rel_find(&session->awaiting, packet_id);
    const struct match_result *result = match_topic(router->matches, pub->topic, pub->topic_hash);
    if (result == NULL)
        return REASON_QUOTA_EXCEEDED;
    bool recovered = (entry->tag & STORE_TAG_RECOVERED) != 0;
    const struct match_result asked = publish_asked(result, entry->tag);
    struct pub again = *pub;
    pub->stored_session = session->stored_number;
    pub->stored_id = packet_id;
    pub->audience = PUB_FOR_DURABLE;
    router->publishing = session->conn;
    publish_ticket(router, pub, &asked);
    entry->tag |= router->stored_shards;
    bool done = publish_rest(router, pub, result);
    for (unsigned word = 0; word < SHARD_SET_WORDS; word++) {
        for (uint64_t rest = asked.durable.words[word]; rest != 0; rest &= rest - 1) {
            shard_id to = (shard_id)(word * 64 + (unsigned)__builtin_ctzll(rest));
            if (to != router->shard->id)
                done &= publish_mail(router, pub, &asked, to);
        }
    }
    pub_release(pub, router->shard->id);
    if (recovered) {
        entry->tag &= ~STORE_TAG_RECOVERED;
        entry->tag |= STORE_TAG_ALL;
        if (again.retain)
            (void)publish_retain(router, &again); /* it was accepted before, retained or not */
        for (uint32_t i = 0; i < result->groups_len; i++)
            done &= share_dispatch(router, &again, &result->groups[i]);
        pub_release(&again, router->shard->id);
    }
    router->publishing = NULL;
    router_hold(router, session, router->log_last);
    return done ? REASON_SUCCESS : REASON_QUOTA_EXCEEDED;
}

enum reason publish_inbound(struct router *router, struct session *session, struct pub *pub,
                            uint16_t packet_id)
{
    CHECK_OBJ(session, SESSION_MAGIC);
    pub->publisher = session->handle;
    pub->publisher_hash = session->id_hash;
    if (pub->qos < 2) {
        if (UNLIKELY(!permit_publish(router, session, pub)))
            return REASON_NOT_AUTHORIZED;
        enum reason reason = pub->qos == 0 ? publish_route(router, pub)
                                           : publish_acknowledged(router, session, pub);
        pub_release(pub, router->shard->id);
        return reason;
    }
    enum rc rc = awaiting_rel_add(&session->awaiting, packet_id, router->shard->now_ms, 0);
    if (rc == RC_EXISTS)
        return UNLIKELY(session_is_stored(session))
                   ? publish_repeated(router, session, pub, packet_id)
                   : REASON_SUCCESS;
    if (rc == RC_FULL)
        return REASON_RECEIVE_MAX_EXCEEDED;
    if (rc != RC_OK)
        return REASON_QUOTA_EXCEEDED;
    /* Asked after EXISTS: what was routed once is acknowledged, whatever the rules say now. */
    if (UNLIKELY(!permit_publish(router, session, pub))) {
        awaiting_rel_remove(&session->awaiting, packet_id);
        return REASON_NOT_AUTHORIZED;
    }
    bool stored = session_is_stored(session);
    if (UNLIKELY(stored) && store_inbound(router, session, packet_id, 0) != RC_OK) {
        awaiting_rel_remove(&session->awaiting, packet_id);
        return REASON_QUOTA_EXCEEDED;
    }
    if (UNLIKELY(stored)) {
        pub->stored_session = session->stored_number;
        pub->stored_id = packet_id;
        router->stored_shards = 0;
    }
    enum reason reason = publish_acknowledged(router, session, pub);
    if (UNLIKELY(stored))
        awaiting_rel_find(&session->awaiting, packet_id)->tag = router->stored_shards;
    if (UNLIKELY(stored))
        store_inbound_end(router, session, packet_id, !reason_is_failure(reason));
    pub_release(pub, router->shard->id);
    if (reason_is_failure(reason))
        awaiting_rel_remove(&session->awaiting, packet_id);
    else if (!timer_pending(&session->timer))
        session_timer_update(router, session);
    return reason;
}

enum reason publish_released(struct router *router, struct session *session, uint16_t packet_id)
{
    CHECK_OBJ(session, SESSION_MAGIC);
    if (UNLIKELY(session_is_stored(session))) {
        struct awaiting_rel_entry *entry = awaiting_rel_find(&session->awaiting, packet_id);
        uint64_t tag = entry != NULL ? entry->tag : STORE_TAG_ALL;
        if (entry != NULL && store_released(router, session, packet_id) != RC_OK)
            return REASON_QUOTA_EXCEEDED;
        router->publishing = session->conn;
        store_seen_release(router, session, packet_id, tag);
        router->publishing = NULL;
    }
    return awaiting_rel_remove(&session->awaiting, packet_id) ? REASON_SUCCESS
                                                              : REASON_PACKET_ID_NOT_FOUND;
}
