/*
 * encode_packet.c -- measuring and writing packets; see the header for the scheme.
 *
 * Threads: pure functions, any.
 */
#include "encode_packet.h"

#define ENCODE_FLAGS(name, type, flags, from) [type] = (flags),
static const uint8_t encode_flags[PACKET_TYPE_COUNT] = {PACKET_TABLE(ENCODE_FLAGS)};
#undef ENCODE_FLAGS

void encode_put_prop(struct encode_writer *writer, enum prop_id id, uint32_t number)
{
    encode_put_u8(writer, (uint8_t)id);
    switch (prop_kind((uint8_t)id)) {
    case PROP_KIND_BYTE:
        CHECK(number <= 1);
        encode_put_u8(writer, (uint8_t)number);
        break;
    case PROP_KIND_U16:
        CHECK(number <= UINT16_MAX);
        encode_put_u16(writer, (uint16_t)number);
        break;
    case PROP_KIND_U32:
        encode_put_u32(writer, number);
        break;
    case PROP_KIND_VARINT:
        encode_put_varint(writer, number);
        break;
    default:
        UNREACHABLE(); /* the others are no numbers */
    }
}

void encode_put_prop_unless(struct encode_writer *writer, enum prop_id id, uint32_t number,
                            uint32_t absent)
{
    if (number != absent)
        encode_put_prop(writer, id, number);
}

void encode_put_prop_value(struct encode_writer *writer, enum prop_id id, struct bytes value)
{
    CHECK(prop_kind((uint8_t)id) == PROP_KIND_TEXT || prop_kind((uint8_t)id) == PROP_KIND_DATA);
    if (value.ptr == NULL)
        return;
    encode_put_u8(writer, (uint8_t)id);
    encode_put16(writer, value);
}

void encode_put_extras(struct encode_writer *writer, const struct encode_job *job,
                       struct bytes reason_string, struct bytes props)
{
    if (job->extras == ENCODE_EXTRAS_NONE)
        return;
    encode_put_prop_value(writer, PROP_REASON_STRING, reason_string);
    if (job->extras == ENCODE_EXTRAS_STRING)
        return;
    uint32_t len = props_copy_user(props, writer->at);
    writer->len += len;
    if (writer->at != NULL)
        writer->at += len;
}

uint32_t encode_count(encode_fn *fn, const struct encode_job *job)
{
    struct encode_writer counter = {.at = NULL, .len = 0};
    fn(&counter, job);
    CHECK(counter.at == NULL);
    return counter.len;
}

void encode_put_block(struct encode_writer *writer, encode_fn *props_fn,
                      const struct encode_job *job)
{
    if (job->version != MQTT_50)
        return;
    encode_put_varint(writer, encode_count(props_fn, job));
    props_fn(writer, job);
}

uint32_t encode_packet(encode_fn *body_fn, struct encode_job job, uint32_t size_max, uint8_t *out)
{
    CHECK(job.type > PACKET_NONE && job.type < PACKET_TYPE_COUNT);
    CHECK(job.version != MQTT_NONE);
    CHECK(size_max <= PACKET_SIZE_UNLIMITED);
    for (; job.extras <= ENCODE_EXTRAS_NONE; job.extras++) {
        /* The limit is never above what MQTT allows, so it bounds the body's length as well. */
        uint32_t body_len = encode_count(body_fn, &job);
        uint32_t size = 1 + encode_varint_size(body_len) + body_len;
        if (size > size_max)
            continue;
        if (out != NULL) {
            out[0] = (uint8_t)((job.type << 4) | encode_flags[job.type]);
            struct encode_writer writer = {.at = encode_varint(out + 1, body_len), .len = 0};
            body_fn(&writer, &job);
            CHECK(writer.len == body_len && writer.at == out + size);
        }
        return size;
    }
    return 0;
}
