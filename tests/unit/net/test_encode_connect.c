/*
 * test_encode_connect.c -- CONNECT and CONNACK, byte for byte. Clauses of MQTT 5.0 unless said
 * otherwise.
 */
#include "packet_hex.h"

#include "encode.h"

static void assert_connect(const struct connect_view *connect, const char *want)
{
    uint32_t size = encode_connect_size(connect);
    uint8_t *out = malloc(size);
    assert_int_equal(encode_connect(connect, out), size);
    assert_bytes((struct bytes){.ptr = out, .len = size}, want);
    free(out);
}

static void assert_connack(enum mqtt_version version, const struct connack_view *connack,
                           uint32_t size_max, const char *want)
{
    uint32_t size = encode_connack_size(version, connack, size_max);
    uint8_t *out = malloc(size > 0 ? size : 1);
    assert_int_equal(encode_connack(version, connack, size_max, out), size);
    assert_bytes((struct bytes){.ptr = out, .len = size}, want);
    free(out);
}

static struct connect_view connect_plain(enum mqtt_version version)
{
    return (struct connect_view){
        .version = version,
        .clean_start = true,
        .keep_alive_s = 60,
        .client_id = bytes_of_text("c"),
        .receive_max = MQTT_RECEIVE_DEFAULT,
        .packet_size_max = PACKET_SIZE_UNLIMITED,
        .request_problem_info = true,
    };
}

static void connects(void **state)
{
    (void)state;
    struct connect_view connect = connect_plain(MQTT_31);
    assert_connect(&connect, "10 0f 0006 'MQIsdp' 03 02 003c 0001 'c'");
    connect = connect_plain(MQTT_311);
    assert_connect(&connect, "10 0d 0004 'MQTT' 04 02 003c 0001 'c'");
    connect.bridge = true;
    connect.username = bytes_of_text("u");
    connect.password = bytes_of_text("");
    assert_connect(&connect, "10 12 0004 'MQTT' 84 c2 003c 0001 'c' 0001 'u' 0000");
    connect = connect_plain(MQTT_50);
    assert_connect(&connect, "10 0e 0004 'MQTT' 05 02 003c 00 0001 'c'");
}

/* Will properties: delay and expiry from the fields, the rest from the raw block. */
static void wills(void **state)
{
    (void)state;
    struct bytes raw = hex_bytes("18 00000063 01 01 02 00000063");
    struct connect_view connect = connect_plain(MQTT_50);
    connect.has_will = true;
    connect.will = (struct will_view){.topic = bytes_of_text("w"),
                                      .payload = bytes_of_text("x"),
                                      .props = raw,
                                      .qos = 1,
                                      .retain = true,
                                      .delay_s = 1,
                                      .has_expiry = true,
                                      .expiry_s = 2};
    assert_connect(&connect, "10 21 0004 'MQTT' 05 2e 003c 00 0001 'c' 0c 18 00000001 02 00000002 "
                             "01 01 0001 'w' 0001 'x'");
    connect.version = MQTT_311;
    assert_connect(&connect, "10 13 0004 'MQTT' 04 2e 003c 0001 'c' 0001 'w' 0001 'x'");
    hex_free(raw);
}

static void connacks_of_the_older_versions(void **state)
{
    (void)state;
    struct connack_view connack = CONNACK_VIEW_DEFAULT;
    connack.session_present = true;
    assert_connack(MQTT_311, &connack, 100, "20 02 01 00");
    assert_connack(MQTT_31, &connack, 100, "20 02 00 00");
    connack.reason = REASON_NOT_AUTHORIZED;
    assert_connack(MQTT_311, &connack, 100, "20 02 00 05"); /* [MQTT-3.2.2-6] */
    connack.reason = REASON_PACKET_TOO_LARGE;
    assert_connack(MQTT_311, &connack, 100, "");
}

static void connacks_of_5(void **state)
{
    (void)state;
    struct connack_view connack = CONNACK_VIEW_DEFAULT;
    connack.session_present = true;
    assert_connack(MQTT_50, &connack, 100, "20 03 01 00 00");
    connack.session_present = false;
    connack.qos_max = 1;
    connack.receive_max = 10;
    connack.has_server_keep_alive = true;
    connack.server_keep_alive_s = 7;
    connack.shared_available = false;
    connack.assigned_client_id = bytes_of_text("id");
    connack.reason_string = bytes_of_text("r");
    const char *whole = "20 16 00 00 13 21 000a 24 01 12 0002 'id' 2a 00 13 0007 1f 0001 'r'";
    const char *tight = "20 12 00 00 0f 21 000a 24 01 12 0002 'id' 2a 00 13 0007";
    assert_connack(MQTT_50, &connack, 24, whole);
    assert_connack(MQTT_50, &connack, 23, tight); /* [MQTT-3.2.2-19] */
    assert_connack(MQTT_50, &connack, 20, tight);
    assert_connack(MQTT_50, &connack, 19, ""); /* [MQTT-3.1.2-24] */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects),
        cmocka_unit_test(wills),
        cmocka_unit_test(connacks_of_the_older_versions),
        cmocka_unit_test(connacks_of_5),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
