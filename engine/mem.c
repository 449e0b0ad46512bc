/*
 * mem.c -- slabs, slot pages, and the door to the allocator.
 *
 * Slab: `slab_size` bytes, aligned to their size, so that an object's address without its low bits
 * is its slab:
 *
 *   | struct pool_slab | bitmap, a bit per object, 1 = free | objects ...            | rest |
 *
 * The lowest free object is handed out first: pages that were never needed stay untouched, and no
 * link is written into freed memory, which can therefore be poisoned as a whole (a pattern in debug
 * builds, looked for at the next pool_get; AddressSanitizer's own poison where it is built in). The
 * bitmap also finds out an object put back twice, always.
 * A pool's list holds the slabs with room. One that was full comes to its front and is used next;
 * one that became empty goes to its end, to be used last, or back to the allocator when `reserve`
 * others are empty already.
 *
 * Slot table: pages of 256 entries, never freed, because their generations must outlive every
 * handle that may still travel; a directory of pages that doubles. Free slots are a queue through
 * the entries. A slot's generation counts up when it is freed and skips 0.
 *
 * Recycler: a list of free blocks for each multiple of RECYCLER_STEP, last in, first out, so that
 * the block handed out is the one whose lines are still in the cache. Blocks are the allocator's,
 * which has such a list too, but a short one that it fills and empties by tens of blocks: a shard
 * with thousands of messages in flight pays for that with every message.
 *
 * Threads: pools and tables their shard, mem_alloc and mem_free any.
 */
#include "mem.h"

#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define MEM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEM_ASAN 1
#endif
#endif
#ifdef MEM_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(ptr, size)   ((void)(ptr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(ptr, size) ((void)(ptr), (void)(size))
#endif

#define POOL_MAGIC       0x71ce4002u
#define POOL_SLAB_MAGIC  0x71ce4003u
#define SLOT_TABLE_MAGIC 0x71ce4004u
#define POOL_POISON_BYTE 0xdb
#define POOL_OBJECTS_MIN 8

/* ---- the allocator ---- */

#ifdef SLUICE_SLOW_CHECKS
static _Thread_local uint64_t mem_good_left = UINT64_MAX;

static bool mem_must_fail(void)
{
    if (LIKELY(mem_good_left == UINT64_MAX))
        return false;
    return mem_good_left-- == 0;
}

bool mem_fail_after(uint64_t num_good)
{
    mem_good_left = num_good;
    return true;
}
#else
static bool mem_must_fail(void)
{
    return false;
}

bool mem_fail_after(uint64_t num_good)
{
    (void)num_good;
    return false;
}
#endif

void *mem_alloc(size_t size)
{
    CHECK(size > 0);
    return mem_must_fail() ? NULL : malloc(size);
}

void *mem_alloc_aligned(size_t alignment, size_t size)
{
    CHECK(alignment != 0 && (alignment & (alignment - 1)) == 0);
    CHECK(size > 0 && size % alignment == 0);
    return mem_must_fail() ? NULL : aligned_alloc(alignment, size);
}

void mem_free(void *ptr)
{
    free(ptr);
}

/*
 * jemalloc's door to its figures, if it is the allocator of this program: tests and builds with a
 * sanitizer are linked without it.
 */
int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len)
    __attribute__((weak));

static uint64_t mem_figure(const char *name)
{
    size_t value = 0;
    size_t len = sizeof(value);
    return mallctl(name, &value, &len, NULL, 0) == 0 ? value : 0;
}

bool mem_figures_read(struct mem_figures *out)
{
    CHECK(out != NULL);
    *out = (struct mem_figures){0};
    if (mallctl == NULL)
        return false;
    /* Figures are of the latest epoch. */
    uint64_t epoch = 1;
    if (mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch)) != 0)
        return false;
    *out = (struct mem_figures){.allocated_bytes = mem_figure("stats.allocated"),
                                .active_bytes = mem_figure("stats.active"),
                                .resident_bytes = mem_figure("stats.resident"),
                                .mapped_bytes = mem_figure("stats.mapped")};
    return true;
}

/* ---- recycled blocks ---- */

#define RECYCLER_CLASSES (RECYCLER_SIZE_MAX / RECYCLER_STEP)

