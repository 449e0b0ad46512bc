/*
 * store_rewrite.c -- see store_rewrite.h.
 *
 * Threads: see store_rewrite.h.
 */
#include "store_rewrite.h"

#include <stdlib.h>

#include "outbound_inner.h"
#include "store_entry.h"
#include "store_keyed.h"
#include "store_seen.h"
#include "wal_format.h"

/* So much is appended before the log is waited for. */
#define REWRITE_FLUSH_BYTES (4u * 1024 * 1024)

/* What a COPY has beside topic, properties and payload, at most. */
#define REWRITE_HEAD_BYTES 64

#define REWRITE_CHUNK_BYTES (16u * 1024)
#define REWRITE_CHUNK_ROOM  (REWRITE_CHUNK_BYTES + STORE_FILTER_MAX + STORE_HEAD_MAX)

/* A message: where it lies in the old log, and where in the new one (until then, its weight). */
struct rewrite_body {
    uint64_t from;
    uint64_t to; /* 0: it is lost */
};

/* The messages that the new log takes from one old log, sorted. */
struct rewrite_bodies {
    struct rewrite_body *items;
    uint64_t count;
};

struct rewrite {
    const struct rewrite_plan *plan;
    struct wal *wal;               /* NULL: nothing is written */
    struct rewrite_bodies *bodies; /* of each old log */
    uint32_t index;                /* the old log at hand */
    shard_id to;
    uint64_t unflushed;
    uint32_t used; /* bytes of the chunk */
    struct rewrite_figures figures;
    struct store_parts parts;
    uint8_t chunk[REWRITE_CHUNK_ROOM];
};

/* ---- classes ---- */

