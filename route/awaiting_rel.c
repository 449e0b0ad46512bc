/*
 * awaiting_rel.c -- a small hash table whose worst case a peer cannot make bad.
 *
 * One block holds C entries, C a power of two, and C buckets. The bucket of packet id `i` is
 * `i mod C`: ids that come one after another, as they do, are alone in theirs. A peer that picks
 * ids on purpose gets all of one bucket, but there are only 65536 / C such ids and at most C
 * entries: no chain is longer than the smaller of the two, that is 256. Hence no hashing and no
 * secret.
 *
 * Entries refer to each other by index: chain of the bucket, list in the order of reception, list
 * of free entries. The table doubles when all entries are in use.
 */
#include "awaiting_rel.h"

#include "mem.h"

#include <string.h>

#define AWAITING_REL_MAGIC 0x71ce6002u
#define AWAITING_REL_FIRST 8
#define AWAITING_REL_LAST  65536
#define AWAITING_REL_KEPT  32
/* No entry has this index: of 65536 entries at most 65535 are ever in use, lowest first. */
#define AWAITING_REL_NONE UINT16_MAX

struct awaiting_rel_block {
    uint32_t magic;
    uint32_t num_entries;
    uint32_t num_touched; /* entries at and above this index have never been used */
    uint16_t oldest;
    uint16_t newest;
    uint16_t free;     /* first free one below num_touched */
    uint16_t *buckets; /* behind the entries */
    struct awaiting_rel_entry entries[];
};

void awaiting_rel_init(struct awaiting_rel *set, uint16_t ids_max)
{
    CHECK(ids_max > 0);
    *set = (struct awaiting_rel){.ids_max = ids_max};
}

void awaiting_rel_set_max(struct awaiting_rel *set, uint16_t ids_max)
{
    CHECK(ids_max > 0);
    set->ids_max = ids_max;
}

static void awaiting_rel_drop_block(struct awaiting_rel *set)
{
    if (set->block == NULL)
        return;
    CHECK_OBJ(set->block, AWAITING_REL_MAGIC);
    set->block->magic = 0;
    mem_free(set->block);
    set->block = NULL;
}

void awaiting_rel_fini(struct awaiting_rel *set)
{
    awaiting_rel_drop_block(set);
    *set = (struct awaiting_rel){0};
}

static size_t awaiting_rel_block_size(uint32_t num_entries)
{
    return sizeof(struct awaiting_rel_block) +
           num_entries * (sizeof(struct awaiting_rel_entry) + sizeof(uint16_t));
}

static uint16_t *awaiting_rel_bucket(const struct awaiting_rel_block *block, uint16_t packet_id)
{
    return &block->buckets[packet_id & (block->num_entries - 1)];
}

static void awaiting_rel_chain(struct awaiting_rel_block *block, uint16_t index)
{
    struct awaiting_rel_entry *entry = &block->entries[index];
    uint16_t *bucket = awaiting_rel_bucket(block, entry->packet_id);
    entry->chain = *bucket;
    *bucket = index;
}

/* Doubles the block, or makes the first one. Indices stay; nothing changes on RC_NO_MEMORY. */
static enum rc awaiting_rel_grow(struct awaiting_rel *set)
{
    struct awaiting_rel_block *old = set->block;
    uint32_t num_entries = old == NULL ? AWAITING_REL_FIRST : old->num_entries * 2;
    CHECK(num_entries <= AWAITING_REL_LAST);
    struct awaiting_rel_block *block = mem_alloc(awaiting_rel_block_size(num_entries));
    if (block == NULL)
        return RC_NO_MEMORY;
    *block = (struct awaiting_rel_block){
        .magic = AWAITING_REL_MAGIC,
        .num_entries = num_entries,
        .oldest = AWAITING_REL_NONE,
        .newest = AWAITING_REL_NONE,
        .free = AWAITING_REL_NONE,
        .buckets = (uint16_t *)(void *)&block->entries[num_entries],
    };
    memset(block->buckets, 0xff, num_entries * sizeof(uint16_t));
    set->block = block;
    if (old == NULL)
        return RC_OK;
    CHECK(old->num_touched == old->num_entries && set->count == old->num_entries);
    memcpy(block->entries, old->entries, old->num_entries * sizeof(struct awaiting_rel_entry));
    block->num_touched = old->num_touched;
    block->oldest = old->oldest;
    block->newest = old->newest;
    for (uint32_t index = 0; index < block->num_touched; index++)
        awaiting_rel_chain(block, (uint16_t)index);
    old->magic = 0;
    mem_free(old);
    return RC_OK;
}

