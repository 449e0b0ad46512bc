/*
 * log.h -- log lines from any thread, written by one.
 *
 * A shard never writes to a file or a terminal: a slow terminal would stop its clients. It formats
 * a line into a ring of its own (single producer, single consumer); the ops thread takes lines from
 * all rings and writes them. A full ring drops the line and counts it: the log is for people, and
 * people do not read a line a microsecond. Repeating causes are the caller's to limit (log_limit).
 *
 * Threads: log_write only by the thread that called log_attach with the ring; log_take by the ops
 * thread only.
 */
#ifndef SLUICE_LOG_H
#define SLUICE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "types.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG, LOG_LEVEL_COUNT };

#define LOG_TEXT_MAX     236
#define LOG_RING_RECORDS 512 /* 128 KiB a thread: a burst of one line for each of 512 causes */

/* One line, a plain value. */
struct log_record {
    uint64_t wall_ms;
    uint16_t level;
    shard_id source; /* shard, or SHARD_NONE for the ops thread */
    uint16_t text_len;
    char text[LOG_TEXT_MAX + 1];
};

struct log_ring;

/* NULL without memory. `source` stands in each record. */
struct log_ring *log_ring_create(shard_id source);
void log_ring_destroy(struct log_ring *ring);

/* From now on log_write on this thread goes to `ring` (borrowed; NULL detaches). */
void log_attach(struct log_ring *ring);

/* Lines above `level` are not even formatted. */
void log_level_set(enum log_level level);
bool log_level_enabled(enum log_level level);

/* Formats a line, cut at LOG_TEXT_MAX bytes. Without a ring attached it goes to standard error. */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The oldest line of `ring`; false if there is none. */
bool log_take(struct log_ring *ring, struct log_record *out);

/* Lines dropped since the last call, because the ring was full. */
uint64_t log_lost_take(struct log_ring *ring);

/* "error", "warning", "info", "debug". */
const char *log_level_name(enum log_level level);

/* For a line that counts: the word that goes with `count`. */
static inline const char *log_noun(uint64_t count, const char *one, const char *many)
{
    return count == 1 ? one : many;
}

/*
 * Once per second at most: answers whether to write now; `*next_ms` is the caller's, zero at first.
 */
static inline bool log_limit(uint64_t *next_ms, uint64_t now_ms)
{
    if (now_ms < *next_ms)
        return false;
    *next_ms = now_ms + 1000;
    return true;
}

#define LOG(level, ...)                                                                            \
    do {                                                                                           \
        if (log_level_enabled(level))                                                              \
            log_write(level, __VA_ARGS__);                                                         \
    } while (0)

#endif
