/*
 * subscribe.c -- the three ends of a subscription, tied together and undone in reverse order.
 *
 * Adding: index, then the shard's table, then the session's record; a failure on the way undoes
 * what was done. Removing moves the last record of each array into the gap, so both sides are told.
 *
 * Threads: see subscribe.h.
 */
#include "subscribe.h"

#include "feed.h"
#include "permit.h"
#include "share_dispatch.h"
#include "store.h"
#include "user_quota.h"
#include "zone.h"

static uint32_t subscribe_options(const struct router *router, const struct session *session,
                                  const struct subscribe_request *request)
{
    uint32_t options = request->qos & SUB_QOS_MASK;
    bool no_local = request->no_local;
    bool retain_as_is = request->retain_as_published;
    if (session->version < MQTT_50) {
        no_local = session->is_bridge || router_settings_of(router, session)->no_local_v3;
        retain_as_is = session->is_bridge;
    }
    if (no_local)
        options |= SUB_NO_LOCAL;
    if (retain_as_is)
        options |= SUB_RETAIN_AS_IS;
    if (session_is_stored(session))
        options |= SUB_DURABLE;
    return options;
}

/* The session's record of a filter, or NULL. `*out_id` names the filter if the index has it. */
static struct session_sub *subscribe_find(struct router *router, struct session *session,
                                          const struct topic_filter_parts *parts)
{
    struct filter_index *index = router->shared->filters;
    const struct filter *filter = filter_index_find_rcu(index, parts->filter);
    if (filter == NULL)
        return NULL;
    uint64_t number = 0;
    if (parts->is_shared) {
        const struct share_group *group = filter_index_group_by_name_rcu(index, filter->id,
                                                                         parts->group);
        if (group == NULL)
            return NULL;
        number = group->number;
    }
    return session_subs_find(&session->subs, filter->id, number);
}

static void subscribe_replace(struct router *router, struct session *session,
                              struct session_sub *sub, const struct subscribe_request *request)
{
    sub->options = subscribe_options(router, session, request);
    if (sub->member != NULL) {
        share_member_set_terms(sub->member, (struct share_terms){.sub_id = request->sub_id,
                                                                 .qos = request->qos,
                                                                 .options = (uint8_t)sub->options});
        return;
    }
    struct subtable_entry *entry = subtable_find(&router->subs, sub->id);
    CHECK(entry != NULL && sub->position < entry->count);
    struct subscriber *subscriber = &subtable_subscribers(entry)[sub->position];
    CHECK(subscriber->session == session);
    subscriber->sub_id = request->sub_id;
    subscriber->options = sub->options & 0xff;
    subtable_changed(&router->subs);
}

static enum rc subscribe_add_shared(struct router *router, struct session *session,
                                    const struct subscribe_request *request)
{
    struct filter_index *index = router->shared->filters;
    struct epoch_record *epoch = router->shard->epoch;
    struct session_sub sub = {.options = subscribe_options(router, session, request)};
    struct share_terms terms = {
        .sub_id = request->sub_id, .qos = request->qos, .options = (uint8_t)sub.options};
    enum rc rc = filter_index_group_join(index, epoch, request->parts.filter, request->parts.group,
                                         router->settings->share_strategy, session->handle, terms,
                                         session->conn != NULL, &sub.member, &sub.id);
    if (rc != RC_OK)
        return rc;
    rc = session_subs_add(&session->subs, &sub);
    if (rc != RC_OK) {
        filter_index_group_leave(index, epoch, sub.member);
        return rc;
    }
    session->shared_subs++;
    router_count(router, STAT_SUBSCRIPTIONS_SHARED, 1);
    share_announce(router, sub.member->group, sub.id);
    return RC_OK;
}

static bool subscribe_is_durable(const struct filter *filter, shard_id shard)
{
    struct shard_set set = filter_durable(filter);
    return shard_set_has(&set, shard);
}

static enum rc subscribe_add_plain(struct router *router, struct session *session,
                                   const struct subscribe_request *request)
{
    struct filter_index *index = router->shared->filters;
    shard_id self = router->shard->id;
    struct filter_id id;
    const struct filter *filter = filter_index_find_rcu(index, request->parts.filter);
    bool first = filter == NULL || subtable_find(&router->subs, filter->id) == NULL;
    bool durable = session_is_stored(session);
    enum rc rc = RC_OK;
    if (first)
        rc = filter_index_add(index, router->shard->epoch, request->parts.filter, self, durable,
                              &id);
    else
        id = filter->id;
    if (rc != RC_OK)
        return rc;
    struct session_sub sub = {.id = id, .options = subscribe_options(router, session, request)};
    struct subscriber subscriber = {.session = session,
                                    .sub_id = request->sub_id,
                                    .sub_index = session->subs.count & 0xffffff,
                                    .options = sub.options & 0xff};
    rc = subtable_add(&router->subs, id, &subscriber, &sub.position);
    if (rc == RC_OK) {
        rc = session_subs_add(&session->subs, &sub);
        if (rc != RC_OK)
            subtable_remove(&router->subs, id, sub.position);
    }
    if (rc != RC_OK && first)
        filter_index_remove(index, router->shard->epoch, id, self);
    /* The mark stays until the last subscriber of the shard goes: it costs a confirmation only. */
    if (rc == RC_OK && durable && !first && !subscribe_is_durable(filter, self))
        filter_index_set_durable(index, id, self, true);
    return rc;
}

