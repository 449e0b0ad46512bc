/*
 * schedule.h -- when the messages of an open loop are to be sent.
 *
 * The rate is one of all publishers together, who take turns: message k of publisher i (of P) is
 * intended for
 *
 *     start + (k * P + i) / rate
 *
 * whatever happened to the messages before it. A message carries that time and not the time it was
 * written, so a broker that stops reading for a while is charged the wait of every message that was
 * due meanwhile, not only of the one that was under way.
 *
 *     start          measure_from                  end
 *       |-- warm-up ------|------- measured ---------|  what was due before it may still be sent
 *
 * Times are kept in fractions of a nanosecond (32 bits), so that a rate which does not divide a
 * second drifts by less than a microsecond in a day.
 *
 * Threads: written by the main thread before publishing starts, values afterwards: any. Only the
 * end may come earlier then (schedule_cut), so it is read and written as a whole word.
 */
#ifndef BENCH_SCHEDULE_H
#define BENCH_SCHEDULE_H

#include "check.h"

#define SCHEDULE_FRACTION_BITS 32

/* What a publisher may have on the way unless --window says otherwise: so much time of it. */
#define SCHEDULE_WINDOW_S   2
#define SCHEDULE_WINDOW_MIN 1000
#define SCHEDULE_WINDOW_MAX 1000000

struct schedule {
    uint64_t rate; /* messages per second of all publishers; 0: a closed loop */
    uint64_t num_publishers;
    uint64_t start_ns;
    uint64_t measure_from_ns;
    uint64_t end_ns;        /* messages intended for this time or later are not sent; see below */
    unsigned __int128 step; /* between two messages of a publisher, in 2^-32 ns */
};

/* rate > 0. */
void schedule_init(struct schedule *out, uint64_t rate, uint64_t num_publishers);

void schedule_start(struct schedule *schedule, uint64_t start_ns, uint64_t warmup_ns,
                    uint64_t duration_ns);

/* Ends the schedule at now_ns if it has not ended. */
void schedule_cut(struct schedule *schedule, uint64_t now_ns);

static inline uint64_t schedule_end_ns(const struct schedule *schedule)
{
    return __atomic_load_n(&schedule->end_ns, __ATOMIC_RELAXED);
}

/* When a message is intended to be sent. number < 2^40. */
uint64_t schedule_time_ns(const struct schedule *schedule, uint32_t publisher, uint64_t number);

/* How many messages of the publisher are intended for now_ns or earlier, and before the end. */
uint64_t schedule_due(const struct schedule *schedule, uint32_t publisher, uint64_t now_ns);

/* The window of a publisher that is not told one. */
uint64_t schedule_window(uint64_t rate, uint64_t num_publishers);

static inline bool schedule_is_measured(const struct schedule *schedule, uint64_t intended_ns)
{
    return intended_ns >= schedule->measure_from_ns && intended_ns < schedule_end_ns(schedule);
}

#endif
