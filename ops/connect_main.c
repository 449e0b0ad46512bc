/*
 * connect_main.c -- sluice-connect: the helper process that speaks to the outside for sluiced.
 *
 * Not for people: sluiced starts it with its end of a socket as descriptor 3, asks over it
 * (connect_wire.h) and starts it again should it die. It ends when that socket does.
 *
 * Threads: one.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connect_http.h"

#define CONNECT_FD   3
#define CONNECT_READ 65536

/* False: sluiced has gone, or says what is no frame. */
static bool connect_take(struct connect_http *http, struct connect_buffer *in)
{
    struct bytes headers[CONNECT_HEADERS_MAX];
    struct connect_request request;
    uint32_t at = 0;
    for (;;) {
        struct connect_frame frame;
        struct bytes left = {.ptr = in->ptr + at, .len = in->len - at};
        enum connect_result result = connect_read_frame(left, &frame);
        if (result == CONNECT_BAD)
            return false;
        if (result == CONNECT_MORE)
            break;
        if (frame.kind == CONNECT_REQUEST && connect_read_request(frame.body, &request, headers))
            connect_http_ask(http, frame.id, &request);
        else if (frame.kind == CONNECT_CANCEL)
            connect_http_cancel(http, frame.id);
        else
            return false;
        at += frame.len;
    }
    if (at > 0)
        connect_buffer_drop(in, at);
    return true;
}

static bool connect_read(struct connect_http *http, struct connect_buffer *in)
{
    static uint8_t bytes[CONNECT_READ];
    ssize_t got = recv(CONNECT_FD, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    return got > 0 && connect_buffer_add(in, bytes, (uint32_t)got) && connect_take(http, in);
}

static bool connect_write(struct connect_buffer *out)
{
    if (out->len == 0)
        return true;
    ssize_t sent = send(CONNECT_FD, out->ptr, out->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR;
    connect_buffer_drop(out, (uint32_t)sent);
    return true;
}

int main(int argc, char **argv)
{
    (void)argv;
    struct connect_buffer in = {0};
    struct connect_buffer out = {0};
    if (argc > 1 || fcntl(CONNECT_FD, F_GETFD) < 0) {
        fprintf(stderr, "sluice-connect is started by sluiced, which speaks to it over a socket\n");
        return 2;
    }
    fcntl(CONNECT_FD, F_SETFD, FD_CLOEXEC);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    struct connect_http *http = connect_http_create(&out);
    if (http == NULL)
        return 1;
    while (connect_read(http, &in) && connect_write(&out))
        connect_http_wait(http, CONNECT_FD, out.len > 0);
    connect_http_destroy(http);
    connect_buffer_fini(&in);
    connect_buffer_fini(&out);
    return 0;
}
