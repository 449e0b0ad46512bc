/*
 * test_text.c -- numbers and strings as the reports show them (bench/load/text.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "text.h"

static struct text_number out;

static void thousands_are_grouped(void **state)
{
    (void)state;
    assert_string_equal(text_grouped(&out, 0), "0");
    assert_string_equal(text_grouped(&out, 999), "999");
    assert_string_equal(text_grouped(&out, 1000), "1,000");
    assert_string_equal(text_grouped(&out, 1234567), "1,234,567");
    assert_string_equal(text_grouped(&out, UINT64_MAX), "18,446,744,073,709,551,615");
}

static void durations_have_three_digits_and_a_unit(void **state)
{
    (void)state;
    assert_string_equal(text_duration(&out, 0), "0 ns");
    assert_string_equal(text_duration(&out, 999), "999 ns");
    assert_string_equal(text_duration(&out, 1234), "1.23 us");
    assert_string_equal(text_duration(&out, 45600), "45.6 us");
    assert_string_equal(text_duration(&out, 789000000), "789 ms");
    assert_string_equal(text_duration(&out, 60000000000), "60.0 s");
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    char json[64];
    assert_string_equal(text_json_string(json, sizeof(json), ""), "\"\"");
    assert_string_equal(text_json_string(json, sizeof(json), "a\"b\\c\n"),
                        "\"a\\\"b\\\\c\\u000a\"");
}

static void json_strings_that_are_too_long_are_cut_whole(void **state)
{
    (void)state;
    char json[16];
    text_json_string(json, sizeof(json), "\n\n\n\n\n\n\n");
    assert_string_equal(json, "\"\\u000a\\u000a\"");
    text_json_string(json, sizeof(json), "abcdefghijklmnopqrstuvwxyz");
    assert_int_equal(json[0], '"');
    assert_int_equal(json[strlen(json) - 1], '"');
    assert_true(strlen(json) < sizeof(json));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousands_are_grouped),
        cmocka_unit_test(durations_have_three_digits_and_a_unit),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(json_strings_that_are_too_long_are_cut_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
