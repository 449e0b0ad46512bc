/*
 * encode_connect.c -- CONNECT (3.1) and CONNACK (3.2).
 *
 * Properties are written in the order of their sections in the specification. One whose value is
 * what its absence means is left out, with the will's message expiry and delay as with the rest.
 *
 * Threads: pure functions, any.
 */
#include "encode.h"
#include "encode_packet.h"

#define CONNECT_LEVEL_BRIDGE 0x80

static void encode_connect_props(struct encode_writer *writer, const struct encode_job *job)
{
    const struct connect_view *connect = job->view;
    encode_put_prop_unless(writer, PROP_SESSION_EXPIRY, connect->session_expiry_s, 0);
    encode_put_prop_unless(writer, PROP_RECEIVE_MAX, connect->receive_max, MQTT_RECEIVE_DEFAULT);
    encode_put_prop_unless(writer, PROP_MAX_PACKET_SIZE, connect->packet_size_max,
                           PACKET_SIZE_UNLIMITED);
    encode_put_prop_unless(writer, PROP_TOPIC_ALIAS_MAX, connect->topic_alias_max, 0);
    encode_put_prop_unless(writer, PROP_REQUEST_RESPONSE_INFO, connect->request_response_info, 0);
    encode_put_prop_unless(writer, PROP_REQUEST_PROBLEM_INFO, connect->request_problem_info, 1);
    encode_put_prop_value(writer, PROP_AUTH_METHOD, connect->auth_method);
    encode_put_prop_value(writer, PROP_AUTH_DATA, connect->auth_data);
    encode_put_extras(writer, job, (struct bytes){.ptr = NULL}, connect->props);
}

static void encode_connect_will_props(struct encode_writer *writer, const struct encode_job *job)
{
    const struct connect_view *connect = job->view;
    const struct will_view *will = &connect->will;
    encode_put_prop_unless(writer, PROP_WILL_DELAY, will->delay_s, 0);
    if (will->has_expiry)
        encode_put_prop(writer, PROP_MESSAGE_EXPIRY, will->expiry_s);
    uint32_t len = props_copy_forwardable(will->props, writer->at);
    writer->len += len;
    if (writer->at != NULL)
        writer->at += len;
}

static uint8_t encode_connect_flags(const struct connect_view *connect)
{
    unsigned flags = connect->clean_start ? 0x02 : 0;
    if (connect->has_will) {
        flags |= 0x04u | ((unsigned)connect->will.qos << 3);
        flags |= connect->will.retain ? 0x20 : 0;
    }
    flags |= connect->password.ptr != NULL ? 0x40 : 0;
    flags |= connect->username.ptr != NULL ? 0x80 : 0;
    return (uint8_t)flags;
}

static void encode_connect_body(struct encode_writer *writer, const struct encode_job *job)
{
    const struct connect_view *connect = job->view;
    CHECK(!connect->has_will || connect->will.qos <= MQTT_QOS_2);
    bool old_name = connect->version == MQTT_31;
    encode_put16(writer, bytes_of_text(old_name ? "MQIsdp" : "MQTT"));
    unsigned level = (unsigned)connect->version | (connect->bridge ? CONNECT_LEVEL_BRIDGE : 0);
    encode_put_u8(writer, (uint8_t)level);
    encode_put_u8(writer, encode_connect_flags(connect));
    encode_put_u16(writer, connect->keep_alive_s);
    encode_put_block(writer, encode_connect_props, job);
    encode_put16(writer, connect->client_id);
    if (connect->has_will) {
        encode_put_block(writer, encode_connect_will_props, job);
        encode_put16(writer, connect->will.topic);
        encode_put16(writer, connect->will.payload);
    }
    if (connect->username.ptr != NULL)
        encode_put16(writer, connect->username);
    if (connect->password.ptr != NULL)
        encode_put16(writer, connect->password);
}

