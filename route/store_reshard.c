/*
 * store_reshard.c -- see store_reshard.h.
 *
 * Threads: see store_reshard.h. Each shard writes its own rows of the tables; the meetings between
 * the steps order that with what others read.
 */
#include "store_reshard.h"

#include <errno.h>
#include <stdio.h>

#include "alloc.h"
#include "clock.h"
#include "disk.h"
#include "manifest.h"
#include "store_replay.h"
#include "store_rewrite.h"

#define RESHARD_REASON_MAX    512
#define RESHARD_SEGMENT_FIRST (UINT64_C(4) * 1024 * 1024) /* what wal_options calls 0 */
#define RESHARD_SEGMENT_MAX   (UINT64_C(64) * 1024 * 1024)

struct store_reshard {
    struct store_config *config;
    struct rewrite_plan plan;
    struct rewrite_from *from;    /* of each old log: the shard's that reads it */
    struct store_replay *replays; /* the same */
    struct rewrite_figures *new;  /* of each new log */
    uint64_t began_ns;            /* of the steps of shard 0 */
    bool is_deciding;             /* MANIFEST may be another one from here on */
};

struct store_reshard *store_reshard_create(struct store_config *config, uint32_t shards,
                                           const struct hash_key *home_key)
{
    uint32_t from_num = config->shards_before;
    CHECK(from_num > 0 && from_num <= SHARDS_MAX && shards > 0 && shards <= SHARDS_MAX);
    struct store_reshard *reshard = alloc_zeroed(sizeof(*reshard));
    if (reshard == NULL)
        return NULL;
    reshard->config = config;
    reshard->from = alloc_zeroed(from_num * sizeof(*reshard->from));
    reshard->replays = alloc_zeroed(from_num * sizeof(*reshard->replays));
    reshard->new = alloc_zeroed(shards * sizeof(*reshard->new));
    reshard->plan = (struct rewrite_plan){
        .from = reshard->from,
        .from_num = from_num,
        .to_num = shards,
        .home_key = *home_key,
        .clock = {.wall_ms = clock_wall_ms(), .mono_ms = clock_mono_ns() / 1000000},
        .skip_damaged = config->skip_damaged};
    if (reshard->from != NULL && reshard->replays != NULL && reshard->new != NULL)
        return reshard;
    store_reshard_destroy(reshard);
    return NULL;
}

void store_reshard_destroy(struct store_reshard *reshard)
{
    if (reshard == NULL)
        return;
    for (uint32_t i = 0; reshard->replays != NULL && i < reshard->plan.from_num; i++)
        store_replay_close(&reshard->replays[i]);
    mem_free(reshard->from);
    mem_free(reshard->replays);
    mem_free(reshard->new);
    mem_free(reshard);
}

/* ---- the steps ---- */

static enum rc reshard_read(struct shard *shard, struct store_reshard *reshard)
{
    const struct rewrite_plan *plan = &reshard->plan;
    enum rc rc = RC_OK;
    if (shard->id == 0) {
        reshard->began_ns = clock_mono_ns();
        LOG(LOG_INFO, "the data of %u %s moves to %u", (unsigned)plan->from_num,
            log_noun(plan->from_num, "shard", "shards"), (unsigned)plan->to_num);
    }
    for (uint32_t i = shard->id; i < plan->from_num && rc == RC_OK; i += plan->to_num) {
        struct store_replay *replay = &reshard->replays[i];
        rc = store_replay_open(replay, reshard->config, i, &plan->home_key, plan->clock);
        if (rc == RC_OK)
            rc = image_rank(replay->image);
        if (rc != RC_OK)
            break;
        struct wal_image_figures figures = {0};
        if (replay->log != NULL)
            wal_image_figures_read(replay->log, &figures);
        reshard->from[i] = (struct rewrite_from){
            .image = replay->image, .log = replay->log, .alive_wall_ms = figures.wall_ms_last};
    }
    return rc;
}

