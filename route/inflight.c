/*
 * inflight.c -- a table in which packet ids never collide, because we choose them.
 *
 * The block is a table of C slots, C a power of two. The entry with packet id `i` stands in slot
 * `i mod C`, nowhere else, and a bitmap says which slots are taken. Drawing an id means: the first
 * id after the one drawn last whose slot is free. When acknowledgements come in order that is the
 * next id, always; when a peer leaves one unacknowledged for long, each later round skips the ids
 * that would fall on its slot. So a window of 32 never needs more than 32 slots, whatever the peer
 * does, look-up is one comparison, and an id in use is never drawn, since its slot is taken.
 *
 * The table doubles when all slots are taken: ids that differ modulo C differ modulo 2C. With 65536
 * slots it stops growing: slot 0, where no id belongs, stays free, and the other 65535 are as many
 * as a window may have. Recovered ids were drawn by the same rule, but perhaps for a larger table:
 * the table doubles until the recovered id has a free slot.
 *
 * The order of sending is a list through the entries, linked by packet id, which unlike a slot
 * number survives doubling.
 *
 * Cost of drawing an id: the search in the bitmap, one word for up to 64 slots, at most 1024 words.
 */
#include "inflight.h"

#include "mem.h"

#include <string.h>

#define INFLIGHT_BLOCK_MAGIC 0x71ce6001u
#define INFLIGHT_SLOTS_FIRST 8
#define INFLIGHT_SLOTS_LAST  65536
/* An emptied block of more slots is freed at once; a smaller one waits for the next burst. */
#define INFLIGHT_SLOTS_KEPT 1024
#define INFLIGHT_ID_LAST    65535u

struct inflight_block {
    uint32_t magic;
    uint32_t num_slots;
    uint16_t first_id; /* sent first, 0 if there is no entry */
    uint16_t last_id;  /* sent last */
    uint32_t num_words;
    uint64_t *taken; /* behind the entries; a bit per slot */
    struct inflight_entry entries[];
};

void inflight_init(struct inflight *window, uint16_t window_max)
{
    CHECK(window_max > 0);
    *window = (struct inflight){.window_max = window_max};
}

void inflight_fini(struct inflight *window)
{
    CHECK(window->count == 0);
    mem_free(window->block);
    *window = (struct inflight){0};
}

void inflight_set_max(struct inflight *window, uint16_t window_max)
{
    CHECK(window_max > 0);
    window->window_max = window_max;
}

static bool inflight_slot_is_taken(const struct inflight_block *block, uint32_t slot)
{
    return (block->taken[slot / 64] >> (slot % 64)) & 1;
}

static size_t inflight_block_size(uint32_t num_slots)
{
    return sizeof(struct inflight_block) + (size_t)num_slots * sizeof(struct inflight_entry) +
           (num_slots + 63) / 64 * sizeof(uint64_t);
}

/* An empty block; NULL without memory. */
static struct inflight_block *inflight_block_create(uint32_t num_slots)
{
    CHECK(num_slots >= INFLIGHT_SLOTS_FIRST && num_slots <= INFLIGHT_SLOTS_LAST);
    CHECK((num_slots & (num_slots - 1)) == 0);
    struct inflight_block *block = mem_alloc(inflight_block_size(num_slots));
    if (block == NULL)
        return NULL;
    memset(block, 0, inflight_block_size(num_slots));
    block->magic = INFLIGHT_BLOCK_MAGIC;
    block->num_slots = num_slots;
    block->num_words = (num_slots + 63) / 64;
    block->taken = (uint64_t *)(void *)&block->entries[num_slots];
    /* Bits of a small table that stand for no slot are taken. */
    if (num_slots < 64)
        block->taken[0] = UINT64_MAX << num_slots;
    return block;
}

static struct inflight_entry *inflight_slot_of(const struct inflight_block *block, uint16_t id)
{
    return (struct inflight_entry *)&block->entries[id & (block->num_slots - 1)];
}

/* The entry of an id that is known to be in flight. */
static struct inflight_entry *inflight_must_find(const struct inflight_block *block, uint16_t id)
{
    struct inflight_entry *entry = inflight_slot_of(block, id);
    CHECK(id != 0 && entry->packet_id == id);
    return entry;
}

