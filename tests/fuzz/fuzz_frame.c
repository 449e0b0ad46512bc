/*
 * fuzz_frame.c -- the frame reader on any bytes (net/frame.h).
 *
 * The first byte of the input chooses version and limit, the rest is what a connection received.
 * Invariants:
 *   - the inline reader and the general one say the same, in every field;
 *   - nothing outside the input is looked at (the address sanitizer's part);
 *   - a shorter prefix never knows more: it is FRAME_MORE, or it says what the whole says;
 *   - a whole packet lies inside the input, and its parts add up.
 */
#include "frame.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fuzz_frame_same(const struct frame *a, const struct frame *b)
{
    CHECK(a->body.ptr == b->body.ptr && a->body.len == b->body.len);
    CHECK(a->len == b->len && a->head == b->head);
}

static enum frame_result fuzz_frame_read(struct bytes in, uint32_t packet_len_max,
                                         enum mqtt_version version, struct frame *out)
{
    struct frame slow;
    enum frame_result result = frame_read(in, packet_len_max, version, out);
    CHECK(frame_read_slow(in, packet_len_max, version, &slow) == result);
    fuzz_frame_same(out, &slow);
    switch (result) {
    case FRAME_OK:
        CHECK(out->len <= in.len && out->len <= packet_len_max);
        CHECK(out->body.ptr == in.ptr + frame_header_len(out));
        break;
    case FRAME_MORE:
        CHECK(out->len == 0 || (out->len > in.len && out->len <= packet_len_max));
        break;
    case FRAME_TOO_LARGE:
        CHECK(out->len > packet_len_max);
        break;
    case FRAME_MALFORMED:
        CHECK(in.len > 0 && out->len == 0);
        break;
    }
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const enum mqtt_version versions[] = {MQTT_NONE, MQTT_31, MQTT_311, MQTT_50};
    static const uint32_t limits[] = {PACKET_LEN_MAX + FIXED_HEADER_LEN_MAX, 64, 2, 0};
    if (len < 1)
        return 0;
    enum mqtt_version version = versions[data[0] & 3];
    uint32_t packet_len_max = limits[(data[0] >> 3) & 3];
    struct bytes in = bytes_of(data + 1, len - 1);
    struct frame frame, part;
    while (in.len > 0) {
        enum frame_result result = fuzz_frame_read(in, packet_len_max, version, &frame);
        for (uint32_t cut = 0; cut < in.len && cut < 8; cut++) {
            /* The prefix in an allocation of its own, so that one byte too many is noticed. */
            uint8_t *copy = malloc(cut > 0 ? cut : 1);
            memcpy(copy, in.ptr, cut);
            struct bytes prefix = {.ptr = copy, .len = cut};
            enum frame_result early = fuzz_frame_read(prefix, packet_len_max, version, &part);
            CHECK(early == result || early == FRAME_MORE ||
                  (early == FRAME_OK && part.len == frame.len));
            CHECK(part.len == 0 || part.len == frame.len);
            free(copy);
        }
        if (result != FRAME_OK)
            break;
        in.ptr += frame.len;
        in.len -= frame.len;
    }
    return 0;
}
