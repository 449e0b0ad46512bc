/*
 * disk_writer.c -- see disk_writer.h.
 *
 * The request is handed over with `is_busy`: the shard fills it in and sets it, the thread clears
 * it when it has what it needs of it. The eventfd only wakes. Answers go through a small ring of
 * the thread's own, because only a ring can put a completion into another.
 *
 * Threads: see disk_writer.h.
 */
#include "disk_writer.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "time_slice.h"

#define DISK_WRITER_MAGIC    0x44575254u
#define DISK_WRITER_PRIORITY 1 /* of SCHED_FIFO, the least */
#define DISK_WRITER_AGAIN_MS 1

struct disk_writer {
    uint32_t magic;
    int event_fd; /* wakes the thread */
    int ring_fd;  /* where completions go */
    bool is_busy;
    bool stopping;
    pthread_t thread;
    struct io_uring uring; /* the thread's */
    /* the request, while is_busy */
    uint64_t token;
    uint64_t offset;
    struct bytes data;
    int fd;
};

static void disk_writer_wake(const struct disk_writer *writer)
{
    uint64_t one = 1;
    ssize_t done = write(writer->event_fd, &one, sizeof(one));
    CHECK(done == (ssize_t)sizeof(one));
}

/* Until the ring has taken it: 6.1 may answer EAGAIN or EOVERFLOW. */
static void disk_writer_answer(struct disk_writer *writer, uint64_t token, int32_t result)
{
    while (!__atomic_load_n(&writer->stopping, __ATOMIC_ACQUIRE)) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&writer->uring);
        struct io_uring_cqe *cqe = NULL;
        CHECK(sqe != NULL);
        io_uring_prep_msg_ring(sqe, writer->ring_fd, (unsigned)result, token, 0);
        int submitted = io_uring_submit(&writer->uring);
        CHECK(submitted == 1);
        while (io_uring_wait_cqe(&writer->uring, &cqe) == -EINTR)
            ;
        int told = cqe->res;
        io_uring_cqe_seen(&writer->uring, cqe);
        if (told >= 0)
            return;
        (void)poll(NULL, 0, DISK_WRITER_AGAIN_MS);
    }
}

static void disk_writer_run(struct disk_writer *writer)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)writer->data.ptr,
                         .iov_len = writer->data.len};
    uint64_t token = writer->token;
    ssize_t done = pwritev2(writer->fd, &part, 1, (off_t)writer->offset, RWF_DSYNC);
    int32_t result = done < 0 ? -errno : (int32_t)done;
    __atomic_store_n(&writer->is_busy, false, __ATOMIC_RELEASE);
    disk_writer_answer(writer, token, result);
}

static void disk_writer_hurry(void)
{
    struct sched_param param = {.sched_priority = DISK_WRITER_PRIORITY};
    if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &param) != 0)
        (void)time_slice_shorten();
}

static void *disk_writer_main(void *argument)
{
    struct disk_writer *writer = argument;
    CHECK(writer->magic == DISK_WRITER_MAGIC);
    disk_writer_hurry();
    while (!__atomic_load_n(&writer->stopping, __ATOMIC_ACQUIRE)) {
        uint64_t count;
        ssize_t done = read(writer->event_fd, &count, sizeof(count));
        CHECK(done == (ssize_t)sizeof(count) || errno == EINTR);
        if (__atomic_load_n(&writer->is_busy, __ATOMIC_ACQUIRE))
            disk_writer_run(writer);
    }
    return NULL;
}

static void disk_writer_free(struct disk_writer *writer)
{
    if (writer->event_fd >= 0)
        close(writer->event_fd);
    writer->magic = 0;
    free(writer);
}

struct disk_writer *disk_writer_create(int ring_fd)
{
    struct disk_writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL)
        return NULL;
    writer->magic = DISK_WRITER_MAGIC;
    writer->ring_fd = ring_fd;
    writer->event_fd = eventfd(0, EFD_CLOEXEC);
    if (writer->event_fd < 0 || io_uring_queue_init(2, &writer->uring, 0) < 0) {
        disk_writer_free(writer);
        return NULL;
    }
    if (pthread_create(&writer->thread, NULL, disk_writer_main, writer) != 0) {
        io_uring_queue_exit(&writer->uring);
        disk_writer_free(writer);
        return NULL;
    }
    return writer;
}

bool disk_writer_write(struct disk_writer *writer, uint64_t token, int fd, struct bytes data,
                       uint64_t offset)
{
    CHECK(writer->magic == DISK_WRITER_MAGIC && fd >= 0 && data.len > 0);
    if (__atomic_load_n(&writer->is_busy, __ATOMIC_ACQUIRE))
        return false;
    writer->token = token;
    writer->fd = fd;
    writer->data = data;
    writer->offset = offset;
    __atomic_store_n(&writer->is_busy, true, __ATOMIC_RELEASE);
    disk_writer_wake(writer);
    return true;
}

void disk_writer_destroy(struct disk_writer *writer)
{
    if (writer == NULL)
        return;
    CHECK(writer->magic == DISK_WRITER_MAGIC);
    __atomic_store_n(&writer->stopping, true, __ATOMIC_RELEASE);
    disk_writer_wake(writer);
    if (__atomic_load_n(&writer->is_busy, __ATOMIC_ACQUIRE)) {
        pthread_detach(writer->thread);
        return;
    }
    pthread_join(writer->thread, NULL);
    io_uring_queue_exit(&writer->uring);
    disk_writer_free(writer);
}
