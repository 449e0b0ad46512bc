/*
 * wal.c -- records into batches, and the life of a log.
 *
 * Appending is a copy and two checksums. A batch knows its position from its first moment, because
 * the one before it is closed by then, so that the location of a record can be told at once. It is
 * closed when it is written or when it has WAL_BATCH_LEN bytes and a group is not open; larger ones
 * would make everybody in them wait for the whole.
 *
 * Opening blocks: what replay has read is synced first, because it may have been read from the
 * kernel's memory or the device's, and everything from now on builds on it.
 *
 * Bounds: WAL_PENDING_BYTES_MAX of records; a batch's buffer doubles from 64 KiB.
 * Threads: the shard's.
 */
#include "wal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "crc32c.h"
#include "mem.h"
#include "persist_stats.h"
#include "wal_image.h"
#include "wal_inner.h"

#define WAL_BUFFER_FIRST    (64u * 1024)
#define WAL_BUFFER_KEPT_MAX (4u * 1024 * 1024)
#define WAL_SEGMENT_FIRST   (UINT64_C(4) * 1024 * 1024)
#define WAL_SEGMENT_MAX     (UINT64_C(64) * 1024 * 1024)
#define WAL_SEGMENT_MIN     (UINT64_C(4) * WAL_BLOCK)
#define WAL_FLUSH_WAIT_NS   UINT64_C(10000000)
#define WAL_CLOSE_WAITS     500 /* 5 s for a disk that does not answer */

/* ---- batches ---- */

static bool wal_batch_grow(struct wal_batch *batch, uint64_t capacity)
{
    uint64_t wanted = batch->capacity == 0 ? WAL_BUFFER_FIRST : batch->capacity;
    while (wanted < capacity)
        wanted *= 2;
    CHECK(wanted <= UINT32_MAX);
    uint8_t *buffer = mem_alloc_aligned(WAL_BLOCK, wanted);
    if (buffer == NULL)
        return false;
    if (batch->buffer != NULL)
        memcpy(buffer, batch->buffer, WAL_BLOCK + WAL_COMMIT_LEN + (size_t)batch->len);
    mem_free(batch->buffer);
    batch->buffer = buffer;
    batch->capacity = (uint32_t)wanted;
    return true;
}

static struct wal_batch *wal_batch_create(struct wal *wal)
{
    struct list_node *node = list_pop_front(&wal->kept);
    struct wal_batch *batch;
    if (node != NULL) {
        batch = CONTAINER_OF(node, struct wal_batch, node);
        wal->num_kept--;
    } else {
        batch = mem_alloc(sizeof(*batch));
        if (batch == NULL)
            return NULL;
        memset(batch, 0, sizeof(*batch));
    }
    batch->pos = wal->next_pos;
    batch->lsn_first = wal->lsn_last + 1;
    batch->len = batch->count = 0;
    batch->live = (struct wal_live){0};
    batch->heads_crc = CRC32C_START;
    batch->stage = WAL_STAGE_NONE;
    return batch;
}

void wal_batch_free(struct wal *wal, struct wal_batch *batch)
{
    CHECK(!list_is_linked(&batch->node));
    if (batch->capacity <= WAL_BUFFER_KEPT_MAX && wal->num_kept < WAL_BATCH_KEPT) {
        list_push_front(&wal->kept, &batch->node);
        wal->num_kept++;
        return;
    }
    mem_free(batch->buffer);
    mem_free(batch);
}

/* No more records into the gathering batch. */
static struct wal_batch *wal_batch_close(struct wal *wal)
{
    struct wal_batch *batch = wal->gathering;
    CHECK(batch != NULL && !wal->is_group_open);
    if (wal->must_commit) {
        batch->stage = wal->stage;
        batch->ended_num = wal->ended_num;
        if (wal->stage == WAL_STAGE_CARRY) {
            wal->carried_pos = wal->ended_pos;
            wal->carried_lsn = wal->ended_lsn;
        }
    }
    batch->checkpoint_pos = wal->carried_pos;
    batch->checkpoint_lsn = wal->carried_lsn;
    wal->must_commit = false;
    wal->next_pos = batch->pos + wal_batch_total(batch);
    wal->gathering = NULL;
    return batch;
}

