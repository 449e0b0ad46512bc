/*
 * session.c -- sessions from CONNECT to their end.
 *
 * The client id table is chained, with twice as many buckets as it needs when it grows; ids are
 * compared only when the keyed hash is equal. A session is one allocation with its id behind it.
 *
 * Threads: see session.h.
 */
#include "session.h"

#include <string.h>

#include "feed.h"
#include "outbound.h"
#include "permit.h"
#include "router.h"
#include "share_handover.h"
#include "store_will.h"
#include "subscribe.h"
#include "user_quota.h"
#include "zone.h"

#define SESSION_BUCKETS_FIRST 256

/* How often a log that takes nothing is asked whether sessions may end. */
#define SESSION_END_AGAIN_MS 1000

uint64_t session_id_hash(const struct router *router, struct bytes client_id)
{
    return hash_keyed(&router->shared->home_key, client_id);
}

shard_id session_home(const struct router *router, struct bytes client_id)
{
    return (shard_id)(session_id_hash(router, client_id) % router->shared->shards);
}

static struct session *session_lookup(struct router *router, struct bytes client_id, uint64_t hash)
{
    if (router->buckets == NULL)
        return NULL;
    struct session *session = router->buckets[(hash >> 8) & router->buckets_mask];
    while (session != NULL &&
           (session->id_hash != hash || !bytes_equal(session_id(session), client_id)))
        session = session->hash_next;
    return session;
}

struct session *session_find(struct router *router, struct bytes client_id)
{
    CHECK_OBJ(router, ROUTER_MAGIC);
    return session_lookup(router, client_id, session_id_hash(router, client_id));
}

static bool session_buckets_reserve(struct router *router)
{
    uint32_t count = router->sessions.num_live;
    uint32_t have = router->buckets == NULL ? 0 : router->buckets_mask + 1;
    if (count < have)
        return true;
    uint32_t want = have == 0 ? SESSION_BUCKETS_FIRST : have * 2;
    struct session **buckets = mem_alloc(want * sizeof(*buckets));
    if (buckets == NULL)
        return have > 0; /* longer chains are slower, not wrong */
    memset(buckets, 0, want * sizeof(*buckets));
    for (uint32_t i = 0; i < have; i++) {
        struct session *session = router->buckets[i];
        while (session != NULL) {
            struct session *next = session->hash_next;
            struct session **bucket = &buckets[(session->id_hash >> 8) & (want - 1)];
            session->hash_next = *bucket;
            *bucket = session;
            session = next;
        }
    }
    mem_free(router->buckets);
    router->buckets = buckets;
    router->buckets_mask = want - 1;
    return true;
}

static void session_await_rel_expire(struct router *router, struct session *session)
{
    struct awaiting_rel_entry entry;
    uint64_t timeout_ms = router_settings_of(router, session)->await_rel_timeout_ms;
    if (timeout_ms > router->shard->now_ms)
        return;
    while (awaiting_rel_expire(&session->awaiting, router->shard->now_ms - timeout_ms, &entry)) {
        router_count(router, STAT_RELEASED_TIMEOUT, 1);
        if (session_is_stored(session))
            store_forget_inbound(router, session, entry.packet_id, entry.tag);
    }
}

/*
 * The session is over, but its log cannot be told: it stays until it can, without its will, which
 * the end of the session makes due. False: it may end.
 */
static bool session_end_waits(struct router *router, struct session *session)
{
    CHECK(session->conn == NULL);
    if (LIKELY(!session_is_stored(session)) || !store_is_failed(router->store))
        return false;
    if (session->will != NULL)
        will_due(router, session->will);
    session->will = NULL;
    session->will_at_ms = 0;
    session->has_ended = true;
    session->expires_at_ms = router->shard->now_ms + SESSION_END_AGAIN_MS;
    return true;
}

static void session_on_timer(struct timer_wheel *wheel, struct timer *timer, uint64_t now_ms)
{
    struct session *session = CONTAINER_OF(timer, struct session, timer);
    CHECK_OBJ(session, SESSION_MAGIC);
    struct router *router = router_of(wheel->owner);
    if (session->conn == NULL && session->expires_at_ms != 0 && now_ms >= session->expires_at_ms &&
        !session_end_waits(router, session)) {
        router_count(router, STAT_SESSIONS_EXPIRED, 1);
        session_end(router, session);
        return;
    }
    if (session->will_at_ms != 0 && now_ms >= session->will_at_ms) {
        CHECK(session->will != NULL && session->conn == NULL);
        session->will_at_ms = 0;
        will_due(router, session->will);
        session->will = NULL;
    }
    session_await_rel_expire(router, session);
    session_timer_update(router, session);
}

