/*
 * test_decode_publish.c -- PUBLISH (3.3). Clauses of MQTT 5.0.
 */
#include "packet_hex.h"

#include "decode.h"
#include "props.h"

static void the_plain_one(void **state)
{
    (void)state;
    static const enum mqtt_version versions[] = {MQTT_31, MQTT_311};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct frame frame = packet_of(0x30, "0003 'a/b' 'hello'", versions[i]);
        struct publish_view view;
        assert_int_equal(decode_publish(versions[i], &frame, &view), REASON_SUCCESS);
        assert_bytes(view.topic, "'a/b'");
        assert_bytes(view.payload, "'hello'");
        assert_int_equal(view.props.len, 0);
        assert_int_equal(view.qos, 0);
        assert_int_equal(view.packet_id, 0);
        assert_int_equal(view.alias, 0);
        assert_false(view.dup || view.retain || view.has_expiry || view.payload_is_text);
        assert_true(view.props_plain);
        packet_free(&frame);
    }
}

static void flags_and_packet_id(void **state)
{
    (void)state;
    struct publish_view view;
    struct frame frame = packet_of(0x3d, "0001 'a' 1234", MQTT_311);
    assert_int_equal(decode_publish(MQTT_311, &frame, &view), REASON_SUCCESS);
    assert_int_equal(view.qos, 2);
    assert_int_equal(view.packet_id, 0x1234);
    assert_true(view.dup && view.retain);
    assert_int_equal(view.payload.len, 0);
    packet_free(&frame);
    frame = packet_of(0x32, "0001 'a' 0001 00 'p'", MQTT_50);
    assert_int_equal(decode_publish(MQTT_50, &frame, &view), REASON_SUCCESS);
    assert_int_equal(view.qos, 1);
    assert_int_equal(view.packet_id, 1);
    assert_false(view.dup || view.retain);
    assert_bytes(view.payload, "'p'");
    packet_free(&frame);
}

static void properties_are_told(void **state)
{
    (void)state;
    struct publish_view view;
    struct frame frame = packet_of(
        0x30, "0001 't' 12 02 0000003c 23 0102 01 01 26 0001 'k' 0002 'vw' 'p'", MQTT_50);
    assert_int_equal(decode_publish(MQTT_50, &frame, &view), REASON_SUCCESS);
    assert_true(view.has_expiry);
    assert_int_equal(view.expiry_s, 60);
    assert_int_equal(view.alias, 0x0102);
    assert_true(view.payload_is_text);
    assert_false(view.props_plain);
    assert_int_equal(view.props.len, 18);
    assert_bytes(view.payload, "'p'");
    struct bytes cursor = view.props, key, value;
    assert_true(props_next_user(&cursor, &key, &value));
    assert_bytes(value, "'vw'");
    packet_free(&frame);
}

