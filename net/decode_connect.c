/*
 * decode_connect.c -- CONNECT (3.1) and CONNACK (3.2).
 *
 *   CONNECT body: protocol name | level | flags | keep alive | properties (5.0) |
 *                 client identifier | will properties (5.0), will topic, will payload, if flagged |
 *                 user name, if flagged | password, if flagged
 *   CONNACK body: flags | reason | properties (5.0)
 *
 * The first packet of a stranger: every step fills the view before it judges, so that a refusal can
 * be answered in a form the client understands and logged with what it said.
 *
 * MQTT 3.1 differs in more than its name: a user name or password that the flags announce may be
 * missing (the remaining length wins over the flags), the reserved flag and the flags of an absent
 * will are not looked at, and an empty client identifier is never allowed.
 *
 * Threads: pure functions, any.
 */
#include "decode.h"

#include "props.h"
#include "utf8.h"

#define CONNECT_FLAG_RESERVED    0x01
#define CONNECT_FLAG_CLEAN       0x02
#define CONNECT_FLAG_WILL        0x04
#define CONNECT_FLAG_WILL_RETAIN 0x20
#define CONNECT_FLAG_PASSWORD    0x40
#define CONNECT_FLAG_USERNAME    0x80
#define CONNECT_FLAGS_WILL_MORE  0x38 /* QoS and retain, which need a will */
#define CONNECT_LEVEL_BRIDGE     0x80

/* Protocol name and level; names the form of an answer even when it refuses. */
static enum reason decode_connect_version(struct byte_reader *reader, struct connect_view *out)
{
    struct bytes name = byte_reader_take16(reader);
    uint8_t level = byte_reader_u8(reader);
    if (reader->failed)
        return REASON_MALFORMED_PACKET;
    out->level = level;
    bool name_31 = bytes_equal(name, bytes_of_text("MQIsdp"));
    bool name_311 = bytes_equal(name, bytes_of_text("MQTT"));
    if (!name_31 && !name_311)
        return REASON_UNSUPPORTED_PROTOCOL_VERSION;

    uint8_t plain_level = level & (uint8_t)~CONNECT_LEVEL_BRIDGE;
    bool bridge = (level & CONNECT_LEVEL_BRIDGE) != 0;
    if (name_31 && plain_level == MQTT_31)
        out->version = MQTT_31;
    else if (name_311 && plain_level == MQTT_311)
        out->version = MQTT_311;
    else if (name_311 && level == MQTT_50)
        out->version = MQTT_50;
    else {
        out->version = name_311 && plain_level >= MQTT_50 ? MQTT_50 : MQTT_311;
        return REASON_UNSUPPORTED_PROTOCOL_VERSION;
    }
    out->bridge = bridge;
    return REASON_SUCCESS;
}

/* The rules of the flags byte (3.1.2.3 to 3.1.2.9), for the version that is now known. */
static enum reason decode_connect_flags(uint8_t flags, struct connect_view *out)
{
    bool has_will = (flags & CONNECT_FLAG_WILL) != 0;
    uint8_t will_qos = (flags >> 3) & 3;
    out->clean_start = (flags & CONNECT_FLAG_CLEAN) != 0;
    out->will.qos = has_will ? will_qos : 0;
    out->will.retain = has_will && (flags & CONNECT_FLAG_WILL_RETAIN) != 0;
    if (out->version < MQTT_50)
        out->session_expiry_s = out->clean_start ? 0 : MQTT_EXPIRY_NEVER_S;

    if (has_will && will_qos > MQTT_QOS_2)
        return REASON_MALFORMED_PACKET; /* [MQTT-3.1.2-12] */
    if (out->version != MQTT_31) {
        if (flags & CONNECT_FLAG_RESERVED)
            return REASON_MALFORMED_PACKET; /* [MQTT-3.1.2-3] */
        if (!has_will && (flags & CONNECT_FLAGS_WILL_MORE))
            return REASON_MALFORMED_PACKET; /* [MQTT-3.1.2-11, -13] */
    }
    bool password_alone = (flags & CONNECT_FLAG_PASSWORD) && !(flags & CONNECT_FLAG_USERNAME);
    if (password_alone && out->version != MQTT_50)
        return REASON_MALFORMED_PACKET; /* 3.1.1 [MQTT-3.1.2-22]; 5.0 allows it */
    return REASON_SUCCESS;
}

