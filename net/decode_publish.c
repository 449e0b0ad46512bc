/*
 * decode_publish.c -- PUBLISH (3.3), the packet that a broker lives on.
 *
 *   body: topic (two-byte length) | packet identifier, with QoS 1 and 2 | properties, in MQTT 5.0 |
 *         payload, all that is left
 *
 * The path without properties is straight: two bounds checks, the topic's UTF-8, and the stores. The
 * flags that cannot be are one bit set, indexed by the four flag bits.
 *
 * Whether a server or a client reads makes one difference (subscription identifiers), which is a
 * constant in each of the two functions made from the same code.
 *
 * Threads: pure functions, any.
 */
#include "decode.h"

#include "props.h"
#include "utf8.h"

#define PUBLISH_FLAG_RETAIN 0x1u
#define PUBLISH_FLAG_DUP    0x8u

/* QoS 3 [MQTT-3.3.1-4], with any DUP and RETAIN. */
#define PUBLISH_FLAGS_QOS_3 ((1u << 0x6) | (1u << 0x7) | (1u << 0xE) | (1u << 0xF))
/* DUP with QoS 0 [MQTT-3.3.1-2], a rule since 3.1.1. */
#define PUBLISH_FLAGS_DUP_QOS_0 ((1u << 0x8) | (1u << 0x9))

/* The properties that make a block unfit to be forwarded as it is: they are for one hop. */
#define PUBLISH_PROPS_ONE_HOP                                                                      \
    ((UINT64_C(1) << PROP_TOPIC_ALIAS) | (UINT64_C(1) << PROP_MESSAGE_EXPIRY) |                    \
     (UINT64_C(1) << PROP_SUBSCRIPTION_ID))

/* The property block, of which at least its length is in the reader. */
static enum reason decode_publish_props(struct byte_reader *reader, bool from_server,
                                        struct publish_view *out)
{
    struct bytes raw;
    if (!props_block(reader, &raw))
        return REASON_MALFORMED_PACKET;
    out->props = raw;

    struct byte_reader block = byte_reader_of(raw);
    uint64_t present = 0;
    while (byte_reader_left(&block) > 0) {
        struct prop prop;
        enum reason reason = prop_read(&block, PROP_IN(PACKET_PUBLISH), &prop);
        if (reason != REASON_SUCCESS)
            return reason;
        uint64_t bit = UINT64_C(1) << prop.id;
        bool repeats = prop.id == PROP_USER_PROPERTY || prop.id == PROP_SUBSCRIPTION_ID;
        if ((present & bit) != 0 && !repeats)
            return REASON_PROTOCOL_ERROR;
        present |= bit;
        if (prop.id == PROP_MESSAGE_EXPIRY)
            out->expiry_s = prop.number;
        else if (prop.id == PROP_TOPIC_ALIAS)
            out->alias = (uint16_t)prop.number;
        else if (prop.id == PROP_PAYLOAD_FORMAT)
            out->payload_is_text = prop.number == 1;
        else if (prop.id == PROP_SUBSCRIPTION_ID && !from_server)
            return REASON_PROTOCOL_ERROR;
    }
    out->has_expiry = (present >> PROP_MESSAGE_EXPIRY) & 1;
    out->props_plain = (present & PUBLISH_PROPS_ONE_HOP) == 0;
    return REASON_SUCCESS;
}

static inline __attribute__((always_inline)) enum reason
decode_publish_from(enum mqtt_version version, const struct frame *frame, bool from_server,
                    struct publish_view *out)
{
    CHECK(frame_type(frame) == PACKET_PUBLISH);
    unsigned flags = frame->head & 15;
    uint32_t flags_bad = version == MQTT_31 ? PUBLISH_FLAGS_QOS_3
                                            : PUBLISH_FLAGS_QOS_3 | PUBLISH_FLAGS_DUP_QOS_0;
    if (UNLIKELY((flags_bad >> flags) & 1))
        return REASON_MALFORMED_PACKET;

    struct byte_reader reader = byte_reader_of(frame->body);
    struct bytes topic = byte_reader_take16(&reader);
    unsigned qos = (flags >> 1) & 3;
    uint16_t packet_id = qos != 0 ? byte_reader_u16(&reader) : 0;
    if (UNLIKELY(reader.failed))
        return REASON_MALFORMED_PACKET;

    out->topic = topic;
    out->props = (struct bytes){.ptr = reader.at, .len = 0};
    out->expiry_s = 0;
    out->packet_id = packet_id;
    out->alias = 0;
    out->qos = (uint8_t)qos;
    out->dup = (flags & PUBLISH_FLAG_DUP) != 0;
    out->retain = (flags & PUBLISH_FLAG_RETAIN) != 0;
    out->has_expiry = false;
    out->props_plain = true;
    out->payload_is_text = false;
    if (version == MQTT_50) {
        if (LIKELY(byte_reader_left(&reader) > 0) && reader.at[0] == 0) {
            reader.at++; /* no properties */
        } else {
            enum reason reason = decode_publish_props(&reader, from_server, out);
            if (UNLIKELY(reason != REASON_SUCCESS))
                return reason;
        }
    }
    out->payload = (struct bytes){.ptr = reader.at, .len = byte_reader_left(&reader)};

    if (UNLIKELY(!utf8_check(topic.ptr, topic.len)))
        return REASON_MALFORMED_PACKET;
    if (UNLIKELY(topic.len == 0 && out->alias == 0))
        return REASON_PROTOCOL_ERROR;
    if (UNLIKELY(qos != 0 && packet_id == 0))
        return REASON_PROTOCOL_ERROR;
    return REASON_SUCCESS;
}

enum reason decode_publish(enum mqtt_version version, const struct frame *frame,
                           struct publish_view *out)
{
    return decode_publish_from(version, frame, false, out);
}

enum reason decode_publish_from_server(enum mqtt_version version, const struct frame *frame,
                                       struct publish_view *out)
{
    return decode_publish_from(version, frame, true, out);
}
