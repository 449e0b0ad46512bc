/*
 * test_encode_subscribe.c -- SUBSCRIBE, UNSUBSCRIBE and their acknowledgements, byte for byte.
 */
#include "packet_hex.h"

#include "encode.h"

static void subscribes(void **state)
{
    (void)state;
    const struct subscribe_item items[] = {
        {.filter = bytes_of_text("a"), .qos = 1},
        {.filter = bytes_of_text("#"),
         .qos = 2,
         .no_local = true,
         .retain_as_published = true,
         .retain_handling = MQTT_RETAIN_SEND_NEVER},
    };
    struct subscribe_out subscribe = {
        .packet_id = 7, .sub_id = 128, .items = items, .items_num = 2};
    static const struct {
        enum mqtt_version version;
        const char *want;
    } cases[] = {
        {MQTT_311, "82 0a 0007 0001 'a' 01 0001 '#' 02"},
        {MQTT_50, "82 0e 0007 03 0b 8001 0001 'a' 01 0001 '#' 2e"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t out[32];
        uint32_t size = encode_subscribe_size(cases[i].version, &subscribe);
        assert_int_equal(encode_subscribe(cases[i].version, &subscribe, out), size);
        assert_bytes((struct bytes){.ptr = out, .len = size}, cases[i].want);
    }
}

static void unsubscribes(void **state)
{
    (void)state;
    const struct bytes filters[] = {bytes_of_text("a"), bytes_of_text("b/c")};
    struct unsubscribe_out unsubscribe = {.packet_id = 7, .filters = filters, .filters_num = 2};
    static const struct {
        enum mqtt_version version;
        const char *want;
    } cases[] = {
        {MQTT_311, "a2 0a 0007 0001 'a' 0003 'b/c'"},
        {MQTT_50, "a2 0b 0007 00 0001 'a' 0003 'b/c'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t out[32];
        uint32_t size = encode_unsubscribe_size(cases[i].version, &unsubscribe);
        assert_int_equal(encode_unsubscribe(cases[i].version, &unsubscribe, out), size);
        assert_bytes((struct bytes){.ptr = out, .len = size}, cases[i].want);
    }
}

/* 3.1.1 knows one failure; an older UNSUBACK knows no codes at all. */
static void acknowledgements(void **state)
{
    (void)state;
    static const uint8_t codes[] = {REASON_GRANTED_QOS_1, REASON_NOT_AUTHORIZED};
    struct suback_view suback = {.packet_id = 7,
                                 .codes = bytes_of(codes, sizeof(codes)),
                                 .reason_string = bytes_of_text("r")};
    static const struct {
        enum mqtt_version version;
        enum packet_type type;
        uint32_t size_max;
        const char *want;
    } cases[] = {
        {MQTT_31, PACKET_SUBACK, 100, "90 04 0007 01 80"},
        {MQTT_311, PACKET_SUBACK, 100, "90 04 0007 01 80"},
        {MQTT_50, PACKET_SUBACK, 100, "90 09 0007 04 1f 0001 'r' 01 87"},
        {MQTT_50, PACKET_SUBACK, 10, "90 05 0007 00 01 87"},
        {MQTT_50, PACKET_SUBACK, 6, ""},
        {MQTT_311, PACKET_UNSUBACK, 100, "b0 02 0007"},
        {MQTT_50, PACKET_UNSUBACK, 100, "b0 09 0007 04 1f 0001 'r' 01 87"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t out[32];
        uint32_t size = encode_suback_size(cases[i].version, cases[i].type, &suback,
                                           cases[i].size_max);
        assert_int_equal(
            encode_suback(cases[i].version, cases[i].type, &suback, cases[i].size_max, out), size);
        assert_bytes((struct bytes){.ptr = out, .len = size}, cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscribes),
        cmocka_unit_test(unsubscribes),
        cmocka_unit_test(acknowledgements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
