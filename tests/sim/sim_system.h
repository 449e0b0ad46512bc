/*
 * sim_system.h -- the broker's system calls as the simulator answers them.
 *
 * The names that the linker wants for `ld --wrap=name`: __wrap_name is what the broker calls,
 * __real_name the C library's.
 */
#ifndef SLUICE_SIM_SYSTEM_H
#define SLUICE_SIM_SYSTEM_H

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>

struct sim_file;

/* Takes the first connection of a backlog that is not empty; its new descriptor. */
int sim_listener_accept(struct sim_file *listener);

int __wrap_socket(int family, int type, int protocol);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_listen(int fd, int backlog);
int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *len);
int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *len);
int __wrap_shutdown(int fd, int how);
int __wrap_close(int fd);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_eventfd(unsigned count, int flags);
ssize_t __wrap_read(int fd, void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_getrandom(void *bytes, size_t len, unsigned flags);

#endif
