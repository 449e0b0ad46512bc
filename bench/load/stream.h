/*
 * stream.h -- a connection's output: chunks of bytes waiting for the kernel.
 *
 * Whoever has something to say reserves room in the last chunk, writes, and commits; the poller
 * sends chunk after chunk, one send in flight. Chunks come from the worker's pool and exist only
 * while there is output, so ten thousand quiet clients cost none. The pool hands out the chunk
 * returned last: with few busy clients the bytes stay in the cache.
 *
 *     first (being sent from `sent` on) -> ... -> last (being filled)
 *
 * With WebSocket what was written is put into frames when it is to be sent: `wire`, a chunk by
 * itself, takes as much of the first chunk as fits, and `sent` counts what it has taken.
 *
 * Bounds: a chunk holds STREAM_CHUNK_LEN_MIN bytes, or one message in its frame if that is longer.
 * Publishers stop at STREAM_CHUNKS_AHEAD; acknowledgements have no bound but what the broker sends.
 *
 * Threads: the worker of the connection only.
 */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include "check.h"
#include "secure.h"
#include "web.h"

#define STREAM_CHUNK_LEN_MIN 65536

/* A publisher fills no further chunk while so many wait: one in flight, one ready. */
#define STREAM_CHUNKS_AHEAD 2

struct stream_chunk {
    struct stream_chunk *next;
    uint32_t len; /* committed */
    uint8_t data[];
};

struct stream_pool {
    struct stream_chunk *free;
    uint32_t chunk_len;
};

struct stream {
    int fd;                /* -1 when closed */
    struct secure *secure; /* owned; NULL: without TLS */
    struct web *web;       /* owned; NULL: without WebSocket */
    uint32_t num_chunks;   /* in the queue, and `wire` */
    struct stream_chunk *first;
    struct stream_chunk *last;
    struct stream_chunk *wire; /* frames being sent; NULL: none, or without WebSocket */
    uint32_t wire_sent;        /* bytes of `wire` that the kernel has taken */
    uint32_t sent;             /* bytes of `first` that the kernel, or `wire`, has taken */
    bool is_in_flight;         /* the poller has a send under way (or waits for room) */
    bool is_paused;            /* nothing is received any more, on purpose */
    bool is_broken;            /* no more input or output; kept until the end of the run */
};

/* Chunks hold the longest message with what WebSocket puts before it. */
void stream_pool_init(struct stream_pool *pool, uint32_t message_len_max);
void stream_pool_fini(struct stream_pool *pool);

void stream_init(struct stream *stream, int fd);

/* Closes the descriptor and returns the chunks. Not while a send is in flight. */
void stream_fini(struct stream *stream, struct stream_pool *pool);

/* At least `len` bytes of room; *out_room is how much there is. Valid until the next call. */
uint8_t *stream_reserve(struct stream *stream, struct stream_pool *pool, uint32_t len,
                        uint32_t *out_room);

static inline void stream_commit(struct stream *stream, uint32_t len)
{
    CHECK(stream->last != NULL);
    stream->last->len += len;
}

static inline bool stream_has_packets(const struct stream *stream)
{
    return stream->first != NULL && stream->sent < stream->first->len;
}

static inline bool stream_has_output(const struct stream *stream)
{
    return stream_has_packets(stream) || stream->wire != NULL ||
           (stream->web != NULL && web_has_answer(stream->web));
}

/* What is in frames and to be sent next; for stream_peek. */
const uint8_t *stream_peek_wire(struct stream *stream, struct stream_pool *pool, uint32_t *out_len);

/* What is to be sent next. stream_has_output must hold. */
static inline const uint8_t *stream_peek(struct stream *stream, struct stream_pool *pool,
                                         uint32_t *out_len)
{
    CHECK(stream_has_output(stream));
    if (UNLIKELY(stream->web != NULL))
        return stream_peek_wire(stream, pool, out_len);
    *out_len = stream->first->len - stream->sent;
    return stream->first->data + stream->sent;
}

/* Bytes that go out as they are, before all else: the request for an upgrade. */
void stream_put_raw(struct stream *stream, struct stream_pool *pool, const void *bytes,
                    uint32_t len);

/* The kernel has taken `len` bytes: a chunk that is used up goes back to the pool. */
void stream_advance(struct stream *stream, struct stream_pool *pool, uint32_t len);

#endif
