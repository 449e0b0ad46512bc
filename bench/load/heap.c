/*
 * heap.c -- see heap.h.
 *
 * Threads: any.
 */
#include "heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *heap_or_exit(void *got, size_t num, size_t size)
{
    if (got == NULL && num > 0) {
        fprintf(stderr, "sluice-bench: out of memory (%zu times %zu bytes)\n", num, size);
        exit(1);
    }
    return got;
}

void *heap_zeroed(size_t num, size_t size)
{
    if (size % 64 != 0)
        return heap_or_exit(calloc(num, size), num, size);
    size_t total;
    if (__builtin_mul_overflow(num, size, &total))
        return heap_or_exit(NULL, num, size);
    void *got = heap_or_exit(aligned_alloc(64, total), num, size);
    if (got != NULL)
        memset(got, 0, total);
    return got;
}

void *heap_resized(void *old, size_t num, size_t size)
{
    return heap_or_exit(reallocarray(old, num, size), num, size);
}
