/*
 * series.c -- see series.h.
 *
 * Threads: as in series.h.
 */
#include "series.h"

#include "heap.h"

#include <stdlib.h>

uint64_t series_slice_ns(uint64_t duration_ns)
{
    uint64_t slice_ns = (duration_ns + SERIES_SLICES - 1) / SERIES_SLICES;
    return slice_ns > SERIES_SLICE_NS_MIN ? slice_ns : SERIES_SLICE_NS_MIN;
}

void series_part_turn(struct series_part *part, uint64_t slice_ns, uint64_t elapsed_ns)
{
    CHECK(slice_ns > 0);
    uint64_t at = elapsed_ns / slice_ns;
    if (at >= SERIES_SLICES)
        at = SERIES_SLICES - 1;
    if (part->slices[at] == NULL) {
        part->slices[at] = heap_zeroed(1, sizeof(struct histogram));
        histogram_init(part->slices[at]);
    }
    part->current = part->slices[at];
}

void series_part_merge(struct histogram *into, const struct series_part *part)
{
    for (unsigned i = 0; i < SERIES_SLICES; i++)
        if (part->slices[i] != NULL)
            histogram_merge(into, part->slices[i]);
}

void series_part_fini(struct series_part *part)
{
    for (unsigned i = 0; i < SERIES_SLICES; i++)
        free(part->slices[i]);
    *part = (struct series_part){.current = NULL};
}

void series_init(struct series *out, uint64_t duration_ns)
{
    *out = (struct series){.slice_ns = series_slice_ns(duration_ns)};
    out->num_slices = (uint32_t)((duration_ns + out->slice_ns - 1) / out->slice_ns);
    CHECK(out->num_slices <= SERIES_SLICES);
}

void series_add(struct series *series, uint64_t elapsed_ns, uint64_t published, uint64_t delivered)
{
    if (series->num_marks == ARRAY_LEN(series->marks))
        series->num_marks--;
    CHECK(series->num_marks == 0 || series->marks[series->num_marks - 1].at_ns <= elapsed_ns);
    series->marks[series->num_marks++] = (struct series_mark){
        .at_ns = elapsed_ns,
        .published = published,
        .delivered = delivered,
    };
}

void series_sum(struct series *series, uint32_t at, const struct series_part *first, size_t stride,
                uint32_t num)
{
    CHECK(at < SERIES_SLICES);
    struct histogram *sum = heap_zeroed(1, sizeof(*sum));
    histogram_init(sum);
    for (uint32_t i = 0; i < num; i++) {
        const struct series_part *part = (const void *)((const char *)first + i * stride);
        if (part->slices[at] != NULL)
            histogram_merge(sum, part->slices[at]);
    }
    series->latency[at] = (struct series_latency){
        .num = sum->num,
        .p50_ns = histogram_quantile_ns(sum, 0.5),
        .p99_ns = histogram_quantile_ns(sum, 0.99),
        .max_ns = histogram_quantile_ns(sum, 1.0),
    };
    free(sum);
}