static enum rc reshard_number(struct shard *shard, struct store_reshard *reshard)
{
    uint64_t sessions = 0;
    uint64_t wills = 0;
    if (shard->id != 0)
        return RC_OK;
    for (uint32_t i = 0; i < reshard->plan.from_num; i++) {
        struct image_figures figures;
        image_figures_read(reshard->from[i].image, &figures);
        reshard->from[i].sessions_before = sessions;
        reshard->from[i].wills_before = wills;
        sessions += figures.sessions;
        wills += figures.wills;
    }
    reshard->plan.sessions_all = sessions;
    return RC_OK;
}

static enum rc reshard_weigh(struct shard *shard, struct store_reshard *reshard)
{
    return store_rewrite(&reshard->plan, shard->id, NULL, &reshard->new[shard->id]);
}

uint64_t store_reshard_room(uint64_t bytes, const struct wal_options *options)
{
    uint64_t size = options->segment_bytes_first != 0 ? options->segment_bytes_first
                                                      : RESHARD_SEGMENT_FIRST;
    uint64_t most = options->segment_bytes_max != 0 ? options->segment_bytes_max
                                                    : RESHARD_SEGMENT_MAX;
    uint64_t sum = 0;
    /* A commit fills whole blocks, which is less than a hundredth. One segment is made ahead. */
    uint64_t needed = bytes + bytes / 100;
    for (bool is_ahead = false; !is_ahead; sum += size, size = 2 * size < most ? 2 * size : most)
        is_ahead = sum >= needed && sum > 0;
    return sum;
}

static enum rc reshard_check(struct shard *shard, struct store_reshard *reshard)
{
    uint64_t needed = 0;
    uint64_t room;
    if (shard->id != 0)
        return RC_OK;
    struct wal_options options = store_wal_options(reshard->config, reshard->plan.to_num);
    for (uint32_t i = 0; i < reshard->plan.to_num; i++)
        needed += store_reshard_room(reshard->new[i].bytes, &options);
    enum rc rc = disk_room(reshard->config->log_dir, &room);
    if (rc != RC_OK) {
        LOG(LOG_ERROR, "%s: %s", reshard->config->log_dir, strerror(errno));
        return rc;
    }
    if (room >= needed)
        return RC_OK;
    LOG(LOG_ERROR,
        "%s was written by %u %s; to go on with %u, both must fit on the disk for a while: "
        "that takes %llu MiB, and there are %llu (make room, or start with --shards %u)",
        reshard->config->log_dir, (unsigned)reshard->plan.from_num,
        log_noun(reshard->plan.from_num, "shard", "shards"), (unsigned)reshard->plan.to_num,
        (unsigned long long)(needed >> 20), (unsigned long long)(room >> 20),
        (unsigned)reshard->plan.from_num);
    return RC_FULL;
}

static void reshard_on_committed(void *context, uint64_t lsn)
{
    (void)context;
    (void)lsn;
}

static enum rc reshard_write(struct shard *shard, struct store_reshard *reshard)
{
    const struct store_config *config = reshard->config;
    char path[MANIFEST_PATH_MAX];
    char reason[RESHARD_REASON_MAX] = "";
    struct wal *wal;
    if (!manifest_log_path(path, sizeof(path), config->log_dir, config->generation + 1, shard->id))
        return RC_INVALID;
    struct wal_options options = store_wal_options(config, reshard->plan.to_num);
    options.path = path;
    options.mode = WAL_COMMIT;
    options.disk_bytes_max = 0;
    options.events = (struct wal_events){.committed = reshard_on_committed};
    enum rc rc = wal_open(&wal, shard, &options, NULL, reason, sizeof(reason));
    if (rc != RC_OK) {
        LOG(LOG_ERROR, "the log cannot be opened: %s", reason[0] != '\0' ? reason : rc_text(rc));
        return rc;
    }
    struct rewrite_figures *figures = &reshard->new[shard->id];
    rc = store_rewrite(&reshard->plan, shard->id, wal, figures);
    if (rc == RC_OK && figures->lost > 0)
        LOG(LOG_WARNING, "%llu %s lost", (unsigned long long)figures->lost,
            log_noun(figures->lost, "message could not be read and is",
                     "messages could not be read and are"));
    struct wal_figures found;
    wal_figures_read(wal, &found);
    if (rc != RC_OK)
        LOG(LOG_ERROR, "%s could not be written: %s", path,
            found.error != 0 ? strerror(found.error) : rc_text(rc));
    wal_close(wal);
    return rc;
}

