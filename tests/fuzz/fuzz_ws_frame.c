/*
 * fuzz_ws_frame.c -- the WebSocket frame reader on any bytes (net/ws_frame.h).
 *
 * The first byte chooses how the rest, which is what a connection received, is cut into pieces.
 * Invariants:
 *   - the cut makes no difference: data, control frames and result are those of one piece;
 *   - data is never longer than what was used up;
 *   - nothing outside the input is touched (each piece stands in an allocation of its own).
 */
#include "ws_frame.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct outcome {
    uint64_t data_hash;
    uint64_t control_hash;
    uint32_t data_len;
    uint32_t controls;
    enum ws_result result;
    uint16_t code;
};

static void fuzz_hash(uint64_t *hash, const uint8_t *ptr, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        *hash = (*hash ^ ptr[i]) * UINT64_C(0x100000001b3);
}

static void fuzz_piece(struct ws_reader *reader, uint8_t *in, uint32_t left, struct outcome *out,
                       uint8_t *room)
{
    do {
        uint32_t len = left;
        uint32_t used;
        out->result = ws_reader_run(reader, in, &len, &used);
        CHECK(len <= used && used <= left);
        CHECK(out->result != WS_MORE || used == left);
        fuzz_hash(&out->data_hash, in, len);
        out->data_len += len;
        in += used;
        left -= used;
        if (out->result == WS_ROOM)
            reader->control = room;
        if (out->result == WS_CONTROL) {
            CHECK(reader->opcode >= WS_CLOSE && reader->control_len <= WS_CONTROL_LEN_MAX);
            fuzz_hash(&out->control_hash, &reader->opcode, 1);
            fuzz_hash(&out->control_hash, room, reader->control_len);
            out->controls++;
        }
        if (ws_reader_room_is_free(reader))
            reader->control = NULL;
    } while (out->result == WS_ROOM || out->result == WS_CONTROL);
}

static struct outcome fuzz_run(const uint8_t *data, uint32_t len, uint32_t piece)
{
    static uint8_t room[WS_CONTROL_LEN_MAX];
    struct ws_reader reader;
    struct outcome out = {.result = WS_MORE};
    ws_reader_init(&reader, 2000);
    for (uint32_t at = 0; at < len && out.result != WS_FAULT; at += piece) {
        uint32_t part = len - at < piece ? len - at : piece;
        uint8_t *copy = malloc(part);
        CHECK(copy != NULL);
        memcpy(copy, data + at, part);
        fuzz_piece(&reader, copy, part, &out, room);
        free(copy);
    }
    out.code = reader.code;
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2)
        return 0;
    uint32_t piece = 1u + data[0];
    struct outcome whole = fuzz_run(data + 1, (uint32_t)len - 1, (uint32_t)len);
    struct outcome cut = fuzz_run(data + 1, (uint32_t)len - 1, piece);
    CHECK(whole.result == cut.result && whole.code == cut.code);
    CHECK(whole.data_len == cut.data_len && whole.data_hash == cut.data_hash);
    CHECK(whole.controls == cut.controls && whole.control_hash == cut.control_hash);
    return 0;
}
