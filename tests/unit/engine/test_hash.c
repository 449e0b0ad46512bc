/*
 * test_hash.c -- SipHash-2-4 against its paper, the fast hash against its promises (engine/hash.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "hash.h"

static const struct hash_key counting_key = {
    .words = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};

static void keyed_hash_agrees_with_the_paper(void **state)
{
    (void)state;
    /* Inputs 00, 00 01, 00 01 02, ... of the reference vectors, by length. */
    static const struct {
        uint32_t len;
        uint64_t hash;
    } vectors[] = {
        {0, UINT64_C(0x726fdb47dd0e0e31)},  {1, UINT64_C(0x74f839c593dc67fd)},
        {7, UINT64_C(0xab0200f58b01d137)},  {8, UINT64_C(0x93f5f5799a932462)},
        {15, UINT64_C(0xa129ca6149be45e5)}, {16, UINT64_C(0x3f2acc7f57c29bdb)},
    };
    uint8_t input[64];
    for (unsigned i = 0; i < sizeof input; i++)
        input[i] = (uint8_t)i;
    for (unsigned i = 0; i < ARRAY_LEN(vectors); i++) {
        uint64_t hash = hash_keyed(&counting_key, bytes_of(input, vectors[i].len));
        assert_true(hash == vectors[i].hash);
    }
}

static void keyed_hash_depends_on_the_key(void **state)
{
    (void)state;
    struct hash_key other = counting_key;
    other.words[1] ^= 1;
    struct bytes data = bytes_of_text("client-17");
    assert_true(hash_keyed(&counting_key, data) != hash_keyed(&other, data));
}

/* Each length in a block of exactly that size, so that reading past the end is noticed. */
static void fast_hash_reads_every_byte_and_no_more(void **state)
{
    (void)state;
    for (uint32_t len = 1; len < 100; len++) {
        uint8_t *block = malloc(len);
        assert_non_null(block);
        memset(block, 'x', len);
        uint64_t before = hash_fast(&counting_key, bytes_of(block, len));
        for (uint32_t i = 0; i < len; i++) {
            block[i] ^= 1;
            assert_true(hash_fast(&counting_key, bytes_of(block, len)) != before);
            block[i] ^= 1;
        }
        assert_true(hash_fast(&counting_key, bytes_of(block, len)) == before);
        free(block);
    }
}

static void fast_hash_depends_on_length_and_key(void **state)
{
    (void)state;
    static const uint8_t zeroes[64];
    uint64_t seen[64];
    for (uint32_t len = 0; len < 64; len++) {
        seen[len] = hash_fast(&counting_key, bytes_of(zeroes, len));
        for (uint32_t i = 0; i < len; i++)
            assert_true(seen[i] != seen[len]);
    }
    struct hash_key other = counting_key;
    other.words[0] ^= 1;
    assert_true(hash_fast(&other, bytes_of(zeroes, 20)) != seen[20]);
}

/* Tables use the low and the high bits: both must fill evenly for names that only count. */
static void fast_hash_spreads_names_that_count(void **state)
{
    (void)state;
    static unsigned low[256];
    static unsigned high[256];
    const unsigned names = 256 * 64;
    for (unsigned i = 0; i < names; i++) {
        char name[32];
        int len = snprintf(name, sizeof name, "device/%u", i);
        uint64_t hash = hash_fast(&counting_key, bytes_of(name, (size_t)len));
        low[hash & 255]++;
        high[hash >> 56]++;
    }
    for (unsigned i = 0; i < 256; i++) {
        assert_in_range(low[i], 24, 128);
        assert_in_range(high[i], 24, 128);
    }
}

static void mixing_is_not_symmetric(void **state)
{
    (void)state;
    assert_true(hash_mix(1, 2) != hash_mix(2, 1));
    assert_true(hash_mix(0, 0) != hash_mix(0, 1));
    assert_true(hash_mix(0, 0) != hash_mix(1, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keyed_hash_agrees_with_the_paper),
        cmocka_unit_test(keyed_hash_depends_on_the_key),
        cmocka_unit_test(fast_hash_reads_every_byte_and_no_more),
        cmocka_unit_test(fast_hash_depends_on_length_and_key),
        cmocka_unit_test(fast_hash_spreads_names_that_count),
        cmocka_unit_test(mixing_is_not_symmetric),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
