/*
 * test_codec.c -- the generator's own MQTT bytes against bytes written by hand
 * (bench/load/codec.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "codec.h"

static uint8_t buf[512];

static void frames_are_cut_at_every_length(void **state)
{
    (void)state;
    const uint8_t packet[] = {0x30, 0x83, 0x01};
    struct codec_frame frame;
    uint8_t data[3 + 131] = {0};
    memcpy(data, packet, sizeof(packet));
    for (size_t len = 0; len < sizeof(data); len++) {
        assert_int_equal(codec_frame_next(data, len, &frame), RC_MORE);
        assert_int_equal(frame.len, len < 3 ? 0 : sizeof(data));
    }
    assert_int_equal(codec_frame_next(data, sizeof(data), &frame), RC_OK);
    assert_int_equal(frame.type, CODEC_PUBLISH);
    assert_int_equal(frame.body.len, 131);
    assert_ptr_equal(frame.body.ptr, data + 3);
}

static void a_fifth_length_byte_is_invalid(void **state)
{
    (void)state;
    const uint8_t bad[] = {0x30, 0x80, 0x80, 0x80, 0x80, 0x01};
    const uint8_t longest[] = {0x30, 0xff, 0xff, 0xff, 0x7f};
    struct codec_frame frame;
    assert_int_equal(codec_frame_next(bad, sizeof(bad), &frame), RC_INVALID);
    assert_int_equal(codec_frame_next(longest, sizeof(longest), &frame), RC_MORE);
    assert_int_equal(frame.len, 5 + 268435455);
}

static void connect_of_both_versions(void **state)
{
    (void)state;
    const uint8_t plain[] = {0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 1, 'c'};
    const uint8_t full[] = {0x10, 20, 0, 4, 'M', 'Q', 'T', 'T', 5, 0xc2, 0,
                            0,    0,  0, 1, 'c', 0,   1,   'u', 0, 1,    'p'};
    struct codec_connect connect = {.version = 4, .keep_alive_s = 60, .client_id = "c"};
    assert_int_equal(codec_connect_put(buf, sizeof(buf), &connect), sizeof(plain));
    assert_memory_equal(buf, plain, sizeof(plain));
    connect = (struct codec_connect){
        .version = 5, .client_id = "c", .username = "u", .password = "p"};
    assert_int_equal(codec_connect_put(buf, sizeof(buf), &connect), sizeof(full));
    assert_memory_equal(buf, full, sizeof(full));
    assert_int_equal(codec_connect_put(buf, sizeof(full) - 1, &connect), 0);
    connect.durable = true;
    uint32_t len = codec_connect_put(buf, sizeof(buf), &connect);
    assert_int_equal(len, sizeof(full) + (connect.version == 5 ? CODEC_SESSION_EXPIRY_LEN : 0));
    assert_int_equal((buf[9] & 0x02) != 0, connect.version == 5); /* clean start */
}

static void subscribe_of_both_versions(void **state)
{
    (void)state;
    const uint8_t v4[] = {0x82, 8, 0, 7, 0, 3, 'a', '/', '+', 1};
    const uint8_t v5[] = {0x82, 9, 0, 7, 0, 0, 3, 'a', '/', '+', 1};
    assert_int_equal(codec_subscribe_put(buf, sizeof(buf), 4, 7, "a/+", 1), sizeof(v4));
    assert_memory_equal(buf, v4, sizeof(v4));
    assert_int_equal(codec_subscribe_put(buf, sizeof(buf), 5, 7, "a/+", 1), sizeof(v5));
    assert_memory_equal(buf, v5, sizeof(v5));
}

static void a_template_reads_back(void **state)
{
    (void)state;
    for (unsigned version = 4; version <= 5; version++) {
        for (unsigned qos = 0; qos <= 2; qos++) {
            struct codec_template template;
            struct codec_frame frame = {0};
            struct codec_publish publish = {0};
            codec_template_init(&template, version, qos, "a/b", 200);
            codec_stamp_put(template.data + template.stamp_at, 77, UINT64_C(1) << 39, 12345);
            if (qos > 0)
                codec_u16_put(template.data + template.packet_id_at, 0x1234);
            assert_int_equal(codec_frame_next(template.data, template.len, &frame), RC_OK);
            assert_int_equal(frame.len, template.len);
            assert_int_equal(frame.flags, qos << 1);
            assert_int_equal(codec_publish_parse(&frame, version, &publish), RC_OK);
            assert_int_equal(publish.qos, qos);
            assert_int_equal(publish.packet_id, qos > 0 ? 0x1234 : 0);
            assert_int_equal(publish.payload.len, 200);
            struct codec_stamp stamp = codec_stamp_get(publish.payload.ptr);
            assert_int_equal(stamp.publisher, 77);
            assert_int_equal(stamp.number, UINT64_C(1) << 39);
            assert_int_equal(stamp.sent_ns, 12345);
            codec_template_fini(&template);
        }
    }
}

static struct codec_frame frame_of(const uint8_t *data, size_t len)
{
    struct codec_frame frame;
    assert_int_equal(codec_frame_next(data, len, &frame), RC_OK);
    return frame;
}

static void a_publish_with_properties(void **state)
{
    (void)state;
    uint8_t data[300] = {0x32, 0xa9, 0x02, 0, 1, 't', 0, 9, 0x80 | 2, 1};
    struct codec_publish publish;
    size_t len = 3 + 0x29 + 2 * 128;
    struct codec_frame frame = frame_of(data, len);
    assert_int_equal(codec_publish_parse(&frame, 5, &publish), RC_OK);
    /* Topic, id, a length of two bytes, 130 bytes of properties. */
    assert_int_equal(publish.payload.len, frame.body.len - 3 - 2 - 2 - 130);
    assert_int_equal(publish.packet_id, 9);
}

