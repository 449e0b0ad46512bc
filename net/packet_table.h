/*
 * packet_table.h -- the MQTT control packets as one table (MQTT 5.0 section 2.1.2).
 *
 * A row: name, type number, the four flag bits the fixed header must carry (PUBLISH: any, they mean
 * something there), and who may send it: C client, S server, CS both.
 *
 * Threads: constants, any.
 */
#ifndef SLUICE_PACKET_TABLE_H
#define SLUICE_PACKET_TABLE_H

#define PACKET_TABLE(X)                                                                            \
    X(CONNECT, 1, 0x0, C)                                                                          \
    X(CONNACK, 2, 0x0, S)                                                                          \
    X(PUBLISH, 3, 0x0, CS)                                                                         \
    X(PUBACK, 4, 0x0, CS)                                                                          \
    X(PUBREC, 5, 0x0, CS)                                                                          \
    X(PUBREL, 6, 0x2, CS)                                                                          \
    X(PUBCOMP, 7, 0x0, CS)                                                                         \
    X(SUBSCRIBE, 8, 0x2, C)                                                                        \
    X(SUBACK, 9, 0x0, S)                                                                           \
    X(UNSUBSCRIBE, 10, 0x2, C)                                                                     \
    X(UNSUBACK, 11, 0x0, S)                                                                        \
    X(PINGREQ, 12, 0x0, C)                                                                         \
    X(PINGRESP, 13, 0x0, S)                                                                        \
    X(DISCONNECT, 14, 0x0, CS)                                                                     \
    X(AUTH, 15, 0x0, CS)

#define PACKET_ENUM(name, type, flags, from) PACKET_##name = (type),
enum packet_type { PACKET_NONE = 0, PACKET_TABLE(PACKET_ENUM) PACKET_TYPE_COUNT };
#undef PACKET_ENUM

#endif
