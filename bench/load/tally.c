/*
 * tally.c -- see tally.h for the picture.
 *
 * Out of memory for bits or ranges ends the process: a generator that cannot account has nothing to
 * say.
 *
 * Threads: as in tally.h.
 */
#include "tally.h"

#include "heap.h"

#include <ck_pr.h>
#include <stdlib.h>
#include <string.h>

static uint64_t tally_power_of_two(uint64_t at_least)
{
    uint64_t power = 64;
    while (power < at_least)
        power *= 2;
    return power;
}

static uint64_t *tally_word(const struct tally *tally, uint64_t number)
{
    return &tally->bits[(number & (tally->capacity - 1)) / 64];
}

static bool tally_has(const struct tally *tally, uint64_t number)
{
    return (*tally_word(tally, number) >> (number % 64)) & 1;
}

static void tally_set(struct tally *tally, uint64_t number)
{
    *tally_word(tally, number) |= UINT64_C(1) << (number % 64);
}

static void tally_clear(struct tally *tally, uint64_t number)
{
    *tally_word(tally, number) &= ~(UINT64_C(1) << (number % 64));
}

void tally_lane_init(struct tally_lane *lane, struct client *publisher, uint32_t num_max)
{
    *lane = (struct tally_lane){.publisher = publisher, .lock = ATOMIC_FLAG_INIT};
    lane->tallies = heap_zeroed(num_max, sizeof(struct tally *));
}

void tally_lane_fini(struct tally_lane *lane)
{
    free(lane->tallies);
    lane->tallies = NULL;
}

void tally_init(struct tally *tally, struct tally_lane *lane, uint64_t window)
{
    CHECK(window > 0 && window <= UINT64_C(1) << 40);
    *tally = (struct tally){.lane = lane, .capacity = tally_power_of_two(window)};
    tally->bits = heap_zeroed(tally->capacity / 64, sizeof(uint64_t));
    CHECK(tally_lane_head(lane) == 0);
    lane->tallies[lane->num++] = tally;
    lane->num_at_head++;
}

void tally_fini(struct tally *tally)
{
    free(tally->bits);
    free(tally->lost);
    *tally = (struct tally){.bits = NULL};
}

void tally_lane_advance(struct tally_lane *lane)
{
    uint64_t lowest = UINT64_MAX;
    uint32_t num_lowest = 0;
    for (uint32_t i = 0; i < lane->num; i++) {
        uint64_t base = lane->tallies[i]->base;
        if (base < lowest) {
            lowest = base;
            num_lowest = 0;
        }
        if (base == lowest)
            num_lowest++;
    }
    CHECK(num_lowest > 0);
    CHECK(lowest > atomic_load_explicit(&lane->head, memory_order_relaxed));
    lane->num_at_head = num_lowest;
    atomic_store_explicit(&lane->head, lowest, memory_order_release);
}

static void tally_lost_append(struct tally *tally, struct tally_range range)
{
    CHECK(range.first < range.end);
    if (tally->lost_num == tally->lost_capacity) {
        tally->lost_capacity = tally->lost_capacity == 0 ? 16 : 2 * tally->lost_capacity;
        tally->lost = heap_resized(tally->lost, tally->lost_capacity, sizeof(*tally->lost));
    }
    tally->lost[tally->lost_num++] = range;
}

static void tally_lost_add(struct tally *tally, uint64_t number)
{
    struct tally_range *last = tally->lost_num > 0 ? &tally->lost[tally->lost_num - 1] : NULL;
    CHECK(last == NULL || last->end <= number);
    if (last != NULL && last->end == number)
        last->end++;
    else
        tally_lost_append(tally, (struct tally_range){number, number + 1});
}

/* Takes `number` out of the ranges; false if it is in none. */
static bool tally_lost_take(struct tally *tally, uint64_t number)
{
    for (uint32_t i = 0; i < tally->lost_num; i++) {
        struct tally_range *range = &tally->lost[i];
        if (number < range->first || number >= range->end)
            continue;
        struct tally_range after = {number + 1, range->end};
        range->end = number;
        uint32_t num_behind = tally->lost_num - i - 1;
        bool has_before = range->first < range->end;
        bool has_after = after.first < after.end;
        if (has_before && has_after) {
            /* Append grows the array; the rotation then puts `after` in its place. */
            tally_lost_append(tally, after);
            range = &tally->lost[i];
            memmove(range + 2, range + 1, num_behind * sizeof(*range));
            range[1] = after;
        } else if (has_after) {
            *range = after;
        } else if (!has_before) {
            memmove(range, range + 1, num_behind * sizeof(*range));
            tally->lost_num--;
        }
        return true;
    }
    return false;
}

enum tally_outcome tally_receive_slow(struct tally *tally, uint64_t number)
{
    bool is_behind = number < tally->high;
    if (number < tally->base) {
        if (!tally_lost_take(tally, number))
            return TALLY_DUPLICATE;
        if (!is_behind)
            tally->high = number + 1;
        return is_behind ? TALLY_LATE_BEHIND : TALLY_LATE;
    }
    if (number - tally->base >= tally->capacity)
        return TALLY_ALIEN;
    if (tally_has(tally, number))
        return TALLY_DUPLICATE;
    if (!is_behind)
        tally->high = number + 1;
    tally->receipts++;
    tally_set(tally, number);
    while (tally->base < tally->high && tally_has(tally, tally->base)) {
        tally_clear(tally, tally->base);
        tally->base++;
    }
    return is_behind ? TALLY_OUT_OF_ORDER : TALLY_FRESH;
}

uint64_t tally_give_up(struct tally *tally, uint64_t until, bool *out_moved)
{
    uint64_t from = tally->base;
    uint64_t num = 0;
    while (tally->base < until) {
        if (tally_has(tally, tally->base)) {
            tally_clear(tally, tally->base);
        } else {
            tally_lost_add(tally, tally->base);
            num++;
        }
        tally->base++;
    }
    while (tally->base < tally->high && tally_has(tally, tally->base)) {
        tally_clear(tally, tally->base);
        tally->base++;
    }
    *out_moved = tally->base != from && tally_lane_moved(tally->lane, from, tally->base);
    return num;
}

uint64_t tally_tick(struct tally *tally, uint64_t next, uint64_t now_ns, uint64_t stall_ns,
                    bool *out_moved)
{
    *out_moved = false;
    bool has_progress = tally->receipts != tally->checked_receipts;
    bool has_nothing_due = tally->base >= tally->checked_next;
    uint64_t num = 0;
    if (!has_progress && !has_nothing_due) {
        if (now_ns - tally->checked_ns < stall_ns)
            return 0;
        num = tally_give_up(tally, tally->checked_next, out_moved);
    }
    tally->checked_receipts = tally->receipts;
    tally->checked_next = next;
    tally->checked_ns = now_ns;
    return num;
}

void tally_group_lock(struct tally_lane *lane)
{
    while (atomic_flag_test_and_set_explicit(&lane->lock, memory_order_acquire))
        ck_pr_stall();
}

void tally_group_unlock(struct tally_lane *lane)
{
    atomic_flag_clear_explicit(&lane->lock, memory_order_release);
}