static void a_publish_cut_short_is_invalid(void **state)
{
    (void)state;
    const uint8_t topic[] = {0x30, 3, 0, 2, 't'};
    const uint8_t id[] = {0x32, 4, 0, 1, 't', 9};
    const uint8_t properties[] = {0x30, 5, 0, 1, 't', 2, 1};
    const uint8_t length[] = {0x30, 8, 0, 1, 't', 0x80, 0x80, 0x80, 0x80, 0};
    struct codec_publish publish;
    struct codec_frame frame = frame_of(topic, sizeof(topic));
    assert_int_equal(codec_publish_parse(&frame, 4, &publish), RC_INVALID);
    frame = frame_of(id, sizeof(id));
    assert_int_equal(codec_publish_parse(&frame, 4, &publish), RC_INVALID);
    frame = frame_of(properties, sizeof(properties));
    assert_int_equal(codec_publish_parse(&frame, 5, &publish), RC_INVALID);
    frame = frame_of(length, sizeof(length));
    assert_int_equal(codec_publish_parse(&frame, 5, &publish), RC_INVALID);
}

static void acknowledgements(void **state)
{
    (void)state;
    const uint8_t puback[] = {0x40, 2, 0x12, 0x34};
    const uint8_t pubrel[] = {0x62, 2, 0x12, 0x34};
    const uint8_t refused[] = {0x50, 3, 0x12, 0x34, 0x97};
    const uint8_t cut[] = {0x40, 1, 0x12};
    struct codec_ack ack;
    codec_ack_put(buf, CODEC_PUBACK, 0x1234);
    assert_memory_equal(buf, puback, sizeof(puback));
    codec_ack_put(buf, CODEC_PUBREL, 0x1234);
    assert_memory_equal(buf, pubrel, sizeof(pubrel));
    struct codec_frame frame = frame_of(puback, sizeof(puback));
    assert_int_equal(codec_ack_parse(&frame, &ack), RC_OK);
    assert_int_equal(ack.packet_id, 0x1234);
    assert_int_equal(ack.reason, 0);
    frame = frame_of(refused, sizeof(refused));
    assert_int_equal(codec_ack_parse(&frame, &ack), RC_OK);
    assert_int_equal(ack.reason, 0x97);
    frame = frame_of(cut, sizeof(cut));
    assert_int_equal(codec_ack_parse(&frame, &ack), RC_INVALID);
}

static void connack_properties(void **state)
{
    (void)state;
    const uint8_t v4[] = {0x20, 2, 0, 5};
    const uint8_t v5[] = {0x20, 29, 0,    0,   26, 0x21, 0,   20,   0x24, 1, 0x13,
                          0,    60, 0x27, 0,   0,  1,    0,   0x1f, 0,    1, 'r',
                          0x26, 0,  1,    'k', 0,  1,    'v', 0x2a, 1};
    const uint8_t unknown[] = {0x20, 5, 0, 0, 2, 0x7f, 0};
    const uint8_t cut[] = {0x20, 1, 0};
    const uint8_t zero[] = {0x20, 6, 0, 0, 3, 0x21, 0, 0};
    struct codec_connack connack;
    struct codec_frame frame = frame_of(v4, sizeof(v4));
    assert_int_equal(codec_connack_parse(&frame, 4, &connack), RC_OK);
    assert_int_equal(connack.reason, 5);
    assert_int_equal(connack.receive_maximum, 65535);
    assert_int_equal(connack.qos_max, 2);
    frame = frame_of(v5, sizeof(v5));
    assert_int_equal(codec_connack_parse(&frame, 5, &connack), RC_OK);
    assert_int_equal(connack.receive_maximum, 20);
    assert_int_equal(connack.qos_max, 1);
    frame = frame_of(unknown, sizeof(unknown));
    assert_int_equal(codec_connack_parse(&frame, 5, &connack), RC_INVALID);
    frame = frame_of(cut, sizeof(cut));
    assert_int_equal(codec_connack_parse(&frame, 4, &connack), RC_INVALID);
    frame = frame_of(zero, sizeof(zero));
    assert_int_equal(codec_connack_parse(&frame, 5, &connack), RC_INVALID);
}

static void suback_of_both_versions(void **state)
{
    (void)state;
    const uint8_t v4[] = {0x90, 3, 0, 1, 0x80};
    const uint8_t v5[] = {0x90, 8, 0, 1, 4, 0x1f, 0, 1, 'r', 2};
    const uint8_t empty[] = {0x90, 2, 0, 1};
    uint8_t reason;
    struct codec_frame frame = frame_of(v4, sizeof(v4));
    assert_int_equal(codec_suback_parse(&frame, 4, &reason), RC_OK);
    assert_int_equal(reason, 0x80);
    frame = frame_of(v5, sizeof(v5));
    assert_int_equal(codec_suback_parse(&frame, 5, &reason), RC_OK);
    assert_int_equal(reason, 2);
    frame = frame_of(empty, sizeof(empty));
    assert_int_equal(codec_suback_parse(&frame, 4, &reason), RC_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_cut_at_every_length),
        cmocka_unit_test(a_fifth_length_byte_is_invalid),
        cmocka_unit_test(connect_of_both_versions),
        cmocka_unit_test(subscribe_of_both_versions),
        cmocka_unit_test(a_template_reads_back),
        cmocka_unit_test(a_publish_with_properties),
        cmocka_unit_test(a_publish_cut_short_is_invalid),
        cmocka_unit_test(acknowledgements),
        cmocka_unit_test(connack_properties),
        cmocka_unit_test(suback_of_both_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
