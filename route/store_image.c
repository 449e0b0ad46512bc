/*
 * store_image.c -- see store_image.h: sessions and deliveries; the rest is in store_image_kept.c.
 *
 * Everything is found through one kind of chained hash table; the hash is keyed, because client
 * ids, topics and filters are chosen by strangers.
 *
 * Threads: see store_image.h.
 */
#include "store_image.h"

#include "store_entry.h"
#include "store_image_inner.h"
#include "sub_ids.h"

struct store_image *image_create(const struct hash_key *key, struct image_clock clock)
{
    struct store_image *image = alloc_zeroed(sizeof(*image));
    if (image == NULL)
        return NULL;
    image->key = *key;
    image->clock = clock;
    list_init(&image->all);
    return image;
}

static void image_anomaly(struct store_image *image)
{
    image->figures.anomalies++;
}

/* ---- states ---- */

static struct image_state *image_state_create(void)
{
    struct image_state *state = alloc_zeroed(sizeof(*state));
    if (state == NULL)
        return NULL;
    mqueue_init(&state->queue);
    mqueue_init(&state->later);
    inflight_init(&state->window, UINT16_MAX);
    awaiting_rel_init(&state->awaiting, UINT16_MAX);
    list_init(&state->subs);
    return state;
}

static void image_queue_empty(struct mqueue *queue)
{
    struct mqueue_entry entry;
    while (mqueue_pop(queue, &entry))
        sub_ids_free(entry.aux);
    mqueue_fini(queue);
}

static void image_sub_drop(struct store_image *image, struct image_state *state,
                           struct image_sub *sub)
{
    CHECK(state->subs_count > 0);
    state->subs_count--;
    list_remove(&sub->link);
    image_table_remove(&image->subs, &sub->node);
    mem_free(sub);
}

static void image_state_destroy(struct store_image *image, struct image_state *state)
{
    if (state == NULL)
        return;
    image_queue_empty(&state->queue);
    image_queue_empty(&state->later);
    struct inflight_entry *entry;
    while ((entry = inflight_first(&state->window)) != NULL) {
        sub_ids_free(entry->aux);
        inflight_remove(&state->window, entry);
    }
    inflight_fini(&state->window);
    awaiting_rel_fini(&state->awaiting);
    struct list_node *node;
    while ((node = list_first(&state->subs)) != NULL)
        image_sub_drop(image, state, CONTAINER_OF(node, struct image_sub, link));
    mem_free(state);
}

/* ---- sessions ---- */

struct image_session *image_session_find(struct store_image *image, uint64_t number)
{
    struct image_node *node = image_table_first(&image->sessions, image_number_hash(image, number));
    for (; node != NULL; node = image_node_next(node)) {
        struct image_session *session = CONTAINER_OF(node, struct image_session, node);
        if (session->number == number)
            return session;
    }
    return NULL;
}

static struct image_session *image_session_create(struct store_image *image,
                                                  const struct store_record *record)
{
    struct image_session *session = alloc_zeroed(sizeof(*session) + record->client_id.len);
    if (session == NULL)
        return NULL;
    session->magic = IMAGE_SESSION_MAGIC;
    session->number = record->session;
    session->entry_next = 1;
    CHECK(record->client_id.len <= STRING_LEN_MAX);
    session->id_len = (uint16_t)record->client_id.len;
    if (record->client_id.len > 0)
        memcpy(session->id, record->client_id.ptr, record->client_id.len);
    session->node.hash = image_number_hash(image, session->number);
    if (!image_table_add(&image->sessions, &session->node)) {
        mem_free(session);
        return NULL;
    }
    list_push_back(&image->all, &session->link);
    image_number_note(image, session->number);
    return session;
}

static void image_session_destroy(struct store_image *image, struct image_session *session)
{
    CHECK_OBJ(session, IMAGE_SESSION_MAGIC);
    image_state_destroy(image, session->state);
    image_state_destroy(image, session->shadow);
    list_remove(&session->link);
    image_table_remove(&image->sessions, &session->node);
    session->magic = 0;
    mem_free(session);
}

static struct image_session *image_session_of(struct list_node *node)
{
    return node == NULL ? NULL : CONTAINER_OF(node, struct image_session, link);
}

struct image_session *image_session_first(struct store_image *image)
{
    return image_session_of(list_first(&image->all));
}

struct image_session *image_session_next(struct store_image *image, struct image_session *session)
{
    struct list_node *node = session->link.next;
    return node == &image->all ? NULL : image_session_of(node);
}

