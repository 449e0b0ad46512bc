/*
 * test_timer.c -- the timer wheel at its edges (engine/timer.h).
 *
 * Time is a number here: each test moves it as it likes. A probe notes when and how often it fired.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "timer.h"

#define START_MS 123457
#define DAY_MS   UINT64_C(86400000)
#define RUN_ALL  UINT32_MAX
#define TOP_MS   (((UINT64_C(1) << (TIMER_LEVELS * TIMER_SLOTS_LOG2)) + 5) * TIMER_TICK_MS)

struct probe {
    struct timer timer;
    uint64_t fired_ms;
    unsigned num_fired;
    unsigned order;      /* the how manyth of all */
    struct probe *other; /* for callbacks that meddle */
    uint64_t again_ms;   /* for callbacks that set their own timer again */
};

static struct timer_wheel wheel;
static unsigned num_fired_all;

static int wheel_setup(void **state)
{
    (void)state;
    timer_wheel_init(&wheel, NULL, START_MS);
    num_fired_all = 0;
    return 0;
}

static int wheel_teardown(void **state)
{
    (void)state;
    timer_wheel_fini(&wheel);
    return 0;
}

static void probe_fire(struct timer_wheel *fired_wheel, struct timer *timer, uint64_t now_ms)
{
    struct probe *probe = CONTAINER_OF(timer, struct probe, timer);
    assert_ptr_equal(fired_wheel, &wheel);
    assert_false(timer_pending(timer));
    assert_true(now_ms >= timer->at_ms);
    probe->fired_ms = now_ms;
    probe->num_fired++;
    probe->order = ++num_fired_all;
}

static struct probe probe_of(timer_fn *fn)
{
    struct probe probe = {0};
    timer_init(&probe.timer, fn);
    return probe;
}

/* What the loop does: sleeps until the wheel asks, or until `until_ms`. */
static void run_until(uint64_t until_ms)
{
    for (;;) {
        uint64_t next_ms = timers_next_ms(&wheel);
        if (next_ms > until_ms)
            break;
        timers_run(&wheel, next_ms == 0 ? wheel.tick * TIMER_TICK_MS : next_ms, RUN_ALL);
    }
    timers_run(&wheel, until_ms, RUN_ALL);
}

static void fires_in_time_at_every_distance(void **state)
{
    (void)state;
    static const uint64_t distances_ms[] = {
        1,    2,     3,      9,      10,     11,     2550,        2560,
        2570, 60000, 655350, 655360, 655371, DAY_MS, 30 * DAY_MS, 400 * DAY_MS,
    };
    for (size_t i = 0; i < ARRAY_LEN(distances_ms); i++) {
        uint64_t start_ms = START_MS;
        struct probe probe = probe_of(probe_fire);
        timer_wheel_init(&wheel, NULL, start_ms);
        uint64_t at_ms = start_ms + distances_ms[i];
        timer_set(&wheel, &probe.timer, at_ms);
        assert_true(timer_pending(&probe.timer));
        run_until(at_ms - 1);
        assert_int_equal(probe.num_fired, 0);
        run_until(at_ms + TIMER_TICK_MS);
        assert_int_equal(probe.num_fired, 1);
        assert_in_range(probe.fired_ms, at_ms, at_ms + TIMER_TICK_MS - 1);
        assert_false(timer_pending(&probe.timer));
        assert_true(timers_next_ms(&wheel) == TIMER_NEVER_MS);
    }
}

static void next_is_never_after_the_earliest_deadline(void **state)
{
    (void)state;
    struct probe late = probe_of(probe_fire);
    struct probe soon = probe_of(probe_fire);
    assert_true(timers_next_ms(&wheel) == TIMER_NEVER_MS);
    timer_set(&wheel, &late.timer, START_MS + DAY_MS);
    assert_true(timers_next_ms(&wheel) <= START_MS + DAY_MS + TIMER_TICK_MS);
    timer_set(&wheel, &soon.timer, START_MS + 100);
    assert_in_range(timers_next_ms(&wheel), START_MS, START_MS + 100 + TIMER_TICK_MS - 1);
    timer_cancel(&wheel, &soon.timer);
    assert_true(timers_next_ms(&wheel) > START_MS + 200);
    timer_cancel(&wheel, &late.timer);
    assert_true(timers_next_ms(&wheel) == TIMER_NEVER_MS);
}

