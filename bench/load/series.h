/*
 * series.h -- what happened when: the measured time in slices.
 *
 * The measured time is cut into equal slices, at most SERIES_SLICES of them and none shorter than
 * SERIES_SLICE_NS_MIN. Every worker has a histogram for each slice in which it received anything
 * and records into the one of the present; the latencies of the whole are the sum, so that slices
 * cost nothing per message. What arrives after the measured time counts in the last slice. The main
 * thread adds the counters at the slices' borders.
 *
 * Memory: a histogram is 30 KiB, of which the pages that are touched count.
 *
 * Threads: struct series: the main thread. struct series_part: its worker, others once it is
 * joined.
 */
#ifndef BENCH_SERIES_H
#define BENCH_SERIES_H

#include "histogram.h"

#define SERIES_SLICES       100
#define SERIES_SLICE_NS_MIN UINT64_C(50000000)

/* The slices of one worker. */
struct series_part {
    struct histogram *slices[SERIES_SLICES]; /* owned; NULL: nothing came in it */
    struct histogram *current;               /* one of them */
};

/* Up to now, since the start of the measured time. */
struct series_mark {
    uint64_t at_ns;
    uint64_t published;
    uint64_t delivered;
};

struct series_latency {
    uint64_t num;
    uint64_t p50_ns;
    uint64_t p99_ns;
    uint64_t max_ns;
};

struct series {
    uint64_t slice_ns;
    uint32_t num_slices;
    uint32_t num_marks;
    struct series_mark marks[SERIES_SLICES + 1]; /* ascending; the first is the start */
    struct series_latency latency[SERIES_SLICES];
};

/* How long a slice is, for so long a measured time. */
uint64_t series_slice_ns(uint64_t duration_ns);

/* Makes the slice current in which `elapsed_ns` since the start of the measured time lies. */
void series_part_turn(struct series_part *part, uint64_t slice_ns, uint64_t elapsed_ns);

/* Adds all slices to `into`. */
void series_part_merge(struct histogram *into, const struct series_part *part);

void series_part_fini(struct series_part *part);

void series_init(struct series *out, uint64_t duration_ns);

/* Notes the counts at a time; what does not fit any more replaces the last mark. */
void series_add(struct series *series, uint64_t elapsed_ns, uint64_t published, uint64_t delivered);

/* Sums up the latencies of slice `at` over `num` parts, `stride` bytes apart. */
void series_sum(struct series *series, uint32_t at, const struct series_part *first, size_t stride,
                uint32_t num);

#endif
