/*
 * user_quota.c -- see user_quota.h.
 *
 * While a session has an account, its subscriptions and the weight of its queue are in the sums of
 * that account, and its connection if it has one; so all of it can be moved to another account.
 *
 * Threads: see user_quota.h.
 */
#include "user_quota.h"

#include "zone.h"

/* What a session has apart from its connection is counted in an account, or not any more. */
static void user_quota_move_in(const struct session *session, struct account *account)
{
    account_add(account, ACCOUNT_SUBSCRIPTIONS, session->subs.count);
    account_add(account, ACCOUNT_QUEUED_BYTES, mqueue_weight_bytes(&session->queue));
}

static void user_quota_move_out(const struct session *session, struct account *account)
{
    account_sub(account, ACCOUNT_SUBSCRIPTIONS, session->subs.count);
    account_sub(account, ACCOUNT_QUEUED_BYTES, mqueue_weight_bytes(&session->queue));
}

void user_quota_adopt(struct router *router, struct session *session)
{
    CHECK_OBJ(session, SESSION_MAGIC);
    CHECK(session->account == NULL);
    if (!router->counts_users || session->owner < ACCOUNT_USER_FIRST)
        return;
    session->account = account_take(router->shared->accounts, session->owner);
    if (session->account == NULL)
        return;
    user_quota_move_in(session, session->account);
    if (session->conn != NULL)
        account_add(session->account, ACCOUNT_CONNECTIONS, 1);
}

bool user_quota_is_set(const struct route_settings *settings, enum account_kind kind)
{
    CHECK(kind < ACCOUNT_KINDS);
    bool is_set = settings->user_max[kind] != ACCOUNT_NO_LIMIT;
    for (unsigned i = 1; i <= ROUTE_ZONES_MAX; i++)
        if (settings->of_zone[i] != NULL)
            is_set |= settings->of_zone[i]->user_max[kind] != ACCOUNT_NO_LIMIT;
    return is_set;
}

void user_quota_take(struct router *router)
{
    bool wanted = false;
    for (unsigned i = 0; i < ACCOUNT_KINDS; i++)
        wanted |= user_quota_is_set(router->settings, (enum account_kind)i);
    if (!wanted || router->counts_users)
        return;
    router->counts_users = true;
    uint32_t cursor = 0;
    struct session *session;
    while ((session = slot_table_next(&router->sessions, &cursor)) != NULL)
        user_quota_adopt(router, session);
}

enum rc user_quota_enter(struct router *router, const struct session *session, uint64_t owner,
                         uint8_t zone, struct user_quota_entry *out)
{
    *out = (struct user_quota_entry){.account = NULL};
    if (LIKELY(!router->counts_users) || owner < ACCOUNT_USER_FIRST)
        return RC_OK;
    out->account = account_take(router->shared->accounts, owner);
    if (out->account == NULL)
        return RC_NO_MEMORY;
    if (session != NULL && session->conn != NULL && session->account == out->account)
        return RC_OK; /* it takes the place of the old one */
    out->is_charged = account_charge(
        out->account, ACCOUNT_CONNECTIONS, 1,
        router_zone_settings(router, zone)->user_max[ACCOUNT_CONNECTIONS]);
    if (out->is_charged)
        return RC_OK;
    router_count(router, STAT_QUOTA_CONNECTIONS, 1);
    user_quota_undo(router, out);
    return RC_FULL;
}

void user_quota_replaced(struct session *session, struct user_quota_entry *entry)
{
    if (session->account != NULL && session->account == entry->account && !entry->is_charged)
        entry->is_charged = true;
    else
        user_quota_left(session);
}

void user_quota_undo(struct router *router, struct user_quota_entry *entry)
{
    if (entry->account == NULL)
        return;
    if (entry->is_charged)
        account_sub(entry->account, ACCOUNT_CONNECTIONS, 1);
    account_give(router->shared->accounts, entry->account);
    entry->account = NULL;
}

void user_quota_bind(struct router *router, struct session *session, struct user_quota_entry *entry)
{
    CHECK(session->conn == NULL);
    CHECK(entry->account == NULL || entry->is_charged);
    struct account *old = session->account;
    session->account = entry->account;
    if (session->account != NULL && session->account != old)
        user_quota_move_in(session, session->account);
    if (old == NULL)
        return;
    if (session->account != old)
        user_quota_move_out(session, old);
    account_give(router->shared->accounts, old);
}

void user_quota_left(struct session *session)
{
    if (session->account != NULL)
        account_sub(session->account, ACCOUNT_CONNECTIONS, 1);
}

void user_quota_end(struct router *router, struct session *session)
{
    CHECK(session->conn == NULL);
    if (session->account == NULL)
        return;
    CHECK(session->subs.count == 0 && mqueue_count(&session->queue) == 0);
    account_give(router->shared->accounts, session->account);
    session->account = NULL;
}

bool user_quota_subscribe(struct router *router, struct session *session)
{
    if (LIKELY(session->account == NULL))
        return true;
    if (account_charge(session->account, ACCOUNT_SUBSCRIPTIONS, 1,
                       router_settings_of(router, session)->user_max[ACCOUNT_SUBSCRIPTIONS]))
        return true;
    router_count(router, STAT_QUOTA_SUBSCRIPTIONS, 1);
    return false;
}

void user_quota_unsubscribe(struct session *session)
{
    if (UNLIKELY(session->account != NULL))
        account_sub(session->account, ACCOUNT_SUBSCRIPTIONS, 1);
}

bool user_quota_queue(struct router *router, struct session *session, uint64_t bytes,
                      struct mqueue_limits *limits, bool *out_narrowed)
{
    CHECK(session->account != NULL);
    uint64_t max = router_settings_of(router, session)->user_max[ACCOUNT_QUEUED_BYTES];
    uint64_t sum = account_add(session->account, ACCOUNT_QUEUED_BYTES, bytes);
    *out_narrowed = false;
    if (LIKELY(sum <= max))
        return true;
    uint64_t weight = mqueue_weight_bytes(&session->queue);
    if (sum - max > weight) {
        account_sub(session->account, ACCOUNT_QUEUED_BYTES, bytes);
        return false;
    }
    uint64_t room = weight + bytes - (sum - max);
    if (limits->bytes_max == 0 || room < limits->bytes_max) {
        limits->bytes_max = room;
        *out_narrowed = true;
    }
    return true;
}

void user_quota_retain(struct router *router, const struct pub *pub, struct retained_owner *out)
{
    const struct will *will = router->wills.promised;
    const struct session *session = NULL;
    uint8_t zone = 0;
    *out = (struct retained_owner){.user = 0};
    if (will != NULL) {
        out->user = will->msg->owner;
        zone = will->zone;
    } else if ((session = slot_table_get(&router->sessions, pub->publisher)) != NULL) {
        out->user = session->owner;
        zone = session->zone;
    }
    if (out->user < ACCOUNT_USER_FIRST)
        out->user = 0;
    if (LIKELY(!retained_counts_users(router->shared->retained)) || out->user == 0)
        return;
    const struct route_settings *settings = router_zone_settings(router, zone);
    out->count_max = settings->user_max[ACCOUNT_RETAINED];
    out->bytes_max = settings->user_max[ACCOUNT_RETAINED_BYTES];
    if (session != NULL && session->account != NULL) {
        out->account = session->account;
        account_ref(out->account);
    } else {
        out->account = account_take(router->shared->accounts, out->user);
    }
}
