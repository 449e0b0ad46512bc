/*
 * tally.h -- exact accounting of what arrived, for one publisher at one destination.
 *
 * A destination is a subscriber, or a shared group as a whole. The publisher numbers its messages
 * 0, 1, 2, ...; the tally knows for each number whether it arrived once, more than once, after a
 * later one, not at all, or after it had been given up:
 *
 *     received and forgotten     | bits, one per number: arrived or not | not sent yet
 *     ---------------------------+--------------------------------------+-------------
 *                               base                          base + capacity
 *
 * `base` is the lowest number that has not arrived. The publisher stays within `window` numbers of
 * it, capacity is at least the window, so every number sent has a bit. In order, which is nearly
 * always, a receipt moves base and touches no bit. A gap sets bits until it closes; when it does
 * not, tally_tick gives the missing numbers up after a time without any receipt: they are kept as
 * ranges, so that a late arrival can still be told from a duplicate.
 *
 * A lane gathers the tallies of one publisher that one worker serves; its `head`, the lowest base,
 * is what the publisher's worker reads to see how far the window has moved. The lowest of many is
 * kept by counting how many still stand on it: when the last one leaves, all are looked at once, so
 * that a delivery costs one step on average.
 *
 * Threads: a tally belongs to the worker of its destination; the lane's head is read by any. The
 * tally of a group whose members sit on several workers is locked by its lane (tally_group_lock):
 * the generator may use what the broker's message path may not.
 */
#ifndef BENCH_TALLY_H
#define BENCH_TALLY_H

#include "check.h"

#include <stdatomic.h>

struct client;
struct tally;

/* Numbers given up, [first, end). */
struct tally_range {
    uint64_t first;
    uint64_t end;
};

struct tally_lane {
    _Alignas(64) _Atomic uint64_t head; /* lowest base of the tallies below */
    struct client *publisher;           /* borrowed; whom a moving head concerns */
    struct tally **tallies;             /* owned array, borrowed tallies */
    uint32_t num;                       /* of tallies */
    uint32_t num_at_head;               /* of these, with base == head */
    atomic_flag lock;                   /* only for a group on several workers */
};

struct tally {
    uint64_t base;     /* lowest number not arrived and not given up */
    uint64_t high;     /* one more than the highest number arrived */
    uint64_t receipts; /* arrivals that were new */
    uint64_t *bits;    /* ring of capacity bits for [base, base + capacity) */
    uint64_t capacity; /* power of two, at least 64 */
    struct tally_lane *lane;
    struct tally_range *lost; /* ascending, disjoint */
    uint32_t lost_num;
    uint32_t lost_capacity;
    uint64_t checked_receipts; /* at the last tick that saw progress ... */
    uint64_t checked_next;     /* ... what the publisher would have sent next */
    uint64_t checked_ns;       /* ... and when that was */
};

enum tally_outcome {
    TALLY_FRESH,        /* arrived for the first time, in order */
    TALLY_OUT_OF_ORDER, /* for the first time, but after a later number */
    TALLY_DUPLICATE,    /* had arrived before */
    TALLY_LATE,         /* had been given up; in order */
    TALLY_LATE_BEHIND,  /* had been given up, and a later number was faster */
    TALLY_ALIEN,        /* a number that cannot have been sent */
};

/* `window` is what the publisher keeps to. Adds the tally to the lane. */
void tally_init(struct tally *tally, struct tally_lane *lane, uint64_t window);
void tally_fini(struct tally *tally);

/* A lane for at most num_max tallies. */
void tally_lane_init(struct tally_lane *lane, struct client *publisher, uint32_t num_max);
void tally_lane_fini(struct tally_lane *lane);

/* The part of tally_receive that is not a receipt in order. */
enum tally_outcome tally_receive_slow(struct tally *tally, uint64_t number);

/* Looks at all tallies of a lane whose last tally has left the head. */
void tally_lane_advance(struct tally_lane *lane);

/* The base of a tally has moved from `from`; returns whether the head moved, too. */
static inline bool tally_lane_moved(struct tally_lane *lane, uint64_t from, uint64_t to)
{
    if (LIKELY(lane->num == 1)) {
        atomic_store_explicit(&lane->head, to, memory_order_release);
        return true;
    }
    if (from != atomic_load_explicit(&lane->head, memory_order_relaxed))
        return false;
    CHECK(lane->num_at_head > 0);
    if (--lane->num_at_head > 0)
        return false;
    tally_lane_advance(lane);
    return true;
}

static inline uint64_t tally_lane_head(struct tally_lane *lane)
{
    return atomic_load_explicit(&lane->head, memory_order_acquire);
}

/*
 * Notes the arrival of `number`. *out_moved: the lane's head has moved, so the publisher may send
 * more.
 */
static inline enum tally_outcome tally_receive(struct tally *tally, uint64_t number,
                                               bool *out_moved)
{
    uint64_t from = tally->base;
    enum tally_outcome outcome = TALLY_FRESH;
    if (LIKELY(number == from && number == tally->high)) {
        tally->base = number + 1;
        tally->high = number + 1;
        tally->receipts++;
    } else {
        outcome = tally_receive_slow(tally, number);
    }
    *out_moved = tally->base != from && tally_lane_moved(tally->lane, from, tally->base);
    return outcome;
}

/*
 * To be called about ten times a second. `next` is the number the publisher sends next. When
 * nothing new has arrived for stall_ns, gives up what was sent before that time and is missing;
 * returns how many numbers that were, 0 nearly always.
 */
uint64_t tally_tick(struct tally *tally, uint64_t next, uint64_t now_ns, uint64_t stall_ns,
                    bool *out_moved);

/* Gives up every number below `until` that has not arrived; returns how many. */
uint64_t tally_give_up(struct tally *tally, uint64_t until, bool *out_moved);

void tally_group_lock(struct tally_lane *lane);
void tally_group_unlock(struct tally_lane *lane);

#endif
