/*
 * conn_cause.h -- why a connection ended, as one table.
 *
 * A row: identifier, name for counters and logs, whether the session's will is published
 * (MQTT 5.0 section 3.1.2.5), text.
 *
 * Threads: constants, any.
 */
#ifndef SLUICE_CONN_CAUSE_H
#define SLUICE_CONN_CAUSE_H

#define CONN_CAUSE_TABLE(X)                                                                        \
    X(CAUSE_CLIENT_DISCONNECT, "client_disconnect", false, "the client disconnected")              \
    X(CAUSE_CLIENT_DISCONNECT_WILL, "client_disconnect_will", true,                                \
      "the client disconnected and asked for its will")                                            \
    X(CAUSE_CLIENT_CLOSED, "client_closed", true, "the client closed the connection")              \
    X(CAUSE_NETWORK_ERROR, "network_error", true, "the network failed")                            \
    X(CAUSE_CONNECT_TIMEOUT, "connect_timeout", true, "no CONNECT in time")                        \
    X(CAUSE_HANDSHAKE_TIMEOUT, "handshake_timeout", true, "no handshake of TLS in time")           \
    X(CAUSE_HANDSHAKE_FAILED, "handshake_failed", true, "the handshake of TLS failed")             \
    X(CAUSE_HANDSHAKE_CROWDED, "handshake_crowded", true, "too many handshakes of TLS at once")    \
    X(CAUSE_TLS_ERROR, "tls_error", true, "bytes that are no TLS of this connection")              \
    X(CAUSE_PROXY_TIMEOUT, "proxy_timeout", true, "no PROXY header in time")                       \
    X(CAUSE_PROXY_ERROR, "proxy_error", true, "a missing or wrong PROXY header")                   \
    X(CAUSE_ACCESS, "access_refused", true, "the address may not connect")                         \
    X(CAUSE_WEBSOCKET_REFUSED, "websocket_refused", true,                                          \
      "the request for a WebSocket was refused")                                                   \
    X(CAUSE_WEBSOCKET_ERROR, "websocket_error", true, "a WebSocket protocol error")                \
    X(CAUSE_REMOVED, "listener_removed", true, "the listener was removed")                         \
    X(CAUSE_KEEP_ALIVE, "keep_alive_timeout", true, "keep alive timeout")                          \
    X(CAUSE_SEND_TIMEOUT, "send_timeout", true, "the client does not read")                        \
    X(CAUSE_REFUSED, "connect_refused", true, "CONNECT was refused")                               \
    X(CAUSE_AUTH_FAILED, "authentication_failed", true,                                            \
      "authentication on the open connection failed")                                              \
    X(CAUSE_AUTH_EXPIRED, "authentication_expired", true, "authentication has expired")            \
    X(CAUSE_MALFORMED, "malformed_packet", true, "a malformed packet")                             \
    X(CAUSE_PROTOCOL_ERROR, "protocol_error", true, "a protocol error")                            \
    X(CAUSE_LIMIT, "limit_exceeded", true, "a limit was exceeded")                                 \
    X(CAUSE_RATE, "rate_exceeded", true, "a rate was exceeded")                                    \
    X(CAUSE_PACKET_TIMEOUT, "packet_timeout", true, "a packet did not become whole in time")       \
    X(CAUSE_UNFINISHED, "unfinished_bytes", true,                                                  \
      "too many bytes of packets that are not whole, of all connections")                          \
    X(CAUSE_BANNED, "banned", true, "the client is banned")                                        \
    X(CAUSE_NOT_AUTHORIZED, "not_authorized", true, "it did what rules deny it")                   \
    X(CAUSE_TAKEN_OVER, "taken_over", true, "a newer connection took the session")                 \
    X(CAUSE_SHUTDOWN, "shutdown", true, "the broker is stopping")                                  \
    X(CAUSE_NO_MEMORY, "no_memory", true, "out of memory")                                         \
    X(CAUSE_NOT_STORED, "not_stored", true, "what it sent cannot be stored")                       \
    X(CAUSE_SESSION_NOT_STORED, "session_not_stored", false, "its session cannot be stored")

#define CONN_CAUSE_ENUM(id, name, will, text) id,
enum conn_cause { CONN_CAUSE_TABLE(CONN_CAUSE_ENUM) CONN_CAUSE_COUNT };
#undef CONN_CAUSE_ENUM

/* Static texts. */
const char *conn_cause_name(enum conn_cause cause);
const char *conn_cause_text(enum conn_cause cause);

#endif
