/*
 * test_packet.c -- the table of packets (net/packet.h); the walks over filters are tested with the
 * decoders that make them (test_decode_subscribe.c).
 */
#include "packet_hex.h"

#include "packet.h"

static void each_type_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(packet_text(PACKET_CONNECT), "CONNECT");
    assert_string_equal(packet_text(PACKET_AUTH), "AUTH");
    assert_string_equal(packet_text(PACKET_NONE), "RESERVED");
    assert_string_equal(packet_text((enum packet_type)16), "RESERVED");
    for (unsigned type = 1; type < PACKET_TYPE_COUNT; type++) {
        assert_string_not_equal(packet_text((enum packet_type)type), "RESERVED");
        assert_true(packet_from_client((enum packet_type)type) ||
                    packet_from_server((enum packet_type)type));
    }
}

/* 2.1.2, "direction of flow". */
static void who_may_send_what(void **state)
{
    (void)state;
    assert_true(packet_from_client(PACKET_SUBSCRIBE));
    assert_false(packet_from_server(PACKET_SUBSCRIBE));
    assert_false(packet_from_client(PACKET_CONNACK));
    assert_true(packet_from_server(PACKET_CONNACK));
    assert_true(packet_from_client(PACKET_PUBLISH) && packet_from_server(PACKET_PUBLISH));
    assert_false(packet_from_client(PACKET_NONE) || packet_from_server((enum packet_type)16));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_has_a_name),
        cmocka_unit_test(who_may_send_what),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