static void image_session_note(struct image_session *session, const struct store_record *record)
{
    session->expiry_s = record->expiry_s;
    session->version = record->version;
    session->is_bridge = record->is_bridge;
    session->owner = record->owner;
    session->wall_ms = record->connected ? 0 : record->wall_ms;
}

static enum rc image_on_session(struct store_image *image, const struct store_record *record)
{
    struct image_session *session = image_session_find(image, record->session);
    if (session == NULL)
        session = image_session_create(image, record);
    if (session == NULL)
        return RC_NO_MEMORY;
    if (session->state == NULL && (session->state = image_state_create()) == NULL)
        return RC_NO_MEMORY;
    image_session_note(session, record);
    return RC_OK;
}

static enum rc image_on_snap_begin(struct store_image *image, const struct store_record *record)
{
    struct image_session *session = image_session_find(image, record->session);
    if (session == NULL)
        session = image_session_create(image, record);
    if (session == NULL)
        return RC_NO_MEMORY;
    image_state_destroy(image, session->shadow);
    session->shadow = image_state_create();
    if (session->shadow == NULL)
        return RC_NO_MEMORY;
    session->shadow->window.last_id = record->packet_id;
    if (record->number > session->entry_next)
        session->entry_next = record->number;
    image_session_note(session, record);
    return RC_OK;
}

static const struct mqueue_limits image_no_limits = {0};

/* Never called: the queues of an image have no limits. */
static void image_on_drop(void *context, const struct mqueue_entry *entry, enum mqueue_drop reason)
{
    (void)context;
    (void)entry;
    (void)reason;
    UNREACHABLE();
}

static enum rc image_on_snap_end(struct store_image *image, const struct store_record *record)
{
    struct image_session *session = image_session_find(image, record->session);
    if (session == NULL || session->shadow == NULL) {
        image_anomaly(image);
        return RC_OK;
    }
    struct image_state *state = session->shadow;
    struct mqueue_entry entry;
    while (mqueue_pop(&state->later, &entry)) {
        enum rc rc = mqueue_put(&state->queue, &image_no_limits, &entry, image_on_drop, NULL);
        if (rc != RC_OK) {
            sub_ids_free(entry.aux);
            return rc;
        }
    }
    image_state_destroy(image, session->state);
    session->state = state;
    session->shadow = NULL;
    return RC_OK;
}

/* ---- deliveries ---- */

static struct image_group_name *image_group_find(struct store_image *image, struct bytes filter,
                                                 uint64_t hash)
{
    struct image_node *node = image_table_first(&image->groups, hash);
    for (; node != NULL; node = image_node_next(node)) {
        struct image_group_name *name = CONTAINER_OF(node, struct image_group_name, node);
        if (bytes_equal(bytes_of(name->filter, name->len), filter))
            return name;
    }
    return NULL;
}

/* The number of a group's filter, from 1; 0 without memory. */
static uint64_t image_group_number(struct store_image *image, struct bytes filter)
{
    uint64_t hash = hash_fast(&image->key, filter);
    struct image_group_name *name = image_group_find(image, filter, hash);
    if (name != NULL)
        return name->number;
    if (image->groups_count == image->groups_capacity) {
        uint32_t capacity = image->groups_capacity == 0 ? 16 : image->groups_capacity * 2;
        void *grown = alloc_grown(image->group_names,
                                  image->groups_count * sizeof(struct image_group_name *),
                                  capacity * sizeof(struct image_group_name *));
        if (grown == NULL)
            return 0;
        image->group_names = grown;
        image->groups_capacity = capacity;
    }
    name = alloc_zeroed(sizeof(*name) + filter.len);
    if (name == NULL)
        return 0;
    name->len = (uint16_t)filter.len;
    memcpy(name->filter, filter.ptr, filter.len);
    name->node.hash = hash;
    name->number = image->groups_count + 1;
    if (!image_table_add(&image->groups, &name->node)) {
        mem_free(name);
        return 0;
    }
    image->group_names[image->groups_count++] = name;
    return name->number;
}

struct bytes image_group(const struct store_image *image, uint64_t group)
{
    CHECK(group > 0 && group <= image->groups_count);
    const struct image_group_name *name = image->group_names[group - 1];
    return bytes_of(name->filter, name->len);
}

