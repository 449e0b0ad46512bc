/*
 * filter_slot.c -- chunks of slots, the list of free ones, generations.
 *
 * Threads: see filter_slot.h.
 */
#include "filter_slot.h"
#include "alloc.h"

enum rc filter_slots_init(struct filter_slots *slots)
{
    _Atomic(struct filter_slot *) *chunks = alloc_zeroed(FILTER_SLOT_CHUNKS * sizeof *chunks);
    if (chunks == NULL)
        return RC_NO_MEMORY;
    *slots = (struct filter_slots){.chunks = chunks,
                                   .first_free = FILTER_SLOT_NONE,
                                   .bytes = FILTER_SLOT_CHUNKS * sizeof *chunks};
    return RC_OK;
}

void filter_slots_fini(struct filter_slots *slots)
{
    if (slots->chunks == NULL)
        return;
    for (uint32_t i = 0; i < FILTER_SLOT_CHUNKS; i++)
        mem_free(atomic_load(&slots->chunks[i]));
    mem_free(slots->chunks);
    *slots = (struct filter_slots){.chunks = NULL};
}

static struct filter_slot *filter_slots_at(const struct filter_slots *slots, uint32_t slot)
{
    if (slot >= (uint32_t)FILTER_SLOT_CHUNKS * FILTER_SLOT_CHUNK_LEN)
        return NULL;
    struct filter_slot *chunk = atomic_load_explicit(&slots->chunks[slot / FILTER_SLOT_CHUNK_LEN],
                                                     memory_order_acquire);
    return chunk != NULL ? &chunk[slot % FILTER_SLOT_CHUNK_LEN] : NULL;
}

enum rc filter_slots_take(struct filter_slots *slots, struct filter_id *out_id)
{
    if (slots->first_free != FILTER_SLOT_NONE) {
        struct filter_slot *slot = filter_slots_at(slots, slots->first_free);
        CHECK(slot != NULL && slot->generation > 0);
        *out_id = (struct filter_id){.slot = slots->first_free, .generation = slot->generation};
        slots->first_free = slot->next_free;
        return RC_OK;
    }
    if (slots->len == (uint32_t)FILTER_SLOT_CHUNKS * FILTER_SLOT_CHUNK_LEN)
        return RC_FULL;
    if (slots->len % FILTER_SLOT_CHUNK_LEN == 0) {
        struct filter_slot *chunk = alloc_zeroed(FILTER_SLOT_CHUNK_LEN * sizeof *chunk);
        if (chunk == NULL)
            return RC_NO_MEMORY;
        slots->bytes += FILTER_SLOT_CHUNK_LEN * sizeof *chunk;
        atomic_store_explicit(&slots->chunks[slots->len / FILTER_SLOT_CHUNK_LEN], chunk,
                              memory_order_release);
    }
    struct filter_slot *slot = filter_slots_at(slots, slots->len);
    CHECK(slot != NULL && slot->generation == 0);
    slot->generation = 1;
    *out_id = (struct filter_id){.slot = slots->len, .generation = 1};
    slots->len++;
    return RC_OK;
}

void filter_slots_put(struct filter_slots *slots, struct filter *filter)
{
    CHECK_OBJ(filter, FILTER_MAGIC);
    struct filter_slot *slot = filter_slots_at(slots, filter->id.slot);
    CHECK(slot != NULL && slot->generation == filter->id.generation);
    CHECK(atomic_load_explicit(&slot->filter, memory_order_relaxed) == NULL);
    atomic_store_explicit(&slot->filter, filter, memory_order_release);
}

void filter_slots_release(struct filter_slots *slots, struct filter_id id)
{
    struct filter_slot *slot = filter_slots_at(slots, id.slot);
    CHECK(slot != NULL && slot->generation == id.generation);
    atomic_store_explicit(&slot->filter, NULL, memory_order_release);
    if (slot->generation == UINT32_MAX)
        return; /* one more would begin again at an id that somebody may remember */
    slot->generation++;
    slot->next_free = slots->first_free;
    slots->first_free = id.slot;
}

struct filter *filter_slots_get_rcu(const struct filter_slots *slots, struct filter_id id)
{
    const struct filter_slot *slot = filter_slots_at(slots, id.slot);
    if (slot == NULL)
        return NULL;
    struct filter *filter = atomic_load_explicit(&slot->filter, memory_order_acquire);
    if (filter == NULL)
        return NULL;
    CHECK_OBJ(filter, FILTER_MAGIC);
    return filter_id_equal(filter->id, id) ? filter : NULL;
}