/* The gathering batch with room for `len` more bytes; NULL without memory. */
static struct wal_batch *wal_batch_gather(struct wal *wal, uint64_t len)
{
    struct wal_batch *batch = wal->gathering;
    if (batch != NULL && batch->len >= WAL_BATCH_LEN && !wal->is_group_open) {
        list_push_back(&wal->ready, &wal_batch_close(wal)->node);
        batch = NULL;
    }
    if (batch == NULL) {
        batch = wal_batch_create(wal);
        if (batch == NULL)
            return NULL;
        wal->gathering = batch;
    }
    /* The last block is whole, and there is one for a segment's header. */
    uint64_t capacity = 2 * WAL_BLOCK + WAL_COMMIT_LEN + (uint64_t)batch->len + len;
    if (capacity > batch->capacity && !wal_batch_grow(batch, capacity))
        return NULL;
    return batch;
}

struct wal_batch *wal_batch_take(struct wal *wal)
{
    struct list_node *node = list_pop_front(&wal->ready);
    if (node != NULL)
        return CONTAINER_OF(node, struct wal_batch, node);
    if (wal->is_group_open)
        return NULL;
    bool is_empty = wal->gathering == NULL || wal->gathering->count == 0;
    if (is_empty && !wal->must_commit)
        return NULL;
    /* A checkpoint with nothing after it gets a commit of its own. */
    if (is_empty && wal_batch_gather(wal, 0) == NULL)
        return NULL;
    return wal_batch_close(wal);
}

static bool wal_batch_has(const struct wal_batch *batch, uint64_t pos)
{
    return batch != NULL && pos >= batch->pos + WAL_COMMIT_LEN &&
           pos < batch->pos + WAL_COMMIT_LEN + batch->len;
}

struct wal_batch *wal_batch_find(const struct wal *wal, uint64_t pos)
{
    if (wal_batch_has(wal->flying, pos))
        return wal->flying;
    if (wal_batch_has(wal->gathering, pos))
        return wal->gathering;
    struct list_node *node = list_first(&wal->ready);
    for (; node != NULL; node = list_after(&wal->ready, node)) {
        struct wal_batch *batch = CONTAINER_OF(node, struct wal_batch, node);
        if (wal_batch_has(batch, pos))
            return batch;
    }
    return NULL;
}

/* ---- appending ---- */

static void wal_count_pending(struct wal *wal, int64_t bytes)
{
    wal->pending_bytes += (uint64_t)bytes;
    shard_count(wal->shard, STAT_WAL_PENDING_BYTES, (uint64_t)bytes);
}

static enum rc wal_refuse(struct wal *wal, enum rc rc)
{
    shard_count(wal->shard, STAT_WAL_REFUSED, 1);
    return rc;
}

enum rc wal_append(struct wal *wal, uint8_t type, const struct bytes *parts, unsigned parts_num,
                   uint64_t *out_lsn, struct wal_loc *out_loc)
{
    WAL_CHECK(wal);
    uint64_t len = 0;
    for (unsigned i = 0; i < parts_num; i++)
        len += parts[i].len;
    if (len > WAL_RECORD_LEN_MAX)
        return wal_refuse(wal, RC_TOO_LARGE);
    if (wal->is_failed_told)
        return wal_refuse(wal, RC_IO);
    if (wal->pending_bytes + len + WAL_RECORD_HEAD > WAL_PENDING_BYTES_MAX)
        return wal_refuse(wal, RC_FULL);
    struct wal_batch *batch = wal_batch_gather(wal, WAL_RECORD_HEAD + len);
    if (batch == NULL)
        return wal_refuse(wal, RC_NO_MEMORY);

    CHECK(batch->lsn_first + batch->count == wal->lsn_last + 1);
    uint64_t pos = batch->pos + WAL_COMMIT_LEN + batch->len;
    uint8_t *head = batch->buffer + WAL_BLOCK + WAL_COMMIT_LEN + batch->len;
    uint8_t *at = head + WAL_RECORD_HEAD;
    for (unsigned i = 0; i < parts_num; i++) {
        if (parts[i].len > 0)
            memcpy(at, parts[i].ptr, parts[i].len);
        at += parts[i].len;
    }
    struct bytes body = {.ptr = head + WAL_RECORD_HEAD, .len = (uint32_t)len};
    wal_record_encode(wal->log_id, pos, type, &body, 1, (uint32_t)len, head);
    batch->heads_crc = crc32c_update(batch->heads_crc, head, WAL_RECORD_HEAD);
    batch->len += WAL_RECORD_HEAD + (uint32_t)len;
    batch->count++;
    wal->lsn_last++;
    wal_count_pending(wal, (int64_t)(WAL_RECORD_HEAD + len));
    shard_count(wal->shard, STAT_WAL_RECORDS, 1);
    if (out_lsn != NULL)
        *out_lsn = wal->lsn_last;
    if (out_loc != NULL)
        out_loc->word = pos;
    return RC_OK;
}

