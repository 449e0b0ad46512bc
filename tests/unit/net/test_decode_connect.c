/*
 * test_decode_connect.c -- CONNECT (3.1) and CONNACK (3.2). Clauses of MQTT 5.0 unless said
 * otherwise.
 */
#include "packet_hex.h"

#include "decode.h"

static void each_version_by_its_name(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum mqtt_version version;
        bool bridge;
    } cases[] = {
        {"0006 'MQIsdp' 03 02 003c 0001 'c'", MQTT_31, false},
        {"0004 'MQTT' 04 02 003c 0001 'c'", MQTT_311, false},
        {"0004 'MQTT' 05 02 003c 00 0001 'c'", MQTT_50, false},
        {"0006 'MQIsdp' 83 02 003c 0001 'c'", MQTT_31, true},
        {"0004 'MQTT' 84 02 003c 0001 'c'", MQTT_311, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct frame frame = packet_of(0x10, cases[i].body, MQTT_NONE);
        struct connect_view view;
        assert_int_equal(decode_connect(&frame, &view), REASON_SUCCESS);
        assert_int_equal(view.version, cases[i].version);
        assert_int_equal(view.bridge, cases[i].bridge);
        assert_true(view.clean_start);
        assert_int_equal(view.keep_alive_s, 60);
        assert_bytes(view.client_id, "'c'");
        assert_false(view.has_will);
        assert_null(view.username.ptr);
        assert_null(view.password.ptr);
        assert_int_equal(view.session_expiry_s, 0);
        assert_int_equal(view.receive_max, 65535);
        assert_int_equal(view.packet_size_max, PACKET_SIZE_UNLIMITED);
        assert_true(view.request_problem_info);
        assert_false(view.request_response_info);
        packet_free(&frame);
    }
}

/* The form of the answer to who speaks something else (3.1.2.1, 3.1.2.2). */
static void unknown_protocols(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum mqtt_version answer;
        enum reason want;
        uint8_t level;
    } cases[] = {
        {"0004 'HTTP' 04 02 003c 0001 'c'", MQTT_NONE, REASON_UNSUPPORTED_PROTOCOL_VERSION, 4},
        {"0004 'mqtt' 05 02 003c 00 0001 'c'", MQTT_NONE, REASON_UNSUPPORTED_PROTOCOL_VERSION, 5},
        {"0000 04", MQTT_NONE, REASON_UNSUPPORTED_PROTOCOL_VERSION, 4},
        {"0004 'MQTT' 03 02 003c 0001 'c'", MQTT_311, REASON_UNSUPPORTED_PROTOCOL_VERSION, 3},
        {"0006 'MQIsdp' 04", MQTT_311, REASON_UNSUPPORTED_PROTOCOL_VERSION, 4},
        {"0004 'MQTT' 00", MQTT_311, REASON_UNSUPPORTED_PROTOCOL_VERSION, 0},
        {"0004 'MQTT' 06 ff", MQTT_50, REASON_UNSUPPORTED_PROTOCOL_VERSION, 6},
        {"0004 'MQTT' 85", MQTT_50, REASON_UNSUPPORTED_PROTOCOL_VERSION, 0x85},
        {"", MQTT_NONE, REASON_MALFORMED_PACKET, 0},
        {"0004 'MQT'", MQTT_NONE, REASON_MALFORMED_PACKET, 0},
        {"0004 'MQTT'", MQTT_NONE, REASON_MALFORMED_PACKET, 0},
        {"0004 'MQTT' 05", MQTT_50, REASON_MALFORMED_PACKET, 5},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct frame frame = packet_of(0x10, cases[i].body, MQTT_NONE);
        struct connect_view view;
        assert_int_equal(decode_connect(&frame, &view), cases[i].want);
        assert_int_equal(view.version, cases[i].answer);
        assert_int_equal(view.level, cases[i].level);
        packet_free(&frame);
    }
}

