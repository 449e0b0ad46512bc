/*
 * secure.h -- TLS of the generator's connections.
 *
 * One secure_worker for each worker thread holds the settings and one buffer: all that a receive
 * brings is decrypted before the next connection's turn, so no connection has a buffer of its own
 * while it is quiet. A record that is not whole waits in the library.
 *
 * Sending and receiving behave like the calls of the kernel: a count, or -1 and errno, EAGAIN for
 * "not now". The handshake goes on inside of both.
 *
 * A worker that resumes keeps the newest session that the broker has given to any of its
 * connections, and shows it at every handshake that begins after that.
 *
 * Threads: the worker's own.
 */
#ifndef BENCH_SECURE_H
#define BENCH_SECURE_H

#include "check.h"

#include <sys/types.h>

struct secure;
struct secure_worker;

/* `ca`: the file of authorities to verify the broker with; NULL: it is not verified. NULL: the
 * file cannot be used. */
struct secure_worker *secure_worker_open(const char *ca, bool resumes) MUST_USE;

/* NULL is allowed. */
void secure_worker_close(struct secure_worker *worker);

/* TLS over a descriptor, which is not its own. Says DISCONNECT to nobody. */
struct secure *secure_open(struct secure_worker *worker, int fd, const char *host);
void secure_close(struct secure *secure);

ssize_t secure_send(struct secure *secure, const uint8_t *data, size_t len);
ssize_t secure_recv(struct secure *secure, uint8_t *out, size_t size);

/* The last -1/EAGAIN of secure_send waits for bytes of the peer, not for room. */
bool secure_waits_for_peer(const struct secure *secure);

#endif
