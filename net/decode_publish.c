/*
 * decode_publish.c -- PUBLISH (3.3) when it is not the plain case.
 *
 *   body: topic (two-byte length) | packet identifier, with QoS 1 and 2 | properties, in MQTT 5.0 |
 *         payload, all that is left
 *
 * The plain case, no properties and a topic in ASCII, is inline in decode.h and fills the view;
 * here are the properties, which until then are taken for the beginning of the payload, and other
 * topics.
 *
 * Threads: pure functions, any.
 */
#include "decode.h"

#include "props.h"

/* The properties that make a block unfit to be forwarded as it is: they are for one hop. */
#define PUBLISH_PROPS_ONE_HOP                                                                      \
    ((UINT64_C(1) << PROP_TOPIC_ALIAS) | (UINT64_C(1) << PROP_MESSAGE_EXPIRY) |                    \
     (UINT64_C(1) << PROP_SUBSCRIPTION_ID))

/* The property block at the reader, which moves behind it. */
static enum reason decode_publish_props(struct byte_reader *reader, enum decode_from from,
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
        else if (prop.id == PROP_SUBSCRIPTION_ID && from == DECODE_FROM_CLIENT)
            return REASON_PROTOCOL_ERROR;
    }
    out->has_expiry = (present >> PROP_MESSAGE_EXPIRY) & 1;
    out->props_plain = (present & PUBLISH_PROPS_ONE_HOP) == 0;
    return REASON_SUCCESS;
}

enum reason decode_publish_rare(enum mqtt_version version, enum decode_from from,
                                struct publish_view *out)
{
    struct byte_reader reader = byte_reader_of(out->payload);
    if (version == MQTT_50) {
        enum reason reason = decode_publish_props(&reader, from, out);
        if (reason != REASON_SUCCESS)
            return reason;
        out->payload = (struct bytes){.ptr = reader.at, .len = byte_reader_left(&reader)};
    }
    if (!utf8_check(out->topic.ptr, out->topic.len))
        return REASON_MALFORMED_PACKET;
    if (out->topic.len == 0 && out->alias == 0)
        return REASON_PROTOCOL_ERROR;
    return REASON_SUCCESS;
}
