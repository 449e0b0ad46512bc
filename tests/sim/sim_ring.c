/*
 * sim_ring.c -- engine/ring.h on false sockets: an io_uring whose kernel is moody.
 *
 * Requests are queued until ring_enter. There each pending operation that could go on does so or
 * not, by chance, in random order: late, in small pieces, with errors. What holds for the kernel
 * holds here: an operation keeps its file alive; the bytes of a send are read at the moment of its
 * completion (the latest possible, so that output that was freed too early is seen by the address
 * sanitizer); a receive picks its buffer when it completes and ends with ENOBUFS without one; a
 * multishot operation goes on until a completion comes without RING_MORE; a cancelled operation
 * completes with ECANCELED, then the cancellation does.
 *
 * Free buffers are poisoned, so that reading one that was given back is seen too.
 */
#include "sim_ring.h"

#include <errno.h>
#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>

#include "op.h"
#include "sim_base.h"
#include "sim_disk.h"
#include "sim_socket.h"
#include "sim_system.h"

#define SIM_RING_FD_FIRST 500
#define SIM_RINGS_MAX     16
#define SIM_BUFFER_FLAG   0x1u
#define SIM_BUFFER_SHIFT  16

enum sim_op_kind {
    SIM_ACCEPT,
    SIM_RECV,
    SIM_SEND,
    SIM_POLL,
    SIM_CANCEL,
    SIM_WAKE,
    SIM_FILE_OPEN,
    SIM_FILE_CLOSE,
    SIM_FILE_READ,
    SIM_FILE_WRITE,
    SIM_FILE_ALLOCATE,
    SIM_FILE_SYNC,
    SIM_FILE_RENAME,
    SIM_FILE_REMOVE,
};

struct sim_op {
    enum sim_op_kind kind;
    bool multishot;
    uint64_t token;
    uint64_t target; /* SIM_CANCEL: a token; SIM_WAKE: a ring's descriptor */
    struct sim_file *file;
    struct bytes data;            /* SIM_SEND */
    const struct msghdr *message; /* SIM_SEND: gathered */
    int fd;                       /* of the false disk, as the rest */
    uint32_t len;
    unsigned flags;
    bool durable;
    uint64_t offset;
    void *to;
    char *path; /* copies, as the kernel's */
    char *path_to;
};

struct sim_ops {
    struct sim_op *items;
    size_t len;
    size_t capacity;
};

struct ring {
    int fd;
    bool holds_writes;
    uint32_t buffer_count;
    uint32_t buffer_size;
    uint8_t *buffer_bytes;
    uint16_t *buffers_free;
    uint32_t num_free;
    uint32_t num_queued; /* buffers in completions that were not taken yet */
    struct sim_ops submitted;
    struct sim_ops pending;
    struct completion *queue;
    size_t queue_head;
    size_t queue_len;
    size_t queue_capacity;
};

struct sim_kernel sim_kernel;

static struct ring *sim_rings[SIM_RINGS_MAX];

/* ---- queues ---- */

static void sim_ops_add(struct sim_ops *ops, const struct sim_op *op)
{
    if (ops->len == ops->capacity) {
        ops->capacity = ops->capacity * 2 + 16;
        ops->items = realloc(ops->items, ops->capacity * sizeof(*ops->items));
        SIM_CHECK(ops->items != NULL, "out of memory");
    }
    ops->items[ops->len++] = *op;
}

static void sim_complete(struct ring *ring, uint64_t token, int32_t result, uint32_t flags)
{
    if (ring->queue_head + ring->queue_len == ring->queue_capacity) {
        if (ring->queue_head > 0)
            memmove(ring->queue, ring->queue + ring->queue_head,
                    ring->queue_len * sizeof(*ring->queue));
        ring->queue_head = 0;
        if (ring->queue_len == ring->queue_capacity) {
            ring->queue_capacity = ring->queue_capacity * 2 + 64;
            ring->queue = realloc(ring->queue, ring->queue_capacity * sizeof(*ring->queue));
            SIM_CHECK(ring->queue != NULL, "out of memory");
        }
    }
    ring->queue[ring->queue_head + ring->queue_len++] = (struct completion){
        .token = token, .result = result, .flags = flags};
}

