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
    uint32_t len = STREAM_CHUNK_LEN_MIN;
    if (message_len_max > len)
        len = message_len_max;
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

void stream_advance(struct stream *stream, struct stream_pool *pool, uint32_t len)
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
