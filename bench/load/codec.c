/*
 * codec.c -- the packets that are not on the hot path; see codec.h.
 *
 * Threads: any.
 */
#include "codec.h"

#include "heap.h"

#include <stdlib.h>

/* A cursor that remembers that it ran out of room. */
struct codec_out {
    uint8_t *at;
    uint8_t *end;
    bool failed;
};

static void codec_out_bytes(struct codec_out *out, const void *from, size_t len)
{
    if ((size_t)(out->end - out->at) < len) {
        out->failed = true;
        return;
    }
    memcpy(out->at, from, len);
    out->at += len;
}

static void codec_out_u8(struct codec_out *out, unsigned value)
{
    uint8_t byte = (uint8_t)value;
    codec_out_bytes(out, &byte, 1);
}

static void codec_out_u16(struct codec_out *out, unsigned value)
{
    codec_out_u8(out, value >> 8);
    codec_out_u8(out, value & 0xff);
}

static void codec_out_text(struct codec_out *out, const char *text)
{
    size_t len = strlen(text);
    if (len > UINT16_MAX) {
        out->failed = true;
        return;
    }
    codec_out_u16(out, (unsigned)len);
    codec_out_bytes(out, text, len);
}

static void codec_out_length(struct codec_out *out, uint32_t value)
{
    do {
        unsigned byte = value & 0x7f;
        value >>= 7;
        codec_out_u8(out, value > 0 ? byte | 0x80 : byte);
    } while (value > 0);
}

static size_t codec_text_len(const char *text)
{
    return text == NULL ? 0 : 2 + strlen(text);
}

static uint32_t codec_out_len(const struct codec_out *out, const uint8_t *start)
{
    return out->failed ? 0 : (uint32_t)(out->at - start);
}

uint32_t codec_connect_put(uint8_t *to, uint32_t room, const struct codec_connect *connect)
{
    struct codec_out out = {.at = to, .end = to + room};
    uint32_t props_len = connect->durable ? CODEC_SESSION_EXPIRY_LEN : 0;
    size_t body_len = 6 + 1 + 1 + 2 + (connect->version == 5 ? 1 + props_len : 0) +
                      codec_text_len(connect->client_id) + codec_text_len(connect->username) +
                      codec_text_len(connect->password);
    /* With version 5 it is the expiry that makes a session last; the client id is new anyway. */
    const unsigned clean_start = connect->durable && connect->version != 5 ? 0 : 0x02;
    unsigned flags = clean_start | (connect->username != NULL ? 0x80u : 0u) |
                     (connect->password != NULL ? 0x40u : 0u);
    codec_out_u8(&out, CODEC_CONNECT << 4);
    codec_out_length(&out, (uint32_t)body_len);
    codec_out_text(&out, "MQTT");
    codec_out_u8(&out, connect->version);
    codec_out_u8(&out, flags);
    codec_out_u16(&out, connect->keep_alive_s);
    if (connect->version == 5) {
        codec_out_u8(&out, (uint8_t)props_len);
        if (connect->durable) {
            codec_out_u8(&out, 0x11);
            codec_out_u16(&out, CODEC_SESSION_EXPIRY_S >> 16);
            codec_out_u16(&out, CODEC_SESSION_EXPIRY_S & 0xffff);
        }
    }
    codec_out_text(&out, connect->client_id);
    if (connect->username != NULL)
        codec_out_text(&out, connect->username);
    if (connect->password != NULL)
        codec_out_text(&out, connect->password);
    return codec_out_len(&out, to);
}

uint32_t codec_subscribe_many_put(uint8_t *to, uint32_t room, unsigned version, uint16_t packet_id,
                                  const char *const *filters, uint32_t num, unsigned qos)
{
    struct codec_out out = {.at = to, .end = to + room};
    size_t body_len = 2 + (version == 5 ? 1 : 0);
    for (uint32_t i = 0; i < num; i++)
        body_len += codec_text_len(filters[i]) + 1;
    codec_out_u8(&out, CODEC_SUBSCRIBE << 4 | 2);
    codec_out_length(&out, (uint32_t)body_len);
    codec_out_u16(&out, packet_id);
    if (version == 5)
        codec_out_u8(&out, 0);
    for (uint32_t i = 0; i < num; i++) {
        codec_out_text(&out, filters[i]);
        codec_out_u8(&out, qos);
    }
    return codec_out_len(&out, to);
}

uint32_t codec_subscribe_put(uint8_t *to, uint32_t room, unsigned version, uint16_t packet_id,
                             const char *filter, unsigned qos)
{
    return codec_subscribe_many_put(to, room, version, packet_id, &filter, 1, qos);
}

