/*
 * ws_frame.c -- see ws_frame.h.
 *
 * The usual frame, whose header is all there and whose payload is wanted, is read from the input
 * directly; a header cut in two goes through reader->header, byte by byte.
 *
 * Threads: pure functions, any.
 */
#include "ws_frame.h"

#include "utf8.h"

#define WS_FIN      0x80u
#define WS_RESERVED 0x70u
#define WS_OPCODE   0x0fu
#define WS_MASKED   0x80u
#define WS_LENGTH   0x7fu

static const struct {
    uint16_t number;
    const char *text;
} ws_codes[] = {
#define WS_CODE_ROW(name, number, text) {number, text},
    WS_CODE_TABLE(WS_CODE_ROW)
#undef WS_CODE_ROW
};

const char *ws_code_text(uint16_t code)
{
    for (size_t i = 0; i < ARRAY_LEN(ws_codes); i++) {
        if (ws_codes[i].number == code)
            return ws_codes[i].text;
    }
    return "";
}

void ws_reader_init(struct ws_reader *reader, uint64_t frame_max)
{
    memset(reader, 0, sizeof(*reader));
    reader->frame_max = frame_max;
}

/* The key as if `count` of its bytes had been used. */
static uint32_t ws_key_turn(uint32_t key, uint64_t count)
{
    unsigned bits = (unsigned)(count & 3) * 8;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return bits == 0 ? key : (key >> bits) | (key << (32 - bits));
#else
    return bits == 0 ? key : (key << bits) | (key >> (32 - bits));
#endif
}

void ws_unmask(uint8_t *to, const uint8_t *from, uint32_t len, uint32_t key)
{
    uint64_t wide = ((uint64_t)key << 32) | key;
    uint32_t at = 0;
    for (; at + 32 <= len; at += 32) {
        uint64_t words[4];
        memcpy(words, from + at, sizeof(words));
        words[0] ^= wide;
        words[1] ^= wide;
        words[2] ^= wide;
        words[3] ^= wide;
        memcpy(to + at, words, sizeof(words));
    }
    for (; at + 8 <= len; at += 8) {
        uint64_t word;
        memcpy(&word, from + at, sizeof(word));
        word ^= wide;
        memcpy(to + at, &word, sizeof(word));
    }
    uint8_t bytes[4];
    memcpy(bytes, &key, sizeof(bytes));
    for (; at < len; at++)
        to[at] = from[at] ^ bytes[at & 3];
}

static enum ws_result ws_fault(struct ws_reader *reader, enum ws_code code)
{
    reader->code = (uint16_t)code;
    return WS_FAULT;
}

/* How long a header is, from its first two bytes. */
static uint32_t ws_header_need(const uint8_t *header)
{
    uint32_t length = header[1] & WS_LENGTH;
    return 6u + (length == 126 ? 2u : length == 127 ? 8u : 0u);
}

/* What the first two bytes tell. WS_MORE: nothing is wrong so far. */
static enum ws_result ws_header_judge(struct ws_reader *reader, const uint8_t *header)
{
    uint8_t opcode = header[0] & WS_OPCODE;
    bool fin = (header[0] & WS_FIN) != 0;
    if ((header[0] & WS_RESERVED) != 0 || (header[1] & WS_MASKED) == 0)
        return ws_fault(reader, WS_CODE_PROTOCOL);
    switch (opcode) {
    case WS_CONTINUATION:
        return reader->in_message ? WS_MORE : ws_fault(reader, WS_CODE_PROTOCOL);
    case WS_TEXT:
        return ws_fault(reader, reader->in_message ? WS_CODE_PROTOCOL : WS_CODE_TEXT);
    case WS_BINARY:
        return reader->in_message ? ws_fault(reader, WS_CODE_PROTOCOL) : WS_MORE;
    case WS_CLOSE:
    case WS_PING:
    case WS_PONG:
        if (!fin || (header[1] & WS_LENGTH) > WS_CONTROL_LEN_MAX)
            return ws_fault(reader, WS_CODE_PROTOCOL);
        return WS_MORE;
    default:
        return ws_fault(reader, WS_CODE_PROTOCOL);
    }
}

/* A whole header. WS_MORE: its payload begins. */
static enum ws_result ws_header_take(struct ws_reader *reader, const uint8_t *header)
{
    uint64_t length = header[1] & WS_LENGTH;
    uint32_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
    uint64_t least = length == 126 ? 126 : length == 127 ? 65536 : 0;
    if (extended > 0) {
        length = 0;
        for (uint32_t i = 0; i < extended; i++)
            length = (length << 8) | header[2 + i];
        if (length < least || length > INT64_MAX)
            return ws_fault(reader, WS_CODE_PROTOCOL);
    }
    uint8_t opcode = header[0] & WS_OPCODE;
    bool is_data = opcode < WS_CLOSE;
    if (is_data && length > reader->frame_max)
        return ws_fault(reader, WS_CODE_TOO_LARGE);
    if (is_data)
        reader->in_message = (header[0] & WS_FIN) == 0;
    reader->opcode = opcode;
    reader->left = length;
    memcpy(&reader->key, header + 2 + extended, sizeof(reader->key));
    reader->control_len = 0;
    reader->header_len = 0;
    reader->in_payload = true;
    return WS_MORE;
}