static uint32_t greatest_common_divisor(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

bool store_class_meets(struct store_class by, uint32_t to, uint32_t to_num)
{
    CHECK(by.shards > 0 && to < to_num);
    uint32_t divisor = greatest_common_divisor(by.shards, to_num);
    return by.number % divisor == to % divisor;
}

bool store_class_covers(struct store_class by, uint32_t to, uint32_t to_num)
{
    CHECK(by.shards > 0 && to < to_num);
    return to_num % by.shards == 0 && to % by.shards == by.number;
}

/* ---- appending ---- */

static enum rc rewrite_flush(struct rewrite *rewrite)
{
    rewrite->unflushed = 0;
    return rewrite->wal == NULL ? RC_OK : wal_flush(rewrite->wal);
}

/* Appends what stands in rewrite->parts. */
static enum rc rewrite_put(struct rewrite *rewrite, uint8_t type, struct wal_loc *out_loc)
{
    uint64_t bytes = WAL_RECORD_HEAD;
    for (unsigned i = 0; i < rewrite->parts.num; i++)
        bytes += rewrite->parts.parts[i].len;
    rewrite->figures.bytes += bytes;
    if (rewrite->wal == NULL)
        return RC_OK;
    uint64_t lsn;
    enum rc rc = wal_append(rewrite->wal, type, rewrite->parts.parts, rewrite->parts.num, &lsn,
                            out_loc);
    rewrite->unflushed += bytes;
    if (rc == RC_OK && rewrite->unflushed >= REWRITE_FLUSH_BYTES)
        rc = rewrite_flush(rewrite);
    return rc;
}

static enum rc rewrite_record(struct rewrite *rewrite, const struct store_record *record)
{
    struct wal_loc loc;
    store_encode(record, &rewrite->parts);
    return rewrite_put(rewrite, record->type, &loc);
}

static const struct rewrite_from *rewrite_from(const struct rewrite *rewrite)
{
    return &rewrite->plan->from[rewrite->index];
}

static shard_id rewrite_home(const struct rewrite *rewrite, struct bytes name)
{
    return (shard_id)(hash_keyed(&rewrite->plan->home_key, name) % rewrite->plan->to_num);
}

static struct bytes rewrite_id(const struct image_session *session)
{
    return bytes_of(session->id, session->id_len);
}

static bool rewrite_is_mine(const struct rewrite *rewrite, const struct image_session *session)
{
    return rewrite_home(rewrite, rewrite_id(session)) == rewrite->to;
}

static uint64_t rewrite_number(const struct rewrite_from *from, const struct image_session *session)
{
    CHECK(session->rank > 0);
    return from->sessions_before + session->rank;
}

static struct store_message rewrite_message(const struct rewrite *rewrite, const struct pub *pub)
{
    const struct image_clock *clock = &rewrite->plan->clock;
    if (pub->expires_at_ms == 0)
        return store_message_from(pub, 0);
    return store_message_from(pub, clock->wall_ms + pub->expires_at_ms - clock->mono_ms);
}

/* ---- messages ---- */

static bool rewrite_needs_body(const struct inflight_entry *entry)
{
    return entry->location != 0 && entry->state != INFLIGHT_WAIT_PUBCOMP;
}

static int rewrite_compare(const void *a, const void *b)
{
    uint64_t left = ((const struct rewrite_body *)a)->from;
    uint64_t right = ((const struct rewrite_body *)b)->from;
    return left < right ? -1 : left > right;
}

/* What the session waits for, behind items[count]; `items` NULL: only counted. */
static uint64_t rewrite_list_session(const struct image_session *session,
                                     struct rewrite_body *items, uint64_t count)
{
    const struct inflight_entry *entry = inflight_first(&session->state->window);
    for (; entry != NULL; entry = inflight_next(&session->state->window, entry)) {
        if (!rewrite_needs_body(entry))
            continue;
        if (items != NULL)
            items[count] = (struct rewrite_body){entry->location, entry->bytes};
        count++;
    }
    struct mqueue_cursor cursor;
    const struct mqueue_entry *queued = mqueue_first(&session->state->queue, &cursor);
    for (; queued != NULL; queued = mqueue_next(&session->state->queue, &cursor)) {
        if (items != NULL)
            items[count] = (struct rewrite_body){queued->location, queued->bytes};
        count++;
    }
    return count;
}

static uint64_t rewrite_list(const struct rewrite *rewrite, struct rewrite_body *items)
{
    struct store_image *image = rewrite_from(rewrite)->image;
    uint64_t count = 0;
    struct image_session *session = image_session_first(image);
    for (; session != NULL; session = image_session_next(image, session))
        if (rewrite_is_mine(rewrite, session))
            count = rewrite_list_session(session, items, count);
    return count;
}

/* The messages of the old log at hand that belong here, each once, by their places. */
static enum rc rewrite_collect(struct rewrite *rewrite)
{
    struct rewrite_bodies *bodies = &rewrite->bodies[rewrite->index];
    uint64_t count = rewrite_list(rewrite, NULL);
    if (count == 0)
        return RC_OK;
    bodies->items = mem_alloc(count * sizeof(*bodies->items));
    if (bodies->items == NULL)
        return RC_NO_MEMORY;
    uint64_t listed = rewrite_list(rewrite, bodies->items);
    CHECK(listed == count);
    qsort(bodies->items, count, sizeof(*bodies->items), rewrite_compare);
    for (uint64_t i = 0; i < count; i++)
        if (i == 0 || bodies->items[i].from != bodies->items[bodies->count - 1].from)
            bodies->items[bodies->count++] = bodies->items[i];
    return RC_OK;
}

/* Copies one message; `body->to` becomes its new place. */
static enum rc rewrite_copy(struct rewrite *rewrite, struct wal_image *view,
                            struct rewrite_body *body)
{
    void *buffer = NULL;
    struct bytes bytes;
    struct store_record record = {.type = STORE_COPY};
    struct wal_loc loc = WAL_LOC_NONE;
    uint32_t weight = (uint32_t)body->to;
    body->to = 0;
    enum rc rc = RC_NOT_FOUND;
    if (view != NULL)
        rc = wal_image_read(view, (struct wal_loc){body->from}, &buffer, &bytes);
    if (rc == RC_OK)
        rc = store_decode_message(bytes, &record.message);
    if (rc == RC_NOT_FOUND || rc == RC_INVALID) {
        mem_free(buffer);
        if (rewrite->plan->skip_damaged)
            return RC_OK;
        LOG(LOG_ERROR, "the message at %llu of log %u cannot be read: damaged",
            (unsigned long long)body->from, (unsigned)rewrite->index);
        return RC_INVALID;
    }
    if (rc == RC_OK) {
        store_encode(&record, &rewrite->parts);
        rc = rewrite_put(rewrite, STORE_COPY, &loc);
    }
    if (rc == RC_OK && wal_ref(rewrite->wal, loc, weight))
        body->to = loc.word;
    mem_free(buffer);
    return rc;
}

/* The messages of the old log at hand. */
static enum rc rewrite_bodies(struct rewrite *rewrite)
{
    struct rewrite_bodies *bodies = &rewrite->bodies[rewrite->index];
    const struct rewrite_from *from = rewrite_from(rewrite);
    enum rc rc = rewrite_collect(rewrite);
    if (rewrite->wal == NULL) {
        /* What a delivery weighs in memory, without what only memory needs. */
        uint64_t extra = OUTBOUND_WEIGHT_FIXED;
        for (uint64_t i = 0; i < bodies->count; i++)
            rewrite->figures.bytes += REWRITE_HEAD_BYTES + (bodies->items[i].to > extra
                                                                ? bodies->items[i].to - extra
                                                                : 0);
        mem_free(bodies->items);
        *bodies = (struct rewrite_bodies){0};
        return rc;
    }
    struct wal_image *view = NULL;
    if (rc == RC_OK && from->log != NULL)
        rc = wal_image_view(from->log, &view);
    for (uint64_t i = 0; rc == RC_OK && i < bodies->count; i++)
        rc = rewrite_copy(rewrite, view, &bodies->items[i]);
    wal_image_destroy(view);
    return rc;
}

/* Where the message lies now. 0: it is lost. */
static uint64_t rewrite_moved(const struct rewrite *rewrite, uint64_t location)
{
    const struct rewrite_bodies *bodies = &rewrite->bodies[rewrite->index];
    if (rewrite->wal == NULL)
        return location;
    uint64_t low = 0;
    uint64_t high = bodies->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (bodies->items[middle].from < location)
            low = middle + 1;
        else
            high = middle;
    }
    CHECK(low < bodies->count && bodies->items[low].from == location);
    return bodies->items[low].to;
}

