/*
 * listen_uri.h -- where a listener listens, as an operator writes it.
 *
 *   tcp://127.0.0.1:1883   tcp://[::1]:1883   tcp://localhost:1883
 *   tcp://:1883            every address of the machine, IPv6 and IPv4
 *   tcp://127.0.0.1        the scheme's own port: 1883
 *   127.0.0.1:1883  1883   without a scheme it is tcp
 *
 *   tls://:8883            TLS; ssl:// and mqtts:// are other names
 *
 *   ws://:8083 wss://:8084 WebSocket, and the same over TLS
 *   unix:///run/mqtt.sock  a Unix socket at this path, which is absolute
 *
 * Port 0 lets the kernel choose. A new kind is a row of LISTEN_SCHEME_TABLE. An IPv6 address stands
 * in brackets; a host of only digits and dots must be a valid IPv4 address, so that a slip does not
 * become a question to a name server.
 *
 * Threads: parsing and formatting are pure; listen_uri_resolve may wait for a name server and is
 * for start-up and the ops thread only.
 */
#ifndef SLUICE_LISTEN_URI_H
#define SLUICE_LISTEN_URI_H

#include "check.h"
#include "listen.h"
#include "rc.h"

#include <stdint.h>
#include <sys/socket.h>

#define LISTEN_HOST_LEN_MAX 253 /* RFC 1035 section 2.3.4, as text */
#define LISTEN_URI_LEN_MAX  (LISTEN_HOST_LEN_MAX + 32)

/* X(name, scheme, default port, layers of the transport) */
#define LISTEN_SCHEME_TABLE(X)                                                                     \
    X(LISTEN_TCP, "tcp", 1883, 0)                                                                  \
    X(LISTEN_TLS, "tls", 8883, LISTEN_LAYER_TLS)                                                   \
    X(LISTEN_WS, "ws", 8083, LISTEN_LAYER_WEBSOCKET)                                               \
    X(LISTEN_WSS, "wss", 8084, LISTEN_LAYER_TLS | LISTEN_LAYER_WEBSOCKET)                          \
    X(LISTEN_UNIX, "unix", 0, 0)

#define LISTEN_ENUM(name, scheme, port, layers) name,
enum listen_scheme { LISTEN_SCHEME_TABLE(LISTEN_ENUM) LISTEN_SCHEME_COUNT };
#undef LISTEN_ENUM

struct listen_uri {
    enum listen_scheme scheme;
    uint16_t port;                      /* host byte order; 0: the kernel chooses */
    char host[LISTEN_HOST_LEN_MAX + 1]; /* "": every address; IPv6 without its brackets; unix: the
                                           path */
};

/*
 * RC_OK: *out is filled. RC_INVALID: *out is untouched and *out_reason is a static sentence that
 * completes "tcp://x is not a listener address: ...".
 */
MUST_USE enum rc listen_uri_parse(const char *text, struct listen_uri *out,
                                  const char **out_reason);

/* The same, and without a port it is `port`; 0: the scheme's own. */
MUST_USE enum rc listen_uri_parse_port(const char *text, uint16_t port, struct listen_uri *out,
                                       const char **out_reason);

/* The layers of such a listener: an OR of enum listen_layer. */
uint8_t listen_uri_layers(enum listen_scheme scheme);

/*
 * The one spelling: scheme, host, port; of a Unix socket scheme and path. `out` has
 * LISTEN_URI_LEN_MAX + 1 bytes; returns `out`.
 */
const char *listen_uri_format(const struct listen_uri *uri, char *out);

/*
 * The socket address to bind. An empty host gives the IPv6 any-address (the listener clears
 * IPV6_V6ONLY, so that IPv4 comes in as well), or the IPv4 one where the kernel has no IPv6.
 * The path of a Unix socket is its address. RC_NOT_FOUND: the host name has no address;
 * *out_reason is static text.
 */
MUST_USE enum rc listen_uri_resolve(const struct listen_uri *uri, struct sockaddr_storage *out,
                                    socklen_t *out_len, const char **out_reason);

#endif