static void everything_at_once(void **state)
{
    (void)state;
    struct frame frame = packet_of(
        0x10,
        "0004 'MQTT' 05 f6 0102"
        "26 11 0000000a 21 0014 27 00000100 22 0005 19 01 17 00 26 0001 'k' 0001 'v'"
        "   15 0003 'abc' 16 0002 0001"
        "0002 'id'"
        "12 18 00000007 02 00000008 01 01 03 0003 'txt'"
        "0005 'w/ill' 0003 'bye'"
        "0004 'user' 0002 00ff",
        MQTT_NONE);
    struct connect_view view;
    assert_int_equal(decode_connect(&frame, &view), REASON_SUCCESS);
    assert_true(view.clean_start);
    assert_int_equal(view.keep_alive_s, 0x0102);
    assert_int_equal(view.session_expiry_s, 10);
    assert_int_equal(view.receive_max, 20);
    assert_int_equal(view.packet_size_max, 256);
    assert_int_equal(view.topic_alias_max, 5);
    assert_true(view.request_response_info);
    assert_false(view.request_problem_info);
    assert_bytes(view.auth_method, "'abc'");
    assert_bytes(view.auth_data, "0001");
    assert_int_equal(view.props.len, 0x26);
    assert_bytes(view.client_id, "'id'");
    assert_true(view.has_will);
    assert_int_equal(view.will.qos, 2);
    assert_true(view.will.retain);
    assert_int_equal(view.will.delay_s, 7);
    assert_true(view.will.has_expiry);
    assert_int_equal(view.will.expiry_s, 8);
    assert_true(view.will.payload_is_text);
    assert_int_equal(view.will.props.len, 0x12);
    assert_bytes(view.will.topic, "'w/ill'");
    assert_bytes(view.will.payload, "'bye'");
    assert_bytes(view.username, "'user'");
    assert_bytes(view.password, "00ff");
    packet_free(&frame);
}

/* 3.1.2.11.2 and 3.1.1 section 3.1.2.4: how long the session of an older client lives. */
static void sessions_of_older_clients_stay(void **state)
{
    (void)state;
    struct connect_view view;
    struct frame frame = packet_of(0x10, "0004 'MQTT' 04 00 0000 0001 'c'", MQTT_NONE);
    assert_int_equal(decode_connect(&frame, &view), REASON_SUCCESS);
    assert_int_equal(view.session_expiry_s, MQTT_EXPIRY_NEVER_S);
    packet_free(&frame);
    frame = packet_of(0x10, "0004 'MQTT' 05 00 0000 00 0001 'c'", MQTT_NONE);
    assert_int_equal(decode_connect(&frame, &view), REASON_SUCCESS);
    assert_int_equal(view.session_expiry_s, 0);
    assert_false(view.clean_start);
    packet_free(&frame);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum reason want;
    } cases[] = {
        /* flags */
        {"0004 'MQTT' 04 03 0000 0001 'c'", REASON_MALFORMED_PACKET}, /* [MQTT-3.1.2-3] */
        {"0004 'MQTT' 05 03 0000 00 0001 'c'", REASON_MALFORMED_PACKET},
        {"0006 'MQIsdp' 03 03 0000 0001 'c'", REASON_SUCCESS},
        {"0004 'MQTT' 04 0a 0000 0001 'c'", REASON_MALFORMED_PACKET}, /* [MQTT-3.1.2-11] */
        {"0004 'MQTT' 04 22 0000 0001 'c'", REASON_MALFORMED_PACKET}, /* [MQTT-3.1.2-13] */
        {"0006 'MQIsdp' 03 2a 0000 0001 'c'", REASON_SUCCESS},
        {"0004 'MQTT' 04 1e 0000 0001 'c' 0001 't' 0000", REASON_MALFORMED_PACKET}, /* -12 */
        {"0006 'MQIsdp' 03 1e 0000 0001 'c' 0001 't' 0000", REASON_MALFORMED_PACKET},
        {"0004 'MQTT' 04 42 0000 0001 'c' 0001 'p'", REASON_MALFORMED_PACKET}, /* 3.1.1: -22 */
        {"0006 'MQIsdp' 03 42 0000 0001 'c' 0001 'p'", REASON_MALFORMED_PACKET},
        {"0004 'MQTT' 05 42 0000 00 0001 'c' 0001 'p'", REASON_SUCCESS},
        /* client identifiers */
        {"0004 'MQTT' 04 00 0000 0000", REASON_CLIENT_ID_NOT_VALID}, /* 3.1.1: [MQTT-3.1.3-8] */
        {"0004 'MQTT' 04 02 0000 0000", REASON_SUCCESS},
        {"0004 'MQTT' 05 00 0000 00 0000", REASON_SUCCESS}, /* [MQTT-3.1.3-6] */
        {"0006 'MQIsdp' 03 02 0000 0000", REASON_CLIENT_ID_NOT_VALID},
        {"0006 'MQIsdp' 03 02 0000 0018 'abcdefghijklmnopqrstuvwx'", REASON_SUCCESS},
        {"0004 'MQTT' 04 02 0000 0002 c328", REASON_MALFORMED_PACKET}, /* [MQTT-3.1.3-4] */
        {"0004 'MQTT' 04 02 0000 0001 00", REASON_MALFORMED_PACKET},
        /* lengths */
        {"0004 'MQTT' 04 02 00", REASON_MALFORMED_PACKET},
        {"0004 'MQTT' 04 02 0000", REASON_MALFORMED_PACKET},
        {"0004 'MQTT' 04 02 0000 0002 'c'", REASON_MALFORMED_PACKET},
        {"0004 'MQTT' 04 02 0000 0001 'c' 00", REASON_MALFORMED_PACKET},
        {"0004 'MQTT' 04 06 0000 0001 'c' 0001 't'", REASON_MALFORMED_PACKET},
        {"0004 'MQTT' 04 06 0000 0001 'c' 0001 't' 0002 'x'", REASON_MALFORMED_PACKET},
        {"0004 'MQTT' 04 82 0000 0001 'c'", REASON_MALFORMED_PACKET},
        {"0004 'MQTT' 04 c2 0000 0001 'c' 0001 'u'", REASON_MALFORMED_PACKET},
        {"0004 'MQTT' 04 82 0000 0001 'c' 0001 ff", REASON_MALFORMED_PACKET}, /* [MQTT-3.1.3-12] */
        {"0004 'MQTT' 04 06 0000 0001 'c' 0001 ff 0000", REASON_MALFORMED_PACKET}, /* -11 */
        /* MQTT 3.1: the remaining length wins over the flags of user name and password */
        {"0006 'MQIsdp' 03 c2 0000 0001 'c'", REASON_SUCCESS},
        {"0006 'MQIsdp' 03 c2 0000 0001 'c' 0001 'u'", REASON_SUCCESS},
        {"0006 'MQIsdp' 03 c2 0000 0001 'c' 00", REASON_MALFORMED_PACKET},
        /* properties */
        {"0004 'MQTT' 05 02 0000", REASON_MALFORMED_PACKET},
        {"0004 'MQTT' 05 02 0000 05 11 000000", REASON_MALFORMED_PACKET},
        {"0004 'MQTT' 05 02 0000 03 16 0000 0001 'c'", REASON_PROTOCOL_ERROR}, /* 3.1.2.11.10 */
        {"0004 'MQTT' 05 02 0000 03 21 0000 0001 'c'", REASON_PROTOCOL_ERROR},
        {"0004 'MQTT' 05 02 0000 05 18 00000000 0001 'c'", REASON_MALFORMED_PACKET},
        {"0004 'MQTT' 05 06 0000 00 0001 'c' 05 11 00000000 0001 't' 0000",
         REASON_MALFORMED_PACKET},
        {"0004 'MQTT' 05 06 0000 00 0001 'c' 04 01 00 01 00 0001 't' 0000", REASON_PROTOCOL_ERROR},
        {"0004 'MQTT' 05 06 0000 00 0001 'c' 00 0001 't' 0000", REASON_SUCCESS},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct frame frame = packet_of(0x10, cases[i].body, MQTT_NONE);
        struct connect_view view;
        enum reason got = decode_connect(&frame, &view);
        if (got != cases[i].want)
            print_error("%s\n", cases[i].body);
        assert_int_equal(got, cases[i].want);
        assert_int_not_equal(view.version, MQTT_NONE);
        packet_free(&frame);
    }
}

