/*
 * test_ws_frame.c -- WebSocket frames: whole, cut anywhere, masked with any key, and every way in
 * which RFC 6455 says that a frame is wrong.
 */
#include "ws_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define WIRE_MAX 200000

static uint8_t wire[WIRE_MAX];
static uint32_t wire_len;
static uint8_t room[WS_CONTROL_LEN_MAX];

static uint8_t payload_byte(uint32_t at)
{
    return (uint8_t)(at * 7 + (at >> 8));
}

/* Appends a masked frame; the payload is payload_byte from `from` on, or `text`. */
static void put_frame(uint8_t head, uint32_t len, uint32_t from, const char *text)
{
    static const uint8_t key[4] = {0x12, 0x00, 0xff, 0x9c};
    uint8_t *out = wire + wire_len;
    uint32_t header = ws_header_write(out, WS_BINARY, len);
    out[0] = head;
    out[1] |= 0x80;
    memcpy(out + header, key, 4);
    header += 4;
    for (uint32_t i = 0; i < len; i++)
        out[header + i] = (uint8_t)((text != NULL ? (uint8_t)text[i] : payload_byte(from + i)) ^
                                    key[i & 3]);
    wire_len += header + len;
    assert_true(wire_len <= WIRE_MAX);
}

static void put_bytes(const char *bytes, uint32_t len)
{
    memcpy(wire + wire_len, bytes, len);
    wire_len += len;
}

struct outcome {
    enum ws_result result; /* WS_FAULT, or WS_MORE at the end of the input */
    uint16_t code;
    uint32_t controls;
    uint32_t data_len;
    uint8_t data[WIRE_MAX];
};

static struct outcome out;

/* Reads the wire in pieces of `piece` bytes. */
static void run(struct ws_reader *reader, uint32_t piece)
{
    memset(&out, 0, sizeof(out));
    for (uint32_t at = 0; at < wire_len && out.result != WS_FAULT; at += piece) {
        uint32_t left = wire_len - at < piece ? wire_len - at : piece;
        uint8_t *copy = malloc(left);
        uint8_t *in = copy;
        memcpy(copy, wire + at, left);
        do {
            uint32_t len = left;
            uint32_t used;
            out.result = ws_reader_run(reader, in, &len, &used);
            assert_true(len <= used && used <= left);
            memcpy(out.data + out.data_len, in, len);
            out.data_len += len;
            in += used;
            left -= used;
            if (out.result == WS_ROOM)
                reader->control = room;
            out.controls += out.result == WS_CONTROL;
        } while (out.result == WS_ROOM || out.result == WS_CONTROL);
        free(copy);
    }
    out.code = reader->code;
}

static void check_data(uint32_t len)
{
    assert_int_equal(out.data_len, len);
    for (uint32_t i = 0; i < len; i++)
        assert_int_equal(out.data[i], payload_byte(i));
}

static void test_ws_data_of_all_lengths_in_all_pieces(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {0,   1,   5,    31,    32,    33,   125,
                                       126, 127, 1000, 65535, 65536, 70001};
    static const uint32_t pieces[] = {WIRE_MAX, 1, 2, 3, 7, 13, 4096};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        for (size_t j = 0; j < ARRAY_LEN(pieces); j++) {
            struct ws_reader reader;
            ws_reader_init(&reader, WS_FRAME_UNLIMITED);
            wire_len = 0;
            put_frame(0x82, lengths[i], 0, NULL);
            put_frame(0x82, 3, lengths[i], NULL);
            run(&reader, pieces[j]);
            assert_int_equal(out.result, WS_MORE);
            check_data(lengths[i] + 3);
        }
    }
}

static void test_ws_fragments_with_pings_inside(void **state)
{
    (void)state;
    for (uint32_t piece = 1; piece < 60; piece++) {
        struct ws_reader reader;
        ws_reader_init(&reader, WS_FRAME_UNLIMITED);
        wire_len = 0;
        put_frame(0x02, 10, 0, NULL);
        put_frame(0x89, 5, 0, "hello");
        put_frame(0x00, 0, 0, NULL);
        put_frame(0x00, 7, 10, NULL);
        put_frame(0x8a, 0, 0, NULL);
        put_frame(0x80, 3, 17, NULL);
        put_frame(0x82, 2, 20, NULL);
        run(&reader, piece);
        assert_int_equal(out.result, WS_MORE);
        assert_int_equal(out.controls, 2);
        check_data(22);
        assert_true(ws_reader_room_is_free(&reader));
    }
}

