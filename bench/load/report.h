/*
 * report.h -- the result of a run as text for people and as JSON for programs.
 *
 * Threads: the main thread.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "run.h"

#include <stdio.h>

/* The parameters, rates, accounting, latency table, a drawn histogram and the verdict. */
void report_text(FILE *file, const struct run_result *result);

/*
 * One object: parameters (every option), rates of the measured time, accounting of the whole run,
 * latency quantiles in microseconds and the non-empty slots of the histogram.
 */
void report_json(FILE *file, const struct run_result *result);

#endif
