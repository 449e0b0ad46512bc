/*
 * clock.c -- time from the kernel's vDSO: about 20 ns a call and no system call.
 *
 * The only file in which clock_gettime may be called (tests/tidy holds the others to it), so that
 * the simulator can replace time as a whole.
 *
 * Threads: any.
 */
#include "clock.h"

#include <time.h>

#include "check.h"

static uint64_t clock_read_ns(clockid_t id)
{
    struct timespec ts;
    int failed = clock_gettime(id, &ts);
    CHECK(failed == 0);
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ms(void)
{
    return clock_read_ns(CLOCK_REALTIME) / 1000000;
}

uint64_t clock_cpu_ns(pthread_t thread)
{
    clockid_t id;
    struct timespec ts;
    if (pthread_getcpuclockid(thread, &id) != 0 || clock_gettime(id, &ts) != 0)
        return 0;
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}
