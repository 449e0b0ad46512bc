/*
 * frame.h -- where one MQTT packet ends and the next begins.
 *
 * A packet is: one byte of type (high four bits) and flags (low four bits); the length of the rest
 * in one to four bytes of seven bits each, lowest first, the top bit saying that another follows;
 * and the rest, here called the body (MQTT 5.0 section 2.1, 1.5.5).
 *
 * frame_read looks at the bytes received so far and says whether a whole packet stands at their
 * beginning. It keeps no state: after FRAME_MORE it is called again from the packet's first byte,
 * which is cheap because at most five bytes are looked at. The usual case, a length of one or two
 * bytes and a packet that is all there, is inline.
 *
 * Reserved flags and the type 0 are refused with the first byte, so that a client that speaks
 * another protocol altogether (TLS, HTTP) is noticed at once.
 *
 * Threads: pure functions, any.
 */
#ifndef SLUICE_FRAME_H
#define SLUICE_FRAME_H

#include "bytes.h"
#include "limits.h"
#include "mqtt.h"
#include "packet_table.h"

enum frame_result {
    FRAME_OK,        /* a whole packet; the frame's views lie in the input */
    FRAME_MORE,      /* frame->len bytes are needed in all, or 0: not even the header is whole */
    FRAME_MALFORMED, /* type 0, reserved flags, or a length that is none: answer 0x81 */
    FRAME_TOO_LARGE, /* frame->len is above the limit; known with the header: answer 0x95 */
};

struct frame {
    struct bytes body;
    uint32_t len; /* the whole packet, header included */
    uint8_t head; /* first byte, as received */
};

static inline enum packet_type frame_type(const struct frame *frame)
{
    return (enum packet_type)(frame->head >> 4);
}

/*
 * Is this a first byte that may stand at the beginning of a packet [MQTT-2.1.3-1]? In MQTT 3.1
 * flags outside PUBLISH are "not used" (and a repeated PUBREL carries DUP), so they are not looked
 * at.
 */
static inline bool frame_head_ok(uint8_t head, enum mqtt_version version)
{
#define FRAME_FLAGS_TERM(name, type, flags, from) | ((uint64_t)(flags) << (4 * (type)))
    static const uint64_t flags_by_type = 0 PACKET_TABLE(FRAME_FLAGS_TERM);
#undef FRAME_FLAGS_TERM
    unsigned type = head >> 4;
    if (LIKELY(type == PACKET_PUBLISH))
        return true;
    if (UNLIKELY(type == PACKET_NONE))
        return false;
    return version == MQTT_31 || ((flags_by_type >> (4 * type)) & 15) == (head & 15u);
}

/* The general case: any input. Same contract as frame_read, which is what to call. */
enum frame_result frame_read_slow(struct bytes in, uint32_t packet_len_max,
                                  enum mqtt_version version, struct frame *out);

/*
 * frame_read looks for a packet at the start of `in`. `packet_len_max` bounds the whole packet, its
 * header included (as Maximum Packet Size does, 3.1.2.11.4). `version` is the connection's, or
 * MQTT_NONE before CONNECT; MQTT_50 refuses a length in more bytes than it needs [MQTT-1.5.5-1],
 * the older versions have no such rule. On FRAME_MALFORMED nothing in `out` is set but its `head`
 * and `len` = 0; see enum frame_result for the rest.
 */
static inline enum frame_result MUST_USE frame_read(struct bytes in, uint32_t packet_len_max,
                                                    enum mqtt_version version, struct frame *out)
{
    if (LIKELY(in.len >= 2) && LIKELY(frame_head_ok(in.ptr[0], version))) {
        uint32_t body_len = in.ptr[1];
        uint32_t header_len = 2;
        if (body_len >= 0x80) {
            /* A second byte of 1..0x7F ends the length; 0 or a third byte: the general case. */
            if (in.len < 3 || (uint8_t)(in.ptr[2] - 1) >= 0x7F)
                return frame_read_slow(in, packet_len_max, version, out);
            body_len = (body_len & 0x7F) | ((uint32_t)in.ptr[2] << 7);
            header_len = 3;
        }
        uint32_t len = header_len + body_len;
        if (LIKELY(len <= in.len) && LIKELY(len <= packet_len_max)) {
            out->body = (struct bytes){.ptr = in.ptr + header_len, .len = body_len};
            out->len = len;
            out->head = in.ptr[0];
            return FRAME_OK;
        }
    }
    return frame_read_slow(in, packet_len_max, version, out);
}

/* Bytes of the fixed header of a whole packet: 2 to FIXED_HEADER_LEN_MAX. */
static inline uint32_t frame_header_len(const struct frame *frame)
{
    CHECK(frame->len >= frame->body.len + 2);
    CHECK(frame->len <= frame->body.len + FIXED_HEADER_LEN_MAX);
    return frame->len - frame->body.len;
}

/*
 * Does the header use as few bytes as it can? For CONNECT, whose version is known only after the
 * frame has been read.
 */
static inline bool frame_is_minimal(const struct frame *frame)
{
    static const uint32_t body_len_min[FIXED_HEADER_LEN_MAX + 1] = {0, 0, 0, 128, 16384, 2097152};
    return frame->body.len >= body_len_min[frame_header_len(frame)];
}

#endif
