/*
 * wal_prepare.c -- segments made ahead, and their files' end.
 *
 * While one segment is written, the next one is made: a file under its final name, its blocks
 * allocated and filled with zeroes (a commit into blocks that were only allocated costs the file
 * system a transaction, twice the time), synced, its directory synced, all by requests of the ring,
 * one at a time. Or a segment that has become free is renamed, which needs no writing at all.
 * Either way the file is no part of the log until its header is written with the first commit.
 *
 *     IDLE -> OPEN -> ALLOCATE -> ZERO (again and again) -> SYNC --+
 *     IDLE -> RENAME ----------------------------------------------+-> SYNC_DIR -> IDLE
 *
 * What fails is removed and tried again later, 100 ms to 1 s: a full disk may have room again. Each
 * time the size is halved, down to the smallest: the room that comes back may be small.
 * Near disk_bytes_max none is made, as if the disk were full. The first one is made before the log
 * is open; if there is no room for it, that is tried again like any other.
 *
 * Bounds: one spare segment and one in the making; WAL_POOL_MAX free ones wait for their renaming.
 * Threads: the shard's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "mem.h"
#include "persist_stats.h"
#include "wal_inner.h"

/* ---- removing ---- */

void wal_discard(struct wal *wal, struct wal_segment *segment)
{
    CHECK(segment != wal->current && segment->windows == 0 && segment != wal->syncing);
    list_push_back(&wal->discards, &segment->node);
}

void wal_discard_step(struct wal *wal)
{
    struct wal_discard *discard = &wal->discard;
    struct list_node *node;
    if (discard->segment != NULL || (node = list_pop_front(&wal->discards)) == NULL)
        return;
    discard->segment = CONTAINER_OF(node, struct wal_segment, node);
    discard->is_closing = false;
    wal_segment_path(wal, discard->segment->number, discard->path);
    ring_file_remove(wal->shard->ring, wal_token(WAL_OP_DISCARD, 0), discard->path);
}

void wal_discard_done(struct wal *wal)
{
    struct wal_discard *discard = &wal->discard;
    struct wal_segment *segment = discard->segment;
    CHECK(segment != NULL);
    if (!discard->is_closing && segment->fd >= 0) {
        /* The file's blocks are free only when its descriptor is closed, too. */
        discard->is_closing = true;
        ring_file_close(wal->shard->ring, wal_token(WAL_OP_DISCARD, 0), segment->fd);
        segment->fd = -1;
        return;
    }
    discard->segment = NULL;
    bool gives_room = segment->end > segment->base;
    wal_count_disk(wal, -(int64_t)segment->size);
    shard_count(wal->shard, STAT_WAL_SEGMENTS_REMOVED, 1);
    mem_free(segment);
    /* One that was written gives room for another at once; what only failed to be made does not. */
    if (wal->prepare.error != 0 && gives_room)
        wal->prepare.retry_at_ms = 1;
    if (!wal->is_closing)
        wal_discard_step(wal);
}

/* ---- making ---- */

static unsigned wal_file_flags(const struct wal *wal)
{
    return DISK_WRITE | (wal->is_direct ? DISK_DIRECT : 0);
}

static void wal_prepare_grow(struct wal *wal)
{
    wal->size_next *= 2;
    if (wal->size_next > wal->options.segment_bytes_max)
        wal->size_next = wal->options.segment_bytes_max;
}

/* Where a segment of this size finds no room, half of it may. */
static void wal_prepare_shrink(struct wal *wal)
{
    wal->size_next = wal_round(wal->size_next / 2);
    if (wal->size_next < wal->options.segment_bytes_first)
        wal->size_next = wal->options.segment_bytes_first;
}

static bool wal_prepare_has_room(const struct wal *wal)
{
    return wal->options.disk_bytes_max == 0 ||
           wal->disk_bytes + wal->size_next <= wal->options.disk_bytes_max;
}

