/*
 * progress.h -- the line on the terminal that says what is going on.
 *
 * It goes to standard error and overwrites itself; it exists only on a terminal and without
 * --quiet, so reports in files and pipes are clean.
 *
 * Threads: the main thread.
 */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

#include "check.h"

/* Shows nothing from now on unless there is a terminal and not `is_quiet`. */
void progress_init(bool is_quiet);

void progress_show(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Takes the line away. */
void progress_clear(void);

#endif