static void setting_again_replaces_the_deadline(void **state)
{
    (void)state;
    struct probe probe = probe_of(probe_fire);
    timer_set(&wheel, &probe.timer, START_MS + 50);
    timer_set(&wheel, &probe.timer, START_MS + 5000);
    run_until(START_MS + 4990);
    assert_int_equal(probe.num_fired, 0);
    timer_set(&wheel, &probe.timer, START_MS + 5100);
    timer_set(&wheel, &probe.timer, START_MS + 5000);
    run_until(START_MS + 6000);
    assert_int_equal(probe.num_fired, 1);
    assert_in_range(probe.fired_ms, START_MS + 5000, START_MS + 5009);
}

static void cancelling_what_is_not_pending_does_nothing(void **state)
{
    (void)state;
    struct probe probe = probe_of(probe_fire);
    timer_cancel(&wheel, &probe.timer);
    timer_set(&wheel, &probe.timer, START_MS + 50);
    timer_cancel(&wheel, &probe.timer);
    timer_cancel(&wheel, &probe.timer);
    run_until(START_MS + DAY_MS);
    assert_int_equal(probe.num_fired, 0);
    assert_int_equal(wheel.count, 0);
}

static void probe_set_again(struct timer_wheel *fired_wheel, struct timer *timer, uint64_t now_ms)
{
    struct probe *probe = CONTAINER_OF(timer, struct probe, timer);
    probe_fire(fired_wheel, timer, now_ms);
    timer_set(fired_wheel, timer, probe->again_ms);
}

static void a_past_deadline_waits_for_the_next_tick(void **state)
{
    (void)state;
    struct probe probe = probe_of(probe_set_again);
    probe.again_ms = 0;
    timer_set(&wheel, &probe.timer, 0);
    assert_int_equal(timers_run(&wheel, START_MS, RUN_ALL), 0);
    assert_in_range(timers_next_ms(&wheel), START_MS, START_MS + TIMER_TICK_MS);
    /* A jump over many ticks is still one call, and one call fires it once. */
    assert_int_equal(timers_run(&wheel, START_MS + DAY_MS, RUN_ALL), 1);
    assert_int_equal(timers_run(&wheel, START_MS + DAY_MS, RUN_ALL), 0);
    assert_int_equal(timers_run(&wheel, START_MS + DAY_MS + TIMER_TICK_MS, RUN_ALL), 1);
    timer_cancel(&wheel, &probe.timer);
}

static void probe_cancel_other(struct timer_wheel *fired_wheel, struct timer *timer,
                               uint64_t now_ms)
{
    struct probe *probe = CONTAINER_OF(timer, struct probe, timer);
    probe_fire(fired_wheel, timer, now_ms);
    timer_cancel(fired_wheel, &probe->other->timer);
}

static void a_callback_cancels_a_timer_of_the_same_slot(void **state)
{
    (void)state;
    struct probe first = probe_of(probe_cancel_other);
    struct probe second = probe_of(probe_cancel_other);
    struct probe third = probe_of(probe_fire);
    first.other = &second;
    second.other = &first;
    timer_set(&wheel, &first.timer, START_MS + 100);
    timer_set(&wheel, &second.timer, START_MS + 100);
    timer_set(&wheel, &third.timer, START_MS + 100);
    run_until(START_MS + 200);
    assert_int_equal(first.num_fired + second.num_fired, 1);
    assert_int_equal(third.num_fired, 1);
}

static void probe_set_other(struct timer_wheel *fired_wheel, struct timer *timer, uint64_t now_ms)
{
    struct probe *probe = CONTAINER_OF(timer, struct probe, timer);
    probe_fire(fired_wheel, timer, now_ms);
    timer_set(fired_wheel, &probe->other->timer, probe->again_ms);
}