/* ---- sessions ---- */

static enum rc rewrite_chunk(struct rewrite *rewrite, uint64_t number)
{
    struct store_record record = {.type = STORE_SNAP_ENTRIES,
                                  .session = number,
                                  .entries = bytes_of(rewrite->chunk, rewrite->used)};
    if (rewrite->used == 0)
        return RC_OK;
    rewrite->used = 0;
    return rewrite_record(rewrite, &record);
}

/* The log of a member's shard says that a queued delivery of a group is there (store_taken.h). */
static bool rewrite_is_taken(const struct rewrite *rewrite, const struct image_session *session,
                             const struct mqueue_entry *queued)
{
    const struct rewrite_plan *plan = rewrite->plan;
    const struct delivery_extra *extra = sub_ids_extra(queued->aux);
    if (extra == NULL || extra->group == 0)
        return false;
    for (uint32_t i = 0; i < plan->from_num; i++)
        if (i != rewrite->index && image_taken_has(plan->from[i].image, (shard_id)rewrite->index,
                                                   session->number, queued->number))
            return true;
    return false;
}

/* Adds a delivery to the chunk. */
static enum rc rewrite_entry(struct rewrite *rewrite, uint64_t number, void *aux,
                             struct store_entry *entry)
{
    uint32_t scratch;
    if (entry->location != 0) {
        entry->location = rewrite_moved(rewrite, entry->location);
        rewrite->figures.lost += entry->location == 0;
        if (entry->location == 0)
            return RC_OK;
    }
    entry->ids_count = sub_ids_view(aux, &scratch, &entry->ids);
    const struct delivery_extra *extra = sub_ids_extra(aux);
    if (extra != NULL && extra->group != 0) {
        entry->group = image_group(rewrite_from(rewrite)->image, extra->group);
        entry->attempts = extra->attempts;
    }
    CHECK(rewrite->used + store_entry_room(entry) <= REWRITE_CHUNK_ROOM);
    rewrite->used += store_entry_put(entry, rewrite->chunk + rewrite->used);
    rewrite->figures.deliveries++;
    return rewrite->used < REWRITE_CHUNK_BYTES ? RC_OK : rewrite_chunk(rewrite, number);
}

