/*
 * rcu_table.h -- a hash table of pointers that any thread may read while one writer changes it.
 *
 * RCU_TABLE_SEGMENTS independent tables with linear probing; the top bits of a 64-bit hash choose
 * the segment, the low bits the place, 16 bits between them travel with the pointer as a tag, so
 * that a probe touches an object only if it is very likely the right one:
 *
 *     hash   [ segment 10 | tag 16 | ................. | place ]
 *     word   [ tag 16 | pointer 48 ]     0 = empty, 1 = removed
 *     head   [ log2(capacity) 8 | unused 8 | pointer to the array 48 ]   one per segment
 *
 * The table knows no keys: a reader walks the candidates of a hash and compares. The writer
 * guarantees that no two objects with the same key are in it.
 *
 *     struct rcu_table_probe probe = rcu_table_probe_rcu(table, hash);
 *     while ((object = rcu_table_next(&probe)) != NULL) if (key equal) ...
 *
 * Growing copies one segment (a thousandth of the table) into a new array, publishes its head and
 * retires the old array by epoch; so no writer ever stops for a copy of everything. A reader that
 * still walks an old array finds what was there; what was added meanwhile it could not have known.
 * An array always holds an empty place (at most three quarters are in use), so every probe ends.
 *
 * Memory: 8 bytes for a place, 0.37 to 0.75 full: about 14 bytes an object.
 *
 * Threads: *_rcu and rcu_table_next: any, inside an epoch section. The rest: under the mutex of the
 * structure that owns the table.
 */
#ifndef SLUICE_RCU_TABLE_H
#define SLUICE_RCU_TABLE_H

#include "check.h"
#include "epoch.h"
#include "rc.h"

#include <stdatomic.h>

#define RCU_TABLE_MAGIC        0x52435554u /* "RCUT" */
#define RCU_TABLE_SEGMENT_BITS 10
#define RCU_TABLE_SEGMENTS     (1u << RCU_TABLE_SEGMENT_BITS)
#define RCU_TABLE_POINTER      ((UINT64_C(1) << 48) - 1)
#define RCU_TABLE_REMOVED      UINT64_C(1)

struct rcu_table_array {
    struct epoch_entry retire; /* [W] */
    _Atomic uint64_t word[];   /* [R] */
};

struct rcu_table_segment {
    _Atomic uint64_t head; /* [R] 0 while nothing was ever put in */
    uint32_t live;         /* [W] objects */
    uint32_t used;         /* [W] objects and removed places */
};

/* The hash under which an object was inserted; used when a segment is copied. */
typedef uint64_t rcu_table_hash_of(const void *object);

struct rcu_table {
    uint32_t magic;                     /* [I] RCU_TABLE_MAGIC */
    rcu_table_hash_of *hash_of;         /* [I] */
    struct rcu_table_segment *segments; /* [I] */
    uint64_t live;                      /* [W] */
    uint64_t bytes;                     /* [W] of the arrays */
};

/* A value: how far a look-up has come. */
struct rcu_table_probe {
    const struct rcu_table_array *array;
    uint64_t mask;
    uint64_t at;
    uint64_t tag;
};

/* RC_OK or RC_NO_MEMORY. */
MUST_USE enum rc rcu_table_init(struct rcu_table *table, rcu_table_hash_of *hash_of);

/* Frees the arrays, not the objects. No reader is left. */
void rcu_table_fini(struct rcu_table *table);

/* Puts an object in that is not in it. RC_NO_MEMORY: nothing happened. */
MUST_USE enum rc rcu_table_insert(struct rcu_table *table, struct epoch_record *record,
                                  uint64_t hash, void *object);

/* Takes an object out that is in it. Readers may still hold it: the caller retires it. */
void rcu_table_remove(struct rcu_table *table, struct epoch_record *record, uint64_t hash,
                      void *object);

/* Calls `visit` for every object, in no order. The caller holds off writers and may not change
 * it. */
void rcu_table_each(const struct rcu_table *table, void (*visit)(void *context, void *object),
                    void *context);

static inline uint64_t rcu_table_tag(uint64_t hash)
{
    return (hash << RCU_TABLE_SEGMENT_BITS) >> 48;
}

static inline struct rcu_table_probe rcu_table_probe_rcu(const struct rcu_table *table,
                                                         uint64_t hash)
{
    const struct rcu_table_segment
        *segment = &table->segments[hash >> (64 - RCU_TABLE_SEGMENT_BITS)];
    uint64_t head = atomic_load_explicit(&segment->head, memory_order_acquire);
    struct rcu_table_probe probe = {
        .array = (const struct rcu_table_array *)(uintptr_t)(head & RCU_TABLE_POINTER),
        .mask = (UINT64_C(1) << (head >> 56)) - 1,
        .at = hash,
        .tag = rcu_table_tag(hash),
    };
    return probe;
}

/* Asks for the first place of a hash, for a look-up that comes a little later. */
static inline void rcu_table_prefetch(const struct rcu_table *table, uint64_t hash)
{
    struct rcu_table_probe probe = rcu_table_probe_rcu(table, hash);
    if (probe.array != NULL)
        __builtin_prefetch(&probe.array->word[probe.at & probe.mask]);
}

/* The next object whose hash may be the one asked for, or NULL. */
static inline void *rcu_table_next(struct rcu_table_probe *probe)
{
    if (probe->array == NULL)
        return NULL;
    for (;;) {
        uint64_t word = atomic_load_explicit(&probe->array->word[probe->at & probe->mask],
                                             memory_order_acquire);
        if (word == 0)
            return NULL;
        probe->at++;
        if ((word >> 48) == probe->tag && word != RCU_TABLE_REMOVED)
            return (void *)(uintptr_t)(word & RCU_TABLE_POINTER);
    }
}

#endif
