/*
 * wal_space.c -- the segments of a log: which holds a position, which are needed, which are free.
 *
 * A table by rising base; a position belongs to the last segment whose base is not above it. The
 * one found last is tried first, because references come and go in the order of the log.
 *
 * A segment is free when it ends before the valid checkpoint, no record in it has a reference, no
 * read of it is under way or asked for, and the checkpoint is on the disk; and so must be the
 * records that said why the last reference went, or a crash would bring the reference back without
 * the record. Nor is one free while a gap of the owner's is not behind a valid checkpoint
 * (wal_gap). It is looked for only after something has changed. A free segment becomes the next
 * spare one if that is wanted, else its file goes.
 *
 * Bounds: as many segments as disk_bytes_max allows, a descriptor each.
 * Threads: the shard's.
 */
#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "persist_stats.h"
#include "wal_inner.h"

#define WAL_SEGMENTS_FIRST 16

void wal_segment_path(const struct wal *wal, uint64_t number, char *out)
{
    char name[WAL_NAME_LEN + 1];
    wal_name_format(number, name);
    int len = snprintf(out, WAL_PATH_MAX, "%s/%s", wal->path, name);
    CHECK(len > 0 && len < WAL_PATH_MAX);
}

void wal_count_disk(struct wal *wal, int64_t bytes)
{
    wal->disk_bytes += (uint64_t)bytes;
    shard_count(wal->shard, STAT_WAL_DISK_BYTES, (uint64_t)bytes);
}

static void wal_count_live(struct wal *wal, int64_t bytes)
{
    wal->live_bytes += (uint64_t)bytes;
    shard_count(wal->shard, STAT_WAL_LIVE_BYTES, (uint64_t)bytes);
}

/* ---- the table ---- */

struct wal_segment *wal_segment_create(uint64_t number, uint64_t size)
{
    CHECK(number > 0 && number <= WAL_NUMBER_MAX);
    struct wal_segment *segment = mem_alloc(sizeof(*segment));
    if (segment == NULL)
        return NULL;
    memset(segment, 0, sizeof(*segment));
    segment->number = number;
    segment->size = size;
    segment->fd = -1;
    return segment;
}

bool wal_segment_add(struct wal *wal, struct wal_segment *segment)
{
    CHECK(wal->num_segments == 0 || wal->segments[wal->num_segments - 1]->base <= segment->base);
    if (wal->num_segments == wal->segments_cap) {
        uint32_t cap = wal->segments_cap == 0 ? WAL_SEGMENTS_FIRST : 2 * wal->segments_cap;
        struct wal_segment **table = mem_alloc(cap * sizeof(struct wal_segment *));
        if (table == NULL)
            return false;
        if (wal->num_segments > 0)
            memcpy(table, wal->segments, wal->num_segments * sizeof(struct wal_segment *));
        mem_free(wal->segments);
        wal->segments = table;
        wal->segments_cap = cap;
    }
    wal->segments[wal->num_segments++] = segment;
    return true;
}

void wal_segment_remove(struct wal *wal, struct wal_segment *segment)
{
    uint32_t index = 0;
    while (index < wal->num_segments && wal->segments[index] != segment)
        index++;
    CHECK(index < wal->num_segments && segment != wal->current && segment->live.refs == 0);
    wal->num_segments--;
    memmove(&wal->segments[index], &wal->segments[index + 1],
            (wal->num_segments - index) * sizeof(struct wal_segment *));
    wal->found = 0;
}

/* Whether the segment at `index` holds `pos`, if any does. */
static bool wal_segment_is_at(const struct wal *wal, uint32_t index, uint64_t pos)
{
    return index < wal->num_segments && wal->segments[index]->base <= pos &&
           (index + 1 == wal->num_segments || pos < wal->segments[index + 1]->base);
}

struct wal_segment *wal_segment_find(struct wal *wal, uint64_t pos)
{
    if (LIKELY(wal_segment_is_at(wal, wal->found, pos)))
        return wal->segments[wal->found];
    uint32_t low = 0;
    uint32_t high = wal->num_segments;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (wal->segments[middle]->base <= pos)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    CHECK(wal_segment_is_at(wal, low - 1, pos));
    wal->found = low - 1;
    return wal->segments[low - 1];
}

/* ---- references ---- */

/* Where the references to a record are counted: its segment, or its batch until that is written. */
static struct wal_live *wal_live_of(struct wal *wal, struct wal_loc loc)
{
    if (loc.word >= wal->pos_committed) {
        struct wal_batch *batch = wal_batch_find(wal, loc.word);
        return batch == NULL ? NULL : &batch->live;
    }
    struct wal_segment *segment = wal_segment_find(wal, loc.word);
    return segment == NULL || loc.word >= segment->end ? NULL : &segment->live;
}

