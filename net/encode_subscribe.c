/*
 * encode_subscribe.c -- SUBSCRIBE (3.8), SUBACK (3.9), UNSUBSCRIBE (3.10), UNSUBACK (3.11).
 *
 * Threads: pure functions, any.
 */
#include "encode.h"
#include "encode_packet.h"

static void encode_subscribe_props(struct encode_writer *writer, const struct encode_job *job)
{
    const struct subscribe_out *subscribe = job->view;
    encode_put_prop_unless(writer, PROP_SUBSCRIPTION_ID, subscribe->sub_id, 0);
    encode_put_extras(writer, job, (struct bytes){.ptr = NULL}, subscribe->props);
}

static void encode_subscribe_body(struct encode_writer *writer, const struct encode_job *job)
{
    const struct subscribe_out *subscribe = job->view;
    encode_put_u16(writer, subscribe->packet_id);
    encode_put_block(writer, encode_subscribe_props, job);
    for (uint32_t i = 0; i < subscribe->items_num; i++) {
        const struct subscribe_item *item = &subscribe->items[i];
        CHECK(item->qos <= MQTT_QOS_2 && item->retain_handling <= MQTT_RETAIN_SEND_NEVER);
        unsigned options = item->qos;
        if (job->version == MQTT_50) {
            options |= (unsigned)item->no_local << 2 | (unsigned)item->retain_as_published << 3 |
                       (unsigned)item->retain_handling << 4;
        }
        encode_put16(writer, item->filter);
        encode_put_u8(writer, (uint8_t)options);
    }
}

static uint32_t encode_subscribe_packet(enum mqtt_version version,
                                        const struct subscribe_out *subscribe, uint8_t *out)
{
    CHECK(subscribe->packet_id != 0 && subscribe->items_num > 0);
    struct encode_job job = {.version = version, .type = PACKET_SUBSCRIBE, .view = subscribe};
    return encode_packet(encode_subscribe_body, job, PACKET_SIZE_UNLIMITED, out);
}

uint32_t encode_subscribe_size(enum mqtt_version version, const struct subscribe_out *subscribe)
{
    return encode_subscribe_packet(version, subscribe, NULL);
}

uint32_t encode_subscribe(enum mqtt_version version, const struct subscribe_out *subscribe,
                          uint8_t *out)
{
    CHECK(out != NULL);
    return encode_subscribe_packet(version, subscribe, out);
}

static void encode_unsubscribe_props(struct encode_writer *writer, const struct encode_job *job)
{
    const struct unsubscribe_out *unsubscribe = job->view;
    encode_put_extras(writer, job, (struct bytes){.ptr = NULL}, unsubscribe->props);
}

static void encode_unsubscribe_body(struct encode_writer *writer, const struct encode_job *job)
{
    const struct unsubscribe_out *unsubscribe = job->view;
    encode_put_u16(writer, unsubscribe->packet_id);
    encode_put_block(writer, encode_unsubscribe_props, job);
    for (uint32_t i = 0; i < unsubscribe->filters_num; i++)
        encode_put16(writer, unsubscribe->filters[i]);
}

static uint32_t encode_unsubscribe_packet(enum mqtt_version version,
                                          const struct unsubscribe_out *unsubscribe, uint8_t *out)
{
    CHECK(unsubscribe->packet_id != 0 && unsubscribe->filters_num > 0);
    struct encode_job job = {.version = version, .type = PACKET_UNSUBSCRIBE, .view = unsubscribe};
    return encode_packet(encode_unsubscribe_body, job, PACKET_SIZE_UNLIMITED, out);
}

uint32_t encode_unsubscribe_size(enum mqtt_version version,
                                 const struct unsubscribe_out *unsubscribe)
{
    return encode_unsubscribe_packet(version, unsubscribe, NULL);
}

uint32_t encode_unsubscribe(enum mqtt_version version, const struct unsubscribe_out *unsubscribe,
                            uint8_t *out)
{
    CHECK(out != NULL);
    return encode_unsubscribe_packet(version, unsubscribe, out);
}

static void encode_suback_props(struct encode_writer *writer, const struct encode_job *job)
{
    const struct suback_view *suback = job->view;
    encode_put_extras(writer, job, suback->reason_string, suback->props);
}

static void encode_suback_body(struct encode_writer *writer, const struct encode_job *job)
{
    const struct suback_view *suback = job->view;
    encode_put_u16(writer, suback->packet_id);
    encode_put_block(writer, encode_suback_props, job);
    if (job->version == MQTT_50) {
        encode_put(writer, suback->codes.ptr, suback->codes.len);
        return;
    }
    if (job->type == PACKET_UNSUBACK)
        return;
    for (uint32_t i = 0; i < suback->codes.len; i++) {
        uint8_t code = suback->codes.ptr[i];
        encode_put_u8(writer, code < REASON_FAILURE_FIRST ? code : REASON_UNSPECIFIED_ERROR);
    }
}

static uint32_t encode_suback_packet(enum mqtt_version version, enum packet_type type,
                                     const struct suback_view *suback, uint32_t size_max,
                                     uint8_t *out)
{
    CHECK(type == PACKET_SUBACK || type == PACKET_UNSUBACK);
    CHECK(suback->packet_id != 0);
    struct encode_job job = {.version = version, .type = type, .view = suback};
    return encode_packet(encode_suback_body, job, size_max, out);
}

uint32_t encode_suback_size(enum mqtt_version version, enum packet_type type,
                            const struct suback_view *suback, uint32_t size_max)
{
    return encode_suback_packet(version, type, suback, size_max, NULL);
}

uint32_t encode_suback(enum mqtt_version version, enum packet_type type,
                       const struct suback_view *suback, uint32_t size_max, uint8_t *out)
{
    CHECK(out != NULL);
    return encode_suback_packet(version, type, suback, size_max, out);
}
