/*
 * poller.h -- sockets of one worker: bytes in, chunks out, wake-ups.
 *
 * Two ways behind one table of functions: io_uring (multishot receives into a ring of provided
 * buffers, all sends of a turn in one system call) and epoll (one recv and one send call each).
 * numbers.md says which is faster where; epoll also serves where io_uring is forbidden, as in many
 * containers.
 *
 * A turn: poller_wait collects what has happened and calls the sink for every piece of input and
 * for every stream whose output has moved; the worker then calls poller_send for streams that have
 * new output.
 *
 * Threads: the worker's own, except poller_wake, which any thread may call.
 */
#ifndef BENCH_POLLER_H
#define BENCH_POLLER_H

#include "options.h"
#include "rc.h"
#include "stream.h"

/* What a worker does about events. The stream is the one given to poller_add. */
struct poller_sink {
    /* `len` bytes have arrived; they are borrowed until the call returns. */
    void (*input)(struct stream *stream, const uint8_t *data, size_t len);
    /* The kernel has taken a chunk: there is room for more. */
    void (*drained)(struct stream *stream);
    /* The connection is over; `error` is an errno, or 0 if the peer closed. Called once. */
    void (*broken)(struct stream *stream, int error);
};

struct poller;

struct poller_table {
    const char *name;
    enum rc (*open)(struct poller *poller);
    void (*close)(struct poller *poller);
    void (*add)(struct poller *poller, struct stream *stream);
    void (*pause)(struct poller *poller, struct stream *stream);
    void (*send)(struct poller *poller, struct stream *stream);
    void (*wait)(struct poller *poller, uint64_t timeout_ns);
};

struct poller {
    const struct poller_table *table;
    const struct poller_sink *sink; /* borrowed */
    struct stream_pool *pool;       /* borrowed; where sent chunks go */
    void *state;                    /* the table's own */
    int wake_fd;                    /* eventfd */
    uint64_t num_receives;          /* pieces of input */
    uint64_t num_sends;             /* sends completed */
};

extern const struct poller_table poller_uring;
extern const struct poller_table poller_epoll;

/*
 * RC_UNSUPPORTED: what was asked for is not available here; AUTO takes io_uring if it works, else
 * epoll. RC_IO: no descriptors. Must be called by the thread that will wait.
 */
enum rc poller_open(struct poller *out, enum options_io io, bool is_secure,
                    const struct poller_sink *sink, struct stream_pool *pool) MUST_USE;

/* By the opening thread or after its end. Nothing is in flight afterwards. */
void poller_close(struct poller *poller);

/* Starts to receive. The stream stays where it is until poller_close. */
static inline void poller_add(struct poller *poller, struct stream *stream)
{
    poller->table->add(poller, stream);
}

/* Receives no more from the stream; its peer will see a window that closes. */
static inline void poller_pause(struct poller *poller, struct stream *stream)
{
    stream->is_paused = true;
    poller->table->pause(poller, stream);
}

/* Sends what the stream has, unless a send is in flight (its end sends the rest). */
static inline void poller_send(struct poller *poller, struct stream *stream)
{
    if (!stream->is_in_flight && !stream->is_broken && stream_has_output(stream))
        poller->table->send(poller, stream);
}

/* Waits for events at most timeout_ns and handles them. */
static inline void poller_wait(struct poller *poller, uint64_t timeout_ns)
{
    poller->table->wait(poller, timeout_ns);
}

/* Ends the poller's wait, now or the next one. */
void poller_wake(struct poller *poller);

/* For the tables: marks the stream broken and tells the sink, the first time. */
void poller_break(struct poller *poller, struct stream *stream, int error);

#endif
