/*
 * types.h -- names for things that cross borders: shards and handles.
 *
 * A handle is {shard, generation, slot} in 64 bits. Pointers to shard-owned objects never leave
 * their shard; handles do, and whoever receives one looks the slot up and compares the generation,
 * so that mail for something that is gone is noticed instead of delivered to its successor.
 *
 * Letters on fields, everywhere: [I] set at init, [O] owner shard only, [R] published by RCU,
 * [A] atomic, [M] travels in a mailbox, [W] under the writers' mutex.
 *
 * Threads: pure values, any.
 */
#ifndef SLUICE_TYPES_H
#define SLUICE_TYPES_H

#include "limits.h"

#include <stdbool.h>
#include <stdint.h>

typedef uint16_t shard_id;

#define SHARD_NONE ((shard_id)UINT16_MAX)

struct handle {
    uint32_t slot;
    uint16_t generation; /* 0 is never a live generation */
    shard_id shard;
};

#define HANDLE_NONE ((struct handle){.slot = 0, .generation = 0, .shard = SHARD_NONE})

static inline bool handle_is_none(struct handle h)
{
    return h.generation == 0;
}

static inline bool handle_equal(struct handle a, struct handle b)
{
    return a.slot == b.slot && a.generation == b.generation && a.shard == b.shard;
}

/* A set of shards. */
#define SHARD_SET_WORDS (SHARDS_MAX / 64)

struct shard_set {
    uint64_t words[SHARD_SET_WORDS];
};

static inline void shard_set_add(struct shard_set *set, shard_id shard)
{
    set->words[shard / 64] |= UINT64_C(1) << (shard % 64);
}

static inline void shard_set_remove(struct shard_set *set, shard_id shard)
{
    set->words[shard / 64] &= ~(UINT64_C(1) << (shard % 64));
}

static inline bool shard_set_has(const struct shard_set *set, shard_id shard)
{
    return (set->words[shard / 64] >> (shard % 64)) & 1;
}

static inline bool shard_set_is_empty(const struct shard_set *set)
{
    uint64_t any = 0;
    for (unsigned i = 0; i < SHARD_SET_WORDS; i++)
        any |= set->words[i];
    return any == 0;
}

#endif
