/*
 * process_memory.h -- how much memory another process has resident.
 *
 * /proc/PID/smaps_rollup is exact but needs the rights of a debugger; /proc/PID/status is the way
 * out, whose VmRSS may lag by some pages per thread.
 *
 * Threads: any.
 */
#ifndef BENCH_PROCESS_MEMORY_H
#define BENCH_PROCESS_MEMORY_H

#include "rc.h"

#include "check.h"

/* RC_NOT_FOUND: no such process, or it may not be looked at. */
enum rc process_memory_resident(uint64_t pid, uint64_t *out_bytes) MUST_USE;

#endif