static enum rc image_aux(struct store_image *image, const struct store_entry *entry, void **out)
{
    *out = NULL;
    if (entry->group.len == 0)
        return sub_ids_pack(entry->ids, entry->ids_count, out) ? RC_OK : RC_NO_MEMORY;
    uint64_t number = image_group_number(image, entry->group);
    if (number == 0)
        return RC_NO_MEMORY;
    *out = sub_ids_pack_shared(entry->ids_count > 0 ? entry->ids[0] : 0, (struct filter_id){0},
                               number, entry->attempts);
    return *out == NULL ? RC_NO_MEMORY : RC_OK;
}

/* An entry with a packet id goes into the window, whatever had that id before. */
static enum rc image_window_put(struct store_image *image, struct image_state *state,
                                const struct store_entry *entry, uint64_t location)
{
    struct inflight_entry *old = inflight_find(&state->window, entry->packet_id);
    if (old != NULL) {
        sub_ids_free(old->aux);
        inflight_remove(&state->window, old);
    }
    struct inflight_entry put = {.flags = store_entry_flags(entry),
                                 .packet_id = entry->packet_id,
                                 .state = entry->state,
                                 .qos = entry->qos,
                                 .location = location,
                                 .number = entry->number,
                                 .bytes = entry->bytes};
    STATIC_CHECK((int)STORE_WAIT_PUBACK == (int)INFLIGHT_WAIT_PUBACK &&
                     (int)STORE_WAIT_PUBREC == (int)INFLIGHT_WAIT_PUBREC &&
                     (int)STORE_WAIT_PUBCOMP == (int)INFLIGHT_WAIT_PUBCOMP,
                 "states of a window in records and in memory are the same numbers");
    enum rc rc = image_aux(image, entry, &put.aux);
    if (rc == RC_OK && (rc = inflight_restore(&state->window, &put)) != RC_OK)
        sub_ids_free(put.aux);
    return rc;
}

static enum rc image_queue_put(struct store_image *image, struct mqueue *queue,
                               const struct store_entry *entry, uint64_t location)
{
    struct mqueue_entry put = {.bytes = entry->bytes,
                               .qos = entry->qos,
                               .priority = entry->priority,
                               .flags = store_entry_flags(entry),
                               .location = location,
                               .number = entry->number};
    enum rc rc = image_aux(image, entry, &put.aux);
    if (rc == RC_OK &&
        (rc = mqueue_put(queue, &image_no_limits, &put, image_on_drop, NULL)) != RC_OK)
        sub_ids_free(put.aux);
    return rc;
}

static enum rc image_put(struct store_image *image, struct image_state *state, struct mqueue *queue,
                         const struct store_entry *entry, uint64_t location)
{
    if (state == NULL)
        return RC_OK;
    return entry->state == STORE_QUEUED ? image_queue_put(image, queue, entry, location)
                                        : image_window_put(image, state, entry, location);
}

static enum rc image_on_enqueue(struct store_image *image, struct image_session *session,
                                const struct store_record *record, uint64_t location)
{
    const struct store_entry *entry = &record->entry;
    if (!record->has_message)
        location = entry->location;
    if (entry->number >= session->entry_next)
        session->entry_next = entry->number + 1;
    enum rc rc = image_put(image, session->state,
                           session->state == NULL ? NULL : &session->state->queue, entry, location);
    if (rc == RC_OK && session->shadow != NULL)
        rc = image_put(image, session->shadow, &session->shadow->later, entry, location);
    return rc;
}

/* Takes a delivery out of a queue of the state; false if it is in none. */
static bool image_take(struct image_state *state, uint64_t number, struct mqueue_entry *out)
{
    return mqueue_take(&state->queue, number, out) || mqueue_take(&state->later, number, out);
}

static enum rc image_sent(struct store_image *image, struct image_state *state,
                          const struct store_entry *entry)
{
    struct mqueue_entry taken;
    if (state == NULL)
        return RC_OK;
    if (image_take(state, entry->number, &taken))
        sub_ids_free(taken.aux);
    /* The record says all: in the state of a snapshot the entry need not have been there. */
    return image_window_put(image, state, entry, entry->location);
}

/* Unknown, if a snapshot has not come to it yet. */
static void image_received(struct image_state *state, uint16_t packet_id)
{
    struct inflight_entry *entry = state == NULL ? NULL : inflight_find(&state->window, packet_id);
    if (entry != NULL && entry->state == INFLIGHT_WAIT_PUBREC)
        inflight_received(&state->window, entry);
}

