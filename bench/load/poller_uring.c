/*
 * poller_uring.c -- the way by io_uring.
 *
 * Each stream has one multishot receive, armed when it is added and again whenever the kernel ends
 * it (it does when the provided buffers run out). Buffers are handed back inside the turn, so a few
 * serve any number of connections and stay in the cache. Sends are queued during the turn and go to
 * the kernel with the next wait: one system call for all connections.
 *
 * user_data is the stream's address with the operation in its low bits; streams live as long as the
 * poller, so no completion can meet a successor.
 *
 * Threads: the worker's own (SINGLE_ISSUER where the kernel has it).
 */
#include "heap.h"
#include "poller.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Setup flags newer than the library's headers, with the kernel that brought them. */
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1u << 12) /* 6.0 */
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1u << 13) /* 6.1 */
#endif

#define POLLER_URING_SQES 1024
#define POLLER_URING_CQES 8192

/* 64 buffers of 32 KiB: 2 MiB, one core's second-level cache. */
#define POLLER_URING_BUFS    64
#define POLLER_URING_BUF_LEN 32768
#define POLLER_URING_GROUP   1

enum poller_uring_op {
    POLLER_URING_RECV,
    POLLER_URING_SEND,
    POLLER_URING_WAKE,
    POLLER_URING_PAUSE
};

#define POLLER_URING_OP_MASK 7u

struct poller_uring {
    struct io_uring ring;
    struct io_uring_buf_ring *bufs; /* the ring of descriptors, mapped */
    uint8_t *buf_memory;
    size_t bufs_len;
};

static struct io_uring_sqe *poller_uring_sqe(struct poller_uring *uring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
    if (sqe == NULL) {
        io_uring_submit(&uring->ring);
        sqe = io_uring_get_sqe(&uring->ring);
    }
    CHECK(sqe != NULL);
    return sqe;
}

/* After the prep function, which clears the field. */
static void poller_uring_tag(struct io_uring_sqe *sqe, void *subject, enum poller_uring_op op)
{
    CHECK(((uintptr_t)subject & POLLER_URING_OP_MASK) == 0);
    io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)subject | (uint64_t)op);
}

static void poller_uring_buf_give(struct poller_uring *uring, unsigned id)
{
    CHECK(id < POLLER_URING_BUFS);
    io_uring_buf_ring_add(uring->bufs, uring->buf_memory + (size_t)id * POLLER_URING_BUF_LEN,
                          POLLER_URING_BUF_LEN, (unsigned short)id,
                          io_uring_buf_ring_mask(POLLER_URING_BUFS), 0);
    io_uring_buf_ring_advance(uring->bufs, 1);
}

/* The best flags that this kernel takes. */
static int poller_uring_setup(struct io_uring *ring)
{
    static const unsigned choices[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        IORING_SETUP_COOP_TASKRUN,
    };
    int failed = -EINVAL;
    for (unsigned i = 0; i < ARRAY_LEN(choices) && failed != 0; i++) {
        struct io_uring_params params = {
            .flags = choices[i] | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
            .cq_entries = POLLER_URING_CQES,
        };
        failed = io_uring_queue_init_params(POLLER_URING_SQES, ring, &params);
    }
    return failed;
}

static enum rc poller_uring_bufs_open(struct poller_uring *uring)
{
    uring->bufs_len = POLLER_URING_BUFS * (sizeof(struct io_uring_buf) + POLLER_URING_BUF_LEN);
    void *mapped = mmap(NULL, uring->bufs_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                        -1, 0);
    if (mapped == MAP_FAILED)
        return RC_IO;
    uring->bufs = mapped;
    uring->buf_memory = (uint8_t *)mapped + POLLER_URING_BUFS * sizeof(struct io_uring_buf);
    struct io_uring_buf_reg registration = {
        .ring_addr = (uint64_t)(uintptr_t)mapped,
        .ring_entries = POLLER_URING_BUFS,
        .bgid = POLLER_URING_GROUP,
    };
    if (io_uring_register_buf_ring(&uring->ring, &registration, 0) != 0) {
        munmap(mapped, uring->bufs_len);
        return RC_UNSUPPORTED;
    }
    io_uring_buf_ring_init(uring->bufs);
    for (unsigned id = 0; id < POLLER_URING_BUFS; id++)
        poller_uring_buf_give(uring, id);
    return RC_OK;
}

static void poller_uring_wake_arm(struct poller *poller)
{
    struct io_uring_sqe *sqe = poller_uring_sqe(poller->state);
    io_uring_prep_poll_multishot(sqe, poller->wake_fd, POLLIN);
    poller_uring_tag(sqe, poller, POLLER_URING_WAKE);
}

static enum rc poller_uring_open(struct poller *poller)
{
    struct poller_uring *uring = heap_zeroed(1, sizeof(*uring));
    poller->state = uring;
    if (poller_uring_setup(&uring->ring) != 0) {
        free(uring);
        return RC_UNSUPPORTED;
    }
    enum rc rc = poller_uring_bufs_open(uring);
    if (rc != RC_OK) {
        io_uring_queue_exit(&uring->ring);
        free(uring);
        return rc;
    }
    /* Saves a descriptor look-up per call; without it all works the same. */
    (void)io_uring_register_ring_fd(&uring->ring);
    poller_uring_wake_arm(poller);
    return RC_OK;
}

