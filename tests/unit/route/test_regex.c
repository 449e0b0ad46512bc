/*
 * test_regex.c -- bounded regular expressions (route/regex.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "mem.h"
#include "regex.h"

static enum regex_answer answer(const char *pattern, const char *subject)
{
    struct regex *regex;
    struct regex_fault fault;
    assert_int_equal(regex_compile(bytes_of_text(pattern), &regex, &fault), RC_OK);
    enum regex_answer got = regex_match(regex, bytes_of_text(subject));
    regex_free(regex);
    return got;
}

static void it_is_found_anywhere_unless_anchored(void **state)
{
    (void)state;
    assert_int_equal(answer("^dashboard$", "dashboard"), REGEX_YES);
    assert_int_equal(answer("^dashboard$", "dashboard2"), REGEX_NO);
    assert_int_equal(answer("board", "dashboard2"), REGEX_YES);
    assert_int_equal(answer("^$", ""), REGEX_YES);
    assert_int_equal(answer("^(emqx|sluice)-[0-9]+$", "sluice-17"), REGEX_YES);
}

static void letters_are_characters_not_bytes(void **state)
{
    (void)state;
    assert_int_equal(answer("^.{3}$", "\xc3\xa4\xc3\xb6\xc3\xbc"), REGEX_YES);
}

static void a_broken_pattern_says_where(void **state)
{
    (void)state;
    struct regex *regex = NULL;
    struct regex_fault fault;
    assert_int_equal(regex_compile(bytes_of_text("ab(c"), &regex, &fault), RC_INVALID);
    assert_null(regex);
    assert_int_equal(fault.offset, 4);
    assert_true(strlen(fault.text) > 0);
    assert_int_equal(regex_compile(bytes_of_text("a\\Cb"), &regex, &fault), RC_INVALID);
    char *large = malloc(REGEX_LEN_MAX + 1);
    memset(large, 'a', REGEX_LEN_MAX + 1);
    assert_int_equal(regex_compile(bytes_of(large, REGEX_LEN_MAX + 1), &regex, &fault), RC_INVALID);
    free(large);
}

static void work_is_bounded(void **state)
{
    (void)state;
    char subject[64];
    memset(subject, 'a', sizeof(subject) - 1);
    subject[sizeof(subject) - 2] = '!';
    subject[sizeof(subject) - 1] = '\0';
    assert_int_equal(answer("^(a|aa)+$", subject), REGEX_UNKNOWN);
}

static void what_is_not_utf8_is_unknown(void **state)
{
    (void)state;
    assert_int_equal(answer("a", "\xff\xfe"), REGEX_UNKNOWN);
}

static void without_memory_nothing_is_made(void **state)
{
    (void)state;
    struct regex *regex = NULL;
    struct regex_fault fault;
    if (!mem_fail_after(0))
        return;
    assert_int_equal(regex_compile(bytes_of_text("a"), &regex, &fault), RC_NO_MEMORY);
    assert_null(regex);
    mem_fail_after(UINT64_MAX);
    regex_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_found_anywhere_unless_anchored),
        cmocka_unit_test(letters_are_characters_not_bytes),
        cmocka_unit_test(a_broken_pattern_says_where),
        cmocka_unit_test(work_is_bounded),
        cmocka_unit_test(what_is_not_utf8_is_unknown),
        cmocka_unit_test(without_memory_nothing_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
