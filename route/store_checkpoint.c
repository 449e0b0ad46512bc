/*
 * store_checkpoint.c -- see store_checkpoint.h.
 *
 * Threads: see store_checkpoint.h.
 */
#include "store_checkpoint.h"

#include "outbound_inner.h"
#include "share_handover.h"
#include "store_compact.h"
#include "store_entry.h"
#include "store_retain.h"
#include "store_seen.h"
#include "store_taken.h"
#include "store_will.h"

#define CHECKPOINT_MAGIC 0x43484b50u

/* Entries of a queue gather here; one with the longest group filter has room behind that. */
#define CHECKPOINT_CHUNK_BYTES (16u * 1024)
#define CHECKPOINT_CHUNK_ROOM  (CHECKPOINT_CHUNK_BYTES + STORE_FILTER_MAX + STORE_HEAD_MAX)

/* Nodes of the retained index a turn. */
#define CHECKPOINT_NODES 512

#define CHECKPOINT_AGAIN_MS 1000 /* for those that may free nothing */

enum checkpoint_phase {
    CHECKPOINT_SESSIONS,
    CHECKPOINT_SEEN,
    CHECKPOINT_RETAINED,
    CHECKPOINT_KEYED,
    CHECKPOINT_DONE
};

struct store_checkpoint {
    uint32_t magic;
    enum checkpoint_phase phase;
    struct store *store;
    uint32_t slot;         /* next session */
    struct handle session; /* whose snapshot is under way; HANDLE_NONE */
    uint32_t subs_left;    /* of it, to be written */
    bool head_done;        /* subscriptions, received ids, will and window have been written */
    bool failed;           /* the log did not take a record */
    bool marked;           /* all has been written, and handover_mark called */
    uint64_t limit;        /* entries of its queue below this number belong to the snapshot */
    uint64_t began_ns;
    uint64_t bytes; /* written in all */
    uint32_t slice_bytes;
    uint32_t slice_records;
    struct retained_cursor cursor;
    uint8_t chunk[CHECKPOINT_CHUNK_ROOM];
};

static bool checkpoint_spent(const struct store_checkpoint *checkpoint)
{
    return checkpoint->failed || checkpoint->slice_bytes >= CHECKPOINT_SLICE_BYTES ||
           checkpoint->slice_records >= CHECKPOINT_SLICE_RECORDS;
}

/* Appends what stands in store->parts. */
static void checkpoint_put(struct store_checkpoint *checkpoint, enum store_type type)
{
    struct store *store = checkpoint->store;
    uint64_t lsn;
    struct wal_loc loc;
    uint32_t bytes = 32;
    for (unsigned i = 0; i < store->parts.num; i++)
        bytes += store->parts.parts[i].len;
    if (store_append(store, type, &lsn, &loc) != RC_OK)
        checkpoint->failed = true;
    checkpoint->slice_bytes += bytes;
    checkpoint->slice_records++;
    checkpoint->bytes += bytes;
}

static void checkpoint_record(struct store_checkpoint *checkpoint,
                              const struct store_record *record)
{
    store_encode(record, &checkpoint->store->parts);
    checkpoint_put(checkpoint, (enum store_type)record->type);
}

/* ---- one session ---- */

static void checkpoint_begin_session(struct store_checkpoint *checkpoint, struct session *session)
{
    checkpoint->session = session->handle;
    checkpoint->subs_left = session->subs.count;
    checkpoint->head_done = false;
    checkpoint->limit = session->stored_next;
    struct store_record record = {.type = STORE_SNAP_BEGIN,
                                  .session = session->stored_number,
                                  .client_id = session_id(session),
                                  .expiry_s = session->expiry_s,
                                  .version = session->version,
                                  .is_bridge = session->is_bridge,
                                  .owner = session->owner,
                                  .connected = session->conn != NULL,
                                  .number = session->stored_next,
                                  .packet_id = session->inflight.last_id};
    if (session->conn == NULL)
        record.wall_ms = session->stored_wall_ms;
    checkpoint_record(checkpoint, &record);
    mqueue_walk_begin(&session->queue);
}