static void sim_op_free(const struct sim_op *op)
{
    if (op->file != NULL)
        sim_file_unref(op->file);
    free(op->path);
    free(op->path_to);
}

/* Completes an operation for good. */
static void sim_op_end(struct ring *ring, size_t index, int32_t result, uint32_t flags)
{
    struct sim_op op = ring->pending.items[index];
    ring->pending.items[index] = ring->pending.items[--ring->pending.len];
    sim_complete(ring, op.token, result, flags);
    sim_op_free(&op);
}

/* ---- what operations do; each answers false if the operation has ended ---- */

static bool sim_accept(struct ring *ring, size_t index)
{
    struct sim_op *op = &ring->pending.items[index];
    struct sim_file *listener = op->file;
    if (listener->shut) {
        sim_op_end(ring, index, -EINVAL, 0);
        return false;
    }
    if (listener->backlog_len == 0)
        return true;
    if (sim_chance(sim_kernel.accept_error)) {
        static const int errors[] = {-ECONNABORTED, -EMFILE, -ENFILE, -ENOBUFS};
        sim_op_end(ring, index, errors[sim_below(4)], 0);
        return false;
    }
    int fd = sim_listener_accept(listener);
    if (!op->multishot || sim_chance(sim_kernel.receive_end)) {
        sim_op_end(ring, index, fd, 0);
        return false;
    }
    sim_complete(ring, op->token, fd, RING_MORE);
    return true;
}

static bool sim_recv_data(struct ring *ring, size_t index)
{
    struct sim_op *op = &ring->pending.items[index];
    struct sim_file *socket = op->file;
    if (ring->num_free == 0) {
        sim_op_end(ring, index, -ENOBUFS, 0);
        return false;
    }
    uint32_t at = sim_below(ring->num_free);
    uint16_t buffer = ring->buffers_free[at];
    ring->buffers_free[at] = ring->buffers_free[--ring->num_free];
    ring->num_queued++;
    uint8_t *bytes = ring->buffer_bytes + (size_t)buffer * ring->buffer_size;
    uint32_t most = sim_kernel.receive_most < ring->buffer_size ? sim_kernel.receive_most
                                                                : ring->buffer_size;
    uint32_t want = sim_size(most);
    ASAN_UNPOISON_MEMORY_REGION(bytes, ring->buffer_size);
    uint32_t len = (uint32_t)sim_pipe_take(&socket->in, bytes, want);
    uint32_t flags = SIM_BUFFER_FLAG | ((uint32_t)buffer << SIM_BUFFER_SHIFT);
    if (!op->multishot || sim_chance(sim_kernel.receive_end)) {
        sim_op_end(ring, index, (int32_t)len, flags);
        return false;
    }
    sim_complete(ring, op->token, (int32_t)len, flags | RING_MORE);
    return true;
}

static bool sim_recv(struct ring *ring, size_t index)
{
    struct sim_file *socket = ring->pending.items[index].file;
    int32_t result = 1;
    if (sim_chance(sim_kernel.interrupt))
        result = -EINTR;
    else if (sim_chance(sim_kernel.no_buffers))
        result = -ENOBUFS;
    else if (socket->broker_deaf)
        result = 0;
    else if (socket->in.len > 0)
        return sim_recv_data(ring, index);
    else if (socket->reset)
        result = -ECONNRESET;
    else if (socket->client_fin)
        result = 0;
    if (result > 0)
        return true;
    sim_op_end(ring, index, result, 0);
    return false;
}

/* Moves up to `most` bytes of what the operation names to the client. */
static size_t sim_send_bytes(const struct sim_op *op, size_t most)
{
    struct sim_file *socket = op->file;
    struct iovec one = {.iov_base = (void *)(uintptr_t)op->data.ptr, .iov_len = op->data.len};
    const struct iovec *iov = op->message != NULL ? op->message->msg_iov : &one;
    size_t iov_len = op->message != NULL ? op->message->msg_iovlen : 1;
    size_t sent = 0;
    for (size_t i = 0; i < iov_len && sent < most; i++) {
        size_t part = iov[i].iov_len < most - sent ? iov[i].iov_len : most - sent;
        SIM_CHECK(part > 0, "an empty element in a gathered send");
        if (socket->client_closed)
            sent += part; /* nobody reads them */
        else
            sent += sim_pipe_put(&socket->out, iov[i].iov_base, part);
    }
    return sent;
}

