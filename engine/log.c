/*
 * log.c -- the ring of log lines of one thread.
 *
 * A ck_ring of fixed-size records: the producer copies a whole record in, the consumer copies it
 * out. The level is one process-wide word, read relaxed: a change may be seen a line late.
 *
 * Threads: see log.h.
 */
#include "log.h"

#include <ck_ring.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "clock.h"
#include "tsan.h"

#define LOG_RING_MAGIC 0x4c4f4752u

CK_RING_PROTOTYPE(log, log_record)

struct log_ring {
    struct ck_ring ring;
    uint32_t magic;
    shard_id source;
    uint64_t lost; /* [A] producer adds, consumer takes */
    struct log_record records[LOG_RING_RECORDS];
};

static _Thread_local struct log_ring *log_current;
static int log_level_now = LOG_INFO;

static const char *const log_level_names[] = {
    [LOG_ERROR] = "error",
    [LOG_WARNING] = "warning",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

STATIC_CHECK(ARRAY_LEN(log_level_names) == LOG_LEVEL_COUNT, "each level has a name");

struct log_ring *log_ring_create(shard_id source)
{
    struct log_ring *ring = aligned_alloc(64, (sizeof(*ring) + 63) / 64 * 64);
    if (ring == NULL)
        return NULL;
    ring->magic = LOG_RING_MAGIC;
    ring->source = source;
    ring->lost = 0;
    ck_ring_init(&ring->ring, LOG_RING_RECORDS);
    return ring;
}

void log_ring_destroy(struct log_ring *ring)
{
    if (ring == NULL)
        return;
    CHECK_OBJ(ring, LOG_RING_MAGIC);
    CHECK(log_current != ring);
    ring->magic = 0;
    free(ring);
}

void log_attach(struct log_ring *ring)
{
    CHECK(ring == NULL || ring->magic == LOG_RING_MAGIC);
    log_current = ring;
}

void log_level_set(enum log_level level)
{
    CHECK((unsigned)level < LOG_LEVEL_COUNT);
    __atomic_store_n(&log_level_now, (int)level, __ATOMIC_RELAXED);
}

bool log_level_enabled(enum log_level level)
{
    return (int)level <= __atomic_load_n(&log_level_now, __ATOMIC_RELAXED);
}

void log_write(enum log_level level, const char *format, ...)
{
    CHECK((unsigned)level < LOG_LEVEL_COUNT);
    struct log_record record = {.wall_ms = clock_wall_ms(), .level = (uint16_t)level};
    va_list args;
    va_start(args, format);
    int len = vsnprintf(record.text, sizeof(record.text), format, args);
    va_end(args);
    if (len < 0)
        len = 0;
    record.text_len = (uint16_t)(len > LOG_TEXT_MAX ? LOG_TEXT_MAX : len);

    struct log_ring *ring = log_current;
    if (ring == NULL) {
        fprintf(stderr, "sluice: %s: %s\n", log_level_names[level], record.text);
        return;
    }
    CHECK_OBJ(ring, LOG_RING_MAGIC);
    record.source = ring->source;
    TSAN_ACQUIRE(ring->records); /* places that the consumer has given back */
    struct log_record *place = ck_ring_enqueue_reserve_spsc_log(&ring->ring, ring->records);
    if (place == NULL) {
        __atomic_fetch_add(&ring->lost, 1, __ATOMIC_RELAXED);
        return;
    }
    *place = record;
    TSAN_RELEASE(ring);
    ck_ring_enqueue_commit_spsc(&ring->ring);
}

bool log_take(struct log_ring *ring, struct log_record *out)
{
    CHECK_OBJ(ring, LOG_RING_MAGIC);
    TSAN_ACQUIRE(ring);
    bool taken = ck_ring_dequeue_spsc_log(&ring->ring, ring->records, out);
    TSAN_RELEASE(ring->records);
    return taken;
}

uint64_t log_lost_take(struct log_ring *ring)
{
    CHECK_OBJ(ring, LOG_RING_MAGIC);
    return __atomic_exchange_n(&ring->lost, 0, __ATOMIC_RELAXED);
}

const char *log_level_name(enum log_level level)
{
    CHECK((unsigned)level < LOG_LEVEL_COUNT);
    return log_level_names[level];
}
