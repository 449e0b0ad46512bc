/*
 * alloc.h -- two habits on top of mem_alloc: memory that begins as zeroes, and arrays that grow.
 *
 * For the shared indexes, whose objects carry their own account (filter_index.h, retained.h) and
 * may be freed on another thread than the one that made them, so that no shard's pool fits.
 *
 * Threads: any.
 */
#ifndef SLUICE_ALLOC_H
#define SLUICE_ALLOC_H

#include "mem.h"

#include <string.h>

/* `size` bytes of zeroes (not 0), or NULL. Freed with mem_free. */
MUST_USE static inline void *alloc_zeroed(size_t size)
{
    void *ptr = mem_alloc(size);
    if (ptr != NULL)
        memset(ptr, 0, size);
    return ptr;
}

/* The first `used` bytes of `old` in a block of `size`; `old` is freed. NULL: `old` stays. */
MUST_USE static inline void *alloc_grown(void *old, size_t used, size_t size)
{
    CHECK(used <= size);
    void *ptr = mem_alloc(size);
    if (ptr == NULL)
        return NULL;
    if (used > 0)
        memcpy(ptr, old, used);
    mem_free(old);
    return ptr;
}

#endif
