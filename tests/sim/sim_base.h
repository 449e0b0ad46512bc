/*
 * sim_base.h -- what every part of the simulator uses: chance, false time, failure, trace.
 *
 * Everything that happens in a run follows from one seed: there is one generator of random numbers,
 * one thread, and time that moves only when sim_clock_advance is called. A failure prints the seed
 * and the step, which repeat it.
 */
#ifndef SLUICE_SIM_BASE_H
#define SLUICE_SIM_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- chance ---- */

extern uint64_t sim_seed; /* of the present run */
extern uint64_t sim_step; /* of the present run, counted by sim_world.c */

void sim_random_start(uint64_t seed);
uint64_t sim_random(void);

/* 0 to bound - 1; bound > 0 */
uint32_t sim_below(uint32_t bound);

/* True in `permille` of 1000 cases. */
bool sim_chance(uint32_t permille);

/* 1 to most, small numbers more often than large ones. */
uint32_t sim_size(uint32_t most);

/* ---- time, behind engine/clock.h ---- */

void sim_clock_start(void);
void sim_clock_advance(uint64_t ns);

/* ---- saying what happens ---- */

extern bool sim_tracing; /* SIM_TRACE in the environment */

_Noreturn void sim_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void sim_trace_write(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define SIM_FAIL(...) sim_fail(__FILE__, __LINE__, __VA_ARGS__)

#define SIM_CHECK(cond, ...)                                                                       \
    do {                                                                                           \
        if (!(cond))                                                                               \
            SIM_FAIL(__VA_ARGS__);                                                                 \
    } while (0)

#define SIM_TRACE(...)                                                                             \
    do {                                                                                           \
        if (sim_tracing)                                                                           \
            sim_trace_write(__VA_ARGS__);                                                          \
    } while (0)

#endif