void session_timer_update(struct router *router, struct session *session)
{
    uint64_t at_ms = UINT64_MAX;
    if (session->conn == NULL && session->expires_at_ms != 0)
        at_ms = session->expires_at_ms;
    if (session->will_at_ms != 0 && session->will_at_ms < at_ms)
        at_ms = session->will_at_ms;
    struct awaiting_rel_entry *oldest = awaiting_rel_oldest(&session->awaiting);
    uint64_t timeout_ms = router_settings_of(router, session)->await_rel_timeout_ms;
    if (oldest != NULL && timeout_ms != UINT64_MAX && oldest->received_ms + timeout_ms < at_ms)
        at_ms = oldest->received_ms + timeout_ms;
    if (at_ms != UINT64_MAX)
        timer_set(&router->shard->timers, &session->timer, at_ms);
    else if (timer_pending(&session->timer))
        timer_cancel(&router->shard->timers, &session->timer);
}

static enum rc session_create(struct router *router, struct bytes client_id, uint64_t hash,
                              struct session **out)
{
    if (!session_buckets_reserve(router))
        return RC_NO_MEMORY;
    struct session *session = mem_alloc(sizeof(*session) + client_id.len);
    if (session == NULL)
        return RC_NO_MEMORY;
    memset(session, 0, sizeof(*session));
    enum rc rc = slot_table_add(&router->sessions, session, &session->handle);
    if (rc != RC_OK) {
        mem_free(session);
        return rc;
    }
    session->magic = SESSION_MAGIC;
    session->id_hash = hash;
    CHECK(client_id.len <= STRING_LEN_MAX);
    session->id_len = (uint16_t)client_id.len;
    memcpy(session->id, client_id.ptr, client_id.len);
    timer_init(&session->timer, session_on_timer);
    inflight_init(&session->inflight, router->settings->max_inflight);
    awaiting_rel_init(&session->awaiting, router->settings->max_awaiting_rel);
    mqueue_init(&session->queue);
    session->stored_next = 1;
    struct session **bucket = &router->buckets[(hash >> 8) & router->buckets_mask];
    session->hash_next = *bucket;
    *bucket = session;
    router_count(router, STAT_SESSIONS, 1);
    router_count(router, STAT_SESSIONS_CREATED, 1);
    *out = session;
    return RC_OK;
}

static void session_unhash(struct router *router, struct session *session)
{
    struct session **link = &router->buckets[(session->id_hash >> 8) & router->buckets_mask];
    while (*link != session) {
        CHECK(*link != NULL);
        link = &(*link)->hash_next;
    }
    *link = session->hash_next;
}

void session_end(struct router *router, struct session *session)
{
    CHECK_OBJ(session, SESSION_MAGIC);
    CHECK(session->conn == NULL);
    if (session_is_stored(session) && !router->closing)
        store_forget_received(router, session);
    if (session->load != NULL)
        store_load_cancel(router, session);
    if (session->will != NULL) {
        will_due(router, session->will);
        session->will = NULL;
    }
    if (timer_pending(&session->timer))
        timer_cancel(&router->shard->timers, &session->timer);
    identity_destroy(session->identity);
    permit_free(session);
    subscribe_remove_all(router, session);
    feed_end_all(router, session);
    outbound_discard(router, session);
    user_quota_end(router, session);
    /* Behind what it has passed on, which must not be lost with it. */
    if (session_is_stored(session) && !router->closing)
        handover_session_ended(router, session);
    awaiting_rel_fini(&session->awaiting);
    session_subs_fini(&session->subs);
    session_unhash(router, session);
    slot_table_remove(&router->sessions, session->handle);
    stat_sub(router->shard->stats, STAT_SESSIONS, 1);
    session->magic = 0;
    mem_free(session);
}

static void session_will_cancel(struct router *router, struct session *session)
{
    if (session->will == NULL)
        return;
    if (!router->closing)
        store_will_gone(router, session->will->stored_number);
    will_free(session->will, router->shard->id);
    session->will = NULL;
    session->will_at_ms = 0;
    router_count(router, STAT_WILLS_CANCELLED, 1);
}

/* The connection is about to go, and with it what is known of its client's address. */
static void session_will_judge(struct router *router, struct session *session)
{
    if (session->will != NULL && !permit_will(router, session))
        session_will_cancel(router, session);
}

/*
 * A newer connection takes the session: its old one is closed with 0x8E [MQTT-3.1.4-3]. The old
 * connection's will goes out if its delay is 0, otherwise the new connection came in time.
 */
static void session_take_over(struct router *router, struct session *session,
                              struct user_quota_entry *quota)
{
    CHECK(session->conn != NULL);
    session_will_judge(router, session);
    router_count(router, STAT_SESSIONS_TAKEN_OVER, 1);
    router->sink->close(session->conn, REASON_SESSION_TAKEN_OVER);
    session->conn = NULL;
    outbound_stall(router, session, false);
    user_quota_replaced(session, quota);
    stat_sub(router->shard->stats, STAT_SESSIONS_CONNECTED, 1);
    subscribe_connected(router, session, false);
    if (session->will != NULL && session->will->delay_s == 0) {
        will_due(router, session->will);
        session->will = NULL;
    }
}

