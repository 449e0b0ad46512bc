/*
 * listen_socket.h -- the listening sockets of one listener, one for each shard.
 *
 * TCP: SO_REUSEPORT lets every shard have a socket of its own, and the kernel spreads connections
 * over them. Options set on a listening socket are inherited by what it accepts.
 *
 * A Unix socket has one queue; the shards have descriptors of the same socket, and who looks first
 * accepts. A path where nobody listens any more, left behind by a process that was killed, is
 * removed first; one where somebody does is in use. The path's permissions are set before anybody
 * can connect.
 *
 * Threads: main, which is also the ops thread.
 */
#ifndef SLUICE_LISTEN_SOCKET_H
#define SLUICE_LISTEN_SOCKET_H

#include "listen.h"

/*
 * Fills the first `num` of `fds`. RC_IO: none is open, *out_error is an errno. The port stands in
 * *out_port (host order; 0 of a Unix socket).
 */
MUST_USE enum rc listen_sockets_open(const struct listen_options *options, int *fds, unsigned num,
                                     unsigned *out_port, int *out_error);

/* Gives open sockets what the connections to come inherit. RC_IO: the kernel refused something. */
enum rc listen_sockets_adjust(const struct listen_options *options, const int *fds, unsigned num);

/* Removes the path of a Unix socket whose listener ends; nothing for others. */
void listen_sockets_unlink(const struct sockaddr_storage *address);

#endif
