/*
 * crc32c.c -- see crc32c.h.
 *
 * The polynomial 0x1EDC6F41, reflected 0x82F63B78. The processor's instruction has no other.
 * __builtin_cpu_supports reads a word that the C runtime filled at the start of the process.
 *
 * Threads: pure functions, any.
 */
#include "crc32c.h"

#include <string.h>

#include "check.h"

/* What four bits, shifted out at the low end, do to the rest. */
static const uint32_t crc32c_nibbles[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t crc32c_update_portable(uint32_t state, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    for (; len > 0; len--) {
        state ^= *at++;
        state = (state >> 4) ^ crc32c_nibbles[state & 15];
        state = (state >> 4) ^ crc32c_nibbles[state & 15];
    }
    return state;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc32c_update_sse(uint32_t state,
                                                                    const uint8_t *at, size_t len)
{
    uint64_t wide = state;
    for (; len >= 8; len -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        wide = __builtin_ia32_crc32di(wide, word);
    }
    state = (uint32_t)wide;
    if (len >= 4) {
        uint32_t word;
        memcpy(&word, at, sizeof(word));
        state = __builtin_ia32_crc32si(state, word);
        at += 4;
        len -= 4;
    }
    for (; len > 0; len--)
        state = __builtin_ia32_crc32qi(state, *at++);
    return state;
}
#endif

uint32_t crc32c_update(uint32_t state, const void *bytes, size_t len)
{
    CHECK(bytes != NULL || len == 0);
#ifdef __x86_64__
    if (LIKELY(__builtin_cpu_supports("sse4.2")))
        return crc32c_update_sse(state, bytes, len);
#endif
    return crc32c_update_portable(state, bytes, len);
}

uint32_t crc32c_seed(uint64_t a, uint64_t b)
{
    uint64_t words[2] = {a, b};
    STATIC_CHECK(sizeof(words) == 16, "two words without a gap");
    return crc32c_update(CRC32C_START, words, sizeof(words));
}
