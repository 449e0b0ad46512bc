/*
 * clock.h -- the only reader of time in the process.
 *
 * A shard reads the clock once per turn and keeps the answer (shard_now_ms); everything else takes
 * "now" as an argument, which makes it repeatable in tests. The simulator links its own clock.
 *
 * Threads: any.
 */
#ifndef SLUICE_CLOCK_H
#define SLUICE_CLOCK_H

#include <pthread.h>
#include <stdint.h>

/* Nanoseconds on a clock that never jumps (CLOCK_MONOTONIC); its zero means nothing. */
uint64_t clock_mono_ns(void);

/* Milliseconds since 1970 (CLOCK_REALTIME), for people and for what outlives the process. */
uint64_t clock_wall_ms(void);

/* What a thread of this process has computed so far; 0 if that cannot be told. */
uint64_t clock_cpu_ns(pthread_t thread);

#endif
