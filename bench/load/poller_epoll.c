/*
 * poller_epoll.c -- the way by epoll: level-triggered, one large buffer for all input.
 *
 * A send is tried at once; only when the kernel takes less than all does the stream count as in
 * flight, and EPOLLOUT is asked for until the rest is gone. A connection still being set up refuses
 * its first bytes in the same manner, so there is no separate state for it.
 *
 * Threads: the worker's own.
 */
#include "heap.h"
#include "poller.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define POLLER_EPOLL_EVENTS  256
#define POLLER_EPOLL_BUF_LEN (256 * 1024)

struct poller_epoll {
    int fd;
    struct epoll_event events[POLLER_EPOLL_EVENTS];
    uint8_t buf[POLLER_EPOLL_BUF_LEN];
};

static void poller_epoll_close(struct poller *poller)
{
    struct poller_epoll *epoll = poller->state;
    close(epoll->fd);
    free(epoll);
}

static enum rc poller_epoll_open(struct poller *poller)
{
    struct poller_epoll *epoll = heap_zeroed(1, sizeof(*epoll));
    poller->state = epoll;
    epoll->fd = epoll_create1(EPOLL_CLOEXEC);
    /* The wake-up's data is NULL: no stream. */
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = NULL}};
    if (epoll->fd >= 0 && epoll_ctl(epoll->fd, EPOLL_CTL_ADD, poller->wake_fd, &event) == 0)
        return RC_OK;
    if (epoll->fd >= 0)
        close(epoll->fd);
    free(epoll);
    return RC_IO;
}

static void poller_epoll_add(struct poller *poller, struct stream *stream)
{
    struct poller_epoll *epoll = poller->state;
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = stream}};
    if (epoll_ctl(epoll->fd, EPOLL_CTL_ADD, stream->fd, &event) != 0)
        poller_break(poller, stream, errno);
}

static void poller_epoll_interest(struct poller *poller, struct stream *stream, uint32_t events)
{
    struct poller_epoll *epoll = poller->state;
    struct epoll_event event = {.events = events, .data = {.ptr = stream}};
    if (epoll_ctl(epoll->fd, EPOLL_CTL_MOD, stream->fd, &event) != 0)
        poller_break(poller, stream, errno);
}

static void poller_epoll_send(struct poller *poller, struct stream *stream)
{
    bool was_in_flight = stream->is_in_flight;
    while (stream_has_output(stream)) {
        uint32_t len;
        const uint8_t *data = stream_peek(stream, poller->pool, &len);
        ssize_t taken = stream->secure != NULL ? secure_send(stream->secure, data, len)
                                               : send(stream->fd, data, len, MSG_NOSIGNAL);
        if (taken < 0 && errno == EINTR)
            continue;
        if (taken < 0 && errno != EAGAIN) {
            stream->is_in_flight = false;
            poller_break(poller, stream, errno);
            return;
        }
        if (taken < 0)
            break;
        poller->num_sends++;
        stream_advance(stream, poller->pool, (uint32_t)taken);
    }
    stream->is_in_flight = stream_has_output(stream);
    bool waits_for_room = stream->is_in_flight &&
                          (stream->secure == NULL || !secure_waits_for_peer(stream->secure));
    if (stream->is_in_flight != was_in_flight || stream->secure != NULL)
        poller_epoll_interest(poller, stream, waits_for_room ? EPOLLIN | EPOLLOUT : EPOLLIN);
    poller->sink->drained(stream);
}

static void poller_epoll_pause(struct poller *poller, struct stream *stream)
{
    struct poller_epoll *epoll = poller->state;
    epoll_ctl(epoll->fd, EPOLL_CTL_DEL, stream->fd, NULL);
}

static void poller_epoll_receive(struct poller *poller, struct stream *stream)
{
    struct poller_epoll *epoll = poller->state;
    ssize_t len = stream->secure != NULL
                      ? secure_recv(stream->secure, epoll->buf, sizeof(epoll->buf))
                      : recv(stream->fd, epoll->buf, sizeof(epoll->buf), 0);
    if (len > 0) {
        poller->num_receives++;
        poller->sink->input(stream, epoll->buf, (size_t)len);
    } else if (len == 0 || (errno != EAGAIN && errno != EINTR)) {
        int error = len == 0 ? 0 : errno;
        epoll_ctl(epoll->fd, EPOLL_CTL_DEL, stream->fd, NULL);
        stream->is_in_flight = false;
        poller_break(poller, stream, error);
    }
}

static void poller_epoll_event(struct poller *poller, const struct epoll_event *event)
{
    struct stream *stream = event->data.ptr;
    if (stream == NULL) {
        uint64_t count;
        ssize_t got = read(poller->wake_fd, &count, sizeof(count));
        (void)got;
        return;
    }
    if (stream->is_broken)
        return;
    if (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        poller_epoll_receive(poller, stream);
    /* What came may be the step of the handshake that output waited for. */
    if (stream->secure != NULL && stream->is_in_flight && !stream->is_broken)
        poller_epoll_send(poller, stream);
    else if ((event->events & EPOLLOUT) && !stream->is_broken)
        poller_epoll_send(poller, stream);
}

static void poller_epoll_wait(struct poller *poller, uint64_t timeout_ns)
{
    struct poller_epoll *epoll = poller->state;
    struct timespec timeout = {
        .tv_sec = (time_t)(timeout_ns / 1000000000),
        .tv_nsec = (long)(timeout_ns % 1000000000),
    };
    int num = epoll_pwait2(epoll->fd, epoll->events, POLLER_EPOLL_EVENTS, &timeout, NULL);
    /* Kernels before 5.11 know milliseconds only. */
    if (num < 0 && errno == ENOSYS)
        num = epoll_wait(epoll->fd, epoll->events, POLLER_EPOLL_EVENTS,
                         (int)((timeout_ns + 999999) / 1000000));
    for (int i = 0; i < num; i++)
        poller_epoll_event(poller, &epoll->events[i]);
}

const struct poller_table poller_epoll = {
    .name = "epoll",
    .open = poller_epoll_open,
    .close = poller_epoll_close,
    .add = poller_epoll_add,
    .pause = poller_epoll_pause,
    .send = poller_epoll_send,
    .wait = poller_epoll_wait,
};
