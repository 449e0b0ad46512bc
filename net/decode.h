/*
 * decode.h -- bodies of MQTT packets to views.
 *
 * One function for each packet. It takes the frame that frame_read found (whose type is the
 * function's: dispatching by type is the caller's part and asserted), checks all that the packet by
 * itself can show to be wrong, and fills the view. It answers REASON_SUCCESS, or the reason that
 * MQTT 5.0 has for the fault:
 *
 *   REASON_MALFORMED_PACKET   cannot be parsed: truncated, bytes left over, bad UTF-8, reserved
 *                             bits, a property that does not belong to the packet, PUBLISH QoS 3
 *   REASON_PROTOCOL_ERROR     can be parsed but breaks a rule: packet identifier 0, a property
 *                             twice or out of range, no filters, an empty topic without alias
 *   others                    named at their functions
 *
 * For MQTT 3.1 and 3.1.1 any failure means: close the connection (CONNECT excepted, see there). On
 * a failure the view is undefined, CONNECT's excepted.
 *
 * Not checked here, because it takes more than the packet: the syntax of topics and filters
 * (route/topic.h), aliases against the connection's bound, packet identifiers in use, payloads
 * against their payload format, which properties this broker supports.
 *
 * `version` is the connection's, never MQTT_NONE.
 *
 * Threads: pure functions, any. No allocation, no state; views point into the frame.
 */
#ifndef SLUICE_DECODE_H
#define SLUICE_DECODE_H

#include "frame.h"
#include "packet.h"
#include "utf8.h"

/* Who sent the packet, where that changes what is right. */
enum decode_from { DECODE_FROM_CLIENT, DECODE_FROM_SERVER };

/*
 * decode_connect (3.1). Always fills `out` as far as it came; what was not reached is zero or its
 * default. out->version tells how a refusal can be said:
 *   MQTT_NONE with REASON_UNSUPPORTED_PROTOCOL_VERSION: the protocol name is unknown; or with
 *             another reason: truncated before the level. Close without an answer.
 *   else      CONNACK in that version's form. An unsupported level gives
 *             REASON_UNSUPPORTED_PROTOCOL_VERSION and MQTT_311 (levels below 5) or MQTT_50.
 * Accepted are MQIsdp/3, MQTT/4 and MQTT/5, and levels 3 and 4 with bit 7 set (bridges).
 * REASON_CLIENT_ID_NOT_VALID: an empty identifier in MQTT 3.1, or in 3.1.1 without Clean Session
 * [MQTT-3.1.3-8]. Longer identifiers than the 23 characters of MQTT 3.1 are accepted.
 */
enum reason decode_connect(const struct frame *frame, struct connect_view *out) MUST_USE;

enum reason decode_connack(enum mqtt_version version, const struct frame *frame,
                           struct connack_view *out) MUST_USE;

/*
 * What decode_publish leaves to do when it is not the plain case: the properties in front of
 * out->payload, if `version` is MQTT_50, and a topic that is empty or not ASCII.
 */
enum reason decode_publish_rare(enum mqtt_version version, enum decode_from from,
                                struct publish_view *out) MUST_USE;

/*
 * decode_publish (3.3). REASON_TOPIC_ALIAS_INVALID: alias 0. A subscription identifier from a
 * client is a protocol error [MQTT-3.3.4-6]; those of a server are in the properties
 * (props_next_sub_id).
 *
 * This is the packet that a broker lives on, so its plain case is inline and straight: one
 * comparison of the body's length for all that is read, stores, the topic's bytes, and no call.
 */
static inline enum reason MUST_USE decode_publish_from(enum mqtt_version version,
                                                       enum decode_from from,
                                                       const struct frame *frame,
                                                       struct publish_view *out)
{
    CHECK(frame_type(frame) == PACKET_PUBLISH);
    const uint8_t *at = frame->body.ptr;
    uint32_t body_len = frame->body.len;
    unsigned flags = frame->head;
    unsigned qos = (flags >> 1) & 3;
    if (UNLIKELY(body_len < 2) || UNLIKELY(qos > MQTT_QOS_2)) /* [MQTT-3.3.1-4] */
        return REASON_MALFORMED_PACKET;

