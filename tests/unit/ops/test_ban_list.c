/*
 * test_ban_list.c -- bans as a list and as a file (ops/ban_list.h), and moments as text
 * (ops/rfc3339.h).
 */
#include "ban_list.h"
#include "rfc3339.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_S 1000

static struct ban_list list;
static struct error_list errors;
static char why[BAN_WHY_LEN_MAX + 1];

static int set_up(void **state)
{
    (void)state;
    memset(&list, 0, sizeof(list));
    error_list_init(&errors);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ban_list_fini(&list);
    return 0;
}

static enum rc add(enum ban_kind kind, const char *who, uint64_t until_s)
{
    char *text = strdup(who);
    static char empty[1];
    struct ban ban = {.kind = kind, .who = text, .reason = empty, .by = empty, .until_s = until_s};
    enum rc rc = ban_list_add(&list, &ban, why);
    free(text);
    return rc;
}

static bool reads(const char *text)
{
    return ban_list_read(&list, "t.csv", text, strlen(text), NOW_S, &errors);
}

static void each_ban_is_there_once(void **state)
{
    (void)state;
    assert_int_equal(add(BAN_CLIENT_ID, "a", 5), RC_OK);
    assert_int_equal(add(BAN_USER_NAME, "a", 6), RC_OK);
    assert_int_equal(add(BAN_CLIENT_ID, "a", 7), RC_OK);
    assert_int_equal(list.num, 2);
    assert_int_equal(ban_list_find(&list, BAN_CLIENT_ID, "a")->until_s, 7);
    assert_null(ban_list_find(&list, BAN_CLIENT_ID, "b"));
    assert_int_equal(add(BAN_RANGE, "nonsense", 5), RC_INVALID);
    assert_true(ban_list_remove(&list, BAN_CLIENT_ID, "a"));
    assert_false(ban_list_remove(&list, BAN_CLIENT_ID, "a"));
    assert_non_null(ban_list_find(&list, BAN_USER_NAME, "a"));
}

static void many_come_end_and_go(void **state)
{
    (void)state;
    char name[16];
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        assert_int_equal(add(BAN_CLIENT_ID, name, i < 4000 ? 100 + i : BAN_NEVER_S), RC_OK);
    }
    assert_int_equal(ban_list_next_end_s(&list), 100);
    assert_int_equal(ban_list_expire(&list, 1099), 1000);
    assert_int_equal(ban_list_next_end_s(&list), 1100);
    assert_int_equal(ban_list_expire(&list, 1000000), 3000);
    assert_int_equal(list.num, 1000);
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        assert_true((ban_list_find(&list, BAN_CLIENT_ID, name) != NULL) == (i >= 4000));
    }
    assert_true(ban_list_next_end_s(&list) == BAN_NEVER_S);
}

static void a_file_is_read(void **state)
{
    (void)state;
    assert_true(reads("as,who,reason,at,until,by\r\n"
                      "clientid,pump-7,too loud,1970-01-01T00:00:05Z,1970-01-01T01:00:00Z,anna\r\n"
                      "\r\n"
                      "username,\"with, comma and \"\"quotes\"\"\n and a line\",,,infinity,\n"
                      "peerhost_net,10.0.0.0/8,,,,\n"
                      "peerhost,10.0.0.1,over,,10,"));
    assert_int_equal(list.num, 3); /* the last one has ended */
    const struct ban *ban = ban_list_find(&list, BAN_CLIENT_ID, "pump-7");
    assert_non_null(ban);
    assert_int_equal(ban->at_s, 5);
    assert_int_equal(ban->until_s, 3600);
    assert_string_equal(ban->reason, "too loud");
    assert_string_equal(ban->by, "anna");
    ban = ban_list_find(&list, BAN_USER_NAME, "with, comma and \"quotes\"\n and a line");
    assert_non_null(ban);
    assert_true(ban->until_s == BAN_NEVER_S && ban->at_s == NOW_S);
    ban = ban_list_find(&list, BAN_RANGE, "10.0.0.0/8");
    assert_true(ban != NULL && ban->until_s == BAN_NEVER_S);
}

static void columns_may_stand_otherwise(void **state)
{
    (void)state;
    assert_true(reads("until,who,as\ninfinity,x,clientid\n"));
    assert_non_null(ban_list_find(&list, BAN_CLIENT_ID, "x"));
}