static void checkpoint_sub(struct store_checkpoint *checkpoint, struct session *session,
                           const struct session_sub *sub)
{
    struct router *router = checkpoint->store->router;
    const struct filter *filter = filter_index_by_id_rcu(router->shared->filters, sub->id);
    CHECK(filter != NULL); /* the session holds it */
    uint8_t text[STORE_FILTER_MAX];
    struct store_record record = {.type = STORE_SUBSCRIBE,
                                  .session = session->stored_number,
                                  .options = sub->options & STORE_SUB_OPTIONS};
    struct bytes group = {0};
    if (sub->member != NULL) {
        group = share_group_name(sub->member->group);
        record.sub_id = share_member_terms(sub->member).sub_id;
    } else {
        struct subtable_entry *entry = subtable_find(&router->subs, sub->id);
        CHECK(entry != NULL && sub->position < entry->count);
        record.sub_id = subtable_subscribers(entry)[sub->position].sub_id;
    }
    record.filter = store_filter_text(group, filter_text(filter), text);
    checkpoint_record(checkpoint, &record);
}

static void checkpoint_will(struct store_checkpoint *checkpoint, uint64_t session,
                            const struct will *will)
{
    if (will == NULL || will->stored_number == 0)
        return;
    struct store_record record = store_will_record(checkpoint->store, session, will,
                                                   will->stored_number);
    checkpoint_record(checkpoint, &record);
}

/* Writes the chunk out, if there is something in it. */
static void checkpoint_flush(struct store_checkpoint *checkpoint, const struct session *session,
                             uint32_t *used)
{
    if (*used == 0)
        return;
    struct store_record record = {.type = STORE_SNAP_ENTRIES,
                                  .session = session->stored_number,
                                  .entries = bytes_of(checkpoint->chunk, *used)};
    checkpoint_record(checkpoint, &record);
    *used = 0;
}

static void checkpoint_entry(struct store_checkpoint *checkpoint, const struct session *session,
                             void *aux, struct store_entry *entry, uint32_t *used)
{
    uint32_t id_space[1];
    uint8_t text[STORE_FILTER_MAX];
    struct store_entry more = store_entry_of(checkpoint->store->router, aux, id_space, text);
    entry->ids = more.ids;
    entry->ids_count = more.ids_count;
    entry->group = more.group;
    entry->attempts = more.attempts;
    CHECK(*used + store_entry_room(entry) <= CHECKPOINT_CHUNK_ROOM);
    *used += store_entry_put(entry, checkpoint->chunk + *used);
    if (*used >= CHECKPOINT_CHUNK_BYTES)
        checkpoint_flush(checkpoint, session, used);
}

static void checkpoint_window(struct store_checkpoint *checkpoint, struct session *session)
{
    uint32_t used = 0;
    const struct inflight_entry *slot = inflight_first(&session->inflight);
    for (; slot != NULL; slot = inflight_next(&session->inflight, slot)) {
        if (slot->number == 0)
            continue;
        struct store_entry entry = store_entry_of_slot(slot);
        checkpoint_entry(checkpoint, session, slot->aux, &entry, &used);
    }
    checkpoint_flush(checkpoint, session, &used);
}

/* Received ids, will and window, in one turn. */
static void checkpoint_head(struct store_checkpoint *checkpoint, struct session *session)
{
    const struct awaiting_rel_entry *received = awaiting_rel_oldest(&session->awaiting);
    for (; received != NULL; received = awaiting_rel_next(&session->awaiting, received)) {
        struct store_record record = {.type = STORE_INBOUND,
                                      .session = session->stored_number,
                                      .packet_id = received->packet_id,
                                      .number = received->tag};
        checkpoint_record(checkpoint, &record);
    }
    checkpoint_will(checkpoint, session->stored_number, session->will);
    checkpoint_window(checkpoint, session);
    checkpoint->head_done = true;
}