/* Doubles the table, or makes the first one. Entries move; nothing changes on RC_NO_MEMORY. */
static enum rc inflight_grow(struct inflight *window)
{
    struct inflight_block *old = window->block;
    CHECK(old == NULL || old->num_slots < INFLIGHT_SLOTS_LAST);
    uint32_t num_slots = old == NULL ? INFLIGHT_SLOTS_FIRST : old->num_slots * 2;
    struct inflight_block *block = inflight_block_create(num_slots);
    if (block == NULL)
        return RC_NO_MEMORY;
    window->block = block;
    if (old == NULL)
        return RC_OK;
    block->first_id = old->first_id;
    block->last_id = old->last_id;
    for (uint16_t id = old->first_id; id != 0;) {
        const struct inflight_entry *entry = inflight_must_find(old, id);
        uint32_t slot = id & (num_slots - 1);
        CHECK(!inflight_slot_is_taken(block, slot));
        block->entries[slot] = *entry;
        block->taken[slot / 64] |= UINT64_C(1) << (slot % 64);
        id = entry->next_id;
    }
    old->magic = 0;
    mem_free(old);
    return RC_OK;
}

/* How many slots after `from` the next free one is, going round; one must be free. */
static uint32_t inflight_free_distance(const struct inflight_block *block, uint32_t from)
{
    uint32_t word = from / 64;
    uint64_t bits = ~block->taken[word] & (UINT64_MAX << (from % 64));
    /* The word of `from` is looked at twice: its low bits come last. */
    for (uint32_t i = 0; bits == 0; i++) {
        CHECK(i < block->num_words);
        word = word + 1 == block->num_words ? 0 : word + 1;
        bits = ~block->taken[word];
    }
    uint32_t slot = word * 64 + (uint32_t)__builtin_ctzll(bits);
    return (slot - from) & (block->num_slots - 1);
}

/* The first id after the one drawn last whose slot is free. */
static inline uint16_t inflight_draw_id(const struct inflight *window)
{
    const struct inflight_block *block = window->block;
    uint32_t mask = block->num_slots - 1;
    uint32_t id = window->last_id + 1u;
    /* Acknowledgements in order, the usual case, need no search. */
    if (LIKELY(id <= INFLIGHT_ID_LAST && inflight_slot_of(block, (uint16_t)id)->packet_id == 0))
        return (uint16_t)id;
    id += inflight_free_distance(block, id & mask);
    if (id > INFLIGHT_ID_LAST)
        id = 1 + inflight_free_distance(block, 1);
    CHECK(id >= 1 && id <= INFLIGHT_ID_LAST);
    return (uint16_t)id;
}

/* Takes the slot of `id`, which is all zeroes while free, and links it behind all others. */
static inline struct inflight_entry *inflight_append(struct inflight *window, uint16_t id)
{
    struct inflight_block *block = window->block;
    uint32_t slot = id & (block->num_slots - 1);
    struct inflight_entry *entry = &block->entries[slot];
    CHECK(id != 0 && entry->packet_id == 0);
    CHECK_SLOW(!inflight_slot_is_taken(block, slot));
    entry->packet_id = id;
    entry->prev_id = block->last_id;
    if (UNLIKELY(block->last_id == 0))
        block->first_id = id;
    else
        inflight_must_find(block, block->last_id)->next_id = id;
    block->last_id = id;
    block->taken[slot / 64] |= UINT64_C(1) << (slot % 64);
    window->count++;
    window->last_id = id;
    return entry;
}

enum rc inflight_add(struct inflight *window, struct msg *msg, void *aux, uint32_t flags,
                     uint8_t qos, struct inflight_entry **out_entry)
{
    CHECK(qos == 1 || qos == 2);
    if (inflight_is_full(window))
        return RC_FULL;
    if (UNLIKELY(window->block == NULL) || UNLIKELY(window->count == window->block->num_slots)) {
        enum rc rc = inflight_grow(window);
        if (rc != RC_OK)
            return rc;
    }
    CHECK_OBJ(window->block, INFLIGHT_BLOCK_MAGIC);
    struct inflight_entry *entry = inflight_append(window, inflight_draw_id(window));
    STATIC_CHECK(INFLIGHT_WAIT_PUBREC == INFLIGHT_WAIT_PUBACK + 1, "states follow the QoS");
    entry->msg = msg;
    entry->aux = aux;
    entry->flags = flags;
    entry->state = (uint8_t)(INFLIGHT_WAIT_PUBACK + qos - 1);
    entry->qos = qos;
    *out_entry = entry;
    return RC_OK;
}

