/*
 * timer.c -- how the wheel turns.
 *
 * Time is cut into ticks of TIMER_TICK_MS; a deadline is rounded up to a tick. There are four
 * levels of 256 slots, and a slot is a list. A tick number is read as digits of eight bits: a timer
 * stands on the level of the highest digit in which its tick differs from the wheel's present tick,
 * in the slot that this digit names. From that follows all the rest:
 *
 *   - A timer's level and slot do not depend on the rest of the wheel's tick, so time may pass
 *     without touching it until its slot begins.
 *   - Every timer of a level is due before any timer of the level above, and within a level the
 *     lower slot before the higher. So what is next is the lowest occupied slot of the lowest
 *     occupied level, found in a bitmap; a jump over days costs no more than a step of one tick.
 *   - When a slot of level 0 begins, all of it is due. When a slot of an upper level begins, its
 *     timers are placed anew: they now differ from the present tick in a lower digit, or in none.
 *     At that moment all lower levels are empty, so no second slot has to be looked at.
 *
 * The levels reach 2.56 s, 11 min, 46 h, 497 days; what is beyond (also UINT64_MAX, for "never")
 * waits in `far` and is placed anew every 497 days of the clock.
 *
 * A slot of level 1 may hold 2.56 seconds' worth of a million clients' keep-alive timers. Therefore
 * timers are moved down from a slot in portions: the slot's list becomes `moving` as a whole, each
 * call of timers_run takes at most TIMER_MOVES_PER_RUN from it, and time does not go on until it is
 * empty. Timers that are due stand in `due` until the budget of callbacks reaches them.
 */
#include "timer.h"

#define TIMER_WHEEL_MAGIC   0x71ce4001u
#define TIMER_MOVES_PER_RUN 1024
#define TIMER_SLOT_MASK     (TIMER_SLOTS - 1)
#define TIMER_FAR_LOG2      (TIMER_LEVELS * TIMER_SLOTS_LOG2)
#define TIMER_WORDS         (TIMER_SLOTS / 64)

STATIC_CHECK(TIMER_SLOTS % 64 == 0, "the bitmap is made of whole words");
STATIC_CHECK(TIMER_FAR_LOG2 < 64, "a tick has more digits than the wheel has levels");

void timer_wheel_init(struct timer_wheel *wheel, void *owner, uint64_t now_ms)
{
    *wheel = (struct timer_wheel){
        .magic = TIMER_WHEEL_MAGIC,
        .tick = now_ms / TIMER_TICK_MS,
        .owner = owner,
    };
    list_init(&wheel->due);
    list_init(&wheel->moving);
    list_init(&wheel->far);
    for (unsigned level = 0; level < TIMER_LEVELS; level++)
        for (unsigned slot = 0; slot < TIMER_SLOTS; slot++)
            list_init(&wheel->slots[level][slot]);
}

void timer_wheel_fini(struct timer_wheel *wheel)
{
    CHECK_OBJ(wheel, TIMER_WHEEL_MAGIC);
    CHECK(!wheel->running);
    CHECK(wheel->count == 0);
    wheel->magic = 0;
}

/* Rounded up, so that no timer is early. */
static uint64_t timer_tick_of(uint64_t at_ms)
{
    return at_ms / TIMER_TICK_MS + (at_ms % TIMER_TICK_MS != 0);
}

/* Links the timer, due at `tick`, where the essay above says. */
static void timer_place(struct timer_wheel *wheel, struct timer *timer, uint64_t tick)
{
    if (tick <= wheel->tick) {
        list_push_back(&wheel->due, &timer->node);
        return;
    }
    unsigned highest_bit = 63u - (unsigned)__builtin_clzll(tick ^ wheel->tick);
    unsigned level = highest_bit / TIMER_SLOTS_LOG2;
    if (level >= TIMER_LEVELS) {
        list_push_back(&wheel->far, &timer->node);
        return;
    }
    unsigned slot = (unsigned)(tick >> (level * TIMER_SLOTS_LOG2)) & TIMER_SLOT_MASK;
    list_push_back(&wheel->slots[level][slot], &timer->node);
    wheel->occupied[level][slot / 64] |= UINT64_C(1) << (slot % 64);
}

/* Unlinks the timer, and clears its slot's bit if it was the last one there. */
static void timer_unlink(struct timer_wheel *wheel, struct timer *timer)
{
    struct list_node *before = timer->node.prev;
    list_remove(&timer->node);
    if (before->next != before)
        return;
    /* `before` is the head of a list now empty; is that one of the slots? */
    uintptr_t first = (uintptr_t)&wheel->slots[0][0];
    uintptr_t offset = (uintptr_t)before - first;
    if ((uintptr_t)before < first || offset >= sizeof(wheel->slots))
        return;
    unsigned index = (unsigned)(offset / sizeof(struct list_node));
    unsigned slot = index % TIMER_SLOTS;
    uint64_t bit = UINT64_C(1) << (slot % 64);
    uint64_t *word = &wheel->occupied[index / TIMER_SLOTS][slot / 64];
    CHECK((*word & bit) != 0);
    *word &= ~bit;
}

