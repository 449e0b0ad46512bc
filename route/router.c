/*
 * router.c -- one shard's part of route: construction, the end-of-turn work, settings.
 *
 * The end of a turn publishes due wills, goes on with retained walks and adds the match cache's
 * figures to the shard's counters.
 *
 * Threads: see router.h.
 */
#include "router.h"

#include <string.h>

#include "feed.h"
#include "lag.h"
#include "password_job.h"
#include "permit.h"
#include "publish.h"
#include "share_dispatch.h"
#include "store.h"
#include "store_keyed.h"
#include "store_retain.h"
#include "store_seen.h"
#include "store_taken.h"
#include "sweep.h"
#include "user_quota.h"
#include "will.h"

#define ROUTER_SESSIONS_MAX    (1u << 24)
#define ROUTER_MATCH_BYTES_MAX (32 * 1024 * 1024)
#define ROUTER_PICKER_ENTRIES  4096
#define ROUTER_LIMIT_MS        10

/* Freed messages of a shard that wait for the next: some thousands, what busy windows hold. */
#define ROUTER_RECYCLED_BYTES_MAX (2 * 1024 * 1024)

/*
 * Messages are counted where they are made and where they are freed, which may be two shards, so
 * only the sum means something. It is looked at a hundred times a second.
 */
static void router_limit_look(struct router *router)
{
    const struct runtime *runtime = router->shard->runtime;
    router->limit_next_ms = router->shard->now_ms + ROUTER_LIMIT_MS;
    if (router->settings->message_bytes_max == UINT64_MAX) {
        router->over_limit = false;
        return;
    }
    uint64_t sum = 0;
    for (unsigned i = 0; i < router->shared->shards; i++)
        sum += stat_read(runtime->shards[i].stats, STAT_MESSAGE_BYTES);
    /* Read one after the other, the parts may for a moment add up to less than nothing. */
    router->over_limit = (int64_t)sum > 0 && sum > router->settings->message_bytes_max;
}

static bool router_turn_end(struct shard *shard)
{
    struct router *router = router_of(shard);
    if (router->shard->now_ms >= router->limit_next_ms)
        router_limit_look(router);
    bool more = !list_is_empty(&router->wills.due) && wills_run(router);
    if (!list_is_empty(&router->feeds)) {
        uint64_t mark = lag_mark(router);
        more |= feeds_run(router);
        lag_since(router, mark, 0);
    }
    if (UNLIKELY(router->review.is_on))
        more |= permit_review(router);
    confirm_run(router);
    if (router->store != NULL)
        more |= store_turn_end(router);
    /* The log may have failed just now, which ends connections. */
    more |= !list_is_empty(&router->wills.due) && wills_can_run(router);
    struct match_figures figures;
    match_cache_figures(router->matches, &figures);
    router_count(router, STAT_MATCH_HITS, figures.hits - router->match_hits);
    router_count(router, STAT_MATCH_MISSES, figures.misses + figures.stale - router->match_misses);
    router->match_hits = figures.hits;
    router->match_misses = figures.misses + figures.stale;
    return more;
}

void router_tables_fill(struct shard_tables *tables)
{
    tables->mails[MAIL_PUBLISH] = publish_on_mail;
    tables->mails[MAIL_PUBLISH_STORE] = publish_on_mail;
    tables->mails[MAIL_LETTER] = publish_on_letter;
    tables->mails[MAIL_STORED] = confirm_on_mail;
    tables->mails[MAIL_SHARED] = share_on_mail;
    tables->mails[MAIL_SHARE_UP] = share_on_up;
    tables->mails[MAIL_AUTHN_SET] = authn_on_set;
    tables->drops[MAIL_AUTHN_RUN] = authn_drop_job;
    tables->drops[MAIL_AUTHN_DONE] = authn_drop_job;
    tables->drops[MAIL_AUTHN_SET] = authn_drop_set;
    tables->drops[MAIL_PASSWORD] = password_job_drop;
    tables->drops[MAIL_PASSWORD_MADE] = password_job_drop;
    tables->mails[MAIL_FORGET] = store_seen_on_forget;
    tables->mails[MAIL_UNTAKEN] = store_taken_on_mail;
    tables->mails[MAIL_RETAIN] = store_retain_on_mail;
    tables->drops[MAIL_RETAIN] = store_retain_drop;
    tables->mails[MAIL_KEYED] = store_keyed_on_mail;
    tables->drops[MAIL_KEYED] = store_keyed_drop;
    tables->drops[MAIL_KEYED_DONE] = store_keyed_drop;
    tables->drops[MAIL_PUBLISH] = publish_drop;
    tables->drops[MAIL_PUBLISH_STORE] = publish_drop;
    tables->drops[MAIL_SHARED] = share_drop;
    tables->turn_end[0] = router_turn_end;
    tables->turned = lag_turned;
}