/* A slice of the queue. True: that was all of it. */
static bool checkpoint_queue(struct store_checkpoint *checkpoint, struct session *session)
{
    uint32_t used = 0;
    const struct mqueue_entry *queued;
    while (!checkpoint_spent(checkpoint)) {
        queued = mqueue_walk_next(&session->queue, checkpoint->limit);
        if (queued == NULL) {
            checkpoint_flush(checkpoint, session, &used);
            return true;
        }
        if (queued->location == 0)
            continue; /* QoS 0 */
        struct store_entry entry = store_entry_of_queued(queued);
        checkpoint_entry(checkpoint, session, queued->aux, &entry, &used);
    }
    checkpoint_flush(checkpoint, session, &used);
    return false;
}

/* Goes on with the session whose snapshot is under way. */
static void checkpoint_session(struct store_checkpoint *checkpoint, struct session *session)
{
    while (checkpoint->subs_left > 0 && !checkpoint_spent(checkpoint)) {
        if (checkpoint->subs_left > session->subs.count)
            checkpoint->subs_left = session->subs.count;
        if (checkpoint->subs_left > 0)
            checkpoint_sub(checkpoint, session, &session->subs.items[--checkpoint->subs_left]);
    }
    if (checkpoint_spent(checkpoint))
        return;
    if (!checkpoint->head_done)
        checkpoint_head(checkpoint, session);
    if (!checkpoint_queue(checkpoint, session) || checkpoint->failed)
        return;
    store_encode_one(session->stored_number, &checkpoint->store->parts);
    checkpoint_put(checkpoint, STORE_SNAP_END);
    checkpoint->session = HANDLE_NONE;
}

static void checkpoint_sessions(struct store_checkpoint *checkpoint)
{
    struct router *router = checkpoint->store->router;
    struct session *session;
    while (!checkpoint_spent(checkpoint)) {
        session = slot_table_get(&router->sessions, checkpoint->session);
        if (session == NULL) {
            checkpoint->session = HANDLE_NONE; /* it ended meanwhile, which is logged */
            session = slot_table_next(&router->sessions, &checkpoint->slot);
            if (session == NULL) {
                checkpoint->phase = CHECKPOINT_SEEN;
                return;
            }
            checkpoint->slice_records++;
            if (!session_is_stored(session))
                continue;
            checkpoint_begin_session(checkpoint, session);
        }
        checkpoint_session(checkpoint, session);
    }
}

/* ---- QoS 2 of other shards ---- */

static bool checkpoint_visit_seen(void *context, const struct seen_row *row)
{
    struct store_checkpoint *checkpoint = context;
    struct store_record record = seen_record(row);
    checkpoint_record(checkpoint, &record);
    return !checkpoint->failed;
}

static bool checkpoint_visit_taken(void *context, const struct taken_row *row)
{
    struct store_checkpoint *checkpoint = context;
    struct store_record record = taken_record(STORE_TAKEN, row);
    checkpoint_record(checkpoint, &record);
    return !checkpoint->failed;
}

/* A table that grows meanwhile is rehashed, so its walk is not cut into slices: 20 bytes each. */
static void checkpoint_seen(struct store_checkpoint *checkpoint)
{
    uint32_t bucket = 0;
    store_seen_walk(checkpoint->store, &bucket, checkpoint, checkpoint_visit_seen);
    bucket = 0;
    store_taken_walk(checkpoint->store, &bucket, checkpoint, checkpoint_visit_taken);
    if (!checkpoint->failed)
        checkpoint->phase = CHECKPOINT_RETAINED;
}

/* ---- retained messages ---- */