static void wal_prepare_later(struct wal *wal, int error)
{
    struct wal_prepare *prepare = &wal->prepare;
    uint64_t now_ms = clock_mono_ns() / 1000000;
    if (prepare->error == 0)
        LOG(LOG_ERROR, "log %s: no new segment can be made: %s; trying again", wal->path,
            strerror(error));
    prepare->step = WAL_PREPARE_IDLE;
    prepare->error = error;
    prepare->retry_ms = prepare->retry_ms == 0 ? WAL_RETRY_MS : 2 * prepare->retry_ms;
    if (prepare->retry_ms > WAL_RETRY_MAX)
        prepare->retry_ms = WAL_RETRY_MAX;
    prepare->retry_at_ms = now_ms + prepare->retry_ms;
    wal_retry_arm(wal, now_ms);
}

/* What is half made goes away, so that at least its space is there again. */
static void wal_prepare_failed(struct wal *wal, int error)
{
    struct wal_prepare *prepare = &wal->prepare;
    struct wal_segment *segment = prepare->segment;
    CHECK(segment != NULL && error > 0);
    shard_count(wal->shard, STAT_WAL_ERRORS, 1);
    prepare->segment = NULL;
    mem_free(prepare->zeroes);
    prepare->zeroes = NULL;
    if (prepare->step == WAL_PREPARE_RENAME)
        segment->number = prepare->number_from;
    prepare->number_from = 0;
    segment->end = segment->base;
    if (error == ENOSPC || error == EDQUOT)
        wal_prepare_shrink(wal);
    wal_discard(wal, segment);
    wal_prepare_later(wal, error);
}

bool wal_prepare_keep(struct wal *wal, struct wal_segment *segment)
{
    if (wal->num_pool >= WAL_POOL_MAX || segment->size < wal->size_next || wal->is_closing ||
        segment->size > 2 * wal->options.segment_bytes_max)
        return false;
    list_push_back(&wal->pool, &segment->node);
    wal->num_pool++;
    return true;
}

/* A free segment becomes the next one. False: there is none. */
static bool wal_prepare_recycle(struct wal *wal)
{
    struct wal_prepare *prepare = &wal->prepare;
    struct list_node *node = list_pop_front(&wal->pool);
    if (node == NULL)
        return false;
    CHECK(wal->num_pool > 0);
    wal->num_pool--;
    struct wal_segment *segment = CONTAINER_OF(node, struct wal_segment, node);
    wal_segment_path(wal, segment->number, prepare->path_from);
    prepare->number_from = segment->number;
    segment->number = ++wal->number_max;
    segment->synced = segment->free_lsn = segment->tried_refs = 0;
    wal_segment_path(wal, segment->number, prepare->path);
    prepare->segment = segment;
    prepare->step = WAL_PREPARE_RENAME;
    ring_file_rename(wal->shard->ring, wal_token(WAL_OP_PREPARE, 0), prepare->path_from,
                     prepare->path);
    return true;
}

void wal_prepare_step(struct wal *wal, uint64_t now_ms)
{
    struct wal_prepare *prepare = &wal->prepare;
    if (prepare->step != WAL_PREPARE_IDLE || wal->spare != NULL || wal->is_closing ||
        now_ms < prepare->retry_at_ms)
        return;
    if (wal->number_max < WAL_NUMBER_MAX && wal_prepare_recycle(wal))
        return;
    if (!wal_prepare_has_room(wal)) {
        wal_prepare_later(wal, EDQUOT);
        return;
    }
    struct wal_segment *segment = NULL;
    if (wal->number_max < WAL_NUMBER_MAX)
        segment = wal_segment_create(wal->number_max + 1, wal->size_next);
    uint8_t *zeroes = mem_alloc_aligned(WAL_BLOCK, WAL_ZERO_LEN);
    if (segment == NULL || zeroes == NULL) {
        mem_free(segment);
        mem_free(zeroes);
        wal_prepare_later(wal, ENOMEM);
        return;
    }
    wal->number_max++;
    memset(zeroes, 0, WAL_ZERO_LEN);
    wal_count_disk(wal, (int64_t)segment->size);
    prepare->segment = segment;
    prepare->zeroes = zeroes;
    prepare->offset = 0;
    prepare->step = WAL_PREPARE_OPEN;
    wal_segment_path(wal, segment->number, prepare->path);
    ring_file_open(wal->shard->ring, wal_token(WAL_OP_PREPARE, 0), prepare->path,
                   wal_file_flags(wal) | DISK_CREATE);
}