static void test_ws_ping_payload(void **state)
{
    (void)state;
    struct ws_reader reader;
    ws_reader_init(&reader, WS_FRAME_UNLIMITED);
    wire_len = 0;
    put_frame(0x82, 2, 0, NULL);
    put_frame(0x89, 125, 0, NULL);
    uint32_t len = wire_len;
    uint32_t used;
    assert_int_equal(ws_reader_run(&reader, wire, &len, &used), WS_ROOM);
    assert_int_equal(len, 2);
    reader.control = room;
    uint32_t rest = wire_len - used;
    assert_int_equal(ws_reader_run(&reader, wire + used, &rest, &len), WS_CONTROL);
    assert_int_equal(reader.opcode, WS_PING);
    assert_int_equal(reader.control_len, 125);
    for (uint32_t i = 0; i < 125; i++)
        assert_int_equal(room[i], payload_byte(i));
}

static void test_ws_faults(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        uint32_t len;
        uint16_t code;
    } rows[] = {
        {"\x82\x01\x00", 3, 1002}, /* no mask */
        {"\xc2\x80", 2, 1002},     /* reserved bits */
        {"\xa2\x80", 2, 1002},
        {"\x92\x80", 2, 1002},
        {"\x83\x80", 2, 1002}, /* reserved opcodes */
        {"\x87\x80", 2, 1002},
        {"\x8b\x80", 2, 1002},
        {"\x8f\x80", 2, 1002},
        {"\x81\x80", 2, 1003}, /* text */
        {"\x01\x80", 2, 1003},
        {"\x80\x80", 2, 1002},                         /* a continuation of nothing */
        {"\x02\x80\x00\x00\x00\x00\x82\x80", 8, 1002}, /* a message inside another */
        {"\x02\x80\x00\x00\x00\x00\x81\x80", 8, 1002},
        {"\x09\x80", 2, 1002},                         /* a fragmented ping */
        {"\x89\xfe", 2, 1002},                         /* a ping of more than 125 bytes */
        {"\x82\xfe\x00\x7d\x00\x00\x00\x00", 8, 1002}, /* a length in too many bytes */
        {"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00", 14, 1002},
        {"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 14, 1002},
        {"\x82\xfe\x40\x01\x00\x00\x00\x00", 8, 1009}, /* above the limit */
        {"\x88\x81\x00\x00\x00\x00\x03", 7, 1002},     /* close payloads */
        {"\x88\x82\x00\x00\x00\x00\x03\xe7", 8, 1002},
        {"\x88\x82\x00\x00\x00\x00\x03\xec", 8, 1002},
        {"\x88\x82\x00\x00\x00\x00\x03\xed", 8, 1002},
        {"\x88\x82\x00\x00\x00\x00\x03\xee", 8, 1002},
        {"\x88\x82\x00\x00\x00\x00\x03\xf7", 8, 1002},
        {"\x88\x82\x00\x00\x00\x00\x13\x88", 8, 1002},
        {"\x88\x83\x00\x00\x00\x00\x03\xe8\xc3", 9, 1007}, /* a reason that is not UTF-8 */
        {"\x88\x85\x00\x00\x00\x00\x03\xe8\xed\xa0\x80", 11, 1007},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (uint32_t piece = 1; piece <= rows[i].len; piece++) {
            struct ws_reader reader;
            ws_reader_init(&reader, 16384);
            wire_len = 0;
            put_bytes(rows[i].bytes, rows[i].len);
            run(&reader, piece);
            assert_int_equal(out.result, WS_FAULT);
            assert_int_equal(out.code, rows[i].code);
        }
    }
}

