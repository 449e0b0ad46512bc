/*
 * test_api.c -- requests of the API and what they are answered (ops/api.h), with the bans, users
 * and changes of rows behind them (ops/bans.h, ops/userdb.h, ops/rows.h), without a log.
 */
#include "broker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BANNED "/api/v5/banned"
#define USERS  "/api/v5/authentication/password_based:built_in_database/users"
#define FORM                                                                                       \
    "$7$2$MDEyMzQ1Njc4OWFi$gCGxjZnLC1MskHVsh8VsK0scVy7VnRj9BYGgw/"                                 \
    "wR8f+eK8Ltp9H6jRK6UbVQYRadY/CXKyhbpy645BeyOX1HVQ=="

static struct broker broker;
static struct config config;
static struct config_authn step;
static struct api_call call;
static unsigned answers;
static const char *query_name;
static const char *query_value;
static unsigned ends;
static enum rc end_rc;

static const char *query(void *transport, const char *name)
{
    assert_ptr_equal(transport, &answers);
    return query_name != NULL && strcmp(name, query_name) == 0 ? query_value : NULL;
}

static void answered(struct api_call *of)
{
    assert_ptr_equal(of, &call);
    answers++;
}

/* The status; the call stays for its reply to be looked at. */
static unsigned ask_bytes(const char *method, const char *path, const char *body, size_t len)
{
    if (call.magic != 0)
        api_end(&call);
    answers = 0;
    call = (struct api_call){.magic = API_MAGIC,
                             .broker = &broker,
                             .transport = &answers,
                             .query = query,
                             .answered = answered};
    api_begin(&call, method, path, body, len);
    assert_int_equal(answers, call.is_answered);
    return call.is_answered ? call.status : 0;
}

static unsigned ask(const char *method, const char *path, const char *body)
{
    return ask_bytes(method, path, body, strlen(body));
}

static const char *member(const char *name)
{
    const char *text = json_string_value(json_object_get(call.reply, name));
    return text == NULL ? "" : text;
}

static void fails(const char *method, const char *path, const char *body, unsigned status,
                  const char *code)
{
    unsigned got = ask(method, path, body);
    if (got != status || strcmp(member("code"), code) != 0)
        fail_msg("%s %s %s: %u %s: %s", method, path, body, got, member("code"), member("message"));
    assert_true(member("message")[0] != '\0');
}

static int set_up(void **state)
{
    (void)state;
    memset(&broker, 0, sizeof(broker));
    static char no_name[1];
    step = (struct config_authn){.type = CONFIG_AUTHN_BUILT_IN, .database = no_name};
    config = (struct config){.authns = &step, .num_authns = 1};
    broker.config = &config;
    broker.dir.secret.words[0] = 1;
    broker.dir.secret.words[1] = 2;
    broker.bans.taken = UINT64_MAX; /* every change is in force at once */
    broker.userdb.taken = UINT64_MAX;
    api_init(&broker);
    rows_init(&broker);
    query_name = NULL;
    ends = 0;
    return userdb_open(&broker.userdb, "") == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (call.magic != 0)
        api_end(&call);
    api_stop(&broker);
    rows_fini(&broker);
    userdb_fini(&broker.userdb);
    ban_list_fini(&broker.bans.own);
    return 0;
}

/* ---- which handler ---- */

static void paths_and_methods(void **state)
{
    (void)state;
    fails("GET", "", "", 404, "NOT_FOUND");
    fails("GET", "/", "", 404, "NOT_FOUND");
    fails("GET", "/api/v5", "", 404, "NOT_FOUND");
    fails("GET", BANNED "/", "", 404, "NOT_FOUND");
    fails("GET", "/api/v4/banned", "", 404, "NOT_FOUND");
    fails("DELETE", BANNED "/clientid", "", 404, "NOT_FOUND");
    fails("DELETE", BANNED "/clientid/a/b", "", 404, "NOT_FOUND");
    fails("PATCH", BANNED, "", 405, "METHOD_NOT_ALLOWED");
    fails("get", BANNED, "", 405, "METHOD_NOT_ALLOWED");
    fails("PUT", BANNED, "{}", 405, "METHOD_NOT_ALLOWED");
    assert_int_equal(call.allowed, 1u << API_GET | 1u << API_POST);
    fails("POST", USERS "/ann", "{}", 405, "METHOD_NOT_ALLOWED");
    assert_int_equal(call.allowed, 1u << API_GET | 1u << API_PUT | 1u << API_DELETE);
    fails("DELETE", BANNED "/clientid/", "", 400, "BAD_REQUEST");
    fails("DELETE", BANNED "/clientid/%00", "", 400, "BAD_REQUEST");
    fails("GET", USERS "/%ff", "", 400, "BAD_REQUEST");
    size_t len = API_PARAM_MAX + 1;
    char *path = malloc(strlen(USERS) + 1 + len + 1);
    assert_non_null(path);
    memcpy(path, USERS "/", strlen(USERS) + 1);
    char *name = path + strlen(USERS) + 1;
    memset(name, 'x', len);
    name[len] = '\0';
    fails("GET", path, "", 400, "BAD_REQUEST");
    name[len - 1] = '\0';
    fails("GET", path, "", 404, "NOT_FOUND");
    free(path);
}