void wal_group_begin(struct wal *wal)
{
    WAL_CHECK(wal);
    CHECK(!wal->is_group_open);
    /* A full batch is closed before the group, not within. */
    if (wal->gathering != NULL && wal->gathering->len >= WAL_BATCH_LEN)
        list_push_back(&wal->ready, &wal_batch_close(wal)->node);
    wal->is_group_open = true;
    const struct wal_batch *batch = wal->gathering;
    wal->group.len = batch == NULL ? 0 : batch->len;
    wal->group.count = batch == NULL ? 0 : batch->count;
    wal->group.heads_crc = batch == NULL ? CRC32C_START : batch->heads_crc;
}

void wal_group_end(struct wal *wal)
{
    WAL_CHECK(wal);
    CHECK(wal->is_group_open);
    wal->is_group_open = false;
}

void wal_group_abort(struct wal *wal)
{
    WAL_CHECK(wal);
    CHECK(wal->is_group_open);
    wal->is_group_open = false;
    struct wal_batch *batch = wal->gathering;
    if (batch == NULL)
        return;
    CHECK(batch->len >= wal->group.len && batch->count >= wal->group.count);
    wal_count_pending(wal, (int64_t)wal->group.len - (int64_t)batch->len);
    wal->lsn_last -= batch->count - wal->group.count;
    batch->len = wal->group.len;
    batch->count = wal->group.count;
    batch->heads_crc = wal->group.heads_crc;
}

bool wal_group_is_open(const struct wal *wal)
{
    WAL_CHECK(wal);
    return wal->is_group_open;
}

uint64_t wal_last(const struct wal *wal)
{
    WAL_CHECK(wal);
    return wal->lsn_last;
}

uint64_t wal_committed(const struct wal *wal)
{
    WAL_CHECK(wal);
    return wal->lsn_committed;
}

bool wal_is_failed(const struct wal *wal)
{
    WAL_CHECK(wal);
    return wal->is_failed_told;
}

/* ---- checkpoints ---- */

void wal_checkpoint_begin(struct wal *wal)
{
    WAL_CHECK(wal);
    CHECK(!wal->is_group_open);
    wal->begun_pos = wal->gathering != NULL ? wal->gathering->pos : wal->next_pos;
    wal->begun_lsn = wal->lsn_last + 1;
}

void wal_checkpoint_end(struct wal *wal)
{
    WAL_CHECK(wal);
    CHECK(wal->begun_pos != 0 && !wal->is_group_open);
    wal->ended_pos = wal->begun_pos;
    wal->ended_lsn = wal->begun_lsn;
    wal->begun_pos = wal->begun_lsn = 0;
    wal->ended_num++;
    wal->stage = wal->options.mode == WAL_COMMIT ? WAL_STAGE_CARRY : WAL_STAGE_END;
    wal->must_commit = true;
}

uint64_t wal_checkpoint_bytes(const struct wal *wal)
{
    WAL_CHECK(wal);
    uint64_t from = wal->checkpoint_pos != 0 ? wal->checkpoint_pos : WAL_POS_FIRST;
    return wal_end(wal) - from;
}

bool wal_checkpoint_is_coming(const struct wal *wal)
{
    WAL_CHECK(wal);
    return wal->stage != WAL_STAGE_NONE;
}

/* ---- turns ---- */

static void wal_step(struct wal *wal, uint64_t now_ms)
{
    wal_read_step(wal);
    wal_write_step(wal, now_ms);
    wal_sync_step(wal);
    wal_space_step(wal);
    wal_prepare_step(wal, now_ms);
    wal_discard_step(wal);
    wal_retry_arm(wal, now_ms);
}