static void every_error_has_its_line(void **state)
{
    (void)state;
    assert_false(reads("as,who,until\n"
                       "clientid,a,infinity\n"
                       "client,b,infinity\n"
                       "clientid,c\n"
                       "clientid_re,\"(\n(\",infinity\n"
                       "peerhost,x,infinity\n"
                       "clientid,d,tomorrow\n"));
    assert_int_equal(errors.num, 5);
    assert_string_equal(errors.texts[0],
                        "t.csv:3: \"client\" is not one of clientid, username, peerhost, "
                        "peerhost_net, clientid_re, username_re");
    assert_string_equal(errors.texts[1], "t.csv:4: 2 fields, but the first line names 3");
    assert_non_null(strstr(errors.texts[2], "t.csv:6: clientid_re"));
    assert_string_equal(errors.texts[3], "t.csv:7: peerhost \"x\": it is not an address");
    assert_non_null(strstr(errors.texts[4], "t.csv:8: \"tomorrow\" is not a moment"));
    assert_int_equal(list.num, 1);
}

static void wrong_first_lines_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "as\n", "as,who,who\n", "as,who,colour\n",
                                        "as,who,reason,at,until,by,more\n"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_false(reads(wrong[i]));
    assert_int_equal(errors.num, ARRAY_LEN(wrong));
    assert_false(ban_list_read(&list, "t", "as,who\n\0", 8, NOW_S, &errors));
    assert_false(ban_list_read_file(&list, "/nowhere/at/all", NOW_S, &errors));
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    assert_true(reads("as,who,reason,at,until,by\n"
                      "clientid,\"a,\"\"b\n\",\"r, s\",7,9000,me\n"
                      "username_re,^x,,8,infinity,\n"));
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    ban_list_write(&list, out);
    fclose(out);
    assert_string_equal(text, "as,who,reason,at,until,by\n"
                              "clientid,\"a,\"\"b\n\",\"r, s\",1970-01-01T00:00:07Z,"
                              "1970-01-01T02:30:00Z,me\n"
                              "username_re,^x,,1970-01-01T00:00:08Z,infinity,\n");
    ban_list_fini(&list);
    assert_true(reads(text));
    free(text);
    assert_int_equal(list.num, 2);
    assert_int_equal(ban_list_find(&list, BAN_CLIENT_ID, "a,\"b\n")->until_s, 9000);
}

static void moments_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t seconds;
    } right[] = {{"1970-01-01T00:00:00Z", 0},
                 {"2026-01-31T12:34:56Z", 1769862896},
                 {"2026-01-31T12:34:56.789Z", 1769862896},
                 {"2026-01-31t12:34:56+02:00", 1769855696},
                 {"2026-01-31 12:34:56-00:30", 1769864696},
                 {"2024-02-29T00:00:00Z", 1709164800},
                 {"1769862896", 1769862896},
                 {"9999-12-31T23:59:59Z", 253402300799}};
    char text[RFC3339_LEN_MAX + 1];
    for (size_t i = 0; i < ARRAY_LEN(right); i++) {
        uint64_t seconds = 1;
        assert_true(rfc3339_parse(right[i].text, &seconds));
        assert_true(seconds == right[i].seconds);
        assert_true(rfc3339_parse(rfc3339_format(seconds, text), &seconds));
        assert_true(seconds == right[i].seconds);
    }
    static const char *const wrong[] = {"",
                                        "now",
                                        "2026-01-31",
                                        "2026-01-31T12:34:56",
                                        "2026-02-30T00:00:00Z",
                                        "2026-13-01T00:00:00Z",
                                        "2026-01-31T24:00:00Z",
                                        "2026-01-31T12:34:56.Z",
                                        "2026-01-31T12:34:56+0200",
                                        "2026-01-31T12:34:56Zx",
                                        "1970-01-01T00:00:00+01:00",
                                        "99999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        uint64_t seconds = 7;
        if (rfc3339_parse(wrong[i], &seconds))
            fail_msg("%s is read as a moment", wrong[i]);
        assert_int_equal(seconds, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_ban_is_there_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_come_end_and_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(columns_may_stand_otherwise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_error_has_its_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_first_lines_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_written_reads_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(moments_are_read_and_written, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