static enum rc rewrite_deliveries(struct rewrite *rewrite, const struct image_session *session,
                                  uint64_t number)
{
    enum rc rc = RC_OK;
    const struct inflight_entry *slot = inflight_first(&session->state->window);
    for (; slot != NULL && rc == RC_OK; slot = inflight_next(&session->state->window, slot)) {
        struct store_entry entry = store_entry_of_slot(slot);
        if (!rewrite_needs_body(slot)) {
            entry.location = 0;
            entry.bytes = 0;
        }
        rc = rewrite_entry(rewrite, number, slot->aux, &entry);
    }
    struct mqueue_cursor cursor;
    const struct mqueue_entry *queued = mqueue_first(&session->state->queue, &cursor);
    for (; queued != NULL && rc == RC_OK; queued = mqueue_next(&session->state->queue, &cursor)) {
        struct store_entry entry = store_entry_of_queued(queued);
        if (!rewrite_is_taken(rewrite, session, queued))
            rc = rewrite_entry(rewrite, number, queued->aux, &entry);
    }
    return rc == RC_OK ? rewrite_chunk(rewrite, number) : rc;
}

static enum rc rewrite_subs(struct rewrite *rewrite, const struct image_session *session,
                            uint64_t number)
{
    enum rc rc = RC_OK;
    struct list_node *node = list_first(&session->state->subs);
    for (; node != NULL && rc == RC_OK; node = list_after(&session->state->subs, node)) {
        const struct image_sub *sub = CONTAINER_OF(node, struct image_sub, link);
        struct store_record record = {.type = STORE_SUBSCRIBE,
                                      .session = number,
                                      .sub_id = sub->sub_id,
                                      .options = sub->options,
                                      .filter = bytes_of(sub->filter, sub->filter_len)};
        rc = rewrite_record(rewrite, &record);
    }
    return rc;
}

static enum rc rewrite_received(struct rewrite *rewrite, const struct image_session *session,
                                uint64_t number)
{
    enum rc rc = RC_OK;
    const struct awaiting_rel *awaiting = &session->state->awaiting;
    const struct awaiting_rel_entry *entry = awaiting_rel_oldest(awaiting);
    for (; entry != NULL && rc == RC_OK; entry = awaiting_rel_next(awaiting, entry)) {
        struct store_record record = {.type = STORE_INBOUND,
                                      .session = number,
                                      .packet_id = entry->packet_id,
                                      .number = entry->tag};
        rc = rewrite_record(rewrite, &record);
    }
    return rc;
}

static enum rc rewrite_session(struct rewrite *rewrite, const struct image_session *session)
{
    const struct rewrite_from *from = rewrite_from(rewrite);
    uint64_t number = rewrite_number(from, session);
    /* Who was connected at the end was disconnected then. */
    struct store_record record = {.type = STORE_SNAP_BEGIN,
                                  .session = number,
                                  .client_id = rewrite_id(session),
                                  .expiry_s = session->expiry_s,
                                  .version = session->version,
                                  .is_bridge = session->is_bridge,
                                  .owner = session->owner,
                                  .wall_ms = session->wall_ms != 0 ? session->wall_ms
                                                                   : from->alive_wall_ms,
                                  .number = session->entry_next,
                                  .packet_id = session->state->window.last_id};
    rewrite->figures.sessions++;
    enum rc rc = rewrite_record(rewrite, &record);
    if (rc == RC_OK)
        rc = rewrite_subs(rewrite, session, number);
    if (rc == RC_OK)
        rc = rewrite_received(rewrite, session, number);
    if (rc == RC_OK)
        rc = rewrite_deliveries(rewrite, session, number);
    record = (struct store_record){.type = STORE_SNAP_END, .session = number};
    return rc == RC_OK ? rewrite_record(rewrite, &record) : rc;
}