static bool sim_send(struct ring *ring, size_t index)
{
    struct sim_file *socket = ring->pending.items[index].file;
    if (sim_chance(sim_kernel.send_error)) {
        socket->injured = true;
        sim_socket_break(socket);
    }
    if (socket->client_closed && sim_chance(300))
        socket->reset = true; /* the client's machine answers that nobody listens */
    if (socket->reset || socket->broker_fin) {
        sim_op_end(ring, index, socket->broker_fin ? -EPIPE : -ECONNRESET, 0);
        return false;
    }
    if (sim_chance(sim_kernel.interrupt)) {
        sim_op_end(ring, index, -EINTR, 0);
        return false;
    }
    size_t room = sim_socket_room(socket);
    if (room == 0)
        return true;
    uint32_t most = sim_size(sim_kernel.send_most);
    size_t sent = sim_send_bytes(&ring->pending.items[index], room < most ? room : most);
    sim_op_end(ring, index, (int32_t)sent, 0);
    return false;
}

static bool sim_poll(struct ring *ring, size_t index)
{
    struct sim_op *op = &ring->pending.items[index];
    if (!op->file->news)
        return true;
    op->file->news = false;
    if (sim_chance(sim_kernel.receive_end)) {
        sim_op_end(ring, index, 1, 0);
        return false;
    }
    sim_complete(ring, op->token, 1, RING_MORE);
    return true;
}

static int32_t sim_file_result(const struct sim_op *op)
{
    switch (op->kind) {
    case SIM_FILE_OPEN:
        return sim_disk_open(op->path, op->flags);
    case SIM_FILE_CLOSE:
        return sim_disk_close(op->fd);
    case SIM_FILE_READ:
        return sim_disk_read(op->fd, op->to, op->len, op->offset);
    case SIM_FILE_WRITE:
        return sim_disk_write(op->fd, op->data.ptr, op->data.len, op->offset, op->durable);
    case SIM_FILE_ALLOCATE:
        return sim_disk_allocate(op->fd, op->offset);
    case SIM_FILE_SYNC:
        return sim_disk_sync(op->fd);
    case SIM_FILE_RENAME:
        return sim_disk_rename(op->path, op->path_to);
    case SIM_FILE_REMOVE:
        return sim_disk_remove(op->path);
    default:
        SIM_FAIL("an operation that cannot be pending");
    }
}

static bool sim_op_go(struct ring *ring, size_t index)
{
    switch (ring->pending.items[index].kind) {
    case SIM_ACCEPT:
        return sim_accept(ring, index);
    case SIM_RECV:
        return sim_recv(ring, index);
    case SIM_SEND:
        return sim_send(ring, index);
    case SIM_POLL:
        return sim_poll(ring, index);
    default:
        sim_op_end(ring, index, sim_file_result(&ring->pending.items[index]), 0);
        return false;
    }
}

static bool sim_op_can_go(const struct ring *ring, const struct sim_op *op)
{
    const struct sim_file *file = op->file;
    switch (op->kind) {
    case SIM_ACCEPT:
        return file->shut || file->backlog_len > 0;
    case SIM_RECV:
        return file->broker_deaf || file->in.len > 0 || file->reset || file->client_fin;
    case SIM_SEND:
        return file->reset || file->broker_fin || file->client_closed || sim_socket_room(file) > 0;
    case SIM_POLL:
        return file->news;
    case SIM_FILE_WRITE:
    case SIM_FILE_SYNC:
        return !ring->holds_writes;
    default:
        return true;
    }
}

/* ---- submission ---- */

static void sim_cancel(struct ring *ring, const struct sim_op *op)
{
    int32_t result = -ENOENT;
    for (size_t i = 0; i < ring->pending.len; i++) {
        if (ring->pending.items[i].token != op->target)
            continue;
        sim_op_end(ring, i, -ECANCELED, 0);
        result = 0;
        break;
    }
    sim_complete(ring, op->token, result, 0);
}

