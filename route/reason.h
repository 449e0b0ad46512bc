/*
 * reason.h -- MQTT reason codes (MQTT 5.0 section 2.4) as one table.
 *
 * A row: name, code, the return code of a 3.1 or 3.1.1 CONNACK that says the same (0: there is
 * none, the connection is closed without a CONNACK), the packets in which MQTT 5.0 allows it, and
 * its text. The codes below 0x80 are successes. One code can have several meanings by packet: 0x00
 * is also "normal disconnection" and "granted QoS 0".
 *
 * The codec answers with these codes, route decides with them, net puts them on the wire: what an
 * older client is told instead follows from the table and nowhere else.
 *
 * Threads: constants and pure functions, any.
 */
#ifndef SLUICE_REASON_H
#define SLUICE_REASON_H

#include "check.h"

/* The packets that carry a reason, as bits; DISCONNECT by its sender (3.14.2.1, "sent by"). */
enum reason_packet {
    REASON_IN_CONNACK = 1 << 0,
    REASON_IN_PUBACK = 1 << 1, /* and PUBREC: the same codes */
    REASON_IN_PUBREL = 1 << 2, /* and PUBCOMP: the same codes */
    REASON_IN_SUBACK = 1 << 3,
    REASON_IN_UNSUBACK = 1 << 4,
    REASON_IN_DISCONNECT_CLIENT = 1 << 5,
    REASON_IN_DISCONNECT_SERVER = 1 << 6,
    REASON_IN_AUTH_CLIENT = 1 << 7,
    REASON_IN_AUTH_SERVER = 1 << 8,
};

/* Column words of the table: letters of the packets above. DC: both senders of a DISCONNECT. */
#define REASON_C  REASON_IN_CONNACK
#define REASON_P  REASON_IN_PUBACK
#define REASON_R  REASON_IN_PUBREL
#define REASON_S  REASON_IN_SUBACK
#define REASON_U  REASON_IN_UNSUBACK
#define REASON_DS REASON_IN_DISCONNECT_SERVER
#define REASON_DC (REASON_IN_DISCONNECT_CLIENT | REASON_IN_DISCONNECT_SERVER)
#define REASON_AS REASON_IN_AUTH_SERVER
#define REASON_AC REASON_IN_AUTH_CLIENT

