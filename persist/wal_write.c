/*
 * wal_write.c -- one commit at a time to the disk.
 *
 * The flying batch is what must be written next; it stays so until it has been, whatever goes
 * wrong. It goes behind the last commit of the current segment, or into the spare one, whose header
 * is then written together with it: one request, the header's block before the commit's. After an
 * error nothing more is written to the segment (what the kernel did with the pages of a failed
 * fsync, nobody knows) and the batch is repeated in the next one at the same position.
 *
 * Without a spare segment the batch waits. Waiting is failing if the last attempt to make one has
 * failed; else it is a stall, which is only counted. A log that is opened without room for a
 * segment is failing from its first moment, with nothing to write; it works again when there is a
 * segment.
 *
 * In the modes that do not sync each commit, a segment is synced when the next one has begun
 * (`os`), and the current one in intervals (`interval`) or after a checkpoint, because segments are
 * only given free once the checkpoint that makes them superfluous is on the disk. After a sync that
 * failed nothing is called durable until a checkpoint that began behind it is.
 *
 * Threads: the shard's.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "persist_stats.h"
#include "wal_inner.h"

bool wal_write_is_wanted(const struct wal *wal)
{
    return wal->flying != NULL || !list_is_empty(&wal->ready) || wal->must_commit ||
           (wal->gathering != NULL && wal->gathering->count > 0);
}

/* ---- failure ---- */

static void wal_failing(struct wal *wal, uint64_t now_ms, int error)
{
    wal->error = error;
    if (wal->failing_since_ms == 0) {
        wal->failing_since_ms = now_ms == 0 ? 1 : now_ms;
        LOG(LOG_ERROR, "log %s: cannot be written: %s; trying again", wal->path, strerror(error));
    }
    if (wal->is_failed_told || now_ms - wal->failing_since_ms < WAL_FAILED_AFTER_MS)
        return;
    wal->is_failed_told = true;
    shard_count(wal->shard, STAT_WAL_FAILING, 1);
    if (wal->options.events.failed != NULL)
        wal->options.events.failed(wal->options.events.context, error);
}

void wal_write_begin_failed(struct wal *wal, int error)
{
    CHECK(wal->current == NULL && wal->failing_since_ms == 0 && !wal_write_is_wanted(wal));
    uint64_t now_ms = clock_mono_ns() / 1000000;
    wal->error = error;
    wal->failing_since_ms = now_ms == 0 ? 1 : now_ms;
    wal->is_failed_told = true;
    shard_count(wal->shard, STAT_WAL_FAILING, 1);
}

static void wal_working(struct wal *wal)
{
    wal->retry_ms = 0;
    wal->retry_at_ms = 0;
    wal->error = 0;
    if (wal->failing_since_ms == 0)
        return;
    wal->failing_since_ms = 0;
    LOG(LOG_INFO, "log %s: can be written again", wal->path);
    if (!wal->is_failed_told)
        return;
    wal->is_failed_told = false;
    stat_sub(wal->shard->stats, STAT_WAL_FAILING, 1);
    if (wal->options.events.recovered != NULL)
        wal->options.events.recovered(wal->options.events.context);
}

void wal_write_prepared(struct wal *wal)
{
    CHECK(wal->spare != NULL);
    /* What waits to be written shows by itself whether it can be. */
    if (wal->failing_since_ms != 0 && !wal_write_is_wanted(wal))
        wal_working(wal);
}

void wal_retry_arm(struct wal *wal, uint64_t now_ms)
{
    uint64_t at_ms = UINT64_MAX;
    if (wal->retry_at_ms != 0)
        at_ms = wal->retry_at_ms;
    if (wal->prepare.retry_at_ms != 0 && wal->prepare.retry_at_ms < at_ms)
        at_ms = wal->prepare.retry_at_ms;
    if (wal->failing_since_ms != 0 && !wal->is_failed_told &&
        wal->failing_since_ms + WAL_FAILED_AFTER_MS < at_ms)
        at_ms = wal->failing_since_ms + WAL_FAILED_AFTER_MS;
    if (at_ms == UINT64_MAX)
        timer_cancel(&wal->shard->timers, &wal->retry);
    else
        timer_set(&wal->shard->timers, &wal->retry, at_ms < now_ms ? now_ms : at_ms);
}

