/*
 * store.c -- the life of a shard's store, and the one door through which records go.
 *
 * Threads: see store.h.
 */
#include "store.h"

#include "clock.h"
#include "manifest.h"
#include "share_handover.h"
#include "store_checkpoint.h"
#include "store_compact.h"
#include "store_replay.h"
#include "store_restore.h"
#include "store_seen.h"
#include "store_table.h"
#include "store_taken.h"

/* How often the wall clock is compared with the monotonic one: it may be set by hand or by NTP. */
#define STORE_CLOCK_MS 1000

/* Sessions that are woken in a turn when the log takes records again. */
#define STORE_RESUME_PER_TURN 256

#define STORE_REASON_MAX 512

/*
 * Of how many segments a log consists at least that has reached its limit. Two of them are kept for
 * checkpoints and acknowledgements, so that an eighth of the limit is not for messages.
 */
#define STORE_SEGMENTS_MIN  16
#define STORE_SEGMENT_FIRST (4u * 1024 * 1024)
#define STORE_SEGMENT_MAX   (64u * 1024 * 1024)

/* ---- appending ---- */

enum rc store_append(struct store *store, enum store_type type, uint64_t *out_lsn,
                     struct wal_loc *out_loc)
{
    CHECK_OBJ(store, STORE_MAGIC);
    enum rc rc = wal_append(store->wal, (uint8_t)type, store->parts.parts, store->parts.num,
                            out_lsn, out_loc);
    if (LIKELY(rc == RC_OK))
        store->router->log_last = *out_lsn;
    return rc;
}

void store_gap(struct store *store)
{
    CHECK_OBJ(store, STORE_MAGIC);
    store->gap = true;
    wal_gap(store->wal);
}

uint64_t store_note(struct store *store, enum store_type type)
{
    uint64_t lsn = 0;
    struct wal_loc loc;
    if (store_append(store, type, &lsn, &loc) == RC_OK)
        return lsn;
    store_gap(store);
    router_count(store->router, STAT_LOG_GAPS, 1);
    return 0;
}

bool store_is_ready(const struct store *store)
{
    return !wal_is_failed(store->wal) && wal_pressure(store->wal) != WAL_PRESSURE_FULL;
}

bool store_is_failed(const struct store *store)
{
    CHECK_OBJ(store, STORE_MAGIC);
    return wal_is_failed(store->wal);
}

uint64_t store_wall_ms(struct store *store, uint64_t mono_ms)
{
    uint64_t now_ms = store->router->shard->now_ms;
    if (now_ms >= store->offset_next_ms) {
        store->wall_offset_ms = clock_wall_ms() - now_ms;
        store->offset_next_ms = now_ms + STORE_CLOCK_MS;
    }
    return mono_ms + store->wall_offset_ms;
}

struct store_message store_message_of(struct store *store, const struct pub *pub)
{
    uint64_t expires_at_ms = pub->expires_at_ms;
    return store_message_from(pub, expires_at_ms != 0 ? store_wall_ms(store, expires_at_ms) : 0);
}

struct store_message store_message_owned(struct store *store, const struct msg *msg)
{
    struct store_message message = store_message_of(store, &msg->pub);
    message.owner = msg->owner;
    return message;
}

/* ---- what the log says ---- */

static void store_on_committed(void *context, uint64_t lsn)
{
    struct store *store = context;
    CHECK_OBJ(store, STORE_MAGIC);
    struct router *router = store->router;
    router->log_committed = lsn;
    if (router->closing)
        return; /* nobody is left to be told */
    confirm_run(router);
    store_keyed_committed(store);
    store_taken_committed(store, lsn);
    router->sink->committed(router->shard, lsn);
}

static void store_on_failed(void *context, int error)
{
    struct store *store = context;
    CHECK_OBJ(store, STORE_MAGIC);
    LOG(LOG_ERROR, "the log cannot be written: %s; durable sessions are refused until it can",
        strerror(error));
    if (store->router->closing)
        return;
    confirm_fail(store->router);
    store->router->sink->log_failed(store->router->shard);
}

