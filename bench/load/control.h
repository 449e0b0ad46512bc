/*
 * control.h -- what the main thread tells its workers, and the one thing they tell back.
 *
 *     CONNECT  open clients, up to the number allowed so far
 *     RUN      publish
 *     DRAIN    publish no more (but what an open loop has due), receive and acknowledge what is
 *              under way
 *     CUT      end all connections; with CONNECT they come again
 *     CLEAN    take back what was retained
 *     STOP     say goodbye and end
 *
 * The first failure of any worker is kept as a sentence; later ones are usually its echo.
 *
 * Threads: any.
 */
#ifndef BENCH_CONTROL_H
#define BENCH_CONTROL_H

#include "check.h"
#include "schedule.h"

#include <pthread.h>
#include <stdatomic.h>

enum control_phase {
    CONTROL_CONNECT,
    CONTROL_RUN,
    CONTROL_DRAIN,
    CONTROL_CUT,
    CONTROL_CLEAN,
    CONTROL_STOP,
};

struct control {
    _Atomic enum control_phase phase;
    _Atomic bool is_recording;        /* latencies go into the histograms */
    _Atomic uint64_t measure_from_ns; /* with which slice 0 of the series begins */
    uint64_t slice_ns;                /* of the series; set before any worker starts */
    _Atomic uint64_t asked_from_ns;   /* when clients began to want to connect */
    struct schedule schedule;         /* of an open loop; set before CONTROL_RUN */
    _Atomic uint64_t clients_allowed; /* clients whose number is below may connect */
    _Atomic bool has_failed;
    pthread_mutex_t mutex; /* for the sentence */
    char failure[256];
};

void control_init(struct control *control);
void control_fini(struct control *control);

/* Keeps the sentence if it is the first. */
void control_fail(struct control *control, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline enum control_phase control_phase(struct control *control)
{
    return atomic_load_explicit(&control->phase, memory_order_acquire);
}

static inline bool control_has_failed(struct control *control)
{
    return atomic_load_explicit(&control->has_failed, memory_order_acquire);
}

#endif
