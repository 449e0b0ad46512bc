/*
 * test_password.c -- stored forms of passwords (route/password.h): those we write, those of others,
 * and what is refused.
 */
#include "password.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int set_up(void **state)
{
    (void)state;
    return password_start() ? 0 : -1;
}

static bool matches(const char *form, const char *password)
{
    return password_matches(form, bytes_of_text(password));
}

static void every_algorithm_reads_what_it_writes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PASSWORD_COUNT; i++) {
        char form[PASSWORD_FORM_LEN_MAX + 1];
        char again[PASSWORD_FORM_LEN_MAX + 1];
        enum password_algorithm found;
        assert_true(password_find(password_name((enum password_algorithm)i), &found));
        assert_int_equal(found, i);
        assert_int_equal(password_make(found, bytes_of_text("secret"), form), RC_OK);
        assert_null(password_judge(form));
        assert_true(matches(form, "secret"));
        assert_false(matches(form, "Secret"));
        assert_false(matches(form, ""));
        assert_false(matches(form, "secret "));
        assert_int_equal(password_make(found, bytes_of_text("secret"), again), RC_OK);
        assert_string_not_equal(form, again);
    }
}

/* Made by mosquitto_passwd 2.0.11, by its predecessor's rule, and the examples of crypt(3). */
static void the_forms_of_others_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *form;
        const char *password;
    } rows[] = {
        {"$7$101$qUS9Zq5zZ2bkndRy$uSyqD4BMQezctQ2iZ3wwcwYREhzPkMMM9bRe5gBdyRnWlv6Hbred9LnNzyguGf1Y"
         "Ij6K8GTuCJsF57DRWnyg9w==",
         "secret"},
        {"$6$c2FsdHNhbHQ=$aCu7JRc+kLsuEmFs1zTY+AiP7DSGnjjG+dH28Dp+E5usqoAixeTPihKqZmkWal4mUfp63tqv"
         "CAkFV1LKTDFH6Q==",
         "secret"},
        {"$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdF"
         "CoEOfaS35inz1",
         "Hello world!"},
        {"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        assert_null(password_judge(rows[i].form));
        assert_true(matches(rows[i].form, rows[i].password));
        assert_false(matches(rows[i].form, "other"));
    }
}

static void what_cannot_be_verified_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "secret",
        "$",
        "$9$nothing$known",
        "$argon2id$",
        "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaA",
        "$argon2id$v=19$m=19456,t=200000,p=1$c2FsdHNhbHRzYWx0$aGFzaA",
        "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "*",
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        assert_non_null(password_judge(rows[i]));
        assert_false(matches(rows[i], "secret"));
    }
}

/* MQTT passwords are any bytes; libcrypt takes none with a zero in it. */
static void bytes_that_an_algorithm_cannot_take_match_nothing(void **state)
{
    (void)state;
    char form[PASSWORD_FORM_LEN_MAX + 1];
    struct bytes zero = bytes_of("a\0b", 3);
    assert_int_equal(password_make(PASSWORD_BCRYPT, zero, form), RC_INVALID);
    assert_int_equal(password_make(PASSWORD_BCRYPT, bytes_of_text("a"), form), RC_OK);
    assert_false(password_matches(form, zero));
    assert_int_equal(password_make(PASSWORD_ARGON2ID, zero, form), RC_OK);
    assert_true(password_matches(form, zero));
    assert_false(password_matches(form, bytes_of_text("a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_algorithm_reads_what_it_writes),
        cmocka_unit_test(the_forms_of_others_are_read),
        cmocka_unit_test(what_cannot_be_verified_is_refused),
        cmocka_unit_test(bytes_that_an_algorithm_cannot_take_match_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
