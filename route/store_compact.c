/*
 * store_compact.c -- see store_compact.h.
 *
 * Threads: see store_compact.h.
 */
#include "store_compact.h"

#include "alloc.h"
#include "share_handover.h"
#include "store_checkpoint.h"
#include "store_moves.h"

#define COMPACT_MAGIC 0x434f4d50u

/*
 * A pass begins when the segments that only store bodies are filled with what is alive to less than
 * this, on average, and some segments more than that: the log is at most 100 / COMPACT_PERCENT as
 * large as what is alive in it, and what is copied is never more than what that sets free. When
 * half of the limit is used, a segment is worth more than the three that may have to be written for
 * it, and nothing is left over.
 */
#define COMPACT_PERCENT        50u
#define COMPACT_PERCENT_TIGHT  75u
#define COMPACT_SLACK_SEGMENTS 2u

/* Alive in the segments of a pass, so that it ends soon: a checkpoint may be waiting. */
#define COMPACT_PASS_BYTES (UINT64_C(64) * 1024 * 1024)

/* Some 20 ns each, 100 when the memory is cold. */
#define COMPACT_SLICE 4096u

/* Sessions without deliveries, looked at in a turn. */
#define COMPACT_SESSIONS 512u

/* Read at once and copied in the turn in which it has come: 0.1 ms or so. */
#define COMPACT_BATCH_BYTES (128u * 1024)
#define COMPACT_BATCH       512u

#define COMPACT_CHECK_MS 100  /* how often it is asked whether a pass is due */
#define COMPACT_AGAIN_MS 1000 /* after one that set nothing free */

enum compact_phase { COMPACT_FIND, COMPACT_COPY, COMPACT_MOVE, COMPACT_WAIT };

struct store_compact {
    uint32_t magic;
    enum compact_phase phase;
    struct store *store;
    struct store_moves *moves;
    struct wal_sparse victims[STORE_MOVES_RANGES];
    uint32_t victims_num;
    bool failed;           /* the log took no copy any more, or there was no room for it */
    uint32_t slot;         /* the walk: next session */
    struct handle session; /* whose queue is being walked; HANDLE_NONE */
    uint64_t limit;        /* its deliveries from this number on are newer than the pass */
    uint32_t pending;      /* reads that have not been answered */
    struct wal_loc last;   /* of the copies */
};

/* ---- walking ---- */

static void compact_walk_begin(struct store_compact *compact, enum compact_phase phase)
{
    compact->phase = phase;
    compact->slot = 0;
    compact->session = HANDLE_NONE;
}

static void compact_visit(struct store_compact *compact, uint64_t *location, uint32_t bytes)
{
    struct store *store = compact->store;
    if (*location == 0)
        return;
    if (compact->phase == COMPACT_FIND) {
        store_moves_add(compact->moves, *location);
        return;
    }
    uint64_t to = store_moves_find(compact->moves, *location);
    if (to == 0 || !store_keep(store, to, bytes))
        return;
    store_forget(store->router, *location, bytes);
    *location = to;
}

/* A slice of the session's queue, and with the last one the window, into which some have moved. */
static bool compact_walk_session(struct store_compact *compact, struct session *session,
                                 uint32_t *left)
{
    struct mqueue_entry *queued;
    for (; *left > 0; (*left)--) {
        queued = mqueue_walk_next(&session->queue, compact->limit);
        if (queued == NULL)
            break;
        compact_visit(compact, &queued->location, queued->bytes);
    }
    if (*left == 0)
        return false;
    struct inflight_entry *sent = inflight_first(&session->inflight);
    for (; sent != NULL; sent = inflight_next(&session->inflight, sent)) {
        compact_visit(compact, &sent->location, sent->bytes);
        *left -= *left > 0 ? 1 : 0;
    }
    return true;
}

/* What has left its queue for another member, in one turn: few, or a session has just ended. */
static void compact_walk_handovers(struct store_compact *compact)
{
    uint32_t cursor = 0;
    struct handover *handover;
    while ((handover = slot_table_next(&compact->store->handovers.slots, &cursor)) != NULL)
        compact_visit(compact, &handover->location, handover->bytes);
}