/* clang-format off */
#define REASON_TABLE(X)                                                                            \
    X(SUCCESS, 0x00, 0, REASON_C | REASON_P | REASON_R | REASON_S | REASON_U | REASON_DC           \
      | REASON_AS, "success")                                                                      \
    X(GRANTED_QOS_1, 0x01, 0, REASON_S, "granted QoS 1")                                           \
    X(GRANTED_QOS_2, 0x02, 0, REASON_S, "granted QoS 2")                                           \
    X(DISCONNECT_WITH_WILL, 0x04, 0, REASON_IN_DISCONNECT_CLIENT, "disconnect with will message")  \
    X(NO_MATCHING_SUBSCRIBERS, 0x10, 0, REASON_P, "no matching subscribers")                       \
    X(NO_SUBSCRIPTION_EXISTED, 0x11, 0, REASON_U, "no subscription existed")                       \
    X(CONTINUE_AUTHENTICATION, 0x18, 0, REASON_AC | REASON_AS, "continue authentication")          \
    X(REAUTHENTICATE, 0x19, 0, REASON_AC, "re-authenticate")                                       \
    X(UNSPECIFIED_ERROR, 0x80, 1, REASON_C | REASON_P | REASON_S | REASON_U | REASON_DC,           \
      "unspecified error")                                                                         \
    X(MALFORMED_PACKET, 0x81, 1, REASON_C | REASON_DC, "malformed packet")                         \
    X(PROTOCOL_ERROR, 0x82, 1, REASON_C | REASON_DC, "protocol error")                             \
    X(IMPLEMENTATION_SPECIFIC_ERROR, 0x83, 1,                                                      \
      REASON_C | REASON_P | REASON_S | REASON_U | REASON_DC, "implementation specific error")      \
    X(UNSUPPORTED_PROTOCOL_VERSION, 0x84, 1, REASON_C, "unsupported protocol version")             \
    X(CLIENT_ID_NOT_VALID, 0x85, 2, REASON_C, "client identifier not valid")                       \
    X(BAD_USERNAME_OR_PASSWORD, 0x86, 4, REASON_C, "bad user name or password")                    \
    X(NOT_AUTHORIZED, 0x87, 5, REASON_C | REASON_P | REASON_S | REASON_U | REASON_DS,              \
      "not authorized")                                                                            \
    X(SERVER_UNAVAILABLE, 0x88, 3, REASON_C, "server unavailable")                                 \
    X(SERVER_BUSY, 0x89, 3, REASON_C | REASON_DS, "server busy")                                   \
    X(BANNED, 0x8A, 5, REASON_C, "banned")                                                         \
    X(SERVER_SHUTTING_DOWN, 0x8B, 3, REASON_DS, "server shutting down")                            \
    X(BAD_AUTHENTICATION_METHOD, 0x8C, 5, REASON_C | REASON_DS, "bad authentication method")       \
    X(KEEP_ALIVE_TIMEOUT, 0x8D, 0, REASON_DS, "keep alive timeout")                                \
    X(SESSION_TAKEN_OVER, 0x8E, 0, REASON_DS, "session taken over")                                \
    X(TOPIC_FILTER_INVALID, 0x8F, 0, REASON_S | REASON_U | REASON_DS, "topic filter invalid")      \
    X(TOPIC_NAME_INVALID, 0x90, 3, REASON_C | REASON_P | REASON_DC, "topic name invalid")          \
    X(PACKET_ID_IN_USE, 0x91, 0, REASON_P | REASON_S | REASON_U, "packet identifier in use")       \
    X(PACKET_ID_NOT_FOUND, 0x92, 0, REASON_R, "packet identifier not found")                       \
    X(RECEIVE_MAX_EXCEEDED, 0x93, 0, REASON_DC, "receive maximum exceeded")                        \
    X(TOPIC_ALIAS_INVALID, 0x94, 0, REASON_DC, "topic alias invalid")                              \
    X(PACKET_TOO_LARGE, 0x95, 0, REASON_C | REASON_DC, "packet too large")                         \
    X(MESSAGE_RATE_TOO_HIGH, 0x96, 0, REASON_DC, "message rate too high")                          \
    X(QUOTA_EXCEEDED, 0x97, 3, REASON_C | REASON_P | REASON_S | REASON_DC, "quota exceeded")       \
    X(ADMINISTRATIVE_ACTION, 0x98, 0, REASON_DC, "administrative action")                          \
    X(PAYLOAD_FORMAT_INVALID, 0x99, 0, REASON_C | REASON_P | REASON_DC, "payload format invalid")  \
    X(RETAIN_NOT_SUPPORTED, 0x9A, 0, REASON_C | REASON_DS, "retain not supported")                 \
    X(QOS_NOT_SUPPORTED, 0x9B, 0, REASON_C | REASON_DS, "QoS not supported")                       \
    X(USE_ANOTHER_SERVER, 0x9C, 3, REASON_C | REASON_DS, "use another server")                     \
    X(SERVER_MOVED, 0x9D, 3, REASON_C | REASON_DS, "server moved")                                 \
    X(SHARED_SUBSCRIPTIONS_NOT_SUPPORTED, 0x9E, 0, REASON_S | REASON_DS,                           \
      "shared subscriptions not supported")                                                        \
    X(CONNECTION_RATE_EXCEEDED, 0x9F, 3, REASON_C | REASON_DS, "connection rate exceeded")         \
    X(MAXIMUM_CONNECT_TIME, 0xA0, 0, REASON_DS, "maximum connect time")                            \
    X(SUBSCRIPTION_IDS_NOT_SUPPORTED, 0xA1, 0, REASON_S | REASON_DS,                               \
      "subscription identifiers not supported")                                                    \
    X(WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED, 0xA2, 0, REASON_S | REASON_DS,                         \
      "wildcard subscriptions not supported")
/* clang-format on */

#define REASON_ENUM(name, code, connack3, packets, text) REASON_##name = (code),
enum reason { REASON_TABLE(REASON_ENUM) };
#undef REASON_ENUM

/* The lowest code that is a failure (section 2.4). */
#define REASON_FAILURE_FIRST 0x80

static inline bool reason_is_failure(enum reason reason)
{
    return reason >= REASON_FAILURE_FIRST;
}

/* Static text; "unknown reason" for a number outside the table (a peer may send any byte). */
const char *reason_text(enum reason reason);

/* Is the code one that MQTT 5.0 lists for that packet? `reason` may be any byte of a peer. */
bool reason_is_legal(enum reason reason, enum reason_packet packet);

/*
 * The CONNACK return code, 1 to 5, of MQTT 3.1 and 3.1.1 (3.1.1 section 3.2.2.3) for a refusal;
 * 0 for REASON_SUCCESS and for refusals that are answered by closing without a CONNACK.
 */
uint8_t reason_connack3(enum reason reason);

/* The reverse, for who reads a 3.x CONNACK; a number above 5 gives REASON_PROTOCOL_ERROR. */
enum reason reason_of_connack3(uint8_t return_code);

#endif
