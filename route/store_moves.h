/*
 * store_moves.h -- which messages of the log are to be copied, and where each copy lies.
 *
 * A set of locations within a few ranges (the segments that are to be emptied), without repetition
 * however many deliveries name one. It is filled, put in order once, read in that order in batches
 * of neighbours, and then asked for the copies:
 *
 *     add ... add -> order -> batch ... batch -> find ... find
 *
 * A table with open addressing of STORE_MOVES_MAX * 2 slots, which is never more than half full: at
 * STORE_MOVES_MAX locations the last range is given up, or the second half of the only one. What
 * was given up is left to the next pass. The order is that of STORE_MOVES_BUCKETS parts of the
 * ranges; within such a part there is none.
 *
 * Bounds: 1.2 MiB. Filling takes constant time each, but for giving up a range; ordering takes one
 * walk of the table, some 0.2 ms.
 *
 * Threads: one at a time.
 */
#ifndef SLUICE_STORE_MOVES_H
#define SLUICE_STORE_MOVES_H

#include "hash.h"
#include "wal.h"

#define STORE_MOVES_MAX     32768u
#define STORE_MOVES_RANGES  64u
#define STORE_MOVES_BUCKETS 4096u

struct store_move {
    uint64_t from; /* [O] location; 0: a free slot */
    uint64_t to;   /* [O] of the copy; 0: there is none */
};

struct store_moves {
    uint32_t magic;                               /* [I] */
    uint32_t count;                               /* [O] */
    uint32_t ranges_num;                          /* [O] */
    uint32_t next;                                /* [O] of order: not in a batch yet */
    unsigned shift;                               /* [O] a bucket: 1 << shift bytes of ranges */
    bool is_ordered;                              /* [O] no more are added */
    uint64_t seed;                                /* [I] */
    struct wal_sparse ranges[STORE_MOVES_RANGES]; /* [O] by position */
    struct store_move *slots;                     /* [O] */
    uint32_t *order;                              /* [O] indices of slots */
    uint32_t buckets[STORE_MOVES_BUCKETS + 1];    /* [O] where each begins in order */
};

/* For these ranges, in the order of their positions. NULL without memory. */
struct store_moves *store_moves_create(const struct wal_sparse *ranges, uint32_t num,
                                       uint64_t seed);
void store_moves_destroy(struct store_moves *moves);

/* Adds the location if it lies in the ranges and is not there yet. */
void store_moves_add(struct store_moves *moves, uint64_t location);

/* Whether all that lies in `range` is covered: it has not been given up. */
bool store_moves_covers(const struct store_moves *moves, const struct wal_sparse *range);

void store_moves_order(struct store_moves *moves);

/*
 * The next ones in order, at most `max`, which lie within `span` bytes or in one bucket. Returns
 * how many; 0 at the end. Valid until the set is destroyed.
 */
uint32_t store_moves_batch(struct store_moves *moves, uint64_t span, struct store_move **out,
                           uint32_t max);

/* The last `num` of a batch come in the next one again. */
void store_moves_back(struct store_moves *moves, uint32_t num);

/* Where the copy lies; 0: the location is not in the set or was not copied. */
uint64_t store_moves_find(const struct store_moves *moves, uint64_t location);

#endif
