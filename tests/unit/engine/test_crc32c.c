/*
 * test_crc32c.c -- CRC-32C against published values and against its portable form (crc32c.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "crc32c.h"

static uint32_t sum(const void *bytes, size_t len)
{
    return ~crc32c_update(CRC32C_START, bytes, len);
}

/* RFC 3720 appendix B.4, and the check value of the catalogue of CRCs. */
static void published_values(void **state)
{
    (void)state;
    uint8_t bytes[32];
    assert_int_equal(sum("123456789", 9), 0xe3069283);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(sum(bytes, sizeof(bytes)), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(sum(bytes, sizeof(bytes)), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    assert_int_equal(sum(bytes, sizeof(bytes)), 0x46dd794e);
    assert_int_equal(sum(NULL, 0), 0);
}

static void both_ways_and_all_pieces_agree(void **state)
{
    (void)state;
    uint8_t bytes[80];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 167 + 13);
    for (size_t start = 0; start < 9; start++) {
        for (size_t len = 0; start + len <= sizeof(bytes); len++) {
            uint32_t whole = crc32c_update(7, bytes + start, len);
            assert_int_equal(crc32c_update_portable(7, bytes + start, len), whole);
            size_t half = len / 3;
            uint32_t state_half = crc32c_update(7, bytes + start, half);
            assert_int_equal(crc32c_update(state_half, bytes + start + half, len - half), whole);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_values),
        cmocka_unit_test(both_ways_and_all_pieces_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
