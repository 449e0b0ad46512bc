/*
 * session_subs.c -- the array of a session's subscriptions and its optional hash index.
 *
 * The index is open addressing with linear probing, at most half full, of array positions plus one
 * (0: empty). Removal shifts the following run back, so there are no tombstones.
 *
 * Threads: see session_subs.h.
 */
#include "session_subs.h"

#include <string.h>

#include "mem.h"

#define SESSION_SUBS_FIRST 1

static uint64_t session_sub_group(const struct session_sub *sub)
{
    return sub->member == NULL ? 0 : sub->member->group->number;
}

static uint32_t session_subs_hash(struct filter_id id, uint64_t group)
{
    uint64_t key = ((uint64_t)id.slot << 32) ^ id.generation;
    return (uint32_t)(hash_mix(key, group) >> 16);
}

/* The index has a place for twice the capacity. */
static uint32_t session_subs_mask(const struct session_subs *subs)
{
    return subs->capacity * 2 - 1;
}

static void session_subs_index_put(struct session_subs *subs, uint32_t position)
{
    const struct session_sub *sub = &subs->items[position];
    uint32_t mask = session_subs_mask(subs);
    uint32_t at = session_subs_hash(sub->id, session_sub_group(sub)) & mask;
    while (subs->index[at] != 0)
        at = (at + 1) & mask;
    subs->index[at] = position + 1;
}

/* Where in the index `position` stands. */
static uint32_t session_subs_index_at(const struct session_subs *subs, uint32_t position)
{
    const struct session_sub *sub = &subs->items[position];
    uint32_t mask = session_subs_mask(subs);
    uint32_t at = session_subs_hash(sub->id, session_sub_group(sub)) & mask;
    while (subs->index[at] != position + 1) {
        CHECK(subs->index[at] != 0);
        at = (at + 1) & mask;
    }
    return at;
}

static void session_subs_index_remove(struct session_subs *subs, uint32_t position)
{
    uint32_t mask = session_subs_mask(subs);
    uint32_t gap = session_subs_index_at(subs, position);
    uint32_t at = gap;
    for (;;) {
        at = (at + 1) & mask;
        if (subs->index[at] == 0)
            break;
        const struct session_sub *sub = &subs->items[subs->index[at] - 1];
        uint32_t home = session_subs_hash(sub->id, session_sub_group(sub)) & mask;
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            subs->index[gap] = subs->index[at];
            gap = at;
        }
    }
    subs->index[gap] = 0;
}

struct session_sub *session_subs_find(struct session_subs *subs, struct filter_id id,
                                      uint64_t group)
{
    if (subs->index == NULL) {
        for (uint32_t i = 0; i < subs->count; i++) {
            struct session_sub *sub = &subs->items[i];
            if (filter_id_equal(sub->id, id) && session_sub_group(sub) == group)
                return sub;
        }
        return NULL;
    }
    uint32_t mask = session_subs_mask(subs);
    uint32_t at = session_subs_hash(id, group) & mask;
    for (; subs->index[at] != 0; at = (at + 1) & mask) {
        struct session_sub *sub = &subs->items[subs->index[at] - 1];
        if (filter_id_equal(sub->id, id) && session_sub_group(sub) == group)
            return sub;
    }
    return NULL;
}

static enum rc session_subs_grow(struct session_subs *subs)
{
    uint32_t capacity = subs->capacity == 0 ? SESSION_SUBS_FIRST : subs->capacity * 2;
    if (capacity > SESSION_SUBS_MAX)
        return RC_FULL;
    struct session_sub *items = mem_alloc(capacity * sizeof(*items));
    uint32_t *index = NULL;
    if (capacity > SESSION_SUBS_LINEAR)
        index = mem_alloc(capacity * 2 * sizeof(*index));
    if (items == NULL || (capacity > SESSION_SUBS_LINEAR && index == NULL)) {
        mem_free(items);
        mem_free(index);
        return RC_NO_MEMORY;
    }
    if (subs->count > 0)
        memcpy(items, subs->items, subs->count * sizeof(*items));
    mem_free(subs->items);
    mem_free(subs->index);
    subs->items = items;
    subs->index = index;
    subs->capacity = capacity;
    if (index != NULL) {
        memset(index, 0, capacity * 2 * sizeof(*index));
        for (uint32_t i = 0; i < subs->count; i++)
            session_subs_index_put(subs, i);
    }
    return RC_OK;
}

enum rc session_subs_add(struct session_subs *subs, const struct session_sub *sub)
{
    if (subs->count == subs->capacity) {
        enum rc rc = session_subs_grow(subs);
        if (rc != RC_OK)
            return rc;
    }
    subs->items[subs->count] = *sub;
    if (subs->index != NULL)
        session_subs_index_put(subs, subs->count);
    subs->count++;
    return RC_OK;
}

struct session_sub *session_subs_remove(struct session_subs *subs, uint32_t position)
{
    CHECK(position < subs->count);
    uint32_t last = subs->count - 1;
    if (subs->index != NULL) {
        session_subs_index_remove(subs, position);
        if (position != last)
            subs->index[session_subs_index_at(subs, last)] = position + 1;
    }
    subs->count--;
    if (position != last)
        subs->items[position] = subs->items[last];
    if (subs->count == 0)
        session_subs_fini(subs);
    return position != last ? &subs->items[position] : NULL;
}

void session_subs_fini(struct session_subs *subs)
{
    mem_free(subs->items);
    mem_free(subs->index);
    *subs = (struct session_subs){0};
}