static enum rc reshard_decide(struct shard *shard, struct store_reshard *reshard)
{
    struct store_config *config = reshard->config;
    char reason[RESHARD_REASON_MAX] = "";
    if (shard->id != 0)
        return RC_OK;
    struct manifest manifest = {.generation = config->generation + 1,
                                .shards = reshard->plan.to_num};
    reshard->is_deciding = true;
    enum rc rc = manifest_store(config->log_dir, &manifest, reason, sizeof(reason));
    if (rc != RC_OK) {
        LOG(LOG_ERROR, "%s", reason);
        return rc;
    }
    config->generation = manifest.generation;
    config->shards_before = manifest.shards;
    return RC_OK;
}

static enum rc reshard_leave(struct shard *shard, struct store_reshard *reshard)
{
    const struct rewrite_plan *plan = &reshard->plan;
    for (uint32_t i = shard->id; i < plan->from_num; i += plan->to_num)
        store_replay_close(&reshard->replays[i]);
    return RC_OK;
}

static enum rc reshard_sweep(struct shard *shard, struct store_reshard *reshard)
{
    char reason[RESHARD_REASON_MAX] = "";
    struct rewrite_figures all = {0};
    if (shard->id != 0)
        return RC_OK;
    const struct store_config *config = reshard->config;
    if (manifest_sweep(config->log_dir, config->generation, reason, sizeof(reason)) != RC_OK)
        LOG(LOG_WARNING, "the old logs are still there: %s", reason);
    for (uint32_t i = 0; i < reshard->plan.to_num; i++) {
        all.sessions += reshard->new[i].sessions;
        all.deliveries += reshard->new[i].deliveries;
    }
    LOG(LOG_INFO, "%llu %s and %llu %s moved from %u %s to %u in %llu ms",
        (unsigned long long)all.sessions, log_noun(all.sessions, "session", "sessions"),
        (unsigned long long)all.deliveries, log_noun(all.deliveries, "message", "messages"),
        (unsigned)reshard->plan.from_num, log_noun(reshard->plan.from_num, "shard", "shards"),
        (unsigned)reshard->plan.to_num,
        (unsigned long long)((clock_mono_ns() - reshard->began_ns) / 1000000));
    return RC_OK;
}

enum rc store_reshard_step(struct shard *shard, struct store_reshard *reshard, unsigned step)
{
    static enum rc (*const steps[])(struct shard *, struct store_reshard *) = {
        reshard_read,  reshard_number, reshard_weigh, reshard_check,
        reshard_write, reshard_decide, reshard_leave, reshard_sweep};
    STATIC_CHECK(ARRAY_LEN(steps) == STORE_RESHARD_STEPS, "the header names them");
    SHARD_CHECK(shard);
    CHECK(step < STORE_RESHARD_STEPS && shard->id < reshard->plan.to_num);
    return steps[step](shard, reshard);
}

enum rc store_reshard(struct shard *shard, struct store_reshard *reshard)
{
    for (unsigned step = 0; step < STORE_RESHARD_STEPS; step++) {
        enum rc rc = store_reshard_step(shard, reshard, step);
        if (rc != RC_OK)
            return rc;
        if (!runtime_meet(shard->runtime))
            return RC_DENIED; /* another one has said why */
    }
    return RC_OK;
}

void store_reshard_undo(struct store_reshard *reshard)
{
    char reason[RESHARD_REASON_MAX] = "";
    const struct store_config *config = reshard->config;
    /* Once it may have been decided, only MANIFEST itself knows: the next start reads it. */
    if (reshard->is_deciding)
        return;
    if (manifest_sweep(config->log_dir, config->generation, reason, sizeof(reason)) != RC_OK)
        LOG(LOG_WARNING, "an unfinished log is left over: %s", reason);
}
