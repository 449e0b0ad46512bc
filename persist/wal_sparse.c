/*
 * wal_sparse.c -- which segments are worth being copied forward, and what is known of their space.
 *
 * A segment that lies before the newest valid checkpoint is nothing but a store of bodies: once
 * what is alive in it has been copied, it is free. The sparser it is, the less has to be copied for
 * it. While its owner copies, a chosen segment has a reference of its own (a pin), so that it is
 * there until the copies are on the disk, whatever becomes of the other references meanwhile.
 *
 * One that could not be emptied, because a record in it is damaged, is not chosen again before half
 * of what was left in it is gone: else it would be tried for ever.
 *
 * Threads: the shard's.
 */
#include "wal_inner.h"

/* ---- choosing ---- */

static bool wal_segment_is_old(const struct wal *wal, const struct wal_segment *segment)
{
    return segment != wal->current && segment->end <= wal->checkpoint_pos;
}

static bool wal_segment_is_sparse(const struct wal *wal, const struct wal_segment *segment,
                                  unsigned percent_max)
{
    return wal_segment_is_old(wal, segment) && segment->live.refs > 0 && !segment->is_pinned &&
           segment->live.bytes * 100 < segment->size * percent_max &&
           (segment->tried_refs == 0 || segment->live.refs * 2 <= segment->tried_refs);
}

/* Whether a smaller part of `a` is alive than of `b`. */
static bool wal_segment_is_sparser(const struct wal_segment *a, const struct wal_segment *b)
{
    return (double)a->live.bytes / (double)a->size < (double)b->live.bytes / (double)b->size;
}

/* The sparsest one whose live bytes are at most `bytes_max`; NULL: none. */
static struct wal_segment *wal_sparsest(const struct wal *wal, unsigned percent_max,
                                        uint64_t bytes_max)
{
    struct wal_segment *best = NULL;
    for (uint32_t i = 0; i < wal->num_segments; i++) {
        struct wal_segment *segment = wal->segments[i];
        if (wal_segment_is_sparse(wal, segment, percent_max) && segment->live.bytes <= bytes_max &&
            (best == NULL || wal_segment_is_sparser(segment, best)))
            best = segment;
    }
    return best;
}

/* Puts it where it belongs by its position. */
static void wal_sparse_insert(struct wal_sparse *out, uint32_t count,
                              const struct wal_segment *segment)
{
    uint32_t at = count;
    for (; at > 0 && out[at - 1].first.word > segment->base; at--)
        out[at] = out[at - 1];
    out[at] = (struct wal_sparse){.first = {segment->base},
                                  .end = {segment->end},
                                  .live_bytes = segment->live.bytes,
                                  .size_bytes = segment->size};
}

uint32_t wal_sparse_take(struct wal *wal, unsigned percent_max, uint64_t bytes_max,
                         struct wal_sparse *out, uint32_t max)
{
    WAL_CHECK(wal);
    CHECK(percent_max <= 100 && out != NULL);
    uint32_t count = 0;
    while (count < max) {
        struct wal_segment *segment = wal_sparsest(wal, percent_max, bytes_max);
        if (segment == NULL)
            break;
        bytes_max -= segment->live.bytes;
        wal_sparse_insert(out, count++, segment);
        segment->is_pinned = true;
        segment->live.refs++;
    }
    return count;
}

bool wal_sparse_give(struct wal *wal, const struct wal_sparse *sparse, bool was_tried)
{
    WAL_CHECK(wal);
    struct wal_segment *segment = wal_segment_find(wal, sparse->first.word);
    CHECK(segment != NULL && segment->base == sparse->first.word && segment->is_pinned);
    segment->is_pinned = false;
    wal_unref(wal, sparse->first, 0);
    segment->tried_refs = was_tried ? segment->live.refs : 0;
    return segment->live.refs == 0;
}

/* ---- space ---- */

/* Bytes that can be written without a segment that is not there yet. */
static uint64_t wal_room_ready(const struct wal *wal)
{
    uint64_t room = wal->spare != NULL ? wal->spare->size - WAL_BLOCK : 0;
    const struct wal_segment *segment = wal->current;
    if (segment != NULL)
        room += segment->size - WAL_BLOCK - (segment->end - segment->base);
    return room > wal->pending_bytes ? room - wal->pending_bytes : 0;
}

void wal_space_read(const struct wal *wal, struct wal_space *out)
{
    WAL_CHECK(wal);
    uint64_t limit = wal->options.disk_bytes_max;
    *out = (struct wal_space){.is_tight = limit != 0 && wal->disk_bytes > limit / 2};
    for (uint32_t i = 0; i < wal->num_segments; i++) {
        const struct wal_segment *segment = wal->segments[i];
        if (!wal_segment_is_old(wal, segment) || segment->live.refs == 0)
            continue;
        out->old_bytes += segment->size;
        out->old_live_bytes += segment->live.bytes;
    }
    if (wal->failing_since_ms != 0)
        return;
    out->room_bytes = wal_room_ready(wal);
    if (wal->prepare.error != 0)
        return;
    if (limit == 0)
        out->room_bytes = UINT64_MAX;
    else if (limit > wal->disk_bytes)
        out->room_bytes += limit - wal->disk_bytes;
}

bool wal_is_durable(const struct wal *wal, struct wal_loc loc)
{
    WAL_CHECK(wal);
    CHECK(!wal_loc_is_none(loc));
    return loc.word < wal->pos_durable;
}

void wal_sync_soon(struct wal *wal)
{
    WAL_CHECK(wal);
    if (wal->options.mode != WAL_COMMIT)
        wal->is_sync_due = true;
}
