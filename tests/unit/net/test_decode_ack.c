/*
 * test_decode_ack.c -- acknowledgements, pings, DISCONNECT, AUTH (3.4 to 3.7, 3.12 to 3.15).
 * Clauses of MQTT 5.0.
 */
#include "packet_hex.h"

#include "decode.h"

static void acknowledgements(void **state)
{
    (void)state;
    static const struct {
        enum mqtt_version version;
        uint8_t head;
        const char *body;
        enum reason want;
        enum reason reason;
    } cases[] = {
        {MQTT_311, 0x40, "0001", REASON_SUCCESS, REASON_SUCCESS},
        {MQTT_50, 0x40, "0001", REASON_SUCCESS, REASON_SUCCESS},
        {MQTT_50, 0x50, "0001 10", REASON_SUCCESS, REASON_NO_MATCHING_SUBSCRIBERS},
        {MQTT_50, 0x50, "0001 97 00", REASON_SUCCESS, REASON_QUOTA_EXCEEDED},
        {MQTT_50, 0x62, "0001 92", REASON_SUCCESS, REASON_PACKET_ID_NOT_FOUND},
        {MQTT_50, 0x70, "0001 00 04 1f 0001 'r'", REASON_SUCCESS, REASON_SUCCESS},
        {MQTT_311, 0x40, "0001 00", REASON_MALFORMED_PACKET, 0},
        {MQTT_31, 0x40, "0001 00", REASON_MALFORMED_PACKET, 0},
        {MQTT_311, 0x40, "01", REASON_MALFORMED_PACKET, 0},
        {MQTT_311, 0x40, "", REASON_MALFORMED_PACKET, 0},
        {MQTT_311, 0x40, "0000", REASON_PROTOCOL_ERROR, 0},
        {MQTT_50, 0x40, "0000 10", REASON_PROTOCOL_ERROR, 0},
        {MQTT_50, 0x40, "0001 92", REASON_PROTOCOL_ERROR, 0}, /* [MQTT-3.4.2-1] */
        {MQTT_50, 0x50, "0001 01", REASON_PROTOCOL_ERROR, 0}, /* [MQTT-3.5.2-1] */
        {MQTT_50, 0x62, "0001 10", REASON_PROTOCOL_ERROR, 0}, /* [MQTT-3.6.2-1] */
        {MQTT_50, 0x70, "0001 80", REASON_PROTOCOL_ERROR, 0}, /* [MQTT-3.7.2-1] */
        {MQTT_50, 0x40, "0001 00 00 00", REASON_MALFORMED_PACKET, 0},
        {MQTT_50, 0x40, "0001 00 01", REASON_MALFORMED_PACKET, 0},
        {MQTT_50, 0x40, "0001 00 03 23 0001", REASON_MALFORMED_PACKET, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct frame frame = packet_of(cases[i].head, cases[i].body, cases[i].version);
        struct ack_view view;
        enum reason got = decode_ack(cases[i].version, &frame, &view);
        if (got != cases[i].want)
            print_error("%02x %s\n", cases[i].head, cases[i].body);
        assert_int_equal(got, cases[i].want);
        if (got == REASON_SUCCESS) {
            assert_int_equal(view.packet_id, 1);
            assert_int_equal(view.reason, cases[i].reason);
        }
        packet_free(&frame);
    }
}

static void the_reason_string_is_told(void **state)
{
    (void)state;
    struct frame frame = packet_of(0x40, "0001 87 04 1f 0001 'r'", MQTT_50);
    struct ack_view view;
    assert_int_equal(decode_ack(MQTT_50, &frame, &view), REASON_SUCCESS);
    assert_bytes(view.reason_string, "'r'");
    assert_int_equal(view.props.len, 4);
    packet_free(&frame);
}

static void pings_are_empty(void **state)
{
    (void)state;
    static const uint8_t heads[] = {0xc0, 0xd0};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        struct frame frame = packet_of(heads[i], "", MQTT_311);
        assert_int_equal(decode_ping(&frame), REASON_SUCCESS);
        packet_free(&frame);
        frame = packet_of(heads[i], "00", MQTT_311);
        assert_int_equal(decode_ping(&frame), REASON_MALFORMED_PACKET);
        packet_free(&frame);
    }
}