void wal_turn_end(struct wal *wal)
{
    WAL_CHECK(wal);
    CHECK(!wal->is_group_open);
    wal_step(wal, wal->shard->now_ms);
}

static void wal_on_completion(struct shard *shard, const struct completion *completion)
{
    struct wal *wal = shard->wal;
    if (wal == NULL)
        return;
    WAL_CHECK(wal);
    uint32_t slot = op_token_slot(completion->token);
    enum wal_op op = (enum wal_op)(slot >> WAL_OP_SHIFT);
    switch (op) {
    case WAL_OP_WRITE:
    case WAL_OP_WRITE_SYNC:
        wal_write_done(wal, op, completion->result);
        return;
    case WAL_OP_SYNC:
        wal_sync_done(wal, completion->result);
        return;
    case WAL_OP_PREPARE:
        wal_prepare_done(wal, completion->result);
        return;
    case WAL_OP_DISCARD:
        wal_discard_done(wal);
        return;
    case WAL_OP_READ:
        wal_read_done(wal, slot & ((1u << WAL_OP_SHIFT) - 1), completion->result);
        return;
    }
    UNREACHABLE();
}

void wal_tables_fill(struct shard_tables *tables)
{
    tables->ops[OP_LOG] = wal_on_completion;
}

/* Waits a little for completions; those of others go their way, or nowhere at the end. */
static void wal_wait(struct wal *wal)
{
    struct shard *shard = wal->shard;
    struct completion completion;
    enum rc rc = ring_enter(shard->ring, WAL_FLUSH_WAIT_NS);
    CHECK(rc == RC_OK);
    while (ring_next(shard->ring, &completion)) {
        if (op_token_kind(completion.token) == OP_LOG)
            wal_on_completion(shard, &completion);
        else if (!wal->is_alone)
            shard_completion(shard, &completion);
    }
}

enum rc wal_flush(struct wal *wal)
{
    WAL_CHECK(wal);
    CHECK(!wal->is_group_open);
    while (wal_write_is_wanted(wal)) {
        wal_step(wal, clock_mono_ns() / 1000000);
        if (wal->is_failed_told)
            return RC_IO;
        wal_wait(wal);
    }
    return RC_OK;
}

/* ---- opening ---- */

static enum rc wal_fail(const struct wal *wal, enum rc rc, const char *what, char *out_reason,
                        size_t reason_size)
{
    snprintf(out_reason, reason_size, "log %s: %s: %s", wal->path, what, strerror(errno));
    return rc;
}