static void a_callback_postpones_a_timer_of_the_same_slot(void **state)
{
    (void)state;
    struct probe first = probe_of(probe_set_other);
    struct probe second = probe_of(probe_fire);
    first.other = &second;
    first.again_ms = START_MS + 5000;
    timer_set(&wheel, &first.timer, START_MS + 100);
    timer_set(&wheel, &second.timer, START_MS + 100);
    run_until(START_MS + 200);
    assert_int_equal(first.num_fired, 1);
    assert_int_equal(second.num_fired, 0);
    run_until(START_MS + 6000);
    assert_int_equal(second.num_fired, 1);
}

static void probe_free(struct timer_wheel *fired_wheel, struct timer *timer, uint64_t now_ms)
{
    probe_fire(fired_wheel, timer, now_ms);
    free(CONTAINER_OF(timer, struct probe, timer));
}

static void a_callback_may_free_its_object(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        struct probe *probe = malloc(sizeof(*probe));
        assert_non_null(probe);
        *probe = probe_of(probe_free);
        timer_set(&wheel, &probe->timer, START_MS + 20 + i % 2);
    }
    run_until(START_MS + 100);
    assert_int_equal(num_fired_all, 10);
}

static void the_budget_bounds_a_call_and_keeps_the_order(void **state)
{
    (void)state;
    struct probe probes[10];
    for (unsigned i = 0; i < 10; i++) {
        probes[i] = probe_of(probe_fire);
        timer_set(&wheel, &probes[i].timer, START_MS + 1000 - i * 100);
    }
    assert_int_equal(timers_run(&wheel, START_MS + 2000, 3), 3);
    assert_int_equal(timers_next_ms(&wheel), 0);
    assert_int_equal(timers_run(&wheel, START_MS + 2000, 0), 0);
    assert_int_equal(timers_run(&wheel, START_MS + 2000, 3), 3);
    timer_cancel(&wheel, &probes[0].timer);
    assert_int_equal(timers_run(&wheel, START_MS + 2000, 30), 3);
    assert_int_equal(timers_run(&wheel, START_MS + 2000, 30), 0);
    for (unsigned i = 1; i < 10; i++)
        assert_int_equal(probes[i].order, 10 - i);
    assert_int_equal(probes[0].num_fired, 0);
}

static void far_deadlines_come_round(void **state)
{
    (void)state;
    struct probe never = probe_of(probe_fire);
    struct probe years = probe_of(probe_fire);
    struct probe edge = probe_of(probe_fire);
    timer_set(&wheel, &never.timer, UINT64_MAX);
    timer_set(&wheel, &years.timer, START_MS + 3650 * DAY_MS);
    timer_set(&wheel, &edge.timer, TOP_MS);
    run_until(TOP_MS - 1);
    assert_int_equal(edge.num_fired, 0);
    run_until(TOP_MS);
    assert_int_equal(edge.num_fired, 1);
    run_until(START_MS + 3650 * DAY_MS - 1);
    assert_int_equal(years.num_fired, 0);
    run_until(START_MS + 3650 * DAY_MS + TIMER_TICK_MS);
    assert_int_equal(years.num_fired, 1);
    assert_true(timer_pending(&never.timer));
    timer_cancel(&wheel, &never.timer);
    assert_true(timers_next_ms(&wheel) == TIMER_NEVER_MS);
}

static void a_jump_of_years_fires_everything_in_order(void **state)
{
    (void)state;
    struct probe probes[64];
    for (unsigned i = 0; i < 64; i++) {
        unsigned scrambled = i * 37 % 64;
        probes[scrambled] = probe_of(probe_fire);
        uint64_t distance_ms = (UINT64_C(1) << (scrambled / 2 + 8)) + (scrambled % 2) * 100;
        timer_set(&wheel, &probes[scrambled].timer, START_MS + distance_ms);
    }
    uint64_t now_ms = START_MS + (UINT64_C(1) << 42);
    while (timers_next_ms(&wheel) <= now_ms)
        timers_run(&wheel, now_ms, RUN_ALL);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(probes[i].order, i + 1);
}

static void time_going_back_is_harmless(void **state)
{
    (void)state;
    struct probe probe = probe_of(probe_fire);
    timers_run(&wheel, START_MS + 10000, RUN_ALL);
    timer_set(&wheel, &probe.timer, START_MS + 10500);
    assert_int_equal(timers_run(&wheel, START_MS, RUN_ALL), 0);
    assert_int_equal(timers_run(&wheel, 0, RUN_ALL), 0);
    for (uint64_t now_ms = START_MS; now_ms < START_MS + 10500; now_ms += TIMER_TICK_MS)
        assert_int_equal(timers_run(&wheel, now_ms, RUN_ALL), 0);
    assert_int_equal(timers_run(&wheel, START_MS + 10510, RUN_ALL), 1);
}