static void disconnects(void **state)
{
    (void)state;
    static const struct {
        enum mqtt_version version;
        enum decode_from from;
        const char *body;
        enum reason want;
        enum reason reason;
    } cases[] = {
        {MQTT_31, DECODE_FROM_CLIENT, "", REASON_SUCCESS, REASON_SUCCESS},
        {MQTT_311, DECODE_FROM_CLIENT, "", REASON_SUCCESS, REASON_SUCCESS},
        {MQTT_311, DECODE_FROM_CLIENT, "00", REASON_MALFORMED_PACKET, 0},
        {MQTT_50, DECODE_FROM_CLIENT, "", REASON_SUCCESS, REASON_SUCCESS},
        {MQTT_50, DECODE_FROM_CLIENT, "04", REASON_SUCCESS, REASON_DISCONNECT_WITH_WILL},
        {MQTT_50, DECODE_FROM_SERVER, "04", REASON_PROTOCOL_ERROR, 0}, /* [MQTT-3.14.2-1] */
        {MQTT_50, DECODE_FROM_SERVER, "8e 00", REASON_SUCCESS, REASON_SESSION_TAKEN_OVER},
        {MQTT_50, DECODE_FROM_CLIENT, "8e 00", REASON_PROTOCOL_ERROR, 0},
        {MQTT_50, DECODE_FROM_CLIENT, "01", REASON_PROTOCOL_ERROR, 0},
        {MQTT_50, DECODE_FROM_CLIENT, "00 05 11 00000009", REASON_SUCCESS, REASON_SUCCESS},
        {MQTT_50, DECODE_FROM_SERVER, "00 05 11 00000009", REASON_PROTOCOL_ERROR, 0}, /* -2 */
        {MQTT_50, DECODE_FROM_SERVER, "9c 04 1c 0001 's'", REASON_SUCCESS,
         REASON_USE_ANOTHER_SERVER},
        {MQTT_50, DECODE_FROM_CLIENT, "00 04 1c 0001 's'", REASON_PROTOCOL_ERROR, 0},
        {MQTT_50, DECODE_FROM_CLIENT, "00 00 00", REASON_MALFORMED_PACKET, 0},
        {MQTT_50, DECODE_FROM_CLIENT, "00 02", REASON_MALFORMED_PACKET, 0},
        {MQTT_50, DECODE_FROM_CLIENT, "00 03 21 0001", REASON_MALFORMED_PACKET, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct frame frame = packet_of(0xe0, cases[i].body, cases[i].version);
        struct disconnect_view view;
        enum reason got = decode_disconnect(cases[i].version, cases[i].from, &frame, &view);
        if (got != cases[i].want)
            print_error("%s\n", cases[i].body);
        assert_int_equal(got, cases[i].want);
        if (got == REASON_SUCCESS)
            assert_int_equal(view.reason, cases[i].reason);
        packet_free(&frame);
    }
}

static void disconnect_changes_the_expiry(void **state)
{
    (void)state;
    struct frame frame = packet_of(0xe0, "00 05 11 00000009", MQTT_50);
    struct disconnect_view view;
    assert_int_equal(decode_disconnect(MQTT_50, DECODE_FROM_CLIENT, &frame, &view), REASON_SUCCESS);
    assert_true(view.has_session_expiry);
    assert_int_equal(view.session_expiry_s, 9);
    packet_free(&frame);
}

static void auths(void **state)
{
    (void)state;
    static const struct {
        enum mqtt_version version;
        enum decode_from from;
        const char *body;
        enum reason want;
    } cases[] = {
        {MQTT_50, DECODE_FROM_CLIENT, "18 04 15 0001 'm'", REASON_SUCCESS},
        {MQTT_50, DECODE_FROM_CLIENT, "19 08 15 0001 'm' 16 0001 00", REASON_SUCCESS},
        {MQTT_50, DECODE_FROM_SERVER, "19 04 15 0001 'm'", REASON_PROTOCOL_ERROR}, /* -3.15.2-1 */
        {MQTT_50, DECODE_FROM_SERVER, "", REASON_SUCCESS},
        {MQTT_50, DECODE_FROM_CLIENT, "", REASON_PROTOCOL_ERROR},
        {MQTT_50, DECODE_FROM_SERVER, "00 04 15 0001 'm'", REASON_SUCCESS},
        {MQTT_50, DECODE_FROM_CLIENT, "18 00", REASON_PROTOCOL_ERROR}, /* 3.15.2.2.2 */
        {MQTT_50, DECODE_FROM_CLIENT, "18", REASON_MALFORMED_PACKET},
        {MQTT_50, DECODE_FROM_CLIENT, "18 04 15 0001 'm' 00", REASON_MALFORMED_PACKET},
        {MQTT_50, DECODE_FROM_CLIENT, "18 03 21 0001", REASON_MALFORMED_PACKET},
        {MQTT_311, DECODE_FROM_CLIENT, "18 04 15 0001 'm'", REASON_PROTOCOL_ERROR},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct frame frame = packet_of(0xf0, cases[i].body, cases[i].version);
        struct auth_view view;
        enum reason got = decode_auth(cases[i].version, cases[i].from, &frame, &view);
        if (got != cases[i].want)
            print_error("%s\n", cases[i].body);
        assert_int_equal(got, cases[i].want);
        if (got == REASON_SUCCESS && frame.body.len > 0)
            assert_bytes(view.auth_method, "'m'");
        packet_free(&frame);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acknowledgements),
        cmocka_unit_test(the_reason_string_is_told),
        cmocka_unit_test(pings_are_empty),
        cmocka_unit_test(disconnects),
        cmocka_unit_test(disconnect_changes_the_expiry),
        cmocka_unit_test(auths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
