/*
 * test_decode_subscribe.c -- SUBSCRIBE, UNSUBSCRIBE and their acknowledgements (3.8 to 3.11).
 * Clauses of MQTT 5.0 unless said otherwise.
 */
#include "packet_hex.h"

#include "decode.h"
#include "props.h"

static void filters_one_by_one(void **state)
{
    (void)state;
    struct frame frame = packet_of(0x82, "0007 02 0b 09 0003 'a/b' 00 0001 '#' 2d 0002 '+/' 1a",
                                   MQTT_50);
    struct subscribe_view view;
    assert_int_equal(decode_subscribe(MQTT_50, &frame, &view), REASON_SUCCESS);
    assert_int_equal(view.packet_id, 7);
    assert_int_equal(view.sub_id, 9);
    assert_int_equal(view.filters_num, 3);
    struct subscribe_item item;
    assert_true(subscribe_next(&view, &item));
    assert_bytes(item.filter, "'a/b'");
    assert_int_equal(item.qos, 0);
    assert_false(item.no_local || item.retain_as_published);
    assert_int_equal(item.retain_handling, MQTT_RETAIN_SEND);
    assert_true(subscribe_next(&view, &item));
    assert_bytes(item.filter, "'#'");
    assert_int_equal(item.qos, 1);
    assert_true(item.no_local && item.retain_as_published);
    assert_int_equal(item.retain_handling, MQTT_RETAIN_SEND_NEVER);
    assert_true(subscribe_next(&view, &item));
    assert_bytes(item.filter, "'+/'");
    assert_int_equal(item.qos, 2);
    assert_false(item.no_local);
    assert_true(item.retain_as_published);
    assert_int_equal(item.retain_handling, MQTT_RETAIN_SEND_IF_NEW);
    assert_false(subscribe_next(&view, &item));
    packet_free(&frame);
}

static void options_of_the_older_versions(void **state)
{
    (void)state;
    struct subscribe_view view;
    struct subscribe_item item;
    struct frame frame = packet_of(0x82, "0001 0001 'a' 02", MQTT_311);
    assert_int_equal(decode_subscribe(MQTT_311, &frame, &view), REASON_SUCCESS);
    assert_int_equal(view.sub_id, 0);
    assert_true(subscribe_next(&view, &item));
    assert_int_equal(item.qos, 2);
    packet_free(&frame);
    frame = packet_of(0x82, "0001 0001 'a' fd", MQTT_31);
    assert_int_equal(decode_subscribe(MQTT_31, &frame, &view), REASON_SUCCESS);
    assert_true(subscribe_next(&view, &item));
    assert_int_equal(item.qos, 1);
    assert_false(item.no_local || item.retain_as_published);
    assert_int_equal(item.retain_handling, 0);
    packet_free(&frame);
}

static void subscribe_refused(void **state)
{
    (void)state;
    static const struct {
        enum mqtt_version version;
        const char *body;
        enum reason want;
    } cases[] = {
        {MQTT_311, "0001", REASON_PROTOCOL_ERROR}, /* [MQTT-3.8.3-2] */
        {MQTT_50, "0001 00", REASON_PROTOCOL_ERROR},
        {MQTT_311, "0000 0001 'a' 00", REASON_PROTOCOL_ERROR}, /* [MQTT-2.2.1-3] */
        {MQTT_311, "00", REASON_MALFORMED_PACKET},
        {MQTT_50, "0001", REASON_MALFORMED_PACKET},
        {MQTT_311, "0001 0001 'a'", REASON_MALFORMED_PACKET}, /* no options byte */
        {MQTT_311, "0001 0002 'a'", REASON_MALFORMED_PACKET},
        {MQTT_311, "0001 0001 'a' 00 00", REASON_MALFORMED_PACKET},
        {MQTT_311, "0001 0001 'a' 00 0001 'b'", REASON_MALFORMED_PACKET}, /* the last one */
        {MQTT_311, "0001 0001 ff 00", REASON_MALFORMED_PACKET},           /* [MQTT-3.8.3-1] */
        {MQTT_311, "0001 0001 'a' 03", REASON_PROTOCOL_ERROR},            /* 3.8.3.1 */
        {MQTT_31, "0001 0001 'a' 03", REASON_PROTOCOL_ERROR},
        {MQTT_50, "0001 00 0001 'a' 03", REASON_PROTOCOL_ERROR},
        {MQTT_311, "0001 0001 'a' 04", REASON_MALFORMED_PACKET},   /* 3.1.1: [MQTT-3-8.3-4] */
        {MQTT_50, "0001 00 0001 'a' 40", REASON_MALFORMED_PACKET}, /* [MQTT-3.8.3-5] */
        {MQTT_50, "0001 00 0001 'a' 80", REASON_MALFORMED_PACKET},
        {MQTT_50, "0001 00 0001 'a' 30", REASON_PROTOCOL_ERROR},          /* retain handling 3 */
        {MQTT_50, "0001 00 000a '$share/g/a' 04", REASON_PROTOCOL_ERROR}, /* [MQTT-3.8.3-4] */
        {MQTT_50, "0001 00 000a '$share/g/a' 01", REASON_SUCCESS},
        {MQTT_50, "0001 00 0006 '$share' 04", REASON_SUCCESS},
        {MQTT_50, "0001 02 0b 00 0001 'a' 00", REASON_PROTOCOL_ERROR}, /* 3.8.2.1.2 */
        {MQTT_50, "0001 03 23 0001 0001 'a' 00", REASON_MALFORMED_PACKET},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct frame frame = packet_of(0x82, cases[i].body, cases[i].version);
        struct subscribe_view view;
        enum reason got = decode_subscribe(cases[i].version, &frame, &view);
        if (got != cases[i].want)
            print_error("%s\n", cases[i].body);
        assert_int_equal(got, cases[i].want);
        packet_free(&frame);
    }
}

