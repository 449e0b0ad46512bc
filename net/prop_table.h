/*
 * prop_table.h -- the MQTT 5.0 properties as one table (section 2.2.2.2).
 *
 * A row: name, identifier, kind of value, least value (kinds without numbers: 0), and the packets
 * in which it may stand. Every property of kind BYTE takes 0 or 1; the others have no upper bound
 * but their kind's. Nothing but USER_PROPERTY may repeat, with one exception (SUBSCRIPTION_ID in a
 * PUBLISH of a server). A property in another packet than these is malformed (2.2.2.2).
 *
 * Threads: constants, any.
 */
#ifndef SLUICE_PROP_TABLE_H
#define SLUICE_PROP_TABLE_H

#include "packet_table.h"

enum prop_kind {
    PROP_KIND_NONE,   /* not a property */
    PROP_KIND_BYTE,   /* one byte, 0 or 1 */
    PROP_KIND_U16,    /* two bytes */
    PROP_KIND_U32,    /* four bytes */
    PROP_KIND_VARINT, /* one to four bytes of seven bits (1.5.5) */
    PROP_KIND_TEXT,   /* UTF-8 with a two-byte length (1.5.4) */
    PROP_KIND_DATA,   /* bytes with a two-byte length (1.5.6) */
    PROP_KIND_PAIR,   /* two texts (1.5.7) */
};

/* Where a property may stand, as bits: packets by type, and the will properties of a CONNECT. */
#define PROP_IN(type) (1u << (type))
#define PROP_IN_WILL  (1u << PACKET_NONE)

/* Column words of the table. */
#define PROP_CN   PROP_IN(PACKET_CONNECT)
#define PROP_CA   PROP_IN(PACKET_CONNACK)
#define PROP_PUB  PROP_IN(PACKET_PUBLISH)
#define PROP_WILL PROP_IN_WILL
#define PROP_SUB  PROP_IN(PACKET_SUBSCRIBE)
#define PROP_UN   PROP_IN(PACKET_UNSUBSCRIBE)
#define PROP_DC   PROP_IN(PACKET_DISCONNECT)
#define PROP_AU   PROP_IN(PACKET_AUTH)
#define PROP_ACKS                                                                                  \
    (PROP_IN(PACKET_PUBACK) | PROP_IN(PACKET_PUBREC) | PROP_IN(PACKET_PUBREL) |                    \
     PROP_IN(PACKET_PUBCOMP) | PROP_IN(PACKET_SUBACK) | PROP_IN(PACKET_UNSUBACK))

/* clang-format off */
#define PROP_TABLE(X)                                                                              \
    X(PAYLOAD_FORMAT,        0x01, BYTE,   0, PROP_PUB | PROP_WILL)                                \
    X(MESSAGE_EXPIRY,        0x02, U32,    0, PROP_PUB | PROP_WILL)                                \
    X(CONTENT_TYPE,          0x03, TEXT,   0, PROP_PUB | PROP_WILL)                                \
    X(RESPONSE_TOPIC,        0x08, TEXT,   0, PROP_PUB | PROP_WILL)                                \
    X(CORRELATION_DATA,      0x09, DATA,   0, PROP_PUB | PROP_WILL)                                \
    X(SUBSCRIPTION_ID,       0x0B, VARINT, 1, PROP_PUB | PROP_SUB)                                 \
    X(SESSION_EXPIRY,        0x11, U32,    0, PROP_CN | PROP_CA | PROP_DC)                         \
    X(ASSIGNED_CLIENT_ID,    0x12, TEXT,   0, PROP_CA)                                             \
    X(SERVER_KEEP_ALIVE,     0x13, U16,    0, PROP_CA)                                             \
    X(AUTH_METHOD,           0x15, TEXT,   0, PROP_CN | PROP_CA | PROP_AU)                         \
    X(AUTH_DATA,             0x16, DATA,   0, PROP_CN | PROP_CA | PROP_AU)                         \
    X(REQUEST_PROBLEM_INFO,  0x17, BYTE,   0, PROP_CN)                                             \
    X(WILL_DELAY,            0x18, U32,    0, PROP_WILL)                                           \
    X(REQUEST_RESPONSE_INFO, 0x19, BYTE,   0, PROP_CN)                                             \
    X(RESPONSE_INFO,         0x1A, TEXT,   0, PROP_CA)                                             \
    X(SERVER_REFERENCE,      0x1C, TEXT,   0, PROP_CA | PROP_DC)                                   \
    X(REASON_STRING,         0x1F, TEXT,   0, PROP_CA | PROP_ACKS | PROP_DC | PROP_AU)             \
    X(RECEIVE_MAX,           0x21, U16,    1, PROP_CN | PROP_CA)                                   \
    X(TOPIC_ALIAS_MAX,       0x22, U16,    0, PROP_CN | PROP_CA)                                   \
    X(TOPIC_ALIAS,           0x23, U16,    1, PROP_PUB)                                            \
    X(MAX_QOS,               0x24, BYTE,   0, PROP_CA)                                             \
    X(RETAIN_AVAILABLE,      0x25, BYTE,   0, PROP_CA)                                             \
    X(USER_PROPERTY,         0x26, PAIR,   0, PROP_CN | PROP_CA | PROP_PUB | PROP_WILL | PROP_ACKS \
      | PROP_SUB | PROP_UN | PROP_DC | PROP_AU)                                                    \
    X(MAX_PACKET_SIZE,       0x27, U32,    1, PROP_CN | PROP_CA)                                   \
    X(WILDCARD_AVAILABLE,    0x28, BYTE,   0, PROP_CA)                                             \
    X(SUB_ID_AVAILABLE,      0x29, BYTE,   0, PROP_CA)                                             \
    X(SHARED_AVAILABLE,      0x2A, BYTE,   0, PROP_CA)
/* clang-format on */

#define PROP_ENUM(name, id, kind, least, packets) PROP_##name = (id),
enum prop_id { PROP_TABLE(PROP_ENUM) PROP_ID_COUNT };
#undef PROP_ENUM

#endif
