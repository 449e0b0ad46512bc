/*
 * test_frame.c -- where a packet ends (net/frame.h). Clauses of MQTT 5.0 unless said otherwise.
 */
#include "packet_hex.h"

static enum frame_result read_hex(const char *text, uint32_t max, enum mqtt_version version,
                                  struct frame *out)
{
    struct bytes in = hex_bytes(text);
    enum frame_result result = frame_read(in, max, version, out);
    if (result == FRAME_OK) {
        assert_ptr_equal(out->body.ptr, in.ptr + frame_header_len(out));
        assert_int_equal(frame_header_len(out) + out->body.len, out->len);
        assert_true(out->len <= in.len);
    }
    hex_free(in);
    return result;
}

static void whole_packets(void **state)
{
    (void)state;
    struct frame frame;
    assert_int_equal(read_hex("c000", 100, MQTT_311, &frame), FRAME_OK);
    assert_int_equal(frame_type(&frame), PACKET_PINGREQ);
    assert_int_equal(frame.len, 2);
    assert_int_equal(read_hex("40 02 0001 c000", 100, MQTT_311, &frame), FRAME_OK);
    assert_int_equal(frame_type(&frame), PACKET_PUBACK);
    assert_int_equal(frame.len, 4);
    assert_int_equal(frame.body.len, 2);
}

/* Every length in every prefix: MORE until the packet is whole, and the need is known in time. */
static void each_prefix_wants_more(void **state)
{
    (void)state;
    static const uint32_t body_lens[] = {0, 1, 2, 126, 127, 128, 129, 300, 16383, 16384, 20000};
    for (size_t i = 0; i < ARRAY_LEN(body_lens); i++) {
        uint32_t body_len = body_lens[i];
        uint32_t header_len = body_len < 128 ? 2 : body_len < 16384 ? 3 : 4;
        uint32_t len = header_len + body_len;
        uint8_t *bytes = calloc(1, len + 1);
        bytes[0] = 0x30;
        uint32_t rest = body_len;
        for (uint32_t at = 1; at < header_len; at++, rest >>= 7)
            bytes[at] = (uint8_t)((rest & 0x7F) | (at + 1 < header_len ? 0x80 : 0));
        for (uint32_t have = 0; have <= len + 1; have++) {
            struct frame frame;
            struct bytes in = {.ptr = bytes, .len = have};
            enum frame_result result = frame_read(in, len, MQTT_50, &frame);
            assert_int_equal(result, have < len ? FRAME_MORE : FRAME_OK);
            assert_int_equal(frame.len, have < header_len ? 0 : len);
            if (have >= header_len) {
                result = frame_read(in, len - 1, MQTT_50, &frame);
                assert_int_equal(result, FRAME_TOO_LARGE);
                assert_int_equal(frame.len, len);
            }
        }
        free(bytes);
    }
}

/* 1.5.5: four bytes at most. */
static void a_length_of_five_bytes_is_none(void **state)
{
    (void)state;
    struct frame frame;
    assert_int_equal(read_hex("30 ffffff7f", UINT32_MAX, MQTT_311, &frame), FRAME_MORE);
    assert_int_equal(frame.len, PACKET_LEN_MAX + 5);
    assert_int_equal(read_hex("30 ffffff", UINT32_MAX, MQTT_311, &frame), FRAME_MORE);
    assert_int_equal(frame.len, 0);
    assert_int_equal(read_hex("30 ffffffff", UINT32_MAX, MQTT_311, &frame), FRAME_MALFORMED);
    assert_int_equal(read_hex("30 80808080 01", UINT32_MAX, MQTT_50, &frame), FRAME_MALFORMED);
}

/* [MQTT-1.5.5-1]: as few bytes as possible, in MQTT 5.0. */
static void lengths_are_minimal_in_5(void **state)
{
    (void)state;
    static const char *const padded[] = {"c0 8000", "c0 808000", "c0 80808000", "40 8200 0001"};
    for (size_t i = 0; i < ARRAY_LEN(padded); i++) {
        struct frame frame;
        assert_int_equal(read_hex(padded[i], 100, MQTT_50, &frame), FRAME_MALFORMED);
        assert_int_equal(read_hex(padded[i], 100, MQTT_311, &frame), FRAME_OK);
        assert_false(frame_is_minimal(&frame));
        assert_int_equal(read_hex(padded[i], 100, MQTT_NONE, &frame), FRAME_OK);
    }
    struct frame frame;
    assert_int_equal(read_hex("c000", 100, MQTT_50, &frame), FRAME_OK);
    assert_true(frame_is_minimal(&frame));
}

/* [MQTT-2.1.3-1]: reserved flags have the value of the table; known with the first byte. */
static void reserved_flags(void **state)
{
    (void)state;
    for (unsigned head = 0; head <= UINT8_MAX; head++) {
        uint8_t byte = (uint8_t)head;
        struct bytes in = {.ptr = &byte, .len = 1};
        struct frame frame;
        unsigned type = head >> 4, flags = head & 15;
        bool twos = type == PACKET_PUBREL || type == PACKET_SUBSCRIBE || type == PACKET_UNSUBSCRIBE;
        bool ok = type == PACKET_PUBLISH || (type != 0 && flags == (twos ? 2u : 0u));
        assert_int_equal(frame_read(in, 100, MQTT_50, &frame), ok ? FRAME_MORE : FRAME_MALFORMED);
        assert_int_equal(frame_read(in, 100, MQTT_NONE, &frame), ok ? FRAME_MORE : FRAME_MALFORMED);
        assert_int_equal(frame_read(in, 100, MQTT_31, &frame),
                         type != 0 ? FRAME_MORE : FRAME_MALFORMED);
        assert_int_equal(frame.head, head);
        assert_int_equal(frame.len, 0);
    }
}

/* The fast path must not let a bad first byte through when the packet is all there. */
static void whole_packets_with_bad_heads(void **state)
{
    (void)state;
    struct frame frame;
    assert_int_equal(read_hex("00 00", 100, MQTT_31, &frame), FRAME_MALFORMED);
    assert_int_equal(read_hex("60 02 0001", 100, MQTT_311, &frame), FRAME_MALFORMED);
    assert_int_equal(read_hex("6a 02 0001", 100, MQTT_311, &frame), FRAME_MALFORMED);
    assert_int_equal(read_hex("6a 02 0001", 100, MQTT_31, &frame), FRAME_OK);
    assert_int_equal(read_hex("'GET / HTTP/1.1'", 100, MQTT_NONE, &frame), FRAME_MALFORMED);
    assert_int_equal(read_hex("16 0301 00", 100, MQTT_NONE, &frame), FRAME_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_packets),
        cmocka_unit_test(each_prefix_wants_more),
        cmocka_unit_test(a_length_of_five_bytes_is_none),
        cmocka_unit_test(lengths_are_minimal_in_5),
        cmocka_unit_test(reserved_flags),
        cmocka_unit_test(whole_packets_with_bad_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