static void sim_wake(struct ring *ring, const struct sim_op *op)
{
    struct ring *target = NULL;
    if (op->target - SIM_RING_FD_FIRST < SIM_RINGS_MAX)
        target = sim_rings[op->target - SIM_RING_FD_FIRST];
    if (target == NULL)
        sim_complete(ring, op->token, -EBADF, 0);
    else if (sim_chance(sim_kernel.wake_error))
        sim_complete(ring, op->token, sim_chance(500) ? -EAGAIN : -EOVERFLOW, 0);
    else
        sim_complete(target, op_token(OP_NONE, 0, 0), 0, 0);
}

static void sim_submit(struct ring *ring)
{
    for (size_t i = 0; i < ring->submitted.len; i++) {
        const struct sim_op *op = &ring->submitted.items[i];
        if (op->kind == SIM_CANCEL)
            sim_cancel(ring, op);
        else if (op->kind == SIM_WAKE)
            sim_wake(ring, op);
        else
            sim_ops_add(&ring->pending, op);
    }
    ring->submitted.len = 0;
}

enum rc ring_enter(struct ring *ring, uint64_t wait_ns)
{
    /* Shards sleep outside their turn; only a log that is flushed waits here. */
    sim_clock_advance(wait_ns / 64);
    SIM_CHECK(ring->num_free + ring->num_queued == ring->buffer_count,
              "a receive buffer was not given back within the turn");
    sim_submit(ring);
    /* Each in random order: swap the chosen one behind those that had their turn. */
    for (size_t left = ring->pending.len; left > 0; left--) {
        if (left > ring->pending.len)
            continue; /* some have ended */
        size_t index = sim_below((uint32_t)left);
        struct sim_op op = ring->pending.items[index];
        ring->pending.items[index] = ring->pending.items[left - 1];
        ring->pending.items[left - 1] = op;
        unsigned times = op.multishot ? 1 + sim_below(3) : 1;
        while (times-- > 0 && sim_op_can_go(ring, &ring->pending.items[left - 1]) &&
               sim_chance(sim_kernel.progress))
            if (!sim_op_go(ring, left - 1))
                break;
    }
    return RC_OK;
}

bool sim_ring_has_work(const struct ring *ring)
{
    if (ring->queue_len > 0 || ring->submitted.len > 0)
        return true;
    for (size_t i = 0; i < ring->pending.len; i++)
        if (sim_op_can_go(ring, &ring->pending.items[i]))
            return true;
    return false;
}

void sim_ring_hold_writes(struct ring *ring, bool held)
{
    ring->holds_writes = held;
}

unsigned sim_ring_count(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SIM_RINGS_MAX; i++)
        count += sim_rings[i] != NULL;
    return count;
}

/* ---- the rest of engine/ring.h ---- */

enum rc ring_probe(char *out_reason, size_t reason_size)
{
    (void)out_reason;
    (void)reason_size;
    return RC_OK;
}

enum rc ring_create(struct ring **out_ring, const struct ring_buffers *config)
{
    struct ring *ring = calloc(1, sizeof(*ring));
    unsigned place = 0;
    while (place < SIM_RINGS_MAX && sim_rings[place] != NULL)
        place++;
    SIM_CHECK(ring != NULL && place < SIM_RINGS_MAX, "too many rings");
    /* Far fewer than asked for, all of one size, so that they run out. */
    ring->buffer_count = config->small_count < 8 ? config->small_count : 8;
    ring->buffer_size = config->small_size < 4096 ? config->small_size : 4096;
    ring->buffer_bytes = malloc((size_t)ring->buffer_count * ring->buffer_size);
    ring->buffers_free = calloc(ring->buffer_count, sizeof(*ring->buffers_free));
    SIM_CHECK(ring->buffer_bytes != NULL && ring->buffers_free != NULL, "out of memory");
    for (uint32_t i = 0; i < ring->buffer_count; i++)
        ring->buffers_free[ring->num_free++] = (uint16_t)i;
    ASAN_POISON_MEMORY_REGION(ring->buffer_bytes, (size_t)ring->buffer_count * ring->buffer_size);
    ring->fd = (int)(SIM_RING_FD_FIRST + place);
    sim_rings[place] = ring;
    *out_ring = ring;
    return RC_OK;
}

