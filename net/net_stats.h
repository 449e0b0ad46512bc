/*
 * net_stats.h -- what net counts. One row each: identifier, kind, name, help.
 *
 * Packets received and sent stand in two blocks of sixteen, one place per packet type
 * (packet_table.h). PUBLISH received is counted by QoS too; PUBLISH sent only so, by the deliveries
 * of route_stats.h, and its place among the types is empty. Every reason for which a connection
 * ends has a counter (conn_cause.h).
 *
 * Threads: constants, any.
 */
#ifndef SLUICE_NET_STATS_H
#define SLUICE_NET_STATS_H

#include "conn_cause.h"
#include "packet_table.h"
#include "route_stats.h"
#include "stat.h"

/* Of an acknowledgement without a reason and properties, as ENCODE_ACK_SHORT_SIZE. */
#define NET_STATS_ACK_SIZE 4

#define NET_STATS(X)                                                                               \
    X(STAT_CONNECTIONS, GAUGE, "connections", "Connections that are open.")                        \
    X(STAT_ACCEPTED, COUNTER, "connections_accepted", "Connections accepted.")                     \
    X(STAT_REFUSED_LIMIT, COUNTER, "connections_refused_limit",                                    \
      "Connections closed at once because a limit of connections was reached.")                    \
    X(STAT_REFUSED_DESCRIPTORS, COUNTER, "connections_refused_descriptors",                        \
      "Connections closed at once because the process is out of descriptors.")                     \
    X(STAT_REFUSED_MEMORY, COUNTER, "connections_refused_memory",                                  \
      "Connections closed at once for lack of memory.")                                            \
    X(STAT_HANDED_OVER, COUNTER, "connections_handed_over",                                        \
      "Connections handed to the home shard of their session.")                                    \
    X(STAT_CONNECTED, COUNTER, "connects_accepted", "CONNECT packets accepted.")                   \
    X(STAT_CONNECT_REFUSED, COUNTER, "connects_refused", "CONNECT packets refused.")               \
    X(STAT_CONNECT_BANNED, COUNTER, "connects_banned",                                             \
      "CONNECT packets refused because of a ban.")                                                 \
    X(STAT_FLAPPING, COUNTER, "flapping", "Clients found to come and go too often.")               \
    X(STAT_CONNECT_OVERLOAD, COUNTER, "connects_refused_overload",                                 \
      "CONNECT packets refused because of overload.")                                              \
    X(STAT_GREEDY_PAUSES, COUNTER, "greedy_pauses",                                                \
      "Times reading from a greedy publisher stopped because of overload.")                        \
    X(STAT_DROP_OVERLOAD, COUNTER, "dropped_overload",                                             \
      "QoS 0 messages of publishers dropped because of overload.")                                 \
    X(STAT_UNFINISHED_BYTES, GAUGE, "unfinished_bytes",                                            \
      "Bytes allocated for packets that are not whole yet.")                                       \
    X(STAT_BYTES_IN, COUNTER, "bytes_received", "Bytes received from clients.")                    \
    X(STAT_BYTES_OUT, COUNTER, "bytes_sent", "Bytes sent to clients.")                             \
    X(STAT_SENDS, COUNTER, "sends", "Send operations completed.")                                  \
    X(STAT_RECEIVES, COUNTER, "receives", "Receive operations completed with data.")               \
    X(STAT_PAUSES, COUNTER, "connection_pauses",                                                   \
      "Times reading from a publisher stopped because a shard it feeds was pressed.")              \
    X(STAT_REFUSED_ADDRESS_RATE, COUNTER, "connections_refused_address_rate",                      \
      "Connections closed at once because their address connects too often.")                      \
    X(STAT_ACCEPT_PAUSES, COUNTER, "accept_pauses",                                                \
      "Times a listener stopped accepting because of its rate.")                                   \
    X(STAT_RATE_PAUSES_MESSAGES, COUNTER, "rate_pauses_messages",                                  \
      "Times reading from a client stopped because of its rate of messages.")                      \
    X(STAT_RATE_PAUSES_BYTES, COUNTER, "rate_pauses_bytes",                                        \
      "Times reading from a client stopped because of its rate of bytes.")                         \
    X(STAT_OUTPUT_BYTES, GAUGE, "output_bytes", "Bytes that wait in outputs of connections.")      \
    X(STAT_PUBLISH_IN_QOS0, COUNTER, "publish_received_qos0", "PUBLISH received with QoS 0.")      \
    X(STAT_PUBLISH_IN_QOS1, COUNTER, "publish_received_qos1", "PUBLISH received with QoS 1.")      \
    X(STAT_PUBLISH_IN_QOS2, COUNTER, "publish_received_qos2", "PUBLISH received with QoS 2.")      \
    X(STAT_PUBLISH_BYTES_IN_QOS0, COUNTER, "publish_bytes_received_qos0",                          \
      "Bytes of PUBLISH packets received with QoS 0.")                                             \
    X(STAT_PUBLISH_BYTES_IN_QOS1, COUNTER, "publish_bytes_received_qos1",                          \
      "Bytes of PUBLISH packets received with QoS 1.")                                             \
    X(STAT_PUBLISH_BYTES_IN_QOS2, COUNTER, "publish_bytes_received_qos2",                          \
      "Bytes of PUBLISH packets received with QoS 2.")                                             \
    X(STAT_PUBLISH_BYTES_OUT_QOS0, COUNTER, "publish_bytes_sent_qos0",                             \
      "Bytes of PUBLISH packets sent with QoS 0.")                                                 \
    X(STAT_PUBLISH_BYTES_OUT_QOS1, COUNTER, "publish_bytes_sent_qos1",                             \
      "Bytes of PUBLISH packets sent with QoS 1.")                                                 \
    X(STAT_PUBLISH_BYTES_OUT_QOS2, COUNTER, "publish_bytes_sent_qos2",                             \
      "Bytes of PUBLISH packets sent with QoS 2.")                                                 \
    X(STAT_PUBLISH_REFUSED, COUNTER, "publish_refused",                                            \
      "PUBLISH answered with a failure or dropped, with nothing delivered.")                       \
    X(STAT_UNACKNOWLEDGED, COUNTER, "connections_unacknowledged",                                  \
      "Times a connection ended without acknowledgements because what they claim could not be "    \
      "stored.")                                                                                   \
    X(STAT_REFUSED_ACCESS, COUNTER, "connections_refused_access",                                  \
      "Connections closed because the access rules of their listener say so.")                     \
    X(STAT_PROXY_HEADERS, COUNTER, "proxy_headers",                                                \
      "Connections that began with a header of the PROXY protocol.")                               \
    X(STAT_PROXY_FAILED, COUNTER, "proxy_headers_failed",                                          \
      "Connections of trusted proxies closed because their header was missing or wrong.")          \
    X(STAT_WEBSOCKET_UPGRADES, COUNTER, "websocket_upgrades",                                      \
      "Connections that became a WebSocket.")                                                      \
    X(STAT_TLS_HANDSHAKES, COUNTER, "tls_handshakes", "Handshakes of TLS completed.")              \
    X(STAT_TLS_RESUMED, COUNTER, "tls_handshakes_resumed",                                         \
      "Handshakes of TLS that resumed a session by its ticket, among those completed.")            \
    X(STAT_TLS_HANDSHAKES_FAILED, COUNTER, "tls_handshakes_failed",                                \
      "Handshakes of TLS that failed.")                                                            \
    X(STAT_TLS_UNDER_WAY, GAUGE, "tls_handshakes_under_way", "Handshakes of TLS under way.")       \
    X(STAT_TLS_HANDSHAKES_WAITED, COUNTER, "tls_handshakes_waited",                                \
      "Steps of handshakes that waited for a later turn, so that messages do not wait for them.")  \
    X(STAT_DROP_AWAITING_REL, COUNTER, "dropped_awaiting_rel",                                     \
      "QoS 2 messages of 3.x clients dropped because too many wait for PUBREL.")

