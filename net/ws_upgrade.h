/*
 * ws_upgrade.h -- the HTTP request that turns a connection into a WebSocket (RFC 6455 section 4.2),
 * and the answer to it.
 *
 *   GET /mqtt HTTP/1.1                        HTTP/1.1 101 Switching Protocols
 *   Host: broker.example                      Upgrade: websocket
 *   Upgrade: websocket                        Connection: Upgrade
 *   Connection: Upgrade                       Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
 *   Sec-WebSocket-Key: dGhlIHNhbX...          Sec-WebSocket-Protocol: mqtt
 *   Sec-WebSocket-Version: 13
 *   Sec-WebSocket-Protocol: mqtt
 *
 * The request is collected until its empty line has come and is then read by http-parser in one go;
 * what comes after it is the first frames. How far the search for the empty line has come is
 * remembered, so that a request that arrives a byte at a time costs no more than one that does not.
 * The first byte is looked at at once: TLS or MQTT sent to the wrong port is not waited for.
 *
 * Subprotocol: `mqtt` if it is offered [MQTT-6.0.0-4], else the first offered one that is in the
 * list of the listener. Offers without any of them are refused, and so is a request without an
 * offer unless that is allowed. Where an answer is an error, it is a whole HTTP response after
 * which the connection ends:
 *
 *   400 not HTTP/1.1, not a request of this kind     404 another path          405 not GET
 *   403 an origin or address that may not connect    426 no upgrade asked for, another version
 *   431 longer than WS_REQUEST_LEN_MAX, or more than WS_FIELDS_MAX fields
 *
 * Of X-Forwarded-For (or the field configured instead) the last address is taken that is not itself
 * a trusted proxy's: what stands before it may have been written by anybody.
 *
 * Threads: pure functions, any.
 */
#ifndef SLUICE_WS_UPGRADE_H
#define SLUICE_WS_UPGRADE_H

#include "bytes.h"
#include "cidr.h"

#define WS_REQUEST_LEN_MAX  8192
#define WS_FIELDS_MAX       100
#define WS_RESPONSE_LEN_MAX 512
#define WS_PROTOCOL_LEN_MAX 64

/* X(constant, status, phrase, text for the client) */
#define WS_STATUS_TABLE(X)                                                                         \
    X(WS_SWITCH, 101, "Switching Protocols", "")                                                   \
    X(WS_BAD_REQUEST, 400, "Bad Request", "This is not a WebSocket upgrade by HTTP/1.1.")          \
    X(WS_BAD_KEY, 400, "Bad Request", "Sec-WebSocket-Key is missing or wrong.")                    \
    X(WS_BAD_PROTOCOL, 400, "Bad Request",                                                         \
      "None of the subprotocols offered in Sec-WebSocket-Protocol is known here; MQTT needs "      \
      "mqtt.")                                                                                     \
    X(WS_BAD_ADDRESS, 403, "Forbidden", "Clients at this address may not connect.")                \
    X(WS_BAD_ORIGIN, 403, "Forbidden", "Pages from this origin may not connect.")                  \
    X(WS_BAD_PATH, 404, "Not Found", "There is nothing at this path.")                             \
    X(WS_BAD_METHOD, 405, "Method Not Allowed", "Only GET is understood here.")                    \
    X(WS_NO_UPGRADE, 426, "Upgrade Required", "This is an MQTT broker; connect by WebSocket.")     \
    X(WS_BAD_VERSION, 426, "Upgrade Required", "Only version 13 of WebSocket is understood.")      \
    X(WS_TOO_LARGE, 431, "Request Header Fields Too Large", "The request is too large.")

#define WS_STATUS_ENUM(name, status, phrase, text) name,
enum ws_status { WS_STATUS_TABLE(WS_STATUS_ENUM) WS_STATUS_COUNT };
#undef WS_STATUS_ENUM

/* What a listener asks of requests. Texts are borrowed and terminated. */
struct ws_rules {
    const char *path;             /* "/mqtt" */
    const char *const *protocols; /* supported, in no order; the client's order counts */
    uint32_t num_protocols;
    bool protocol_optional; /* a request without an offer is taken too */
    bool check_origin;
    bool origin_absent_ok;
    const char *const *origins;
    uint32_t num_origins;
    const char *forwarded_for; /* name of a field; "" or NULL: not looked at */
    const char *forwarded_port;
    const struct cidr *trusted; /* proxies */
    uint32_t num_trusted;
};

struct ws_request {
    char accept[29];      /* Sec-WebSocket-Accept, terminated */
    const char *protocol; /* one of the rules', or NULL: none was offered */
    bool has_forwarded;   /* an address was forwarded; believe it only from a trusted proxy */
    struct in6_addr forwarded;
    uint16_t forwarded_port; /* 0: not said */
};

/*
 * Looks for a whole request at the start of `in`. *inout_scanned, 0 at first, is kept by the caller
 * between calls with more and more of the same bytes. RC_MORE: not whole, and nothing wrong so far.
 * RC_OK: *out_status is the answer and *out_len the length of the request; *out is filled if the
 * answer is WS_SWITCH.
 */
MUST_USE enum rc ws_upgrade_read(struct bytes in, uint32_t *inout_scanned,
                                 const struct ws_rules *rules, enum ws_status *out_status,
                                 struct ws_request *out, uint32_t *out_len);

/* The response, into `out` of WS_RESPONSE_LEN_MAX bytes; returns its length. */
uint32_t ws_upgrade_response(enum ws_status status, const struct ws_request *request, char *out);

/* 101, 400, ... */
unsigned ws_status_number(enum ws_status status);

#endif
