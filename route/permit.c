/*
 * permit.c -- see permit.h.
 *
 * The table of decisions is direct-mapped by the topic's hash and begins with one place; a topic
 * that finds its place taken makes it four times as large, up to the bound, then takes the place.
 *
 * A review walks the sessions by slot and the subscriptions of one from the last to the first, so
 * that removing one, which moves the last into the gap, loses none. It judges at most
 * PERMIT_REVIEW_SUBS subscriptions a turn. A session that is resumed with more than that is left to
 * a review as well, and may meanwhile get what it should not.
 *
 * Threads: see permit.h.
 */
#include "permit.h"

#include "acl_set.h"
#include "alloc.h"
#include "subscribe.h"
#include "will.h"
#include "zone.h"

#define PERMIT_MAGIC           0x5045524du
#define PERMIT_REVIEW_SUBS     1024
#define PERMIT_REVIEW_SESSIONS 1024

struct permit_entry {
    uint64_t hash;  /* of the topic */
    uint8_t *topic; /* owned; NULL: free */
    uint16_t len;
    uint8_t known;   /* bit QoS * 2 + RETAIN: it was decided */
    uint8_t allowed; /* the decision */
};

struct permit {
    uint32_t magic;
    uint32_t generation; /* of the rules with which it was decided */
    uint32_t mask;       /* places - 1 */
    struct permit_entry entries[];
};

/* --- the question --- */

/* What could be denied to anybody, now. */
static void permit_judged(struct router *router)
{
    const struct acl_set *acl = router->acl;
    router->judged_publish = acl == NULL ? 0 : acl_set_judges_publish(acl);
    router->judged_subscribe = acl != NULL && acl_set_judges(acl, ACL_SUBSCRIBE);
    if (router->has_own_rules) {
        router->judged_publish = ACL_TOPICS_ALL;
        router->judged_subscribe = true;
    }
}

static bool permit_rule_fits(const struct identity_rule *rule, const struct client_identity *client,
                             const struct acl_query *query)
{
    if ((rule->actions & query->action) == 0 || (rule->qos >> query->qos & 1) == 0)
        return false;
    if (query->action == ACL_PUBLISH && rule->retain != IDENTITY_RETAIN_ANY &&
        query->retain != (rule->retain == IDENTITY_RETAIN_SET))
        return false;
    return acl_topic_fits(rule->topic, rule->is_literal, rule->allow, client, query);
}

/* What the client itself calls it. One of before it came from elsewhere goes by its whole name. */
static struct bytes permit_name(const struct client_identity *client, struct bytes topic)
{
    struct bytes mount = client->mount;
    if (mount.len == 0 || topic.len <= mount.len || memcmp(topic.ptr, mount.ptr, mount.len) != 0)
        return topic;
    return bytes_of(topic.ptr + mount.len, topic.len - mount.len);
}

static bool permit_judge(const struct router *router, const struct client_identity *client,
                         const struct acl_query *asked)
{
    struct acl_query own = *asked;
    const struct acl_query *query = &own;
    own.topic = permit_name(client, asked->topic);
    STATIC_CHECK(ACL_PUBLISH == IDENTITY_PUBLISH && ACL_SUBSCRIBE == IDENTITY_SUBSCRIBE,
                 "one set of actions");
    if (client->is_superuser)
        return true;
    for (uint32_t i = 0; i < client->rules_num; i++)
        if (permit_rule_fits(&client->rules[i], client, query))
            return client->rules[i].allow;
    if (client->has_rules)
        return false;
    return router->acl == NULL || acl_set_allows(router->acl, client, query);
}

/* --- what is remembered --- */

static struct permit *permit_create(uint32_t places)
{
    struct permit *permit = alloc_zeroed(sizeof(*permit) + places * sizeof(permit->entries[0]));
    if (permit == NULL)
        return NULL;
    permit->magic = PERMIT_MAGIC;
    permit->mask = places - 1;
    return permit;
}

void permit_free(struct session *session)
{
    struct permit *permit = session->permit;
    if (permit == NULL)
        return;
    CHECK_OBJ(permit, PERMIT_MAGIC);
    for (uint32_t i = 0; i <= permit->mask; i++)
        mem_free(permit->entries[i].topic);
    permit->magic = 0;
    mem_free(permit);
    session->permit = NULL;
}

