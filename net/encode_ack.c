/*
 * encode_ack.c -- PUBACK, PUBREC, PUBREL, PUBCOMP (3.4 to 3.7), DISCONNECT (3.14), AUTH (3.15).
 *
 * Always the shortest form: without properties their length is left out, and a reason of success
 * goes with it. AUTH is the exception, which has both or neither.
 *
 * Threads: pure functions, any.
 */
#include "encode.h"
#include "encode_packet.h"

/* Reason and properties, with as much of the end left out as may be. */
static void encode_put_reason(struct encode_writer *writer, const struct encode_job *job,
                              enum reason reason, encode_fn *props_fn)
{
    if (job->version != MQTT_50)
        return;
    bool has_props = encode_count(props_fn, job) > 0;
    if (has_props || reason != REASON_SUCCESS)
        encode_put_u8(writer, (uint8_t)reason);
    if (has_props)
        encode_put_block(writer, props_fn, job);
}

static void encode_ack_props(struct encode_writer *writer, const struct encode_job *job)
{
    const struct ack_view *ack = job->view;
    encode_put_extras(writer, job, ack->reason_string, ack->props);
}

static void encode_ack_body(struct encode_writer *writer, const struct encode_job *job)
{
    const struct ack_view *ack = job->view;
    encode_put_u16(writer, ack->packet_id);
    encode_put_reason(writer, job, ack->reason, encode_ack_props);
}

static uint32_t encode_ack_packet(enum mqtt_version version, enum packet_type type,
                                  const struct ack_view *ack, uint32_t size_max, uint8_t *out)
{
    CHECK(type >= PACKET_PUBACK && type <= PACKET_PUBCOMP);
    CHECK(ack->packet_id != 0);
    struct encode_job job = {.version = version, .type = type, .view = ack};
    return encode_packet(encode_ack_body, job, size_max, out);
}

uint32_t encode_ack_size(enum mqtt_version version, enum packet_type type,
                         const struct ack_view *ack, uint32_t size_max)
{
    return encode_ack_packet(version, type, ack, size_max, NULL);
}

uint32_t encode_ack(enum mqtt_version version, enum packet_type type, const struct ack_view *ack,
                    uint32_t size_max, uint8_t *out)
{
    CHECK(out != NULL);
    return encode_ack_packet(version, type, ack, size_max, out);
}

static void encode_disconnect_props(struct encode_writer *writer, const struct encode_job *job)
{
    const struct disconnect_view *disconnect = job->view;
    if (disconnect->has_session_expiry)
        encode_put_prop(writer, PROP_SESSION_EXPIRY, disconnect->session_expiry_s);
    encode_put_prop_value(writer, PROP_SERVER_REFERENCE, disconnect->server_reference);
    encode_put_extras(writer, job, disconnect->reason_string, disconnect->props);
}

static void encode_disconnect_body(struct encode_writer *writer, const struct encode_job *job)
{
    const struct disconnect_view *disconnect = job->view;
    encode_put_reason(writer, job, disconnect->reason, encode_disconnect_props);
}

uint32_t encode_disconnect_size(enum mqtt_version version, const struct disconnect_view *disconnect,
                                uint32_t size_max)
{
    struct encode_job job = {.version = version, .type = PACKET_DISCONNECT, .view = disconnect};
    return encode_packet(encode_disconnect_body, job, size_max, NULL);
}

uint32_t encode_disconnect(enum mqtt_version version, const struct disconnect_view *disconnect,
                           uint32_t size_max, uint8_t *out)
{
    CHECK(out != NULL);
    struct encode_job job = {.version = version, .type = PACKET_DISCONNECT, .view = disconnect};
    return encode_packet(encode_disconnect_body, job, size_max, out);
}

static void encode_auth_props(struct encode_writer *writer, const struct encode_job *job)
{
    const struct auth_view *auth = job->view;
    encode_put_prop_value(writer, PROP_AUTH_METHOD, auth->auth_method);
    encode_put_prop_value(writer, PROP_AUTH_DATA, auth->auth_data);
    encode_put_extras(writer, job, auth->reason_string, auth->props);
}

static void encode_auth_body(struct encode_writer *writer, const struct encode_job *job)
{
    const struct auth_view *auth = job->view;
    CHECK(auth->reason == REASON_SUCCESS || auth->auth_method.ptr != NULL);
    if (auth->reason == REASON_SUCCESS && encode_count(encode_auth_props, job) == 0)
        return;
    encode_put_u8(writer, (uint8_t)auth->reason);
    encode_put_block(writer, encode_auth_props, job);
}

uint32_t encode_auth_size(const struct auth_view *auth, uint32_t size_max)
{
    struct encode_job job = {.version = MQTT_50, .type = PACKET_AUTH, .view = auth};
    return encode_packet(encode_auth_body, job, size_max, NULL);
}

uint32_t encode_auth(const struct auth_view *auth, uint32_t size_max, uint8_t *out)
{
    CHECK(out != NULL);
    struct encode_job job = {.version = MQTT_50, .type = PACKET_AUTH, .view = auth};
    return encode_packet(encode_auth_body, job, size_max, out);
}
