/*
 * test_encode_publish.c -- the head of a PUBLISH, byte for byte (3.3). Clauses of MQTT 5.0.
 */
#include "packet_hex.h"

#include "encode.h"

/* Encodes into an allocation of exactly the size that was announced and compares. */
static void assert_head(enum mqtt_version version, const struct publish_out *publish,
                        const char *want)
{
    uint32_t size = encode_publish_head_size(version, publish);
    uint8_t *out = malloc(size > 0 ? size : 1);
    assert_int_equal(encode_publish_head(version, publish, out), size);
    assert_bytes((struct bytes){.ptr = out, .len = size}, want);
    free(out);
}

static void plain_heads(void **state)
{
    (void)state;
    struct publish_out publish = {.topic = bytes_of_text("a/b"), .payload_len = 5};
    assert_head(MQTT_311, &publish, "30 0a 0003 'a/b'");
    assert_head(MQTT_31, &publish, "30 0a 0003 'a/b'");
    assert_head(MQTT_50, &publish, "30 0b 0003 'a/b' 00");
    publish.qos = 2;
    publish.packet_id = 0x1234;
    publish.dup = true;
    publish.retain = true;
    assert_head(MQTT_311, &publish, "3d 0c 0003 'a/b' 1234");
    assert_head(MQTT_50, &publish, "3d 0d 0003 'a/b' 1234 00");
}

static void properties(void **state)
{
    (void)state;
    struct bytes raw = hex_bytes("01 01 26 0001 'k' 0001 'v'");
    static const uint32_t sub_ids[] = {1, 128, SUB_ID_MAX};
    struct publish_out publish = {
        .topic = bytes_of_text(""),
        .props = raw,
        .sub_ids = sub_ids,
        .sub_ids_num = 3,
        .alias = 0x0102,
        .has_expiry = true,
        .expiry_s = 0x01020304,
        .qos = 1,
        .packet_id = 1,
        .payload_len = 2,
    };
    assert_head(MQTT_50, &publish,
                "32 22 0000 0001 1b 02 01020304 23 0102 0b01 0b8001 0bffffff7f 0101 26 0001 'k' "
                "0001 'v'");
    assert_head(MQTT_311, &publish, "32 06 0000 0001");
    hex_free(raw);
}

/* The remaining length at the borders of its own length. */
static void long_payloads(void **state)
{
    (void)state;
    struct publish_out publish = {.topic = bytes_of_text("t"), .payload_len = 124};
    assert_head(MQTT_311, &publish, "30 7f 0001 't'");
    publish.payload_len = 125;
    assert_head(MQTT_311, &publish, "30 8001 0001 't'");
    publish.payload_len = PACKET_LEN_MAX - 3;
    assert_head(MQTT_311, &publish, "30 ffffff7f 0001 't'");
    publish.payload_len = PACKET_LEN_MAX - 2;
    assert_int_equal(encode_publish_head_size(MQTT_311, &publish), 0);
    publish.payload_len = UINT32_MAX;
    assert_int_equal(encode_publish_head_size(MQTT_50, &publish), 0);
    uint8_t untouched = 0xAA;
    assert_int_equal(encode_publish_head(MQTT_50, &publish, &untouched), 0);
    assert_int_equal(untouched, 0xAA);
}

static void where_the_packet_id_stands(void **state)
{
    (void)state;
    static const uint32_t payload_lens[] = {0, 200, 20000, 3000000};
    for (size_t i = 0; i < ARRAY_LEN(payload_lens); i++) {
        struct publish_out publish = {.topic = bytes_of_text("topic"),
                                      .payload_len = payload_lens[i],
                                      .qos = 1,
                                      .packet_id = 0xABCD};
        uint8_t head[64];
        assert_true(encode_publish_head(MQTT_50, &publish, head) <= sizeof(head));
        uint32_t at = encode_publish_packet_id_offset(head);
        assert_int_equal(head[at], 0xAB);
        assert_int_equal(head[at + 1], 0xCD);
    }
}

/* The plain form is written by code of its own: byte for byte what the general one makes. */
static void a_plain_packet_is_its_head_and_its_payload(void **state)
{
    (void)state;
    static uint8_t topic[STRING_LEN_MAX];
    static uint8_t payload[ENCODE_PLAIN_PAYLOAD_MAX];
    static uint8_t want[STRING_LEN_MAX + ENCODE_PLAIN_PAYLOAD_MAX + 16];
    static uint8_t got[sizeof(want)];
    static const uint32_t topic_lens[] = {1, 5, 119, 120, 121, 16000, 16379, STRING_LEN_MAX};
    static const uint32_t payload_lens[] = {0, 1, 2, 3, 4, 5, 64, 119, 120, 121, 127, 128, 4096};
    memset(topic, 't', sizeof(topic));
    memset(payload, 'p', sizeof(payload));
    for (unsigned form = 0; form < 2 * 3 * 2 * 2; form++) {
        bool v5 = form & 1;
        struct publish_out publish = {
            .dup = (form >> 1) & 1, .retain = (form >> 2) & 1, .qos = (uint8_t)(form >> 3)};
        publish.packet_id = publish.qos > 0 ? 0xABCD : 0;
        uint8_t first = (uint8_t)(0x30 | publish.dup << 3 | publish.qos << 1 | publish.retain);
        for (size_t t = 0; t < ARRAY_LEN(topic_lens); t++) {
            for (size_t p = 0; p < ARRAY_LEN(payload_lens); p++) {
                struct bytes body = bytes_of(payload, payload_lens[p]);
                publish.topic = bytes_of(topic, topic_lens[t]);
                publish.payload_len = body.len;
                uint32_t head = encode_publish_head(v5 ? MQTT_50 : MQTT_311, &publish, want);
                memcpy(want + head, payload, body.len);
                uint32_t size = encode_publish_plain_size(v5, publish.topic, body, publish.qos);
                assert_int_equal(size, head + body.len);
                got[size] = 0xAA;
                encode_publish_plain(v5, first, publish.topic, body, publish.packet_id, got);
                assert_memory_equal(got, want, size);
                assert_int_equal(got[size], 0xAA);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_heads),
        cmocka_unit_test(properties),
        cmocka_unit_test(long_payloads),
        cmocka_unit_test(where_the_packet_id_stands),
        cmocka_unit_test(a_plain_packet_is_its_head_and_its_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