static void subscribe_feed(struct router *router, struct session *session,
                           const struct subscribe_request *request, bool existed)
{
    if (request->parts.is_shared || request->retain_handling == MQTT_RETAIN_SEND_NEVER ||
        (request->retain_handling == MQTT_RETAIN_SEND_IF_NEW && existed) ||
        retained_count(router->shared->retained) == 0)
        return;
    const struct session_sub *sub = subscribe_find(router, session, &request->parts);
    CHECK(sub != NULL);
    struct feed_request feed = {
        .filter = request->parts.filter,
        .id = sub->id,
        .sub_id = request->sub_id,
        .granted_qos = request->qos,
        .no_local = (subscribe_options(router, session, request) & SUB_NO_LOCAL) != 0};
    if (feed_start(router, session, &feed) != RC_OK)
        router_count(router, STAT_DROP_NO_MEMORY, 1);
}

/* The options as the client gave them: what they mean to a 3.x client is decided anew. */
static uint32_t subscribe_stored_options(const struct subscribe_request *request)
{
    return (request->qos & SUB_QOS_MASK) | (request->no_local ? SUB_NO_LOCAL : 0) |
           (request->retain_as_published ? SUB_RETAIN_AS_IS : 0);
}

enum reason subscribe_add(struct router *router, struct session *session,
                          const struct subscribe_request *request)
{
    CHECK_OBJ(session, SESSION_MAGIC);
    CHECK(request->qos <= 2 && epoch_is_inside(router->shard->epoch));
    if (!permit_subscribe(router, session, request->parts.filter, request->qos))
        return REASON_NOT_AUTHORIZED;
    struct session_sub *sub = subscribe_find(router, session, &request->parts);
    if (sub == NULL &&
        session->subs.count >= router_settings_of(router, session)->max_subscriptions)
        return REASON_QUOTA_EXCEEDED;
    if (sub == NULL && !user_quota_subscribe(router, session))
        return REASON_QUOTA_EXCEEDED;
    if (session_is_stored(session) && !request->is_restored &&
        store_subscribe(router, session, &request->parts, request->sub_id,
                        (uint8_t)subscribe_stored_options(request)) != RC_OK) {
        if (sub == NULL)
            user_quota_unsubscribe(session);
        return REASON_QUOTA_EXCEEDED;
    }
    if (sub != NULL) {
        subscribe_replace(router, session, sub, request);
    } else {
        enum rc rc = request->parts.is_shared ? subscribe_add_shared(router, session, request)
                                              : subscribe_add_plain(router, session, request);
        if (rc != RC_OK) {
            user_quota_unsubscribe(session);
            if (session_is_stored(session) && !request->is_restored)
                (void)(store_unsubscribe(router, session, &request->parts) == RC_OK);
            return rc == RC_FULL ? REASON_QUOTA_EXCEEDED : REASON_UNSPECIFIED_ERROR;
        }
        router_count(router, STAT_SUBSCRIPTIONS, 1);
    }
    if (request->is_restored)
        return (enum reason)request->qos;
    router_count(router, STAT_SUBSCRIBED, 1);
    subscribe_feed(router, session, request, sub != NULL);
    return (enum reason)request->qos;
}

static void subscribe_drop(struct router *router, struct session *session, struct session_sub *sub)
{
    struct filter_index *index = router->shared->filters;
    if (sub->member != NULL) {
        filter_index_group_leave(index, router->shard->epoch, sub->member);
        CHECK(session->shared_subs > 0);
        session->shared_subs--;
        stat_sub(router->shard->stats, STAT_SUBSCRIPTIONS_SHARED, 1);
    } else if (subtable_remove(&router->subs, sub->id, sub->position) == 0) {
        filter_index_remove(index, router->shard->epoch, sub->id, router->shard->id);
    }
    stat_sub(router->shard->stats, STAT_SUBSCRIPTIONS, 1);
    user_quota_unsubscribe(session);
    struct session_sub *moved = session_subs_remove(&session->subs,
                                                    session_subs_position(&session->subs, sub));
    if (moved == NULL || moved->member != NULL)
        return;
    struct subtable_entry *entry = subtable_find(&router->subs, moved->id);
    CHECK(entry != NULL && moved->position < entry->count);
    subtable_subscribers(entry)[moved->position].sub_index = session_subs_position(&session->subs,
                                                                                   moved) &
                                                             0xffffff;
}

enum reason subscribe_remove(struct router *router, struct session *session,
                             const struct topic_filter_parts *parts)
{
    CHECK_OBJ(session, SESSION_MAGIC);
    struct session_sub *sub = subscribe_find(router, session, parts);
    if (sub == NULL)
        return REASON_NO_SUBSCRIPTION_EXISTED;
    if (session_is_stored(session) && store_unsubscribe(router, session, parts) != RC_OK)
        return REASON_IMPLEMENTATION_SPECIFIC_ERROR;
    subscribe_drop(router, session, sub);
    router_count(router, STAT_UNSUBSCRIBED, 1);
    return REASON_SUCCESS;
}

void subscribe_revoke(struct router *router, struct session *session, struct session_sub *sub)
{
    CHECK_OBJ(session, SESSION_MAGIC);
    subscribe_drop(router, session, sub);
}

void subscribe_remove_all(struct router *router, struct session *session)
{
    while (session->subs.count > 0)
        subscribe_drop(router, session, &session->subs.items[session->subs.count - 1]);
    CHECK(session->shared_subs == 0);
}

void subscribe_connected(struct router *router, struct session *session, bool is_connected)
{
    if (session->shared_subs == 0)
        return;
    for (uint32_t i = 0; i < session->subs.count; i++)
        if (session->subs.items[i].member != NULL)
            share_member_connected(router, session->subs.items[i].member, is_connected);
}