static void wal_prepare_zero(struct wal *wal)
{
    struct wal_prepare *prepare = &wal->prepare;
    uint64_t left = prepare->segment->size - prepare->offset;
    CHECK(left > 0 && prepare->zeroes != NULL);
    struct bytes zeroes = {.ptr = prepare->zeroes,
                           .len = left < WAL_ZERO_LEN ? (uint32_t)left : WAL_ZERO_LEN};
    prepare->step = WAL_PREPARE_ZERO;
    ring_file_write(wal->shard->ring, wal_token(WAL_OP_PREPARE, 0), prepare->segment->fd, zeroes,
                    prepare->offset, false);
}

static void wal_prepare_end(struct wal *wal)
{
    struct wal_prepare *prepare = &wal->prepare;
    bool is_new = prepare->number_from == 0;
    CHECK(wal->spare == NULL && prepare->segment != NULL && prepare->zeroes == NULL);
    shard_count(wal->shard, is_new ? STAT_WAL_SEGMENTS_MADE : STAT_WAL_SEGMENTS_RECYCLED, 1);
    if (is_new)
        wal_prepare_grow(wal);
    if (prepare->error != 0)
        LOG(LOG_INFO, "log %s: segments can be made again", wal->path);
    wal->spare = prepare->segment;
    prepare->segment = NULL;
    prepare->step = WAL_PREPARE_IDLE;
    prepare->error = 0;
    prepare->retry_ms = 0;
    prepare->retry_at_ms = 0;
    prepare->number_from = 0;
    wal_write_prepared(wal);
}

/* The request of the present step has succeeded; makes the next one. */
static void wal_prepare_go_on(struct wal *wal, int32_t result)
{
    struct wal_prepare *prepare = &wal->prepare;
    struct ring *ring = wal->shard->ring;
    uint64_t token = wal_token(WAL_OP_PREPARE, 0);
    switch (prepare->step) {
    case WAL_PREPARE_OPEN:
        prepare->segment->fd = result;
        prepare->step = WAL_PREPARE_ALLOCATE;
        ring_file_allocate(ring, token, result, prepare->segment->size);
        return;
    case WAL_PREPARE_ZERO:
        prepare->offset += (uint64_t)result;
        if (prepare->offset < prepare->segment->size) {
            wal_prepare_zero(wal);
            return;
        }
        mem_free(prepare->zeroes);
        prepare->zeroes = NULL;
        prepare->step = WAL_PREPARE_SYNC;
        ring_file_sync(ring, token, prepare->segment->fd);
        return;
    case WAL_PREPARE_ALLOCATE:
        wal_prepare_zero(wal);
        return;
    case WAL_PREPARE_SYNC:
    case WAL_PREPARE_RENAME:
        prepare->step = WAL_PREPARE_SYNC_DIR;
        ring_file_sync(ring, token, wal->dir_fd);
        return;
    case WAL_PREPARE_SYNC_DIR:
        wal_prepare_end(wal);
        return;
    case WAL_PREPARE_IDLE:
        break;
    }
    UNREACHABLE();
}

/* The request of the present step again. */
static void wal_prepare_again(struct wal *wal)
{
    struct wal_prepare *prepare = &wal->prepare;
    struct ring *ring = wal->shard->ring;
    uint64_t token = wal_token(WAL_OP_PREPARE, 0);
    switch (prepare->step) {
    case WAL_PREPARE_OPEN:
        ring_file_open(ring, token, prepare->path, wal_file_flags(wal) | DISK_CREATE);
        return;
    case WAL_PREPARE_ALLOCATE:
        ring_file_allocate(ring, token, prepare->segment->fd, prepare->segment->size);
        return;
    case WAL_PREPARE_ZERO:
        wal_prepare_zero(wal);
        return;
    case WAL_PREPARE_SYNC:
        ring_file_sync(ring, token, prepare->segment->fd);
        return;
    case WAL_PREPARE_RENAME:
        ring_file_rename(ring, token, prepare->path_from, prepare->path);
        return;
    case WAL_PREPARE_SYNC_DIR:
        ring_file_sync(ring, token, wal->dir_fd);
        return;
    case WAL_PREPARE_IDLE:
        break;
    }
    UNREACHABLE();
}