/* Makes the directory and, if need be, those above it. */
static enum rc wal_make_dirs(const char *path)
{
    char part[WAL_PATH_MAX];
    size_t len = strlen(path);
    CHECK(len < sizeof(part));
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        enum rc rc = disk_make_dir(part);
        if (rc == RC_EXISTS)
            continue;
        if (rc != RC_OK)
            return rc;
        char *slash = strrchr(part, '/');
        if (slash != NULL && slash != part)
            *slash = '\0';
        rc = disk_sync_dir(slash == NULL ? "." : slash == part ? "/" : part);
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

static enum rc wal_random(uint64_t *out)
{
    return getrandom(out, sizeof(*out), 0) == (ssize_t)sizeof(*out) ? RC_OK : RC_IO;
}

/* The log of the image goes on: its segments are opened, and synced if they were replayed. */
static enum rc wal_adopt(struct wal *wal, const struct wal_image *image)
{
    CHECK(image->magic == WAL_IMAGE_MAGIC);
    for (uint32_t i = 0; i < image->num_segments; i++) {
        const struct wal_image_segment *from = &image->segments[i];
        struct wal_segment *segment = wal_segment_create(from->head.number, from->file_size);
        if (segment == NULL)
            return RC_NO_MEMORY;
        segment->base = from->head.base;
        segment->end = from->end;
        segment->salt = from->head.salt;
        if (!wal_segment_add(wal, segment)) {
            mem_free(segment);
            return RC_NO_MEMORY;
        }
        wal_count_disk(wal, (int64_t)segment->size);
        char path[WAL_PATH_MAX];
        wal_segment_path(wal, segment->number, path);
        enum rc rc = disk_open(path, DISK_WRITE | (wal->is_direct ? DISK_DIRECT : 0), &segment->fd);
        if (rc == RC_OK && segment->end > image->checkpoint_pos)
            rc = disk_sync(segment->fd);
        if (rc != RC_OK)
            return rc;
        wal->before = segment->number;
    }
    wal->log_id = image->log_id;
    wal->number_max = image->number_max;
    wal->next_pos = wal->pos_committed = wal->pos_durable = wal->pos_synced = image->pos_end;
    wal->lsn_last = wal->lsn_committed = image->figures.lsn_last;
    wal->checkpoint_pos = wal->carried_pos = image->checkpoint_pos;
    wal->checkpoint_lsn = wal->carried_lsn = image->checkpoint_lsn;
    wal->is_free_dirty = true;
    return RC_OK;
}

/* Files of the directory that do not belong to the log. */
struct wal_sweep {
    struct wal *wal;
    enum rc rc;
};

static void wal_sweep_entry(void *context, const char *name)
{
    struct wal_sweep *sweep = context;
    uint64_t number;
    if (!wal_name_parse(name, &number))
        return;
    if (number > sweep->wal->number_max)
        sweep->wal->number_max = number;
    for (uint32_t i = 0; i < sweep->wal->num_segments; i++)
        if (sweep->wal->segments[i]->number == number)
            return;
    char path[WAL_PATH_MAX];
    wal_segment_path(sweep->wal, number, path);
    enum rc rc = disk_remove(path);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        sweep->rc = rc;
}

static enum rc wal_sweep(struct wal *wal)
{
    struct wal_sweep sweep = {.wal = wal, .rc = RC_OK};
    enum rc rc = disk_list(wal->path, &sweep, wal_sweep_entry);
    return rc != RC_OK ? rc : sweep.rc;
}

/* Of what has just failed: a lack of room, which may pass, and not of descriptors. */
static bool wal_disk_is_full(enum rc rc)
{
    return rc == RC_FULL && (errno == ENOSPC || errno == EDQUOT);
}

static enum rc wal_start(struct wal *wal, const struct wal_image *image, char *out_reason,
                         size_t reason_size)
{
    enum rc rc = wal_make_dirs(wal->path);
    if (rc != RC_OK)
        return wal_fail(wal, rc, "cannot make the directory", out_reason, reason_size);
    /* A full disk may not tell what it can do. Then writing takes the way that works always. */
    struct disk_abilities can = {0};
    rc = disk_probe(wal->path, &can);
    if (rc != RC_OK && !wal_disk_is_full(rc))
        return wal_fail(wal, rc, "cannot write", out_reason, reason_size);
    wal->has_dsync = can.dsync;
    wal->is_direct = can.direct && wal->options.mode == WAL_COMMIT;
    rc = disk_open(wal->path, DISK_DIR, &wal->dir_fd);
    if (rc == RC_OK)
        rc = image != NULL ? wal_adopt(wal, image) : wal_random(&wal->log_id);
    if (rc != RC_OK)
        return wal_fail(wal, rc, "cannot open its segments", out_reason, reason_size);
    rc = wal_sweep(wal);
    if (rc != RC_OK)
        return wal_fail(wal, rc, "cannot remove left-over files", out_reason, reason_size);
    rc = wal_prepare_first(wal);
    if (wal_disk_is_full(rc)) {
        wal_prepare_none(wal, errno);
        return RC_OK;
    }
    if (rc != RC_OK)
        return wal_fail(wal, rc, "cannot make a segment", out_reason, reason_size);
    return RC_OK;
}

static void wal_on_timer(struct timer_wheel *wheel, struct timer *timer, uint64_t now_ms)
{
    /* The turn that runs it is all that is needed; wal_turn_end looks at the clock. */
    (void)wheel;
    (void)timer;
    (void)now_ms;
}

static void wal_on_interval(struct timer_wheel *wheel, struct timer *timer, uint64_t now_ms)
{
    (void)wheel;
    (void)now_ms;
    struct wal *wal = CONTAINER_OF(timer, struct wal, interval);
    WAL_CHECK(wal);
    wal->is_sync_due = true;
}

static void wal_init(struct wal *wal, struct shard *shard, const struct wal_options *options)
{
    memset(wal, 0, sizeof(*wal));
    wal->magic = WAL_MAGIC;
    wal->dir_fd = -1;
    wal->shard = shard;
    wal->options = *options;
    wal->options.path = wal->path;
    uint64_t first = options->segment_bytes_first;
    uint64_t most = options->segment_bytes_max;
    first = first == 0 ? WAL_SEGMENT_FIRST : wal_round(first);
    most = most == 0 ? WAL_SEGMENT_MAX : wal_round(most);
    wal->options.segment_bytes_first = first < WAL_SEGMENT_MIN ? WAL_SEGMENT_MIN : first;
    wal->options.segment_bytes_max = most < first ? first : most;
    wal->size_next = wal->options.segment_bytes_first;
    wal->next_pos = wal->pos_committed = wal->pos_durable = wal->pos_synced = WAL_POS_FIRST;
    list_init(&wal->ready);
    list_init(&wal->kept);
    list_init(&wal->discards);
    list_init(&wal->pool);
    timer_init(&wal->retry, wal_on_timer);
    timer_init(&wal->interval, wal_on_interval);
}

enum rc wal_open(struct wal **out, struct shard *shard, const struct wal_options *options,
                 const struct wal_image *image, char *out_reason, size_t reason_size)
{
    SHARD_CHECK(shard);
    CHECK(shard->wal == NULL && options->path != NULL && options->events.committed != NULL);
    if (strlen(options->path) >= MANIFEST_PATH_MAX) {
        snprintf(out_reason, reason_size, "the path of the log is too long");
        return RC_TOO_LARGE;
    }
    struct wal *wal = mem_alloc(sizeof(*wal));
    if (wal == NULL) {
        snprintf(out_reason, reason_size, "not enough memory for the log");
        return RC_NO_MEMORY;
    }
    wal_init(wal, shard, options);
    memcpy(wal->path, options->path, strlen(options->path) + 1);
    shard->wal = wal;
    enum rc rc = wal_start(wal, image, out_reason, reason_size);
    if (rc == RC_OK) {
        *out = wal;
        return RC_OK;
    }
    wal_close(wal);
    return rc;
}

/* ---- closing ---- */

static bool wal_is_busy(const struct wal *wal)
{
    return wal->is_writing || wal->syncing != NULL || wal->prepare.step != WAL_PREPARE_IDLE ||
           wal->discard.segment != NULL || wal_read_is_busy(wal);
}

/* The memory of batches, written or not. */
static void wal_batches_fini(struct wal *wal)
{
    struct list_node *node;
    if (wal->gathering != NULL)
        list_push_back(&wal->ready, &wal->gathering->node);
    if (wal->flying != NULL)
        list_push_back(&wal->ready, &wal->flying->node);
    wal->gathering = wal->flying = NULL;
    list_splice_back(&wal->ready, &wal->kept);
    while ((node = list_pop_front(&wal->ready)) != NULL) {
        struct wal_batch *batch = CONTAINER_OF(node, struct wal_batch, node);
        mem_free(batch->buffer);
        mem_free(batch);
    }
}

void wal_close(struct wal *wal)
{
    WAL_CHECK(wal);
    struct shard *shard = wal->shard;
    unsigned waits = 0;
    wal->is_alone = true;
    while (wal_write_is_wanted(wal) && wal->failing_since_ms == 0 && waits++ < WAL_CLOSE_WAITS) {
        wal_step(wal, clock_mono_ns() / 1000000);
        wal_wait(wal);
    }
    wal->is_closing = true;
    while (wal_is_busy(wal) && waits++ < WAL_CLOSE_WAITS)
        wal_wait(wal);
    timer_cancel(&shard->timers, &wal->retry);
    timer_cancel(&shard->timers, &wal->interval);
    shard->wal = NULL;
    /* What the kernel may still write from or into must stay, for as long as the process lives. */
    if (wal_is_busy(wal))
        return;
    for (uint32_t i = 0; i < wal->num_segments; i++)
        if (wal->segments[i]->is_unsynced && disk_sync(wal->segments[i]->fd) != RC_OK)
            shard_count(shard, STAT_WAL_ERRORS, 1);
    wal_count_pending(wal, -(int64_t)wal->pending_bytes);
    wal_read_fini(wal);
    wal_space_fini(wal);
    wal_batches_fini(wal);
    if (wal->dir_fd >= 0)
        disk_close(wal->dir_fd);
    wal->magic = 0;
    mem_free(wal);
}
