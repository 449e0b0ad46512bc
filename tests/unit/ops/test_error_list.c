/*
 * test_error_list.c -- the list of messages: its bound, its cuts, and that it is harmless to print.
 */
#include "error_list.h"

#include "check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct error_list list;

static void messages_over_the_bound_are_counted(void **state)
{
    (void)state;
    error_list_init(&list);
    assert_true(error_list_is_empty(&list));
    for (int i = 0; i < ERROR_LIST_MAX + 5; i++)
        error_list_add(&list, "message %d", i);
    assert_false(error_list_is_empty(&list));
    assert_int_equal(list.num, ERROR_LIST_MAX);
    assert_int_equal(list.extra, 5);
    assert_string_equal(list.texts[ERROR_LIST_MAX - 1], "message 63");
}

static void long_messages_are_cut_at_a_character(void **state)
{
    (void)state;
    char text[2 * ERROR_TEXT_LEN_MAX];
    for (int offset = 0; offset < 4; offset++) {
        /* Characters of four bytes, so that the cut falls on each of their bytes once. */
        memset(text, 'x', sizeof(text));
        for (size_t at = (size_t)offset; at + 4 < sizeof(text); at += 4)
            memcpy(text + at, "\xF0\x9F\x98\x80", 4);
        text[sizeof(text) - 1] = '\0';
        error_list_init(&list);
        error_list_add(&list, "%s", text);
        size_t len = strlen(list.texts[0]);
        assert_in_range(len, ERROR_TEXT_LEN_MAX - 3, ERROR_TEXT_LEN_MAX);
        assert_int_equal((len - (size_t)offset) % 4, 0);
        assert_memory_equal(list.texts[0], text, len);
    }
}

static void control_characters_become_question_marks(void **state)
{
    (void)state;
    error_list_init(&list);
    error_list_add(&list, "a\x1B[31m\n\x7F"
                          "b\xC3\xA4");
    assert_string_equal(list.texts[0], "a?[31m??b\xC3\xA4");
}

static void quotes_are_short(void **state)
{
    (void)state;
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    char text[200];
    assert_string_equal(error_list_quote("short", quote), "short");
    memset(text, 'a', sizeof(text));
    text[ERROR_QUOTE_LEN_MAX] = '\0';
    assert_string_equal(error_list_quote(text, quote), text);
    text[ERROR_QUOTE_LEN_MAX] = 'a';
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(strlen(error_list_quote(text, quote)), ERROR_QUOTE_LEN_MAX);
    assert_string_equal(quote + ERROR_QUOTE_LEN_MAX - 3, "...");
    /* A character that the cut would split goes as a whole. */
    memcpy(text + ERROR_QUOTE_LEN_MAX - 4, "\xC3\xA4", 2);
    assert_string_equal(error_list_quote(text, quote) + ERROR_QUOTE_LEN_MAX - 5, "a...");
}

static void printing_says_how_many_are_missing(void **state)
{
    (void)state;
    error_list_init(&list);
    for (int i = 0; i < ERROR_LIST_MAX + 2; i++)
        error_list_add(&list, "m%d", i);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    error_list_print(&list, "p: ", out);
    fclose(out);
    assert_memory_equal(text, "p: m0\np: m1\n", 12);
    assert_string_equal(text + len - strlen("p: m63\np: and 2 more errors\n"),
                        "p: m63\np: and 2 more errors\n");
    free(text);
    list.extra = 1;
    out = open_memstream(&text, &len);
    assert_non_null(out);
    error_list_print(&list, "p: ", out);
    fclose(out);
    assert_non_null(strstr(text, "\np: and 1 more error\n"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_over_the_bound_are_counted),
        cmocka_unit_test(long_messages_are_cut_at_a_character),
        cmocka_unit_test(control_characters_become_question_marks),
        cmocka_unit_test(quotes_are_short),
        cmocka_unit_test(printing_says_how_many_are_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
