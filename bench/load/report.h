/*
 * report.h -- the result of a run: text, JSON, a page with drawings, HdrHistogram's percentiles.
 *
 * Threads: the main thread.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "run.h"

#include <stdio.h>

/* The parameters, rates, accounting, latency table, a drawn histogram and the verdict. */
void report_text(FILE *file, const struct run_result *result);

/* From when to when the latencies of this run are. */
const char *report_latency_text(const struct run_result *result);

/*
 * One object: parameters (every option), rates of the measured time, accounting of the whole run,
 * latency quantiles in microseconds and the non-empty slots of the histogram.
 */
void report_json(FILE *file, const struct run_result *result);

/* A page for a browser that needs nothing else: latencies and rates as drawings. */
void report_html(FILE *file, const struct run_result *result);

/* The percentiles in HdrHistogram's text format (.hgrm), in milliseconds. */
void report_hdr(FILE *file, const struct histogram *latency);

#endif
