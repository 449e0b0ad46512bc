/*
 * control_socket.h -- the HTTP API (api.h) on a Unix socket, for who runs the broker.
 *
 * The socket lies in the data directory (control.sock) unless `admin.control` says another path;
 * its mode is 0600, so that only the broker's own user and root reach it: there is no password.
 * A socket that a dead broker has left is replaced; one that somebody listens on, and any file that
 * is not a socket, is not touched, and the broker does not start.
 *
 * Bounds: those of http_server.h and api.h; together some 16 MiB of bodies.
 *
 * Threads: the ops thread.
 */
#ifndef SLUICE_CONTROL_SOCKET_H
#define SLUICE_CONTROL_SOCKET_H

#include "config.h"
#include "http_server.h"

#define CONTROL_NAME     "control.sock"
#define CONTROL_PATH_MAX 107 /* what a socket's name may have */

struct broker;

/*
 * The path that the configuration and the data directory ("" for none) lead to, into `out`
 * (CONTROL_PATH_MAX + 1 bytes). RC_NOT_FOUND: there is to be no socket. RC_TOO_LARGE: the path has
 * more bytes than a socket's name may have.
 */
MUST_USE enum rc control_socket_path(const struct config *config, const char *data_dir, char *out);

/* Listens. On failure `out_reason` has one line. Without a socket to be: RC_OK. */
MUST_USE enum rc control_socket_open(struct broker *broker, char *out_reason, size_t reason_size);

/* As with the server's of the same names. */
int control_socket_fd(const struct broker *broker);
int control_socket_timeout_ms(const struct broker *broker, int most_ms);
void control_socket_run(struct broker *broker, uint64_t now_ms);

/* Answers what is pending, closes, and takes the socket away. */
void control_socket_close(struct broker *broker);

#endif