static void unsubscribe(void **state)
{
    (void)state;
    struct frame frame = packet_of(0xa2, "0102 07 26 0001 'k' 0001 'v' 0001 'a' 0003 'b/c'",
                                   MQTT_50);
    struct unsubscribe_view view;
    assert_int_equal(decode_unsubscribe(MQTT_50, &frame, &view), REASON_SUCCESS);
    assert_int_equal(view.packet_id, 0x0102);
    assert_int_equal(view.filters_num, 2);
    assert_int_equal(view.props.len, 7);
    struct bytes filter;
    assert_true(unsubscribe_next(&view, &filter));
    assert_bytes(filter, "'a'");
    assert_true(unsubscribe_next(&view, &filter));
    assert_bytes(filter, "'b/c'");
    assert_false(unsubscribe_next(&view, &filter));
    packet_free(&frame);
}

static void unsubscribe_refused(void **state)
{
    (void)state;
    static const struct {
        enum mqtt_version version;
        const char *body;
        enum reason want;
    } cases[] = {
        {MQTT_311, "0001", REASON_PROTOCOL_ERROR}, /* [MQTT-3.10.3-2] */
        {MQTT_50, "0001 00", REASON_PROTOCOL_ERROR},
        {MQTT_311, "0000 0001 'a'", REASON_PROTOCOL_ERROR},
        {MQTT_311, "0001 0002 'a'", REASON_MALFORMED_PACKET},
        {MQTT_311, "0001 0001 'a' 00", REASON_MALFORMED_PACKET},
        {MQTT_311, "0001 0001 00", REASON_MALFORMED_PACKET}, /* [MQTT-3.10.3-1] */
        {MQTT_50, "0001 02 0b 01 0001 'a'", REASON_MALFORMED_PACKET},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct frame frame = packet_of(0xa2, cases[i].body, cases[i].version);
        struct unsubscribe_view view;
        assert_int_equal(decode_unsubscribe(cases[i].version, &frame, &view), cases[i].want);
        packet_free(&frame);
    }
}

static void acknowledgements(void **state)
{
    (void)state;
    static const struct {
        enum mqtt_version version;
        uint8_t head;
        const char *body;
        enum reason want;
        uint32_t codes_num;
    } cases[] = {
        {MQTT_311, 0x90, "0001 00 01 02 80", REASON_SUCCESS, 4},
        {MQTT_311, 0x90, "0001 03", REASON_PROTOCOL_ERROR, 0}, /* 3.1.1: [MQTT-3.9.3-2] */
        {MQTT_311, 0x90, "0001", REASON_PROTOCOL_ERROR, 0},
        {MQTT_50, 0x90, "0001 00 87 02", REASON_SUCCESS, 2},
        {MQTT_50, 0x90, "0001 04 1f 0001 'r' 00", REASON_SUCCESS, 1},
        {MQTT_50, 0x90, "0001 00 11", REASON_PROTOCOL_ERROR, 0}, /* [MQTT-3.9.3-2] */
        {MQTT_50, 0x90, "0001 02 0b 01 00", REASON_MALFORMED_PACKET, 0},
        {MQTT_50, 0xb0, "0001 00 11", REASON_SUCCESS, 1},
        {MQTT_50, 0xb0, "0001 00 01", REASON_PROTOCOL_ERROR, 0}, /* [MQTT-3.11.3-2] */
        {MQTT_311, 0xb0, "0001", REASON_SUCCESS, 0},
        {MQTT_311, 0xb0, "0001 00", REASON_MALFORMED_PACKET, 0},
        {MQTT_311, 0xb0, "0000", REASON_PROTOCOL_ERROR, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct frame frame = packet_of(cases[i].head, cases[i].body, cases[i].version);
        struct suback_view view;
        assert_int_equal(decode_suback(cases[i].version, &frame, &view), cases[i].want);
        if (cases[i].want == REASON_SUCCESS) {
            assert_int_equal(view.packet_id, 1);
            assert_int_equal(view.codes.len, cases[i].codes_num);
        }
        packet_free(&frame);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_one_by_one),  cmocka_unit_test(options_of_the_older_versions),
        cmocka_unit_test(subscribe_refused),   cmocka_unit_test(unsubscribe),
        cmocka_unit_test(unsubscribe_refused), cmocka_unit_test(acknowledgements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
