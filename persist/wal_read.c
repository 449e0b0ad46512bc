/*
 * wal_read.c -- reading records back.
 *
 * Requests gather during a turn. At its end those whose record is still in a batch in memory are
 * answered from there; the others are sorted by location and cut into windows: a window begins at
 * the block of its first record and takes in every record that begins less than WAL_WINDOW_LEN
 * behind it, plus a block for the last one's body. Draining a queue thus reads the log as it was
 * written, a quarter of a MiB at a time.
 *
 * The length of a record is only known when its header has been read. One that does not end within
 * its window gets a window of its own, of the right size. A record that is not whole, by its own
 * sum, is answered with RC_INVALID: a body is never given out that differs from what was appended.
 *
 * Bounds: WAL_READS_MAX requests, WAL_WINDOWS reads under way.
 * Threads: the shard's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "persist_stats.h"
#include "wal_inner.h"

#define WAL_REQUESTS_FIRST 64

bool wal_read_is_busy(const struct wal *wal)
{
    for (uint32_t i = 0; i < WAL_WINDOWS; i++)
        if (wal->windows[i].segment != NULL)
            return true;
    return false;
}

bool wal_read_is_asked(const struct wal *wal, const struct wal_segment *segment)
{
    for (uint32_t i = 0; i < wal->num_requests; i++)
        if (wal->requests[i].loc.word >= segment->base && wal->requests[i].loc.word < segment->end)
            return true;
    return false;
}

static bool wal_request_add(struct wal *wal, const struct wal_request *request)
{
    if (wal->num_requests == wal->requests_cap) {
        uint32_t cap = wal->requests_cap == 0 ? WAL_REQUESTS_FIRST : 2 * wal->requests_cap;
        struct wal_request *requests = mem_alloc(cap * sizeof(*requests));
        if (requests == NULL)
            return false;
        if (wal->num_requests > 0)
            memcpy(requests, wal->requests, wal->num_requests * sizeof(*requests));
        mem_free(wal->requests);
        wal->requests = requests;
        wal->requests_cap = cap;
    }
    wal->requests[wal->num_requests++] = *request;
    return true;
}

enum rc wal_read(struct wal *wal, struct wal_loc loc, wal_read_fn done, void *context, uint64_t tag)
{
    WAL_CHECK(wal);
    CHECK(!wal_loc_is_none(loc) && done != NULL);
    if (wal->num_reads >= WAL_READS_MAX)
        return RC_FULL;
    struct wal_request request = {.loc = loc, .done = done, .context = context, .tag = tag};
    if (!wal_request_add(wal, &request))
        return RC_NO_MEMORY;
    wal->num_reads++;
    return RC_OK;
}

void wal_read_cancel(struct wal *wal, const void *context)
{
    WAL_CHECK(wal);
    for (uint32_t i = 0; i < wal->num_requests; i++)
        if (wal->requests[i].context == context)
            wal->requests[i].done = NULL;
    for (uint32_t w = 0; w < WAL_WINDOWS; w++)
        for (uint32_t i = 0; i < wal->windows[w].num_requests; i++)
            if (wal->windows[w].requests[i].context == context)
                wal->windows[w].requests[i].done = NULL;
}

/* The request is over. `request` is a copy: `done` may make new ones. */
static void wal_read_answer(struct wal *wal, struct wal_request request, enum rc rc,
                            struct bytes body)
{
    CHECK(wal->num_reads > 0);
    wal->num_reads--;
    shard_count(wal->shard, STAT_WAL_READS, 1);
    if (rc != RC_OK)
        shard_count(wal->shard, STAT_WAL_ERRORS, 1);
    if (request.done != NULL)
        request.done(request.context, request.tag, rc, body);
}

/* ---- from memory ---- */