void ring_destroy(struct ring *ring)
{
    if (ring == NULL)
        return;
    for (size_t i = 0; i < ring->pending.len; i++)
        sim_op_free(&ring->pending.items[i]);
    for (size_t i = 0; i < ring->submitted.len; i++)
        sim_op_free(&ring->submitted.items[i]);
    sim_rings[ring->fd - SIM_RING_FD_FIRST] = NULL;
    ASAN_UNPOISON_MEMORY_REGION(ring->buffer_bytes, (size_t)ring->buffer_count * ring->buffer_size);
    free(ring->buffer_bytes);
    free(ring->buffers_free);
    free(ring->submitted.items);
    free(ring->pending.items);
    free(ring->queue);
    free(ring);
}

int ring_fd(const struct ring *ring)
{
    return ring->fd;
}

static struct sim_op sim_op_of(enum sim_op_kind kind, uint64_t token, int fd)
{
    struct sim_file *file = sim_fd_file(fd);
    SIM_CHECK(file != NULL, "a request for descriptor %d, which is not open", fd);
    sim_file_ref(file);
    return (struct sim_op){.kind = kind, .token = token, .file = file};
}

void ring_accept(struct ring *ring, uint64_t token, int fd, bool multishot)
{
    struct sim_op op = sim_op_of(SIM_ACCEPT, token, fd);
    op.multishot = multishot;
    sim_ops_add(&ring->submitted, &op);
}

void ring_recv(struct ring *ring, uint64_t token, int fd, enum ring_recv kind)
{
    struct sim_op op = sim_op_of(SIM_RECV, token, fd);
    op.multishot = kind != RING_RECV_ONCE;
    sim_ops_add(&ring->submitted, &op);
}

void ring_send(struct ring *ring, uint64_t token, int fd, struct bytes data)
{
    SIM_CHECK(data.len > 0, "an empty send");
    struct sim_op op = sim_op_of(SIM_SEND, token, fd);
    op.data = data;
    sim_ops_add(&ring->submitted, &op);
}

void ring_sendmsg(struct ring *ring, uint64_t token, int fd, const struct msghdr *message)
{
    SIM_CHECK(message->msg_iovlen > 0, "an empty send");
    struct sim_op op = sim_op_of(SIM_SEND, token, fd);
    op.message = message;
    sim_ops_add(&ring->submitted, &op);
}

void ring_cancel(struct ring *ring, uint64_t token, uint64_t target)
{
    struct sim_op op = {.kind = SIM_CANCEL, .token = token, .target = target};
    sim_ops_add(&ring->submitted, &op);
}

void ring_poll(struct ring *ring, uint64_t token, int fd)
{
    struct sim_op op = sim_op_of(SIM_POLL, token, fd);
    op.multishot = true;
    sim_ops_add(&ring->submitted, &op);
}

void ring_wake(struct ring *ring, uint64_t token, int target_fd)
{
    struct sim_op op = {.kind = SIM_WAKE, .token = token, .target = (uint64_t)target_fd};
    sim_ops_add(&ring->submitted, &op);
}

static void sim_file_add(struct ring *ring, enum sim_op_kind kind, uint64_t token, struct sim_op op)
{
    op.kind = kind;
    op.token = token;
    sim_ops_add(&ring->submitted, &op);
}

static char *sim_path_copy(const char *path)
{
    char *copy = strdup(path);
    SIM_CHECK(copy != NULL, "out of memory");
    return copy;
}

void ring_file_open(struct ring *ring, uint64_t token, const char *path, unsigned flags)
{
    sim_file_add(ring, SIM_FILE_OPEN, token,
                 (struct sim_op){.path = sim_path_copy(path), .flags = flags});
}

void ring_file_close(struct ring *ring, uint64_t token, int fd)
{
    sim_file_add(ring, SIM_FILE_CLOSE, token, (struct sim_op){.fd = fd});
}

