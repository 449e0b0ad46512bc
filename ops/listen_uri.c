/*
 * listen_uri.c -- reading, writing and resolving the address of a listener.
 *
 * Parsing goes left to right: scheme, host (in brackets or not), port. Nothing may follow: a path
 * belongs to WebSocket listeners, which have a key for it. The parser works on a copy and gives it
 * to the caller only when all of it is right.
 */
#include "listen_uri.h"

#include "units.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <unistd.h>

struct listen_scheme_row {
    const char *name;
    uint16_t port;
    uint8_t layers;
};

static const struct listen_scheme_row listen_schemes[] = {
#define LISTEN_ROW(constant, scheme, port, layers) {scheme, port, layers},
    LISTEN_SCHEME_TABLE(LISTEN_ROW)
#undef LISTEN_ROW
};
STATIC_CHECK(ARRAY_LEN(listen_schemes) == LISTEN_SCHEME_COUNT, "a row for each scheme");

/* Other names under which people know a scheme. */
static const struct {
    const char *name;
    enum listen_scheme scheme;
} listen_aliases[] = {
    {"mqtt", LISTEN_TCP},
    {"mqtts", LISTEN_TLS},
    {"ssl", LISTEN_TLS},
};

/* The scheme of that name, or LISTEN_SCHEME_COUNT. */
static enum listen_scheme listen_uri_scheme(const char *name, size_t len)
{
    for (int i = 0; i < LISTEN_SCHEME_COUNT; i++) {
        if (strlen(listen_schemes[i].name) == len &&
            strncasecmp(listen_schemes[i].name, name, len) == 0)
            return (enum listen_scheme)i;
    }
    for (size_t i = 0; i < ARRAY_LEN(listen_aliases); i++) {
        if (strlen(listen_aliases[i].name) == len &&
            strncasecmp(listen_aliases[i].name, name, len) == 0)
            return listen_aliases[i].scheme;
    }
    return LISTEN_SCHEME_COUNT;
}

/* Takes the scheme off the front of *text; a text without one is tcp. */
static enum rc listen_uri_take_scheme(const char **text, struct listen_uri *uri,
                                      const char **out_reason)
{
    const char *mark = strstr(*text, "://");
    uri->scheme = LISTEN_TCP;
    if (mark != NULL) {
        uri->scheme = listen_uri_scheme(*text, (size_t)(mark - *text));
        if (uri->scheme == LISTEN_SCHEME_COUNT) {
            *out_reason = "the scheme is not known; it should be tcp, tls, ws, wss or unix";
            return RC_INVALID;
        }
        *text = mark + 3;
    }
    uri->port = listen_schemes[uri->scheme].port;
    return RC_OK;
}