/* A free block. */
struct recycler_block {
    struct recycler_block *next;
};

/* Of one thread. */
struct recycler {
    uint64_t room;  /* bytes of blocks that may still be kept, beside those that are */
    uint64_t limit; /* bytes of blocks that may be kept in all */
    struct recycler_block *free[RECYCLER_CLASSES];
};

static _Thread_local struct recycler recycler_self;

void recycler_open(uint64_t bytes_max)
{
    recycler_self.room += bytes_max;
    recycler_self.limit += bytes_max;
}

void recycler_close(uint64_t bytes_max)
{
    struct recycler *self = &recycler_self;
    CHECK(self->limit >= bytes_max && self->limit >= self->room);
    self->limit -= bytes_max;
    self->room = self->limit;
    for (unsigned class = 0; class < RECYCLER_CLASSES; class ++) {
        while (self->free[class] != NULL) {
            struct recycler_block *block = self->free[class];
            ASAN_UNPOISON_MEMORY_REGION(block, (class + 1) * RECYCLER_STEP);
            self->free[class] = block->next;
            mem_free(block);
        }
    }
}

/* The size of the blocks in which `size` bytes find room. */
static inline size_t recycler_size(size_t size)
{
    return (size + RECYCLER_STEP - 1) & ~(size_t)(RECYCLER_STEP - 1);
}

void *recycler_alloc(size_t size)
{
    CHECK(size > 0);
    if (UNLIKELY(size > RECYCLER_SIZE_MAX))
        return mem_alloc(size);
    struct recycler *self = &recycler_self;
    size_t block_size = recycler_size(size);
    struct recycler_block **list = &self->free[block_size / RECYCLER_STEP - 1];
    struct recycler_block *block = *list;
    if (UNLIKELY(block == NULL))
        return mem_alloc(block_size);
    ASAN_UNPOISON_MEMORY_REGION(block, block_size);
    *list = block->next;
    self->room += block_size;
    return block;
}

void recycler_free(void *ptr, size_t size)
{
    struct recycler *self = &recycler_self;
    size_t block_size = recycler_size(size);
    if (UNLIKELY(size > RECYCLER_SIZE_MAX) || UNLIKELY(self->room < block_size)) {
        mem_free(ptr);
        return;
    }
    struct recycler_block *block = ptr;
    struct recycler_block **list = &self->free[block_size / RECYCLER_STEP - 1];
    block->next = *list;
    *list = block;
    self->room -= block_size;
    ASAN_POISON_MEMORY_REGION(block, block_size);
}

/* ---- pools ---- */

struct pool_slab {
    uint32_t magic;
    uint32_t num_used;
    struct pool *pool;
    struct list_node node;    /* in the pool's `open` unless full */
    uint32_t first_free_word; /* no bit is set in a word of the bitmap before this one */
    uint32_t num_words;
    uint64_t free_bits[];
};
STATIC_CHECK(sizeof(struct pool_slab) <= 64, "the cost of a slab that mem.h names");