/* A slice of all windows and queues. True: that was all of it. */
static bool compact_walk(struct store_compact *compact)
{
    struct router *router = compact->store->router;
    uint32_t left = COMPACT_SLICE;
    uint32_t sessions = COMPACT_SESSIONS;
    while (left > 0) {
        struct session *session = slot_table_get(&router->sessions, compact->session);
        if (session == NULL) {
            if (sessions-- == 0)
                return false;
            session = slot_table_next(&router->sessions, &compact->slot);
            if (session == NULL) {
                compact_walk_handovers(compact);
                return true;
            }
            if (!session_is_stored(session))
                continue;
            compact->session = session->handle;
            compact->limit = session->stored_next;
            mqueue_walk_begin(&session->queue);
        }
        if (compact_walk_session(compact, session, &left))
            compact->session = HANDLE_NONE;
    }
    return false;
}

/* ---- copying ---- */

/* Appends the message again. What cannot be read stays where it is. */
static void compact_copy(struct store_compact *compact, struct store_move *move, struct bytes body)
{
    struct store *store = compact->store;
    struct store_record record = {.type = STORE_COPY, .number = move->from};
    uint64_t lsn;
    struct wal_loc loc;
    if (store_decode_message(body, &record.message) != RC_OK)
        return;
    store_encode(&record, &store->parts);
    if (store_append(store, STORE_COPY, &lsn, &loc) != RC_OK) {
        compact->failed = true;
        return;
    }
    move->to = loc.word;
    compact->last = loc;
    router_count(store->router, STAT_COMPACTED_MESSAGES, 1);
    router_count(store->router, STAT_COMPACTED_BYTES, body.len);
}

static void compact_on_read(void *context, uint64_t tag, enum rc rc, struct bytes body)
{
    struct store_compact *compact = context;
    CHECK_OBJ(compact, COMPACT_MAGIC);
    CHECK(compact->phase == COMPACT_COPY && compact->pending > 0);
    compact->pending--;
    if (rc == RC_OK && !compact->failed)
        compact_copy(compact, &compact->moves->slots[tag], body);
}

/* Whether what is left to be copied may take of the room that there is. */
static bool compact_has_room(const struct store_compact *compact)
{
    struct wal_space space;
    wal_space_read(compact->store->wal, &space);
    return space.room_bytes > 2 * COMPACT_BATCH_BYTES;
}

/* Asks for the next batch. False: that was all. */
static bool compact_read(struct store_compact *compact)
{
    struct store_move *batch[COMPACT_BATCH];
    if (compact->failed || !compact_has_room(compact)) {
        compact->failed = true;
        return false;
    }
    uint32_t num = store_moves_batch(compact->moves, COMPACT_BATCH_BYTES, batch, COMPACT_BATCH);
    for (uint32_t i = 0; i < num; i++) {
        enum rc rc = wal_read(compact->store->wal, (struct wal_loc){batch[i]->from},
                              compact_on_read, compact,
                              (uint64_t)(batch[i] - compact->moves->slots));
        if (rc != RC_OK) {
            store_moves_back(compact->moves, num - i);
            compact->failed |= rc != RC_FULL;
            break;
        }
        compact->pending++;
    }
    return num > 0;
}

/* True if there is more to do at once. */
static bool compact_copy_turn(struct store_compact *compact)
{
    /* The completion of a read or of a write brings the next turn. */
    if (compact->pending > 0 || !store_checkpoint_may_write(compact->store, COMPACT_BATCH_BYTES))
        return false;
    if (compact_read(compact))
        return compact->pending == 0;
    compact_walk_begin(compact, COMPACT_MOVE);
    return true;
}

/* ---- the whole ---- */

static unsigned compact_percent(const struct wal_space *space)
{
    return space->is_tight ? COMPACT_PERCENT_TIGHT : COMPACT_PERCENT;
}

