/*
 * store_moves.c -- see store_moves.h.
 *
 * Threads: see store_moves.h.
 */
#include "store_moves.h"

#include "alloc.h"

#define STORE_MOVES_MAGIC 0x4d4f5645u
#define STORE_MOVES_SLOTS (2 * STORE_MOVES_MAX)

STATIC_CHECK((STORE_MOVES_SLOTS & (STORE_MOVES_SLOTS - 1)) == 0, "a mask finds the slot");

struct store_moves *store_moves_create(const struct wal_sparse *ranges, uint32_t num, uint64_t seed)
{
    CHECK(num > 0 && num <= STORE_MOVES_RANGES);
    struct store_moves *moves = alloc_zeroed(sizeof(*moves));
    if (moves == NULL)
        return NULL;
    moves->magic = STORE_MOVES_MAGIC;
    moves->seed = seed;
    moves->ranges_num = num;
    memcpy(moves->ranges, ranges, num * sizeof(*ranges));
    moves->slots = alloc_zeroed(STORE_MOVES_SLOTS * sizeof(*moves->slots));
    moves->order = mem_alloc(STORE_MOVES_MAX * sizeof(*moves->order));
    if (moves->slots == NULL || moves->order == NULL) {
        store_moves_destroy(moves);
        return NULL;
    }
    return moves;
}

void store_moves_destroy(struct store_moves *moves)
{
    if (moves == NULL)
        return;
    CHECK_OBJ(moves, STORE_MOVES_MAGIC);
    mem_free(moves->slots);
    mem_free(moves->order);
    moves->magic = 0;
    mem_free(moves);
}

/* ---- the set ---- */

/* The range in which the location lies; ranges_num: none. */
static uint32_t store_moves_range(const struct store_moves *moves, uint64_t location)
{
    uint32_t low = 0;
    uint32_t high = moves->ranges_num;
    if (location >= moves->ranges[high - 1].end.word)
        return moves->ranges_num;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (moves->ranges[middle].first.word <= location)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && location < moves->ranges[low - 1].end.word ? low - 1 : moves->ranges_num;
}

/* The slot of the location, or the free one that it would get. */
static struct store_move *store_moves_slot(const struct store_moves *moves,
                                           struct store_move *slots, uint64_t location)
{
    uint32_t at = (uint32_t)hash_mix(location, moves->seed) & (STORE_MOVES_SLOTS - 1);
    while (slots[at].from != 0 && slots[at].from != location)
        at = (at + 1) & (STORE_MOVES_SLOTS - 1);
    return &slots[at];
}

/* Gives up the last range, or the second half of the only one. False without memory. */
static bool store_moves_narrow(struct store_moves *moves)
{
    struct store_move *slots = alloc_zeroed(STORE_MOVES_SLOTS * sizeof(*slots));
    if (slots == NULL)
        return false;
    if (moves->ranges_num > 1) {
        moves->ranges_num--;
    } else {
        struct wal_sparse *range = &moves->ranges[0];
        range->end.word = range->first.word + (range->end.word - range->first.word) / 2;
    }
    moves->count = 0;
    for (uint32_t i = 0; i < STORE_MOVES_SLOTS; i++) {
        uint64_t from = moves->slots[i].from;
        if (from == 0 || store_moves_range(moves, from) == moves->ranges_num)
            continue;
        store_moves_slot(moves, slots, from)->from = from;
        moves->count++;
    }
    mem_free(moves->slots);
    moves->slots = slots;
    return true;
}

void store_moves_add(struct store_moves *moves, uint64_t location)
{
    CHECK_OBJ(moves, STORE_MOVES_MAGIC);
    CHECK(!moves->is_ordered);
    if (LIKELY(store_moves_range(moves, location) == moves->ranges_num))
        return;
    struct store_move *slot = store_moves_slot(moves, moves->slots, location);
    if (slot->from != 0)
        return;
    if (moves->count == STORE_MOVES_MAX) {
        if (store_moves_narrow(moves))
            store_moves_add(moves, location);
        return;
    }
    slot->from = location;
    moves->count++;
}

bool store_moves_covers(const struct store_moves *moves, const struct wal_sparse *range)
{
    uint32_t i = store_moves_range(moves, range->first.word);
    return i < moves->ranges_num && moves->ranges[i].end.word == range->end.word;
}

uint64_t store_moves_find(const struct store_moves *moves, uint64_t location)
{
    CHECK_OBJ(moves, STORE_MOVES_MAGIC);
    if (LIKELY(store_moves_range(moves, location) == moves->ranges_num))
        return 0;
    return store_moves_slot(moves, moves->slots, location)->to;
}

/* ---- the order ---- */

/* How many bytes of the ranges lie before the location. */
static uint64_t store_moves_offset(const struct store_moves *moves, uint64_t location)
{
    uint64_t before = 0;
    uint32_t range = store_moves_range(moves, location);
    CHECK(range < moves->ranges_num);
    for (uint32_t i = 0; i < range; i++)
        before += moves->ranges[i].end.word - moves->ranges[i].first.word;
    return before + location - moves->ranges[range].first.word;
}

static uint32_t store_moves_bucket(const struct store_moves *moves, uint64_t location)
{
    return (uint32_t)(store_moves_offset(moves, location) >> moves->shift);
}

void store_moves_order(struct store_moves *moves)
{
    CHECK_OBJ(moves, STORE_MOVES_MAGIC);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < moves->ranges_num; i++)
        bytes += moves->ranges[i].end.word - moves->ranges[i].first.word;
    while (bytes >> moves->shift >= STORE_MOVES_BUCKETS)
        moves->shift++;
    for (uint32_t i = 0; i < STORE_MOVES_SLOTS; i++)
        if (moves->slots[i].from != 0)
            moves->buckets[store_moves_bucket(moves, moves->slots[i].from) + 1]++;
    for (uint32_t i = 0; i < STORE_MOVES_BUCKETS; i++)
        moves->buckets[i + 1] += moves->buckets[i];
    CHECK(moves->buckets[STORE_MOVES_BUCKETS] == moves->count);
    for (uint32_t i = 0; i < STORE_MOVES_SLOTS; i++)
        if (moves->slots[i].from != 0)
            moves->order[moves->buckets[store_moves_bucket(moves, moves->slots[i].from)]++] = i;
    moves->is_ordered = true;
}

uint32_t store_moves_batch(struct store_moves *moves, uint64_t span, struct store_move **out,
                           uint32_t max)
{
    CHECK_OBJ(moves, STORE_MOVES_MAGIC);
    CHECK(moves->is_ordered && max > 0);
    uint32_t num = 0;
    uint32_t first = 0;
    while (num < max && moves->next < moves->count) {
        struct store_move *move = &moves->slots[moves->order[moves->next]];
        uint32_t bucket = store_moves_bucket(moves, move->from);
        if (num == 0)
            first = bucket;
        else if (bucket != first && ((uint64_t)(bucket - first + 1) << moves->shift) > span)
            break;
        out[num++] = move;
        moves->next++;
    }
    return num;
}

void store_moves_back(struct store_moves *moves, uint32_t num)
{
    CHECK(moves->is_ordered && num <= moves->next);
    moves->next -= num;
}
