/*
 * test_utf8.c -- well-formed UTF-8 and nothing else (engine/utf8.h).
 *
 * The truth is a decoder that turns bytes into a code point by the definition (RFC 3629 section 3)
 * and then asks whether encoding that code point gives the same bytes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

/* Encodes any code point below 0x110000, surrogates too. */
static size_t truth_encode(uint32_t point, uint8_t *out)
{
    if (point < 0x80) {
        out[0] = (uint8_t)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (uint8_t)(0xC0 | point >> 6);
        out[1] = (uint8_t)(0x80 | (point & 0x3F));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (uint8_t)(0xE0 | point >> 12);
        out[1] = (uint8_t)(0x80 | (point >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (point & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | point >> 18);
    out[1] = (uint8_t)(0x80 | (point >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (point >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (point & 0x3F));
    return 4;
}

static bool truth_check(const uint8_t *ptr, size_t len, bool nul_ok)
{
    size_t at = 0;
    while (at < len) {
        uint8_t first = ptr[at];
        size_t need = first < 0x80 ? 1 : first < 0xC0 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
        if (need == 0 || need > len - at || first >= 0xF8)
            return false;
        uint32_t point = need == 1 ? first : first & (0xFFu >> (need + 1));
        for (size_t i = 1; i < need; i++)
            point = point << 6 | (ptr[at + i] & 0x3F);
        uint8_t again[4];
        if (point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF) || (point == 0 && !nul_ok))
            return false;
        if (truth_encode(point, again) != need || memcmp(again, ptr + at, need) != 0)
            return false;
        at += need;
    }
    return true;
}

/* Checks in an allocation of exactly the size, against the truth. */
static void check_exactly(const uint8_t *ptr, size_t len)
{
    uint8_t *exact = malloc(len > 0 ? len : 1);
    memcpy(exact, ptr, len);
    assert_int_equal(utf8_check(exact, len), truth_check(ptr, len, false));
    assert_int_equal(utf8_check_data(exact, len), truth_check(ptr, len, true));
    free(exact);
}

static void empty_is_well_formed(void **state)
{
    (void)state;
    assert_true(utf8_check(NULL, 0));
    assert_true(utf8_check_data(NULL, 0));
}

/* [MQTT-1.5.4-1]: every code point but the surrogates, U+FEFF and the non-characters among them. */
static void each_code_point_as_the_truth_has_it(void **state)
{
    (void)state;
    for (uint32_t point = 0; point < 0x110000; point++) {
        uint8_t bytes[4];
        size_t len = truth_encode(point, bytes);
        bool surrogate = point >= 0xD800 && point <= 0xDFFF;
        assert_int_equal(utf8_check(bytes, len), !surrogate && point != 0);
        assert_int_equal(utf8_check_data(bytes, len), !surrogate);
    }
}

static void each_pair_of_bytes_as_the_truth_has_it(void **state)
{
    (void)state;
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        uint8_t bytes[2] = {(uint8_t)(pair >> 8), (uint8_t)pair};
        check_exactly(bytes, 2);
    }
}

/* All lead bytes of longer forms, with the bytes at the edges of what may follow. */
static void the_edges_of_long_sequences(void **state)
{
    (void)state;
    static const uint8_t edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F,
                                    0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xF4, 0xFF};
    for (unsigned first = 0xC0; first <= 0xFF; first++) {
        for (size_t a = 0; a < sizeof(edges); a++) {
            for (size_t b = 0; b < sizeof(edges); b++) {
                for (size_t c = 0; c < sizeof(edges); c++) {
                    uint8_t bytes[4] = {(uint8_t)first, edges[a], edges[b], edges[c]};
                    check_exactly(bytes, 3);
                    check_exactly(bytes, 4);
                }
            }
        }
    }
}

/* One odd byte at each place of strings of each short length: the fast path has seams. */
static void one_odd_byte_anywhere(void **state)
{
    (void)state;
    static const uint8_t odd[] = {0x00, 0x01, 0x7F, 0x80, 0xC3, 0xFF};
    uint8_t text[70];
    for (size_t len = 0; len <= sizeof(text); len++) {
        for (size_t at = 0; at < len; at++) {
            for (size_t i = 0; i < sizeof(odd); i++) {
                memset(text, 'x', len);
                text[at] = odd[i];
                check_exactly(text, len);
                if (at + 1 < len) {
                    text[at + 1] = 0xA9;
                    check_exactly(text, len);
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_is_well_formed),
        cmocka_unit_test(each_code_point_as_the_truth_has_it),
        cmocka_unit_test(each_pair_of_bytes_as_the_truth_has_it),
        cmocka_unit_test(the_edges_of_long_sequences),
        cmocka_unit_test(one_odd_byte_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