static void session_bind(struct router *router, struct session *session,
                         const struct attach_request *request)
{
    session->zone = request->zone;
    const struct route_settings *settings = router_settings_of(router, session);
    uint16_t window = settings->max_inflight;
    if (request->receive_max < window)
        window = request->receive_max;
    session_will_cancel(router, session);
    session->conn = request->conn;
    session->version = request->version;
    session->is_bridge = request->is_bridge;
    session->is_mounted = request->is_mounted;
    session->expiry_s = request->expiry_s;
    session->expires_at_ms = 0;
    session->will_at_ms = 0;
    session->will = request->will;
    identity_destroy(session->identity);
    session->identity = request->identity;
    permit_forget(router, session);
    inflight_set_max(&session->inflight, window);
    awaiting_rel_set_max(&session->awaiting, settings->max_awaiting_rel);
    session_timer_update(router, session);
    subscribe_connected(router, session, true);
    router_count(router, STAT_SESSIONS_CONNECTED, 1);
    permit_resumed(router, session);
}

/*
 * 0: not known, as in logs of before; 1: a client without a user name. A hash, because it is kept
 * for each session, keyed by the secret of the data directory, because it is in the log.
 */
static uint64_t session_owner_of(const struct router *router, const struct identity *identity)
{
    if (identity == NULL || identity->is.username.len == 0)
        return 1;
    uint64_t hash = hash_keyed(&router->shared->home_key, identity->is.username);
    return hash > 1 ? hash : 2;
}

/* What CONNECT brought into the log. */
struct session_logged {
    uint64_t number; /* 0: the session is not durable */
    uint64_t lsn;
};

/* Logs CONNECT if the session is or becomes durable. False: the log takes nothing. */
static bool session_log_attach(struct router *router, const struct session *session,
                               const struct attach_request *request, uint64_t owner,
                               struct session_logged *out)
{
    bool stored = session != NULL && session_is_stored(session);
    if (request->expiry_s == 0 && !stored)
        return true;
    return store_attach(router, stored ? session : NULL, request, owner, &out->number, &out->lsn) ==
           RC_OK;
}

/* Nobody objects: the session is resumed, or made, and bound. RC_FULL, RC_NO_MEMORY, RC_IO. */
static enum rc session_attach_allowed(struct router *router, struct session *session,
                                      const struct attach_request *request, uint64_t owner,
                                      struct user_quota_entry *quota, struct attach_result *out)
{
    /* Without an expiry the session ends with its connection, also when it is taken over. */
    bool ends = session != NULL &&
                (request->clean_start || session->expiry_s == 0 || session->has_ended);
    bool ends_stored = ends && session_is_stored(session);
    struct session_logged logged = {0};
    if (UNLIKELY(ends_stored) && store_is_failed(router->store))
        return RC_IO;
    if (UNLIKELY(router->store != NULL) &&
        !session_log_attach(router, ends ? NULL : session, request, owner, &logged))
        return RC_IO;
    if (session != NULL && session->conn != NULL)
        session_take_over(router, session, quota);
    uint64_t gaps = stat_read(router->stats, STAT_LOG_GAPS);
    if (ends) {
        router_count(router, STAT_SESSIONS_DISCARDED, 1);
        session_end(router, session);
        session = NULL;
        /* Without memory. A new durable session says in the log that the old one has ended. */
        if (ends_stored && logged.number == 0 && stat_read(router->stats, STAT_LOG_GAPS) != gaps)
            return RC_IO;
    }
    *out = (struct attach_result){.session = session, .session_present = session != NULL};
    if (session == NULL) {
        uint64_t hash = session_id_hash(router, request->client_id);
        enum rc rc = session_create(router, request->client_id, hash, &out->session);
        if (rc != RC_OK) {
            if (logged.number != 0)
                store_attach_undo(router, logged.number, request->will);
            return rc;
        }
    } else {
        router_count(router, STAT_SESSIONS_RESUMED, 1);
    }
    out->session->owner = owner;
    user_quota_bind(router, out->session, quota);
    session_bind(router, out->session, request);
    if (logged.number != 0) {
        out->session->stored_number = logged.number;
        router_hold(router, out->session, logged.lsn);
    } else if (ends_stored) {
        router_hold(router, out->session, router->log_last); /* CONNACK says that it is gone */
    }
    return RC_OK;
}

