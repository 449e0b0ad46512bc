/*
 * heap.h -- allocation that cannot fail quietly.
 *
 * The generator has no use for half its clients: out of memory is a sentence and exit code 1.
 *
 * Threads: any.
 */
#ifndef BENCH_HEAP_H
#define BENCH_HEAP_H

#include <stddef.h>

/* num elements of size bytes, zeroed, aligned to 64 bytes when size is a multiple of 64. free(). */
void *heap_zeroed(size_t num, size_t size);

/* Like realloc; new bytes are not zeroed. */
void *heap_resized(void *old, size_t num, size_t size);

#endif
