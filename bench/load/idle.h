/*
 * idle.h -- many connections that do nothing: what does one cost the broker?
 *
 * Clients are opened in steps. At each step (every IDLE_STEP clients, at both counts of --slope and
 * at the end) the memory of the process given by --pid is read after a pause; the slope is the
 * difference between two of these readings divided by the clients between them. Then everything is
 * held until the time is over or SIGINT comes. The broker should be freshly started: memory that it
 * has from earlier clients and uses again costs nothing here.
 *
 * Threads: the main thread.
 */
#ifndef BENCH_IDLE_H
#define BENCH_IDLE_H

#include "endpoint.h"
#include "options.h"

#define IDLE_STEP 5000

/* Prints as it goes. Returns the exit code: 0, or 1 when the broker failed. */
int idle_run(const struct options *options, const struct endpoint *endpoint);

#endif
