/*
 * time_slice.h -- how soon a thread that wakes gets its core when others compute on it.
 *
 * A shard sleeps and wakes tens of thousands of times a second: for packets, for the log's commits.
 * When something else computes on its core, the kernel decides at each waking whether the shard
 * waits until the other's time slice has ended, some milliseconds. Since Linux 6.12 a thread may
 * ask for shorter slices of its own; then it gets the core at once, and gives it back sooner: its
 * share of the core stays the same, nothing is taken from anybody, no privilege is needed. (A
 * blocking commit beside a compiler on the same core: 2 to 5 ms each, with short slices 0.15.)
 *
 * Older kernels do not look at what is asked for, and real-time policies have no slices.
 *
 * Threads: the calling one is meant; threads that it starts afterwards inherit.
 */
#ifndef SLUICE_TIME_SLICE_H
#define SLUICE_TIME_SLICE_H

#include "check.h"

/* The shortest that the kernel grants; it takes 0.1 to 100 ms. */
#define TIME_SLICE_NS UINT64_C(100000)

/* Asks for slices of TIME_SLICE_NS. False: nothing has changed, which is no error. */
bool time_slice_shorten(void);

/* Of the calling thread; 0: it has none, or the kernel does not tell. */
uint64_t time_slice_ns(void);

#endif