static enum rc rewrite_sessions(struct rewrite *rewrite)
{
    enum rc rc = RC_OK;
    struct store_image *image = rewrite_from(rewrite)->image;
    struct image_session *session = image_session_first(image);
    for (; session != NULL && rc == RC_OK; session = image_session_next(image, session))
        if (rewrite_is_mine(rewrite, session))
            rc = rewrite_session(rewrite, session);
    return rc;
}

/* ---- the rest ---- */

static enum rc rewrite_will(void *context, struct image_will *will)
{
    struct rewrite *rewrite = context;
    const struct rewrite_from *from = rewrite_from(rewrite);
    const struct image_session *owner = image_session_find(from->image, will->session);
    /* One that is due, because its session has ended, must go to somebody, and only once. */
    shard_id taker = (shard_id)(rewrite->index % rewrite->plan->to_num);
    if (owner != NULL)
        taker = rewrite_home(rewrite, rewrite_id(owner));
    if (taker != rewrite->to)
        return RC_OK;
    struct store_record record = {.type = STORE_WILL,
                                  .session = owner == NULL ? 0 : rewrite_number(from, owner),
                                  .number = rewrite->plan->sessions_all + from->wills_before +
                                            will->rank,
                                  .delay_s = will->delay_s,
                                  .expiry_s = will->expiry_s,
                                  .message = rewrite_message(rewrite, &will->msg->pub)};
    record.message.owner = will->msg->owner;
    return rewrite_record(rewrite, &record);
}

/* Sessions of the class have a message of a publisher whose home was log `home`. */
static enum rc rewrite_seen(struct rewrite *rewrite, uint32_t home, uint64_t session,
                            uint16_t packet_id, struct store_class by)
{
    const struct rewrite_plan *plan = rewrite->plan;
    if (by.shards == 0)
        by = (struct store_class){(uint16_t)rewrite->index, (uint16_t)plan->from_num};
    if (home >= plan->from_num || !store_class_meets(by, rewrite->to, plan->to_num))
        return RC_OK;
    const struct rewrite_from *from = &plan->from[home];
    const struct image_session *publisher = image_session_find(from->image, session);
    if (publisher == NULL)
        return RC_OK;
    struct seen_row row = {.session = rewrite_number(from, publisher),
                           .packet_id = packet_id,
                           .home = rewrite_home(rewrite, rewrite_id(publisher)),
                           .by = by};
    if (store_class_covers(by, rewrite->to, plan->to_num))
        row.by = (struct store_class){0};
    struct store_record record = seen_record(&row);
    return rewrite_record(rewrite, &record);
}

static enum rc rewrite_seen_row(void *context, struct image_seen *seen)
{
    return rewrite_seen(context, seen->home, seen->session, seen->packet_id, seen->by);
}

/* What INBOUND alone says: the sessions of the publisher's home have the message. */
static enum rc rewrite_inbound(struct rewrite *rewrite)
{
    enum rc rc = RC_OK;
    struct store_image *image = rewrite_from(rewrite)->image;
    shard_id home = (shard_id)rewrite->index;
    struct image_session *session = image_session_first(image);
    for (; session != NULL && rc == RC_OK; session = image_session_next(image, session)) {
        const struct awaiting_rel *awaiting = &session->state->awaiting;
        const struct awaiting_rel_entry *entry = awaiting_rel_oldest(awaiting);
        for (; entry != NULL && rc == RC_OK; entry = awaiting_rel_next(awaiting, entry))
            if (!image_seen_has(image, home, session->number, entry->packet_id))
                rc = rewrite_seen(rewrite, home, session->number, entry->packet_id,
                                  (struct store_class){0});
    }
    return rc;
}

static enum rc rewrite_retained(void *context, struct image_retained *kept)
{
    struct rewrite *rewrite = context;
    struct bytes topic = bytes_of(kept->topic, kept->topic_len);
    if (rewrite_home(rewrite, topic) != rewrite->to)
        return RC_OK;
    struct store_record record = {.type = STORE_UNRETAIN, .number = kept->version};
    if (kept->msg != NULL) {
        record.type = STORE_RETAIN;
        record.message = rewrite_message(rewrite, &kept->msg->pub);
        record.message.owner = kept->msg->owner;
    }
    record.message.topic = topic;
    return rewrite_record(rewrite, &record);
}

