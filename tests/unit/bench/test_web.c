/*
 * test_web.c -- the generator's WebSocket, read and written, against bytes written by hand
 * (bench/load/web.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "web.h"

#define ROOM 4096

static struct web *web;
static uint8_t taken[ROOM]; /* the MQTT bytes of all frames read */
static uint32_t taken_len;
static char request[WEB_REQUEST_LEN_MAX + 1];

/* Feeds `len` bytes in pieces of `step`; the last event that was not data. */
static enum web_event feed(const void *bytes, uint32_t len, uint32_t step)
{
    enum web_event last = WEB_MORE;
    for (uint32_t at = 0; at < len; at += step) {
        struct bytes input = bytes_of((const uint8_t *)bytes + at,
                                      step < len - at ? step : len - at);
        struct bytes piece;
        enum web_event event;
        while ((event = web_read(web, &input, &piece)) != WEB_MORE) {
            if (event == WEB_FAULT)
                return event;
            if (event != WEB_DATA) {
                last = event;
                continue;
            }
            memcpy(taken + taken_len, piece.ptr, piece.len);
            taken_len += piece.len;
        }
        assert_int_equal(input.len, 0);
    }
    return last;
}

/* The broker's answer, with the key of the request that was written. */
static uint32_t answer(char *out, const char *status, const char *protocol)
{
    char key[WEB_KEY_LEN + 1], accept[WEB_ACCEPT_LEN + 1];
    const char *field = strstr(request, "Sec-WebSocket-Key: ");
    assert_non_null(field);
    snprintf(key, sizeof(key), "%s", field + strlen("Sec-WebSocket-Key: "));
    web_accept(key, accept);
    return (uint32_t)snprintf(out, 512,
                              "HTTP/1.1 %s\r\nupgrade:  WebSocket \r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Protocol: %s\r\nSEC-WEBSOCKET-ACCEPT: %s\r\n\r\n",
                              status, protocol, accept);
}

static void make(uint32_t frame_len)
{
    web = web_open(frame_len);
    uint32_t len = web_request(web, request, "::1", 8083, "/mqtt");
    request[len] = '\0';
    taken_len = 0;
}

static void open_it(uint32_t frame_len)
{
    char text[512];
    make(frame_len);
    assert_int_equal(feed(text, answer(text, "101 Switching Protocols", "mqtt"), 512), WEB_OPENED);
}

static int teardown(void **state)
{
    (void)state;
    web_close(web);
    web = NULL;
    return 0;
}

