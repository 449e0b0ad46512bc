/*
 * schedule.c -- see schedule.h.
 *
 * Threads: any.
 */
#include "schedule.h"

#define SCHEDULE_SECOND_NS UINT64_C(1000000000)

void schedule_init(struct schedule *out, uint64_t rate, uint64_t num_publishers)
{
    CHECK(rate > 0 && num_publishers > 0);
    unsigned __int128 whole = (unsigned __int128)num_publishers * SCHEDULE_SECOND_NS;
    *out = (struct schedule){
        .rate = rate,
        .num_publishers = num_publishers,
        .step = (whole << SCHEDULE_FRACTION_BITS) / rate,
        .start_ns = UINT64_MAX,
        .measure_from_ns = UINT64_MAX,
        .end_ns = UINT64_MAX,
    };
    CHECK(out->step > 0);
}

void schedule_start(struct schedule *schedule, uint64_t start_ns, uint64_t warmup_ns,
                    uint64_t duration_ns)
{
    schedule->start_ns = start_ns;
    schedule->measure_from_ns = start_ns + warmup_ns;
    schedule->end_ns = start_ns + warmup_ns + duration_ns;
}

void schedule_cut(struct schedule *schedule, uint64_t now_ns)
{
    if (now_ns < schedule->end_ns)
        __atomic_store_n(&schedule->end_ns, now_ns, __ATOMIC_RELAXED);
}

/* Of the publisher's first message. */
static uint64_t schedule_first_ns(const struct schedule *schedule, uint32_t publisher)
{
    unsigned __int128 offset = schedule->step * publisher / schedule->num_publishers;
    return schedule->start_ns + (uint64_t)(offset >> SCHEDULE_FRACTION_BITS);
}

uint64_t schedule_time_ns(const struct schedule *schedule, uint32_t publisher, uint64_t number)
{
    CHECK(publisher < schedule->num_publishers && number < UINT64_C(1) << 40);
    unsigned __int128 elapsed = schedule->step * number;
    return schedule_first_ns(schedule, publisher) + (uint64_t)(elapsed >> SCHEDULE_FRACTION_BITS);
}

uint64_t schedule_due(const struct schedule *schedule, uint32_t publisher, uint64_t now_ns)
{
    uint64_t end_ns = schedule_end_ns(schedule);
    uint64_t last_ns = now_ns < end_ns ? now_ns : end_ns - 1;
    uint64_t first_ns = schedule_first_ns(schedule, publisher);
    if (last_ns < first_ns)
        return 0;
    unsigned __int128 elapsed = (unsigned __int128)(last_ns - first_ns) << SCHEDULE_FRACTION_BITS;
    uint64_t num = (uint64_t)(elapsed / schedule->step) + 1;
    /* The time of a message is rounded down, so one more may be due than the division says. */
    while (schedule_time_ns(schedule, publisher, num) <= last_ns)
        num++;
    return num;
}

uint64_t schedule_window(uint64_t rate, uint64_t num_publishers)
{
    uint64_t window = SCHEDULE_WINDOW_S * rate / num_publishers;
    if (window < SCHEDULE_WINDOW_MIN)
        window = SCHEDULE_WINDOW_MIN;
    return window < SCHEDULE_WINDOW_MAX ? window : SCHEDULE_WINDOW_MAX;
}