static enum reason decode_connect_props(struct byte_reader *reader, struct connect_view *out)
{
    struct props props;
    enum reason reason = props_read(reader, PROP_IN(PACKET_CONNECT), &props);
    out->props = props.raw;
    out->session_expiry_s = props_number(&props, PROP_SESSION_EXPIRY, 0);
    out->receive_max = (uint16_t)props_number(&props, PROP_RECEIVE_MAX, MQTT_RECEIVE_DEFAULT);
    out->packet_size_max = props_number(&props, PROP_MAX_PACKET_SIZE, PACKET_SIZE_UNLIMITED);
    out->topic_alias_max = (uint16_t)props_number(&props, PROP_TOPIC_ALIAS_MAX, 0);
    out->request_response_info = props_number(&props, PROP_REQUEST_RESPONSE_INFO, 0) != 0;
    out->request_problem_info = props_number(&props, PROP_REQUEST_PROBLEM_INFO, 1) != 0;
    out->auth_method = props_value(&props, PROP_AUTH_METHOD);
    out->auth_data = props_value(&props, PROP_AUTH_DATA);
    if (reason != REASON_SUCCESS)
        return reason;
    if (out->auth_data.ptr != NULL && out->auth_method.ptr == NULL)
        return REASON_PROTOCOL_ERROR; /* 3.1.2.11.10 */
    return REASON_SUCCESS;
}

static enum reason decode_connect_client_id(struct byte_reader *reader, struct connect_view *out)
{
    struct bytes client_id = byte_reader_take16(reader);
    if (reader->failed || !utf8_check(client_id.ptr, client_id.len))
        return REASON_MALFORMED_PACKET;
    out->client_id = client_id;
    if (client_id.len == 0) {
        if (out->version == MQTT_31 || (out->version == MQTT_311 && !out->clean_start))
            return REASON_CLIENT_ID_NOT_VALID;
    }
    return REASON_SUCCESS;
}

static enum reason decode_connect_will(struct byte_reader *reader, struct connect_view *out)
{
    struct will_view *will = &out->will;
    if (out->version == MQTT_50) {
        struct props props;
        enum reason reason = props_read(reader, PROP_IN_WILL, &props);
        if (reason != REASON_SUCCESS)
            return reason;
        will->props = props.raw;
        will->delay_s = props_number(&props, PROP_WILL_DELAY, 0);
        will->has_expiry = props_has(&props, PROP_MESSAGE_EXPIRY);
        will->expiry_s = props_number(&props, PROP_MESSAGE_EXPIRY, 0);
        will->payload_is_text = props_number(&props, PROP_PAYLOAD_FORMAT, 0) == 1;
    }
    will->topic = byte_reader_take16(reader);
    will->payload = byte_reader_take16(reader);
    if (reader->failed || !utf8_check(will->topic.ptr, will->topic.len))
        return REASON_MALFORMED_PACKET;
    out->has_will = true;
    return REASON_SUCCESS;
}

static enum reason decode_connect_credentials(struct byte_reader *reader, uint8_t flags,
                                              struct connect_view *out)
{
    bool may_be_missing = out->version == MQTT_31;
    if (flags & CONNECT_FLAG_USERNAME && !(may_be_missing && byte_reader_left(reader) == 0)) {
        struct bytes username = byte_reader_take16(reader);
        if (reader->failed || !utf8_check(username.ptr, username.len))
            return REASON_MALFORMED_PACKET;
        out->username = username;
    }
    if (flags & CONNECT_FLAG_PASSWORD && !(may_be_missing && byte_reader_left(reader) == 0)) {
        struct bytes password = byte_reader_take16(reader);
        if (reader->failed)
            return REASON_MALFORMED_PACKET;
        out->password = password;
    }
    return REASON_SUCCESS;
}

/* Everything behind the version. */
static enum reason decode_connect_rest(const struct frame *frame, struct byte_reader *reader,
                                       struct connect_view *out)
{
    if (out->version == MQTT_50 && !frame_is_minimal(frame))
        return REASON_MALFORMED_PACKET; /* [MQTT-1.5.5-1] */
    uint8_t flags = byte_reader_u8(reader);
    out->keep_alive_s = byte_reader_u16(reader);
    if (reader->failed)
        return REASON_MALFORMED_PACKET;
    enum reason reason = decode_connect_flags(flags, out);
    if (reason == REASON_SUCCESS && out->version == MQTT_50)
        reason = decode_connect_props(reader, out);
    if (reason == REASON_SUCCESS)
        reason = decode_connect_client_id(reader, out);
    if (reason == REASON_SUCCESS && (flags & CONNECT_FLAG_WILL))
        reason = decode_connect_will(reader, out);
    if (reason == REASON_SUCCESS)
        reason = decode_connect_credentials(reader, flags, out);
    if (reason == REASON_SUCCESS && byte_reader_left(reader) > 0)
        reason = REASON_MALFORMED_PACKET;
    return reason;
}

