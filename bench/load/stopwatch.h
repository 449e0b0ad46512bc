/*
 * stopwatch.h -- the generator's clocks.
 *
 * One clock for stamps and for arrival: the monotonic one, the same on all cores. Publishing and
 * receiving sides are in one process, so latencies need no clock of another machine.
 *
 * Threads: any.
 */
#ifndef BENCH_STOPWATCH_H
#define BENCH_STOPWATCH_H

#include <stdint.h>
#include <time.h>

#define STOPWATCH_SECOND_NS UINT64_C(1000000000)

static inline uint64_t stopwatch_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * STOPWATCH_SECOND_NS + (uint64_t)now.tv_nsec;
}

static inline void stopwatch_sleep_ns(uint64_t duration_ns)
{
    struct timespec pause = {
        .tv_sec = (time_t)(duration_ns / STOPWATCH_SECOND_NS),
        .tv_nsec = (long)(duration_ns % STOPWATCH_SECOND_NS),
    };
    nanosleep(&pause, NULL);
}

#endif
