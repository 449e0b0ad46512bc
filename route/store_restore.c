/*
 * store_restore.c -- see store_restore.h.
 *
 * Threads: see store_restore.h.
 */
#include "store_restore.h"

#include "retained.h"
#include "store_seen.h"
#include "store_taken.h"
#include "subscribe.h"
#include "sweep.h"
#include "user_quota.h"
#include "will.h"

struct restore {
    struct router *router;
    struct store *store;
    struct store_image *image;
    uint64_t alive_wall_ms;
    uint64_t now_wall_ms;
};

/* How long ago the session lost its connection, in ms. */
static uint64_t restore_away_ms(const struct restore *restore, const struct image_session *from)
{
    uint64_t since_ms = from->wall_ms != 0 ? from->wall_ms : restore->alive_wall_ms;
    return restore->now_wall_ms > since_ms ? restore->now_wall_ms - since_ms : 0;
}

/* The moment at which a time of `interval_s` that has run for `away_ms` is over. */
static uint64_t restore_due_ms(const struct restore *restore, uint32_t interval_s, uint64_t away_ms)
{
    uint64_t now_ms = restore->router->shard->now_ms;
    uint64_t interval_ms = interval_s * UINT64_C(1000);
    return now_ms + (interval_ms > away_ms ? interval_ms - away_ms : 0);
}

static void restore_ref(const struct restore *restore, uint64_t location, uint32_t bytes)
{
    if (location != 0)
        store_keep(restore->store, location, bytes);
}

/* The group of a shared delivery as this process knows it; without it an ordinary delivery. */
static void restore_aux(const struct restore *restore, struct session *session, void **aux)
{
    struct delivery_extra *extra = sub_ids_extra(*aux);
    if (extra == NULL || extra->group == 0)
        return;
    struct topic_filter_parts parts;
    struct bytes text = image_group(restore->image, extra->group);
    const struct filter_index *filters = restore->router->shared->filters;
    const struct share_group *group = NULL;
    if (topic_filter_split(text, &parts) == TOPIC_OK && parts.is_shared) {
        const struct filter *filter = filter_index_find_rcu(filters, parts.filter);
        if (filter != NULL &&
            (group = filter_index_group_by_name_rcu(filters, filter->id, parts.group)) != NULL)
            extra->filter = filter->id;
    }
    session->shared_seen = true;
    if (group != NULL) {
        extra->group = group->number;
        return;
    }
    uint32_t sub_id = extra->count > 0 ? extra->ids[0] : 0;
    sub_ids_free(extra);
    if (!sub_ids_pack(&sub_id, sub_id != 0 ? 1 : 0, aux))
        *aux = NULL;
}

/* Window and queue are moved: the image's are empty afterwards. */
static void restore_deliveries(const struct restore *restore, struct session *session,
                               struct image_session *from)
{
    struct router *router = restore->router;
    uint16_t window_max = session->inflight.window_max;
    session->inflight = from->state->window;
    session->inflight.window_max = window_max;
    session->queue = from->state->queue;
    inflight_init(&from->state->window, 1);
    mqueue_init(&from->state->queue);
    session->stored_next = from->entry_next;
    struct inflight_entry *entry = inflight_first(&session->inflight);
    for (; entry != NULL; entry = inflight_next(&session->inflight, entry)) {
        if (entry->state == INFLIGHT_WAIT_PUBCOMP) {
            entry->location = 0; /* only its packet id is needed */
            entry->bytes = 0;
        }
        session->inflight_bytes += entry->bytes;
        restore_ref(restore, entry->location, entry->bytes);
        restore_aux(restore, session, &entry->aux);
    }
    struct mqueue_cursor cursor;
    struct mqueue_entry *queued = mqueue_first(&session->queue, &cursor);
    for (; queued != NULL; queued = mqueue_next(&session->queue, &cursor)) {
        restore_ref(restore, queued->location, queued->bytes);
        restore_aux(restore, session, &queued->aux);
    }
    router_count(router, STAT_INFLIGHT, session->inflight.count);
    router_count(router, STAT_QUEUE_MESSAGES, mqueue_count(&session->queue));
    router_count(router, STAT_QUEUE_BYTES, mqueue_weight_bytes(&session->queue));
}

