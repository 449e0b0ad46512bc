/*
 * encode.h -- views to bytes of MQTT packets.
 *
 * For each packet two functions: encode_X_size says exactly how many bytes the packet takes, and
 * encode_X writes that many to `out` and returns the number. Both must be given the same arguments.
 * Nothing is written behind the size.
 *
 * `size_max` is the receiver's Maximum Packet Size, PACKET_SIZE_UNLIMITED if there is none. Where
 * it would be exceeded the user properties are left out, then the reason string too
 * ([MQTT-3.2.2-19], [MQTT-3.2.2-20] and the same rules of the other packets). 0 means: does not fit
 * even so, the packet cannot be sent. What a peer that did not ask for problem information may not
 * get [MQTT-3.1.2-29] is for the caller to leave out.
 *
 * What a view says beyond what `version` can carry (properties, reason codes before MQTT 5.0) is
 * dropped, or translated as reason.h says.
 *
 * Threads: pure functions, any. No allocation, no state.
 */
#ifndef SLUICE_ENCODE_H
#define SLUICE_ENCODE_H

#include "packet.h"

/* A PUBLISH to be sent, without its payload, which the caller puts behind the head. */
struct publish_out {
    struct bytes topic;      /* may be empty with an alias */
    struct bytes props;      /* forwardable properties, raw; may be empty */
    const uint32_t *sub_ids; /* 1 to SUB_ID_MAX each; only a server sends them */
    uint32_t sub_ids_num;
    uint32_t payload_len;
    uint32_t expiry_s;  /* if has_expiry: what is left of it */
    uint16_t packet_id; /* ignored with QoS 0, otherwise not 0 */
    uint16_t alias;     /* 0: none */
    uint8_t qos;
    bool dup;
    bool retain;
    bool has_expiry;
};

/*
 * The bytes of a PUBLISH before its payload. The whole packet is the size plus payload_len;
 * comparing that with the receiver's limit is the caller's part. 0: longer than MQTT allows.
 */
uint32_t encode_publish_head_size(enum mqtt_version version, const struct publish_out *publish);
uint32_t encode_publish_head(enum mqtt_version version, const struct publish_out *publish,
                             uint8_t *out);

/*
 * The plain PUBLISH, in line: no properties, and a payload of at most ENCODE_PLAIN_PAYLOAD_MAX
 * bytes, which is copied behind the head. encode_publish_plain_size is of the whole packet; `v5`
 * says that it has an (empty) property block.
 */
#define ENCODE_PLAIN_PAYLOAD_MAX 4096

static inline uint32_t encode_publish_plain_body(bool v5, struct bytes topic, struct bytes payload,
                                                 uint8_t qos)
{
    return 2 + topic.len + (qos != 0 ? 2 : 0) + (v5 ? 1 : 0) + payload.len;
}

static inline uint32_t encode_publish_plain_size(bool v5, struct bytes topic, struct bytes payload,
                                                 uint8_t qos)
{
    CHECK_SLOW(payload.len <= ENCODE_PLAIN_PAYLOAD_MAX && topic.len <= STRING_LEN_MAX);
    uint32_t body = encode_publish_plain_body(v5, topic, payload, qos);
    return body + (body < 128 ? 2 : body < 16384 ? 3 : 4);
}

/* Writes the packet; `head` is its first byte. A packet identifier of 0: QoS 0. */
static inline void encode_publish_plain(bool v5, uint8_t head, struct bytes topic,
                                        struct bytes payload, uint16_t packet_id, uint8_t *at)
{
    uint32_t body = encode_publish_plain_body(v5, topic, payload, (head >> 1) & 3);
    *at++ = head;
    for (; body >= 128; body >>= 7)
        *at++ = (uint8_t)(body | 128);
    *at++ = (uint8_t)body;
    *at++ = (uint8_t)(topic.len >> 8);
    *at++ = (uint8_t)topic.len;
    memcpy(at, topic.ptr, topic.len);
    at += topic.len;
    if (packet_id != 0) {
        *at++ = (uint8_t)(packet_id >> 8);
        *at++ = (uint8_t)packet_id;
    }
    if (v5)
        *at++ = 0;
    if (payload.len > 0)
        memcpy(at, payload.ptr, payload.len);
}