/* Four times the places, as far as the bound allows. */
static void permit_grow(const struct router *router, struct session *session)
{
    struct permit *old = session->permit;
    uint32_t places = (old->mask + 1) * 4;
    if (places > router_settings_of(router, session)->permit_cache_max)
        return;
    struct permit *grown = permit_create(places);
    if (grown == NULL)
        return;
    grown->generation = old->generation;
    for (uint32_t i = 0; i <= old->mask; i++) {
        struct permit_entry *from = &old->entries[i];
        if (from->topic == NULL)
            continue;
        struct permit_entry *to = &grown->entries[from->hash & grown->mask];
        CHECK(to->topic == NULL);
        *to = *from;
        from->topic = NULL;
    }
    session->permit = grown;
    mem_free(old);
}

/* The place for a topic's decisions, emptied if another had it. NULL: nothing is remembered. */
static struct permit_entry *permit_place(const struct router *router, struct session *session,
                                         const struct pub *pub)
{
    if (router_settings_of(router, session)->permit_cache_max == 0 ||
        pub->topic.len > PERMIT_TOPIC_MAX)
        return NULL;
    if (session->permit != NULL && session->permit->generation != router->acl_generation)
        permit_free(session);
    if (session->permit == NULL && (session->permit = permit_create(1)) == NULL)
        return NULL;
    session->permit->generation = router->acl_generation;
    struct permit_entry *entry = &session->permit->entries[pub->topic_hash & session->permit->mask];
    bool is_other = entry->topic != NULL &&
                    (entry->hash != pub->topic_hash ||
                     !bytes_equal(bytes_of(entry->topic, entry->len), pub->topic));
    if (is_other && entry->hash != pub->topic_hash) {
        permit_grow(router, session);
        entry = &session->permit->entries[pub->topic_hash & session->permit->mask];
        is_other = entry->topic != NULL;
    }
    if (entry->topic != NULL && !is_other)
        return entry;
    mem_free(entry->topic);
    *entry = (struct permit_entry){.hash = pub->topic_hash, .len = (uint16_t)pub->topic.len};
    entry->topic = mem_alloc(pub->topic.len);
    if (entry->topic == NULL)
        return NULL;
    memcpy(entry->topic, pub->topic.ptr, pub->topic.len);
    return entry;
}

/* --- publishing --- */

static bool permit_publish_decide(struct router *router, struct session *session,
                                  const struct pub *pub, uint8_t bit)
{
    struct client_identity client;
    session_identity(router, session, &client);
    struct acl_query query = {
        .topic = pub->topic, .action = ACL_PUBLISH, .qos = pub->qos, .retain = pub->retain};
    bool allowed = permit_judge(router, &client, &query);
    struct permit_entry *entry = permit_place(router, session, pub);
    if (entry != NULL) {
        entry->known |= bit;
        entry->allowed = (uint8_t)(allowed ? entry->allowed | bit : entry->allowed & ~bit);
    }
    return allowed;
}

bool permit_publish_judged(struct router *router, struct session *session, const struct pub *pub)
{
    CHECK(pub->qos <= 2 && pub->topic.len > 0);
    uint8_t bit = (uint8_t)(1u << (pub->qos * 2 + pub->retain));
    const struct permit *permit = session->permit;
    bool allowed = false;
    bool known = false;
    if (LIKELY(permit != NULL && permit->generation == router->acl_generation)) {
        const struct permit_entry *entry = &permit->entries[pub->topic_hash & permit->mask];
        known = entry->hash == pub->topic_hash && (entry->known & bit) != 0 &&
                entry->len == pub->topic.len &&
                memcmp(entry->topic, pub->topic.ptr, pub->topic.len) == 0;
        allowed = known && (entry->allowed & bit) != 0;
    }
    if (LIKELY(known))
        router_count(router, STAT_PERMIT_HITS, 1);
    else
        allowed = permit_publish_decide(router, session, pub, bit);
    router_count(router, allowed ? STAT_PERMIT_PUBLISH : STAT_DENY_PUBLISH, 1);
    return allowed;
}

bool permit_will(struct router *router, struct session *session)
{
    CHECK(session->will != NULL && session->conn != NULL);
    const struct pub *pub = &session->will->msg->pub;
    if (permit_publish(router, session, pub))
        return true;
    router_count(router, STAT_DENY_WILL, 1);
    return false;
}

/* --- subscribing --- */

static bool permit_filter(const struct router *router, const struct client_identity *client,
                          struct bytes filter, uint8_t qos)
{
    struct acl_query query = {.topic = filter, .action = ACL_SUBSCRIBE, .qos = qos};
    return permit_judge(router, client, &query);
}