static void the_accept_is_that_of_the_standard(void **state)
{
    (void)state;
    char accept[WEB_ACCEPT_LEN + 1];
    web_accept("dGhlIHNhbXBsZSBub25jZQ==", accept);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void a_request_has_what_the_standard_asks_for(void **state)
{
    (void)state;
    make(0);
    assert_memory_equal(request, "GET /mqtt HTTP/1.1\r\nHost: [::1]:8083\r\n", 38);
    assert_non_null(strstr(request, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"));
    assert_non_null(strstr(request, "\r\nSec-WebSocket-Version: 13\r\n"));
    assert_non_null(strstr(request, "\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"));
}

static void an_answer_may_come_a_byte_at_a_time_and_frames_behind_it(void **state)
{
    (void)state;
    char text[512];
    for (uint32_t step = 1; step < 300; step += 7) {
        make(0);
        uint32_t len = answer(text, "101 Switching Protocols", "mqtt");
        memcpy(text + len, "\x82\x04\x20\x02\x00\x00", 6);
        assert_int_equal(feed(text, len + 6, step), WEB_OPENED);
        assert_int_equal(taken_len, 4);
        assert_memory_equal(taken, "\x20\x02\x00\x00", 4);
        teardown(NULL);
    }
}

static void answers_that_do_not_agree_are_refused(void **state)
{
    (void)state;
    char text[512];
    make(0);
    assert_int_equal(feed(text, answer(text, "404 Not Found", "mqtt"), 512), WEB_FAULT);
    teardown(NULL);
    make(0);
    assert_int_equal(feed(text, answer(text, "101 Switching Protocols", "chat"), 512), WEB_FAULT);
    teardown(NULL);
    make(0);
    uint32_t len = answer(text, "101 Switching Protocols", "mqtt");
    *strstr(text, "=\r\n") = 'A';
    assert_int_equal(feed(text, len, 512), WEB_FAULT);
    assert_string_equal(web_fault(web), "the broker's Sec-WebSocket-Accept is wrong");
    teardown(NULL);
    make(0);
    len = answer(text, "101 Switching Protocols", "mqtt");
    text[len - 1] = 'x';
    for (unsigned i = 0; i < WEB_RESPONSE_LEN_MAX / 200; i++)
        if (feed(text, 200, 512) == WEB_FAULT)
            return;
    assert_int_equal(feed(text, 200, 512), WEB_FAULT);
}

/* Two packets in a frame, one packet in three, with a ping inside the fragmented message. */
static void frames_say_nothing_about_packets(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {
        0x82, 8, 0x30, 2,   'a', 'b', 0x30, 2, 'c', 'd', /* two packets */
        0x02, 1, 0x30,                                   /* the beginning of a third */
        0x89, 2, 'h',  'i',                              /* a ping */
        0x00, 0,                                         /* a fragment of nothing */
        0x80, 3, 2,    'e', 'f',                         /* its end */
        0x8a, 1, 'x',                                    /* a pong that nobody asked for */
    };
    for (uint32_t step = 1; step <= sizeof(bytes); step++) {
        open_it(0);
        assert_int_equal(feed(bytes, sizeof(bytes), step), WEB_ASKED);
        assert_int_equal(taken_len, 12);
        assert_memory_equal(taken,
                            "\x30\x02"
                            "ab\x30\x02"
                            "cd\x30\x02"
                            "ef",
                            12);
        assert_true(web_has_answer(web));
        teardown(NULL);
    }
}

static void long_frames_in_both_lengths(void **state)
{
    (void)state;
    uint8_t bytes[8 + 2 + 300] = {0x82, 126, 300 >> 8, 300 & 0xff};
    memset(bytes + 4, 'm', 300);
    open_it(0);
    assert_int_equal(feed(bytes, 304, 11), WEB_MORE);
    assert_int_equal(taken_len, 300);
    const uint8_t header[] = {0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0};
    memcpy(bytes, header, sizeof(header));
    assert_int_equal(feed(bytes, 310, 3), WEB_MORE);
    assert_int_equal(taken_len, 600);
}

static void what_breaks_the_rules_is_a_fault(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[12];
        uint32_t len;
    } faults[] = {
        {{0x81, 1, 'a'}, 3},               /* text */
        {{0xc2, 1, 'a'}, 3},               /* a reserved bit */
        {{0x83, 1, 'a'}, 3},               /* a reserved opcode */
        {{0x82, 0x81, 1, 2, 3, 4, 0}, 7},  /* masked */
        {{0x80, 1, 'a'}, 3},               /* continues nothing */
        {{0x02, 1, 'a', 0x82, 1, 'b'}, 6}, /* a message inside another */
        {{0x09, 0}, 2},                    /* a ping in fragments */
        {{0x89, 126, 0, 126}, 4},          /* a ping that is too long */
        {{0x82, 126, 0, 125}, 4},          /* a length in more bytes than it needs */
        {{0x82, 127, 0, 0, 0, 0, 0, 0, 255, 255}, 10},
        {{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, 10},
        {{0x88, 1, 3}, 3}, /* half a code */
    };
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        for (uint32_t step = 1; step <= 12; step += 11) {
            open_it(0);
            assert_int_equal(feed(faults[i].bytes, faults[i].len, step), WEB_FAULT);
            assert_non_null(web_fault(web));
            teardown(NULL);
        }
    }
}

static void a_close_says_its_code_and_ends_the_input(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x88, 4, 0x03, 0xe9, 'o', 'k', 0x82, 1, 'a'};
    open_it(0);
    struct bytes input = bytes_of(bytes, sizeof(bytes));
    struct bytes piece;
    assert_int_equal(web_read(web, &input, &piece), WEB_CLOSED);
    assert_int_equal(web_close_code(web), 1001);
    assert_int_equal(web_read(web, &input, &piece), WEB_MORE);
}

/* Takes the mask off the first frame; returns its length, payload in `out`. */
static uint32_t unmasked(const uint8_t *frame, uint8_t opcode, uint8_t *out, uint32_t *out_len)
{
    uint32_t len = frame[1] & 0x7f;
    uint32_t at = 2;
    assert_int_equal(frame[0], 0x80 | opcode);
    assert_int_equal(frame[1] & 0x80, 0x80);
    assert_int_not_equal(len, 127);
    if (len == 126) {
        len = (uint32_t)(frame[2] << 8 | frame[3]);
        at = 4;
    }
    for (uint32_t i = 0; i < len; i++)
        out[i] = frame[at + 4 + i] ^ frame[at + (i & 3)];
    *out_len = len;
    return at + 4 + len;
}

static void each_packet_goes_into_a_frame_of_its_own(void **state)
{
    (void)state;
    static const uint8_t packets[] = {0xc0, 0, 0x30, 9, 0, 1, 'a', '1', '2', '3', '4', '5', '6'};
    uint8_t wire[ROOM], out[ROOM];
    uint32_t used, len;
    open_it(0);
    uint32_t written = web_write(web, wire, sizeof(wire), bytes_of(packets, sizeof(packets)),
                                 &used);
    assert_int_equal(used, sizeof(packets));
    uint32_t at = unmasked(wire, WEB_BINARY, out, &len);
    assert_int_equal(len, 2);
    assert_memory_equal(out, packets, 2);
    at += unmasked(wire + at, WEB_BINARY, out, &len);
    assert_int_equal(len, 11);
    assert_memory_equal(out, packets + 2, 11);
    assert_int_equal(at, written);
}

static void frames_of_a_length_cut_packets(void **state)
{
    (void)state;
    static const uint8_t packets[] = {0x30, 9, 0, 1, 'a', '1', '2', '3', '4', '5', '6', 0xc0, 0};
    uint8_t wire[ROOM], out[ROOM];
    uint32_t used, len, at = 0, total = 0;
    open_it(5);
    uint32_t written = web_write(web, wire, sizeof(wire), bytes_of(packets, sizeof(packets)),
                                 &used);
    assert_int_equal(used, sizeof(packets));
    while (at < written) {
        at += unmasked(wire + at, WEB_BINARY, out + total, &len);
        assert_in_range(len, 1, 5);
        total += len;
    }
    assert_int_equal(total, sizeof(packets));
    assert_memory_equal(out, packets, sizeof(packets));
}

static void what_has_no_room_waits(void **state)
{
    (void)state;
    uint8_t packets[300] = {0};
    uint8_t wire[ROOM];
    uint32_t used;
    for (uint32_t i = 0; i < sizeof(packets); i += 2)
        packets[i] = 0xc0;
    open_it(0);
    uint32_t written = web_write(web, wire, 200, bytes_of(packets, sizeof(packets)), &used);
    assert_true(used > 0 && used < sizeof(packets) && used % 2 == 0);
    assert_int_equal(written, used / 2 * 8);
}

static void a_ping_is_answered_before_the_packets(void **state)
{
    (void)state;
    static const uint8_t pings[] = {0x89, 1, 'a', 0x89, 2, 'b', 'c'};
    static const uint8_t packet[] = {0xc0, 0};
    uint8_t wire[ROOM], out[ROOM];
    uint32_t used, len;
    open_it(0);
    assert_int_equal(feed(pings, sizeof(pings), 1), WEB_ASKED);
    uint32_t written = web_write(web, wire, sizeof(wire), bytes_of(packet, 2), &used);
    assert_false(web_has_answer(web));
    uint32_t at = unmasked(wire, WEB_PONG, out, &len);
    assert_int_equal(len, 2);
    assert_memory_equal(out, "bc", 2);
    at += unmasked(wire + at, WEB_BINARY, out, &len);
    assert_int_equal(at, written);
}

static void a_frame_above_64_kib_has_eight_bytes_of_length(void **state)
{
    (void)state;
    const uint32_t len = 70000;
    uint8_t *payload = calloc(1, len);
    uint8_t *wire = calloc(1, len + WEB_HEADER_LEN_MAX);
    assert_true(payload != NULL && wire != NULL);
    open_it(0);
    assert_int_equal(web_frame_put(web, wire, WEB_BINARY, payload, len), len + WEB_HEADER_LEN_MAX);
    assert_memory_equal(wire, "\x82\xff\x00\x00\x00\x00\x00\x01\x11\x70", 10);
    /* Zeroes under a mask are the mask. */
    for (uint32_t i = 0; i < len; i++)
        assert_int_equal(wire[WEB_HEADER_LEN_MAX + i], wire[10 + (i & 3)]);
    free(payload);
    free(wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_accept_is_that_of_the_standard),
        cmocka_unit_test_teardown(a_request_has_what_the_standard_asks_for, teardown),
        cmocka_unit_test_teardown(an_answer_may_come_a_byte_at_a_time_and_frames_behind_it,
                                  teardown),
        cmocka_unit_test_teardown(answers_that_do_not_agree_are_refused, teardown),
        cmocka_unit_test_teardown(frames_say_nothing_about_packets, teardown),
        cmocka_unit_test_teardown(long_frames_in_both_lengths, teardown),
        cmocka_unit_test_teardown(what_breaks_the_rules_is_a_fault, teardown),
        cmocka_unit_test_teardown(a_close_says_its_code_and_ends_the_input, teardown),
        cmocka_unit_test_teardown(each_packet_goes_into_a_frame_of_its_own, teardown),
        cmocka_unit_test_teardown(frames_of_a_length_cut_packets, teardown),
        cmocka_unit_test_teardown(what_has_no_room_waits, teardown),
        cmocka_unit_test_teardown(a_ping_is_answered_before_the_packets, teardown),
        cmocka_unit_test_teardown(a_frame_above_64_kib_has_eight_bytes_of_length, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