static void store_on_recovered(void *context)
{
    struct store *store = context;
    CHECK_OBJ(store, STORE_MAGIC);
    LOG(LOG_INFO, "the log can be written again");
    store->resumed = true;
    store->resume_slot = 0;
}

/* ---- opening and closing ---- */

/* The usual size (0: what the log thinks usual), or less under a limit. */
static uint64_t store_segment_bytes(uint64_t limit, uint64_t usual)
{
    uint64_t most = limit / STORE_SEGMENTS_MIN;
    if (limit == 0 || (usual != 0 && usual < most))
        return usual;
    return most < STORE_SEGMENT_MAX ? most : 0;
}

struct wal_options store_wal_options(const struct store_config *config, unsigned shards)
{
    uint64_t limit = config->disk_bytes_max / shards;
    uint64_t first = config->segment_bytes_first;
    return (struct wal_options){
        .mode = config->mode,
        .interval_ms = config->interval_ms,
        .segment_bytes_first = store_segment_bytes(limit, first != 0 ? first : STORE_SEGMENT_FIRST),
        .segment_bytes_max = store_segment_bytes(limit, config->segment_bytes_max),
        .disk_bytes_max = limit};
}

static enum rc store_create(struct router *router, const struct wal_image *image)
{
    const struct store_config *config = router->shared->store;
    char path[MANIFEST_PATH_MAX];
    if (!manifest_log_path(path, sizeof(path), config->log_dir, config->generation,
                           router->shard->id))
        return RC_INVALID;
    struct store *store = mem_alloc(sizeof(*store));
    if (store == NULL)
        return RC_NO_MEMORY;
    memset(store, 0, offsetof(struct store, parts));
    store->magic = STORE_MAGIC;
    store->router = router;
    store->number_next = 1;
    store->checkpoint_bytes_min = config->checkpoint_bytes_min != 0 ? config->checkpoint_bytes_min
                                                                    : CHECKPOINT_BYTES_MIN;
    list_init(&store->loads);
    handover_init(store);
    store_keyed_init(&store->keyed);
    list_init(&store->given);
    store_checkpoint_init(store);
    store->seen = alloc_zeroed(sizeof(*store->seen));
    store->taken = alloc_zeroed(sizeof(*store->taken));
    if (store->seen == NULL || store->taken == NULL) {
        mem_free(store->seen);
        mem_free(store->taken);
        mem_free(store);
        return RC_NO_MEMORY;
    }
    char reason[STORE_REASON_MAX] = "";
    struct wal_options options = store_wal_options(config, router->shared->shards);
    options.path = path;
    options.events = (struct wal_events){.context = store,
                                         .committed = store_on_committed,
                                         .failed = store_on_failed,
                                         .recovered = store_on_recovered};
    enum rc rc = wal_open(&store->wal, router->shard, &options, image, reason, sizeof(reason));
    if (rc != RC_OK) {
        LOG(LOG_ERROR, "the log cannot be opened: %s", reason[0] != '\0' ? reason : rc_text(rc));
        mem_free(store->seen);
        mem_free(store->taken);
        mem_free(store);
        return rc;
    }
    if (wal_is_failed(store->wal))
        LOG(LOG_ERROR, "the log begins without room on the disk; durable sessions are refused");
    router->store = store;
    router->log_last = wal_last(store->wal);
    router->log_committed = wal_committed(store->wal);
    return RC_OK;
}

