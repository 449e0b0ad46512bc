/*
 * test_connect_wire.c -- frames between sluiced and sluice-connect (ops/connect_wire.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "connect_wire.h"

static struct connect_buffer buffer;

static int tear_down(void **state)
{
    (void)state;
    connect_buffer_fini(&buffer);
    return 0;
}

static struct bytes all(void)
{
    return bytes_of(buffer.ptr, buffer.len);
}

static void same(struct bytes got, const char *text)
{
    assert_true(bytes_equal(got, bytes_of_text(text)));
}

static void write_request(uint32_t id)
{
    const struct bytes headers[] = {bytes_of_text("accept: text/plain"), bytes_of_text("x: y")};
    struct connect_request request = {.timeout_ms = 5000,
                                      .connect_timeout_ms = 70000,
                                      .flags = CONNECT_INSECURE,
                                      .method = bytes_of_text("POST"),
                                      .url = bytes_of_text("http://127.0.0.1/x"),
                                      .body = bytes_of_text("{}"),
                                      .headers = headers,
                                      .headers_num = 2};
    assert_true(connect_write_request(&buffer, id, &request));
}

static void a_request_comes_out_as_it_went_in(void **state)
{
    (void)state;
    write_request(77);
    struct connect_frame frame;
    struct connect_request out;
    struct bytes headers[CONNECT_HEADERS_MAX];
    assert_int_equal(connect_read_frame(all(), &frame), CONNECT_OK);
    assert_int_equal(frame.len, buffer.len);
    assert_int_equal(frame.id, 77);
    assert_int_equal(frame.kind, CONNECT_REQUEST);
    assert_true(connect_read_request(frame.body, &out, headers));
    assert_int_equal(out.timeout_ms, 5000);
    assert_int_equal(out.connect_timeout_ms, 70000);
    assert_int_equal(out.flags, CONNECT_INSECURE);
    same(out.method, "POST");
    same(out.url, "http://127.0.0.1/x");
    same(out.ca_file, "");
    same(out.body, "{}");
    assert_int_equal(out.headers_num, 2);
    same(out.headers[1], "x: y");
}

static void an_answer_comes_out_as_it_went_in(void **state)
{
    (void)state;
    struct connect_response in = {.status = 204, .content_type = bytes_of_text("a/b")};
    assert_true(connect_write_response(&buffer, 5, &in));
    assert_true(connect_write_cancel(&buffer, 6));
    struct connect_frame frame;
    struct connect_response out;
    assert_int_equal(connect_read_frame(all(), &frame), CONNECT_OK);
    assert_true(connect_read_response(frame.body, &out));
    assert_int_equal(out.status, 204);
    same(out.content_type, "a/b");
    same(out.body, "");
    connect_buffer_drop(&buffer, frame.len);
    assert_int_equal(connect_read_frame(all(), &frame), CONNECT_OK);
    assert_int_equal(frame.kind, CONNECT_CANCEL);
    assert_int_equal(frame.id, 6);
}

static void a_piece_of_a_frame_asks_for_more(void **state)
{
    (void)state;
    write_request(1);
    struct connect_frame frame;
    for (uint32_t len = 0; len < buffer.len; len++)
        assert_int_equal(connect_read_frame(bytes_of(buffer.ptr, len), &frame), CONNECT_MORE);
}

static void every_cut_or_changed_body_is_refused_or_read_within_its_bounds(void **state)
{
    (void)state;
    write_request(1);
    struct bytes body = {buffer.ptr + CONNECT_FRAME_HEAD, buffer.len - CONNECT_FRAME_HEAD};
    struct connect_request out;
    struct bytes headers[CONNECT_HEADERS_MAX];
    for (uint32_t len = 0; len < body.len; len++) {
        /* A copy of its own, so that the address sanitizer sees a step beyond it. */
        struct connect_buffer copy = {0};
        assert_true(connect_buffer_add(&copy, body.ptr, len));
        assert_false(connect_read_request(bytes_of(copy.ptr, copy.len), &out, headers));
        connect_buffer_fini(&copy);
    }
    for (uint32_t i = 0; i < body.len; i++) {
        buffer.ptr[CONNECT_FRAME_HEAD + i] ^= 0xff;
        (void)(!connect_read_request(body, &out, headers));
        buffer.ptr[CONNECT_FRAME_HEAD + i] ^= 0xff;
    }
}

static void nonsense_is_no_frame(void **state)
{
    (void)state;
    struct connect_frame frame;
    uint8_t kind[] = {0, 0, 0, 0, 0, 0, 0, 1, 9};
    uint8_t len[] = {0xff, 0, 0, 0, 0, 0, 0, 1, CONNECT_CANCEL};
    assert_int_equal(connect_read_frame(bytes_of(kind, sizeof(kind)), &frame), CONNECT_BAD);
    assert_int_equal(connect_read_frame(bytes_of(len, sizeof(len)), &frame), CONNECT_BAD);
}

static void what_is_too_large_is_not_begun(void **state)
{
    (void)state;
    static uint8_t large[CONNECT_FRAME_MAX];
    struct connect_response in = {.status = 200, .body = bytes_of(large, sizeof(large))};
    write_request(1);
    uint32_t before = buffer.len;
    assert_false(connect_write_response(&buffer, 2, &in));
    assert_int_equal(buffer.len, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_request_comes_out_as_it_went_in, tear_down),
        cmocka_unit_test_teardown(an_answer_comes_out_as_it_went_in, tear_down),
        cmocka_unit_test_teardown(a_piece_of_a_frame_asks_for_more, tear_down),
        cmocka_unit_test_teardown(every_cut_or_changed_body_is_refused_or_read_within_its_bounds,
                                  tear_down),
        cmocka_unit_test_teardown(nonsense_is_no_frame, tear_down),
        cmocka_unit_test_teardown(what_is_too_large_is_not_begun, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
