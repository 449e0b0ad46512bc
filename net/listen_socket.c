/*
 * listen_socket.c -- see listen_socket.h.
 * Threads: see listen_socket.h.
 */
#include "listen_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool listen_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

/* What the connections inherit that a listening socket accepts. */
static bool listen_options_inherit(int fd, const struct listen_options *options)
{
    bool ok = listen_option(fd, IPPROTO_TCP, TCP_NODELAY, options->nodelay);
    ok &= listen_option(fd, SOL_SOCKET, SO_KEEPALIVE, options->keepalive_idle_s > 0);
    if (options->keepalive_idle_s > 0) {
        ok &= listen_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, options->keepalive_idle_s);
        ok &= listen_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, options->keepalive_interval_s);
        ok &= listen_option(fd, IPPROTO_TCP, TCP_KEEPCNT, options->keepalive_probes);
    }
    return ok & listen_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)options->user_timeout_ms);
}

static bool listen_options_set(int fd, const struct listen_options *options)
{
    bool ok = listen_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (options->address.ss_family == AF_INET6)
        ok &= listen_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->v6only);
    return ok & listen_options_inherit(fd, options);
}

/* -1 with errno set. `share`: with SO_REUSEPORT. */
static int listen_socket(const struct listen_options *options,
                         const struct sockaddr_storage *address, bool share)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0)
        return -1;
    if (listen_options_set(fd, options) &&
        (!share || listen_option(fd, SOL_SOCKET, SO_REUSEPORT, 1)) &&
        bind(fd, (const struct sockaddr *)address, options->address_len) == 0 &&
        (!share || listen(fd, options->backlog) == 0))
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static uint16_t listen_port(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
    return ntohs(((const struct sockaddr_in *)address)->sin_port);
}

static enum rc listen_tcp_open(const struct listen_options *options, int *fds, unsigned num,
                               unsigned *out_port, int *out_error)
{
    struct sockaddr_storage address = options->address;
    /* Without SO_REUSEPORT first: sharing a port with another broker would go unnoticed. */
    int probe = listen_socket(options, &address, false);
    if (probe < 0) {
        *out_error = errno;
        return RC_IO;
    }
    socklen_t len = sizeof(address);
    if (getsockname(probe, (struct sockaddr *)&address, &len) != 0)
        address = options->address;
    close(probe);
    for (unsigned i = 0; i < num; i++) {
        fds[i] = listen_socket(options, &address, true);
        if (fds[i] >= 0)
            continue;
        *out_error = errno;
        while (i-- > 0)
            close(fds[i]);
        return RC_IO;
    }
    *out_port = listen_port(&address);
    return RC_OK;
}

/* Is there a socket at this path to which nobody listens? */
static bool listen_unix_is_stale(const struct sockaddr_un *address)
{
    struct stat info;
    if (lstat(address->sun_path, &info) != 0 || !S_ISSOCK(info.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool stale = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
                 errno == ECONNREFUSED;
    close(fd);
    return stale;
}

/* -1 with errno set. */
static int listen_unix_socket(const struct listen_options *options)
{
    const struct sockaddr_un *address = (const struct sockaddr_un *)&options->address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (listen_unix_is_stale(address))
        unlink(address->sun_path);
    /* Nobody can connect between bind and listen, so the permissions are in time. */
    if (bind(fd, (const struct sockaddr *)address, options->address_len) == 0) {
        if ((options->unix_mode == 0 || chmod(address->sun_path, options->unix_mode) == 0) &&
            listen(fd, options->backlog) == 0)
            return fd;
        int error = errno;
        unlink(address->sun_path);
        errno = error;
    }
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static enum rc listen_unix_open(const struct listen_options *options, int *fds, unsigned num,
                                int *out_error)
{
    for (unsigned i = 0; i < num; i++) {
        fds[i] = i == 0 ? listen_unix_socket(options) : fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
        if (fds[i] >= 0)
            continue;
        *out_error = errno;
        if (i > 0)
            listen_sockets_unlink(&options->address);
        while (i-- > 0)
            close(fds[i]);
        return RC_IO;
    }
    return RC_OK;
}

enum rc listen_sockets_open(const struct listen_options *options, int *fds, unsigned num,
                            unsigned *out_port, int *out_error)
{
    *out_port = 0;
    if (options->address.ss_family == AF_UNIX)
        return listen_unix_open(options, fds, num, out_error);
    return listen_tcp_open(options, fds, num, out_port, out_error);
}

enum rc listen_sockets_adjust(const struct listen_options *options, const int *fds, unsigned num)
{
    bool ok = true;
    for (unsigned i = 0; !options->is_unix && i < num; i++) {
        if (fds[i] >= 0)
            ok &= listen_options_inherit(fds[i], options);
    }
    return ok ? RC_OK : RC_IO;
}

void listen_sockets_unlink(const struct sockaddr_storage *address)
{
    const struct sockaddr_un *path = (const struct sockaddr_un *)address;
    if (address->ss_family == AF_UNIX && listen_unix_is_stale(path))
        unlink(path->sun_path);
}