static void store_say(struct router *router, const struct store_replay *replay, uint64_t began_ns)
{
    struct wal_image_figures figures;
    struct image_figures found;
    wal_image_figures_read(replay->log, &figures);
    image_figures_read(replay->image, &found);
    router_count(router, STAT_RECOVERED_SESSIONS, found.sessions);
    router_count(router, STAT_RECOVERED_MESSAGES, found.entries);
    LOG(LOG_INFO, "recovered %llu %s, %llu %s, %llu retained from %llu %s in %llu ms%s",
        (unsigned long long)found.sessions, log_noun(found.sessions, "session", "sessions"),
        (unsigned long long)found.entries, log_noun(found.entries, "message", "messages"),
        (unsigned long long)found.retained, (unsigned long long)figures.records,
        log_noun(figures.records, "record", "records"),
        (unsigned long long)((clock_mono_ns() - began_ns) / 1000000),
        figures.torn ? "; the last commit was not whole" : "");
    if (found.anomalies + replay->unknown > 0)
        LOG(LOG_WARNING, "%llu %s of the log could not be understood",
            (unsigned long long)(found.anomalies + replay->unknown),
            log_noun(found.anomalies + replay->unknown, "record", "records"));
}

static enum rc store_recover(struct router *router, struct store_replay *replay)
{
    uint64_t began_ns = clock_mono_ns();
    struct wal_image_figures figures;
    struct image_clock clock = {.wall_ms = clock_wall_ms(), .mono_ms = router->shard->now_ms};
    enum rc rc = store_replay_open(replay, router->shared->store, router->shard->id,
                                   &router->shared->home_key, clock);
    if (rc == RC_OK)
        rc = store_create(router, replay->log);
    if (rc != RC_OK || replay->log == NULL)
        return rc;
    wal_image_figures_read(replay->log, &figures);
    rc = store_restore(router, replay->image, figures.wall_ms_last);
    if (rc == RC_OK)
        store_say(router, replay, began_ns);
    return rc;
}

enum rc store_open(struct router *router)
{
    struct store_replay replay = {0};
    if (router->shared->store == NULL)
        return RC_OK;
    enum rc rc = store_recover(router, &replay);
    store_replay_close(&replay);
    return rc;
}

void store_close(struct router *router)
{
    struct store *store = router->store;
    if (store == NULL)
        return;
    CHECK_OBJ(store, STORE_MAGIC);
    store_checkpoint_stop(store);
    timer_cancel(&router->shard->timers, &store->checkpoint_timer);
    store_compact_stop(store);
    handover_fini(store);
    CHECK(list_is_empty(&store->loads));
    store_seen_fini(store);
    store_taken_fini(store);
    store_keyed_fini(&store->keyed);
    wal_close(store->wal);
    router->store = NULL;
    store->magic = 0;
    mem_free(store);
}

/* ---- turns ---- */

/* Sessions whose deliveries the log did not take go on. True if there are more. */
static bool store_resume(struct store *store)
{
    struct router *router = store->router;
    struct session *session;
    for (unsigned i = 0; i < STORE_RESUME_PER_TURN; i++) {
        session = slot_table_next(&router->sessions, &store->resume_slot);
        if (session == NULL) {
            store->resumed = false;
            return false;
        }
        if (session->conn != NULL && session_is_stored(session))
            outbound_pump(router, session);
    }
    return true;
}

/* Counts this log as refusing or not; what waited for it to take records again goes on. */
static void store_notice(struct store *store)
{
    bool is_refusing = !store_is_ready(store);
    if (LIKELY(is_refusing == store->is_refusing))
        return;
    store->is_refusing = is_refusing;
    if (is_refusing) {
        router_count(store->router, STAT_LOG_REFUSING, 1);
        return;
    }
    stat_sub(store->router->shard->stats, STAT_LOG_REFUSING, 1);
    store->attach_bytes = 0;
    store->resumed = true;
    store->resume_slot = 0;
}

bool store_turn_end(struct router *router)
{
    struct store *store = router->store;
    CHECK_OBJ(store, STORE_MAGIC);
    bool more = false;
    store_notice(store);
    if (UNLIKELY(store->resumed))
        more |= store_resume(store);
    handover_turn(store);
    more |= store_checkpoint_turn(store);
    more |= store_compact_turn(store);
    wal_turn_end(store->wal);
    return more;
}