void codec_template_init(struct codec_template *out, unsigned version, unsigned qos,
                         const char *topic, uint32_t payload_len)
{
    CHECK(payload_len == 0 || payload_len >= CODEC_STAMP_LEN);
    size_t body_len = codec_text_len(topic) + (qos > 0 ? 2 : 0) + (version == 5 ? 1 : 0) +
                      payload_len;
    size_t room = CODEC_HEADER_LEN_MAX + body_len;
    uint8_t *data = heap_zeroed(room, 1);
    struct codec_out to = {.at = data, .end = data + room};
    codec_out_u8(&to, CODEC_PUBLISH << 4 | qos << 1);
    codec_out_length(&to, (uint32_t)body_len);
    codec_out_text(&to, topic);
    *out = (struct codec_template){.data = data};
    if (qos > 0) {
        out->packet_id_at = codec_out_len(&to, data);
        codec_out_u16(&to, 0);
    }
    if (version == 5)
        codec_out_u8(&to, 0);
    out->stamp_at = codec_out_len(&to, data);
    for (uint32_t i = 0; i < payload_len; i++)
        codec_out_u8(&to, 'a' + i % 26);
    CHECK(!to.failed);
    out->len = codec_out_len(&to, data);
}

void codec_template_fini(struct codec_template *template)
{
    free(template->data);
    *template = (struct codec_template){.data = NULL};
}

/* A variable byte integer; fails the reader on a fifth byte. */
static uint32_t codec_read_length(struct byte_reader *in)
{
    uint32_t value = 0;
    for (unsigned shift = 0; shift <= 21; shift += 7) {
        uint8_t byte = byte_reader_u8(in);
        value |= (uint32_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    in->failed = true;
    return 0;
}

/* The properties that a CONNACK may carry (5.0 section 3.2.2.3), by the form of their value. */
static void codec_connack_property(struct byte_reader *in, uint32_t id, struct codec_connack *out)
{
    switch (id) {
    case 0x21:
        out->receive_maximum = byte_reader_u16(in);
        return;
    case 0x24:
        out->qos_max = byte_reader_u8(in);
        return;
    case 0x25: /* retain available */
    case 0x28: /* wildcard subscription available */
    case 0x29: /* subscription identifiers available */
    case 0x2a: /* shared subscription available */
        byte_reader_u8(in);
        return;
    case 0x13: /* server keep alive */
    case 0x22: /* topic alias maximum */
        byte_reader_u16(in);
        return;
    case 0x11: /* session expiry interval */
    case 0x27: /* maximum packet size */
        byte_reader_u32(in);
        return;
    case 0x26: /* user property: two strings */
        byte_reader_take16(in);
        byte_reader_take16(in);
        return;
    case 0x12: /* assigned client identifier */
    case 0x15: /* authentication method */
    case 0x16: /* authentication data */
    case 0x1a: /* response information */
    case 0x1c: /* server reference */
    case 0x1f: /* reason string */
        byte_reader_take16(in);
        return;
    default:
        in->failed = true;
    }
}

enum rc codec_connack_parse(const struct codec_frame *frame, unsigned version,
                            struct codec_connack *out)
{
    struct byte_reader in = byte_reader_of(frame->body);
    byte_reader_u8(&in); /* session present */
    *out = (struct codec_connack){
        .reason = byte_reader_u8(&in), .qos_max = 2, .receive_maximum = UINT16_MAX};
    if (version == 5 && byte_reader_left(&in) > 0) {
        uint32_t properties_len = codec_read_length(&in);
        struct bytes all = byte_reader_take(&in, properties_len);
        struct byte_reader properties = byte_reader_of(all);
        while (byte_reader_left(&properties) > 0 && !properties.failed)
            codec_connack_property(&properties, codec_read_length(&properties), out);
        if (properties.failed || out->receive_maximum == 0 || out->qos_max > 2)
            return RC_INVALID;
    }
    return in.failed ? RC_INVALID : RC_OK;
}

enum rc codec_suback_reasons(const struct codec_frame *frame, unsigned version,
                             struct bytes *out_reasons)
{
    struct byte_reader in = byte_reader_of(frame->body);
    byte_reader_u16(&in);
    if (version == 5)
        byte_reader_take(&in, codec_read_length(&in));
    *out_reasons = byte_reader_take(&in, byte_reader_left(&in));
    return in.failed || out_reasons->len == 0 ? RC_INVALID : RC_OK;
}

enum rc codec_suback_parse(const struct codec_frame *frame, unsigned version, uint8_t *out_reason)
{
    struct bytes reasons;
    if (codec_suback_reasons(frame, version, &reasons) != RC_OK)
        return RC_INVALID;
    *out_reason = reasons.ptr[0];
    return RC_OK;
}
