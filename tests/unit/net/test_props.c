/*
 * test_props.c -- property blocks (net/props.h). Clauses of MQTT 5.0.
 */
#include "packet_hex.h"

#include "props.h"

static enum reason read_block(const char *text, uint32_t packet, struct props *out)
{
    struct bytes in = hex_bytes(text);
    struct byte_reader reader = byte_reader_of(in);
    enum reason reason = props_read(&reader, packet, out);
    if (reason == REASON_SUCCESS)
        assert_int_equal(byte_reader_left(&reader), 0);
    hex_free(in);
    return reason;
}

/* 1.5.5 and [MQTT-1.5.5-1]. */
static void variable_byte_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        uint32_t value;
    } cases[] = {
        {"00", true, 0},       {"7f", true, 127},       {"8001", true, 128},
        {"ff7f", true, 16383}, {"808001", true, 16384}, {"ffffff7f", true, PACKET_LEN_MAX},
        {"8000", false, 0},    {"818000", false, 0},    {"80808000", false, 0},
        {"80", false, 0},      {"ffffff", false, 0},    {"ffffffff01", false, 0},
        {"", false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bytes in = hex_bytes(cases[i].text);
        struct byte_reader reader = byte_reader_of(in);
        uint32_t value = 0;
        assert_int_equal(props_varint(&reader, &value), cases[i].ok);
        assert_int_equal(reader.failed, !cases[i].ok);
        assert_int_equal(value, cases[i].value);
        hex_free(in);
    }
}

/* 2.2.2.2: a property stands in the packets of its row and is malformed in all others. */
static void each_property_only_where_it_belongs(void **state)
{
    (void)state;
    static const char *const samples[] = {
        [PROP_KIND_BYTE] = "01",
        [PROP_KIND_U16] = "0001",
        [PROP_KIND_U32] = "00000001",
        [PROP_KIND_VARINT] = "01",
        [PROP_KIND_TEXT] = "0001 'a'",
        [PROP_KIND_DATA] = "0001 00",
        [PROP_KIND_PAIR] = "0001 'a' 0001 'b'",
    };
    for (unsigned id = 0; id <= UINT8_MAX; id++) {
        enum prop_kind kind = prop_kind((uint8_t)id);
        const char *sample = kind == PROP_KIND_NONE ? "00" : samples[kind];
        uint8_t value[32];
        uint32_t value_len = hex_write(sample, value);
        for (unsigned bit = 0; bit < PACKET_TYPE_COUNT; bit++) {
            uint8_t bytes[40] = {(uint8_t)(1 + value_len), (uint8_t)id};
            memcpy(bytes + 2, value, value_len);
            struct bytes in = {.ptr = bytes, .len = 2 + value_len};
            struct byte_reader reader = byte_reader_of(in);
            struct props props;
            bool belongs = (prop_packets((uint8_t)id) >> bit) & 1;
            assert_int_equal(props_read(&reader, 1u << bit, &props),
                             belongs ? REASON_SUCCESS : REASON_MALFORMED_PACKET);
            assert_int_equal(props.present, belongs ? UINT64_C(1) << id : 0);
        }
    }
}

/* "It is a Protocol Error to include X more than once", for every property but two. */
static void nothing_but_user_properties_repeats(void **state)
{
    (void)state;
    struct props props;
    assert_int_equal(read_block("0a 11 00000001 11 00000001", PROP_IN(PACKET_CONNECT), &props),
                     REASON_PROTOCOL_ERROR);
    assert_int_equal(read_block("04 0b 01 0b 02", PROP_IN(PACKET_SUBSCRIBE), &props),
                     REASON_PROTOCOL_ERROR);
    assert_int_equal(read_block("04 0b 01 0b 02", PROP_IN(PACKET_PUBLISH), &props), REASON_SUCCESS);
    assert_int_equal(
        read_block("0e 26 0001 'a' 0001 'b' 26 0001 'a' 0001 'b'", PROP_IN(PACKET_CONNECT), &props),
        REASON_SUCCESS);
}

