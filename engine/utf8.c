/*
 * utf8.c -- the exact check, for text that is not plain ASCII.
 *
 * A sequence is recognised by its first byte; the second byte carries what remains of the rules
 * (RFC 3629 section 4), the others are simply 0x80..0xBF:
 *
 *   first     length  second    why the second is narrower
 *   C2..DF    2       80..BF    C0 and C1 would be overlong
 *   E0        3       A0..BF    less would be overlong
 *   ED        3       80..9F    more would be a surrogate
 *   E1..EF    3       80..BF    (ED aside)
 *   F0        4       90..BF    less would be overlong
 *   F4        4       80..8F    more would be above U+10FFFF
 *   F1..F3    4       80..BF
 *
 * Threads: pure functions, any.
 */
#include "utf8.h"

static bool utf8_is_continuation(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

/* The length of the valid multi-byte sequence at `ptr`, or 0; `left` is at least 1. */
static size_t utf8_sequence(const uint8_t *ptr, size_t left)
{
    uint8_t first = ptr[0];
    size_t len = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (first < 0xC2 || first > 0xF4 || left < len)
        return 0;
    uint8_t second_min = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    uint8_t second_max = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (ptr[1] < second_min || ptr[1] > second_max)
        return 0;
    if (len >= 3 && !utf8_is_continuation(ptr[2]))
        return 0;
    if (len == 4 && !utf8_is_continuation(ptr[3]))
        return 0;
    return len;
}

bool utf8_check_exact(const uint8_t *ptr, size_t len, bool nul_ok)
{
    CHECK(ptr != NULL || len == 0);
    size_t at = 0;
    while (at < len) {
        if (len - at >= 16 && utf8_plain16(ptr + at)) {
            at += 16;
            continue;
        }
        if (ptr[at] < 0x80) {
            if (ptr[at] == 0 && !nul_ok)
                return false;
            at++;
            continue;
        }
        size_t sequence_len = utf8_sequence(ptr + at, len - at);
        if (sequence_len == 0)
            return false;
        at += sequence_len;
    }
    CHECK(at == len);
    return true;
}
