/*
 * output.c -- see output.h.
 * Threads: see output.h.
 */
#include "output.h"

#include "mem.h"

#include <string.h>

#define OUTPUT_MAGIC 0x4f555450u

static const uint32_t output_sizes[OUTPUT_SIZES] = {512, 4096, 16384, 65536};

/* Free chunks that a shard keeps: 1 MiB of each size, 4 MiB of the largest. */
static const uint32_t output_free_max[OUTPUT_SIZES] = {2048, 256, 64, 64};

static struct output_segment *output_segment_alloc(uint32_t capacity, uint8_t size_class)
{
    struct output_segment *segment = mem_alloc(sizeof(*segment) + capacity);
    if (segment == NULL)
        return NULL;
    segment->magic = OUTPUT_MAGIC;
    segment->size_class = size_class;
    segment->capacity = capacity;
    return segment;
}

static struct output_segment *output_segment_get(struct output_pool *pool, uint64_t waiting,
                                                 uint32_t len)
{
    uint8_t class = 0;
    uint64_t want = waiting > len ? waiting : len;
    while (class < OUTPUT_SIZES - 1 && output_sizes[class] - sizeof(struct output_segment) < want)
        class ++;
    uint32_t capacity = output_sizes[class] - (uint32_t)sizeof(struct output_segment);
    struct output_segment *segment;
    if (len > capacity) {
        segment = output_segment_alloc(len, OUTPUT_SIZES);
    } else if (pool->free[class] != NULL) {
        segment = pool->free[class];
        pool->free[class] = segment->next;
        pool->free_count[class]--;
    } else {
        segment = output_segment_alloc(capacity, class);
    }
    if (segment == NULL)
        return NULL;
    CHECK_OBJ(segment, OUTPUT_MAGIC);
    segment->len = 0;
    segment->sent = 0;
    segment->next = NULL;
    segment->msg = NULL;
    return segment;
}

static void output_segment_put(struct output_pool *pool, struct output_segment *segment)
{
    CHECK_OBJ(segment, OUTPUT_MAGIC);
    if (segment->msg != NULL)
        msg_unref(segment->msg, pool->self);
    uint8_t class = segment->size_class;
    if (class < OUTPUT_SIZES && pool->free_count[class] < output_free_max[class]) {
        segment->next = pool->free[class];
        pool->free[class] = segment;
        pool->free_count[class]++;
        return;
    }
    segment->magic = 0;
    mem_free(segment);
}

static void output_append(struct output *output, struct output_segment *segment)
{
    if (output->last != NULL)
        output->last->next = segment;
    else
        output->first = segment;
    output->last = segment;
}

uint8_t *output_reserve_new(struct output *output, struct output_pool *pool, uint32_t len)
{
    CHECK(len > 0);
    struct output_segment *segment = output_segment_get(pool, output->bytes, len);
    if (segment == NULL)
        return NULL;
    output_append(output, segment);
    segment->len = len;
    output->bytes += len;
    return segment->bytes;
}

bool output_copy(struct output *output, struct output_pool *pool, struct bytes data)
{
    const uint32_t most = output_sizes[OUTPUT_SIZES - 1] - (uint32_t)sizeof(struct output_segment);
    while (data.len > 0) {
        const struct output_segment *last = output->last;
        uint32_t room = last == NULL || last->msg != NULL ? 0 : last->capacity - last->len;
        uint32_t part = room > 0 ? room : most;
        if (part > data.len)
            part = data.len;
        uint8_t *at = output_reserve(output, pool, part);
        if (at == NULL)
            return false;
        memcpy(at, data.ptr, part);
        data.ptr += part;
        data.len -= part;
    }
    return true;
}

bool output_refer(struct output *output, struct output_pool *pool, struct msg *msg)
{
    CHECK(msg->pub.payload.len > 0);
    struct output_segment *segment = output_segment_alloc(0, OUTPUT_SIZES);
    if (segment == NULL)
        return false;
    segment->len = msg->pub.payload.len;
    segment->sent = 0;
    segment->next = NULL;
    segment->msg = msg;
    msg_ref(msg, pool->self);
    output_append(output, segment);
    output->bytes += segment->len;
    return true;
}

uint32_t output_gather(const struct output *output, struct iovec *iov, uint64_t bytes_max)
{
    uint32_t count = 0;
    uint64_t total = 0;
    if (UNLIKELY(output->open_to != 0) && bytes_max > output_ready(output))
        bytes_max = output_ready(output);
    for (struct output_segment *segment = output->first;
         segment != NULL && count < OUTPUT_IOV_MAX && total < bytes_max; segment = segment->next) {
        if (segment->len == segment->sent)
            continue;
        const uint8_t *bytes = segment->msg != NULL ? segment->msg->pub.payload.ptr
                                                    : segment->bytes;
        uint64_t len = segment->len - segment->sent;
        if (len > bytes_max - total)
            len = bytes_max - total;
        iov[count].iov_base = (void *)(uintptr_t)(bytes + segment->sent);
        iov[count].iov_len = len;
        total += len;
        count++;
    }
    return count;
}

void output_consume(struct output *output, struct output_pool *pool, uint64_t sent)
{
    CHECK(sent <= output_ready(output));
    output->bytes -= sent;
    output->sent += sent;
    while (output->first != NULL) {
        struct output_segment *segment = output->first;
        uint64_t part = segment->len - segment->sent;
        if (part > sent)
            part = sent;
        segment->sent += (uint32_t)part;
        sent -= part;
        if (segment->sent < segment->len)
            break;
        output->first = segment->next;
        if (output->first == NULL)
            output->last = NULL;
        output_segment_put(pool, segment);
    }
    CHECK(sent == 0);
}

void output_truncate(struct output *output, struct output_pool *pool, uint64_t keep)
{
    CHECK(keep <= output->bytes);
    if (keep == output->bytes)
        return;
    output->bytes = keep;
    struct output_segment *rest = output->first;
    output->first = NULL;
    output->last = NULL;
    while (rest != NULL) {
        struct output_segment *segment = rest;
        rest = segment->next;
        segment->next = NULL;
        if (keep == 0) {
            output_segment_put(pool, segment);
            continue;
        }
        uint64_t part = segment->len - segment->sent;
        if (part > keep) {
            segment->len = segment->sent + (uint32_t)keep;
            part = keep;
        }
        keep -= part;
        output_append(output, segment);
    }
    CHECK(keep == 0);
}

void output_clear(struct output *output, struct output_pool *pool)
{
    while (output->first != NULL) {
        struct output_segment *segment = output->first;
        output->first = segment->next;
        output_segment_put(pool, segment);
    }
    output->last = NULL;
    output->bytes = 0;
}

void output_pool_fini(struct output_pool *pool)
{
    for (unsigned class = 0; class < OUTPUT_SIZES; class ++) {
        while (pool->free[class] != NULL) {
            struct output_segment *segment = pool->free[class];
            pool->free[class] = segment->next;
            segment->magic = 0;
            mem_free(segment);
        }
        pool->free_count[class] = 0;
    }
}
