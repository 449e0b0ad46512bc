/*
 * output.h -- bytes that wait to be sent on one connection.
 *
 * A list of segments, in order. A segment is either a chunk of copied bytes, to which packets are
 * appended until it is full, or a reference to the payload of a message that is too large to copy
 * (OUTPUT_COPY_MAX). One send is in flight at a time; what is appended meanwhile goes with the
 * next. Appending behind the bytes of a chunk that is being sent is safe: the kernel was told its
 * length.
 *
 * Chunks come in four sizes, chosen by how much already waits, so that a connection with one small
 * packet uses 512 bytes and one in full flow 64 KiB a send. Free chunks are kept per shard,
 * bounded; an empty output owns nothing.
 *
 * Bounds: the caller looks at `bytes` before it appends; an output never refuses for size.
 *
 * Threads: the shard that owns the connection.
 */
#ifndef SLUICE_OUTPUT_H
#define SLUICE_OUTPUT_H

#include <sys/uio.h>

#include "bytes.h"
#include "msg.h"

#define OUTPUT_SIZES 4

/* Payloads above this are referred to instead of copied (a copy of 2 KiB costs about an iovec). */
#define OUTPUT_COPY_MAX 2048

/* Segments of one send. */
#define OUTPUT_IOV_MAX 64

/* A chunk of copied bytes, or a reference. */
struct output_segment {
    uint32_t magic;
    uint8_t size_class; /* OUTPUT_SIZES: of no class, freed after use */
    uint32_t capacity;
    uint32_t len;
    uint32_t sent;
    struct output_segment *next;
    struct msg *msg; /* a reference instead of bytes */
    uint8_t bytes[];
};

/* Free chunks of one shard. */
struct output_pool {
    struct output_segment *free[OUTPUT_SIZES];
    uint32_t free_count[OUTPUT_SIZES];
    shard_id self;
};

struct output {
    struct output_segment *first;
    struct output_segment *last;
    uint64_t bytes;   /* not yet accepted by the kernel */
    uint64_t sent;    /* since it was made */
    uint64_t open_to; /* 0: all may leave; n: only the first n - 1 bytes, those sent included */
};

/* How many of the bytes are held (gate.h), and how many may leave. */
static inline uint64_t output_held(const struct output *output)
{
    return LIKELY(output->open_to == 0) ? 0 : output->sent + output->bytes + 1 - output->open_to;
}

static inline uint64_t output_ready(const struct output *output)
{
    return output->bytes - output_held(output);
}

/* output_reserve where the last segment has no room, or there is none. */
MUST_USE uint8_t *output_reserve_new(struct output *output, struct output_pool *pool, uint32_t len);

/*
 * Room for `len` bytes at the end, in one piece, to be written by the caller at once. NULL without
 * memory: nothing happened. In line, since nearly every packet finds room behind the one before.
 */
static inline MUST_USE uint8_t *output_reserve(struct output *output, struct output_pool *pool,
                                               uint32_t len)
{
    struct output_segment *last = output->last;
    if (UNLIKELY(last == NULL) || UNLIKELY(last->msg != NULL) ||
        UNLIKELY(last->capacity - last->len < len))
        return output_reserve_new(output, pool, len);
    uint8_t *at = last->bytes + last->len;
    last->len += len;
    output->bytes += len;
    return at;
}

/*
 * Appends a copy of `data`, in as many pieces as the chunks make of it. False without memory: a
 * part may have been appended.
 */
MUST_USE bool output_copy(struct output *output, struct output_pool *pool, struct bytes data);

/* Appends a reference to the payload of `msg`, on which it takes one. False without memory. */
MUST_USE bool output_refer(struct output *output, struct output_pool *pool, struct msg *msg);

/*
 * The next bytes to send, none that is held: fills up to OUTPUT_IOV_MAX elements and returns how
 * many. At most `bytes_max` bytes. 0 if there are none.
 */
uint32_t output_gather(const struct output *output, struct iovec *iov, uint64_t bytes_max);

/* `sent` bytes have left: releases the segments that are done. */
void output_consume(struct output *output, struct output_pool *pool, uint64_t sent);

/* Throws away what is behind the first `keep` bytes, none of which is in flight. */
void output_truncate(struct output *output, struct output_pool *pool, uint64_t keep);

/* Throws everything away. No send may be in flight. */
void output_clear(struct output *output, struct output_pool *pool);

void output_pool_fini(struct output_pool *pool);

#endif