static enum rc rewrite_row(void *context, struct image_row *row)
{
    struct rewrite *rewrite = context;
    struct store_record record = {.type = STORE_KEYED,
                                  .number = row->version,
                                  .kept = row->kept,
                                  .table = bytes_of(row->names, row->table_len),
                                  .key = bytes_of(row->names + row->table_len, row->key_len),
                                  .value = bytes_of(row->value, row->value_len)};
    if (store_keyed_owner(record.table, record.key) != rewrite->to)
        return RC_OK;
    return rewrite_record(rewrite, &record);
}

/* All that the old log at hand has for this one, but the messages. */
static enum rc rewrite_state(struct rewrite *rewrite)
{
    struct store_image *image = rewrite_from(rewrite)->image;
    enum rc rc = rewrite_sessions(rewrite);
    if (rc == RC_OK)
        rc = image_wills_walk(image, rewrite, rewrite_will);
    if (rc == RC_OK)
        rc = image_seen_walk(image, rewrite, rewrite_seen_row);
    if (rc == RC_OK)
        rc = rewrite_inbound(rewrite);
    if (rc == RC_OK)
        rc = image_retained_walk(image, rewrite, rewrite_retained);
    if (rc == RC_OK)
        rc = image_rows_walk(image, rewrite, rewrite_row);
    return rc;
}

/* ---- the whole ---- */

static enum rc rewrite_each(struct rewrite *rewrite, enum rc (*part)(struct rewrite *rewrite))
{
    enum rc rc = RC_OK;
    for (uint32_t i = 0; i < rewrite->plan->from_num && rc == RC_OK; i++) {
        rewrite->index = i;
        rc = part(rewrite);
    }
    return rc;
}

/* Behind those of all sessions and wills. */
static uint64_t rewrite_number_above(const struct rewrite_plan *plan)
{
    const struct rewrite_from *last = &plan->from[plan->from_num - 1];
    struct image_figures figures;
    image_figures_read(last->image, &figures);
    return plan->sessions_all + last->wills_before + figures.wills + 1;
}

static enum rc rewrite_all(struct rewrite *rewrite)
{
    enum rc rc = rewrite_each(rewrite, rewrite_bodies);
    if (rc == RC_OK && rewrite->wal != NULL)
        wal_checkpoint_begin(rewrite->wal);
    /* As at the beginning of a checkpoint: no number is used again. */
    struct store_record above = {.type = STORE_SESSION_END,
                                 .session = rewrite_number_above(rewrite->plan)};
    if (rc == RC_OK)
        rc = rewrite_record(rewrite, &above);
    if (rc == RC_OK)
        rc = rewrite_each(rewrite, rewrite_state);
    if (rc == RC_OK && rewrite->wal != NULL)
        wal_checkpoint_end(rewrite->wal);
    return rc == RC_OK ? rewrite_flush(rewrite) : rc;
}

enum rc store_rewrite(const struct rewrite_plan *plan, shard_id to, struct wal *wal,
                      struct rewrite_figures *out)
{
    CHECK(plan->from_num > 0 && to < plan->to_num);
    struct rewrite *rewrite = mem_alloc(sizeof(*rewrite));
    if (rewrite == NULL)
        return RC_NO_MEMORY;
    memset(rewrite, 0, offsetof(struct rewrite, parts));
    rewrite->plan = plan;
    rewrite->wal = wal;
    rewrite->to = to;
    enum rc rc = RC_NO_MEMORY;
    rewrite->bodies = mem_alloc(plan->from_num * sizeof(*rewrite->bodies));
    if (rewrite->bodies != NULL) {
        memset(rewrite->bodies, 0, plan->from_num * sizeof(*rewrite->bodies));
        rc = rewrite_all(rewrite);
        for (uint32_t i = 0; i < plan->from_num; i++)
            mem_free(rewrite->bodies[i].items);
    }
    *out = rewrite->figures;
    mem_free(rewrite->bodies);
    mem_free(rewrite);
    return rc;
}