static uint32_t pool_round_up(uint32_t value, uint32_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* Sets slab_objects and first_offset: as many objects as fit behind their bitmap. */
static void pool_lay_out(struct pool *pool)
{
    uint32_t alignment = pool->object_size & -pool->object_size;
    if (alignment > 64)
        alignment = 64;
    uint32_t num = (pool->slab_size - (uint32_t)sizeof(struct pool_slab)) / pool->object_size;
    for (;; num--) {
        CHECK(num >= POOL_OBJECTS_MIN);
        uint32_t bitmap_size = (num + 63) / 64 * 8;
        uint32_t head_size = (uint32_t)sizeof(struct pool_slab) + bitmap_size;
        pool->first_offset = pool_round_up(head_size, alignment);
        if ((uint64_t)pool->first_offset + (uint64_t)num * pool->object_size <= pool->slab_size)
            break;
    }
    pool->slab_objects = num;
}

void pool_init(struct pool *pool, const struct pool_config *config)
{
    CHECK(config->name != NULL);
    CHECK(config->object_size > 0 && config->object_size <= config->slab_size / POOL_OBJECTS_MIN);
    CHECK((config->slab_size & (config->slab_size - 1)) == 0);
    CHECK(config->slab_size <= POOL_SLAB_SIZE_LARGE);
    uint64_t limit = config->limit_bytes;
    *pool = (struct pool){
        .magic = POOL_MAGIC,
        .object_size = pool_round_up(config->object_size, 8),
        .slab_size = config->slab_size,
        .reserve = config->reserve,
        .bytes = budget_of(limit < config->slab_size ? config->slab_size : limit),
        .parent = config->parent,
        .name = config->name,
    };
    list_init(&pool->open);
    pool_lay_out(pool);
    /* Exact for multiples of the size below 2^21: the error is below one part in 2^32 / size. */
    pool->reciprocal = (uint32_t)(((UINT64_C(1) << 32) + pool->object_size - 1) /
                                  pool->object_size);
}

/* The pool's accounts and the parent's, or neither. */
static bool pool_take_budget(struct pool *pool)
{
    if (!budget_take(&pool->bytes, pool->slab_size))
        return false;
    if (pool->parent == NULL || budget_take(pool->parent, pool->slab_size))
        return true;
    budget_give(&pool->bytes, pool->slab_size);
    pool->bytes.refused++;
    return false;
}

static void pool_give_budget(struct pool *pool)
{
    budget_give(&pool->bytes, pool->slab_size);
    if (pool->parent != NULL)
        budget_give(pool->parent, pool->slab_size);
}

/* A new empty slab in the list; NULL, counted, if there cannot be one. */
static struct pool_slab *pool_slab_create(struct pool *pool)
{
    if (!pool_take_budget(pool))
        return NULL;
    struct pool_slab *slab = mem_alloc_aligned(pool->slab_size, pool->slab_size);
    if (slab == NULL) {
        pool_give_budget(pool);
        pool->bytes.refused++;
        return NULL;
    }
    *slab = (struct pool_slab){
        .magic = POOL_SLAB_MAGIC,
        .pool = pool,
        .num_words = (pool->slab_objects + 63) / 64,
    };
    for (uint32_t word = 0; word < slab->num_words; word++)
        slab->free_bits[word] = UINT64_MAX;
    if (pool->slab_objects % 64 != 0)
        slab->free_bits[slab->num_words - 1] = (UINT64_C(1) << (pool->slab_objects % 64)) - 1;
    char *objects = (char *)slab + pool->first_offset;
#ifdef SLUICE_SLOW_CHECKS
    memset(objects, POOL_POISON_BYTE, (size_t)pool->slab_objects * pool->object_size);
#endif
    ASAN_POISON_MEMORY_REGION(objects, (size_t)pool->slab_objects * pool->object_size);
    list_push_back(&pool->open, &slab->node);
    pool->num_empty++;
    return slab;
}

static void pool_slab_destroy(struct pool *pool, struct pool_slab *slab)
{
    CHECK_OBJ(slab, POOL_SLAB_MAGIC);
    CHECK(slab->num_used == 0);
    CHECK(pool->num_empty > 0);
    pool->num_empty--;
    list_remove(&slab->node);
    slab->magic = 0;
    ASAN_UNPOISON_MEMORY_REGION(slab, pool->slab_size);
    mem_free(slab);
    pool_give_budget(pool);
}

void pool_fini(struct pool *pool)
{
    CHECK_OBJ(pool, POOL_MAGIC);
    CHECK(pool->num_used == 0);
    while (!list_is_empty(&pool->open)) {
        struct list_node *node = list_first(&pool->open);
        pool_slab_destroy(pool, CONTAINER_OF(node, struct pool_slab, node));
    }
    CHECK(pool->bytes.used == 0);
    pool->magic = 0;
}

/* A free object still holds the poison, unless somebody has written to it after putting it back. */
static void pool_check_poison(const struct pool *pool, const void *object)
{
#ifdef SLUICE_SLOW_CHECKS
    const uint8_t *bytes = object;
    for (uint32_t i = 0; i < pool->object_size; i++)
        CHECK(bytes[i] == POOL_POISON_BYTE);
#else
    (void)pool;
    (void)object;
#endif
}

void *pool_get(struct pool *pool)
{
    CHECK_OBJ(pool, POOL_MAGIC);
    struct list_node *node = list_first(&pool->open);
    struct pool_slab *slab = node != NULL ? CONTAINER_OF(node, struct pool_slab, node)
                                          : pool_slab_create(pool);
    if (slab == NULL)
        return NULL;
    CHECK_OBJ(slab, POOL_SLAB_MAGIC);
    uint32_t word = slab->first_free_word;
    while (slab->free_bits[word] == 0) {
        word++;
        CHECK(word < slab->num_words);
    }
    slab->first_free_word = word;
    uint32_t index = word * 64 + (uint32_t)__builtin_ctzll(slab->free_bits[word]);
    slab->free_bits[word] &= slab->free_bits[word] - 1;
    if (slab->num_used == 0)
        pool->num_empty--;
    slab->num_used++;
    if (slab->num_used == pool->slab_objects)
        list_remove(&slab->node);
    pool->num_used++;
    if (pool->num_used > pool->num_used_high)
        pool->num_used_high = pool->num_used;
    void *object = (char *)slab + pool->first_offset + (size_t)index * pool->object_size;
    ASAN_UNPOISON_MEMORY_REGION(object, pool->object_size);
    pool_check_poison(pool, object);
    return object;
}

void pool_put(struct pool *pool, void *object)
{
    CHECK_OBJ(pool, POOL_MAGIC);
    CHECK(object != NULL);
    struct pool_slab *slab = (void *)((uintptr_t)object & ~((uintptr_t)pool->slab_size - 1));
    CHECK_OBJ(slab, POOL_SLAB_MAGIC);
    CHECK(slab->pool == pool && slab->num_used > 0);
    uint32_t offset = (uint32_t)((uintptr_t)object - (uintptr_t)slab) - pool->first_offset;
    uint32_t index = (uint32_t)(((uint64_t)offset * pool->reciprocal) >> 32);
    CHECK(index < pool->slab_objects && index * pool->object_size == offset);
    uint64_t bit = UINT64_C(1) << (index % 64);
    CHECK((slab->free_bits[index / 64] & bit) == 0);
#ifdef SLUICE_SLOW_CHECKS
    memset(object, POOL_POISON_BYTE, pool->object_size);
#endif
    ASAN_POISON_MEMORY_REGION(object, pool->object_size);
    slab->free_bits[index / 64] |= bit;
    if (index / 64 < slab->first_free_word)
        slab->first_free_word = index / 64;
    if (slab->num_used == pool->slab_objects)
        list_push_front(&pool->open, &slab->node);
    slab->num_used--;
    pool->num_used--;
    if (slab->num_used > 0)
        return;
    pool->num_empty++;
    if (pool->num_empty > pool->reserve) {
        pool_slab_destroy(pool, slab);
    } else {
        list_remove(&slab->node);
        list_push_back(&pool->open, &slab->node);
    }
}

/* ---- slot tables ---- */

struct slot_entry {
    void *ptr;           /* NULL while free */
    uint32_t next_free;  /* valid while free and not the last free */
    uint16_t generation; /* of what lives here now, or will next; never 0 */
};
STATIC_CHECK(sizeof(struct slot_entry) == 16, "the cost of a slot that mem.h names");

struct slot_page {
    struct slot_entry entries[SLOT_PAGE_SLOTS];
};

#define SLOT_PAGES_FIRST 8

void slot_table_init(struct slot_table *table, shard_id shard, uint32_t slots_max)
{
    CHECK(shard != SHARD_NONE);
    CHECK(slots_max > 0 && slots_max <= UINT32_MAX - SLOT_PAGE_SLOTS);
    *table = (struct slot_table){
        .magic = SLOT_TABLE_MAGIC,
        .shard = shard,
        .slots_max = pool_round_up(slots_max, SLOT_PAGE_SLOTS),
    };
}

void slot_table_fini(struct slot_table *table)
{
    if (table->magic == 0)
        return;
    CHECK_OBJ(table, SLOT_TABLE_MAGIC);
    for (uint32_t page = 0; page < table->num_slots / SLOT_PAGE_SLOTS; page++)
        mem_free(table->pages[page]);
    mem_free(table->pages);
    *table = (struct slot_table){0};
}

static struct slot_entry *slot_table_entry(const struct slot_table *table, uint32_t slot)
{
    CHECK(slot < table->num_slots);
    return &table->pages[slot / SLOT_PAGE_SLOTS]->entries[slot % SLOT_PAGE_SLOTS];
}

static void slot_table_append_free(struct slot_table *table, uint32_t slot)
{
    /* num_live counts the slot as not free yet. */
    if (table->num_live == table->num_slots)
        table->free_first = slot;
    else
        slot_table_entry(table, table->free_last)->next_free = slot;
    table->free_last = slot;
}

/* A page more, its slots behind the free ones. */
static enum rc slot_table_grow(struct slot_table *table)
{
    uint32_t num_pages = table->num_slots / SLOT_PAGE_SLOTS;
    if (table->num_slots >= table->slots_max)
        return RC_FULL;
    if (num_pages == table->pages_cap) {
        uint32_t cap = table->pages_cap == 0 ? SLOT_PAGES_FIRST : table->pages_cap * 2;
        struct slot_page **pages = mem_alloc(cap * sizeof(struct slot_page *));
        if (pages == NULL)
            return RC_NO_MEMORY;
        if (num_pages > 0)
            memcpy(pages, table->pages, num_pages * sizeof(struct slot_page *));
        mem_free(table->pages);
        table->pages = pages;
        table->pages_cap = cap;
    }
    struct slot_page *page = mem_alloc(sizeof(struct slot_page));
    if (page == NULL)
        return RC_NO_MEMORY;
    uint32_t first = table->num_slots;
    for (uint32_t i = 0; i < SLOT_PAGE_SLOTS; i++)
        page->entries[i] = (struct slot_entry){.next_free = first + i + 1, .generation = 1};
    table->pages[num_pages] = page;
    slot_table_append_free(table, first);
    table->num_slots += SLOT_PAGE_SLOTS;
    table->free_last = table->num_slots - 1;
    return RC_OK;
}

enum rc slot_table_add(struct slot_table *table, void *ptr, struct handle *out_handle)
{
    CHECK_OBJ(table, SLOT_TABLE_MAGIC);
    CHECK(ptr != NULL);
    /* With few free slots the same ones would come round too soon; see slot_table_add in mem.h. */
    if (table->num_slots - table->num_live < SLOT_PAGE_SLOTS) {
        enum rc rc = slot_table_grow(table);
        if (rc != RC_OK && table->num_live == table->num_slots)
            return rc;
    }
    uint32_t slot = table->free_first;
    struct slot_entry *entry = slot_table_entry(table, slot);
    CHECK(entry->ptr == NULL && entry->generation != 0);
    table->free_first = entry->next_free;
    table->num_live++;
    entry->ptr = ptr;
    *out_handle = (struct handle){
        .slot = slot,
        .generation = entry->generation,
        .shard = table->shard,
    };
    return RC_OK;
}

void *slot_table_get(const struct slot_table *table, struct handle handle)
{
    CHECK_OBJ(table, SLOT_TABLE_MAGIC);
    if (handle_is_none(handle))
        return NULL;
    CHECK(handle.shard == table->shard);
    const struct slot_entry *entry = slot_table_entry(table, handle.slot);
    /* While the slot is free its generation is one that no handle has yet, or not any more. */
    return entry->generation == handle.generation ? entry->ptr : NULL;
}

void *slot_table_at(const struct slot_table *table, uint32_t slot)
{
    CHECK_OBJ(table, SLOT_TABLE_MAGIC);
    return slot < table->num_slots ? slot_table_entry(table, slot)->ptr : NULL;
}

void *slot_table_remove(struct slot_table *table, struct handle handle)
{
    void *ptr = slot_table_get(table, handle);
    CHECK(ptr != NULL);
    struct slot_entry *entry = slot_table_entry(table, handle.slot);
    entry->ptr = NULL;
    entry->generation = entry->generation == UINT16_MAX ? 1 : (uint16_t)(entry->generation + 1);
    slot_table_append_free(table, handle.slot);
    table->num_live--;
    return ptr;
}

void *slot_table_next(const struct slot_table *table, uint32_t *cursor)
{
    CHECK_OBJ(table, SLOT_TABLE_MAGIC);
    while (*cursor < table->num_slots) {
        void *ptr = slot_table_entry(table, *cursor)->ptr;
        (*cursor)++;
        if (ptr != NULL)
            return ptr;
    }
    return NULL;
}
