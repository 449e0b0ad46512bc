/*
 * access_file.h -- a file that a key of the configuration names: users, a secret, a key.
 *
 * Threads: the ops thread.
 */
#ifndef SLUICE_ACCESS_FILE_H
#define SLUICE_ACCESS_FILE_H

#include "config_report.h"

#include <stddef.h>
#include <stdint.h>

/*
 * The whole file, of at most `max` bytes, for the caller to free. NULL, with a message added: it
 * cannot be read, or is larger.
 */
uint8_t *access_file_read(const char *path, size_t max, size_t *out_len,
                          const struct config_report *report);

#endif
