/*
 * packet_hex.h -- packets written down for tests: hexadecimal with quoted text in between.
 *
 *   packet_of(0x10, "0004 'MQTT' 04 02 003c 0001 'a'", MQTT_NONE)
 *
 * makes the frame of a CONNECT; the remaining length is filled in. The bytes lie in an allocation
 * of exactly their size, so that the address sanitizer sees one byte too many being read.
 */
#ifndef SLUICE_PACKET_HEX_H
#define SLUICE_PACKET_HEX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"

static inline uint8_t hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *found = strchr(digits, c);
    assert_true(found != NULL && c != '\0');
    return (uint8_t)(found - digits);
}

/* Fills `out`, which has room for a byte for each character of the text. Returns the bytes. */
static inline uint32_t hex_write(const char *text, uint8_t *out)
{
    uint32_t len = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == ' ')
            continue;
        if (*at == '\'') {
            for (at++; *at != '\''; at++)
                out[len++] = (uint8_t)*at;
            continue;
        }
        out[len++] = (uint8_t)(hex_digit(at[0]) << 4 | hex_digit(at[1]));
        at++;
    }
    return len;
}

/* The bytes of `text` alone in an allocation; free it with hex_free. */
static inline struct bytes hex_bytes(const char *text)
{
    uint8_t *wide = malloc(strlen(text) + 1);
    uint32_t len = hex_write(text, wide);
    uint8_t *exact = malloc(len > 0 ? len : 1);
    memcpy(exact, wide, len);
    free(wide);
    return (struct bytes){.ptr = exact, .len = len};
}

static inline void hex_free(struct bytes bytes)
{
    free((void *)(uintptr_t)bytes.ptr);
}

/* A whole packet; free it with packet_free. Bodies of up to 16383 bytes. */
static inline struct frame packet_of(uint8_t head, const char *body_text, enum mqtt_version version)
{
    struct bytes body = hex_bytes(body_text);
    assert_true(body.len < 16384);
    uint32_t header_len = body.len < 128 ? 2 : 3;
    uint8_t *bytes = malloc(header_len + body.len);
    bytes[0] = head;
    bytes[1] = (uint8_t)(body.len < 128 ? body.len : (body.len & 0x7F) | 0x80);
    if (header_len == 3)
        bytes[2] = (uint8_t)(body.len >> 7);
    memcpy(bytes + header_len, body.ptr, body.len);
    hex_free(body);
    struct frame frame;
    struct bytes in = {.ptr = bytes, .len = header_len + body.len};
    assert_int_equal(frame_read(in, PACKET_LEN_MAX, version, &frame), FRAME_OK);
    assert_int_equal(frame.len, in.len);
    return frame;
}

static inline void packet_free(struct frame *frame)
{
    free((void *)(uintptr_t)(frame->body.ptr - frame_header_len(frame)));
}

/* Do the bytes say what the text says? */
static inline void assert_bytes(struct bytes got, const char *want)
{
    struct bytes expected = hex_bytes(want);
    assert_int_equal(got.len, expected.len);
    if (got.len > 0)
        assert_memory_equal(got.ptr, expected.ptr, got.len);
    hex_free(expected);
}

#endif