enum rc session_attach(struct router *router, const struct attach_request *request,
                       struct attach_result *out)
{
    SHARD_CHECK(router->shard);
    CHECK(request->conn != NULL && request->receive_max > 0);
    CHECK(request->zone <= ROUTE_ZONES_MAX);
    uint64_t hash = session_id_hash(router, request->client_id);
    CHECK(hash % router->shared->shards == router->shard->id);
    struct session *session = session_lookup(router, request->client_id, hash);
    uint64_t owner = session_owner_of(router, request->identity);
    if (request->will != NULL) {
        request->will->msg->owner = owner;
        request->will->zone = request->zone;
    }
    const struct route_settings *settings = router_zone_settings(router, request->zone);
    if (settings->session_owner && session != NULL && session->owner != 0 &&
        session->owner != owner) {
        router_count(router, STAT_SESSIONS_NOT_OWNED, 1);
        return RC_DENIED;
    }
    struct user_quota_entry quota;
    enum rc rc = user_quota_enter(router, session, owner, request->zone, &quota);
    if (rc != RC_OK)
        return rc;
    rc = session_attach_allowed(router, session, request, owner, &quota, out);
    if (rc != RC_OK)
        user_quota_undo(router, &quota);
    return rc;
}

void session_start(struct router *router, struct session *session)
{
    CHECK_OBJ(session, SESSION_MAGIC);
    CHECK(session->conn != NULL);
    outbound_resume(router, session);
}

void session_detach(struct router *router, struct session *session, bool publish_will)
{
    SHARD_CHECK(router->shard);
    CHECK_OBJ(session, SESSION_MAGIC);
    CHECK(session->conn != NULL);
    if (publish_will)
        session_will_judge(router, session);
    else
        session_will_cancel(router, session);
    session->conn = NULL;
    outbound_stall(router, session, false);
    user_quota_left(session);
    stat_sub(router->shard->stats, STAT_SESSIONS_CONNECTED, 1);
    subscribe_connected(router, session, false);
    bool is_over = session->expiry_s == 0;
    if (is_over && !session_end_waits(router, session)) {
        session_end(router, session);
        return;
    }
    uint64_t now_ms = router->shard->now_ms;
    if (session->will != NULL && session->will->delay_s == 0) {
        will_due(router, session->will);
        session->will = NULL;
    }
    if (session->will != NULL)
        session->will_at_ms = now_ms + session->will->delay_s * UINT64_C(1000);
    if (session->expiry_s != MQTT_EXPIRY_NEVER_S && !is_over)
        session->expires_at_ms = now_ms + session->expiry_s * UINT64_C(1000);
    outbound_lost(router, session);
    if (session_is_stored(session)) {
        store_detached(router, session);
        store_shed(router, session);
    }
    session_trim(session);
    session_timer_update(router, session);
}

void session_identity(const struct router *router, const struct session *session,
                      struct client_identity *out)
{
    SHARD_CHECK(router->shard);
    CHECK_OBJ(session, SESSION_MAGIC);
    memset(out, 0, sizeof(*out));
    out->client_id = session_id(session);
    if (session->conn != NULL)
        router->sink->address(session->conn, out);
    if (session->identity == NULL)
        return;
    const struct identity_draft *is = &session->identity->is;
    out->username = is->username;
    out->cert_common_name = is->cert_common_name;
    out->cert_subject = is->cert_subject;
    out->attrs = is->attrs;
    out->attrs_num = is->attrs_num;
    out->rules = is->rules;
    out->rules_num = is->rules_num;
    out->has_rules = is->has_rules;
    out->is_superuser = is->is_superuser;
}

void session_identify(struct router *router, struct session *session, struct identity *identity)
{
    SHARD_CHECK(router->shard);
    CHECK_OBJ(session, SESSION_MAGIC);
    identity_destroy(session->identity);
    session->identity = identity;
    permit_forget(router, session);
    permit_resumed(router, session);
}

enum rc session_restore(struct router *router, struct bytes client_id, uint64_t stored_number,
                        struct session **out)
{
    CHECK(stored_number != 0);
    uint64_t hash = hash_keyed(&router->shared->home_key, client_id);
    CHECK(hash % router->shared->shards == router->shard->id);
    if (session_lookup(router, client_id, hash) != NULL)
        return RC_EXISTS;
    enum rc rc = session_create(router, client_id, hash, out);
    if (rc == RC_OK)
        (*out)->stored_number = stored_number;
    return rc;
}

void session_trim(struct session *session)
{
    CHECK_OBJ(session, SESSION_MAGIC);
    inflight_trim(&session->inflight);
    awaiting_rel_trim(&session->awaiting);
    mqueue_trim(&session->queue);
    permit_free(session);
}

void session_end_all(struct router *router)
{
    uint32_t cursor = 0;
    struct session *session;
    while ((session = slot_table_next(&router->sessions, &cursor)) != NULL) {
        if (session->conn != NULL)
            user_quota_left(session);
        session->conn = NULL;
        outbound_stall(router, session, false);
        session_will_cancel(router, session);
        session_end(router, session);
    }
}
