/*
 * ring.c -- the liburing implementation of ring.h.
 *
 * The submission queue holds RING_SQ_ENTRIES requests; when it is full, a request submits what is
 * there and takes the place that frees. The completion queue is many times larger than the buffer
 * ring, so that a turn with a full buffer ring, all sends and all accepts cannot overflow it; an
 * overflow is only counted, because the kernel keeps those completions and delivers them later.
 *
 * Provided buffers are two groups, each an anonymous mapping with liburing's ring of descriptors
 * beside it. Their identifiers follow each other, small ones from 0, large ones behind them, since
 * a completion tells a buffer and no group. Buffers are given back one by one at the tail, so the
 * kernel cycles through all of them and the memory of a busy shard settles at their sum.
 *
 * Threads: see ring.h.
 */
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "disk.h"
#include "disk_writer.h"
#include "uring_compat.h"

#define RING_MAGIC       0x52494e47u
#define RING_SQ_ENTRIES  4096
#define RING_CQ_ENTRIES  16384
#define RING_BUFFERS_MAX 32768
#define RING_FILE_MODE   0640

enum ring_group_id { RING_GROUP_SMALL, RING_GROUP_LARGE, RING_GROUP_COUNT };

/* Provided buffers of one size. */
struct ring_group {
    uint32_t first; /* identifier of its first buffer */
    uint32_t count;
    uint32_t size;
    struct io_uring_buf_ring *ring;
    uint8_t *bytes;
};

struct ring {
    uint32_t magic;
    struct io_uring uring;
    struct ring_group groups[RING_GROUP_COUNT];
    struct disk_writer *writer; /* NULL: not needed yet, or not to be had */
    bool has_tried_writer;
};

static int ring_queue_init(struct io_uring *uring, unsigned sq_entries, unsigned cq_entries)
{
    struct io_uring_params params;
    memset(&params, 0, sizeof(params));
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                   IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE |
                   IORING_SETUP_CLAMP;
    params.cq_entries = cq_entries;
    int result = io_uring_queue_init_params(sq_entries, uring, &params);
    if (result != -EINVAL)
        return result;
    memset(&params, 0, sizeof(params));
    params.flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
                   IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    params.cq_entries = cq_entries;
    return io_uring_queue_init_params(sq_entries, uring, &params);
}

/* The kernel's switch (since 6.6): 0 allowed, 1 only for a group, 2 forbidden; -1 if unknown. */
static int ring_sysctl_disabled(void)
{
    int value = -1;
    FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
    if (file == NULL)
        return -1;
    if (fscanf(file, "%d", &value) != 1)
        value = -1;
    fclose(file);
    return value;
}

static void ring_explain(int error, char *out_reason, size_t reason_size)
{
    if (error == EPERM && ring_sysctl_disabled() > 0)
        snprintf(out_reason, reason_size,
                 "io_uring is switched off on this machine: set sysctl kernel.io_uring_disabled=0");
    else if (error == EPERM || error == EACCES)
        snprintf(out_reason, reason_size,
                 "io_uring is forbidden to this process, probably by a seccomp profile or a "
                 "container: allow io_uring_setup, io_uring_enter and io_uring_register");
    else if (error == ENOSYS)
        snprintf(out_reason, reason_size,
                 "this kernel has no io_uring, or a seccomp profile hides it: Linux 6.1 or newer "
                 "with CONFIG_IO_URING is needed");
    else if (error == ENOMEM)
        snprintf(out_reason, reason_size,
                 "io_uring could not lock memory: raise the memlock limit (ulimit -l)");
    else if (error == EINVAL || error == EOPNOTSUPP)
        snprintf(out_reason, reason_size,
                 "this kernel's io_uring is too old (no provided buffer rings or multishot "
                 "receive): Linux 6.1 or newer is needed");
    else
        snprintf(out_reason, reason_size, "io_uring cannot be set up: %s", strerror(error));
}

