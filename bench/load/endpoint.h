/*
 * endpoint.h -- where the broker is, and from which addresses clients call it.
 *
 * A source address has about 28,000 ephemeral ports towards one broker address. With more clients
 * than that, sources are needed: those given by the user, or against an IPv4 loopback broker the
 * addresses 127.0.0.2, 127.0.0.3, ..., one for each ENDPOINT_CLIENTS_PER_SOURCE clients.
 *
 * Threads: resolved before workers start, read-only afterwards; endpoint_open by any.
 */
#ifndef BENCH_ENDPOINT_H
#define BENCH_ENDPOINT_H

#include "check.h"
#include "rc.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define ENDPOINT_CLIENTS_PER_SOURCE 20000
#define ENDPOINT_SOURCES_MAX        256

struct endpoint {
    struct sockaddr_storage broker;
    socklen_t broker_len;
    struct sockaddr_storage sources[ENDPOINT_SOURCES_MAX]; /* of the broker's family */
    uint32_t num_sources;                                  /* 0: the kernel chooses */
};

/*
 * Looks up the broker and the sources (a comma-separated list of literal addresses, or NULL).
 * RC_INVALID or RC_NOT_FOUND with a sentence in `error`.
 */
enum rc endpoint_resolve(struct endpoint *out, const char *host, uint64_t port, const char *sources,
                         uint64_t num_clients, char *error, size_t error_len) MUST_USE;

/*
 * A non-blocking socket whose connection to the broker is under way, without Nagle's delay.
 * Returns the descriptor, or -1 with errno.
 */
int endpoint_open(const struct endpoint *endpoint, uint64_t client_number);

/* Raises the limit of descriptors to the hard one; returns how many there may be then. */
uint64_t endpoint_descriptors_max(void);

#endif