static void poller_uring_close(struct poller *poller)
{
    struct poller_uring *uring = poller->state;
    io_uring_queue_exit(&uring->ring);
    munmap(uring->bufs, uring->bufs_len);
    free(uring);
}

static void poller_uring_add(struct poller *poller, struct stream *stream)
{
    struct io_uring_sqe *sqe = poller_uring_sqe(poller->state);
    io_uring_prep_recv_multishot(sqe, stream->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = POLLER_URING_GROUP;
    poller_uring_tag(sqe, stream, POLLER_URING_RECV);
}

static void poller_uring_pause(struct poller *poller, struct stream *stream)
{
    struct io_uring_sqe *sqe = poller_uring_sqe(poller->state);
    io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)stream | POLLER_URING_RECV, 0);
    poller_uring_tag(sqe, stream, POLLER_URING_PAUSE);
}

static void poller_uring_send(struct poller *poller, struct stream *stream)
{
    uint32_t len;
    const uint8_t *data = stream_peek(stream, poller->pool, &len);
    struct io_uring_sqe *sqe = poller_uring_sqe(poller->state);
    io_uring_prep_send(sqe, stream->fd, data, len, MSG_NOSIGNAL);
    poller_uring_tag(sqe, stream, POLLER_URING_SEND);
    stream->is_in_flight = true;
}

static void poller_uring_received(struct poller *poller, struct stream *stream,
                                  const struct io_uring_cqe *cqe)
{
    struct poller_uring *uring = poller->state;
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        if (cqe->res > 0 && !stream->is_broken) {
            poller->num_receives++;
            poller->sink->input(stream, uring->buf_memory + (size_t)id * POLLER_URING_BUF_LEN,
                                (size_t)cqe->res);
        }
        poller_uring_buf_give(uring, id);
    }
    if (stream->is_paused)
        return;
    bool is_over = cqe->res <= 0 && cqe->res != -ENOBUFS;
    if (is_over)
        poller_break(poller, stream, -cqe->res);
    else if (!(cqe->flags & IORING_CQE_F_MORE) && !stream->is_broken)
        poller_uring_add(poller, stream);
}

static void poller_uring_sent(struct poller *poller, struct stream *stream, int result)
{
    CHECK(stream->is_in_flight);
    stream->is_in_flight = false;
    if (result < 0) {
        poller_break(poller, stream, -result);
        return;
    }
    poller->num_sends++;
    stream_advance(stream, poller->pool, (uint32_t)result);
    if (!stream->is_broken) {
        poller_send(poller, stream);
        poller->sink->drained(stream);
    }
}

static void poller_uring_woken(struct poller *poller, const struct io_uring_cqe *cqe)
{
    uint64_t count;
    ssize_t got = read(poller->wake_fd, &count, sizeof(count));
    (void)got;
    if (!(cqe->flags & IORING_CQE_F_MORE))
        poller_uring_wake_arm(poller);
}

static void poller_uring_completion(struct poller *poller, const struct io_uring_cqe *cqe)
{
    void *subject = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)POLLER_URING_OP_MASK);
    switch ((enum poller_uring_op)(cqe->user_data & POLLER_URING_OP_MASK)) {
    case POLLER_URING_RECV:
        poller_uring_received(poller, subject, cqe);
        return;
    case POLLER_URING_SEND:
        poller_uring_sent(poller, subject, cqe->res);
        return;
    case POLLER_URING_WAKE:
        poller_uring_woken(poller, cqe);
        return;
    case POLLER_URING_PAUSE:
        return;
    }
    UNREACHABLE();
}

static void poller_uring_wait(struct poller *poller, uint64_t timeout_ns)
{
    struct poller_uring *uring = poller->state;
    struct __kernel_timespec timeout = {
        .tv_sec = (int64_t)(timeout_ns / 1000000000),
        .tv_nsec = (long long)(timeout_ns % 1000000000),
    };
    struct io_uring_cqe *first;
    /* -ETIME and -EINTR mean no completions; others would show in what is missing. */
    (void)io_uring_submit_and_wait_timeout(&uring->ring, &first, 1, &timeout, NULL);
    unsigned head;
    unsigned num = 0;
    struct io_uring_cqe *cqe;
    io_uring_for_each_cqe(&uring->ring, head, cqe)
    {
        poller_uring_completion(poller, cqe);
        num++;
    }
    io_uring_cq_advance(&uring->ring, num);
}

const struct poller_table poller_uring = {
    .name = "io_uring",
    .open = poller_uring_open,
    .close = poller_uring_close,
    .add = poller_uring_add,
    .pause = poller_uring_pause,
    .send = poller_uring_send,
    .wait = poller_uring_wait,
};
