/*
 * frame.c -- the general case of frame_read: any input, however short or wrong.
 *
 * The length is decoded byte by byte. What can be said early is said early: a bad first byte before
 * the length has arrived, a length of more than four bytes with its fourth, a packet above the
 * limit with its header.
 *
 * Threads: pure functions, any.
 */
#include "frame.h"

#define FRAME_LENGTH_BYTES (FIXED_HEADER_LEN_MAX - 1)

enum frame_result frame_read_slow(struct bytes in, uint32_t packet_len_max,
                                  enum mqtt_version version, struct frame *out)
{
    *out = (struct frame){.head = in.len > 0 ? in.ptr[0] : 0};
    if (in.len == 0)
        return FRAME_MORE;
    if (!frame_head_ok(out->head, version))
        return FRAME_MALFORMED;

    uint32_t body_len = 0;
    uint32_t header_len = 1;
    uint8_t byte;
    do {
        if (header_len > FRAME_LENGTH_BYTES)
            return FRAME_MALFORMED;
        if (header_len == in.len)
            return FRAME_MORE;
        byte = in.ptr[header_len];
        body_len |= (uint32_t)(byte & 0x7F) << (7 * (header_len - 1));
        header_len++;
    } while (byte & 0x80);
    CHECK(header_len >= 2 && header_len <= FIXED_HEADER_LEN_MAX);
    CHECK(body_len <= PACKET_LEN_MAX);

    /* A last byte of zero adds nothing: one byte less would have said the same. */
    if (version == MQTT_50 && header_len > 2 && byte == 0)
        return FRAME_MALFORMED;

    out->len = header_len + body_len;
    if (out->len > packet_len_max)
        return FRAME_TOO_LARGE;
    if (out->len > in.len)
        return FRAME_MORE;
    out->body = (struct bytes){.ptr = in.ptr + header_len, .len = body_len};
    return FRAME_OK;
}