#define NET_STAT_ENUM(id, kind, name, help) id,
enum net_stat {
    STAT_NET_BEFORE = STAT_NET_FIRST - 1,
    NET_STATS(NET_STAT_ENUM) STAT_PACKETS_IN, /* sixteen, by packet type */
    STAT_PACKETS_OUT = STAT_PACKETS_IN + 16,  /* sixteen, by packet type */
    STAT_CLOSED = STAT_PACKETS_OUT + 16,      /* by enum conn_cause */
    STAT_NET_END = STAT_CLOSED + CONN_CAUSE_COUNT
};
#undef NET_STAT_ENUM

/*
 * The gauge. The word STAT_OUTPUT_BYTES lacks what other counters know of the packets that were put
 * into outputs: the bytes of PUBLISH, and four of every acknowledgement.
 */
static inline uint64_t net_stats_output_bytes(const struct stats *stats)
{
    uint64_t acks = 0;
    for (unsigned type = PACKET_PUBACK; type <= PACKET_PUBCOMP; type++)
        acks += stat_read(stats, STAT_PACKETS_OUT + type);
    return stat_read(stats, STAT_OUTPUT_BYTES) + NET_STATS_ACK_SIZE * acks +
           stat_read(stats, STAT_PUBLISH_BYTES_OUT_QOS0) +
           stat_read(stats, STAT_PUBLISH_BYTES_OUT_QOS1) +
           stat_read(stats, STAT_PUBLISH_BYTES_OUT_QOS2);
}

/* What a block has counted of anything, also where the word of that alone does not say it. */
static inline uint64_t net_stats_read(const struct stats *stats, unsigned index)
{
    switch (index) {
    case STAT_OUTPUT_BYTES:
        return net_stats_output_bytes(stats);
    case STAT_INFLIGHT:
        return route_stats_inflight(stats);
    case STAT_PACKETS_OUT + PACKET_PUBLISH:
        return stat_read(stats, STAT_DELIVERED_QOS0) + stat_read(stats, STAT_DELIVERED_QOS1) +
               stat_read(stats, STAT_DELIVERED_QOS2);
    default:
        return stat_read(stats, index);
    }
}

STATIC_CHECK((int)STAT_NET_END <= (int)STAT_COUNT, "net's counters fit their range");

#endif