void ring_file_read(struct ring *ring, uint64_t token, int fd, void *to, uint32_t len,
                    uint64_t offset)
{
    sim_file_add(ring, SIM_FILE_READ, token,
                 (struct sim_op){.fd = fd, .to = to, .len = len, .offset = offset});
}

void ring_file_write(struct ring *ring, uint64_t token, int fd, struct bytes data, uint64_t offset,
                     bool durable)
{
    SIM_CHECK(data.len > 0, "an empty write");
    sim_file_add(ring, SIM_FILE_WRITE, token,
                 (struct sim_op){.fd = fd, .data = data, .offset = offset, .durable = durable});
}

void ring_file_allocate(struct ring *ring, uint64_t token, int fd, uint64_t len)
{
    sim_file_add(ring, SIM_FILE_ALLOCATE, token, (struct sim_op){.fd = fd, .offset = len});
}

void ring_file_sync(struct ring *ring, uint64_t token, int fd)
{
    sim_file_add(ring, SIM_FILE_SYNC, token, (struct sim_op){.fd = fd});
}

void ring_file_rename(struct ring *ring, uint64_t token, const char *from, const char *to)
{
    sim_file_add(ring, SIM_FILE_RENAME, token,
                 (struct sim_op){.path = sim_path_copy(from), .path_to = sim_path_copy(to)});
}

void ring_file_remove(struct ring *ring, uint64_t token, const char *path)
{
    sim_file_add(ring, SIM_FILE_REMOVE, token, (struct sim_op){.path = sim_path_copy(path)});
}

void sim_ring_tear(void)
{
    for (unsigned i = 0; i < SIM_RINGS_MAX; i++) {
        const struct ring *ring = sim_rings[i];
        if (ring == NULL)
            continue;
        for (size_t j = 0; j < ring->pending.len; j++) {
            const struct sim_op *op = &ring->pending.items[j];
            if (op->kind == SIM_FILE_WRITE)
                sim_disk_tear(op->fd, op->data.ptr, op->data.len, op->offset);
        }
    }
}

bool ring_next(struct ring *ring, struct completion *out)
{
    if (ring->queue_len == 0)
        return false;
    *out = ring->queue[ring->queue_head++];
    ring->queue_len--;
    if (ring_has_buffer(out))
        ring->num_queued--;
    return true;
}

bool ring_has_requests(const struct ring *ring)
{
    return ring->submitted.len > 0;
}

bool ring_has_news(struct ring *ring)
{
    return sim_ring_has_work(ring);
}

bool ring_overflowed(struct ring *ring)
{
    (void)ring;
    return false;
}

/* Any receive may have filled its buffer, as far as anybody can know. */
bool ring_buffer_is_full(const struct ring *ring, const struct completion *completion)
{
    (void)ring;
    SIM_CHECK(ring_has_buffer(completion), "a completion without a buffer");
    return sim_chance(sim_kernel.buffer_full);
}

bool ring_has_buffer(const struct completion *completion)
{
    return (completion->flags & SIM_BUFFER_FLAG) != 0;
}

struct bytes ring_buffer(const struct ring *ring, const struct completion *completion)
{
    SIM_CHECK(ring_has_buffer(completion), "a completion without a buffer");
    uint32_t index = completion->flags >> SIM_BUFFER_SHIFT;
    return bytes_of(ring->buffer_bytes + (size_t)index * ring->buffer_size,
                    (size_t)completion->result);
}

void ring_buffer_return(struct ring *ring, const struct completion *completion)
{
    SIM_CHECK(ring_has_buffer(completion), "a completion without a buffer");
    uint32_t index = completion->flags >> SIM_BUFFER_SHIFT;
    for (uint32_t i = 0; i < ring->num_free; i++)
        SIM_CHECK(ring->buffers_free[i] != index, "a buffer was given back twice");
    ASAN_POISON_MEMORY_REGION(ring->buffer_bytes + (size_t)index * ring->buffer_size,
                              ring->buffer_size);
    ring->buffers_free[ring->num_free++] = (uint16_t)index;
}
