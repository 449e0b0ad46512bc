/*
 * process_figures.h -- what the kernel knows of this process: memory, CPU time, descriptors, start.
 *
 * From /proc (proc(5)). Cheap enough for a scrape: two small files and, from Linux 6.2 on, the size
 * of /proc/self/fd; on older kernels its entries are counted.
 *
 * Threads: the ops thread.
 */
#ifndef SLUICE_PROCESS_FIGURES_H
#define SLUICE_PROCESS_FIGURES_H

#include "check.h"

#include <stdint.h>

/* A value. */
struct process_figures {
    uint64_t resident_bytes;
    uint64_t virtual_bytes;
    uint64_t open_fds;
    uint64_t max_fds;
    double cpu_seconds;   /* user and system, of all threads */
    double start_seconds; /* since 1970 */
};

/* False if /proc does not tell; *out is all zero then. */
MUST_USE bool process_figures_read(struct process_figures *out);

/* Only the resident bytes, quickly. */
MUST_USE bool process_resident_read(uint64_t *out_bytes);

#endif
