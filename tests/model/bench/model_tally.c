/*
 * model_tally.c -- the accounting of messages against an array of facts (bench/load/tally.h).
 *
 * The twin is one entry per number and destination: sent, arrived, given up. A publisher sends
 * within its window; a broker that loses, repeats, delays and reorders delivers to three
 * destinations in one lane. Checked in every step: the outcome of each receipt, how many are given
 * up, and that the lane's head is the lowest number that is neither arrived nor given up anywhere.
 */
#include "../model_args.h"
#include "tally.h"

#include <string.h>

#define NUM_DESTINATIONS 3
#define NUM_NUMBERS      4096
#define WINDOW           48

enum fact { FACT_OPEN, FACT_ARRIVED, FACT_GIVEN_UP };

static struct model_args args;
static struct tally_lane lane;
static struct tally tallies[NUM_DESTINATIONS];
static uint8_t facts[NUM_DESTINATIONS][NUM_NUMBERS];
static uint64_t high[NUM_DESTINATIONS];
static uint64_t next;

static uint64_t twin_base(unsigned at)
{
    uint64_t base = 0;
    while (base < NUM_NUMBERS && facts[at][base] != FACT_OPEN)
        base++;
    return base;
}

static uint64_t twin_head(void)
{
    uint64_t head = UINT64_MAX;
    for (unsigned i = 0; i < NUM_DESTINATIONS; i++)
        if (twin_base(i) < head)
            head = twin_base(i);
    return head;
}

static enum tally_outcome twin_receive(unsigned at, uint64_t number)
{
    uint8_t *fact = &facts[at][number];
    uint8_t before = *fact;
    *fact = FACT_ARRIVED;
    if (before == FACT_ARRIVED)
        return TALLY_DUPLICATE;
    bool is_late = before == FACT_GIVEN_UP;
    if (number < high[at])
        return is_late ? TALLY_LATE_BEHIND : TALLY_OUT_OF_ORDER;
    high[at] = number + 1;
    return is_late ? TALLY_LATE : TALLY_FRESH;
}

static void step_send(void)
{
    uint64_t room = twin_head() + WINDOW - next;
    CHECK(room <= WINDOW);
    next += model_below(&args, (uint32_t)room + 1);
    if (next > NUM_NUMBERS)
        next = NUM_NUMBERS;
}

/* Mostly the next in order, sometimes another that was sent. */
static void step_receive(void)
{
    unsigned at = model_below(&args, NUM_DESTINATIONS);
    uint64_t number = twin_base(at);
    if (model_below(&args, 4) == 0)
        number += model_below(&args, WINDOW);
    if (model_below(&args, 16) == 0)
        number -= model_below(&args, number < 100 ? (uint32_t)number + 1 : 100);
    if (number >= next)
        return;
    uint64_t head = tally_lane_head(&lane);
    bool has_moved;
    enum tally_outcome outcome = tally_receive(&tallies[at], number, &has_moved);
    CHECK(outcome == twin_receive(at, number));
    CHECK(has_moved == (tally_lane_head(&lane) != head));
}

static void step_give_up(void)
{
    unsigned at = model_below(&args, NUM_DESTINATIONS);
    uint64_t base = twin_base(at);
    if (base >= next)
        return;
    uint64_t until = base + model_below(&args, (uint32_t)(next - base) + 1);
    uint64_t expected = 0;
    for (uint64_t number = 0; number < until; number++) {
        if (facts[at][number] != FACT_OPEN)
            continue;
        facts[at][number] = FACT_GIVEN_UP;
        expected++;
    }
    bool has_moved;
    CHECK(tally_give_up(&tallies[at], until, &has_moved) == expected);
}

static void begin(void)
{
    memset(facts, 0, sizeof(facts));
    memset(high, 0, sizeof(high));
    next = 0;
    tally_lane_init(&lane, NULL, NUM_DESTINATIONS);
    for (unsigned i = 0; i < NUM_DESTINATIONS; i++)
        tally_init(&tallies[i], &lane, WINDOW);
}

static void end(void)
{
    for (unsigned i = 0; i < NUM_DESTINATIONS; i++)
        tally_fini(&tallies[i]);
    tally_lane_fini(&lane);
}

int main(int argc, char **argv)
{
    args = model_args_of(argc, argv, 60000);
    begin();
    for (uint64_t step = 0; step < args.steps; step++) {
        uint32_t kind = model_below(&args, 100);
        if (kind < 20)
            step_send();
        else if (kind < 99)
            step_receive();
        else
            step_give_up();
        CHECK(tally_lane_head(&lane) == twin_head());
        if (twin_head() == NUM_NUMBERS) {
            end();
            begin();
        }
    }
    end();
    return 0;
}