static void wal_read_batches(struct wal *wal)
{
    uint32_t num = wal->num_requests;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < num; i++) {
        struct wal_request request = wal->requests[i];
        uint64_t pos = request.loc.word;
        if (pos < wal->pos_committed) {
            wal->requests[kept++] = request;
            continue;
        }
        const struct wal_batch *batch = wal_batch_find(wal, pos);
        struct bytes body = {.ptr = NULL, .len = 0};
        if (batch != NULL) {
            const uint8_t *head = batch->buffer + WAL_BLOCK + (pos - batch->pos);
            body = bytes_of(head + WAL_RECORD_HEAD, wal_record_body_len(head));
        }
        wal_read_answer(wal, request, batch != NULL ? RC_OK : RC_INVALID, body);
    }
    /* Those that were made by `done` stand behind. */
    uint32_t added = wal->num_requests - num;
    memmove(&wal->requests[kept], &wal->requests[num], added * sizeof(*wal->requests));
    wal->num_requests = kept + added;
}

/* ---- from the disk ---- */

static int wal_request_compare(const void *a, const void *b)
{
    uint64_t pos_a = ((const struct wal_request *)a)->loc.word;
    uint64_t pos_b = ((const struct wal_request *)b)->loc.word;
    return pos_a < pos_b ? -1 : pos_a > pos_b;
}

static struct wal_window *wal_window_unused(struct wal *wal)
{
    for (uint32_t i = 0; i < WAL_WINDOWS; i++)
        if (wal->windows[i].segment == NULL)
            return &wal->windows[i];
    return NULL;
}

static void wal_window_release(struct wal_window *window)
{
    mem_free(window->buffer);
    mem_free(window->requests);
    memset(window, 0, sizeof(*window));
}

static void wal_window_submit(struct wal *wal, const struct wal_window *window)
{
    const struct wal_segment *segment = window->segment;
    uint32_t index = (uint32_t)(window - wal->windows);
    shard_count(wal->shard, STAT_WAL_READ_REQUESTS, 1);
    ring_file_read(wal->shard->ring, wal_token(WAL_OP_READ, index), segment->fd, window->buffer,
                   window->len, WAL_BLOCK + window->pos - segment->base);
}

/* How many of the sorted requests from `first` on fit one window, and how long that is. */
static uint32_t wal_window_measure(struct wal *wal, uint32_t first, const struct wal_segment *from,
                                   uint64_t *out_len)
{
    uint64_t pos = wal->requests[first].loc.word / WAL_BLOCK * WAL_BLOCK;
    uint64_t end = pos;
    uint32_t num = 0;
    for (uint32_t i = first; i < wal->num_requests; i++) {
        const struct wal_request *request = &wal->requests[i];
        if (request->loc.word >= from->end ||
            (num > 0 && request->loc.word - pos >= WAL_WINDOW_LEN))
            break;
        uint64_t wanted = request->len != 0 ? request->len : WAL_BLOCK;
        if (wal_round(request->loc.word + wanted) > end)
            end = wal_round(request->loc.word + wanted);
        num++;
    }
    *out_len = (end < from->end ? end : from->end) - pos;
    return num;
}

/* Starts the read of the first of the sorted requests from `first` on; 0: not possible now. */
static uint32_t wal_window_start(struct wal *wal, uint32_t first)
{
    struct wal_window *window = wal_window_unused(wal);
    uint64_t pos = wal->requests[first].loc.word;
    struct wal_segment *segment = wal_segment_find(wal, pos);
    if (segment == NULL || pos >= segment->end) {
        /* A segment that is lost; the caller's array may move under the answer. */
        wal_read_answer(wal, wal->requests[first], RC_INVALID, (struct bytes){.ptr = NULL});
        return 1;
    }
    if (window == NULL)
        return 0;
    uint64_t len;
    uint32_t num = wal_window_measure(wal, first, segment, &len);
    CHECK(num > 0 && len > 0 && len <= UINT32_MAX);
    window->buffer = mem_alloc_aligned(WAL_BLOCK, len);
    window->requests = mem_alloc(num * sizeof(*window->requests));
    if (window->buffer == NULL || window->requests == NULL) {
        wal_window_release(window);
        return 0;
    }
    memcpy(window->requests, &wal->requests[first], num * sizeof(*window->requests));
    window->num_requests = num;
    window->segment = segment;
    window->pos = pos / WAL_BLOCK * WAL_BLOCK;
    window->len = (uint32_t)len;
    segment->windows++;
    wal_window_submit(wal, window);
    return num;
}