static void image_done(struct image_state *state, uint16_t packet_id)
{
    struct inflight_entry *entry = state == NULL ? NULL : inflight_find(&state->window, packet_id);
    if (entry == NULL)
        return;
    sub_ids_free(entry->aux);
    inflight_remove(&state->window, entry);
}

static void image_dropped(struct image_state *state, uint64_t number)
{
    struct mqueue_entry taken;
    if (state != NULL && image_take(state, number, &taken))
        sub_ids_free(taken.aux);
}

static enum rc image_on_snap_entries(struct store_image *image, struct image_session *session,
                                     struct bytes entries)
{
    if (session->shadow == NULL) {
        image_anomaly(image);
        return RC_OK;
    }
    struct store_entry entry;
    struct bytes rest = entries;
    enum rc rc;
    /* All of them, or of a damaged record none. */
    while ((rc = store_entry_next(&rest, image->ids, &entry)) == RC_OK)
        ;
    if (rc != RC_NOT_FOUND)
        return rc;
    while ((rc = store_entry_next(&entries, image->ids, &entry)) == RC_OK) {
        rc = image_put(image, session->shadow, &session->shadow->queue, &entry, entry.location);
        if (rc != RC_OK)
            return rc;
    }
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

/* ---- subscriptions, received ids, wills ---- */

static struct image_sub *image_sub_find(struct store_image *image, const struct image_state *state,
                                        struct bytes filter, uint64_t hash)
{
    struct image_node *node = image_table_first(&image->subs, hash);
    for (; node != NULL; node = image_node_next(node)) {
        struct image_sub *sub = CONTAINER_OF(node, struct image_sub, node);
        if (sub->state == state && bytes_equal(bytes_of(sub->filter, sub->filter_len), filter))
            return sub;
    }
    return NULL;
}

static uint64_t image_sub_hash(const struct store_image *image, const struct image_state *state,
                               struct bytes filter)
{
    return hash_mix(hash_fast(&image->key, filter), (uint64_t)(uintptr_t)state);
}

static enum rc image_subscribe(struct store_image *image, struct image_state *state,
                               const struct store_record *record)
{
    if (state == NULL)
        return RC_OK;
    uint64_t hash = image_sub_hash(image, state, record->filter);
    struct image_sub *sub = image_sub_find(image, state, record->filter, hash);
    if (sub == NULL) {
        sub = alloc_zeroed(sizeof(*sub) + record->filter.len);
        if (sub == NULL)
            return RC_NO_MEMORY;
        sub->state = state;
        sub->filter_len = (uint16_t)record->filter.len;
        if (record->filter.len > 0)
            memcpy(sub->filter, record->filter.ptr, record->filter.len);
        sub->node.hash = hash;
        if (!image_table_add(&image->subs, &sub->node)) {
            mem_free(sub);
            return RC_NO_MEMORY;
        }
        list_push_back(&state->subs, &sub->link);
        state->subs_count++;
    }
    sub->sub_id = record->sub_id;
    sub->options = record->options;
    return RC_OK;
}

static void image_unsubscribe(struct store_image *image, struct image_state *state,
                              struct bytes filter)
{
    if (state == NULL)
        return;
    struct image_sub *sub = image_sub_find(image, state, filter,
                                           image_sub_hash(image, state, filter));
    if (sub != NULL)
        image_sub_drop(image, state, sub);
}

static enum rc image_inbound(struct store_image *image, struct image_state *state,
                             const struct store_record *record)
{
    if (state == NULL)
        return RC_OK;
    enum rc rc = awaiting_rel_add(&state->awaiting, record->packet_id, image->clock.mono_ms,
                                  record->number);
    if (rc == RC_EXISTS)
        awaiting_rel_find(&state->awaiting, record->packet_id)->tag = record->number;
    return rc == RC_EXISTS || rc == RC_FULL ? RC_OK : rc;
}

static void image_state_move(struct store_image *image, struct image_state *state)
{
    struct inflight_entry *entry = inflight_first(&state->window);
    for (; entry != NULL; entry = inflight_next(&state->window, entry))
        entry->location = image_moved(image, entry->location);
    struct mqueue_cursor cursor;
    struct mqueue_entry *queued = mqueue_first(&state->queue, &cursor);
    for (; queued != NULL; queued = mqueue_next(&state->queue, &cursor))
        queued->location = image_moved(image, queued->location);
}

enum rc image_finish(struct store_image *image)
{
    struct image_session *session = image_session_first(image);
    while (session != NULL) {
        struct image_session *next = image_session_next(image, session);
        image_state_destroy(image, session->shadow);
        session->shadow = NULL;
        if (session->state == NULL) {
            image_session_destroy(image, session);
        } else {
            if (image->moves.count > 0)
                image_state_move(image, session->state);
            image->figures.sessions++;
            image->figures.entries += mqueue_count(&session->state->queue) +
                                      session->state->window.count;
        }
        session = next;
    }
    image->figures.retained = image->retained.count;
    image->figures.wills = image->wills.count;
    return RC_OK;
}

/* ---- all of it ---- */

/* Records about a session that exists, once for each state of it. */
static enum rc image_on_state(struct store_image *image, struct image_state *state,
                              const struct store_record *record)
{
    switch (record->type) {
    case STORE_SUBSCRIBE:
        return image_subscribe(image, state, record);
    case STORE_UNSUBSCRIBE:
        image_unsubscribe(image, state, record->filter);
        return RC_OK;
    case STORE_SENT:
        return image_sent(image, state, &record->entry);
    case STORE_RECEIVED:
        image_received(state, record->packet_id);
        return RC_OK;
    case STORE_DONE:
        image_done(state, record->packet_id);
        return RC_OK;
    case STORE_DROPPED:
        image_dropped(state, record->number);
        return RC_OK;
    case STORE_INBOUND:
        return image_inbound(image, state, record);
    default:
        CHECK(record->type == STORE_RELEASED);
        if (state != NULL)
            awaiting_rel_remove(&state->awaiting, record->packet_id);
        return RC_OK;
    }
}

static enum rc image_on_known(struct store_image *image, const struct store_record *record,
                              uint64_t location)
{
    struct image_session *session = image_session_find(image, record->session);
    if (record->type == STORE_SESSION_END)
        image_number_note(image, record->session);
    if (session == NULL)
        return RC_OK;
    enum rc rc;
    switch (record->type) {
    case STORE_SESSION_END:
        image_session_destroy(image, session);
        return RC_OK;
    case STORE_DETACHED:
        session->wall_ms = record->wall_ms;
        session->expiry_s = record->expiry_s;
        return RC_OK;
    case STORE_ENQUEUE:
        return image_on_enqueue(image, session, record, location);
    case STORE_SNAP_ENTRIES:
        return image_on_snap_entries(image, session, record->entries);
    default:
        rc = image_on_state(image, session->state, record);
        if (rc == RC_OK)
            rc = image_on_state(image, session->shadow, record);
        return rc;
    }
}

static enum rc image_on_record(struct store_image *image, const struct store_record *record,
                               uint64_t location)
{
    switch (record->type) {
    case STORE_SESSION:
        return image_on_session(image, record);
    case STORE_SNAP_BEGIN:
        return image_on_snap_begin(image, record);
    case STORE_SNAP_END:
        return image_on_snap_end(image, record);
    case STORE_RETAIN:
    case STORE_UNRETAIN:
        return image_on_retain(image, record);
    case STORE_COPY:
        /* From another log (store_rewrite.h): whoever needs it names its place here. */
        return record->number == 0 ? RC_OK : image_on_copy(image, record->number, location);
    case STORE_WILL:
        return image_on_will(image, record);
    case STORE_WILL_GONE:
        image_on_will_gone(image, record->number);
        return RC_OK;
    case STORE_SEEN:
    case STORE_UNSEEN:
    case STORE_SEEN_BY:
        return image_on_seen(image, record);
    case STORE_TAKEN:
    case STORE_UNTAKEN:
        return image_on_taken(image, record);
    case STORE_KEYED:
        return image_on_keyed(image, record);
    default:
        return image_on_known(image, record, location);
    }
}

enum rc image_apply(struct store_image *image, uint8_t type, struct bytes body, uint64_t location)
{
    struct store_record record;
    enum rc rc = store_decode(type, body, image->ids, &record);
    if (rc == RC_OK)
        rc = image_on_record(image, &record, location);
    if (rc == RC_OK)
        image->figures.records++;
    return rc;
}

void image_figures_read(const struct store_image *image, struct image_figures *out)
{
    *out = image->figures;
}

void image_destroy(struct store_image *image)
{
    if (image == NULL)
        return;
    struct image_session *session;
    while ((session = image_session_first(image)) != NULL)
        image_session_destroy(image, session);
    image_kept_destroy(image);
    IMAGE_TABLE_DROP(image, groups, image_group_name);
    image_table_fini(&image->sessions);
    image_table_fini(&image->subs);
    mem_free(image->group_names);
    mem_free(image);
}