static bool compact_is_due(struct store *store, struct wal_space *out_space)
{
    uint64_t now_ms = store->router->shard->now_ms;
    if (LIKELY(now_ms < store->compact_next_ms))
        return false;
    store->compact_next_ms = now_ms + COMPACT_CHECK_MS;
    if (store->checkpoint != NULL || store->gap || wal_is_failed(store->wal))
        return false;
    wal_space_read(store->wal, out_space);
    struct wal_figures figures;
    wal_figures_read(store->wal, &figures);
    uint64_t slack = out_space->is_tight ? 0 : COMPACT_SLACK_SEGMENTS * figures.segment_bytes;
    return out_space->old_bytes >
           out_space->old_live_bytes * 100 / compact_percent(out_space) + slack;
}

static void compact_give(struct store_compact *compact)
{
    struct store *store = compact->store;
    uint64_t freed = 0;
    for (uint32_t i = 0; i < compact->victims_num; i++) {
        const struct wal_sparse *victim = &compact->victims[i];
        bool was_tried = !compact->failed && compact->phase == COMPACT_WAIT &&
                         store_moves_covers(compact->moves, victim);
        freed += wal_sparse_give(store->wal, victim, was_tried);
    }
    router_count(store->router, STAT_COMPACTED_SEGMENTS, freed);
    store->compact_next_ms = store->router->shard->now_ms + (freed > 0 ? 0 : COMPACT_AGAIN_MS);
}

static void compact_start(struct store *store, const struct wal_space *space)
{
    store->compact_next_ms = store->router->shard->now_ms + COMPACT_AGAIN_MS;
    struct store_compact *compact = alloc_zeroed(sizeof(*compact));
    if (compact == NULL)
        return;
    compact->magic = COMPACT_MAGIC;
    compact->store = store;
    /* Half of the room at most: a full log must not become fuller, and others append, too. */
    uint64_t most = space->room_bytes / 2;
    compact->victims_num = wal_sparse_take(store->wal, compact_percent(space),
                                           most < COMPACT_PASS_BYTES ? most : COMPACT_PASS_BYTES,
                                           compact->victims, STORE_MOVES_RANGES);
    if (compact->victims_num > 0)
        compact->moves = store_moves_create(compact->victims, compact->victims_num,
                                            store->router->shared->home_key.words[0]);
    store->compact = compact;
    if (compact->moves == NULL)
        store_compact_stop(store);
    else
        compact_walk_begin(compact, COMPACT_FIND);
}

void store_compact_stop(struct store *store)
{
    struct store_compact *compact = store->compact;
    if (compact == NULL)
        return;
    CHECK_OBJ(compact, COMPACT_MAGIC);
    if (compact->pending > 0)
        wal_read_cancel(store->wal, compact);
    compact_give(compact);
    store_moves_destroy(compact->moves);
    store->compact = NULL;
    compact->magic = 0;
    mem_free(compact);
}

bool store_compact_is_busy(const struct store *store)
{
    return store->compact != NULL && store->compact->phase != COMPACT_WAIT;
}

static bool compact_step(struct store_compact *compact)
{
    switch (compact->phase) {
    case COMPACT_FIND:
        if (!compact_walk(compact))
            return true;
        store_moves_order(compact->moves);
        compact->phase = compact->moves->count > 0 ? COMPACT_COPY : COMPACT_WAIT;
        return true;
    case COMPACT_COPY:
        return compact_copy_turn(compact);
    case COMPACT_MOVE:
        if (compact_walk(compact))
            compact->phase = COMPACT_WAIT;
        return true;
    case COMPACT_WAIT:
        break;
    }
    struct store *store = compact->store;
    if (wal_loc_is_none(compact->last) || wal_is_durable(store->wal, compact->last)) {
        store_compact_stop(store);
        return true;
    }
    wal_sync_soon(store->wal);
    return false;
}

bool store_compact_turn(struct store *store)
{
    if (LIKELY(store->compact == NULL)) {
        struct wal_space space;
        if (!compact_is_due(store, &space))
            return false;
        compact_start(store, &space);
        return store->compact != NULL;
    }
    CHECK_OBJ(store->compact, COMPACT_MAGIC);
    return compact_step(store->compact);
}
