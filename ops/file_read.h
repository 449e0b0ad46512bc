/*
 * file_read.h -- a whole file in memory: configuration, users, keys, bans.
 *
 * Read to its end, so that a pipe is as good as a file. One that has a size is read into a single
 * allocation, of which no copy is left behind when the caller has wiped it.
 *
 * Bounds: `max` bytes.
 *
 * Threads: any; blocks.
 */
#ifndef SLUICE_FILE_READ_H
#define SLUICE_FILE_READ_H

#include "check.h"

#include <stddef.h>

/*
 * The content, with a zero behind it, for the caller to free. NULL with errno set: EFBIG, it has
 * more than `max` bytes; otherwise why it cannot be read.
 */
MUST_USE char *file_read(const char *path, size_t max, size_t *out_len);

#endif
