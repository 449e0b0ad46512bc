/*
 * test_encode_packet.c -- what all encoders share: sizes, short forms, and what is left out to stay
 * below the receiver's limit (net/encode_packet.h). Clauses of MQTT 5.0.
 */
#include "packet_hex.h"

#include "encode_packet.h"

static void variable_byte_integers(void **state)
{
    (void)state;
    static const uint32_t values[] = {0, 127, 128, 16383, 16384, 2097151, 2097152, PACKET_LEN_MAX};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        uint8_t out[4];
        uint32_t len = (uint32_t)(encode_varint(out, values[i]) - out);
        assert_int_equal(len, i / 2 + 1);
        assert_int_equal(encode_varint_size(values[i]), len);
        struct byte_reader reader = byte_reader_of((struct bytes){.ptr = out, .len = len});
        uint32_t again;
        assert_true(props_varint(&reader, &again));
        assert_int_equal(again, values[i]);
    }
}

/* [MQTT-3.4.2-2], [MQTT-3.4.2-3]: first the user properties go, then the reason string. */
static void what_goes_when_it_is_tight(void **state)
{
    (void)state;
    struct bytes props = hex_bytes("26 0001 'k' 0001 'v'");
    struct ack_view ack = {.packet_id = 1,
                           .reason = REASON_QUOTA_EXCEEDED,
                           .reason_string = bytes_of_text("why"),
                           .props = props};
    static const struct {
        uint32_t size_max;
        const char *want;
    } cases[] = {
        {PACKET_SIZE_UNLIMITED, "40 11 0001 97 0d 1f 0003 'why' 26 0001 'k' 0001 'v'"},
        {19, "40 11 0001 97 0d 1f 0003 'why' 26 0001 'k' 0001 'v'"},
        {18, "40 0a 0001 97 06 1f 0003 'why'"},
        {12, "40 0a 0001 97 06 1f 0003 'why'"},
        {11, "40 03 0001 97"},
        {5, "40 03 0001 97"},
        {4, ""},
        {0, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint32_t size = encode_ack_size(MQTT_50, PACKET_PUBACK, &ack, cases[i].size_max);
        uint8_t *out = malloc(size > 0 ? size : 1);
        assert_int_equal(encode_ack(MQTT_50, PACKET_PUBACK, &ack, cases[i].size_max, out), size);
        assert_bytes((struct bytes){.ptr = out, .len = size}, cases[i].want);
        free(out);
    }
    hex_free(props);
}

/* Other properties in the raw block than user properties are not the encoder's to repeat. */
static void only_user_properties_are_taken(void **state)
{
    (void)state;
    struct bytes props = hex_bytes("1f 0001 'x' 03 0001 'c' 26 0001 'k' 0000");
    struct ack_view ack = {.packet_id = 1, .props = props};
    uint8_t out[32];
    uint32_t size = encode_ack(MQTT_50, PACKET_PUBREC, &ack, PACKET_SIZE_UNLIMITED, out);
    assert_bytes((struct bytes){.ptr = out, .len = size}, "50 0a 0001 00 06 26 0001 'k' 0000");
    hex_free(props);
}

static void a_packet_above_the_protocols_limit(void **state)
{
    (void)state;
    /* Filters of the greatest length, as many as it takes; nothing is written when measuring. */
    static const char longest[STRING_LEN_MAX];
    const uint32_t filters_num = PACKET_LEN_MAX / (2 + STRING_LEN_MAX) + 1;
    struct bytes *filters = malloc(filters_num * sizeof(*filters));
    for (uint32_t i = 0; i < filters_num; i++)
        filters[i] = bytes_of(longest, STRING_LEN_MAX);
    struct unsubscribe_out unsubscribe = {.packet_id = 1, .filters = filters};
    unsubscribe.filters_num = filters_num - 1;
    assert_int_equal(encode_unsubscribe_size(MQTT_311, &unsubscribe),
                     5 + 2 + unsubscribe.filters_num * (2 + STRING_LEN_MAX));
    unsubscribe.filters_num = filters_num;
    assert_int_equal(encode_unsubscribe_size(MQTT_311, &unsubscribe), 0);
    free(filters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variable_byte_integers),
        cmocka_unit_test(what_goes_when_it_is_tight),
        cmocka_unit_test(only_user_properties_are_taken),
        cmocka_unit_test(a_packet_above_the_protocols_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