static uint32_t encode_connect_packet(const struct connect_view *connect, uint8_t *out)
{
    struct encode_job job = {.version = connect->version, .type = PACKET_CONNECT, .view = connect};
    return encode_packet(encode_connect_body, job, PACKET_SIZE_UNLIMITED, out);
}

uint32_t encode_connect_size(const struct connect_view *connect)
{
    return encode_connect_packet(connect, NULL);
}

uint32_t encode_connect(const struct connect_view *connect, uint8_t *out)
{
    CHECK(out != NULL);
    return encode_connect_packet(connect, out);
}

static void encode_connack_props(struct encode_writer *writer, const struct encode_job *job)
{
    const struct connack_view *connack = job->view;
    if (connack->has_session_expiry)
        encode_put_prop(writer, PROP_SESSION_EXPIRY, connack->session_expiry_s);
    encode_put_prop_unless(writer, PROP_RECEIVE_MAX, connack->receive_max, MQTT_RECEIVE_DEFAULT);
    encode_put_prop_unless(writer, PROP_MAX_QOS, connack->qos_max, MQTT_QOS_2);
    encode_put_prop_unless(writer, PROP_RETAIN_AVAILABLE, connack->retain_available, 1);
    encode_put_prop_unless(writer, PROP_MAX_PACKET_SIZE, connack->packet_size_max,
                           PACKET_SIZE_UNLIMITED);
    encode_put_prop_value(writer, PROP_ASSIGNED_CLIENT_ID, connack->assigned_client_id);
    encode_put_prop_unless(writer, PROP_TOPIC_ALIAS_MAX, connack->topic_alias_max, 0);
    encode_put_prop_unless(writer, PROP_WILDCARD_AVAILABLE, connack->wildcard_available, 1);
    encode_put_prop_unless(writer, PROP_SUB_ID_AVAILABLE, connack->sub_id_available, 1);
    encode_put_prop_unless(writer, PROP_SHARED_AVAILABLE, connack->shared_available, 1);
    if (connack->has_server_keep_alive)
        encode_put_prop(writer, PROP_SERVER_KEEP_ALIVE, connack->server_keep_alive_s);
    encode_put_prop_value(writer, PROP_RESPONSE_INFO, connack->response_info);
    encode_put_prop_value(writer, PROP_SERVER_REFERENCE, connack->server_reference);
    encode_put_prop_value(writer, PROP_AUTH_METHOD, connack->auth_method);
    encode_put_prop_value(writer, PROP_AUTH_DATA, connack->auth_data);
    encode_put_extras(writer, job, connack->reason_string, connack->props);
}

static void encode_connack_body(struct encode_writer *writer, const struct encode_job *job)
{
    const struct connack_view *connack = job->view;
    bool new_form = job->version == MQTT_50;
    /* Session present is a word of 3.1.1 and later, and only a success has a session. */
    bool present = connack->session_present && job->version != MQTT_31 &&
                   connack->reason == REASON_SUCCESS;
    encode_put_u8(writer, present ? 1 : 0);
    encode_put_u8(writer, new_form ? (uint8_t)connack->reason : reason_connack3(connack->reason));
    encode_put_block(writer, encode_connack_props, job);
}

static uint32_t encode_connack_packet(enum mqtt_version version, const struct connack_view *connack,
                                      uint32_t size_max, uint8_t *out)
{
    bool sayable = version == MQTT_50 || connack->reason == REASON_SUCCESS ||
                   reason_connack3(connack->reason) != 0;
    if (!sayable)
        return 0;
    struct encode_job job = {.version = version, .type = PACKET_CONNACK, .view = connack};
    return encode_packet(encode_connack_body, job, size_max, out);
}

uint32_t encode_connack_size(enum mqtt_version version, const struct connack_view *connack,
                             uint32_t size_max)
{
    return encode_connack_packet(version, connack, size_max, NULL);
}

uint32_t encode_connack(enum mqtt_version version, const struct connack_view *connack,
                        uint32_t size_max, uint8_t *out)
{
    CHECK(out != NULL);
    return encode_connack_packet(version, connack, size_max, out);
}
