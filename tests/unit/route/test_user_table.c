/*
 * test_user_table.c -- users with their stored passwords (route/user_table.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "password.h"
#include "user_table.h"

#define SALTED                                                                                     \
    "$6$c2FsdHNhbHQ=$aCu7JRc+kLsuEmFs1zTY+AiP7DSGnjjG+dH28Dp+E5usqoAixeTPihKqZmkWal4mUfp63tqvCAkF" \
    "V1LKTDFH6Q=="
#define SCRAM                                                                                      \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"    \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static int set_up(void **state)
{
    (void)state;
    return password_start() ? 0 : -1;
}

static struct user_table *read_ok(const char *text)
{
    struct user_table *table = NULL;
    struct user_table_error error;
    assert_int_equal(user_table_read(bytes_of_text(text), &table, &error), RC_OK);
    return table;
}

static void refuses(const char *text, uint32_t line)
{
    struct user_table *table = NULL;
    struct user_table_error error;
    assert_int_equal(user_table_read(bytes_of_text(text), &table, &error), RC_INVALID);
    assert_int_equal(error.line, line);
}

static void lines_of_one_user_are_put_together(void **state)
{
    (void)state;
    struct user_table *table = read_ok("# users\n\na:" SALTED "\r\na:" SCRAM
                                       ":superuser\nb:" SCRAM);
    assert_int_equal(user_table_count(table), 2);
    const struct user *a = user_table_find(table, bytes_of_text("a"));
    const struct user *b = user_table_find(table, bytes_of_text("b"));
    assert_string_equal(a->form, SALTED);
    assert_string_equal(a->scram[SCRAM_SHA256], SCRAM);
    assert_null(a->scram[SCRAM_SHA512]);
    assert_true(a->is_superuser);
    assert_null(b->form);
    assert_false(b->is_superuser);
    assert_null(user_table_find(table, bytes_of_text("c")));
    assert_null(user_table_find(table, bytes_of_text("")));
    user_table_unref(table);
}

static void a_line_that_is_wrong_is_named(void **state)
{
    (void)state;
    refuses("a:" SALTED "\nb\n", 2);
    refuses(":" SALTED, 1);
    refuses("a:plain\n", 1);
    refuses("\n\na:" SALTED "\na:" SALTED "\n", 4);
    refuses("a:SCRAM-SHA-256$1:x", 1);
}

static void whoever_has_no_password_has_that_of_another_to_try(void **state)
{
    (void)state;
    struct user_table *table = read_ok("b:" SCRAM "\na:" SALTED "\n");
    assert_string_equal(user_table_decoy(table, bytes_of_text("nobody")), SALTED);
    assert_string_equal(user_table_decoy(table, bytes_of_text("b")), SALTED);
    user_table_unref(table);
    table = read_ok("b:" SCRAM "\n");
    assert_null(user_table_decoy(table, bytes_of_text("nobody")));
    user_table_unref(table);
}

static void changes_make_another_table(void **state)
{
    (void)state;
    const char *none[SCRAM_COUNT] = {NULL};
    struct user_table *first = read_ok("a:" SALTED "\nb:" SALTED "\n");
    struct user *c = user_create(bytes_of_text("c"), true, SALTED, none);
    struct user_change changes[] = {{.name = bytes_of_text("c"), .user = c},
                                    {.name = bytes_of_text("a")},
                                    {.name = bytes_of_text("nobody")}};
    struct user_table *second = user_table_with(first, changes, ARRAY_LEN(changes));
    assert_int_equal(user_table_count(first), 2);
    assert_int_equal(user_table_count(second), 2);
    assert_null(user_table_find(second, bytes_of_text("a")));
    assert_ptr_equal(user_table_find(first, bytes_of_text("b")),
                     user_table_find(second, bytes_of_text("b")));
    user_unref(c);
    user_table_unref(first);
    assert_true(user_table_find(second, bytes_of_text("c"))->is_superuser);
    uint32_t cursor = 0;
    uint32_t count = 0;
    while (user_table_next(second, &cursor) != NULL)
        count++;
    assert_int_equal(count, 2);
    user_table_unref(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_one_user_are_put_together),
        cmocka_unit_test(a_line_that_is_wrong_is_named),
        cmocka_unit_test(whoever_has_no_password_has_that_of_another_to_try),
        cmocka_unit_test(changes_make_another_table),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
