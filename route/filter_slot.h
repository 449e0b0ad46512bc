/*
 * filter_slot.h -- the directory from a filter's id to the filter.
 *
 * Slots stand in chunks that are never moved or freed while the index lives, so a reader needs no
 * more than the chunk's address. A free slot remembers the generation its next filter will have and
 * the next free slot. A slot whose generation has reached its end leaves the free list for good,
 * which is what makes ids unique for the life of the process (filter_index.h).
 *
 * Bounds: FILTER_SLOT_CHUNKS * FILTER_SLOT_CHUNK_LEN filters (64 M); 64 KiB a chunk.
 *
 * Threads: filter_slots_get_rcu: any, inside an epoch section. The rest: under the index's mutex.
 */
#ifndef SLUICE_FILTER_SLOT_H
#define SLUICE_FILTER_SLOT_H

#include "filter_index.h"

#define FILTER_SLOT_CHUNKS    16384
#define FILTER_SLOT_CHUNK_LEN 4096
#define FILTER_SLOT_NONE      UINT32_MAX

struct filter_slot {
    _Atomic(struct filter *) filter; /* [R] NULL while free */
    uint32_t generation;             /* [W] of the filter here, or of the next one */
    uint32_t next_free;              /* [W] */
};

struct filter_slots {
    _Atomic(struct filter_slot *) *chunks; /* [R] */
    uint32_t len;                          /* [W] slots ever used */
    uint32_t first_free;                   /* [W] */
    uint64_t bytes;                        /* [W] */
};

MUST_USE enum rc filter_slots_init(struct filter_slots *slots);
void filter_slots_fini(struct filter_slots *slots);

/* An id that no filter has had; the slot stays empty until filter_slots_put. */
MUST_USE enum rc filter_slots_take(struct filter_slots *slots, struct filter_id *out_id);

/* Publishes the filter under its id. */
void filter_slots_put(struct filter_slots *slots, struct filter *filter);

/* Ends the life of an id, published or not. */
void filter_slots_release(struct filter_slots *slots, struct filter_id id);

/* The filter, or NULL if the id is not alive. Any id may be asked for. */
struct filter *filter_slots_get_rcu(const struct filter_slots *slots, struct filter_id id);

#endif
