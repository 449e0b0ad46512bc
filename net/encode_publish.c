/*
 * encode_publish.c -- the head of a PUBLISH: everything before its payload (3.3).
 *
 * Written by hand rather than through encode_packet.h, because this runs once for every class of
 * subscribers and often once for every subscriber: lengths are sums, and each byte is stored once.
 *
 * Order of the properties: expiry, alias, subscription identifiers, and behind them the publisher's
 * own in the order in which he sent them, as user properties must be [MQTT-3.3.2-18].
 *
 * Threads: pure functions, any.
 */
#include "encode.h"
#include "encode_packet.h"

#define PUBLISH_EXPIRY_SIZE 5 /* identifier and four bytes */
#define PUBLISH_ALIAS_SIZE  3 /* identifier and two bytes */

/* Bytes of the property block without its length. */
static inline uint64_t encode_publish_props_len(const struct publish_out *publish)
{
    uint64_t len = publish->props.len;
    if (publish->has_expiry)
        len += PUBLISH_EXPIRY_SIZE;
    if (publish->alias != 0)
        len += PUBLISH_ALIAS_SIZE;
    for (uint32_t i = 0; i < publish->sub_ids_num; i++)
        len += 1 + encode_varint_size(publish->sub_ids[i]);
    return len;
}

/* The lengths that a head is made of. */
struct encode_publish_lens {
    uint32_t props;    /* the property block without its length */
    uint32_t variable; /* between the fixed header and the payload */
    uint32_t body;     /* what the fixed header says */
};

/* False if the packet would be longer than MQTT allows. */
static inline bool encode_publish_measure(enum mqtt_version version,
                                          const struct publish_out *publish,
                                          struct encode_publish_lens *out)
{
    CHECK(version != MQTT_NONE);
    CHECK(publish->topic.len <= STRING_LEN_MAX);
    uint64_t props_len = version == MQTT_50 ? encode_publish_props_len(publish) : 0;
    if (UNLIKELY(props_len > PACKET_LEN_MAX))
        return false;
    uint64_t variable_len = 2 + (uint64_t)publish->topic.len + (publish->qos != 0 ? 2 : 0);
    if (version == MQTT_50)
        variable_len += encode_varint_size((uint32_t)props_len) + props_len;
    uint64_t body_len = variable_len + publish->payload_len;
    if (UNLIKELY(body_len > PACKET_LEN_MAX))
        return false;
    out->props = (uint32_t)props_len;
    out->variable = (uint32_t)variable_len;
    out->body = (uint32_t)body_len;
    return true;
}

uint32_t encode_publish_head_size(enum mqtt_version version, const struct publish_out *publish)
{
    struct encode_publish_lens lens;
    if (!encode_publish_measure(version, publish, &lens))
        return 0;
    return 1 + encode_varint_size(lens.body) + lens.variable;
}

/* Writes the properties; their length stands before them already. */
static uint8_t *encode_publish_props(uint8_t *at, const struct publish_out *publish)
{
    if (publish->has_expiry) {
        *at++ = PROP_MESSAGE_EXPIRY;
        *at++ = (uint8_t)(publish->expiry_s >> 24);
        *at++ = (uint8_t)(publish->expiry_s >> 16);
        *at++ = (uint8_t)(publish->expiry_s >> 8);
        *at++ = (uint8_t)publish->expiry_s;
    }
    if (publish->alias != 0) {
        *at++ = PROP_TOPIC_ALIAS;
        *at++ = (uint8_t)(publish->alias >> 8);
        *at++ = (uint8_t)publish->alias;
    }
    for (uint32_t i = 0; i < publish->sub_ids_num; i++) {
        CHECK(publish->sub_ids[i] >= 1 && publish->sub_ids[i] <= SUB_ID_MAX);
        *at++ = PROP_SUBSCRIPTION_ID;
        at = encode_varint(at, publish->sub_ids[i]);
    }
    if (publish->props.len > 0)
        memcpy(at, publish->props.ptr, publish->props.len);
    return at + publish->props.len;
}

uint32_t encode_publish_head(enum mqtt_version version, const struct publish_out *publish,
                             uint8_t *out)
{
    CHECK(publish->qos <= MQTT_QOS_2 && (publish->qos == 0 || publish->packet_id != 0));
    struct encode_publish_lens lens;
    if (!encode_publish_measure(version, publish, &lens))
        return 0;

    out[0] = (uint8_t)((PACKET_PUBLISH << 4) | (publish->dup << 3) | (publish->qos << 1) |
                       (publish->retain ? 1 : 0));
    uint8_t *at = encode_varint(out + 1, lens.body);
    const uint8_t *variable = at;
    *at++ = (uint8_t)(publish->topic.len >> 8);
    *at++ = (uint8_t)publish->topic.len;
    if (publish->topic.len > 0)
        memcpy(at, publish->topic.ptr, publish->topic.len);
    at += publish->topic.len;
    if (publish->qos != 0) {
        *at++ = (uint8_t)(publish->packet_id >> 8);
        *at++ = (uint8_t)publish->packet_id;
    }
    if (version == MQTT_50) {
        at = encode_varint(at, lens.props);
        if (lens.props > 0)
            at = encode_publish_props(at, publish);
    }
    CHECK(at == variable + lens.variable);
    return (uint32_t)(at - out);
}

uint32_t encode_publish_packet_id_offset(const uint8_t *head)
{
    CHECK(head[0] >> 4 == PACKET_PUBLISH && (head[0] & 0x06) != 0);
    uint32_t at = 1;
    while (head[at] & 0x80)
        at++;
    at++;
    CHECK(at <= FIXED_HEADER_LEN_MAX);
    uint32_t topic_len = ((uint32_t)head[at] << 8) | head[at + 1];
    return at + 2 + topic_len;
}
