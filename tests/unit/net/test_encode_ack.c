/*
 * test_encode_ack.c -- acknowledgements, pings, DISCONNECT, AUTH, byte for byte. Clauses of MQTT
 * 5.0.
 */
#include "packet_hex.h"

#include "encode.h"

#define ASSERT_PACKET(size_call, write_call, want)                                                 \
    do {                                                                                           \
        uint32_t size_ = (size_call);                                                              \
        uint8_t *out = malloc(size_ > 0 ? size_ : 1);                                              \
        assert_int_equal((write_call), size_);                                                     \
        assert_bytes((struct bytes){.ptr = out, .len = size_}, want);                              \
        free(out);                                                                                 \
    } while (0)

static void assert_ack(enum mqtt_version version, enum packet_type type, const struct ack_view *ack,
                       const char *want)
{
    ASSERT_PACKET(encode_ack_size(version, type, ack, PACKET_SIZE_UNLIMITED),
                  encode_ack(version, type, ack, PACKET_SIZE_UNLIMITED, out), want);
}

static void short_and_long_acknowledgements(void **state)
{
    (void)state;
    struct ack_view ack = {.packet_id = 0x0102};
    assert_ack(MQTT_50, PACKET_PUBACK, &ack, "40 02 0102");
    assert_ack(MQTT_50, PACKET_PUBREC, &ack, "50 02 0102");
    assert_ack(MQTT_50, PACKET_PUBREL, &ack, "62 02 0102");
    assert_ack(MQTT_50, PACKET_PUBCOMP, &ack, "70 02 0102");
    ack.reason = REASON_PACKET_ID_NOT_FOUND;
    assert_ack(MQTT_50, PACKET_PUBCOMP, &ack, "70 03 0102 92");
    assert_ack(MQTT_311, PACKET_PUBCOMP, &ack, "70 02 0102");
    ack.reason_string = bytes_of_text("r");
    assert_ack(MQTT_50, PACKET_PUBCOMP, &ack, "70 08 0102 92 04 1f 0001 'r'");
    assert_ack(MQTT_31, PACKET_PUBCOMP, &ack, "70 02 0102");
    ack.reason = REASON_SUCCESS;
    assert_ack(MQTT_50, PACKET_PUBREL, &ack, "62 08 0102 00 04 1f 0001 'r'");
}

static void the_inline_ones(void **state)
{
    (void)state;
    static const char *const want[] = {"40 02 1234", "50 02 1234", "62 02 1234", "70 02 1234"};
    for (unsigned i = 0; i < 4; i++) {
        uint8_t out[ENCODE_ACK_SHORT_SIZE];
        encode_ack_short((enum packet_type)(PACKET_PUBACK + i), 0x1234, out);
        assert_bytes((struct bytes){.ptr = out, .len = sizeof(out)}, want[i]);
    }
    uint8_t out[ENCODE_PING_SIZE];
    encode_ping(PACKET_PINGREQ, out);
    assert_bytes((struct bytes){.ptr = out, .len = sizeof(out)}, "c000");
    encode_ping(PACKET_PINGRESP, out);
    assert_bytes((struct bytes){.ptr = out, .len = sizeof(out)}, "d000");
}

static void assert_disconnect(enum mqtt_version version, const struct disconnect_view *disconnect,
                              const char *want)
{
    ASSERT_PACKET(encode_disconnect_size(version, disconnect, PACKET_SIZE_UNLIMITED),
                  encode_disconnect(version, disconnect, PACKET_SIZE_UNLIMITED, out), want);
}

static void disconnects(void **state)
{
    (void)state;
    struct disconnect_view disconnect = {.reason = REASON_SUCCESS};
    assert_disconnect(MQTT_50, &disconnect, "e0 00");
    disconnect.reason = REASON_SESSION_TAKEN_OVER;
    assert_disconnect(MQTT_50, &disconnect, "e0 01 8e");
    assert_disconnect(MQTT_311, &disconnect, "e0 00");
    disconnect.has_session_expiry = true;
    disconnect.session_expiry_s = 9;
    disconnect.server_reference = bytes_of_text("s");
    disconnect.reason_string = bytes_of_text("r");
    assert_disconnect(MQTT_50, &disconnect, "e0 0f 8e 0d 11 00000009 1c 0001 's' 1f 0001 'r'");
    /* The server reference stays when it is tight: it is what the packet is for. */
    ASSERT_PACKET(encode_disconnect_size(MQTT_50, &disconnect, 13),
                  encode_disconnect(MQTT_50, &disconnect, 13, out),
                  "e0 0b 8e 09 11 00000009 1c 0001 's'");
}

static void auths(void **state)
{
    (void)state;
    struct auth_view auth = {.reason = REASON_SUCCESS};
    ASSERT_PACKET(encode_auth_size(&auth, 100), encode_auth(&auth, 100, out), "f0 00");
    auth.reason = REASON_CONTINUE_AUTHENTICATION;
    auth.auth_method = bytes_of_text("m");
    auth.auth_data = bytes_of_text("");
    ASSERT_PACKET(encode_auth_size(&auth, 100), encode_auth(&auth, 100, out),
                  "f0 09 18 07 15 0001 'm' 16 0000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_and_long_acknowledgements),
        cmocka_unit_test(the_inline_ones),
        cmocka_unit_test(disconnects),
        cmocka_unit_test(auths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