static enum retained_verdict checkpoint_visit(void *context, void *value, uint64_t version)
{
    struct store_checkpoint *checkpoint = context;
    struct router *router = checkpoint->store->router;
    const struct msg *msg = value;
    CHECK_OBJ(msg, MSG_MAGIC);
    if (checkpoint_spent(checkpoint))
        return RETAINED_NOT_NOW;
    if (store_retain_owner(router, msg->pub.topic) != router->shard->id)
        return RETAINED_TAKEN;
    struct store_record record = {.type = STORE_RETAIN,
                                  .number = version,
                                  .message = store_message_owned(checkpoint->store, msg)};
    checkpoint_record(checkpoint, &record);
    return RETAINED_TAKEN;
}

static void checkpoint_retained(struct store_checkpoint *checkpoint)
{
    struct router *router = checkpoint->store->router;
    if (retained_walk(router->shared->retained, router->shard->epoch, &checkpoint->cursor,
                      CHECKPOINT_NODES, checkpoint_visit, checkpoint) == RC_OK)
        checkpoint->phase = CHECKPOINT_KEYED;
}

/* ---- rows of other parts ---- */

static void checkpoint_keyed(struct store_checkpoint *checkpoint)
{
    struct store_keyed *keyed = &checkpoint->store->keyed;
    struct store_record record;
    if (keyed->cursor == NULL)
        store_keyed_walk_begin(keyed);
    while (!checkpoint_spent(checkpoint)) {
        if (!store_keyed_walk_next(keyed, &record)) {
            checkpoint->phase = CHECKPOINT_DONE;
            return;
        }
        checkpoint_record(checkpoint, &record);
    }
}

/* ---- the whole ---- */

static bool checkpoint_is_due(struct store *store)
{
    struct router *router = store->router;
    if (router->wills.due_count + router->wills.flying_count > CHECKPOINT_WILLS_MAX ||
        wal_is_failed(store->wal) || store_compact_is_busy(store))
        return false;
    uint64_t bytes = wal_checkpoint_bytes(store->wal);
    bool is_coming = wal_checkpoint_is_coming(store->wal);
    if (bytes >= store->checkpoint_bytes_min + CHECKPOINT_FACTOR * store->checkpoint_bytes &&
        !is_coming)
        return true;
    bool is_short = wal_pressure(store->wal) != WAL_PRESSURE_NONE;
    if (is_short && !is_coming) {
        struct wal_figures figures;
        wal_figures_read(store->wal, &figures);
        if (bytes >= CHECKPOINT_SEGMENTS_MIN * figures.segment_bytes + store->checkpoint_bytes)
            return true;
    }
    return router->shard->now_ms >= store->checkpoint_next_ms &&
           (store->gap || (is_short && bytes > store->checkpoint_bytes));
}

static void checkpoint_on_timer(struct timer_wheel *wheel, struct timer *timer, uint64_t now_ms)
{
    (void)wheel; /* the end of this turn looks whether one is due */
    (void)timer;
    (void)now_ms;
}

void store_checkpoint_init(struct store *store)
{
    timer_init(&store->checkpoint_timer, checkpoint_on_timer);
}

/* None is due. A gap must not stay for want of a turn when its time has come. */
static void checkpoint_wait(struct store *store)
{
    struct shard *shard = store->router->shard;
    if (store->gap && shard->now_ms < store->checkpoint_next_ms &&
        !timer_pending(&store->checkpoint_timer))
        timer_set(&shard->timers, &store->checkpoint_timer, store->checkpoint_next_ms);
}

static void checkpoint_wills(struct store_checkpoint *checkpoint, const struct list_node *wills)
{
    struct list_node *node = list_first(wills);
    for (; node != NULL; node = list_after(wills, node))
        checkpoint_will(checkpoint, 0, CONTAINER_OF(node, struct will, node));
}

