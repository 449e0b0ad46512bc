/*
 * ring.h -- io_uring of one shard, reduced to the requests that the broker makes.
 *
 * The only door to liburing. Requests are queued and reach the kernel with ring_enter, once per
 * turn; completions come back as {token, result, flags}. The simulator (tests/sim) links its own
 * implementation of this header, which is why nothing here shows a liburing type.
 *
 * Set-up: SINGLE_ISSUER and DEFER_TASKRUN (completions are only produced inside our own enter, so
 * the shard is never interrupted), SUBMIT_ALL, CLAMP, TASKRUN_FLAG; on a kernel that refuses these,
 * COOP_TASKRUN. Linux 6.1 has all of them. Multishot requests end when a completion comes without
 * RING_MORE and must be made again.
 *
 * Receives take their buffers from two rings of provided buffers per shard: many small ones, of
 * which everybody finds one, and few large ones for who sends much. Few, because what a turn can
 * handle is bounded anyway, and what the kernel copies ahead of that has left the core's cache by
 * the time it is read. A buffer belongs to the handler of the completion until it calls
 * ring_buffer_return, which must happen within the turn.
 *
 * Threads: the shard that created the ring, except ring_probe.
 */
#ifndef SLUICE_RING_H
#define SLUICE_RING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "bytes.h"
#include "rc.h"

struct ring;

/* A completion, a plain value. */
struct completion {
    uint64_t token;
    int32_t result;
    uint32_t flags;
};

/* More completions of the same request will follow. */
#define RING_MORE 0x2u

/* Provided buffers of a ring; counts are powers of two, sizes bytes. A value. */
struct ring_buffers {
    uint32_t small_count;
    uint32_t small_size;
    uint32_t large_count;
    uint32_t large_size;
};

enum ring_recv {
    RING_RECV_ONCE,  /* one completion, a small buffer */
    RING_RECV_SMALL, /* until it ends (multishot), small buffers */
    RING_RECV_LARGE, /* until it ends, large buffers */
};

/* ring_enter: do not sleep. */
#define RING_NO_WAIT 0

/*
 * Whether io_uring works in this process. RC_UNSUPPORTED fills `out_reason` with one line that says
 * what forbids it and how to mend that. Any thread, before shards exist.
 */
enum rc ring_probe(char *out_reason, size_t reason_size);

/* Creates the ring of the calling thread. */
enum rc ring_create(struct ring **out_ring, const struct ring_buffers *config);
void ring_destroy(struct ring *ring);

/* The descriptor by which other rings wake this one. */
int ring_fd(const struct ring *ring);

/*
 * Accepts once or until it ends (multishot); each result is a descriptor (close-on-exec, blocking)
 * or -errno.
 */
void ring_accept(struct ring *ring, uint64_t token, int fd, bool multishot);

/* Receives into provided buffers. */
void ring_recv(struct ring *ring, uint64_t token, int fd, enum ring_recv kind);

/* Sends; `ptr` must stay until the completion. A result may be short. */
void ring_send(struct ring *ring, uint64_t token, int fd, struct bytes data);

/* Sends a gathered message; `message` and all it points to must stay until the completion. */
void ring_sendmsg(struct ring *ring, uint64_t token, int fd, const struct msghdr *message);

/*
 * Cancels the request that carries the token `target`, and no other of its descriptor: a send under
 * way must not be torn. That request completes on its own, and the cancellation with `token`.
 */
void ring_cancel(struct ring *ring, uint64_t token, uint64_t target);

/* Becomes readable again and again (multishot poll). */
void ring_poll(struct ring *ring, uint64_t token, int fd);

/* Wakes the shard whose ring has descriptor `target_fd`; completes with `token` only on failure. */
void ring_wake(struct ring *ring, uint64_t token, int target_fd);

/*
 * Requests on files (descriptors of ring_file_open or disk.h). The result is the number of bytes, 0
 * or a descriptor, or -errno; a read or write may be short. Bytes must stay until the completion,
 * paths until the next ring_enter. `flags` are those of disk.h.
 */
void ring_file_open(struct ring *ring, uint64_t token, const char *path, unsigned flags);
void ring_file_close(struct ring *ring, uint64_t token, int fd);
void ring_file_read(struct ring *ring, uint64_t token, int fd, void *to, uint32_t len,
                    uint64_t offset);

/* `durable`: completes when the bytes are on the disk (RWF_DSYNC). */
void ring_file_write(struct ring *ring, uint64_t token, int fd, struct bytes data, uint64_t offset,
                     bool durable);
void ring_file_allocate(struct ring *ring, uint64_t token, int fd, uint64_t len);

/* Completes when what was written before, and what is needed to read it, is on the disk. */
void ring_file_sync(struct ring *ring, uint64_t token, int fd);
void ring_file_rename(struct ring *ring, uint64_t token, const char *from, const char *to);
void ring_file_remove(struct ring *ring, uint64_t token, const char *path);

/*
 * Hands queued requests to the kernel and lets it produce completions; sleeps up to `wait_ns` for
 * the first one (RING_NO_WAIT: not at all, and no system call where it would do nothing). RC_IO
 * on an error that is not transient.
 */
enum rc ring_enter(struct ring *ring, uint64_t wait_ns);

/* The next completion; false if there is none at present. */
bool ring_next(struct ring *ring, struct completion *out);

/* True if there are requests that the next ring_enter would hand to the kernel. */
bool ring_has_requests(const struct ring *ring);

/* True if the kernel has work that the next ring_enter would turn into completions. */
bool ring_has_news(struct ring *ring);

/* True if completions had to be parked by the kernel since the last call. */
bool ring_overflowed(struct ring *ring);

/* Whether a receive completion carries a buffer, that buffer's bytes, and whether they fill it. */
bool ring_has_buffer(const struct completion *completion);
bool ring_buffer_is_full(const struct ring *ring, const struct completion *completion);
struct bytes ring_buffer(const struct ring *ring, const struct completion *completion);
void ring_buffer_return(struct ring *ring, const struct completion *completion);

#endif
