/*
 * test_ban_json.c -- bans as JSON: what comes in by the API, and rows of the log (ops/ban_json.h).
 */
#include "ban_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_S 1000

static json_t *body;
static struct ban ban;
static char why[BAN_WHY_LEN_MAX + 1];

static bool reads(const char *text)
{
    json_decref(body);
    body = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(body);
    return ban_json_read(body, NOW_S, "somebody", &ban, why);
}

static void refuses(const char *text, const char *expected)
{
    if (reads(text))
        fail_msg("%s is taken", text);
    assert_string_equal(why, expected);
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(body);
    body = NULL;
    return 0;
}

static void what_is_absent_has_a_default(void **state)
{
    (void)state;
    assert_true(reads("{\"as\": \"clientid\", \"who\": \"a\", \"unknown\": [1]}"));
    assert_int_equal(ban.kind, BAN_CLIENT_ID);
    assert_string_equal(ban.who, "a");
    assert_string_equal(ban.by, "somebody");
    assert_string_equal(ban.reason, "");
    assert_int_equal(ban.at_s, NOW_S);
    assert_true(ban.until_s == BAN_NEVER_S);
    assert_true(reads("{\"as\": \"username\", \"who\": \"u\", \"by\": \"me\", \"reason\": \"r\", "
                      "\"at\": 5, \"until\": \"1970-01-01T00:01:00Z\"}"));
    assert_int_equal(ban.kind, BAN_USER_NAME);
    assert_string_equal(ban.by, "me");
    assert_string_equal(ban.reason, "r");
    assert_int_equal(ban.at_s, 5);
    assert_int_equal(ban.until_s, 60);
    assert_true(reads("{\"as\": \"clientid\", \"who\": \"a\", \"by\": null, \"until\": null}"));
    assert_true(ban.until_s == BAN_NEVER_S);
    assert_true(reads("{\"as\": \"clientid\", \"who\": \"a\", \"until\": \"infinity\"}"));
    assert_true(ban.until_s == BAN_NEVER_S);
}

static void what_is_wrong_is_named(void **state)
{
    static const char kinds[] = "`as` is not one of clientid, username, peerhost, peerhost_net, "
                                "clientid_re, username_re";
    (void)state;
    refuses("[]", "it has to be an object");
    refuses("\"clientid\"", "it has to be an object");
    refuses("{}", kinds);
    refuses("{\"as\": \"nobody\", \"who\": \"a\"}", kinds);
    refuses("{\"as\": 1, \"who\": \"a\"}", kinds);
    refuses("{\"as\": \"clientid\"}", "`who` has to be a text");
    refuses("{\"as\": \"clientid\", \"who\": null}", "`who` has to be a text");
    refuses("{\"as\": \"clientid\", \"who\": 7}", "`who` has to be a text");
    refuses("{\"as\": \"clientid\", \"who\": \"a\", \"by\": {}}", "`by` has to be a text");
    refuses("{\"as\": \"clientid\", \"who\": \"a\", \"reason\": true}",
            "`reason` has to be a text");
}

static void moments_that_are_none(void **state)
{
    static const char *const values[] = {
        "-1",
        "1.5",
        "true",
        "[]",
        "\"\"",
        "\"soon\"",
        "\"2026-02-30T00:00:00Z\"",

        "\"253402300800\"",

    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        char text[128];
        snprintf(text, sizeof(text), "{\"as\": \"clientid\", \"who\": \"a\", \"until\": %s}",
                 values[i]);
        refuses(text, "`until` is not a moment such as 2026-01-31T12:00:00Z");
    }
    assert_true(reads("{\"as\": \"clientid\", \"who\": \"a\", \"until\": 253402300799}"));
    refuses("{\"as\": \"clientid\", \"who\": \"a\", \"until\": 253402300800}",
            "`until` is after the year 9999");
    refuses("{\"as\": \"clientid\", \"who\": \"a\", \"until\": 2305843009213693952}",
            "`until` is after the year 9999");
    refuses("{\"as\": \"clientid\", \"who\": \"a\", \"at\": 9223372036854775807}",
            "`at` is after the year 9999");
    refuses("{\"as\": \"clientid\", \"who\": \"a\", \"at\": -1}",
            "`at` is not a moment such as 2026-01-31T12:00:00Z");
}

static void zero_bytes_are_refused(void **state)
{
    (void)state;
    body = json_pack("{s:s, s:s%}", "as", "clientid", "who", "a\0b", (size_t)3);
    assert_non_null(body);
    assert_false(ban_json_read(body, NOW_S, "", &ban, why));
    assert_string_equal(why, "`who` has a zero byte in it");
}

static void rows_read_back(void **state)
{
    (void)state;
    for (int ends = 0; ends < 2; ends++) {
        assert_true(reads("{\"as\": \"clientid\", \"who\": \"a\", \"reason\": \"r\", \"at\": 5, "
                          "\"until\": 60}"));
        ban.until_s = ends ? ban.until_s : BAN_NEVER_S;
        char *text = ban_row_text(&ban);
        struct ban again;
        json_t *row = ban_row_read(bytes_of_text(text), &again);
        assert_non_null(row);
        assert_string_equal(again.by, "somebody");
        assert_string_equal(again.reason, "r");
        assert_int_equal(again.at_s, 5);
        assert_true(again.until_s == ban.until_s);
        json_decref(row);
        free(text);
    }
    static const char *const wrong[] = {"",
                                        "{",
                                        "[]",
                                        "1",
                                        "{}",
                                        "{\"by\": \"\"}",
                                        "{\"by\": 1, \"reason\": \"\"}",
                                        "{\"by\": \"\", \"by\": \"\", \"reason\": \"\"}",
                                        "{\"by\": \"\", \"reason\": \"\", \"until\": \"soon\"}"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_null(ban_row_read(bytes_of_text(wrong[i]), &ban));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_is_absent_has_a_default, tear_down),
        cmocka_unit_test_teardown(what_is_wrong_is_named, tear_down),
        cmocka_unit_test_teardown(moments_that_are_none, tear_down),
        cmocka_unit_test_teardown(zero_bytes_are_refused, tear_down),
        cmocka_unit_test_teardown(rows_read_back, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
