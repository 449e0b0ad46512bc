/*
 * decode_subscribe.c -- SUBSCRIBE (3.8), UNSUBSCRIBE (3.10), SUBACK (3.9), UNSUBACK (3.11).
 *
 *   SUBSCRIBE body:   packet identifier | properties (5.0) | filter and options byte, at least once
 *   UNSUBSCRIBE body: packet identifier | properties (5.0) | filter, at least once
 *   SUBACK, UNSUBACK: packet identifier | properties (5.0) | one code for each filter
 *
 * Options byte: bits 0-1 QoS; in MQTT 5.0 bit 2 no local, bit 3 retain as published, bits 4-5
 * retain handling; the rest is reserved. Before 5.0 all but the QoS is reserved, in 3.1 even
 * ignored.
 *
 * A packet is checked whole before the first filter is looked at by anybody: a SUBSCRIBE that is
 * wrong in its last filter must not leave subscriptions behind.
 *
 * Threads: pure functions, any.
 */
#include "decode.h"

#include "props.h"
#include "utf8.h"

#define SUBSCRIBE_OPTIONS_QOS      0x03
#define SUBSCRIBE_OPTIONS_NO_LOCAL 0x04
#define SUBSCRIBE_OPTIONS_V5       0x3F

/* The packet identifier and, in MQTT 5.0, the properties: the beginning of all four packets. */
static enum reason decode_subscribe_head(enum mqtt_version version, uint32_t prop_packet,
                                         struct byte_reader *reader, uint16_t *out_packet_id,
                                         struct props *out_props)
{
    out_props->present = 0;
    *out_packet_id = byte_reader_u16(reader);
    out_props->raw = (struct bytes){.ptr = reader->at, .len = 0};
    if (reader->failed)
        return REASON_MALFORMED_PACKET;
    if (version == MQTT_50) {
        enum reason reason = props_read(reader, prop_packet, out_props);
        if (reason != REASON_SUCCESS)
            return reason;
    }
    return *out_packet_id != 0 ? REASON_SUCCESS : REASON_PROTOCOL_ERROR; /* [MQTT-2.2.1-3] */
}

static bool decode_subscribe_is_shared(struct bytes filter)
{
    static const char prefix[] = "$share/";
    return filter.len >= sizeof(prefix) - 1 && memcmp(filter.ptr, prefix, sizeof(prefix) - 1) == 0;
}

/* One options byte, its reserved bits and its values (3.8.3.1). */
static enum reason decode_subscribe_options(uint8_t options, enum mqtt_version version,
                                            struct bytes filter)
{
    uint8_t allowed = version == MQTT_50 ? SUBSCRIBE_OPTIONS_V5 : SUBSCRIBE_OPTIONS_QOS;
    if (version != MQTT_31 && (options & ~allowed))
        return REASON_MALFORMED_PACKET; /* [MQTT-3.8.3-5] */
    if ((options & SUBSCRIBE_OPTIONS_QOS) > MQTT_QOS_2)
        return REASON_PROTOCOL_ERROR;
    if (version != MQTT_50)
        return REASON_SUCCESS;
    if (((options >> 4) & 3) > MQTT_RETAIN_SEND_NEVER)
        return REASON_PROTOCOL_ERROR;
    if ((options & SUBSCRIBE_OPTIONS_NO_LOCAL) && decode_subscribe_is_shared(filter))
        return REASON_PROTOCOL_ERROR; /* [MQTT-3.8.3-4] */
    return REASON_SUCCESS;
}