/* What came before the fault is there for the log. */
static void a_refusal_tells_what_it_saw(void **state)
{
    (void)state;
    struct connect_view view;
    struct frame frame = packet_of(0x10, "0004 'MQTT' 05 c2 0009 03 21 0005 0002 'id' 0001 'u'",
                                   MQTT_NONE);
    assert_int_equal(decode_connect(&frame, &view), REASON_MALFORMED_PACKET);
    assert_bytes(view.client_id, "'id'");
    assert_bytes(view.username, "'u'");
    assert_int_equal(view.keep_alive_s, 9);
    assert_int_equal(view.receive_max, 5);
    packet_free(&frame);
}

/* MQTT 3.1: the user name that the flags promise is absent, not empty. */
static void a_missing_user_name_of_3_1_is_absent(void **state)
{
    (void)state;
    struct connect_view view;
    struct frame frame = packet_of(0x10, "0006 'MQIsdp' 03 c2 0000 0001 'c' 0000", MQTT_NONE);
    assert_int_equal(decode_connect(&frame, &view), REASON_SUCCESS);
    assert_non_null(view.username.ptr);
    assert_int_equal(view.username.len, 0);
    assert_null(view.password.ptr);
    packet_free(&frame);
}

/* [MQTT-1.5.5-1], which can be judged only now. */
static void a_padded_length_in_5(void **state)
{
    (void)state;
    static const struct {
        const char *packet;
        enum reason want;
    } cases[] = {
        {"10 8e00 0004 'MQTT' 05 02 0000 00 0001 'c'", REASON_MALFORMED_PACKET},
        {"10 8d00 0004 'MQTT' 04 02 0000 0001 'c'", REASON_SUCCESS},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bytes in = hex_bytes(cases[i].packet);
        struct frame frame;
        struct connect_view view;
        assert_int_equal(frame_read(in, 100, MQTT_NONE, &frame), FRAME_OK);
        assert_int_equal(decode_connect(&frame, &view), cases[i].want);
        hex_free(in);
    }
}