static enum rc restore_subs(const struct restore *restore, struct session *session,
                            const struct image_session *from)
{
    struct list_node *node = list_first(&from->state->subs);
    for (; node != NULL && node != &from->state->subs; node = node->next) {
        const struct image_sub *sub = CONTAINER_OF(node, struct image_sub, link);
        struct subscribe_request request = {
            .sub_id = sub->sub_id,
            .qos = sub->options & SUB_QOS_MASK,
            .no_local = (sub->options & SUB_NO_LOCAL) != 0,
            .retain_as_published = (sub->options & SUB_RETAIN_AS_IS) != 0,
            .retain_handling = MQTT_RETAIN_SEND_NEVER,
            .is_restored = true};
        struct bytes text = bytes_of(sub->filter, sub->filter_len);
        if (request.qos > 2 || topic_filter_split(text, &request.parts) != TOPIC_OK ||
            topic_filter_check(request.parts.filter, TOPIC_LEVELS_MAX) != TOPIC_OK)
            continue; /* never written by this broker */
        enum reason reason = subscribe_add(restore->router, session, &request);
        if (reason == REASON_UNSPECIFIED_ERROR)
            return RC_NO_MEMORY;
        if (reason_is_failure(reason))
            LOG(LOG_WARNING, "a recovered subscription does not fit the present limits");
    }
    return RC_OK;
}

static enum rc restore_session(struct restore *restore, struct image_session *from)
{
    struct router *router = restore->router;
    struct bytes client_id = bytes_of(from->id, from->id_len);
    struct session *session;
    struct session *other = session_find(router, client_id);
    /* Two of one client id: the older one ended in the commit that made the other. */
    if (other != NULL && other->stored_number > from->number)
        return RC_OK;
    if (other != NULL) {
        other->expires_at_ms = router->shard->now_ms;
        session_end(router, other);
    }
    enum rc rc = session_restore(router, client_id, from->number, &session);
    if (rc != RC_OK)
        return rc;
    session->version = from->version;
    session->is_bridge = from->is_bridge;
    session->owner = from->owner;
    session->stored_wall_ms = from->wall_ms != 0 ? from->wall_ms : restore->alive_wall_ms;
    session->expiry_s = from->expiry_s;
    awaiting_rel_fini(&session->awaiting);
    session->awaiting = from->state->awaiting;
    awaiting_rel_set_max(&session->awaiting, router->settings->max_awaiting_rel);
    awaiting_rel_init(&from->state->awaiting, 1);
    struct awaiting_rel_entry *received = awaiting_rel_oldest(&session->awaiting);
    for (; received != NULL; received = awaiting_rel_next(&session->awaiting, received))
        received->tag = STORE_TAG_RECOVERED;
    rc = restore_subs(restore, session, from);
    if (rc != RC_OK)
        return rc;
    restore_deliveries(restore, session, from);
    user_quota_adopt(router, session);
    if (from->expiry_s != MQTT_EXPIRY_NEVER_S)
        session->expires_at_ms = restore_due_ms(restore, from->expiry_s,
                                                restore_away_ms(restore, from));
    session_timer_update(router, session);
    return RC_OK;
}