static void checkpoint_start(struct store *store)
{
    struct router *router = store->router;
    struct store_checkpoint *checkpoint = mem_alloc(sizeof(*checkpoint));
    store->checkpoint_next_ms = router->shard->now_ms + CHECKPOINT_AGAIN_MS;
    if (checkpoint == NULL)
        return;
    memset(checkpoint, 0, offsetof(struct store_checkpoint, chunk));
    checkpoint->magic = CHECKPOINT_MAGIC;
    checkpoint->store = store;
    checkpoint->session = HANDLE_NONE;
    checkpoint->began_ns = router->shard->now_ns;
    if (retained_cursor_init_all(&checkpoint->cursor) != RC_OK) {
        mem_free(checkpoint);
        return;
    }
    store->checkpoint = checkpoint;
    store->gap = false;
    wal_checkpoint_begin(store->wal);
    /* Of a session that never was: numbers go on behind this one, whoever has ended before. */
    store_encode_one(store->number_next++, &store->parts);
    checkpoint_put(checkpoint, STORE_SESSION_END);
    checkpoint_wills(checkpoint, &router->wills.due);
    checkpoint_wills(checkpoint, &router->wills.flying);
}

void store_checkpoint_stop(struct store *store)
{
    struct store_checkpoint *checkpoint = store->checkpoint;
    if (checkpoint == NULL)
        return;
    CHECK_OBJ(checkpoint, CHECKPOINT_MAGIC);
    retained_cursor_fini(&checkpoint->cursor);
    store_keyed_walk_end(&store->keyed);
    store->checkpoint = NULL;
    checkpoint->magic = 0;
    mem_free(checkpoint);
}

static void checkpoint_finish(struct store *store)
{
    struct store_checkpoint *checkpoint = store->checkpoint;
    struct router *router = store->router;
    wal_checkpoint_end(store->wal);
    store->checkpoint_bytes = checkpoint->bytes;
    store->attach_bytes = 0; /* what they wrote before it needs no room any more */
    router_count(router, STAT_CHECKPOINTS, 1);
    router_count(router, STAT_CHECKPOINT_BYTES, checkpoint->bytes);
    router_count(router, STAT_CHECKPOINT_NS, router->shard->now_ns - checkpoint->began_ns);
    store_checkpoint_stop(store);
}

bool store_checkpoint_may_write(struct store *store, uint64_t bytes)
{
    struct wal_figures figures;
    wal_figures_read(store->wal, &figures);
    if (figures.pending_bytes > CHECKPOINT_PENDING_BYTES &&
        figures.end - store->slice_end < (CHECKPOINT_SHARE + 1) * bytes)
        return false;
    store->slice_end = figures.end;
    return true;
}

bool store_checkpoint_turn(struct store *store)
{
    if (LIKELY(store->checkpoint == NULL)) {
        if (!checkpoint_is_due(store)) {
            checkpoint_wait(store);
            return false;
        }
        checkpoint_start(store);
        return store->checkpoint != NULL;
    }
    struct store_checkpoint *checkpoint = store->checkpoint;
    CHECK_OBJ(checkpoint, CHECKPOINT_MAGIC);
    if (!store_checkpoint_may_write(store, CHECKPOINT_SLICE_BYTES))
        return false; /* the completion of a write brings the next turn */
    checkpoint->slice_bytes = 0;
    checkpoint->slice_records = 0;
    if (checkpoint->phase == CHECKPOINT_SESSIONS)
        checkpoint_sessions(checkpoint);
    else if (checkpoint->phase == CHECKPOINT_SEEN)
        checkpoint_seen(checkpoint);
    else if (checkpoint->phase == CHECKPOINT_RETAINED)
        checkpoint_retained(checkpoint);
    else if (checkpoint->phase == CHECKPOINT_KEYED)
        checkpoint_keyed(checkpoint);
    if (checkpoint->failed) {
        store->gap = true;
        store_checkpoint_stop(store);
        return false;
    }
    if (checkpoint->phase != CHECKPOINT_DONE)
        return true;
    /* What is on its way to another member is in no snapshot, and perhaps in no other log yet. */
    if (!checkpoint->marked)
        handover_mark(store);
    checkpoint->marked = true;
    if (!handover_is_past(store))
        return false; /* an answer brings the next turn */
    checkpoint_finish(store);
    return true;
}
