/*
 * micro.h -- the thin C face of the micro-benchmarks.
 *
 * Google Benchmark is C++; it stays in micro_main.cc. A file of benchmarks is plain C: a table of
 * cases, each with a function that does its operation so many times. micro_main.cc measures every
 * case with every argument and prints nanoseconds per operation.
 *
 *     sluice-micro --benchmark_filter=match --benchmark_min_time=1
 *
 * A context is made once for a case and an argument and kept until the end, because some take
 * longer to build than to measure.
 *
 * Threads: one.
 */
#ifndef BENCH_MICRO_H
#define BENCH_MICRO_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MICRO_ARGUMENTS_MAX 4
#define MICRO_FIGURES_MAX   2

struct micro_case {
    const char *name;
    /* Not measured. Without it the context is NULL. */
    void *(*setup)(int64_t argument);
    /* Does the operation `num` times; `num` is a multiple of MICRO_BATCH. */
    void (*run)(void *context, uint64_t num);
    void (*teardown)(void *context);
    int64_t arguments[MICRO_ARGUMENTS_MAX];
    unsigned num_arguments; /* 0: measured once, with argument 0 */
    unsigned bytes;         /* per operation, for a rate in bytes; 0: no such rate */
    unsigned waits;         /* 1: it sleeps, so what counts is the time on the wall */
    /* Names of further figures of the context, up to the first NULL, and their values. */
    const char *figures[MICRO_FIGURES_MAX];
    double (*figure)(const void *context, unsigned number);
};

#define MICRO_BATCH 256

struct micro_suite {
    const struct micro_case *cases;
    unsigned num;
};

/* One for each file. */
extern const struct micro_suite micro_memory;
extern const struct micro_suite micro_text;
extern const struct micro_suite micro_mesh;
extern const struct micro_suite micro_codec;
extern const struct micro_suite micro_match;
extern const struct micro_suite micro_deliver;
extern const struct micro_suite micro_retained;
extern const struct micro_suite micro_threads;
extern const struct micro_suite micro_log;

/* The compiler must assume that the value is used, and that memory has changed. */
static inline void micro_keep(uint64_t value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

#ifdef __cplusplus
}
#endif

#endif