static void values_out_of_range(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t packet;
        enum reason want;
    } cases[] = {
        {"03 21 0000", PROP_IN(PACKET_CONNECT), REASON_PROTOCOL_ERROR},       /* 3.1.2.11.3 */
        {"05 27 00000000", PROP_IN(PACKET_CONNECT), REASON_PROTOCOL_ERROR},   /* 3.1.2.11.4 */
        {"02 19 02", PROP_IN(PACKET_CONNECT), REASON_PROTOCOL_ERROR},         /* 3.1.2.11.6 */
        {"02 17 02", PROP_IN(PACKET_CONNECT), REASON_PROTOCOL_ERROR},         /* 3.1.2.11.7 */
        {"02 0b 00", PROP_IN(PACKET_SUBSCRIBE), REASON_PROTOCOL_ERROR},       /* 3.8.2.1.2 */
        {"03 23 0000", PROP_IN(PACKET_PUBLISH), REASON_TOPIC_ALIAS_INVALID},  /* [MQTT-3.3.2-8] */
        {"02 01 02", PROP_IN(PACKET_PUBLISH), REASON_PROTOCOL_ERROR},         /* 3.3.2.3.2 */
        {"06 08 0003 'a/+'", PROP_IN(PACKET_PUBLISH), REASON_PROTOCOL_ERROR}, /* [MQTT-3.3.2-14] */
        {"04 08 0001 '#'", PROP_IN_WILL, REASON_PROTOCOL_ERROR},
        {"02 24 02", PROP_IN(PACKET_CONNACK), REASON_PROTOCOL_ERROR}, /* 3.2.2.3.4 */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct props props;
        assert_int_equal(read_block(cases[i].text, cases[i].packet, &props), cases[i].want);
    }
}

static void blocks_that_cannot_be_parsed(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",                       /* no length */
        "80",                     /* half a length */
        "8000",                   /* a length that is not minimal */
        "05 11 000000",           /* a block longer than the packet */
        "04 11 000000 01",        /* a value that runs over the block's end */
        "01 11",                  /* a value that is missing */
        "05 15 0005 'ab'",        /* a string that runs over */
        "05 15 0002 c328",        /* [MQTT-1.5.4-1] */
        "04 15 0001 00",          /* [MQTT-1.5.4-2] */
        "07 26 0001 'a' 0001 ff", /* the value of a user property */
        "07 26 0001 ff 0001 'a'", /* its key */
        "04 26 0001 'a'",         /* a key without value */
        "03 9100 00",             /* an identifier above 0x7f */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct props props;
        assert_int_equal(read_block(cases[i], PROP_IN(PACKET_CONNECT), &props),
                         REASON_MALFORMED_PACKET);
    }
    struct props props;
    assert_int_equal(read_block("03 0b 8000", PROP_IN(PACKET_SUBSCRIBE), &props),
                     REASON_MALFORMED_PACKET);
}

static void values_and_defaults(void **state)
{
    (void)state;
    struct bytes in = hex_bytes("0d 11 01020304 21 0102 16 0000 17 00");
    struct byte_reader reader = byte_reader_of(in);
    struct props props;
    assert_int_equal(props_read(&reader, PROP_IN(PACKET_CONNECT), &props), REASON_SUCCESS);
    assert_int_equal(props_number(&props, PROP_SESSION_EXPIRY, 7), 0x01020304);
    assert_int_equal(props_number(&props, PROP_RECEIVE_MAX, 7), 0x0102);
    assert_int_equal(props_number(&props, PROP_REQUEST_PROBLEM_INFO, 1), 0);
    assert_int_equal(props_number(&props, PROP_TOPIC_ALIAS_MAX, 7), 7);
    assert_non_null(props_value(&props, PROP_AUTH_DATA).ptr);
    assert_int_equal(props_value(&props, PROP_AUTH_DATA).len, 0);
    assert_null(props_value(&props, PROP_AUTH_METHOD).ptr);
    assert_int_equal(props.raw.len, 13);
    hex_free(in);
}