static void test_ws_close(void **state)
{
    (void)state;
    static const struct {
        const char *payload;
        uint32_t len;
        uint16_t code;
    } rows[] = {{"", 0, 1005},
                {"\x03\xe8", 2, 1000},
                {"\x03\xe8"
                 "bye",
                 5, 1000},
                {"\x03\xe9", 2, 1001},
                {"\x03\xf3", 2, 1011},
                {"\x0b\xb8", 2, 3000},
                {"\x13\x87", 2, 4999},
                {"\x03\xe8\xc3\xa4", 4, 1000}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ws_reader reader;
        ws_reader_init(&reader, WS_FRAME_UNLIMITED);
        wire_len = 0;
        put_frame(0x82, 4, 0, NULL);
        put_frame(0x88, rows[i].len, 0, rows[i].payload);
        put_frame(0x82, 4, 4, NULL); /* thrown away */
        put_bytes("\xff\xff\xff", 3);
        run(&reader, WIRE_MAX);
        assert_int_equal(out.result, WS_MORE);
        assert_int_equal(out.code, rows[i].code);
        assert_true(reader.closed);
        check_data(4);
    }
}

static void test_ws_limit_is_for_data_frames(void **state)
{
    (void)state;
    struct ws_reader reader;
    ws_reader_init(&reader, 10);
    wire_len = 0;
    put_frame(0x82, 10, 0, NULL);
    put_frame(0x89, 20, 0, NULL);
    run(&reader, WIRE_MAX);
    assert_int_equal(out.result, WS_MORE);
    put_frame(0x82, 11, 0, NULL);
    ws_reader_init(&reader, 10);
    run(&reader, WIRE_MAX);
    assert_int_equal(out.result, WS_FAULT);
    assert_int_equal(out.code, 1009);
    check_data(10); /* what came before it is not lost */
}

static void test_ws_unmask_overlaps(void **state)
{
    (void)state;
    uint8_t key_bytes[4] = {1, 2, 3, 0xf4};
    uint32_t key;
    memcpy(&key, key_bytes, 4);
    for (uint32_t shift = 0; shift < 20; shift++) {
        for (uint32_t len = 0; len < 100; len++) {
            uint8_t memory[128];
            for (uint32_t i = 0; i < len; i++)
                memory[shift + i] = (uint8_t)(i ^ key_bytes[i & 3]);
            ws_unmask(memory, memory + shift, len, key);
            for (uint32_t i = 0; i < len; i++)
                assert_int_equal(memory[i], (uint8_t)i);
        }
    }
}

static void test_ws_headers_written(void **state)
{
    (void)state;
    uint8_t header[WS_HEADER_LEN_OUT_MAX];
    assert_int_equal(ws_header_write(header, WS_BINARY, 0), 2);
    assert_memory_equal(header, "\x82\x00", 2);
    assert_int_equal(ws_header_write(header, WS_PONG, 125), 2);
    assert_memory_equal(header, "\x8a\x7d", 2);
    assert_int_equal(ws_header_write(header, WS_BINARY, 126), 4);
    assert_memory_equal(header, "\x82\x7e\x00\x7e", 4);
    assert_int_equal(ws_header_write(header, WS_BINARY, 65535), 4);
    assert_memory_equal(header, "\x82\x7e\xff\xff", 4);
    assert_int_equal(ws_header_write(header, WS_BINARY, 65536), 10);
    assert_memory_equal(header, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10);
}

static void test_ws_close_written(void **state)
{
    (void)state;
    uint8_t frame[2 + WS_CONTROL_LEN_MAX];
    assert_int_equal(ws_close_write(frame, WS_CODE_ABSENT), 2);
    assert_memory_equal(frame, "\x88\x00", 2);
#define WRITTEN(name, number, text)                                                                \
    if (name != WS_CODE_ABSENT) {                                                                  \
        assert_int_equal(ws_close_write(frame, name), 4 + strlen(text));                           \
        assert_int_equal((frame[2] << 8) | frame[3], number);                                      \
        assert_memory_equal(frame + 4, text, strlen(text));                                        \
    }
    WS_CODE_TABLE(WRITTEN)
#undef WRITTEN
    /* One of the peer's own goes back without a text. */
    assert_int_equal(ws_close_write(frame, 4711), 4);
    assert_memory_equal(frame, "\x88\x02\x12\x67", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ws_data_of_all_lengths_in_all_pieces),
        cmocka_unit_test(test_ws_fragments_with_pings_inside),
        cmocka_unit_test(test_ws_ping_payload),
        cmocka_unit_test(test_ws_faults),
        cmocka_unit_test(test_ws_close),
        cmocka_unit_test(test_ws_limit_is_for_data_frames),
        cmocka_unit_test(test_ws_unmask_overlaps),
        cmocka_unit_test(test_ws_headers_written),
        cmocka_unit_test(test_ws_close_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
