/*
 * mem.h -- memory of one shard: bounded pools, handles for what lives in them, byte budgets.
 *
 *   struct budget      so many bytes and no more, with a high-water mark and a count of refusals.
 *   struct pool        objects of one size, in slabs, under a limit in bytes. An object costs its
 *                      size and one bit; a slab costs 64 bytes and that bitmap.
 *   struct slot_table  slot number -> pointer with a generation: what turns a handle (types.h) back
 *                      into an object, or into NULL when the object is gone. 16 bytes a slot.
 *   recycler           blocks that live for a moment, such as a message in flight: those freed
 *                      lately are handed out again, without a call to the allocator.
 *   mem_alloc          the door to the allocator for structures that size themselves; in debug
 *                      builds a test can make it fail.
 *
 * Threads: pools, tables and budgets belong to one shard, a recycler to its thread; mem_alloc and
 * mem_free any.
 */
#ifndef SLUICE_MEM_H
#define SLUICE_MEM_H

#include "check.h"
#include "list.h"
#include "rc.h"
#include "types.h"

/* ---- the allocator ---- */

/* `size` bytes (not 0), not cleared, aligned for any type; NULL if there is no memory. */
MUST_USE void *mem_alloc(size_t size);

/* The same, `alignment` (a power of two that divides `size`) aligned. */
MUST_USE void *mem_alloc_aligned(size_t alignment, size_t size);

/* Gives back what mem_alloc or mem_alloc_aligned returned; NULL is allowed. */
void mem_free(void *ptr);

/*
 * For tests, in debug builds only: the next `num_good` allocations of this thread succeed and the
 * one after them fails, once. UINT64_MAX: none fails. Without SLUICE_SLOW_CHECKS nothing happens
 * and the answer is false.
 */
bool mem_fail_after(uint64_t num_good);

/* What the allocator says of itself, in bytes, a value. */
struct mem_figures {
    uint64_t allocated_bytes; /* by the program */
    uint64_t active_bytes;    /* in pages with an allocation in them */
    uint64_t resident_bytes;  /* in memory, the allocator's own included */
    uint64_t mapped_bytes;    /* of address space */
};

/*
 * False, and all zero, if the process runs on an allocator that does not tell (it is not jemalloc).
 * Walks the allocator's arenas: for metrics.
 */
MUST_USE bool mem_figures_read(struct mem_figures *out);

/* ---- recycled blocks ---- */

/* Blocks come in multiples of the step; what is larger is not recycled. */
#define RECYCLER_STEP     64
#define RECYCLER_SIZE_MAX 1024

/*
 * The calling thread keeps up to `bytes_max` more bytes of freed blocks from now on, and the last
 * recycler_close frees them. A thread that has not opened its recycler keeps none.
 */
void recycler_open(uint64_t bytes_max);
void recycler_close(uint64_t bytes_max);

/*
 * As mem_alloc and mem_free, with the same `size` on both sides. The block may be freed by another
 * thread than the one that allocated it.
 */
MUST_USE void *recycler_alloc(size_t size);
void recycler_free(void *ptr, size_t size);

/* ---- budgets ---- */

#define BUDGET_UNLIMITED UINT64_MAX

struct budget {
    uint64_t limit;   /* [O] bytes; may be changed at any time, also to less than `used` */
    uint64_t used;    /* [O] bytes */
    uint64_t high;    /* [O] the most that `used` has been */
    uint64_t refused; /* [O] times that budget_take answered false */
};

static inline struct budget budget_of(uint64_t limit)
{
    return (struct budget){.limit = limit};
}

/* Takes `bytes`, or answers false, changes nothing and counts a refusal. */
static inline MUST_USE bool budget_take(struct budget *budget, uint64_t bytes)
{
    if (UNLIKELY(budget->used > budget->limit || bytes > budget->limit - budget->used)) {
        budget->refused++;
        return false;
    }
    budget->used += bytes;
    if (budget->used > budget->high)
        budget->high = budget->used;
    return true;
}

/* Gives back what was taken, in the same or in other portions. */
static inline void budget_give(struct budget *budget, uint64_t bytes)
{
    CHECK(bytes <= budget->used);
    budget->used -= bytes;
}

/* ---- pools ---- */

/* Slabs are aligned to their size, which is how an object finds its slab. */
#define POOL_SLAB_SIZE_SMALL 4096
#define POOL_SLAB_SIZE_USUAL 65536
#define POOL_SLAB_SIZE_LARGE 2097152

