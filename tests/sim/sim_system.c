/*
 * sim_system.c -- the system calls of the broker that touch descriptors or chance, replaced when
 * the simulator is linked (ld --wrap): false descriptors go to sim_socket.h, others to the kernel.
 *
 * Sockets are only ever false. getrandom answers from the run's seed, so that the keys of hashes,
 * and with them the homes of clients, follow from it. Of what the broker writes to standard error
 * (its log) only a trace shows something.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sim_base.h"
#include "sim_socket.h"
#include "sim_system.h"

int __real_close(int fd);
ssize_t __real_read(int fd, void *bytes, size_t len);
ssize_t __real_write(int fd, const void *bytes, size_t len);
int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);

/* The file behind a descriptor that the broker uses, which must be open and of that kind. */
static struct sim_file *system_file(int fd, enum sim_file_kind kind)
{
    struct sim_file *file = sim_fd_file(fd);
    SIM_CHECK(file != NULL && file->kind == kind, "descriptor %d is not open, or another thing",
              fd);
    return file;
}

int __wrap_socket(int family, int type, int protocol)
{
    (void)type;
    (void)protocol;
    SIM_CHECK(family == AF_INET || family == AF_INET6, "a socket of family %d", family);
    return sim_fd_open(SIM_FILE_LISTENER)->fd;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    (void)level;
    (void)name;
    (void)value;
    (void)len;
    system_file(fd, SIM_FILE_LISTENER);
    return 0;
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len)
{
    (void)address;
    (void)len;
    system_file(fd, SIM_FILE_LISTENER);
    return 0;
}

int __wrap_listen(int fd, int backlog)
{
    (void)backlog;
    system_file(fd, SIM_FILE_LISTENER);
    return 0;
}

static int system_address(struct sockaddr *address, socklen_t *len, uint16_t port)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    memcpy(address, &in, *len < sizeof(in) ? *len : sizeof(in));
    *len = sizeof(in);
    return 0;
}

int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *len)
{
    system_file(fd, SIM_FILE_LISTENER);
    return system_address(address, len, 1883);
}

int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *len)
{
    const struct sim_file *file = system_file(fd, SIM_FILE_SOCKET);
    if (file->reset) {
        errno = ENOTCONN;
        return -1;
    }
    return system_address(address, len, (uint16_t)(10000 + fd));
}

int __wrap_shutdown(int fd, int how)
{
    struct sim_file *file = sim_fd_file(fd);
    SIM_CHECK(file != NULL, "shutdown of descriptor %d, which is not open", fd);
    SIM_TRACE("fd %d: shutdown %d", fd, how);
    if (file->kind == SIM_FILE_LISTENER)
        file->shut = true;
    else
        sim_socket_shutdown(file, how);
    return 0;
}

int __wrap_close(int fd)
{
    if (fd < SIM_FD_FIRST)
        return __real_close(fd);
    sim_fd_close(fd);
    return 0;
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    (void)address;
    (void)len;
    (void)flags;
    struct sim_file *listener = system_file(fd, SIM_FILE_LISTENER);
    if (listener->backlog_len == 0) {
        errno = EAGAIN;
        return -1;
    }
    return sim_listener_accept(listener);
}

int sim_listener_accept(struct sim_file *listener)
{
    struct sim_file *socket = listener->backlog[0];
    listener->backlog_len--;
    memmove(&listener->backlog[0], &listener->backlog[1],
            listener->backlog_len * sizeof(listener->backlog[0]));
    int fd = sim_fd_assign(socket);
    sim_file_unref(socket); /* the backlog's */
    SIM_TRACE("fd %d: accepted", fd);
    return fd;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    if (count != 1 || fds[0].fd < SIM_FD_FIRST)
        return __real_poll(fds, count, timeout_ms);
    const struct sim_file *listener = system_file(fds[0].fd, SIM_FILE_LISTENER);
    fds[0].revents = POLLIN;
    return listener->backlog_len > 0 ? 1 : 0;
}

int __wrap_eventfd(unsigned count, int flags)
{
    (void)count;
    (void)flags;
    return sim_fd_open(SIM_FILE_EVENT)->fd;
}

ssize_t __wrap_read(int fd, void *bytes, size_t len)
{
    if (fd < SIM_FD_FIRST)
        return __real_read(fd, bytes, len);
    struct sim_file *event = system_file(fd, SIM_FILE_EVENT);
    SIM_CHECK(len == sizeof(event->count), "an eventfd read of %zu bytes", len);
    if (event->count == 0) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(bytes, &event->count, len);
    event->count = 0;
    return (ssize_t)len;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
    if (fd == STDERR_FILENO) {
        if (sim_tracing)
            fwrite(bytes, 1, len, stdout);
        return (ssize_t)len;
    }
    if (fd < SIM_FD_FIRST)
        return __real_write(fd, bytes, len);
    struct sim_file *event = system_file(fd, SIM_FILE_EVENT);
    uint64_t add;
    SIM_CHECK(len == sizeof(add), "an eventfd write of %zu bytes", len);
    memcpy(&add, bytes, len);
    event->count += add;
    event->news = true;
    return (ssize_t)len;
}

ssize_t __wrap_getrandom(void *bytes, size_t len, unsigned flags)
{
    (void)flags;
    uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)sim_random();
    return (ssize_t)len;
}
