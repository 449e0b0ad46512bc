/*
 * decode_ack.c -- the packets that are little more than a reason: PUBACK, PUBREC, PUBREL, PUBCOMP
 * (3.4 to 3.7), PINGREQ, PINGRESP (3.12, 3.13), DISCONNECT (3.14), AUTH (3.15).
 *
 *   acknowledgements: packet identifier | reason | properties
 *   DISCONNECT, AUTH: reason | properties
 *
 * In MQTT 5.0 the end may be left out: properties if there are none, then the reason if it is
 * success. AUTH alone must have both or neither. Before 5.0 there is neither reason nor property.
 *
 * Threads: pure functions, any.
 */
#include "decode.h"

#include "props.h"

enum reason decode_ack_long(enum mqtt_version version, const struct frame *frame,
                            struct ack_view *out)
{
    enum packet_type type = frame_type(frame);
    CHECK(type >= PACKET_PUBACK && type <= PACKET_PUBCOMP);
    struct byte_reader reader = byte_reader_of(frame->body);
    *out = (struct ack_view){.packet_id = byte_reader_u16(&reader), .reason = REASON_SUCCESS};
    if (reader.failed || (version != MQTT_50 && byte_reader_left(&reader) > 0))
        return REASON_MALFORMED_PACKET;
    if (byte_reader_left(&reader) > 0)
        out->reason = (enum reason)byte_reader_u8(&reader);
    if (byte_reader_left(&reader) > 0) {
        struct props props;
        enum reason reason = props_read(&reader, PROP_IN(type), &props);
        if (reason != REASON_SUCCESS)
            return reason;
        if (byte_reader_left(&reader) > 0)
            return REASON_MALFORMED_PACKET;
        out->reason_string = props_value(&props, PROP_REASON_STRING);
        out->props = props.raw;
    }
    bool first_half = type == PACKET_PUBACK || type == PACKET_PUBREC;
    if (!reason_is_legal(out->reason, first_half ? REASON_IN_PUBACK : REASON_IN_PUBREL))
        return REASON_PROTOCOL_ERROR; /* [MQTT-3.4.2-1, -3.5.2-1, -3.6.2-1, -3.7.2-1] */
    return out->packet_id != 0 ? REASON_SUCCESS : REASON_PROTOCOL_ERROR;
}

enum reason decode_ping(const struct frame *frame)
{
    enum packet_type type = frame_type(frame);
    CHECK(type == PACKET_PINGREQ || type == PACKET_PINGRESP);
    return frame->body.len == 0 ? REASON_SUCCESS : REASON_MALFORMED_PACKET;
}

/* Which properties and reasons a DISCONNECT may carry depends on who sends it. */
static enum reason decode_disconnect_judge(enum decode_from from,
                                           const struct disconnect_view *view)
{
    bool from_client = from == DECODE_FROM_CLIENT;
    if (!reason_is_legal(view->reason,
                         from_client ? REASON_IN_DISCONNECT_CLIENT : REASON_IN_DISCONNECT_SERVER))
        return REASON_PROTOCOL_ERROR; /* [MQTT-3.14.2-1] */
    if (from_client && view->server_reference.ptr != NULL)
        return REASON_PROTOCOL_ERROR; /* 3.14.2.2.5: the server sends it */
    if (!from_client && view->has_session_expiry)
        return REASON_PROTOCOL_ERROR; /* [MQTT-3.14.2-2] */
    return REASON_SUCCESS;
}

enum reason decode_disconnect(enum mqtt_version version, enum decode_from from,
                              const struct frame *frame, struct disconnect_view *out)
{
    CHECK(frame_type(frame) == PACKET_DISCONNECT);
    *out = (struct disconnect_view){.reason = REASON_SUCCESS};
    struct byte_reader reader = byte_reader_of(frame->body);
    if (byte_reader_left(&reader) == 0)
        return REASON_SUCCESS;
    if (version != MQTT_50)
        return REASON_MALFORMED_PACKET;
    out->reason = (enum reason)byte_reader_u8(&reader);
    if (byte_reader_left(&reader) > 0) {
        struct props props;
        enum reason reason = props_read(&reader, PROP_IN(PACKET_DISCONNECT), &props);
        if (reason != REASON_SUCCESS)
            return reason;
        if (byte_reader_left(&reader) > 0)
            return REASON_MALFORMED_PACKET;
        out->has_session_expiry = props_has(&props, PROP_SESSION_EXPIRY);
        out->session_expiry_s = props_number(&props, PROP_SESSION_EXPIRY, 0);
        out->reason_string = props_value(&props, PROP_REASON_STRING);
        out->server_reference = props_value(&props, PROP_SERVER_REFERENCE);
        out->props = props.raw;
    }
    return decode_disconnect_judge(from, out);
}

enum reason decode_auth(enum mqtt_version version, enum decode_from from, const struct frame *frame,
                        struct auth_view *out)
{
    CHECK(frame_type(frame) == PACKET_AUTH);
    *out = (struct auth_view){.reason = REASON_SUCCESS};
    if (version != MQTT_50)
        return REASON_PROTOCOL_ERROR;
    struct byte_reader reader = byte_reader_of(frame->body);
    if (byte_reader_left(&reader) > 0) {
        struct props props;
        out->reason = (enum reason)byte_reader_u8(&reader);
        enum reason reason = props_read(&reader, PROP_IN(PACKET_AUTH), &props);
        if (reason != REASON_SUCCESS)
            return reason;
        if (byte_reader_left(&reader) > 0)
            return REASON_MALFORMED_PACKET;
        out->auth_method = props_value(&props, PROP_AUTH_METHOD);
        out->auth_data = props_value(&props, PROP_AUTH_DATA);
        out->reason_string = props_value(&props, PROP_REASON_STRING);
        out->props = props.raw;
        if (out->auth_method.ptr == NULL)
            return REASON_PROTOCOL_ERROR; /* 3.15.2.2.2 */
    }
    bool legal = reason_is_legal(out->reason, from == DECODE_FROM_CLIENT ? REASON_IN_AUTH_CLIENT
                                                                         : REASON_IN_AUTH_SERVER);
    return legal ? REASON_SUCCESS : REASON_PROTOCOL_ERROR; /* [MQTT-3.15.2-1] */
}