/* Only what a subscriber may see as it is makes a plain block. */
static void which_blocks_are_plain(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool plain;
    } cases[] = {
        {"0001 't' 00", true},
        {"0001 't' 02 01 00", true},
        {"0001 't' 04 03 0001 'c'", true},
        {"0001 't' 04 08 0001 'r'", true},
        {"0001 't' 04 09 0001 00", true},
        {"0001 't' 07 26 0001 'k' 0001 'v'", true},
        {"0001 't' 05 02 00000000", false},
        {"0001 't' 03 23 0001", false},
        {"0000 03 23 0001", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct frame frame = packet_of(0x30, cases[i].body, MQTT_50);
        struct publish_view view;
        assert_int_equal(decode_publish(MQTT_50, &frame, &view), REASON_SUCCESS);
        assert_int_equal(view.props_plain, cases[i].plain);
        assert_false(view.payload_is_text);
        packet_free(&frame);
    }
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        enum mqtt_version version;
        uint8_t head;
        const char *body;
        enum reason want;
    } cases[] = {
        {MQTT_311, 0x36, "0001 'a' 0001", REASON_MALFORMED_PACKET}, /* [MQTT-3.3.1-4] QoS 3 */
        {MQTT_31, 0x36, "0001 'a' 0001", REASON_MALFORMED_PACKET},
        {MQTT_50, 0x3e, "0001 'a' 0001 00", REASON_MALFORMED_PACKET},
        {MQTT_311, 0x38, "0001 'a'", REASON_MALFORMED_PACKET}, /* [MQTT-3.3.1-2] DUP, QoS 0 */
        {MQTT_50, 0x39, "0001 'a' 00", REASON_MALFORMED_PACKET},
        {MQTT_31, 0x38, "0001 'a'", REASON_SUCCESS},
        {MQTT_311, 0x30, "", REASON_MALFORMED_PACKET},
        {MQTT_311, 0x30, "00", REASON_MALFORMED_PACKET},
        {MQTT_311, 0x30, "0002 'a'", REASON_MALFORMED_PACKET},
        {MQTT_311, 0x32, "0001 'a'", REASON_MALFORMED_PACKET}, /* no packet identifier */
        {MQTT_311, 0x32, "0001 'a' 00", REASON_MALFORMED_PACKET},
        {MQTT_311, 0x32, "0001 'a' 0000", REASON_PROTOCOL_ERROR}, /* [MQTT-2.2.1-3] */
        {MQTT_50, 0x34, "0001 'a' 0000 00", REASON_PROTOCOL_ERROR},
        {MQTT_50, 0x30, "0001 'a'", REASON_MALFORMED_PACKET}, /* no property length */
        {MQTT_50, 0x30, "0001 'a' 01", REASON_MALFORMED_PACKET},
        {MQTT_50, 0x30, "0001 'a' 8000", REASON_MALFORMED_PACKET},
        {MQTT_311, 0x30, "0002 c328", REASON_MALFORMED_PACKET}, /* [MQTT-3.3.2-1], 1.5.4 */
        {MQTT_311, 0x30, "0003 'a' 00 'b'", REASON_MALFORMED_PACKET},
        {MQTT_311, 0x30, "0000 'p'", REASON_PROTOCOL_ERROR},
        {MQTT_50, 0x30, "0000 00 'p'", REASON_PROTOCOL_ERROR}, /* 3.3.4: no topic, no alias */
        {MQTT_50, 0x30, "0000 03 23 0001 'p'", REASON_SUCCESS},
        {MQTT_50, 0x30, "0001 'a' 03 23 0000", REASON_TOPIC_ALIAS_INVALID}, /* [MQTT-3.3.2-8] */
        {MQTT_50, 0x30, "0001 'a' 06 23 0001 23 0001", REASON_PROTOCOL_ERROR},
        {MQTT_50, 0x30, "0001 'a' 04 01 00 01 00", REASON_PROTOCOL_ERROR},
        {MQTT_50, 0x30, "0001 'a' 02 0b 01", REASON_PROTOCOL_ERROR}, /* [MQTT-3.3.4-6] */
        {MQTT_50, 0x30, "0001 'a' 05 11 00000001", REASON_MALFORMED_PACKET},
        {MQTT_50, 0x30, "0001 'a' 04 08 0001 '+'", REASON_PROTOCOL_ERROR}, /* [MQTT-3.3.2-14] */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct frame frame = packet_of(cases[i].head, cases[i].body, cases[i].version);
        struct publish_view view;
        enum reason got = decode_publish(cases[i].version, &frame, &view);
        if (got != cases[i].want)
            print_error("%02x %s\n", cases[i].head, cases[i].body);
        assert_int_equal(got, cases[i].want);
        packet_free(&frame);
    }
}

/* 3.3.2.3.8: towards a client there may be several. */
static void subscription_ids_come_from_servers(void **state)
{
    (void)state;
    struct frame frame = packet_of(0x30, "0001 'a' 05 0b 01 0b 8001 'p'", MQTT_50);
    struct publish_view view;
    assert_int_equal(decode_publish_from(MQTT_50, DECODE_FROM_SERVER, &frame, &view),
                     REASON_SUCCESS);
    assert_false(view.props_plain);
    uint32_t sub_id;
    assert_true(props_next_sub_id(&view.props, &sub_id));
    assert_int_equal(sub_id, 1);
    assert_true(props_next_sub_id(&view.props, &sub_id));
    assert_int_equal(sub_id, 128);
    packet_free(&frame);
    frame = packet_of(0x30, "0001 'a' 02 0b 00", MQTT_50);
    assert_int_equal(decode_publish_from(MQTT_50, DECODE_FROM_SERVER, &frame, &view),
                     REASON_PROTOCOL_ERROR);
    packet_free(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plain_one),       cmocka_unit_test(flags_and_packet_id),
        cmocka_unit_test(properties_are_told), cmocka_unit_test(which_blocks_are_plain),
        cmocka_unit_test(what_is_refused),     cmocka_unit_test(subscription_ids_come_from_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
