/*
 * poller.c -- the choice between the two ways, and what they share; see poller.h.
 *
 * Threads: as in poller.h.
 */
#include "poller.h"

#include <sys/eventfd.h>
#include <unistd.h>

static enum rc poller_try(struct poller *poller, const struct poller_table *table)
{
    poller->table = table;
    return table->open(poller);
}

enum rc poller_open(struct poller *out, enum options_io io, bool is_secure,
                    const struct poller_sink *sink, struct stream_pool *pool)
{
    *out = (struct poller){.sink = sink, .pool = pool};
    out->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (out->wake_fd < 0)
        return RC_IO;
    enum rc rc = RC_UNSUPPORTED;
    /* TLS sends and receives by itself: one way has to do. */
    if (is_secure)
        io = OPTIONS_IO_EPOLL;
    if (io == OPTIONS_IO_AUTO || io == OPTIONS_IO_URING)
        rc = poller_try(out, &poller_uring);
    if (io == OPTIONS_IO_EPOLL || (io == OPTIONS_IO_AUTO && rc != RC_OK))
        rc = poller_try(out, &poller_epoll);
    if (rc != RC_OK)
        close(out->wake_fd);
    return rc;
}

void poller_close(struct poller *poller)
{
    poller->table->close(poller);
    close(poller->wake_fd);
}

void poller_wake(struct poller *poller)
{
    uint64_t one = 1;
    /* It fails only when the counter is full, and then the wake-up is there already. */
    ssize_t written = write(poller->wake_fd, &one, sizeof(one));
    (void)written;
}

void poller_break(struct poller *poller, struct stream *stream, int error)
{
    if (stream->is_broken)
        return;
    stream->is_broken = true;
    poller->sink->broken(stream, error);
}
