/*
 * timer.h -- the timers of one shard: a hierarchical wheel with a tick of 10 ms.
 *
 * A timer is embedded in the object that it belongs to, costs 32 bytes, and is set and cancelled in
 * constant time. It never fires early and, if the loop calls timers_run as often as timers_next_ms
 * asks, at most one tick late. Time is an argument everywhere: milliseconds of the shard's
 * monotonic clock, read once per turn by the loop.
 *
 * Deadlines that move on with every packet (keep alive, idle time-outs) do not call timer_set per
 * packet. They note the time of the last packet in the object and leave the timer where it is; when
 * it fires, the callback computes the true deadline from the note and, if that lies ahead, sets the
 * timer again and returns. So a busy connection touches the wheel once per interval, not once per
 * packet.
 *
 * Bounds: any number of timers; a deadline may be any uint64_t. How the wheel works: timer.c.
 * Threads: the owner shard only.
 */
#ifndef SLUICE_TIMER_H
#define SLUICE_TIMER_H

#include "check.h"
#include "list.h"

#define TIMER_TICK_MS    10
#define TIMER_LEVELS     4
#define TIMER_SLOTS_LOG2 8
#define TIMER_SLOTS      (1 << TIMER_SLOTS_LOG2)

/* Answer of timers_next_ms when nothing is set. */
#define TIMER_NEVER_MS UINT64_MAX

struct timer;
struct timer_wheel;

/*
 * Called by timers_run when `timer` is due. The timer is not pending any more, so the callback may
 * set it again or free the object around it; it may set and cancel any other timer of the wheel. It
 * must not call timers_run. `now_ms` is what timers_run was given.
 */
typedef void timer_fn(struct timer_wheel *wheel, struct timer *timer, uint64_t now_ms);

struct timer {
    struct list_node node; /* [O] linked while pending */
    uint64_t at_ms;        /* [O] absolute deadline; valid while pending */
    timer_fn *fn;          /* [I] */
};
STATIC_CHECK(sizeof(struct timer) <= 32, "every connection and session carries timers");

struct timer_wheel {
    uint32_t magic;          /* [I] */
    uint32_t count;          /* [O] timers pending */
    uint64_t tick;           /* [O] every timer of this tick or an earlier one has left the slots */
    void *owner;             /* [I] for the callbacks; the wheel does not look at it */
    bool running;            /* [O] inside timers_run */
    struct list_node due;    /* [O] waiting for their callback, earliest tick first */
    struct list_node moving; /* [O] from a slot of an upper level that began at `tick` */
    struct list_node far;    /* [O] beyond the top level */
    uint64_t occupied[TIMER_LEVELS][TIMER_SLOTS / 64]; /* [O] a bit per slot that is not empty */
    struct list_node slots[TIMER_LEVELS][TIMER_SLOTS]; /* [O] */
};

/* `owner` is for the callbacks (the shard, as a rule) and may be NULL. */
void timer_wheel_init(struct timer_wheel *wheel, void *owner, uint64_t now_ms);

/* No timer may be pending any more. */
void timer_wheel_fini(struct timer_wheel *wheel);

/* Makes `timer` a timer that is not pending. */
static inline void timer_init(struct timer *timer, timer_fn *fn)
{
    *timer = (struct timer){.fn = fn};
}

static inline bool timer_pending(const struct timer *timer)
{
    return list_is_linked(&timer->node);
}

/*
 * Lets `timer` fire at `at_ms`, instead of when it was to fire before if it is pending. A deadline
 * that has passed fires with the next tick, never within the call of timers_run that is under way,
 * so that a callback cannot keep the loop busy by setting its own timer.
 */
void timer_set(struct timer_wheel *wheel, struct timer *timer, uint64_t at_ms);

/* `timer` will not fire; nothing happens if it is not pending. Before the object is freed. */
void timer_cancel(struct timer_wheel *wheel, struct timer *timer);

/*
 * Runs at most `budget` callbacks of timers that are due at `now_ms` and returns how many. The work
 * of moving timers to lower levels is bounded per call too. What is left over makes timers_next_ms
 * answer 0. A `now_ms` before an earlier one is treated as that earlier one.
 */
uint32_t timers_run(struct timer_wheel *wheel, uint64_t now_ms, uint32_t budget);

/*
 * The absolute time at which timers_run must be called next: 0 if at once, TIMER_NEVER_MS if no
 * timer is pending. It is never later than the earliest deadline rounded up to a tick, and may be
 * earlier, when timers have to be moved to a lower level. Constant time.
 */
uint64_t timers_next_ms(const struct timer_wheel *wheel);

#endif
