/*
 * test_userdb.c -- databases of users: rows of the log come back, changes count (ops/userdb.h).
 */
#include "broker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FORM                                                                                       \
    "$7$2$MDEyMzQ1Njc4OWFi$gCGxjZnLC1MskHVsh8VsK0scVy7VnRj9BYGgw/"                                 \
    "wR8f+eK8Ltp9H6jRK6UbVQYRadY/CXKyhbpy645BeyOX1HVQ=="
#define GOOD "{\"password_hash\": \"" FORM "\", \"is_superuser\": true}"

static struct broker broker;

static int set_up(void **state)
{
    (void)state;
    memset(&broker, 0, sizeof(broker));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    userdb_fini(&broker.userdb);
    authn_set_unref(broker.authn);
    return 0;
}

static enum rc restore(const char *table, struct bytes key, const char *value)
{
    return userdb_restore(&broker.userdb, bytes_of_text(table), key, bytes_of_text(value));
}

static const struct user *find(const char *database, const char *name)
{
    return user_table_find(userdb_find(&broker.userdb, database)->users, bytes_of_text(name));
}

static void databases_are_there_once_and_bounded(void **state)
{
    (void)state;
    struct userdb *userdb = &broker.userdb;
    assert_null(userdb_find(userdb, ""));
    struct userdb_database *first = userdb_open(userdb, "");
    assert_non_null(first);
    assert_ptr_equal(userdb_open(userdb, ""), first);
    for (unsigned i = 1; i < USERDB_MAX; i++) {
        char name[16];
        snprintf(name, sizeof(name), "d%u", i);
        assert_non_null(userdb_open(userdb, name));
    }
    assert_null(userdb_open(userdb, "more"));
    assert_ptr_equal(userdb_open(userdb, ""), first);
    assert_int_equal(restore("users:more", bytes_of_text("a"), GOOD), RC_NOT_FOUND);
}

static void rows_come_back(void **state)
{
    (void)state;
    broker.authn = authn_set_create(false);
    assert_non_null(broker.authn);
    char *value = userdb_value(FORM, false);
    assert_int_equal(restore("users:", bytes_of_text("ann"), GOOD), RC_OK);
    assert_int_equal(restore("users:x", bytes_of_text("ann"), value), RC_OK);
    free(value);
    assert_int_equal(restore("user", bytes_of_text("a"), GOOD), RC_NOT_FOUND);
    assert_int_equal(restore("banned:clientid", bytes_of_text("a"), GOOD), RC_NOT_FOUND);
    char table[USERDB_TABLE_MAX + 1];
    memset(table, 'x', sizeof(table));
    memcpy(table, USERDB_TABLE_PREFIX, strlen(USERDB_TABLE_PREFIX));
    table[sizeof(table) - 1] = '\0';
    assert_int_equal(restore(table, bytes_of_text("a"), GOOD), RC_NOT_FOUND);
    assert_int_equal(userdb_loaded(&broker), RC_OK);
    assert_int_equal(userdb_count(&broker.userdb), 2);
    assert_true(find("", "ann")->is_superuser);
    assert_false(find("x", "ann")->is_superuser);
    assert_string_equal(find("x", "ann")->form, FORM);
}

static void users_that_make_no_sense_are_left_out(void **state)
{
    static const char *const values[] = {"",
                                         "{",
                                         "[]",
                                         "null",
                                         "{}",
                                         "{\"password_hash\": 1}",
                                         "{\"password_hash\": \"x\"}",
                                         "{\"password_hash\": \"" FORM
                                         "\", \"password_hash\": \"" FORM "\"}"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        assert_int_equal(restore("users:", bytes_of_text("a"), values[i]), RC_OK);
    assert_int_equal(restore("users:", bytes_of_text(""), GOOD), RC_OK);
    assert_int_equal(restore("users:", bytes_of_text("\xff"), GOOD), RC_OK);
    assert_int_equal(restore("users:", bytes_of("a\0b", 3), GOOD), RC_OK);
    static uint8_t name[USER_NAME_LEN_MAX + 1];
    memset(name, 'x', sizeof(name));
    assert_int_equal(restore("users:", bytes_of(name, sizeof(name)), GOOD), RC_OK);
    assert_int_equal(userdb_loaded(&broker), RC_OK);
    assert_int_equal(userdb_count(&broker.userdb), 0);
}

static void changes_count(void **state)
{
    static const char *none[SCRAM_COUNT] = {NULL};
    (void)state;
    struct userdb *userdb = &broker.userdb;
    struct userdb_database *database = userdb_open(userdb, "");
    struct user *user = user_create(bytes_of_text("ann"), false, FORM, none);
    assert_non_null(user);
    assert_int_equal(userdb_put(userdb, database, bytes_of_text("ann"), user), RC_OK);
    user_unref(user);
    assert_int_equal(userdb->made, 1);
    assert_int_equal(userdb_count(userdb), 1);
    assert_int_equal(userdb_put(userdb, database, bytes_of_text("ann"), NULL), RC_OK);
    assert_int_equal(userdb->made, 2);
    assert_int_equal(userdb_count(userdb), 0);
    /* In force when the last shard has it, not before. */
    userdb->sent = 2;
    userdb->waiting = 2;
    userdb_on_taken(userdb);
    assert_int_equal(userdb->taken, 0);
    userdb_on_taken(userdb);
    assert_int_equal(userdb->taken, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(databases_are_there_once_and_bounded),
        TEST(rows_come_back),
        TEST(users_that_make_no_sense_are_left_out),
        TEST(changes_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
