/*
 * model_timer.c -- the timer wheel against an array of deadlines (engine/timer.h).
 *
 * The twin is an array: deadline or none, per timer. Invariants checked in every step:
 *   - a callback comes for a timer that the twin knows to be set, not before its deadline;
 *   - within one call, and over calls while time does not jump back, deadlines fire in the order of
 *     their ticks;
 *   - after running until the wheel says that nothing is due, the twin has nothing that is a tick
 *     or more overdue;
 *   - timers_next_ms is not after the earliest deadline rounded up to a tick;
 *   - callbacks set and cancel timers at random, also those due in the same call.
 */
#include "../model_args.h"
#include "timer.h"

#define NUM_TIMERS 200
#define NOT_SET    UINT64_MAX

struct twin_timer {
    struct timer timer;
    uint64_t at_ms;     /* NOT_SET, or the deadline */
    uint64_t set_at_ms; /* when it was set */
};

static struct model_args args;
static struct timer_wheel wheel;
static struct twin_timer twins[NUM_TIMERS];
static uint64_t now_ms;
static uint64_t last_fired_tick;
static uint64_t num_fired;

static uint64_t tick_of(uint64_t at_ms)
{
    return (at_ms + TIMER_TICK_MS - 1) / TIMER_TICK_MS;
}

/* Mostly near, some far, some past. */
static uint64_t random_deadline(void)
{
    uint64_t distance_ms = model_random(&args) >> (20 + model_below(&args, 44));
    if (model_below(&args, 20) == 0)
        return now_ms - (distance_ms < now_ms ? distance_ms : now_ms);
    return now_ms + distance_ms;
}

static void twin_set(struct twin_timer *twin, uint64_t at_ms)
{
    timer_set(&wheel, &twin->timer, at_ms);
    twin->at_ms = at_ms;
    twin->set_at_ms = now_ms;
}

static void twin_cancel(struct twin_timer *twin)
{
    timer_cancel(&wheel, &twin->timer);
    twin->at_ms = NOT_SET;
}

static void meddle(void)
{
    struct twin_timer *twin = &twins[model_below(&args, NUM_TIMERS)];
    if (model_below(&args, 3) == 0)
        twin_cancel(twin);
    else
        twin_set(twin, random_deadline());
    CHECK(timer_pending(&twin->timer) == (twin->at_ms != NOT_SET));
}

/* The tick at which the timer may fire first: one set for the past waits for the next. */
static uint64_t due_tick(const struct twin_timer *twin)
{
    uint64_t after_set = twin->set_at_ms / TIMER_TICK_MS + 1;
    uint64_t tick = tick_of(twin->at_ms);
    return tick > after_set ? tick : after_set;
}

static void twin_fire(struct timer_wheel *fired_wheel, struct timer *timer, uint64_t fired_ms)
{
    struct twin_timer *twin = CONTAINER_OF(timer, struct twin_timer, timer);
    CHECK(fired_wheel == &wheel && fired_ms == now_ms);
    CHECK(!timer_pending(timer));
    CHECK(twin->at_ms != NOT_SET);
    CHECK(twin->at_ms <= now_ms);
    if (twin->at_ms > twin->set_at_ms) {
        CHECK(tick_of(twin->at_ms) >= last_fired_tick);
        last_fired_tick = tick_of(twin->at_ms);
    }
    twin->at_ms = NOT_SET;
    num_fired++;
    for (uint32_t i = model_below(&args, 3); i > 0; i--)
        meddle();
}

static uint64_t earliest_due_ms(void)
{
    uint64_t earliest = NOT_SET;
    for (unsigned i = 0; i < NUM_TIMERS; i++)
        if (twins[i].at_ms != NOT_SET && due_tick(&twins[i]) * TIMER_TICK_MS < earliest)
            earliest = due_tick(&twins[i]) * TIMER_TICK_MS;
    return earliest;
}

static void run(void)
{
    do {
        timers_run(&wheel, now_ms, model_below(&args, 2) == 0 ? UINT32_MAX : 5);
        CHECK(timers_next_ms(&wheel) <= earliest_due_ms());
    } while (timers_next_ms(&wheel) <= now_ms);
    CHECK(earliest_due_ms() > now_ms);
    unsigned num_set = 0;
    for (unsigned i = 0; i < NUM_TIMERS; i++)
        num_set += twins[i].at_ms != NOT_SET;
    CHECK(num_set == wheel.count);
    CHECK((timers_next_ms(&wheel) == TIMER_NEVER_MS) == (num_set == 0));
}

static void step(void)
{
    switch (model_below(&args, 8)) {
    case 0: /* a little later */
        now_ms += model_below(&args, 50);
        break;
    case 1: /* what the loop does */
        if (timers_next_ms(&wheel) < now_ms + (UINT64_C(1) << 43))
            now_ms = timers_next_ms(&wheel) > now_ms ? timers_next_ms(&wheel) : now_ms;
        break;
    case 2: /* much later, up to years */
        if (model_below(&args, 10) == 0)
            now_ms += model_random(&args) >> (24 + model_below(&args, 40));
        break;
    default:
        meddle();
        return;
    }
    run();
}

int main(int argc, char **argv)
{
    args = model_args_of(argc, argv, 300000);
    now_ms = model_random(&args) >> 24;
    timer_wheel_init(&wheel, NULL, now_ms);
    for (unsigned i = 0; i < NUM_TIMERS; i++) {
        timer_init(&twins[i].timer, twin_fire);
        twins[i].at_ms = NOT_SET;
    }
    for (uint64_t i = 0; i < args.steps; i++)
        step();
    CHECK(num_fired > 0 || args.steps < 1000);
    for (unsigned i = 0; i < NUM_TIMERS; i++)
        twin_cancel(&twins[i]);
    timer_wheel_fini(&wheel);
    printf("%llu fired\n", (unsigned long long)num_fired);
    return 0;
}