struct pool {
    uint32_t magic;         /* [I] */
    uint32_t object_size;   /* [I] bytes, a multiple of 8 */
    uint32_t slab_size;     /* [I] bytes, a power of two */
    uint32_t slab_objects;  /* [I] objects in a slab */
    uint32_t first_offset;  /* [I] of the first object in a slab, bytes */
    uint32_t reciprocal;    /* [I] 2^32 / object_size, rounded up */
    uint32_t reserve;       /* [I] empty slabs that are kept */
    uint32_t num_empty;     /* [O] empty slabs held now */
    struct list_node open;  /* [O] slabs with room: partly used ones first, empty ones last */
    struct budget bytes;    /* [O] of whole slabs; `refused` also counts the parent's refusals */
    struct budget *parent;  /* [I] may be NULL; borrowed; slabs count there too */
    uint64_t num_used;      /* [O] objects handed out */
    uint64_t num_used_high; /* [O] the most that `num_used` has been */
    const char *name;       /* [I] static text, for metrics */
};

/* What a pool is made from, a value. */
struct pool_config {
    const char *name;      /* static text */
    uint32_t object_size;  /* bytes; rounded up to a multiple of 8 */
    uint32_t slab_size;    /* one of POOL_SLAB_SIZE_*; at least 8 objects must fit */
    uint64_t limit_bytes;  /* of whole slabs; less than one slab counts as one slab */
    uint32_t reserve;      /* empty slabs that are kept instead of given back */
    struct budget *parent; /* may be NULL; must outlive the pool */
};

/* Allocates nothing. An object is aligned to the largest power of two up to 64 in its size. */
void pool_init(struct pool *pool, const struct pool_config *config);

/* Every object must have been put back. */
void pool_fini(struct pool *pool);

/*
 * An object with undefined content, for the caller to own until pool_put; NULL, and counted in
 * bytes.refused, at the limit, at the parent's limit, or without memory.
 */
MUST_USE void *pool_get(struct pool *pool);

/* Takes the object back; twice, or of another pool, is a programmer's error and found out. */
void pool_put(struct pool *pool, void *object);

/* ---- slot tables ---- */

#define SLOT_PAGE_SLOTS 256

struct slot_page;

struct slot_table {
    uint32_t magic;           /* [I] */
    shard_id shard;           /* [I] put into handles */
    uint32_t slots_max;       /* [I] */
    uint32_t num_slots;       /* [O] slots in all pages */
    uint32_t num_live;        /* [O] slots in use */
    uint32_t free_first;      /* [O] freed longest ago; valid if num_live < num_slots */
    uint32_t free_last;       /* [O] freed last */
    uint32_t pages_cap;       /* [O] length of `pages` */
    struct slot_page **pages; /* [O] num_slots / SLOT_PAGE_SLOTS of them */
};

/* Allocates nothing. `slots_max` is rounded up to whole pages. */
void slot_table_init(struct slot_table *table, shard_id shard, uint32_t slots_max);

/* Frees the table; what it pointed to is the caller's. A table of zeroes is left alone. */
void slot_table_fini(struct slot_table *table);

/*
 * Enters `ptr` (not NULL, borrowed) and makes its handle. RC_FULL at slots_max, RC_NO_MEMORY.
 * Slots freed longest ago are reused first, and only once a page of them is free or the table
 * cannot grow: a stale handle meets its own generation again after some 16 million reuses at the
 * earliest.
 */
MUST_USE enum rc slot_table_add(struct slot_table *table, void *ptr, struct handle *out_handle);

/* What the handle stands for; NULL if it is gone or HANDLE_NONE. Handles of other shards: a bug. */
void *slot_table_get(const struct slot_table *table, struct handle handle);

/* What lives in the slot now, NULL if nothing or if there is no such slot. */
void *slot_table_at(const struct slot_table *table, uint32_t slot);

/* Removes and returns what the handle stands for; it must be there. */
void *slot_table_remove(struct slot_table *table, struct handle handle);

/*
 * The first live pointer in a slot >= *cursor, moving *cursor behind it; NULL at the end. Start
 * with 0. Adding and removing between calls is allowed: what was there all the time is seen once.
 */
void *slot_table_next(const struct slot_table *table, uint32_t *cursor);

#endif
