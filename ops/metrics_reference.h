/*
 * metrics_reference.h -- the reference page of the metrics, ops/docs/metrics.md.
 *
 * Made from what the endpoint would answer, so that it cannot differ from it.
 *
 * Threads: one at a time.
 */
#ifndef SLUICE_METRICS_REFERENCE_H
#define SLUICE_METRICS_REFERENCE_H

#include <stdio.h>

/* Prints the page as Markdown; nothing without memory. */
void metrics_reference_print(FILE *out);

#endif
