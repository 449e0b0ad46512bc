/*
 * process_usage.h -- how much memory and CPU time another process uses.
 *
 * Memory: /proc/PID/smaps_rollup is exact but needs the rights of a debugger; /proc/PID/status is
 * the way out, whose VmRSS may lag by some pages per thread. CPU time: /proc/PID/stat, all threads,
 * user and system, in ticks of 10 ms as a rule.
 *
 * Threads: any.
 */
#ifndef BENCH_PROCESS_USAGE_H
#define BENCH_PROCESS_USAGE_H

#include "check.h"
#include "rc.h"

/* Both: RC_NOT_FOUND if there is no such process or it may not be looked at. */
enum rc process_usage_resident(uint64_t pid, uint64_t *out_bytes) MUST_USE;
enum rc process_usage_cpu(uint64_t pid, uint64_t *out_ns) MUST_USE;

#endif