    uint32_t topic_len = ((uint32_t)at[0] << 8) | at[1];
    uint32_t head_len = 2 + topic_len + (qos != 0 ? 2 : 0);
    if (UNLIKELY(body_len < head_len))
        return REASON_MALFORMED_PACKET;
    uint16_t packet_id = 0;
    if (qos != 0) {
        packet_id = (uint16_t)((at[2 + topic_len] << 8) | at[3 + topic_len]);
        if (UNLIKELY(packet_id == 0)) /* [MQTT-2.2.1-3] */
            return REASON_PROTOCOL_ERROR;
    } else if (UNLIKELY(flags & 8) && version != MQTT_31) {
        return REASON_MALFORMED_PACKET; /* DUP; [MQTT-3.3.1-2], a rule since 3.1.1 */
    }

    /* Field by field: a compound literal is built on the stack first and then copied. */
    out->topic.ptr = at + 2;
    out->topic.len = topic_len;
    out->payload.ptr = at + head_len;
    out->payload.len = body_len - head_len;
    out->props.ptr = NULL;
    out->props.len = 0;
    out->expiry_s = 0;
    out->alias = 0;
    out->has_expiry = false;
    out->payload_is_text = false;
    out->packet_id = packet_id;
    out->qos = (uint8_t)qos;
    out->dup = (flags >> 3) & 1;
    out->retain = flags & 1;
    out->props_plain = true;

    if (version == MQTT_50) {
        if (UNLIKELY(body_len == head_len) || at[head_len] != 0)
            return decode_publish_rare(version, from, out);
        out->payload.ptr++; /* no properties */
        out->payload.len--;
    }
    if (UNLIKELY(topic_len == 0) || UNLIKELY(!utf8_is_plain(at + 2, topic_len)))
        return decode_publish_rare(MQTT_NONE, from, out);
    return REASON_SUCCESS;
}

static inline enum reason MUST_USE decode_publish(enum mqtt_version version,
                                                  const struct frame *frame,
                                                  struct publish_view *out)
{
    return decode_publish_from(version, DECODE_FROM_CLIENT, frame, out);
}

/* Everything about an acknowledgement that is longer than a packet identifier. */
enum reason decode_ack_long(enum mqtt_version version, const struct frame *frame,
                            struct ack_view *out) MUST_USE;

/* PUBACK, PUBREC, PUBREL, PUBCOMP (3.4 to 3.7). The usual one, of two bytes, is inline. */
static inline enum reason MUST_USE decode_ack(enum mqtt_version version, const struct frame *frame,
                                              struct ack_view *out)
{
    if (UNLIKELY(frame->body.len != 2))
        return decode_ack_long(version, frame, out);
    *out = (struct ack_view){
        .packet_id = (uint16_t)((frame->body.ptr[0] << 8) | frame->body.ptr[1])};
    return LIKELY(out->packet_id != 0) ? REASON_SUCCESS : REASON_PROTOCOL_ERROR;
}

/* SUBSCRIBE (3.8), all filters checked; then subscribe_next takes them one by one. */
enum reason decode_subscribe(enum mqtt_version version, const struct frame *frame,
                             struct subscribe_view *out) MUST_USE;

/* UNSUBSCRIBE (3.10), all filters checked; then unsubscribe_next takes them one by one. */
enum reason decode_unsubscribe(enum mqtt_version version, const struct frame *frame,
                               struct unsubscribe_view *out) MUST_USE;

/* SUBACK and UNSUBACK (3.9, 3.11). */
enum reason decode_suback(enum mqtt_version version, const struct frame *frame,
                          struct suback_view *out) MUST_USE;

/* PINGREQ and PINGRESP (3.12, 3.13). */
enum reason decode_ping(const struct frame *frame) MUST_USE;

/* DISCONNECT (3.14). An empty one is REASON_SUCCESS, "normal disconnection". */
enum reason decode_disconnect(enum mqtt_version version, enum decode_from from,
                              const struct frame *frame, struct disconnect_view *out) MUST_USE;

/* AUTH (3.15), MQTT 5.0 only: a protocol error in the older versions, where type 15 is reserved. */
enum reason decode_auth(enum mqtt_version version, enum decode_from from, const struct frame *frame,
                        struct auth_view *out) MUST_USE;

#endif