static void connack_of_the_older_versions(void **state)
{
    (void)state;
    static const struct {
        enum mqtt_version version;
        const char *body;
        enum reason want;
        enum reason reason;
        bool present;
    } cases[] = {
        {MQTT_311, "00 00", REASON_SUCCESS, REASON_SUCCESS, false},
        {MQTT_311, "01 00", REASON_SUCCESS, REASON_SUCCESS, true},
        {MQTT_31, "01 00", REASON_SUCCESS, REASON_SUCCESS, false},
        {MQTT_311, "00 05", REASON_SUCCESS, REASON_NOT_AUTHORIZED, false},
        {MQTT_311, "00 06", REASON_PROTOCOL_ERROR, 0, false},
        {MQTT_311, "02 00", REASON_MALFORMED_PACKET, 0, false}, /* [MQTT-3.2.2-1] */
        {MQTT_311, "01 05", REASON_PROTOCOL_ERROR, 0, false},   /* [MQTT-3.2.2-6] */
        {MQTT_311, "00", REASON_MALFORMED_PACKET, 0, false},
        {MQTT_311, "00 00 00", REASON_MALFORMED_PACKET, 0, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct frame frame = packet_of(0x20, cases[i].body, cases[i].version);
        struct connack_view view;
        assert_int_equal(decode_connack(cases[i].version, &frame, &view), cases[i].want);
        if (cases[i].want == REASON_SUCCESS) {
            assert_int_equal(view.reason, cases[i].reason);
            assert_int_equal(view.session_present, cases[i].present);
            assert_int_equal(view.receive_max, 65535);
        }
        packet_free(&frame);
    }
}

static void connack_of_5(void **state)
{
    (void)state;
    struct connack_view view;
    struct frame frame = packet_of(0x20, "00 00 00", MQTT_50);
    assert_int_equal(decode_connack(MQTT_50, &frame, &view), REASON_SUCCESS);
    assert_int_equal(view.qos_max, 2);
    assert_true(view.retain_available && view.wildcard_available && view.sub_id_available &&
                view.shared_available);
    assert_false(view.has_session_expiry || view.has_server_keep_alive);
    packet_free(&frame);
    frame = packet_of(0x20,
                      "01 00 1f 11 00000009 24 01 25 00 28 00 29 00 2a 00 13 0005 12 0002 'id'"
                      "1f 0002 'ok' 22 0003",
                      MQTT_50);
    assert_int_equal(decode_connack(MQTT_50, &frame, &view), REASON_SUCCESS);
    assert_true(view.session_present && view.has_session_expiry && view.has_server_keep_alive);
    assert_int_equal(view.session_expiry_s, 9);
    assert_int_equal(view.qos_max, 1);
    assert_false(view.retain_available || view.wildcard_available || view.sub_id_available ||
                 view.shared_available);
    assert_int_equal(view.server_keep_alive_s, 5);
    assert_int_equal(view.topic_alias_max, 3);
    assert_bytes(view.assigned_client_id, "'id'");
    assert_bytes(view.reason_string, "'ok'");
    packet_free(&frame);
    frame = packet_of(0x20, "00 10 00", MQTT_50); /* [MQTT-3.2.2-8] */
    assert_int_equal(decode_connack(MQTT_50, &frame, &view), REASON_PROTOCOL_ERROR);
    packet_free(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_version_by_its_name),
        cmocka_unit_test(unknown_protocols),
        cmocka_unit_test(everything_at_once),
        cmocka_unit_test(sessions_of_older_clients_stay),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(a_refusal_tells_what_it_saw),
        cmocka_unit_test(a_missing_user_name_of_3_1_is_absent),
        cmocka_unit_test(a_padded_length_in_5),
        cmocka_unit_test(connack_of_the_older_versions),
        cmocka_unit_test(connack_of_5),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