static void bodies_that_are_no_object(void **state)
{
    static const char *const bodies[] = {"",
                                         " ",
                                         "{",
                                         "[]",
                                         "1",
                                         "\"a\"",
                                         "null",
                                         "{} x",
                                         "{\"as\": \"a\", \"as\": \"b\"}",
                                         "{\"as\": \"\\u0000\"}",
                                         "{\"as\": \"\xff\"}"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        fails("POST", BANNED, bodies[i], 400, "BAD_REQUEST");
        fails("PUT", USERS "/ann", bodies[i], 400, "BAD_REQUEST");
    }
    assert_int_equal(ask_bytes("POST", BANNED, "{}\0", 3), 400);
    static char deep[100000];
    memset(deep, '[', sizeof(deep));
    assert_int_equal(ask_bytes("POST", BANNED, deep, sizeof(deep)), 400);
    /* Where none is needed nobody looks at it. */
    assert_int_equal(ask("GET", BANNED, "{"), 200);
}

static void pages_are_numbers(void **state)
{
    static const char *const values[] = {"",   "0",  "-1", "+1",         "1x",
                                         "x1", " 1", "1 ", "4294967296", "99999999999999999999"};
    (void)state;
    query_name = "page";
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        query_value = values[i];
        fails("GET", BANNED, "", 400, "BAD_REQUEST");
        fails("GET", USERS, "", 400, "BAD_REQUEST");
    }
    query_value = "4294967295";
    assert_int_equal(ask("GET", BANNED, ""), 200);
    query_name = "limit";
    assert_int_equal(ask("GET", BANNED, ""), 400);
    query_value = "10000";
    assert_int_equal(ask("GET", BANNED, ""), 200);
    query_name = "as";
    fails("GET", BANNED, "", 400, "BAD_REQUEST");
    query_value = "%zz";
    fails("GET", BANNED, "", 400, "BAD_REQUEST");
}

/* ---- bans ---- */

static void bans_come_and_go(void **state)
{
    static const char ann[] = "{\"as\": \"clientid\", \"who\": \"a/b\", \"more\": 1}";
    (void)state;
    assert_int_equal(ask("POST", BANNED, ann), 200);
    assert_string_equal(member("who"), "a/b");
    assert_string_equal(member("by"), "mgmt_api");
    assert_string_equal(member("until"), "infinity");
    fails("POST", BANNED, ann, 400, "ALREADY_EXISTS");
    assert_int_equal(ask("GET", BANNED, ""), 200);
    assert_int_equal(json_array_size(json_object_get(call.reply, "data")), 1);
    fails("DELETE", BANNED "/username/a%2Fb", "", 404, "NOT_FOUND");
    fails("DELETE", BANNED "/nobody/a%2Fb", "", 400, "BAD_REQUEST");
    assert_int_equal(ask("DELETE", BANNED "/clientid/a%2Fb", ""), 204);
    assert_null(call.reply);
    fails("DELETE", BANNED "/clientid/a%2Fb", "", 404, "NOT_FOUND");
}

static void bans_that_make_no_sense(void **state)
{
    char text[512];
    char reason[BAN_TEXT_LEN_MAX + 2];
    (void)state;
    fails("POST", BANNED, "{}", 400, "BAD_REQUEST");
    fails("POST", BANNED, "{\"as\": \"clientid\", \"who\": 1}", 400, "BAD_REQUEST");
    fails("POST", BANNED, "{\"as\": \"clientid\", \"who\": \"a\", \"until\": 1}", 400,
          "BAD_REQUEST");
    fails("POST", BANNED, "{\"as\": \"peerhost\", \"who\": \"1.2.3\"}", 400, "BAD_REQUEST");
    fails("POST", BANNED, "{\"as\": \"clientid_re\", \"who\": \"(\"}", 400, "BAD_REQUEST");
    memset(reason, 'x', sizeof(reason));
    reason[sizeof(reason) - 1] = '\0';
    snprintf(text, sizeof(text), "{\"as\": \"clientid\", \"who\": \"a\", \"reason\": \"%s\"}",
             reason);
    fails("POST", BANNED, text, 400, "BAD_REQUEST");
    assert_int_equal(broker.bans.own.num, 0);
}

/* ---- users ---- */