enum rc ring_probe(char *out_reason, size_t reason_size)
{
    CHECK(out_reason != NULL && reason_size > 0);
    struct io_uring uring;
    int result = ring_queue_init(&uring, 8, 16);
    if (result < 0) {
        ring_explain(-result, out_reason, reason_size);
        return RC_UNSUPPORTED;
    }
    int error = 0;
    struct io_uring_buf_ring *buffers = io_uring_setup_buf_ring_compat(&uring, 8, 0, &error);
    if (buffers != NULL)
        munmap(buffers, 8 * sizeof(struct io_uring_buf));
    struct io_uring_probe *probe = io_uring_get_probe_ring(&uring);
    if (buffers == NULL)
        ring_explain(error, out_reason, reason_size);
    else if (probe == NULL || !io_uring_opcode_supported(probe, IORING_OP_SEND_ZC)) {
        /* SEND_ZC came with 6.0, as multishot receive did, which has no probe of its own. */
        ring_explain(EINVAL, out_reason, reason_size);
        error = EINVAL;
    }
    if (probe != NULL)
        io_uring_free_probe(probe);
    io_uring_queue_exit(&uring);
    return error == 0 ? RC_OK : RC_UNSUPPORTED;
}

static void ring_group_give(const struct ring_group *group, uint32_t index, int offset)
{
    io_uring_buf_ring_add(group->ring, group->bytes + (size_t)index * group->size, group->size,
                          (unsigned short)(group->first + index),
                          io_uring_buf_ring_mask(group->count), offset);
}

static enum rc ring_group_create(struct ring *ring, enum ring_group_id id,
                                 const struct ring_group *shape)
{
    CHECK(shape->count > 0 && (shape->count & (shape->count - 1)) == 0);
    CHECK(shape->first + shape->count <= RING_BUFFERS_MAX);
    struct ring_group *group = &ring->groups[id];
    size_t size = (size_t)shape->count * shape->size;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return RC_NO_MEMORY;
    int error = 0;
    *group = *shape;
    group->bytes = memory;
    group->ring = io_uring_setup_buf_ring_compat(&ring->uring, shape->count, (uint16_t)id, &error);
    if (group->ring == NULL)
        return RC_UNSUPPORTED;
    for (uint32_t i = 0; i < group->count; i++)
        ring_group_give(group, i, (int)i);
    io_uring_buf_ring_advance(group->ring, (int)group->count);
    return RC_OK;
}

/* The ring is gone, or was never told of them. */
static void ring_groups_unmap(struct ring *ring)
{
    for (unsigned i = 0; i < RING_GROUP_COUNT; i++) {
        struct ring_group *group = &ring->groups[i];
        if (group->ring != NULL)
            munmap(group->ring, group->count * sizeof(struct io_uring_buf));
        if (group->bytes != NULL)
            munmap(group->bytes, (size_t)group->count * group->size);
    }
}

enum rc ring_create(struct ring **out_ring, const struct ring_buffers *config)
{
    struct ring *ring = calloc(1, sizeof(*ring));
    if (ring == NULL)
        return RC_NO_MEMORY;
    if (ring_queue_init(&ring->uring, RING_SQ_ENTRIES, RING_CQ_ENTRIES) < 0) {
        free(ring);
        return RC_UNSUPPORTED;
    }
    /* Spares the kernel a look-up of the ring's descriptor at every enter; harmless if refused. */
    (void)io_uring_register_ring_fd(&ring->uring);
    struct ring_group small = {.count = config->small_count, .size = config->small_size};
    struct ring_group large = {
        .first = config->small_count, .count = config->large_count, .size = config->large_size};
    enum rc rc = ring_group_create(ring, RING_GROUP_SMALL, &small);
    if (rc == RC_OK)
        rc = ring_group_create(ring, RING_GROUP_LARGE, &large);
    if (rc != RC_OK) {
        io_uring_queue_exit(&ring->uring);
        ring_groups_unmap(ring);
        free(ring);
        return rc;
    }
    ring->magic = RING_MAGIC;
    *out_ring = ring;
    return RC_OK;
}

void ring_destroy(struct ring *ring)
{
    if (ring == NULL)
        return;
    CHECK_OBJ(ring, RING_MAGIC);
    disk_writer_destroy(ring->writer);
    io_uring_queue_exit(&ring->uring);
    ring_groups_unmap(ring);
    ring->magic = 0;
    free(ring);
}