enum rc router_open(struct shard *shard, struct route_shared *shared)
{
    SHARD_CHECK(shard);
    CHECK(shard->route == NULL && shared->sink != NULL);
    struct router *router = mem_alloc(sizeof(*router));
    if (router == NULL)
        return RC_NO_MEMORY;
    memset(router, 0, sizeof(*router));
    router->magic = ROUTER_MAGIC;
    router->shard = shard;
    router->stats = shard->stats;
    router->shared = shared;
    router->settings = shared->settings;
    router->sink = shared->sink;
    slot_table_init(&router->sessions, shard->id, ROUTER_SESSIONS_MAX);
    wills_init(router);
    list_init(&router->feeds);
    list_init(&router->parked);
    permit_take(router);
    user_quota_take(router);
    recycler_open(ROUTER_RECYCLED_BYTES_MAX);
    shard->route = router;
    struct match_cache_config config = {.index = shared->filters,
                                        .record = shard->epoch,
                                        .entries_max = MATCH_ENTRIES_USUAL,
                                        .bytes_max = ROUTER_MATCH_BYTES_MAX};
    router->matches = match_cache_create(&config);
    router->picker = share_picker_create(ROUTER_PICKER_ENTRIES, shard->now_ns ^ shard->id);
    router->authn = authn_set_create(false);
    if (router->matches == NULL || router->picker == NULL || router->authn == NULL) {
        router_close(shard);
        return RC_NO_MEMORY;
    }
    if (shard->id == 0 && sweep_start(router) != RC_OK) {
        router_close(shard);
        return RC_NO_MEMORY;
    }
    enum rc rc = store_open(router);
    if (rc != RC_OK)
        router_close(shard);
    return rc;
}

enum rc router_settle(struct shard *shard)
{
    SHARD_CHECK(shard);
    return store_taken_settle(router_of(shard));
}

void router_begin(struct shard *shard)
{
    struct router *router = router_of(shard);
    SHARD_CHECK(shard);
    if (router->shared->authn == NULL)
        return;
    authn_set_unref(router->authn);
    router->authn = authn_set_ref(router->shared->authn);
}

void router_close(struct shard *shard)
{
    struct router *router = router_of(shard);
    SHARD_CHECK(shard);
    router->closing = true;
    epoch_begin(shard->epoch);
    session_end_all(router);
    wills_fini(router);
    share_parked_fini(router);
    sweep_stop(router);
    store_close(router);
    epoch_end(shard->epoch);
    if (router->matches != NULL)
        match_cache_destroy(router->matches);
    if (router->picker != NULL)
        share_picker_destroy(router->picker);
    authn_set_unref(router->authn);
    subtable_fini(&router->subs);
    slot_table_fini(&router->sessions);
    mem_free(router->buckets);
    mem_free(router->gather);
    confirm_fini(router);
    recycler_close(ROUTER_RECYCLED_BYTES_MAX);
    router->magic = 0;
    mem_free(router);
    shard->route = NULL;
}

void router_settings_take(struct router *router)
{
    SHARD_CHECK(router->shard);
    router->settings = __atomic_load_n(&router->shared->settings, __ATOMIC_ACQUIRE);
    subtable_changed(&router->subs);
    CHECK(router->settings != NULL);
    permit_take(router);
    user_quota_take(router);
    router_limit_look(router);
}

uint8_t router_priority(const struct route_settings *settings, struct bytes topic)
{
    CHECK(settings != NULL);
    uint32_t low = 0;
    uint32_t high = settings->priorities_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct route_priority *row = &settings->priorities[middle];
        int order = topic.len != row->topic.len ? (topic.len < row->topic.len ? -1 : 1)
                                                : memcmp(topic.ptr, row->topic.ptr, topic.len);
        if (order == 0)
            return row->priority;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return settings->priority_default;
}
