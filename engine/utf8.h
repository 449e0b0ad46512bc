/*
 * utf8.h -- is this well-formed UTF-8?
 *
 * Well-formed as in RFC 3629: no overlong forms, no surrogates (U+D800..U+DFFF), nothing above
 * U+10FFFF. Control characters, non-characters and U+FEFF are ordinary characters here: MQTT 5.0
 * section 1.5.4 forbids only U+0000 and the surrogates, the rest it leaves to the receiver, and
 * U+FEFF must never be skipped [MQTT-1.5.4-3].
 *
 * Nearly every string a broker sees is plain ASCII, so that is tried first, 16 bytes at a time
 * (SSE2, which every x86-64 has; 8 bytes at a time in one word elsewhere); only a string with a
 * byte outside 0x01..0x7F goes to the exact check in utf8.c.
 *
 * Threads: pure functions, any.
 */
#ifndef SLUICE_UTF8_H
#define SLUICE_UTF8_H

#include "check.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* The exact check; byte by byte where the text is not ASCII. `nul_ok`: is U+0000 a character? */
bool utf8_check_exact(const uint8_t *ptr, size_t len, bool nul_ok) MUST_USE;

/* Eight bytes, each 0x01..0x7F? Subtracting borrows into the top bit of the lowest zero byte. */
static inline bool utf8_word_is_plain(uint64_t word)
{
    return (((word - UINT64_C(0x0101010101010101)) | word) & UINT64_C(0x8080808080808080)) == 0;
}

static inline bool utf8_plain16(const uint8_t *ptr)
{
#if defined(__SSE2__)
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)ptr);
    return _mm_movemask_epi8(_mm_cmpgt_epi8(bytes, _mm_setzero_si128())) == 0xFFFF;
#else
    uint64_t words[2];
    memcpy(words, ptr, sizeof(words));
    return utf8_word_is_plain(words[0]) && utf8_word_is_plain(words[1]);
#endif
}

/* Fewer than 16 bytes: two words that overlap, or the bytes themselves. */
static inline bool utf8_plain_short(const uint8_t *ptr, size_t len)
{
    if (len >= 8) {
        uint64_t first, last;
        memcpy(&first, ptr, sizeof(first));
        memcpy(&last, ptr + len - sizeof(last), sizeof(last));
        return utf8_word_is_plain(first) && utf8_word_is_plain(last);
    }
    if (len >= 4) {
        uint32_t first, last;
        memcpy(&first, ptr, sizeof(first));
        memcpy(&last, ptr + len - sizeof(last), sizeof(last));
        return utf8_word_is_plain(((uint64_t)last << 32) | first);
    }
    bool plain = true;
    for (size_t i = 0; i < len; i++)
        plain &= (uint8_t)(ptr[i] - 1) < 0x7F;
    return plain;
}

/* Only bytes 0x01..0x7F? `ptr` may be NULL when `len` is 0. */
static inline bool utf8_is_plain(const uint8_t *ptr, size_t len)
{
    if (len < 16)
        return utf8_plain_short(ptr, len);
    size_t at = 0;
    for (; at + 16 <= len; at += 16) {
        if (!utf8_plain16(ptr + at))
            return false;
    }
    return utf8_plain16(ptr + len - 16);
}

/*
 * utf8_check: an MQTT string (1.5.4): well-formed, and without U+0000 [MQTT-1.5.4-1, -2].
 * utf8_check_data: a payload that claims to be UTF-8 (3.3.2.3.2): well-formed, U+0000 allowed.
 */
static inline bool MUST_USE utf8_check(const uint8_t *ptr, size_t len)
{
    return LIKELY(utf8_is_plain(ptr, len)) || utf8_check_exact(ptr, len, false);
}

static inline bool MUST_USE utf8_check_data(const uint8_t *ptr, size_t len)
{
    return LIKELY(utf8_is_plain(ptr, len)) || utf8_check_exact(ptr, len, true);
}

#endif