int ring_fd(const struct ring *ring)
{
    CHECK_OBJ(ring, RING_MAGIC);
    return ring->uring.ring_fd;
}

static struct io_uring_sqe *ring_sqe(struct ring *ring)
{
    CHECK_OBJ(ring, RING_MAGIC);
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    while (UNLIKELY(sqe == NULL)) {
        int result = io_uring_submit(&ring->uring);
        CHECK(result >= 0 || result == -EAGAIN || result == -EBUSY || result == -EINTR);
        sqe = io_uring_get_sqe(&ring->uring);
    }
    return sqe;
}

void ring_accept(struct ring *ring, uint64_t token, int fd, bool multishot)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    if (multishot)
        io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
    else
        io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, token);
}

void ring_recv(struct ring *ring, uint64_t token, int fd, enum ring_recv kind)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    if (kind == RING_RECV_ONCE)
        io_uring_prep_recv(sqe, fd, NULL, ring->groups[RING_GROUP_SMALL].size, 0);
    else
        io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = kind == RING_RECV_LARGE ? RING_GROUP_LARGE : RING_GROUP_SMALL;
    io_uring_sqe_set_data64(sqe, token);
}

void ring_send(struct ring *ring, uint64_t token, int fd, struct bytes data)
{
    CHECK(data.len > 0);
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_send(sqe, fd, data.ptr, data.len, MSG_NOSIGNAL);
    io_uring_sqe_set_data64(sqe, token);
}

void ring_sendmsg(struct ring *ring, uint64_t token, int fd, const struct msghdr *message)
{
    CHECK(message->msg_iovlen > 0);
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_sendmsg(sqe, fd, message, MSG_NOSIGNAL);
    io_uring_sqe_set_data64(sqe, token);
}

void ring_cancel(struct ring *ring, uint64_t token, uint64_t target)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_cancel64(sqe, target, 0);
    io_uring_sqe_set_data64(sqe, token);
}

void ring_poll(struct ring *ring, uint64_t token, int fd)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_poll_multishot(sqe, fd, 1 /* POLLIN */);
    io_uring_sqe_set_data64(sqe, token);
}

void ring_wake(struct ring *ring, uint64_t token, int target_fd)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_msg_ring(sqe, target_fd, 0, 0, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, token);
}

void ring_file_open(struct ring *ring, uint64_t token, const char *path, unsigned flags)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_openat(sqe, AT_FDCWD, path, disk_open_flags(flags), RING_FILE_MODE);
    io_uring_sqe_set_data64(sqe, token);
}

void ring_file_close(struct ring *ring, uint64_t token, int fd)
{
    CHECK(fd >= 0);
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_close(sqe, fd);
    io_uring_sqe_set_data64(sqe, token);
}

void ring_file_read(struct ring *ring, uint64_t token, int fd, void *to, uint32_t len,
                    uint64_t offset)
{
    CHECK(fd >= 0 && len > 0);
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_read(sqe, fd, to, len, offset);
    io_uring_sqe_set_data64(sqe, token);
}

/* The first durable write begins it, on the ring's thread, whose core the writer shares. */
static bool ring_has_writer(struct ring *ring)
{
    if (!ring->has_tried_writer) {
        ring->has_tried_writer = true;
        ring->writer = disk_writer_create(ring->uring.ring_fd);
    }
    return ring->writer != NULL;
}

void ring_file_write(struct ring *ring, uint64_t token, int fd, struct bytes data, uint64_t offset,
                     bool durable)
{
    CHECK(fd >= 0 && data.len > 0);
    if (durable && ring_has_writer(ring) &&
        disk_writer_write(ring->writer, token, fd, data, offset))
        return;
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_write(sqe, fd, data.ptr, data.len, offset);
    sqe->rw_flags = durable ? RWF_DSYNC : 0;
    io_uring_sqe_set_data64(sqe, token);
}

void ring_file_allocate(struct ring *ring, uint64_t token, int fd, uint64_t len)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_fallocate(sqe, fd, 0, 0, (off_t)len);
    io_uring_sqe_set_data64(sqe, token);
}

void ring_file_sync(struct ring *ring, uint64_t token, int fd)
{
    CHECK(fd >= 0);
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
    io_uring_sqe_set_data64(sqe, token);
}