/* A name of letters, digits, `-`, `_` and `.`, or an IPv4 address; NULL or the reason why not. */
static const char *listen_uri_judge_name(const char *host)
{
    size_t len = strlen(host);
    if (strspn(host, "0123456789.") == len) {
        struct in_addr address;
        return inet_pton(AF_INET, host, &address) == 1 ? NULL : "this is not an IPv4 address";
    }
    for (size_t i = 0; i < len; i++) {
        char c = host[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool digit = c >= '0' && c <= '9';
        if (!letter && !digit && c != '-' && c != '_' && c != '.')
            return "a host name has only letters, digits and -_.";
    }
    return NULL;
}

/* Takes the host off the front of *text, which then is at the port's `:` or at the end. */
static enum rc listen_uri_take_host(const char **text, struct listen_uri *uri,
                                    const char **out_reason)
{
    const char *start = *text;
    bool bracket = *start == '[';
    start += bracket;
    size_t len = strcspn(start, bracket ? "]" : ":");
    if (len > LISTEN_HOST_LEN_MAX) {
        *out_reason = "the host is too long";
        return RC_INVALID;
    }
    memcpy(uri->host, start, len);
    uri->host[len] = '\0';
    *text = start + len;
    if (!bracket) {
        *out_reason = len == 0 ? NULL : listen_uri_judge_name(uri->host);
        return *out_reason == NULL ? RC_OK : RC_INVALID;
    }
    struct in6_addr address;
    if (**text != ']' || inet_pton(AF_INET6, uri->host, &address) != 1) {
        *out_reason = "what is in brackets should be an IPv6 address";
        return RC_INVALID;
    }
    (*text)++;
    return RC_OK;
}

/* The whole of `text` is the path of a Unix socket. */
static enum rc listen_uri_take_path(const char *text, struct listen_uri *uri,
                                    const char **out_reason)
{
    size_t len = strlen(text);
    uri->port = 0;
    if (*text != '/')
        *out_reason = "the path of a Unix socket is absolute: unix:///run/mqtt.sock";
    else if (len >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        *out_reason = "the path of a Unix socket has at most 107 bytes";
    else {
        memcpy(uri->host, text, len + 1);
        return RC_OK;
    }
    return RC_INVALID;
}

/* The whole of `text` is a port number. */
static enum rc listen_uri_take_port(const char *text, struct listen_uri *uri,
                                    const char **out_reason)
{
    uint64_t port = 0;
    if (units_parse_count(text, &port) == RC_OK && port <= UINT16_MAX) {
        uri->port = (uint16_t)port;
        return RC_OK;
    }
    if (strchr(text, ':') != NULL)
        *out_reason = "an IPv6 address has to stand in brackets";
    else if (strchr(text, '/') != NULL)
        *out_reason = "nothing may follow the port";
    else
        *out_reason = "the port should be a number from 0 to 65535";
    return RC_INVALID;
}

enum rc listen_uri_parse(const char *text, struct listen_uri *out, const char **out_reason)
{
    return listen_uri_parse_port(text, 0, out, out_reason);
}

enum rc listen_uri_parse_port(const char *text, uint16_t port, struct listen_uri *out,
                              const char **out_reason)
{
    CHECK(text != NULL && out != NULL && out_reason != NULL);
    if (*text == '\0') {
        *out_reason = "it is empty";
        return RC_INVALID;
    }
    struct listen_uri uri;
    memset(&uri, 0, sizeof(uri));
    const char *start = text;
    enum rc rc = listen_uri_take_scheme(&text, &uri, out_reason);
    if (rc != RC_OK)
        return rc;
    if (port != 0)
        uri.port = port;
    if (*text == '\0') {
        *out_reason = "it has neither a host nor a port";
        return RC_INVALID;
    }
    if (uri.scheme == LISTEN_UNIX) {
        rc = listen_uri_take_path(text, &uri, out_reason);
    } else if (text == start && strspn(text, "0123456789") == strlen(text)) {
        rc = listen_uri_take_port(text, &uri, out_reason);
    } else {
        rc = listen_uri_take_host(&text, &uri, out_reason);
        if (rc == RC_OK && *text == ':')
            rc = listen_uri_take_port(text + 1, &uri, out_reason);
        else if (rc == RC_OK && *text != '\0') {
            *out_reason = "after the bracket should come a colon and the port";
            rc = RC_INVALID;
        }
    }
    if (rc == RC_OK)
        *out = uri;
    return rc;
}

uint8_t listen_uri_layers(enum listen_scheme scheme)
{
    CHECK(scheme < LISTEN_SCHEME_COUNT);
    return listen_schemes[scheme].layers;
}

const char *listen_uri_format(const struct listen_uri *uri, char *out)
{
    CHECK(uri != NULL && out != NULL);
    CHECK(uri->scheme < LISTEN_SCHEME_COUNT);
    if (uri->scheme == LISTEN_UNIX) {
        snprintf(out, LISTEN_URI_LEN_MAX + 1, "unix://%s", uri->host);
        return out;
    }
    bool bracket = strchr(uri->host, ':') != NULL;
    snprintf(out, LISTEN_URI_LEN_MAX + 1, "%s://%s%s%s:%u", listen_schemes[uri->scheme].name,
             bracket ? "[" : "", uri->host, bracket ? "]" : "", (unsigned)uri->port);
    return out;
}

/* Whether this kernel has IPv6 at all. */
static bool listen_uri_has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

enum rc listen_uri_resolve(const struct listen_uri *uri, struct sockaddr_storage *out,
                           socklen_t *out_len, const char **out_reason)
{
    CHECK(uri != NULL && out != NULL && out_len != NULL && out_reason != NULL);
    CHECK(uri->scheme < LISTEN_SCHEME_COUNT);
    if (uri->scheme == LISTEN_UNIX) {
        struct sockaddr_un *address = (struct sockaddr_un *)out;
        memset(out, 0, sizeof(*out));
        address->sun_family = AF_UNIX;
        size_t len = strlen(uri->host);
        CHECK(len < sizeof(address->sun_path));
        memcpy(address->sun_path, uri->host, len);
        *out_len = sizeof(*address);
        return RC_OK;
    }
    char port[8];
    snprintf(port, sizeof(port), "%u", (unsigned)uri->port);
    bool any = uri->host[0] == '\0';
    struct addrinfo hints = {
        .ai_family = !any                    ? AF_UNSPEC
                     : listen_uri_has_ipv6() ? AF_INET6
                                             : AF_INET,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
    };
    struct addrinfo *found = NULL;
    int error = getaddrinfo(any ? NULL : uri->host, port, &hints, &found);
    if (error != 0) {
        *out_reason = gai_strerror(error);
        return RC_NOT_FOUND;
    }
    CHECK(found != NULL && found->ai_addrlen <= sizeof(*out));
    memset(out, 0, sizeof(*out));
    memcpy(out, found->ai_addr, found->ai_addrlen);
    *out_len = found->ai_addrlen;
    freeaddrinfo(found);
    return RC_OK;
}
