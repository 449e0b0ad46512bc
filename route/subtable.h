/*
 * subtable.h -- filter id -> subscribers, of one shard.
 *
 * The shared filter index says which shards want a topic; this table, one per shard, says which of
 * the shard's sessions do. Entries stand in one open-addressing table by slot; the usual single
 * subscriber stands in the entry itself, more in an array of their own. Both ends know each other:
 * a subscriber names its record in the session (sub_index), the record its place here (position),
 * so that leaving a filter with 100,000 subscribers takes constant time.
 *
 * Bounds: as many entries as filters with a subscriber here; 32 bytes each at most half full, and
 * 16 bytes a subscriber beyond the first.
 *
 * Threads: the owner shard.
 */
#ifndef SLUICE_SUBTABLE_H
#define SLUICE_SUBTABLE_H

#include "filter_index.h"
#include "rc.h"

struct session;

/* One subscriber of a filter. */
struct subscriber {
    struct session *session; /* [O] leaves the table before it ends */
    uint32_t sub_id;         /* [O] subscription identifier, 0: none */
    uint32_t sub_index : 24; /* [O] position of its record in session->subs */
    uint32_t options : 8;    /* [O] SUB_* of session_subs.h */
};

STATIC_CHECK(sizeof(struct subscriber) == 16, "a fan-out streams through these");

struct subtable_entry {
    struct filter_id id; /* [O] generation 0: empty */
    uint32_t count;      /* [O] */
    uint32_t capacity;   /* [O] 0: the one subscriber is `one` */
    union {
        struct subscriber one;   /* [O] */
        struct subscriber *many; /* [O] */
    };
};

struct subtable {
    struct subtable_entry *entries; /* [O] */
    uint32_t mask;                  /* [O] places - 1; 0 while there is no memory */
    uint32_t count;                 /* [O] entries in use */
    uint64_t changes;               /* [O] moves on with everything that subtable_changed tells */
};

static inline struct subscriber *subtable_subscribers(struct subtable_entry *entry)
{
    return entry->capacity == 0 ? &entry->one : entry->many;
}

static inline uint32_t subtable_place(const struct subtable *table, uint32_t slot)
{
    return (uint32_t)((slot * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & table->mask;
}

/*
 * What was remembered of the table or of its sessions (deliver.h) does not hold any more: an entry
 * came, went or moved, a subscriber came or went, or what a session takes has changed.
 */
static inline void subtable_changed(struct subtable *table)
{
    table->changes++;
}

/* The entry of a filter, or NULL. Valid as long as table->changes stays what it is. */
static inline struct subtable_entry *subtable_find(struct subtable *table, struct filter_id id)
{
    if (table->entries == NULL)
        return NULL;
    for (uint32_t at = subtable_place(table, id.slot);; at = (at + 1) & table->mask) {
        struct subtable_entry *entry = &table->entries[at];
        if (entry->id.generation == 0)
            return NULL;
        if (entry->id.slot == id.slot)
            return entry->id.generation == id.generation ? entry : NULL;
    }
}

/* Adds a subscriber; *out_position is its place. RC_NO_MEMORY: nothing happened. */
MUST_USE enum rc subtable_add(struct subtable *table, struct filter_id id,
                              const struct subscriber *subscriber, uint32_t *out_position);

/*
 * Removes the subscriber at `position`. The one that was moved into its place, if any, is told by
 * way of its session's record. Returns how many are left; at 0 the entry is gone.
 */
uint32_t subtable_remove(struct subtable *table, struct filter_id id, uint32_t position);

/* Frees the table, which must be empty. */
void subtable_fini(struct subtable *table);

#endif