enum rc inflight_restore(struct inflight *window, const struct inflight_entry *entry)
{
    bool qos1 = entry->qos == 1 && entry->state == INFLIGHT_WAIT_PUBACK;
    bool qos2 = entry->qos == 2 &&
                (entry->state == INFLIGHT_WAIT_PUBREC || entry->state == INFLIGHT_WAIT_PUBCOMP);
    if (entry->packet_id == 0 || (!qos1 && !qos2))
        return RC_INVALID;
    if (inflight_find(window, entry->packet_id) != NULL)
        return RC_EXISTS;
    while (window->block == NULL || inflight_slot_of(window->block, entry->packet_id)->packet_id) {
        enum rc rc = inflight_grow(window);
        if (rc != RC_OK)
            return rc;
    }
    CHECK_OBJ(window->block, INFLIGHT_BLOCK_MAGIC);
    struct inflight_entry *restored = inflight_append(window, entry->packet_id);
    restored->msg = entry->msg;
    restored->aux = entry->aux;
    restored->flags = entry->flags;
    restored->bytes = entry->bytes;
    restored->location = entry->location;
    restored->number = entry->number;
    restored->state = entry->state;
    restored->qos = entry->qos;
    return RC_OK;
}

struct inflight_entry *inflight_find(const struct inflight *window, uint16_t packet_id)
{
    const struct inflight_block *block = window->block;
    if (block == NULL || packet_id == 0)
        return NULL;
    CHECK_OBJ(block, INFLIGHT_BLOCK_MAGIC);
    struct inflight_entry *entry = inflight_slot_of(block, packet_id);
    return entry->packet_id == packet_id ? entry : NULL;
}

void inflight_received(struct inflight *window, struct inflight_entry *entry)
{
    CHECK(window->block != NULL && entry == inflight_slot_of(window->block, entry->packet_id));
    CHECK(entry->state == INFLIGHT_WAIT_PUBREC);
    entry->state = INFLIGHT_WAIT_PUBCOMP;
}

void inflight_remove(struct inflight *window, struct inflight_entry *entry)
{
    struct inflight_block *block = window->block;
    CHECK_OBJ(block, INFLIGHT_BLOCK_MAGIC);
    uint32_t slot = entry->packet_id & (block->num_slots - 1);
    CHECK(entry->packet_id != 0 && entry == &block->entries[slot]);
    CHECK(window->count > 0);
    CHECK_SLOW(inflight_slot_is_taken(block, slot));
    if (entry->prev_id == 0)
        block->first_id = entry->next_id;
    else
        inflight_must_find(block, entry->prev_id)->next_id = entry->next_id;
    if (entry->next_id == 0)
        block->last_id = entry->prev_id;
    else
        inflight_must_find(block, entry->next_id)->prev_id = entry->prev_id;
    block->taken[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    *entry = (struct inflight_entry){0};
    window->count--;
    if (window->count == 0 && block->num_slots > INFLIGHT_SLOTS_KEPT)
        inflight_trim(window);
}

struct inflight_entry *inflight_first(const struct inflight *window)
{
    if (window->count == 0)
        return NULL;
    return inflight_must_find(window->block, window->block->first_id);
}

struct inflight_entry *inflight_next(const struct inflight *window,
                                     const struct inflight_entry *entry)
{
    CHECK(inflight_find(window, entry->packet_id) == entry);
    return entry->next_id == 0 ? NULL : inflight_must_find(window->block, entry->next_id);
}

void inflight_trim(struct inflight *window)
{
    if (window->count > 0 || window->block == NULL)
        return;
    CHECK_OBJ(window->block, INFLIGHT_BLOCK_MAGIC);
    CHECK(window->block->first_id == 0 && window->block->last_id == 0);
    window->block->magic = 0;
    mem_free(window->block);
    window->block = NULL;
}

size_t inflight_bytes(const struct inflight *window)
{
    return window->block == NULL ? 0 : inflight_block_size(window->block->num_slots);
}