bool wal_ref(struct wal *wal, struct wal_loc loc, uint32_t bytes)
{
    WAL_CHECK(wal);
    struct wal_live *live = wal_live_of(wal, loc);
    if (live == NULL)
        return false;
    live->refs++;
    live->bytes += bytes;
    wal_count_live(wal, bytes);
    return true;
}

void wal_unref(struct wal *wal, struct wal_loc loc, uint32_t bytes)
{
    WAL_CHECK(wal);
    struct wal_live *live = wal_live_of(wal, loc);
    if (live == NULL)
        return;
    CHECK(live->refs > 0 && live->bytes >= bytes);
    live->refs--;
    live->bytes -= bytes;
    wal_count_live(wal, -(int64_t)bytes);
    if (live->refs > 0 || loc.word >= wal->pos_committed)
        return;
    wal_segment_find(wal, loc.word)->is_unreferenced = true;
    wal->is_free_dirty = true;
}

enum wal_pressure wal_pressure(const struct wal *wal)
{
    WAL_CHECK(wal);
    uint64_t limit = wal->options.disk_bytes_max;
    if (wal->prepare.error != 0 || wal->failing_since_ms != 0)
        return WAL_PRESSURE_FULL;
    enum wal_pressure least = wal->pos_lost != 0 ? WAL_PRESSURE_HIGH : WAL_PRESSURE_NONE;
    if (limit == 0)
        return least;
    /* The segment to be made next is what a checkpoint can still count on. */
    if (wal->disk_bytes + 2 * wal->size_next > limit)
        return WAL_PRESSURE_FULL;
    return wal->disk_bytes > limit / 2 ? WAL_PRESSURE_HIGH : least;
}

void wal_figures_read(const struct wal *wal, struct wal_figures *out)
{
    WAL_CHECK(wal);
    *out = (struct wal_figures){
        .disk_bytes = wal->disk_bytes,
        .live_bytes = wal->live_bytes,
        .pending_bytes = wal->pending_bytes,
        .end = wal_end(wal),
        .segment_bytes = wal->size_next,
        .segments = wal->num_segments,
        .spare = wal->spare != NULL,
        .direct = wal->is_direct,
        .error = wal->failing_since_ms != 0 ? wal->error : wal->prepare.error,
    };
}

/* ---- what is free ---- */

void wal_gap(struct wal *wal)
{
    WAL_CHECK(wal);
    wal->gap_lsn = wal->lsn_last;
}

static bool wal_segment_is_free(const struct wal *wal, const struct wal_segment *segment)
{
    return (wal->gap_lsn == 0 || wal->checkpoint_lsn > wal->gap_lsn) && segment != wal->current &&
           segment != wal->syncing && !segment->is_unsynced && segment->live.refs == 0 &&
           segment->windows == 0 && segment->end <= wal->checkpoint_pos &&
           wal->checkpoint_end <= wal->pos_durable && !wal_read_is_asked(wal, segment);
}

void wal_space_step(struct wal *wal)
{
    /* At the end the owner's references go with the owner: what they kept is kept. */
    if (!wal->is_free_dirty || wal->is_alone)
        return;
    wal->is_free_dirty = false;
    CHECK(wal->num_segments <= wal->segments_cap);
    for (uint32_t i = 0; i < wal->num_segments;) {
        struct wal_segment *segment = wal->segments[i];
        if (segment->is_unreferenced)
            segment->free_lsn = wal->lsn_last;
        segment->is_unreferenced = false;
        bool is_early = segment->free_lsn > wal->lsn_committed;
        wal->is_free_dirty |= is_early && segment->live.refs == 0;
        if (is_early || !wal_segment_is_free(wal, segment)) {
            i++;
            continue;
        }
        wal_segment_remove(wal, segment);
        if (!wal_prepare_keep(wal, segment))
            wal_discard(wal, segment);
    }
}

static void wal_segment_destroy(struct wal_segment *segment)
{
    if (segment == NULL)
        return;
    CHECK(!list_is_linked(&segment->node));
    if (segment->fd >= 0)
        disk_close(segment->fd);
    mem_free(segment);
}

void wal_space_fini(struct wal *wal)
{
    struct list_node *node;
    wal_count_disk(wal, -(int64_t)wal->disk_bytes);
    wal_count_live(wal, -(int64_t)wal->live_bytes);
    for (uint32_t i = 0; i < wal->num_segments; i++)
        wal_segment_destroy(wal->segments[i]);
    mem_free(wal->segments);
    wal->segments = NULL;
    wal->num_segments = 0;
    wal_segment_destroy(wal->spare);
    wal_segment_destroy(wal->prepare.segment);
    wal_segment_destroy(wal->discard.segment);
    list_splice_back(&wal->discards, &wal->pool);
    while ((node = list_pop_front(&wal->discards)) != NULL)
        wal_segment_destroy(CONTAINER_OF(node, struct wal_segment, node));
    mem_free(wal->prepare.zeroes);
}