enum reason decode_subscribe(enum mqtt_version version, const struct frame *frame,
                             struct subscribe_view *out)
{
    CHECK(frame_type(frame) == PACKET_SUBSCRIBE);
    struct byte_reader reader = byte_reader_of(frame->body);
    struct props props;
    uint16_t packet_id;
    enum reason reason = decode_subscribe_head(version, PROP_IN(PACKET_SUBSCRIBE), &reader,
                                               &packet_id, &props);
    if (reason != REASON_SUCCESS)
        return reason;
    *out = (struct subscribe_view){
        .packet_id = packet_id,
        .options_mask = version == MQTT_50 ? SUBSCRIBE_OPTIONS_V5 : SUBSCRIBE_OPTIONS_QOS,
        .sub_id = props_number(&props, PROP_SUBSCRIPTION_ID, 0),
        .filters = {.ptr = reader.at, .len = byte_reader_left(&reader)},
        .props = props.raw,
    };
    while (byte_reader_left(&reader) > 0) {
        struct bytes filter = byte_reader_take16(&reader);
        uint8_t options = byte_reader_u8(&reader);
        if (reader.failed || !utf8_check(filter.ptr, filter.len))
            return REASON_MALFORMED_PACKET;
        reason = decode_subscribe_options(options, version, filter);
        if (reason != REASON_SUCCESS)
            return reason;
        out->filters_num++;
    }
    return out->filters_num > 0 ? REASON_SUCCESS : REASON_PROTOCOL_ERROR; /* [MQTT-3.8.3-2] */
}

enum reason decode_unsubscribe(enum mqtt_version version, const struct frame *frame,
                               struct unsubscribe_view *out)
{
    CHECK(frame_type(frame) == PACKET_UNSUBSCRIBE);
    struct byte_reader reader = byte_reader_of(frame->body);
    struct props props;
    uint16_t packet_id;
    enum reason reason = decode_subscribe_head(version, PROP_IN(PACKET_UNSUBSCRIBE), &reader,
                                               &packet_id, &props);
    if (reason != REASON_SUCCESS)
        return reason;
    *out = (struct unsubscribe_view){
        .packet_id = packet_id,
        .filters = {.ptr = reader.at, .len = byte_reader_left(&reader)},
        .props = props.raw,
    };
    while (byte_reader_left(&reader) > 0) {
        struct bytes filter = byte_reader_take16(&reader);
        if (reader.failed || !utf8_check(filter.ptr, filter.len))
            return REASON_MALFORMED_PACKET;
        out->filters_num++;
    }
    return out->filters_num > 0 ? REASON_SUCCESS : REASON_PROTOCOL_ERROR; /* [MQTT-3.10.3-2] */
}

/* One code of a SUBACK or UNSUBACK: MQTT 5.0 lists them, 3.1.1 knows 0, 1, 2 and 0x80. */
static bool decode_suback_code_ok(enum mqtt_version version, enum packet_type type, uint8_t code)
{
    if (version == MQTT_50) {
        return reason_is_legal((enum reason)code,
                               type == PACKET_SUBACK ? REASON_IN_SUBACK : REASON_IN_UNSUBACK);
    }
    return code <= MQTT_QOS_2 || code == REASON_UNSPECIFIED_ERROR;
}

enum reason decode_suback(enum mqtt_version version, const struct frame *frame,
                          struct suback_view *out)
{
    enum packet_type type = frame_type(frame);
    CHECK(type == PACKET_SUBACK || type == PACKET_UNSUBACK);
    struct byte_reader reader = byte_reader_of(frame->body);
    struct props props;
    uint16_t packet_id;
    enum reason reason = decode_subscribe_head(version, PROP_IN(type), &reader, &packet_id, &props);
    if (reason != REASON_SUCCESS)
        return reason;
    *out = (struct suback_view){
        .packet_id = packet_id,
        .codes = {.ptr = reader.at, .len = byte_reader_left(&reader)},
        .reason_string = props_value(&props, PROP_REASON_STRING),
        .props = props.raw,
    };
    if (type == PACKET_UNSUBACK && version != MQTT_50)
        return out->codes.len == 0 ? REASON_SUCCESS : REASON_MALFORMED_PACKET;
    for (uint32_t i = 0; i < out->codes.len; i++) {
        if (!decode_suback_code_ok(version, type, out->codes.ptr[i]))
            return REASON_PROTOCOL_ERROR;
    }
    return out->codes.len > 0 ? REASON_SUCCESS : REASON_PROTOCOL_ERROR;
}