/* [MQTT-3.3.2-4, -15, -16, -17, -18, -20]: unaltered, in order; the rest is for one hop. */
static void forwarding_copies_what_is_for_the_receiver(void **state)
{
    (void)state;
    struct bytes raw = hex_bytes("23 0005 26 0001 'k' 0001 '1' 02 00000009 01 01 0b 8001 03 0001 "
                                 "'c' 18 00000001 08 0001 'r' "
                                 "26 0001 'k' 0001 '2' 09 0002 00ff");
    uint8_t *out = malloc(raw.len);
    struct bytes copy = {.ptr = out, .len = props_copy_forwardable(raw, out)};
    assert_bytes(copy, "26 0001 'k' 0001 '1' 01 01 03 0001 'c' 08 0001 'r' 26 0001 'k' 0001 '2' "
                       "09 0002 00ff");
    assert_int_equal(props_copy_forwardable(raw, NULL), copy.len);
    copy.len = props_copy_user(raw, out);
    assert_bytes(copy, "26 0001 'k' 0001 '1' 26 0001 'k' 0001 '2'");
    assert_int_equal(props_copy_user(raw, NULL), copy.len);
    assert_int_equal(copy.len, 2 * 7);
    free(out);
    hex_free(raw);
    assert_int_equal(props_copy_forwardable((struct bytes){.ptr = NULL}, NULL), 0);
}

static void walking(void **state)
{
    (void)state;
    struct bytes raw = hex_bytes("0b 05 26 0001 'k' 0000 0b 8101 26 0000 0001 'v' 0b 01");
    struct bytes cursor = raw, key, value;
    assert_true(props_next_user(&cursor, &key, &value));
    assert_bytes(key, "'k'");
    assert_bytes(value, "");
    assert_true(props_next_user(&cursor, &key, &value));
    assert_bytes(key, "");
    assert_bytes(value, "'v'");
    assert_false(props_next_user(&cursor, &key, &value));
    assert_int_equal(cursor.len, 0);

    static const uint32_t sub_ids[] = {5, 129, 1};
    uint32_t sub_id;
    cursor = raw;
    for (size_t i = 0; i < ARRAY_LEN(sub_ids); i++) {
        assert_true(props_next_sub_id(&cursor, &sub_id));
        assert_int_equal(sub_id, sub_ids[i]);
    }
    assert_false(props_next_sub_id(&cursor, &sub_id));
    hex_free(raw);
}

/* A block that nobody checked (a damaged file) ends the walk, it does not run over. */
static void walking_over_rubbish_ends(void **state)
{
    (void)state;
    struct bytes raw = hex_bytes("0b 05 26 00ff 'k'");
    struct bytes cursor = raw;
    struct prop prop;
    assert_true(props_next(&cursor, &prop));
    assert_false(props_next(&cursor, &prop));
    assert_int_equal(cursor.len, 0);
    hex_free(raw);
}

static void writing_user_properties(void **state)
{
    (void)state;
    uint8_t out[16];
    struct bytes key = bytes_of_text("key"), value = bytes_of_text("");
    uint32_t size = props_user_size(key, value);
    assert_int_equal(props_user_write(key, value, out), size);
    assert_bytes((struct bytes){.ptr = out, .len = size}, "26 0003 'key' 0000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variable_byte_integers),
        cmocka_unit_test(each_property_only_where_it_belongs),
        cmocka_unit_test(nothing_but_user_properties_repeats),
        cmocka_unit_test(values_out_of_range),
        cmocka_unit_test(blocks_that_cannot_be_parsed),
        cmocka_unit_test(values_and_defaults),
        cmocka_unit_test(forwarding_copies_what_is_for_the_receiver),
        cmocka_unit_test(walking),
        cmocka_unit_test(walking_over_rubbish_ends),
        cmocka_unit_test(writing_user_properties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
