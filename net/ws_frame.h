/*
 * ws_frame.h -- WebSocket frames (RFC 6455 section 5), as a server reads and writes them.
 *
 *   byte 0     FIN, three reserved bits, four bits of opcode
 *   byte 1     MASK, seven bits of length; 126: two bytes of length follow, 127: eight
 *   4 bytes    masking key: always from a client, never from us
 *   payload    byte i was combined with byte i mod 4 of the key by exclusive or
 *
 * To MQTT the payloads of data frames are one stream of bytes: neither frames nor messages say
 * anything about packets [MQTT-6.0.0-2]. So the reader takes what was received, in place: it
 * unmasks payloads and moves them together to the front of the same memory, over the headers. What
 * is read this way goes to the packet parser in one piece. Nothing is kept but the header of a
 * frame that is not complete, so a frame may be of any size and arrive a byte at a time. Only the
 * payload of a control frame (at most 125 bytes) is collected, in room that the caller gives when
 * it is asked for it, and takes back.
 *
 * What ends the connection, by close code (section 7.4.1):
 *
 *   1002  reserved bits or opcodes, no mask, a length in more bytes than it needs or above 2^63, a
 *         control frame that is fragmented or above 125 bytes, a continuation of nothing, a new
 *         message inside another, a close payload of one byte or with a code that is none
 *   1003  a text frame [MQTT-6.0.0-1]
 *   1007  a close reason that is not UTF-8
 *   1009  a data frame above the limit of the listener, known from its header
 *
 * Threads: pure functions, any.
 */
#ifndef SLUICE_WS_FRAME_H
#define SLUICE_WS_FRAME_H

#include "bytes.h"

/* From a client: two bytes, eight of length, four of key. */
#define WS_HEADER_LEN_MAX     14
#define WS_HEADER_LEN_OUT_MAX 10
#define WS_CONTROL_LEN_MAX    125
#define WS_FRAME_UNLIMITED    UINT64_MAX

enum ws_opcode {
    WS_CONTINUATION = 0,
    WS_TEXT = 1,
    WS_BINARY = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10,
};

#define WS_CODE_TABLE(X)                                                                           \
    X(WS_CODE_NORMAL, 1000, "the end")                                                             \
    X(WS_CODE_GOING_AWAY, 1001, "the broker is stopping")                                          \
    X(WS_CODE_PROTOCOL, 1002, "a WebSocket protocol error")                                        \
    X(WS_CODE_TEXT, 1003, "MQTT needs binary frames")                                              \
    X(WS_CODE_ABSENT, 1005, "no code")                                                             \
    X(WS_CODE_DATA, 1007, "text that is not UTF-8")                                                \
    X(WS_CODE_POLICY, 1008, "not permitted")                                                       \
    X(WS_CODE_TOO_LARGE, 1009, "the frame is too large")

#define WS_CODE_ENUM(name, number, text) name = (number),
enum ws_code { WS_CODE_TABLE(WS_CODE_ENUM) };
#undef WS_CODE_ENUM

/* Static text; empty for a code that is not in the table. */
const char *ws_code_text(uint16_t code);

enum ws_result {
    WS_MORE,    /* everything was used up */
    WS_ROOM,    /* give reader->control room for WS_CONTROL_LEN_MAX bytes, and go on */
    WS_CONTROL, /* a control frame is whole: reader->opcode, control, control_len */
    WS_FAULT,   /* reader->code says why; nothing more may be read */
};

/* A reader between two receives. All zero and its limit: before the first frame. */
struct ws_reader {
    uint64_t left;       /* payload of the current frame that has not come yet */
    uint64_t frame_max;  /* payload of a data frame; WS_FRAME_UNLIMITED: any */
    uint8_t *control;    /* the caller's room; NULL: none */
    uint32_t key;        /* as in memory, turned so that its first byte is the next to use */
    uint16_t code;       /* enum ws_code of a fault; of a close frame, what the peer gave */
    uint8_t header_len;  /* bytes of the header that have come */
    uint8_t opcode;      /* of the current or the last frame */
    uint8_t control_len; /* of control[] that is filled */
    bool in_payload : 1; /* the header is whole */
    bool in_message : 1; /* a data frame without FIN has come, its continuation not yet */
    bool closed : 1;     /* a close frame has come */
    uint8_t header[WS_HEADER_LEN_MAX];
};

void ws_reader_init(struct ws_reader *reader, uint64_t frame_max);

/*
 * Reads `in` of `*inout_len` bytes, which is overwritten. On return *inout_len bytes of data stand
 * at its front, whatever the result, and *out_used bytes were used up; after WS_CONTROL and WS_ROOM
 * the reader is called again with what is behind them, even if that is nothing. After a close frame
 * all input is thrown away.
 */
MUST_USE enum ws_result ws_reader_run(struct ws_reader *reader, uint8_t *in, uint32_t *inout_len,
                                      uint32_t *out_used);

/* The room for control frames holds nothing: the caller may take it back. */
static inline bool ws_reader_room_is_free(const struct ws_reader *reader)
{
    return !reader->in_payload || reader->opcode < WS_CLOSE;
}

/* Combines `len` bytes with a key, whose first byte is the first to use; to <= from. */
void ws_unmask(uint8_t *to, const uint8_t *from, uint32_t len, uint32_t key);

/* The header of a whole unmasked frame, WS_HEADER_LEN_OUT_MAX bytes at most; how many it has. */
uint32_t ws_header_write(uint8_t *out, enum ws_opcode opcode, uint64_t payload_len);

/*
 * A close frame with `code` and, if it is one of ours, its text; without any payload for
 * WS_CODE_ABSENT. `out` has room for 2 + WS_CONTROL_LEN_MAX bytes. Returns its length.
 */
uint32_t ws_close_write(uint8_t *out, uint16_t code);

#endif
