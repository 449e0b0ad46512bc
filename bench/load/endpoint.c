/*
 * endpoint.c -- see endpoint.h.
 *
 * Threads: endpoint_open by any, the rest before they start.
 */
#include "endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Not in every libc's headers: choose the port at connect, when the four-tuple is known. */
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static bool endpoint_is_loopback4(const struct endpoint *endpoint)
{
    if (endpoint->broker.ss_family != AF_INET)
        return false;
    const struct sockaddr_in *in = (const void *)&endpoint->broker;
    return ntohl(in->sin_addr.s_addr) >> 24 == 127;
}

static bool endpoint_source_add(struct endpoint *endpoint, const char *text)
{
    if (endpoint->num_sources == ENDPOINT_SOURCES_MAX)
        return false;
    struct sockaddr_storage *to = &endpoint->sources[endpoint->num_sources];
    *to = (struct sockaddr_storage){.ss_family = endpoint->broker.ss_family};
    void *address = to->ss_family == AF_INET
                        ? (void *)&((struct sockaddr_in *)(void *)to)->sin_addr
                        : (void *)&((struct sockaddr_in6 *)(void *)to)->sin6_addr;
    if (inet_pton(to->ss_family, text, address) != 1)
        return false;
    endpoint->num_sources++;
    return true;
}

static bool endpoint_sources_parse(struct endpoint *endpoint, const char *list)
{
    char item[INET6_ADDRSTRLEN];
    for (const char *at = list; *at != '\0';) {
        size_t len = strcspn(at, ",");
        if (len >= sizeof(item))
            return false;
        memcpy(item, at, len);
        item[len] = '\0';
        if (!endpoint_source_add(endpoint, item))
            return false;
        at += len + (at[len] == ',' ? 1 : 0);
    }
    return endpoint->num_sources > 0;
}

static void endpoint_sources_choose(struct endpoint *endpoint, uint64_t num_clients)
{
    if (num_clients <= ENDPOINT_CLIENTS_PER_SOURCE || !endpoint_is_loopback4(endpoint))
        return;
    uint64_t num = (num_clients + ENDPOINT_CLIENTS_PER_SOURCE - 1) / ENDPOINT_CLIENTS_PER_SOURCE;
    for (uint64_t i = 0; i < num && i < 250; i++) {
        char text[INET_ADDRSTRLEN];
        snprintf(text, sizeof(text), "127.0.0.%u", (unsigned)(2 + i));
        CHECK(endpoint_source_add(endpoint, text));
    }
}

enum rc endpoint_resolve(struct endpoint *out, const char *host, uint64_t port, const char *sources,
                         uint64_t num_clients, char *error, size_t error_len)
{
    *out = (struct endpoint){.broker_len = 0};
    char service[8];
    snprintf(service, sizeof(service), "%u", (unsigned)port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(host, service, &hints, &found);
    if (failed != 0) {
        snprintf(error, error_len, "%s: %s", host, gai_strerror(failed));
        return RC_NOT_FOUND;
    }
    CHECK(found->ai_addrlen <= sizeof(out->broker));
    memcpy(&out->broker, found->ai_addr, found->ai_addrlen);
    out->broker_len = found->ai_addrlen;
    freeaddrinfo(found);
    if (sources == NULL) {
        endpoint_sources_choose(out, num_clients);
    } else if (!endpoint_sources_parse(out, sources)) {
        snprintf(error, error_len, "--source: not a list of addresses of the broker's family: %s",
                 sources);
        return RC_INVALID;
    }
    return RC_OK;
}

static bool endpoint_prepare(const struct endpoint *endpoint, int fd, uint64_t client_number)
{
    int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        return false;
    if (endpoint->num_sources == 0)
        return true;
    uint64_t at = client_number % endpoint->num_sources;
    /* A hint: without it bind takes a port free for all destinations, and runs out early. */
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    return bind(fd, (const struct sockaddr *)&endpoint->sources[at], endpoint->broker_len) == 0;
}

int endpoint_open(const struct endpoint *endpoint, uint64_t client_number)
{
    int fd = socket(endpoint->broker.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (endpoint_prepare(endpoint, fd, client_number) &&
        (connect(fd, (const struct sockaddr *)&endpoint->broker, endpoint->broker_len) == 0 ||
         errno == EINPROGRESS))
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

uint64_t endpoint_descriptors_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 && getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    return limit.rlim_cur;
}