void wal_prepare_done(struct wal *wal, int32_t result)
{
    struct wal_prepare *prepare = &wal->prepare;
    CHECK(prepare->step != WAL_PREPARE_IDLE && prepare->segment != NULL);
    if (wal->is_closing) {
        /* The half-made file is a left-over for the next start. */
        if (prepare->step == WAL_PREPARE_OPEN && result >= 0)
            prepare->segment->fd = result;
        prepare->step = WAL_PREPARE_IDLE;
        return;
    }
    if (result == -EINTR || result == -EAGAIN) {
        wal_prepare_again(wal);
        return;
    }
    /* Where blocks cannot be allocated, writing zeroes does it. */
    if (prepare->step == WAL_PREPARE_ALLOCATE && result == -EOPNOTSUPP)
        result = 0;
    if (prepare->step == WAL_PREPARE_ZERO && result >= 0 &&
        (result == 0 || result % WAL_BLOCK != 0))
        result = -ENOSPC;
    if (result < 0)
        wal_prepare_failed(wal, -result);
    else
        wal_prepare_go_on(wal, result);
}

/* ---- the first one ---- */

static enum rc wal_prepare_fill(struct wal_segment *segment)
{
    enum rc rc = disk_allocate(segment->fd, segment->size);
    if (rc != RC_OK && rc != RC_UNSUPPORTED)
        return rc;
    uint8_t *zeroes = mem_alloc_aligned(WAL_BLOCK, WAL_ZERO_LEN);
    if (zeroes == NULL)
        return RC_NO_MEMORY;
    memset(zeroes, 0, WAL_ZERO_LEN);
    rc = RC_OK;
    for (uint64_t offset = 0; rc == RC_OK && offset < segment->size;) {
        uint64_t left = segment->size - offset;
        size_t len = left < WAL_ZERO_LEN ? (size_t)left : WAL_ZERO_LEN;
        rc = disk_write(segment->fd, zeroes, len, offset);
        offset += len;
    }
    mem_free(zeroes);
    return rc == RC_OK ? disk_sync(segment->fd) : rc;
}

enum rc wal_prepare_first(struct wal *wal)
{
    CHECK(wal->spare == NULL && wal->prepare.step == WAL_PREPARE_IDLE);
    char path[WAL_PATH_MAX];
    errno = ENOMEM;
    if (wal->number_max == WAL_NUMBER_MAX)
        return RC_FULL;
    struct wal_segment *segment = wal_segment_create(wal->number_max + 1, wal->size_next);
    if (segment == NULL)
        return RC_NO_MEMORY;
    wal_segment_path(wal, segment->number, path);
    enum rc rc = disk_open(path, wal_file_flags(wal) | DISK_CREATE, &segment->fd);
    if (rc == RC_OK)
        rc = wal_prepare_fill(segment);
    if (rc == RC_OK)
        rc = disk_sync(wal->dir_fd);
    if (rc != RC_OK) {
        int error = errno;
        if (segment->fd >= 0) {
            disk_close(segment->fd);
            if (disk_remove(path) != RC_OK)
                LOG(LOG_WARNING, "log %s: a file is left over", wal->path);
        }
        mem_free(segment);
        errno = error;
        return rc;
    }
    wal->number_max++;
    wal->spare = segment;
    wal_count_disk(wal, (int64_t)segment->size);
    wal_prepare_grow(wal);
    shard_count(wal->shard, STAT_WAL_SEGMENTS_MADE, 1);
    return RC_OK;
}

void wal_prepare_none(struct wal *wal, int error)
{
    CHECK(wal->spare == NULL && wal->prepare.step == WAL_PREPARE_IDLE && error > 0);
    shard_count(wal->shard, STAT_WAL_ERRORS, 1);
    wal_prepare_later(wal, error);
    wal_write_begin_failed(wal, error);
}