enum reason decode_connect(const struct frame *frame, struct connect_view *out)
{
    CHECK(frame_type(frame) == PACKET_CONNECT);
    *out = (struct connect_view){
        .version = MQTT_NONE,
        .packet_size_max = PACKET_SIZE_UNLIMITED,
        .receive_max = MQTT_RECEIVE_DEFAULT,
        .request_problem_info = true,
    };
    struct byte_reader reader = byte_reader_of(frame->body);
    enum reason reason = decode_connect_version(&reader, out);
    if (reason != REASON_SUCCESS)
        return reason;
    CHECK(out->version != MQTT_NONE);
    return decode_connect_rest(frame, &reader, out);
}

static enum reason decode_connack_props(struct byte_reader *reader, struct connack_view *out)
{
    struct props props;
    enum reason reason = props_read(reader, PROP_IN(PACKET_CONNACK), &props);
    if (reason != REASON_SUCCESS)
        return reason;
    out->props = props.raw;
    out->has_session_expiry = props_has(&props, PROP_SESSION_EXPIRY);
    out->session_expiry_s = props_number(&props, PROP_SESSION_EXPIRY, 0);
    out->has_server_keep_alive = props_has(&props, PROP_SERVER_KEEP_ALIVE);
    out->server_keep_alive_s = (uint16_t)props_number(&props, PROP_SERVER_KEEP_ALIVE, 0);
    out->receive_max = (uint16_t)props_number(&props, PROP_RECEIVE_MAX, MQTT_RECEIVE_DEFAULT);
    out->qos_max = (uint8_t)props_number(&props, PROP_MAX_QOS, MQTT_QOS_2);
    out->retain_available = props_number(&props, PROP_RETAIN_AVAILABLE, 1) != 0;
    out->packet_size_max = props_number(&props, PROP_MAX_PACKET_SIZE, PACKET_SIZE_UNLIMITED);
    out->topic_alias_max = (uint16_t)props_number(&props, PROP_TOPIC_ALIAS_MAX, 0);
    out->wildcard_available = props_number(&props, PROP_WILDCARD_AVAILABLE, 1) != 0;
    out->sub_id_available = props_number(&props, PROP_SUB_ID_AVAILABLE, 1) != 0;
    out->shared_available = props_number(&props, PROP_SHARED_AVAILABLE, 1) != 0;
    out->assigned_client_id = props_value(&props, PROP_ASSIGNED_CLIENT_ID);
    out->reason_string = props_value(&props, PROP_REASON_STRING);
    out->response_info = props_value(&props, PROP_RESPONSE_INFO);
    out->server_reference = props_value(&props, PROP_SERVER_REFERENCE);
    out->auth_method = props_value(&props, PROP_AUTH_METHOD);
    out->auth_data = props_value(&props, PROP_AUTH_DATA);
    return REASON_SUCCESS;
}

enum reason decode_connack(enum mqtt_version version, const struct frame *frame,
                           struct connack_view *out)
{
    CHECK(frame_type(frame) == PACKET_CONNACK);
    *out = CONNACK_VIEW_DEFAULT;
    struct byte_reader reader = byte_reader_of(frame->body);
    uint8_t flags = byte_reader_u8(&reader);
    uint8_t code = byte_reader_u8(&reader);
    if (reader.failed)
        return REASON_MALFORMED_PACKET;
    if (version == MQTT_31)
        flags = 0; /* the byte is reserved there */
    if (flags > 1)
        return REASON_MALFORMED_PACKET; /* [MQTT-3.2.2-1] */
    out->session_present = flags == 1;
    if (version == MQTT_50) {
        out->reason = (enum reason)code;
        if (!reason_is_legal(out->reason, REASON_IN_CONNACK))
            return REASON_PROTOCOL_ERROR;
        enum reason reason = decode_connack_props(&reader, out);
        if (reason != REASON_SUCCESS)
            return reason;
    } else {
        out->reason = reason_of_connack3(code);
        if (out->reason == REASON_PROTOCOL_ERROR)
            return REASON_PROTOCOL_ERROR;
    }
    if (byte_reader_left(&reader) > 0)
        return REASON_MALFORMED_PACKET;
    if (out->session_present && out->reason != REASON_SUCCESS)
        return REASON_PROTOCOL_ERROR; /* [MQTT-3.2.2-6] */
    return REASON_SUCCESS;
}