void timer_set(struct timer_wheel *wheel, struct timer *timer, uint64_t at_ms)
{
    CHECK_OBJ(wheel, TIMER_WHEEL_MAGIC);
    CHECK(timer->fn != NULL);
    if (timer_pending(timer))
        timer_unlink(wheel, timer);
    else
        wheel->count++;
    timer->at_ms = at_ms;
    uint64_t tick = timer_tick_of(at_ms);
    timer_place(wheel, timer, tick > wheel->tick ? tick : wheel->tick + 1);
}

void timer_cancel(struct timer_wheel *wheel, struct timer *timer)
{
    CHECK_OBJ(wheel, TIMER_WHEEL_MAGIC);
    if (!timer_pending(timer))
        return;
    CHECK(wheel->count > 0);
    timer_unlink(wheel, timer);
    wheel->count--;
}

/* A list of timers that leaves its place together, and when. */
struct timer_batch {
    uint64_t tick;
    unsigned level; /* TIMER_LEVELS: `far` */
    unsigned slot;
};

/* The batch that is next; false if neither slots nor `far` hold a timer. */
static bool timer_next_batch(const struct timer_wheel *wheel, struct timer_batch *out_batch)
{
    for (unsigned level = 0; level < TIMER_LEVELS; level++) {
        unsigned shift = level * TIMER_SLOTS_LOG2;
        for (unsigned word = 0; word < TIMER_WORDS; word++) {
            uint64_t bits = wheel->occupied[level][word];
            if (bits == 0)
                continue;
            unsigned slot = word * 64 + (unsigned)__builtin_ctzll(bits);
            CHECK(slot > ((wheel->tick >> shift) & TIMER_SLOT_MASK));
            uint64_t above = wheel->tick >> (shift + TIMER_SLOTS_LOG2);
            *out_batch = (struct timer_batch){
                .tick = (above << (shift + TIMER_SLOTS_LOG2)) | ((uint64_t)slot << shift),
                .level = level,
                .slot = slot,
            };
            return true;
        }
    }
    if (list_is_empty(&wheel->far))
        return false;
    *out_batch = (struct timer_batch){
        .tick = ((wheel->tick >> TIMER_FAR_LOG2) + 1) << TIMER_FAR_LOG2,
        .level = TIMER_LEVELS,
    };
    return true;
}

/* Goes on to the batch's tick and takes the batch out of its place. */
static void timer_take_batch(struct timer_wheel *wheel, const struct timer_batch *batch)
{
    CHECK(batch->tick > wheel->tick);
    CHECK(list_is_empty(&wheel->moving));
    wheel->tick = batch->tick;
    if (batch->level == TIMER_LEVELS) {
        list_splice_back(&wheel->moving, &wheel->far);
        return;
    }
    struct list_node *list = &wheel->slots[batch->level][batch->slot];
    CHECK(!list_is_empty(list));
    list_splice_back(batch->level == 0 ? &wheel->due : &wheel->moving, list);
    wheel->occupied[batch->level][batch->slot / 64] &= ~(UINT64_C(1) << (batch->slot % 64));
}

/* Brings the wheel to `now_tick`, or as far as the bound on moves per call allows. */
static void timer_advance(struct timer_wheel *wheel, uint64_t now_tick)
{
    unsigned moves_left = TIMER_MOVES_PER_RUN;
    for (;;) {
        while (!list_is_empty(&wheel->moving)) {
            if (moves_left-- == 0)
                return;
            struct list_node *node = list_pop_front(&wheel->moving);
            struct timer *timer = CONTAINER_OF(node, struct timer, node);
            timer_place(wheel, timer, timer_tick_of(timer->at_ms));
        }
        struct timer_batch batch;
        if (!timer_next_batch(wheel, &batch) || batch.tick > now_tick)
            break;
        timer_take_batch(wheel, &batch);
    }
    if (now_tick > wheel->tick)
        wheel->tick = now_tick;
}

uint32_t timers_run(struct timer_wheel *wheel, uint64_t now_ms, uint32_t budget)
{
    CHECK_OBJ(wheel, TIMER_WHEEL_MAGIC);
    CHECK(!wheel->running);
    wheel->running = true;
    timer_advance(wheel, now_ms / TIMER_TICK_MS);
    uint32_t num_run = 0;
    while (num_run < budget && !list_is_empty(&wheel->due)) {
        struct list_node *node = list_pop_front(&wheel->due);
        struct timer *timer = CONTAINER_OF(node, struct timer, node);
        CHECK(wheel->count > 0);
        CHECK(timer_tick_of(timer->at_ms) <= wheel->tick);
        wheel->count--;
        num_run++;
        timer->fn(wheel, timer, now_ms);
    }
    wheel->running = false;
    return num_run;
}

uint64_t timers_next_ms(const struct timer_wheel *wheel)
{
    CHECK_OBJ(wheel, TIMER_WHEEL_MAGIC);
    if (wheel->count == 0)
        return TIMER_NEVER_MS;
    if (!list_is_empty(&wheel->due) || !list_is_empty(&wheel->moving))
        return 0;
    struct timer_batch batch;
    bool found = timer_next_batch(wheel, &batch);
    CHECK(found);
    return batch.tick * TIMER_TICK_MS;
}
