/*
 * time_slice.c -- sched_setattr(2), which the C library has no function for.
 *
 * Threads: see time_slice.h.
 */
#include "time_slice.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* True for a thread whose policy has slices. */
static bool time_slice_read(struct sched_attr *out)
{
    memset(out, 0, sizeof(*out));
    if (syscall(SYS_sched_getattr, 0, out, sizeof(*out), 0) != 0)
        return false;
    return out->sched_policy == SCHED_NORMAL || out->sched_policy == SCHED_BATCH;
}

bool time_slice_shorten(void)
{
    struct sched_attr attr;
    if (!time_slice_read(&attr))
        return false;
    attr.sched_runtime = TIME_SLICE_NS;
    return syscall(SYS_sched_setattr, 0, &attr, 0) == 0;
}

uint64_t time_slice_ns(void)
{
    struct sched_attr attr;
    return time_slice_read(&attr) ? attr.sched_runtime : 0;
}
