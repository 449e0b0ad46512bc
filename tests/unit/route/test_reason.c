/*
 * test_reason.c -- the table of reason codes (route/reason.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "reason.h"

static void each_code_has_a_text_and_a_packet(void **state)
{
    (void)state;
#define COUNT_ROW(name, code, connack3, packets, text) +1
    const unsigned rows_num = 0 REASON_TABLE(COUNT_ROW);
    unsigned known = 0;
    for (unsigned code = 0; code <= UINT8_MAX; code++) {
        bool has_text = strcmp(reason_text((enum reason)code), "unknown reason") != 0;
        bool has_packet = reason_is_legal((enum reason)code, (enum reason_packet) ~0);
        assert_int_equal(has_text, has_packet);
        known += has_text;
    }
    assert_int_equal(rows_num, 43); /* as many as MQTT 5.0 table 2-6 has values */
    assert_int_equal(known, rows_num);
}

/* The packets of MQTT 5.0 table 2-6, each with how many codes it may carry (DISCONNECT of a server:
 * those of table 3-10 and "bad authentication method", which only table 2-6 has). */
static void each_packet_has_its_codes(void **state)
{
    (void)state;
    static const struct {
        enum reason_packet packet;
        unsigned codes_num;
    } counts[] = {
        {REASON_IN_CONNACK, 22},    {REASON_IN_PUBACK, 9},      {REASON_IN_PUBREL, 2},
        {REASON_IN_SUBACK, 12},     {REASON_IN_UNSUBACK, 7},    {REASON_IN_DISCONNECT_CLIENT, 14},
        {REASON_IN_AUTH_CLIENT, 2}, {REASON_IN_AUTH_SERVER, 2}, {REASON_IN_DISCONNECT_SERVER, 29},
    };
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        unsigned num = 0;
        for (unsigned code = 0; code <= UINT8_MAX; code++)
            num += reason_is_legal((enum reason)code, counts[i].packet);
        assert_int_equal(num, counts[i].codes_num);
    }
}

static void some_codes_belong_to_one_side(void **state)
{
    (void)state;
    assert_true(reason_is_legal(REASON_DISCONNECT_WITH_WILL, REASON_IN_DISCONNECT_CLIENT));
    assert_false(reason_is_legal(REASON_DISCONNECT_WITH_WILL, REASON_IN_DISCONNECT_SERVER));
    assert_true(reason_is_legal(REASON_SESSION_TAKEN_OVER, REASON_IN_DISCONNECT_SERVER));
    assert_false(reason_is_legal(REASON_SESSION_TAKEN_OVER, REASON_IN_DISCONNECT_CLIENT));
    assert_false(reason_is_legal(REASON_NO_MATCHING_SUBSCRIBERS, REASON_IN_PUBREL));
}

/* 3.1.1 section 3.2.2.3: five return codes, the rest is said by closing. */
static void old_return_codes(void **state)
{
    (void)state;
    assert_int_equal(reason_connack3(REASON_SUCCESS), 0);
    assert_int_equal(reason_connack3(REASON_UNSUPPORTED_PROTOCOL_VERSION), 1);
    assert_int_equal(reason_connack3(REASON_CLIENT_ID_NOT_VALID), 2);
    assert_int_equal(reason_connack3(REASON_SERVER_BUSY), 3);
    assert_int_equal(reason_connack3(REASON_BAD_USERNAME_OR_PASSWORD), 4);
    assert_int_equal(reason_connack3(REASON_NOT_AUTHORIZED), 5);
    assert_int_equal(reason_connack3(REASON_PACKET_TOO_LARGE), 0);
    for (uint8_t code = 1; code <= 5; code++)
        assert_int_equal(reason_connack3(reason_of_connack3(code)), code);
    assert_int_equal(reason_of_connack3(0), REASON_SUCCESS);
    assert_int_equal(reason_of_connack3(6), REASON_PROTOCOL_ERROR);
}

static void failures_begin_at_0x80(void **state)
{
    (void)state;
    assert_false(reason_is_failure(REASON_REAUTHENTICATE));
    assert_true(reason_is_failure(REASON_UNSPECIFIED_ERROR));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_code_has_a_text_and_a_packet),
        cmocka_unit_test(each_packet_has_its_codes),
        cmocka_unit_test(some_codes_belong_to_one_side),
        cmocka_unit_test(old_return_codes),
        cmocka_unit_test(failures_begin_at_0x80),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