/* Reads a header that is cut in two, or the beginning of one; *inout_used moves on. */
static enum ws_result ws_header_gather(struct ws_reader *reader, const uint8_t *in, uint32_t len,
                                       uint32_t *inout_used)
{
    while (*inout_used < len) {
        reader->header[reader->header_len++] = in[(*inout_used)++];
        if (reader->header_len < 2)
            continue;
        if (reader->header_len == 2 && ws_header_judge(reader, reader->header) == WS_FAULT)
            return WS_FAULT;
        if (reader->header_len == ws_header_need(reader->header))
            return ws_header_take(reader, reader->header);
    }
    return WS_MORE;
}

static enum ws_result ws_header_read(struct ws_reader *reader, const uint8_t *in, uint32_t len,
                                     uint32_t *inout_used)
{
    const uint8_t *header = in + *inout_used;
    uint32_t left = len - *inout_used;
    if (UNLIKELY(reader->header_len > 0 || left < 2 || left < ws_header_need(header)))
        return ws_header_gather(reader, in, len, inout_used);
    if (ws_header_judge(reader, header) == WS_FAULT)
        return WS_FAULT;
    *inout_used += ws_header_need(header);
    return ws_header_take(reader, header);
}

/* May a peer send this code (section 7.4, and the registry of section 11.7)? */
static bool ws_code_is_sent(uint16_t code)
{
    if (code < 1000 || code > 4999)
        return false;
    if (code >= 3000)
        return true;
    return code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

static enum ws_result ws_control_whole(struct ws_reader *reader)
{
    if (reader->opcode != WS_CLOSE)
        return WS_CONTROL;
    reader->closed = true;
    if (reader->control_len == 0) {
        reader->code = WS_CODE_ABSENT;
        return WS_CONTROL;
    }
    uint16_t code = (uint16_t)((reader->control[0] << 8) | reader->control[1]);
    if (reader->control_len == 1 || !ws_code_is_sent(code))
        return ws_fault(reader, WS_CODE_PROTOCOL);
    if (!utf8_check_data(reader->control + 2, reader->control_len - 2u))
        return ws_fault(reader, WS_CODE_DATA);
    reader->code = code;
    return WS_CONTROL;
}

/* Payload: of data to the front of `in`, of a control frame aside. */
static void ws_payload_read(struct ws_reader *reader, uint8_t *in, uint32_t len,
                            uint32_t *inout_used, uint32_t *inout_data)
{
    uint32_t part = len - *inout_used;
    if (part > reader->left)
        part = (uint32_t)reader->left;
    const uint8_t *from = in + *inout_used;
    if (reader->opcode < WS_CLOSE) {
        ws_unmask(in + *inout_data, from, part, reader->key);
        *inout_data += part;
    } else {
        CHECK(reader->control_len + part <= WS_CONTROL_LEN_MAX);
        ws_unmask(reader->control + reader->control_len, from, part, reader->key);
        reader->control_len = (uint8_t)(reader->control_len + part);
    }
    reader->key = ws_key_turn(reader->key, part);
    reader->left -= part;
    *inout_used += part;
}

enum ws_result ws_reader_run(struct ws_reader *reader, uint8_t *in, uint32_t *inout_len,
                             uint32_t *out_used)
{
    uint32_t len = *inout_len;
    uint32_t used = 0;
    uint32_t data = 0;
    enum ws_result result = WS_MORE;
    if (reader->closed)
        used = len;
    while (result == WS_MORE && (used < len || (reader->in_payload && reader->left == 0))) {
        if (!reader->in_payload) {
            result = ws_header_read(reader, in, len, &used);
            continue;
        }
        if (reader->opcode >= WS_CLOSE && reader->control == NULL) {
            result = WS_ROOM;
            continue;
        }
        ws_payload_read(reader, in, len, &used, &data);
        if (reader->left > 0)
            continue;
        reader->in_payload = false;
        if (reader->opcode >= WS_CLOSE)
            result = ws_control_whole(reader);
    }
    CHECK(data <= used && used <= len);
    *inout_len = data;
    *out_used = used;
    return result;
}

uint32_t ws_header_write(uint8_t *out, enum ws_opcode opcode, uint64_t payload_len)
{
    out[0] = (uint8_t)(WS_FIN | opcode);
    if (payload_len < 126) {
        out[1] = (uint8_t)payload_len;
        return 2;
    }
    uint32_t bytes = payload_len <= UINT16_MAX ? 2 : 8;
    out[1] = bytes == 2 ? 126 : 127;
    for (uint32_t i = 0; i < bytes; i++)
        out[2 + i] = (uint8_t)(payload_len >> (8 * (bytes - 1 - i)));
    return 2 + bytes;
}

uint32_t ws_close_write(uint8_t *out, uint16_t code)
{
    if (code == WS_CODE_ABSENT)
        return ws_header_write(out, WS_CLOSE, 0);
    const char *text = ws_code_text(code);
    uint32_t text_len = (uint32_t)strlen(text);
    CHECK(text_len + 2 <= WS_CONTROL_LEN_MAX);
    uint32_t len = ws_header_write(out, WS_CLOSE, text_len + 2);
    out[len] = (uint8_t)(code >> 8);
    out[len + 1] = (uint8_t)code;
    memcpy(out + len + 2, text, text_len);
    return len + 2 + text_len;
}