static void users_come_change_and_go(void **state)
{
    (void)state;
    assert_int_equal(ask("POST", USERS, "{\"user_id\": \"ann\", \"password_hash\": \"" FORM "\"}"),
                     201);
    assert_string_equal(member("user_id"), "ann");
    assert_true(json_is_false(json_object_get(call.reply, "is_superuser")));
    fails("POST", USERS, "{\"user_id\": \"ann\", \"password_hash\": \"" FORM "\"}", 409,
          "ALREADY_EXISTS");
    assert_int_equal(ask("PUT", USERS "/ann", "{\"is_superuser\": true, \"more\": {}}"), 200);
    assert_true(json_is_true(json_object_get(call.reply, "is_superuser")));
    assert_int_equal(ask("GET", USERS "/ann", ""), 200);
    assert_true(json_is_true(json_object_get(call.reply, "is_superuser")));
    assert_int_equal(userdb_count(&broker.userdb), 1);
    assert_int_equal(ask("DELETE", USERS "/ann", ""), 204);
    assert_int_equal(userdb_count(&broker.userdb), 0);
    fails("DELETE", USERS "/ann", "", 404, "NOT_FOUND");
    fails("GET", USERS "/ann", "", 404, "NOT_FOUND");
    fails("PUT", USERS "/ann", "{\"is_superuser\": true}", 404, "NOT_FOUND");
    fails("GET", "/api/v5/authentication/password_based:built_in_database:x/users", "", 404,
          "NOT_FOUND");
    fails("GET", "/api/v5/authentication/jwt/users", "", 404, "NOT_FOUND");
}

static void users_that_make_no_sense(void **state)
{
    static const char *const bodies[] = {
        "{}",
        "{\"user_id\": \"a\"}",
        "{\"user_id\": \"\", \"password\": \"x\"}",
        "{\"user_id\": 1, \"password\": \"x\"}",
        "{\"password\": \"x\"}",
        "{\"user_id\": \"a\", \"password\": 1}",
        "{\"user_id\": \"a\", \"password\": null}",
        "{\"user_id\": \"a\", \"password_hash\": \"x\"}",
        "{\"user_id\": \"a\", \"password_hash\": []}",
        "{\"user_id\": \"a\", \"password\": \"x\", \"password_hash\": \"" FORM "\"}",
        "{\"user_id\": \"a\", \"password\": \"x\", \"is_superuser\": 1}"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        fails("POST", USERS, bodies[i], 400, "BAD_REQUEST");
    size_t len = 65536;
    char *text = malloc(len + 128);
    assert_non_null(text);
    char *x = malloc(len + 1);
    assert_non_null(x);
    memset(x, 'x', len);
    x[len] = '\0';
    snprintf(text, len + 128, "{\"user_id\": \"a\", \"password\": \"%s\"}", x);
    fails("POST", USERS, text, 400, "BAD_REQUEST");
    snprintf(text, len + 128, "{\"user_id\": \"%s\", \"password\": \"x\"}", x);
    fails("POST", USERS, text, 400, "BAD_REQUEST");
    free(x);
    free(text);
    assert_int_equal(userdb_count(&broker.userdb), 0);
}

/* ---- rows ---- */

static void ended(void *context, enum rc rc)
{
    assert_ptr_equal(context, &ends);
    ends++;
    end_rc = rc;
}

static enum rc begin(const char *table, const char *key, struct row_change **out)
{
    return row_change_begin(&broker, bytes_of_text(table), bytes_of_text(key), ended, &ends, out);
}

static void a_row_is_changed_by_one_at_a_time(void **state)
{
    struct row_change *change = NULL;
    struct row_change *other = NULL;
    (void)state;
    assert_int_equal(begin("users:", "ann", &change), RC_OK);
    assert_int_equal(begin("users:", "ann", &other), RC_EXISTS);
    assert_int_equal(begin("users:x", "ann", &other), RC_OK);
    row_change_cancel(other);
    assert_int_equal(ends, 0);
    /* A call about that row waits, and goes on when the row is free. */
    assert_int_equal(ask("POST", USERS, "{\"user_id\": \"ann\", \"password_hash\": \"" FORM "\"}"),
                     0);
    api_turn(&broker);
    assert_false(call.is_answered);
    row_change_send(change, false, bytes_of(NULL, 0));
    assert_int_equal(ends, 1);
    assert_int_equal(end_rc, RC_OK);
    api_turn(&broker);
    assert_true(call.is_answered);
    assert_int_equal(call.status, 201);
}

static void the_end_ends_what_is_under_way(void **state)
{
    struct row_change *change = NULL;
    (void)state;
    assert_int_equal(begin("banned:clientid", "a", &change), RC_OK);
    assert_int_equal(ask("POST", BANNED, "{\"as\": \"clientid\", \"who\": \"a\"}"), 0);
    api_stop(&broker);
    assert_int_equal(call.status, 503);
    assert_string_equal(member("code"), "SERVICE_UNAVAILABLE");
    rows_fini(&broker);
    assert_int_equal(ends, 1);
    assert_int_equal(end_rc, RC_IO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(paths_and_methods),
        TEST(bodies_that_are_no_object),
        TEST(pages_are_numbers),
        TEST(bans_come_and_go),
        TEST(bans_that_make_no_sense),
        TEST(users_come_change_and_go),
        TEST(users_that_make_no_sense),
        TEST(a_row_is_changed_by_one_at_a_time),
        TEST(the_end_ends_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