/* No more writes into the current segment. */
static void wal_seal(struct wal *wal)
{
    struct wal_segment *segment = wal->current;
    wal->current = NULL;
    if (segment == NULL || segment->end > segment->base)
        return;
    wal_segment_remove(wal, segment);
    wal_discard(wal, segment);
}

/* ---- writing ---- */

/* The segment for the flying batch; NULL: it has to wait. */
static struct wal_segment *wal_write_place(struct wal *wal, uint32_t total)
{
    struct wal_segment *segment = wal->current;
    if (segment != NULL) {
        CHECK(segment->end == wal->flying->pos);
        if (WAL_BLOCK + segment->end - segment->base + total <= segment->size)
            return segment;
        wal_seal(wal);
    }
    segment = wal->spare;
    uint64_t salt;
    if (segment == NULL || getrandom(&salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
        return NULL;
    segment->salt = salt;
    segment->base = segment->end = wal->flying->pos;
    if (!wal_segment_add(wal, segment))
        return NULL;
    wal->spare = NULL;
    wal->current = segment;
    /* One that is too small for a large record grows. */
    if (WAL_BLOCK + (uint64_t)total > segment->size) {
        wal_count_disk(wal, (int64_t)(WAL_BLOCK + (uint64_t)total - segment->size));
        segment->size = WAL_BLOCK + (uint64_t)total;
    }
    return segment;
}

static void wal_write_head(struct wal *wal, const struct wal_segment *segment, uint64_t wall_ms)
{
    const struct wal_batch *batch = wal->flying;
    struct wal_head head = {
        .number = segment->number,
        .base = segment->base,
        .lsn_first = batch->lsn_first,
        .pos_durable = wal->pos_durable,
        .salt = segment->salt,
        .log_id = wal->log_id,
        .before = wal->before,
        .checkpoint_pos = wal->checkpoint_pos,
        .checkpoint_lsn = wal->checkpoint_lsn,
        .wall_ms = wall_ms,
        .size = segment->size,
    };
    memset(batch->buffer, 0, WAL_BLOCK);
    wal_head_encode(&head, batch->buffer);
}

static void wal_write_commit(struct wal *wal, const struct wal_segment *segment, uint64_t wall_ms)
{
    const struct wal_batch *batch = wal->flying;
    CHECK(batch->lsn_first == wal->lsn_committed + 1);
    struct wal_commit commit = {
        .number = segment->number,
        .pos = batch->pos,
        .lsn_first = batch->lsn_first,
        .pos_durable = wal->pos_durable,
        .checkpoint_pos = batch->checkpoint_pos,
        .checkpoint_lsn = batch->checkpoint_lsn,
        .wall_ms = wall_ms,
        .len = batch->len,
        .count = batch->count,
        .heads_crc = batch->heads_crc,
    };
    uint8_t *at = batch->buffer + WAL_BLOCK;
    size_t used = WAL_COMMIT_LEN + (size_t)batch->len;
    wal_commit_encode(&commit, segment->salt, at);
    memset(at + used, 0, wal_batch_total(batch) - used);
}

static void wal_write_start(struct wal *wal, uint64_t now_ms)
{
    const struct wal_batch *batch = wal->flying;
    CHECK(batch->pos == wal->pos_committed && !wal->is_writing);
    uint32_t total = wal_batch_total(batch);
    struct wal_segment *segment = wal_write_place(wal, total);
    if (segment == NULL) {
        if (!wal->is_stalled)
            shard_count(wal->shard, STAT_WAL_STALLS, 1);
        wal->is_stalled = true;
        if (wal->prepare.error != 0)
            wal_failing(wal, now_ms, wal->prepare.error);
        return;
    }
    wal->is_stalled = false;
    uint64_t wall_ms = clock_wall_ms();
    bool is_first = segment->end == segment->base;
    if (is_first)
        wal_write_head(wal, segment, wall_ms);
    wal_write_commit(wal, segment, wall_ms);
    struct bytes data = {.ptr = batch->buffer + (is_first ? 0 : WAL_BLOCK),
                         .len = total + (is_first ? WAL_BLOCK : 0)};
    uint64_t offset = is_first ? 0 : WAL_BLOCK + segment->end - segment->base;
    bool durable = wal->options.mode == WAL_COMMIT && wal->has_dsync;
    wal->is_writing = true;
    wal->began_ns = clock_mono_ns();
    ring_file_write(wal->shard->ring, wal_token(WAL_OP_WRITE, 0), segment->fd, data, offset,
                    durable);
}

void wal_write_step(struct wal *wal, uint64_t now_ms)
{
    if (wal->is_writing)
        return;
    if (wal->failing_since_ms != 0)
        wal_failing(wal, now_ms, wal->error);
    if (now_ms < wal->retry_at_ms)
        return;
    if (wal->flying == NULL)
        wal->flying = wal_batch_take(wal);
    if (wal->flying != NULL)
        wal_write_start(wal, now_ms);
}

/* ---- what became of it ---- */

static void wal_write_failed(struct wal *wal, int error)
{
    CHECK(error > 0);
    uint64_t now_ms = clock_mono_ns() / 1000000;
    shard_count(wal->shard, STAT_WAL_ERRORS, 1);
    wal_seal(wal);
    wal->retry_ms = wal->retry_ms == 0 ? WAL_RETRY_MS : 2 * wal->retry_ms;
    if (wal->retry_ms > WAL_RETRY_MAX)
        wal->retry_ms = WAL_RETRY_MAX;
    wal->retry_at_ms = now_ms + wal->retry_ms;
    wal_failing(wal, now_ms, error);
    wal_retry_arm(wal, now_ms);
}

/* A commit that a checkpoint was waiting for. */
static void wal_write_stage(struct wal *wal, const struct wal_batch *batch,
                            const struct wal_segment *segment)
{
    if (batch->stage == WAL_STAGE_NONE)
        return;
    wal->is_sync_due = wal->options.mode != WAL_COMMIT;
    if (batch->stage == WAL_STAGE_END) {
        if (wal->stage == WAL_STAGE_END && batch->ended_num == wal->ended_num) {
            wal->stage = WAL_STAGE_SYNC;
            wal->ended_end = segment->end;
        }
        return;
    }
    CHECK(batch->stage == WAL_STAGE_CARRY && batch->checkpoint_pos >= wal->checkpoint_pos);
    if (wal->stage == WAL_STAGE_CARRY && !wal->must_commit)
        wal->stage = WAL_STAGE_NONE;
    if (batch->checkpoint_pos >= wal->pos_lost)
        wal->pos_lost = 0;
    wal->checkpoint_pos = batch->checkpoint_pos;
    wal->checkpoint_lsn = batch->checkpoint_lsn;
    wal->checkpoint_end = segment->end;
    wal->is_free_dirty = true;
    shard_count(wal->shard, STAT_WAL_CHECKPOINTS, 1);
}

static void wal_write_committed(struct wal *wal)
{
    struct wal_batch *batch = wal->flying;
    struct wal_segment *segment = wal->current;
    struct shard *shard = wal->shard;
    CHECK(segment != NULL && segment->end == batch->pos);
    segment->end = wal->pos_committed = batch->pos + wal_batch_total(batch);
    segment->live.refs += batch->live.refs;
    segment->live.bytes += batch->live.bytes;
    wal->lsn_committed = batch->lsn_first + batch->count - 1;
    wal->before = segment->number;
    if (wal->options.mode == WAL_COMMIT)
        wal->pos_durable = segment->end;
    else
        segment->is_unsynced = true;
    if (wal->options.mode == WAL_INTERVAL && !wal->is_sync_due && !timer_pending(&wal->interval))
        timer_set(&shard->timers, &wal->interval, shard->now_ms + wal->options.interval_ms);
    wal_write_stage(wal, batch, segment);
    wal->pending_bytes -= batch->len;
    stat_sub(shard->stats, STAT_WAL_PENDING_BYTES, batch->len);
    shard_count(shard, STAT_WAL_COMMITS, 1);
    shard_count(shard, STAT_WAL_BYTES, wal_batch_total(batch));
    shard_count(shard, STAT_WAL_RECORD_BYTES, batch->len);
    latency_record(&shard->latencies[SHARD_LATENCY_COMMIT], clock_mono_ns() - wal->began_ns, 1);
    bool has_records = batch->count > 0;
    wal->flying = NULL;
    wal_batch_free(wal, batch);
    wal_working(wal);
    if (has_records)
        wal->options.events.committed(wal->options.events.context, wal->lsn_committed);
}

void wal_write_done(struct wal *wal, enum wal_op op, int32_t result)
{
    CHECK(wal->is_writing && wal->flying != NULL && wal->current != NULL);
    wal->is_writing = false;
    uint32_t total = wal_batch_total(wal->flying);
    if (wal->current->end == wal->current->base)
        total += WAL_BLOCK;
    if (op == WAL_OP_WRITE && (result == -EINTR || result == -EAGAIN))
        return; /* at once, in the same place */
    if (result < 0 || (op == WAL_OP_WRITE && (uint32_t)result != total)) {
        /* A short write means that there is no room for the rest. */
        wal_write_failed(wal, result < 0 ? -result : ENOSPC);
        return;
    }
    if (op == WAL_OP_WRITE && wal->options.mode == WAL_COMMIT && !wal->has_dsync) {
        wal->is_writing = true;
        ring_file_sync(wal->shard->ring, wal_token(WAL_OP_WRITE_SYNC, 0), wal->current->fd);
        return;
    }
    wal_write_committed(wal);
}

/* ---- syncs of the other modes ---- */

void wal_sync_step(struct wal *wal)
{
    if (wal->options.mode == WAL_COMMIT || wal->syncing != NULL || wal->is_closing)
        return;
    for (uint32_t i = 0; i < wal->num_segments; i++) {
        struct wal_segment *segment = wal->segments[i];
        if (!segment->is_unsynced)
            continue;
        if (segment == wal->current && !wal->is_sync_due)
            return;
        wal->syncing = segment;
        segment->synced = segment->end;
        ring_file_sync(wal->shard->ring, wal_token(WAL_OP_SYNC, 0), segment->fd);
        return;
    }
    wal->is_sync_due = false;
}

void wal_sync_done(struct wal *wal, int32_t result)
{
    struct wal_segment *segment = wal->syncing;
    CHECK(segment != NULL);
    wal->syncing = NULL;
    if (result < 0) {
        /* The mode promises no more than an attempt; what comes goes into a new segment. */
        shard_count(wal->shard, STAT_WAL_ERRORS, 1);
        LOG(LOG_ERROR, "log %s: cannot be synced: %s", wal->path, strerror(-result));
        if (segment == wal->current && !wal->is_writing)
            wal_seal(wal);
        segment->is_unsynced = false;
        wal->pos_lost = segment->end;
    } else if (segment->end == segment->synced) {
        segment->is_unsynced = false;
    }
    if (result >= 0 && segment->synced > wal->pos_synced)
        wal->pos_synced = segment->synced;
    if (wal->pos_lost == 0)
        wal->pos_durable = wal->pos_synced;
    if (wal->stage == WAL_STAGE_SYNC && wal->pos_synced >= wal->ended_end &&
        wal->ended_pos >= wal->pos_lost) {
        wal->stage = WAL_STAGE_CARRY;
        wal->must_commit = true;
    }
    if (segment == wal->current) {
        wal->is_sync_due = false;
        if (segment->is_unsynced && wal->options.mode == WAL_INTERVAL)
            timer_set(&wal->shard->timers, &wal->interval,
                      wal->shard->now_ms + wal->options.interval_ms);
    }
    wal->is_free_dirty = true;
}