/* A will is pending with its session, or due: the latest of a session stays with it. */
static enum rc restore_will(void *context, struct image_will *from)
{
    const struct restore *restore = context;
    struct router *router = restore->router;
    struct will *will = mem_alloc(sizeof(*will));
    if (will == NULL)
        return RC_NO_MEMORY;
    *will = (struct will){.magic = WILL_MAGIC,
                          .delay_s = from->delay_s,
                          .expiry_s = from->expiry_s,
                          .stored_number = from->number,
                          .msg = from->msg};
    will->msg->pub.topic_hash = filter_index_hash(router->shared->filters, will->msg->pub.topic);
    from->msg = NULL; /* a shared reference, which becomes this shard's */
    msg_adopt(will->msg, router->shard->id);
    struct image_session *owner = image_session_find(restore->image, from->session);
    struct session *session = NULL;
    if (owner != NULL)
        session = session_find(router, bytes_of(owner->id, owner->id_len));
    if (session == NULL || session->stored_number != from->session ||
        (session->will != NULL && session->will->stored_number > from->number)) {
        will_due(router, will);
        return RC_OK;
    }
    if (session->will != NULL)
        will_due(router, session->will);
    session->will = NULL;
    session->will_at_ms = 0;
    uint64_t at_ms = restore_due_ms(restore, will->delay_s, restore_away_ms(restore, owner));
    if (at_ms <= router->shard->now_ms) {
        will_due(router, will); /* not by the timer: the client may be back before that runs */
        return RC_OK;
    }
    session->will = will;
    session->will_at_ms = at_ms;
    session_timer_update(router, session);
    return RC_OK;
}

static enum rc restore_retained(void *context, struct image_retained *kept)
{
    const struct restore *restore = context;
    struct router *router = restore->router;
    struct retained *store = router->shared->retained;
    retained_note_version(store, kept->version);
    if (kept->msg == NULL)
        return RC_OK;
    if (pub_is_expired(&kept->msg->pub, router->shard->now_ms))
        return RC_OK;
    kept->msg->pub.topic_hash = filter_index_hash(router->shared->filters, kept->msg->pub.topic);
    enum rc rc = retained_restore(store, router->shard->epoch,
                                  bytes_of(kept->topic, kept->topic_len), kept->msg,
                                  kept->msg->size, kept->msg->owner, kept->version);
    if (rc == RC_EXISTS)
        return RC_OK;
    if (rc == RC_OK) {
        if (kept->msg->pub.expires_at_ms != 0)
            sweep_note(router->shared);
        kept->msg = NULL;
    }
    return rc;
}

static enum rc restore_seen(void *context, struct image_seen *seen)
{
    const struct restore *restore = context;
    struct seen_row row = {
        .session = seen->session, .packet_id = seen->packet_id, .home = seen->home, .by = seen->by};
    return store_seen_restore(restore->router, &row);
}

static enum rc restore_taken(void *context, struct image_taken *taken)
{
    const struct restore *restore = context;
    const struct taken_row row = {
        .session = taken->session, .entry = taken->entry, .home = taken->home};
    return store_taken_restore(restore->router, &row);
}

static enum rc restore_row(void *context, struct image_row *row)
{
    const struct restore *restore = context;
    return store_keyed_restore(restore->router, row);
}

static enum rc restore_all(struct restore *restore)
{
    struct router *router = restore->router;
    struct image_session *from = image_session_first(restore->image);
    enum rc rc = RC_OK;
    for (; from != NULL && rc == RC_OK; from = image_session_next(restore->image, from)) {
        epoch_begin(router->shard->epoch);
        rc = restore_session(restore, from);
        epoch_end(router->shard->epoch);
        epoch_poll(router->shard->epoch);
    }
    if (rc != RC_OK)
        return rc;
    epoch_begin(router->shard->epoch);
    rc = image_wills_walk(restore->image, restore, restore_will);
    if (rc == RC_OK)
        rc = image_seen_walk(restore->image, restore, restore_seen);
    if (rc == RC_OK)
        rc = image_taken_walk(restore->image, restore, restore_taken);
    if (rc == RC_OK)
        rc = image_retained_walk(restore->image, restore, restore_retained);
    if (rc == RC_OK)
        rc = image_rows_walk(restore->image, restore, restore_row);
    epoch_end(router->shard->epoch);
    return rc;
}

enum rc store_restore(struct router *router, struct store_image *image, uint64_t alive_wall_ms)
{
    struct restore restore = {
        .router = router, .store = router->store, .image = image, .alive_wall_ms = alive_wall_ms};
    struct image_figures figures;
    image_figures_read(image, &figures);
    router->store->number_next = figures.number_last + 1;
    restore.now_wall_ms = store_wall_ms(router->store, router->shard->now_ms);
    return restore_all(&restore);
}
