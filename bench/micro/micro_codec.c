/*
 * micro_codec.c -- packets to views and back.
 *
 * A PUBLISH comes as a buffer full of them, as it does from a busy publisher: cut into frames and
 * decoded one after the other. The argument is the protocol level.
 *
 * Threads: one.
 */
#include "decode.h"
#include "encode.h"
#include "micro.h"

#include <stdlib.h>

#define CODEC_PACKETS     MICRO_BATCH
#define CODEC_PAYLOAD_LEN 64
#define CODEC_BUF_LEN     65536

struct codec_input {
    enum mqtt_version version;
    uint32_t len;
    uint8_t buf[CODEC_BUF_LEN];
};

static const char codec_topic[] = "site/12/device/3456/state";

static struct publish_out codec_publish_out(uint8_t qos)
{
    return (struct publish_out){
        .topic = bytes_of_text(codec_topic),
        .payload_len = CODEC_PAYLOAD_LEN,
        .packet_id = 7,
        .qos = qos,
    };
}

static struct codec_input *codec_input(int64_t version)
{
    struct codec_input *input = calloc(1, sizeof(*input));
    CHECK(input != NULL);
    input->version = (enum mqtt_version)version;
    return input;
}

static void *codec_publish_setup(int64_t version, uint8_t qos)
{
    struct codec_input *input = codec_input(version);
    struct publish_out publish = codec_publish_out(qos);
    for (unsigned i = 0; i < CODEC_PACKETS; i++) {
        CHECK(input->len + encode_publish_head_size(input->version, &publish) + CODEC_PAYLOAD_LEN <=
              CODEC_BUF_LEN);
        input->len += encode_publish_head(input->version, &publish, input->buf + input->len);
        input->len += CODEC_PAYLOAD_LEN;
    }
    return input;
}

static void *codec_publish0_setup(int64_t version)
{
    return codec_publish_setup(version, 0);
}

static void *codec_publish1_setup(int64_t version)
{
    return codec_publish_setup(version, 1);
}

/* The next packet of the buffer. */
static struct frame codec_frame(const struct codec_input *input, uint32_t *at)
{
    struct frame frame;
    enum frame_result result = frame_read(bytes_of(input->buf + *at, input->len - *at),
                                          PACKET_LEN_MAX, input->version, &frame);
    CHECK(result == FRAME_OK);
    *at += frame.len;
    return frame;
}

static void codec_cut(void *context, uint64_t num)
{
    const struct codec_input *input = context;
    for (uint64_t done = 0; done < num; done += CODEC_PACKETS) {
        uint32_t at = 0;
        while (at < input->len) {
            struct frame frame = codec_frame(input, &at);
            micro_keep((uintptr_t)frame.body.ptr + frame.len);
        }
    }
}

static void codec_decode_publish(void *context, uint64_t num)
{
    const struct codec_input *input = context;
    for (uint64_t done = 0; done < num; done += CODEC_PACKETS) {
        uint32_t at = 0;
        while (at < input->len) {
            struct frame frame = codec_frame(input, &at);
            struct publish_view view;
            enum reason reason = decode_publish(input->version, &frame, &view);
            CHECK(reason == REASON_SUCCESS);
            micro_keep((uintptr_t)view.payload.ptr + view.topic.len);
        }
    }
}

static void *codec_ack_setup(int64_t version)
{
    struct codec_input *input = codec_input(version);
    for (unsigned i = 0; i < CODEC_PACKETS; i++) {
        encode_ack_short(PACKET_PUBACK, (uint16_t)(i + 1), input->buf + input->len);
        input->len += ENCODE_ACK_SHORT_SIZE;
    }
    return input;
}

static void codec_decode_ack(void *context, uint64_t num)
{
    const struct codec_input *input = context;
    for (uint64_t done = 0; done < num; done += CODEC_PACKETS) {
        uint32_t at = 0;
        while (at < input->len) {
            struct frame frame = codec_frame(input, &at);
            struct ack_view view;
            enum reason reason = decode_ack(input->version, &frame, &view);
            CHECK(reason == REASON_SUCCESS);
            micro_keep(view.packet_id);
        }
    }
}

static void *codec_connect_setup(int64_t version)
{
    static const uint8_t body[] = {0, 4, 'M', 'Q', 'T', 'T', 0, 2, 0, 60};
    struct codec_input *input = codec_input(version);
    const char client_id[] = "thermometer-0123456789";
    uint32_t properties_len = version == MQTT_50 ? 1 : 0;
    uint32_t id_len = sizeof(client_id) - 1;
    uint8_t *to = input->buf;
    *to++ = PACKET_CONNECT << 4;
    *to++ = (uint8_t)(sizeof(body) + properties_len + 2 + id_len);
    memcpy(to, body, sizeof(body));
    to[6] = (uint8_t)version;
    to += sizeof(body) + properties_len; /* a length of zero */
    *to++ = 0;
    *to++ = (uint8_t)id_len;
    memcpy(to, client_id, id_len);
    input->len = (uint32_t)(to - input->buf) + id_len;
    return input;
}

static void codec_decode_connect(void *context, uint64_t num)
{
    const struct codec_input *input = context;
    for (uint64_t i = 0; i < num; i++) {
        uint32_t at = 0;
        struct frame frame = codec_frame(input, &at);
        struct connect_view view;
        enum reason reason = decode_connect(&frame, &view);
        CHECK(reason == REASON_SUCCESS);
        micro_keep((uint64_t)view.version);
    }
}

static void codec_encode_publish(void *context, uint64_t num)
{
    struct codec_input *input = context;
    struct publish_out publish = codec_publish_out(1);
    for (uint64_t i = 0; i < num; i++) {
        publish.packet_id = (uint16_t)(i + 1);
        uint32_t size = encode_publish_head_size(input->version, &publish);
        micro_keep(size);
        micro_keep(encode_publish_head(input->version, &publish, input->buf));
    }
}

static void codec_encode_ack(void *context, uint64_t num)
{
    struct codec_input *input = context;
    for (uint64_t i = 0; i < num; i++) {
        encode_ack_short(PACKET_PUBACK, (uint16_t)i, input->buf);
        micro_keep((uintptr_t)input->buf);
    }
}

static void *codec_empty_setup(int64_t version)
{
    return codec_input(version);
}

#define CODEC_CASE(case_name, setup_function, run_function)                                        \
    {                                                                                              \
        .name = case_name, .setup = setup_function, .run = run_function, .teardown = free,         \
        .arguments = {MQTT_311, MQTT_50}, .num_arguments = 2                                       \
    }

static const struct micro_case codec_cases[] = {
    CODEC_CASE("frame", codec_publish0_setup, codec_cut),
    CODEC_CASE("decode_publish_qos0", codec_publish0_setup, codec_decode_publish),
    CODEC_CASE("decode_publish_qos1", codec_publish1_setup, codec_decode_publish),
    CODEC_CASE("decode_ack", codec_ack_setup, codec_decode_ack),
    CODEC_CASE("decode_connect", codec_connect_setup, codec_decode_connect),
    CODEC_CASE("encode_publish_head", codec_empty_setup, codec_encode_publish),
    CODEC_CASE("encode_ack_short", codec_empty_setup, codec_encode_ack),
};

const struct micro_suite micro_codec = {codec_cases, ARRAY_LEN(codec_cases)};