/*
 * Where the packet identifier stands in a head written by encode_publish_head with QoS 1 or 2, so
 * that one head can be copied and patched for many receivers.
 */
uint32_t encode_publish_packet_id_offset(const uint8_t *head);

/* A PUBACK, PUBREC, PUBREL or PUBCOMP of success: ENCODE_ACK_SHORT_SIZE bytes in every version. */
#define ENCODE_ACK_SHORT_SIZE 4

static inline void encode_ack_short(enum packet_type type, uint16_t packet_id, uint8_t *out)
{
    out[0] = (uint8_t)((type << 4) | (type == PACKET_PUBREL ? 2 : 0));
    out[1] = 2;
    out[2] = (uint8_t)(packet_id >> 8);
    out[3] = (uint8_t)packet_id;
}

/* The same four packets with a reason and properties. */
uint32_t encode_ack_size(enum mqtt_version version, enum packet_type type,
                         const struct ack_view *ack, uint32_t size_max);
uint32_t encode_ack(enum mqtt_version version, enum packet_type type, const struct ack_view *ack,
                    uint32_t size_max, uint8_t *out);

/* PINGREQ and PINGRESP: ENCODE_PING_SIZE bytes. */
#define ENCODE_PING_SIZE 2

static inline void encode_ping(enum packet_type type, uint8_t *out)
{
    out[0] = (uint8_t)(type << 4);
    out[1] = 0;
}

/*
 * CONNECT in connect->version's form; `level` is not looked at, `bridge` is. Will properties come
 * from the will's fields and from the forwardable ones among will.props.
 */
uint32_t encode_connect_size(const struct connect_view *connect);
uint32_t encode_connect(const struct connect_view *connect, uint8_t *out);

/*
 * CONNACK. Before MQTT 5.0 the reason becomes a return code; one that has none (reason_connack3)
 * gives 0: close without a CONNACK.
 */
uint32_t encode_connack_size(enum mqtt_version version, const struct connack_view *connack,
                             uint32_t size_max);
uint32_t encode_connack(enum mqtt_version version, const struct connack_view *connack,
                        uint32_t size_max, uint8_t *out);

struct subscribe_out {
    uint16_t packet_id;
    uint32_t sub_id; /* 0: none */
    const struct subscribe_item *items;
    uint32_t items_num; /* at least 1 */
    struct bytes props; /* user properties */
};

uint32_t encode_subscribe_size(enum mqtt_version version, const struct subscribe_out *subscribe);
uint32_t encode_subscribe(enum mqtt_version version, const struct subscribe_out *subscribe,
                          uint8_t *out);

struct unsubscribe_out {
    uint16_t packet_id;
    const struct bytes *filters;
    uint32_t filters_num; /* at least 1 */
    struct bytes props;   /* user properties */
};

uint32_t encode_unsubscribe_size(enum mqtt_version version,
                                 const struct unsubscribe_out *unsubscribe);
uint32_t encode_unsubscribe(enum mqtt_version version, const struct unsubscribe_out *unsubscribe,
                            uint8_t *out);

/*
 * SUBACK and UNSUBACK, by `type`. Before MQTT 5.0 every failure in a SUBACK becomes 0x80, and an
 * UNSUBACK has no codes.
 */
uint32_t encode_suback_size(enum mqtt_version version, enum packet_type type,
                            const struct suback_view *suback, uint32_t size_max);
uint32_t encode_suback(enum mqtt_version version, enum packet_type type,
                       const struct suback_view *suback, uint32_t size_max, uint8_t *out);

/* DISCONNECT. Before MQTT 5.0 always two bytes, and only a client sends it. */
uint32_t encode_disconnect_size(enum mqtt_version version, const struct disconnect_view *disconnect,
                                uint32_t size_max);
uint32_t encode_disconnect(enum mqtt_version version, const struct disconnect_view *disconnect,
                           uint32_t size_max, uint8_t *out);

/* AUTH, MQTT 5.0 only. */
uint32_t encode_auth_size(const struct auth_view *auth, uint32_t size_max);
uint32_t encode_auth(const struct auth_view *auth, uint32_t size_max, uint8_t *out);

#endif
