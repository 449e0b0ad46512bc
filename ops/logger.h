/*
 * logger.h -- the one writer of the log: takes lines from all threads' rings and prints them.
 *
 *   text   2026-01-31T12:34:56.789Z info  shard 0: ready
 *   json   {"time":"2026-01-31T12:34:56.789Z","level":"info","shard":0,"message":"ready"}
 *
 * Lines go to standard error, in the order in which they are taken; within one thread that is the
 * order in which they were written. A write that fails or would block is dropped: the log must not
 * hold up the broker.
 *
 * Threads: the ops thread.
 */
#ifndef SLUICE_LOGGER_H
#define SLUICE_LOGGER_H

#include "config.h"
#include "log.h"

/* `json`: one object per line. */
void logger_write(const struct log_record *record, bool json);

/* Whether the format means JSON: `auto` is text on a terminal and JSON elsewhere. */
bool logger_is_json(enum config_log_format format);

/* Takes and writes all lines of `ring`. Returns how many lines had been dropped there. */
uint64_t logger_drain(struct log_ring *ring, bool json);

#endif