bool permit_subscribe(struct router *router, struct session *session, struct bytes filter,
                      uint8_t qos)
{
    CHECK(qos <= 2 && filter.len > 0);
    if (!router->judged_subscribe)
        return true;
    struct client_identity client;
    session_identity(router, session, &client);
    bool allowed = permit_filter(router, &client, filter, qos);
    router_count(router, allowed ? STAT_PERMIT_SUBSCRIBE : STAT_DENY_SUBSCRIBE, 1);
    return allowed;
}

/* Judges the subscriptions below *at, from the last to the first, at most *left of them. */
static void permit_review_session(struct router *router, struct session *session, uint32_t *at,
                                  uint32_t *left)
{
    struct client_identity client;
    session_identity(router, session, &client);
    if (*at > session->subs.count)
        *at = session->subs.count;
    for (; *at > 0 && *left > 0; (*left)--) {
        struct session_sub *sub = &session->subs.items[--*at];
        const struct filter *filter = filter_index_by_id_rcu(router->shared->filters, sub->id);
        CHECK(filter != NULL);
        if (permit_filter(router, &client, filter_text(filter), sub->options & SUB_QOS_MASK))
            continue;
        router_count(router, STAT_REVOKED, 1);
        subscribe_revoke(router, session, sub);
    }
}

/* Reviews what is not reviewed yet: from now on, or once more when the walk is at its end. */
static void permit_review_start(struct router *router)
{
    if (router->review.is_on)
        router->review.again = true;
    else
        router->review = (struct permit_progress){.is_on = true, .session = HANDLE_NONE};
}

void permit_resumed(struct router *router, struct session *session)
{
    CHECK(session->conn != NULL);
    session->reviewed = router->acl_generation;
    if (!router->judged_subscribe || session->subs.count == 0)
        return;
    uint32_t at = session->subs.count;
    uint32_t left = PERMIT_REVIEW_SUBS;
    permit_review_session(router, session, &at, &left);
    if (at == 0)
        return;
    session->reviewed = 0;
    permit_review_start(router);
}

void permit_forget(struct router *router, struct session *session)
{
    CHECK_OBJ(session, SESSION_MAGIC);
    permit_free(session);
    if (session->identity == NULL)
        return;
    const struct identity_draft *is = &session->identity->is;
    router->has_own_rules |= is->has_rules || is->rules_num > 0;
    permit_judged(router);
}

/* --- new rules --- */

void permit_take(struct router *router)
{
    const struct acl_set *newest = __atomic_load_n(&router->shared->acl, __ATOMIC_ACQUIRE);
    if (newest == router->acl && router->acl_generation != 0)
        return;
    router->acl = newest;
    if (++router->acl_generation == 0) /* 0 is no generation */
        router->acl_generation = 1;
    permit_judged(router);
    if (router->judged_subscribe)
        permit_review_start(router);
}

/* The next session that the review is for, or NULL: none in this stretch, or at all. */
static struct session *permit_review_next(struct router *router, uint32_t *sessions)
{
    struct permit_progress *review = &router->review;
    struct session *session = NULL;
    if (!handle_is_none(review->session))
        session = slot_table_get(&router->sessions, review->session);
    while (session == NULL && *sessions > 0) {
        (*sessions)--;
        session = slot_table_next(&router->sessions, &review->cursor);
        if (session == NULL) {
            *review = (struct permit_progress){.is_on = review->again, .session = HANDLE_NONE};
            return NULL;
        }
        review->at = session->subs.count;
        if (session->conn == NULL || session->reviewed == router->acl_generation)
            session = NULL;
    }
    review->session = session == NULL ? HANDLE_NONE : session->handle;
    return session;
}

bool permit_review(struct router *router)
{
    struct permit_progress *review = &router->review;
    uint32_t left = PERMIT_REVIEW_SUBS;
    uint32_t sessions = PERMIT_REVIEW_SESSIONS;
    while (review->is_on && left > 0 && sessions > 0) {
        struct session *session = permit_review_next(router, &sessions);
        if (session == NULL)
            continue;
        if (session->conn != NULL)
            permit_review_session(router, session, &review->at, &left);
        if (session->conn != NULL && review->at > 0)
            continue;
        session->reviewed = router->acl_generation;
        review->session = HANDLE_NONE;
    }
    return review->is_on;
}