static void a_crowded_slot_is_moved_in_portions(void **state)
{
    (void)state;
    enum { NUM_PROBES = 5000 };
    struct probe *probes = calloc(NUM_PROBES, sizeof(*probes));
    assert_non_null(probes);
    /* The first tick of a slot of level 1, and deadlines spread over the slot. */
    uint64_t slot_tick = (START_MS / TIMER_TICK_MS / TIMER_SLOTS + 2) * TIMER_SLOTS;
    uint64_t slot_ms = slot_tick * TIMER_TICK_MS;
    for (unsigned i = 0; i < NUM_PROBES; i++) {
        probes[i] = probe_of(probe_fire);
        timer_set(&wheel, &probes[i].timer, slot_ms + i % 2000);
    }
    unsigned num_calls = 0;
    do {
        timers_run(&wheel, slot_ms, RUN_ALL);
        num_calls++;
    } while (timers_next_ms(&wheel) == 0);
    assert_in_range(num_calls, 2, 20);
    assert_int_equal(num_fired_all, 3);
    /* One that waits to be moved can be cancelled like any other. */
    timer_cancel(&wheel, &probes[1].timer);
    run_until(slot_ms + 2000);
    assert_int_equal(num_fired_all, NUM_PROBES - 1);
    for (unsigned i = 2; i < NUM_PROBES; i++)
        assert_in_range(probes[i].fired_ms, slot_ms + i % 2000, slot_ms + i % 2000 + 9);
    free(probes);
}

static void a_timer_waiting_to_be_moved_is_cancelled(void **state)
{
    (void)state;
    enum { NUM_PROBES = 3000 };
    struct probe *probes = calloc(NUM_PROBES, sizeof(*probes));
    assert_non_null(probes);
    uint64_t slot_tick = (START_MS / TIMER_TICK_MS / TIMER_SLOTS + 2) * TIMER_SLOTS;
    uint64_t slot_ms = slot_tick * TIMER_TICK_MS;
    for (unsigned i = 0; i < NUM_PROBES; i++) {
        probes[i] = probe_of(probe_fire);
        timer_set(&wheel, &probes[i].timer, slot_ms + 500);
    }
    timers_run(&wheel, slot_ms, RUN_ALL);
    assert_int_equal(timers_next_ms(&wheel), 0);
    timer_cancel(&wheel, &probes[NUM_PROBES - 1].timer);
    timer_set(&wheel, &probes[NUM_PROBES - 2].timer, slot_ms + 1000);
    run_until(slot_ms + 999);
    assert_int_equal(num_fired_all, NUM_PROBES - 2);
    run_until(slot_ms + 1010);
    assert_int_equal(num_fired_all, NUM_PROBES - 1);
    free(probes);
}

#define WHEEL_TEST(name) cmocka_unit_test_setup_teardown(name, wheel_setup, wheel_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WHEEL_TEST(fires_in_time_at_every_distance),
        WHEEL_TEST(next_is_never_after_the_earliest_deadline),
        WHEEL_TEST(setting_again_replaces_the_deadline),
        WHEEL_TEST(cancelling_what_is_not_pending_does_nothing),
        WHEEL_TEST(a_past_deadline_waits_for_the_next_tick),
        WHEEL_TEST(a_callback_cancels_a_timer_of_the_same_slot),
        WHEEL_TEST(a_callback_postpones_a_timer_of_the_same_slot),
        WHEEL_TEST(a_callback_may_free_its_object),
        WHEEL_TEST(the_budget_bounds_a_call_and_keeps_the_order),
        WHEEL_TEST(far_deadlines_come_round),
        WHEEL_TEST(a_jump_of_years_fires_everything_in_order),
        WHEEL_TEST(time_going_back_is_harmless),
        WHEEL_TEST(a_crowded_slot_is_moved_in_portions),
        WHEEL_TEST(a_timer_waiting_to_be_moved_is_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