void ring_file_rename(struct ring *ring, uint64_t token, const char *from, const char *to)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_renameat(sqe, AT_FDCWD, from, AT_FDCWD, to, 0);
    io_uring_sqe_set_data64(sqe, token);
}

void ring_file_remove(struct ring *ring, uint64_t token, const char *path)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_unlinkat(sqe, AT_FDCWD, path, 0);
    io_uring_sqe_set_data64(sqe, token);
}

/* The kernel can produce completions if it is called. */
static bool ring_kernel_has_work(const struct ring *ring)
{
    unsigned flags = __atomic_load_n(ring->uring.sq.kflags, __ATOMIC_RELAXED);
    return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

bool ring_has_requests(const struct ring *ring)
{
    return io_uring_sq_ready(&ring->uring) > 0;
}

enum rc ring_enter(struct ring *ring, uint64_t wait_ns)
{
    CHECK_OBJ(ring, RING_MAGIC);
    int result;
    if (wait_ns == RING_NO_WAIT) {
        if (!ring_has_requests(ring) && !ring_kernel_has_work(ring))
            return RC_OK;
        result = io_uring_submit_and_get_events(&ring->uring);
    } else {
        struct __kernel_timespec ts = {.tv_sec = (int64_t)(wait_ns / 1000000000),
                                       .tv_nsec = (int64_t)(wait_ns % 1000000000)};
        struct io_uring_cqe *cqe = NULL;
        result = io_uring_submit_and_wait_timeout(&ring->uring, &cqe, 1, &ts, NULL);
    }
    if (result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN ||
        result == -EBUSY)
        return RC_OK;
    return RC_IO;
}

bool ring_next(struct ring *ring, struct completion *out)
{
    struct io_uring_cqe *cqe = NULL;
    unsigned head;
    io_uring_for_each_cqe(&ring->uring, head, cqe)
    {
        out->token = cqe->user_data;
        out->result = cqe->res;
        out->flags = cqe->flags;
        io_uring_cq_advance(&ring->uring, 1);
        return true;
    }
    return false;
}

bool ring_has_news(struct ring *ring)
{
    return io_uring_cq_ready(&ring->uring) > 0 || ring_kernel_has_work(ring);
}

bool ring_overflowed(struct ring *ring)
{
    unsigned flags = __atomic_load_n(ring->uring.sq.kflags, __ATOMIC_RELAXED);
    return (flags & IORING_SQ_CQ_OVERFLOW) != 0;
}

bool ring_has_buffer(const struct completion *completion)
{
    return (completion->flags & IORING_CQE_F_BUFFER) != 0;
}

/* The group and, in it, the number of a completion's buffer. */
static const struct ring_group *
ring_group_of(const struct ring *ring, const struct completion *completion, uint32_t *out_index)
{
    CHECK(ring_has_buffer(completion));
    uint32_t id = completion->flags >> IORING_CQE_BUFFER_SHIFT;
    const struct ring_group *group = &ring->groups[RING_GROUP_SMALL];
    if (id >= group->count)
        group = &ring->groups[RING_GROUP_LARGE];
    *out_index = id - group->first;
    CHECK(*out_index < group->count);
    return group;
}

struct bytes ring_buffer(const struct ring *ring, const struct completion *completion)
{
    uint32_t index;
    const struct ring_group *group = ring_group_of(ring, completion, &index);
    CHECK(completion->result >= 0 && (uint32_t)completion->result <= group->size);
    return (struct bytes){.ptr = group->bytes + (size_t)index * group->size,
                          .len = (uint32_t)completion->result};
}

bool ring_buffer_is_full(const struct ring *ring, const struct completion *completion)
{
    uint32_t index;
    const struct ring_group *group = ring_group_of(ring, completion, &index);
    return completion->result >= 0 && (uint32_t)completion->result == group->size;
}

void ring_buffer_return(struct ring *ring, const struct completion *completion)
{
    uint32_t index;
    const struct ring_group *group = ring_group_of(ring, completion, &index);
    ring_group_give(group, index, 0);
    io_uring_buf_ring_advance(group->ring, 1);
}