void wal_read_step(struct wal *wal)
{
    if (wal->num_requests == 0)
        return;
    wal_read_batches(wal);
    qsort(wal->requests, wal->num_requests, sizeof(*wal->requests), wal_request_compare);
    uint32_t done = 0;
    while (done < wal->num_requests && wal->requests[done].loc.word < wal->pos_committed) {
        uint32_t num = wal_window_start(wal, done);
        if (num == 0)
            break;
        done += num;
    }
    CHECK(done <= wal->num_requests);
    wal->num_requests -= done;
    memmove(wal->requests, &wal->requests[done], wal->num_requests * sizeof(*wal->requests));
}

/* The answer for one request out of a window that was read; false: it needs a longer one. */
static bool wal_window_answer(struct wal *wal, const struct wal_window *window, uint32_t got,
                              struct wal_request *request)
{
    CHECK(request->loc.word >= window->pos && got <= window->len);
    uint64_t at = request->loc.word - window->pos;
    uint64_t room = window->segment->end - request->loc.word;
    const uint8_t *head = window->buffer + at;
    struct bytes none = {.ptr = NULL, .len = 0};
    if (at + WAL_RECORD_HEAD <= got) {
        uint64_t len = WAL_RECORD_HEAD + (uint64_t)wal_record_body_len(head);
        if (len > room || len > WAL_RECORD_HEAD + WAL_RECORD_LEN_MAX) {
            wal_read_answer(wal, *request, RC_INVALID, none);
            return true;
        }
        if (at + len <= got) {
            bool is_valid = wal_record_is_valid(wal->log_id, request->loc.word, head);
            wal_read_answer(wal, *request, is_valid ? RC_OK : RC_INVALID,
                            is_valid ? bytes_of(head + WAL_RECORD_HEAD, len - WAL_RECORD_HEAD)
                                     : none);
            return true;
        }
        if (request->len == len) {
            wal_read_answer(wal, *request, RC_IO, none); /* the file is shorter than it was */
            return true;
        }
        request->len = (uint32_t)len;
        return false;
    }
    if (request->len != 0) {
        wal_read_answer(wal, *request, RC_IO, none);
        return true;
    }
    request->len = 2 * WAL_BLOCK; /* the header lies across the end of the window */
    return false;
}

void wal_read_done(struct wal *wal, uint32_t index, int32_t result)
{
    CHECK(index < WAL_WINDOWS && wal->windows[index].segment != NULL);
    struct wal_window *window = &wal->windows[index];
    struct bytes none = {.ptr = NULL, .len = 0};
    if ((result == -EINTR || result == -EAGAIN) && !wal->is_closing) {
        wal_window_submit(wal, window);
        return;
    }
    for (uint32_t i = 0; i < window->num_requests; i++) {
        struct wal_request *request = &window->requests[i];
        if (result < 0) {
            wal_read_answer(wal, *request, RC_IO, none);
            continue;
        }
        if (!wal_window_answer(wal, window, (uint32_t)result, request) &&
            !wal_request_add(wal, request))
            wal_read_answer(wal, *request, RC_NO_MEMORY, none);
    }
    CHECK(window->segment->windows > 0);
    window->segment->windows--;
    wal->is_free_dirty = true;
    wal_window_release(window);
}

void wal_read_fini(struct wal *wal)
{
    CHECK(!wal_read_is_busy(wal));
    mem_free(wal->requests);
    wal->requests = NULL;
    wal->num_requests = 0;
}
