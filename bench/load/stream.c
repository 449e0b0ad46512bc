/*
 * stream.c -- see stream.h.
 *
 * Threads: the worker of the connection only.
 */
#include "stream.h"

#include "heap.h"

#include <stdlib.h>
#include <unistd.h>

void stream_pool_init(struct stream_pool *pool, uint32_t message_len_max)
{
    uint32_t len = message_len_max + 2 * WEB_HEADER_LEN_MAX + WEB_CONTROL_LEN_MAX;
    if (len < STREAM_CHUNK_LEN_MIN)
        len = STREAM_CHUNK_LEN_MIN;
    *pool = (struct stream_pool){.chunk_len = len};
}

void stream_pool_fini(struct stream_pool *pool)
{
    while (pool->free != NULL) {
        struct stream_chunk *chunk = pool->free;
        pool->free = chunk->next;
        free(chunk);
    }
}

static struct stream_chunk *stream_chunk_take(struct stream_pool *pool)
{
    struct stream_chunk *chunk = pool->free;
    if (chunk != NULL)
        pool->free = chunk->next;
    else
        chunk = heap_resized(NULL, 1, sizeof(*chunk) + pool->chunk_len);
    chunk->next = NULL;
    chunk->len = 0;
    return chunk;
}

static void stream_chunk_give(struct stream_pool *pool, struct stream_chunk *chunk)
{
    chunk->next = pool->free;
    pool->free = chunk;
}

void stream_init(struct stream *stream, int fd)
{
    *stream = (struct stream){.fd = fd};
}

void stream_fini(struct stream *stream, struct stream_pool *pool)
{
    CHECK(!stream->is_in_flight);
    while (stream->first != NULL) {
        struct stream_chunk *chunk = stream->first;
        stream->first = chunk->next;
        stream_chunk_give(pool, chunk);
    }
    if (stream->wire != NULL)
        stream_chunk_give(pool, stream->wire);
    web_close(stream->web);
    secure_close(stream->secure);
    if (stream->fd >= 0)
        close(stream->fd);
    *stream = (struct stream){.fd = -1, .is_broken = true};
}

uint8_t *stream_reserve(struct stream *stream, struct stream_pool *pool, uint32_t len,
                        uint32_t *out_room)
{
    CHECK(len <= pool->chunk_len);
    struct stream_chunk *last = stream->last;
    if (last == NULL || pool->chunk_len - last->len < len) {
        struct stream_chunk *chunk = stream_chunk_take(pool);
        if (last != NULL)
            last->next = chunk;
        else
            stream->first = chunk;
        stream->last = chunk;
        stream->num_chunks++;
        last = chunk;
    }
    *out_room = pool->chunk_len - last->len;
    return last->data + last->len;
}

/* `len` bytes of the first chunk are on their way. */
static void stream_advance_packets(struct stream *stream, struct stream_pool *pool, uint32_t len)
{
    struct stream_chunk *first = stream->first;
    CHECK(first != NULL && stream->sent + len <= first->len);
    stream->sent += len;
    if (stream->sent < first->len)
        return;
    CHECK(stream->num_chunks > 0);
    stream->first = first->next;
    if (stream->first == NULL)
        stream->last = NULL;
    stream->num_chunks--;
    stream->sent = 0;
    stream_chunk_give(pool, first);
}

void stream_put_raw(struct stream *stream, struct stream_pool *pool, const void *bytes,
                    uint32_t len)
{
    CHECK(stream->web != NULL && stream->wire == NULL && len <= pool->chunk_len);
    stream->wire = stream_chunk_take(pool);
    stream->wire_sent = 0;
    stream->wire->len = len;
    memcpy(stream->wire->data, bytes, len);
    stream->num_chunks++;
}

const uint8_t *stream_peek_wire(struct stream *stream, struct stream_pool *pool, uint32_t *out_len)
{
    if (stream->wire == NULL) {
        struct bytes packets = bytes_of("", 0);
        uint32_t used;
        if (stream_has_packets(stream))
            packets = bytes_of(stream->first->data + stream->sent,
                               stream->first->len - stream->sent);
        stream->wire = stream_chunk_take(pool);
        stream->wire_sent = 0;
        stream->wire->len = web_write(stream->web, stream->wire->data, pool->chunk_len, packets,
                                      &used);
        stream->num_chunks++;
        if (used > 0)
            stream_advance_packets(stream, pool, used);
    }
    *out_len = stream->wire->len - stream->wire_sent;
    return stream->wire->data + stream->wire_sent;
}

void stream_advance(struct stream *stream, struct stream_pool *pool, uint32_t len)
{
    if (LIKELY(stream->web == NULL)) {
        stream_advance_packets(stream, pool, len);
        return;
    }
    struct stream_chunk *wire = stream->wire;
    CHECK(wire != NULL && stream->wire_sent + len <= wire->len);
    stream->wire_sent += len;
    if (stream->wire_sent < wire->len)
        return;
    stream->wire = NULL;
    stream->num_chunks--;
    stream_chunk_give(pool, wire);
}
