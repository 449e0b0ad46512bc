/*
 * test_bytes.c -- views and the bounded reader (engine/bytes.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bytes.h"

static const uint8_t data[] = {0x01, 0x82, 0x03, 0x84, 0x05, 0x00, 0x02, 'a', 'b'};

static void views_know_their_length(void **state)
{
    (void)state;
    struct bytes text = bytes_of_text("hello");
    assert_int_equal(text.len, 5);
    assert_memory_equal(text.ptr, "hello", 5);
    assert_int_equal(bytes_of_text("").len, 0);
}

static void views_are_equal_by_content(void **state)
{
    (void)state;
    assert_true(bytes_equal(bytes_of("abc", 3), bytes_of("abcd", 3)));
    assert_false(bytes_equal(bytes_of("abc", 3), bytes_of("abc", 2)));
    assert_false(bytes_equal(bytes_of("abc", 3), bytes_of("abd", 3)));
    assert_true(bytes_equal(bytes_of(NULL, 0), bytes_of("x", 0)));
}

static void integers_are_big_endian(void **state)
{
    (void)state;
    struct byte_reader reader = byte_reader_of(bytes_of(data, sizeof(data)));
    assert_int_equal(byte_reader_u8(&reader), 0x01);
    assert_int_equal(byte_reader_u16(&reader), 0x8203);
    assert_int_equal(byte_reader_left(&reader), sizeof(data) - 3);
    reader = byte_reader_of(bytes_of(data, sizeof(data)));
    assert_int_equal(byte_reader_u32(&reader), 0x01820384);
    assert_false(reader.failed);
}

static void views_are_taken_by_length(void **state)
{
    (void)state;
    struct byte_reader reader = byte_reader_of(bytes_of(data, sizeof(data)));
    struct bytes five = byte_reader_take(&reader, 5);
    assert_ptr_equal(five.ptr, data);
    assert_int_equal(five.len, 5);
    struct bytes text = byte_reader_take16(&reader);
    assert_int_equal(text.len, 2);
    assert_memory_equal(text.ptr, "ab", 2);
    assert_int_equal(byte_reader_left(&reader), 0);
    assert_false(reader.failed);
    assert_int_equal(byte_reader_take(&reader, 0).len, 0);
    assert_false(reader.failed);
}

/* Whatever is read, with whatever is left: no byte behind the end, and the failure stays. */
static void reading_past_the_end_fails(void **state)
{
    (void)state;
    for (uint32_t len = 0; len < 4; len++) {
        struct byte_reader reader = byte_reader_of(bytes_of(data, len));
        assert_int_equal(byte_reader_u32(&reader), len >= 2 ? 0x01820000u : 0u);
        assert_true(reader.failed);
        assert_true(reader.at <= reader.end);
    }
    struct byte_reader reader = byte_reader_of(bytes_of(data, 1));
    assert_int_equal(byte_reader_u16(&reader), 0);
    assert_true(reader.failed);
    reader = byte_reader_of(bytes_of(data, 0));
    assert_int_equal(byte_reader_u8(&reader), 0);
    assert_true(reader.failed);
    reader = byte_reader_of(bytes_of(data, 3));
    assert_int_equal(byte_reader_take(&reader, 4).len, 0);
    assert_true(reader.failed);
    /* The two bytes of the length are there, what they promise is not. */
    static const uint8_t promise[] = {0, 3, 'a', 'b'};
    reader = byte_reader_of(bytes_of(promise, sizeof(promise)));
    assert_int_equal(byte_reader_take16(&reader).len, 0);
    assert_true(reader.failed);
}

static void a_failure_stays(void **state)
{
    (void)state;
    struct byte_reader reader = byte_reader_of(bytes_of(data, 3));
    (void)byte_reader_take(&reader, 10);
    assert_true(reader.failed);
    assert_int_equal(byte_reader_u8(&reader), 0x01); /* harmless */
    assert_true(reader.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_know_their_length),    cmocka_unit_test(views_are_equal_by_content),
        cmocka_unit_test(integers_are_big_endian),    cmocka_unit_test(views_are_taken_by_length),
        cmocka_unit_test(reading_past_the_end_fails), cmocka_unit_test(a_failure_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