/* An entry of the block that is not in use; there must be one. */
static uint16_t awaiting_rel_take_free(struct awaiting_rel_block *block)
{
    uint16_t index = block->free;
    if (index != AWAITING_REL_NONE) {
        block->free = block->entries[index].chain;
        return index;
    }
    CHECK(block->num_touched < block->num_entries && block->num_touched < AWAITING_REL_NONE);
    return (uint16_t)block->num_touched++;
}

enum rc awaiting_rel_add(struct awaiting_rel *set, uint16_t packet_id, uint64_t now_ms,
                         uint64_t tag)
{
    if (packet_id == 0)
        return RC_INVALID;
    if (awaiting_rel_find(set, packet_id) != NULL)
        return RC_EXISTS;
    if (set->count >= set->ids_max)
        return RC_FULL;
    if (UNLIKELY(set->block == NULL) || UNLIKELY(set->count == set->block->num_entries)) {
        enum rc rc = awaiting_rel_grow(set);
        if (rc != RC_OK)
            return rc;
    }
    struct awaiting_rel_block *block = set->block;
    uint16_t index = awaiting_rel_take_free(block);
    struct awaiting_rel_entry *entry = &block->entries[index];
    entry->received_ms = now_ms;
    entry->tag = tag;
    entry->packet_id = packet_id;
    entry->next = AWAITING_REL_NONE;
    entry->prev = block->newest;
    awaiting_rel_chain(block, index);
    if (block->newest == AWAITING_REL_NONE)
        block->oldest = index;
    else
        block->entries[block->newest].next = index;
    block->newest = index;
    set->count++;
    return RC_OK;
}

struct awaiting_rel_entry *awaiting_rel_find(const struct awaiting_rel *set, uint16_t packet_id)
{
    struct awaiting_rel_block *block = set->block;
    if (block == NULL)
        return NULL;
    CHECK_OBJ(block, AWAITING_REL_MAGIC);
    uint16_t index = *awaiting_rel_bucket(block, packet_id);
    while (index != AWAITING_REL_NONE && block->entries[index].packet_id != packet_id)
        index = block->entries[index].chain;
    return index == AWAITING_REL_NONE ? NULL : &block->entries[index];
}

bool awaiting_rel_remove(struct awaiting_rel *set, uint16_t packet_id)
{
    struct awaiting_rel_block *block = set->block;
    if (block == NULL)
        return false;
    CHECK_OBJ(block, AWAITING_REL_MAGIC);
    uint16_t *link = awaiting_rel_bucket(block, packet_id);
    while (*link != AWAITING_REL_NONE && block->entries[*link].packet_id != packet_id)
        link = &block->entries[*link].chain;
    uint16_t index = *link;
    if (index == AWAITING_REL_NONE)
        return false;
    CHECK(set->count > 0 && packet_id != 0);
    struct awaiting_rel_entry *entry = &block->entries[index];
    *link = entry->chain;
    if (entry->prev == AWAITING_REL_NONE)
        block->oldest = entry->next;
    else
        block->entries[entry->prev].next = entry->next;
    if (entry->next == AWAITING_REL_NONE)
        block->newest = entry->prev;
    else
        block->entries[entry->next].prev = entry->prev;
    *entry = (struct awaiting_rel_entry){.chain = block->free};
    block->free = index;
    set->count--;
    /* As in inflight.c: a large block is worth keeping only while it is in use. */
    if (set->count == 0 && block->num_entries > AWAITING_REL_KEPT)
        awaiting_rel_drop_block(set);
    return true;
}

struct awaiting_rel_entry *awaiting_rel_oldest(const struct awaiting_rel *set)
{
    if (set->count == 0)
        return NULL;
    CHECK_OBJ(set->block, AWAITING_REL_MAGIC);
    CHECK(set->block->oldest != AWAITING_REL_NONE);
    return &set->block->entries[set->block->oldest];
}

struct awaiting_rel_entry *awaiting_rel_next(const struct awaiting_rel *set,
                                             const struct awaiting_rel_entry *entry)
{
    CHECK(set->count > 0 && entry->packet_id != 0);
    return entry->next == AWAITING_REL_NONE ? NULL : &set->block->entries[entry->next];
}

bool awaiting_rel_expire(struct awaiting_rel *set, uint64_t until_ms,
                         struct awaiting_rel_entry *out_entry)
{
    const struct awaiting_rel_entry *oldest = awaiting_rel_oldest(set);
    if (oldest == NULL || oldest->received_ms > until_ms)
        return false;
    *out_entry = *oldest;
    bool found = awaiting_rel_remove(set, out_entry->packet_id);
    CHECK(found);
    return true;
}

void awaiting_rel_trim(struct awaiting_rel *set)
{
    if (set->count == 0)
        awaiting_rel_drop_block(set);
}

size_t awaiting_rel_bytes(const struct awaiting_rel *set)
{
    return set->block == NULL ? 0 : awaiting_rel_block_size(set->block->num_entries);
}
