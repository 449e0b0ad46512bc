/*
 * test_claims.c -- what a token or a server says of a client (route/claims.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "claims.h"

static struct claims claims;
static json_t *document;

static enum rc read_text(const char *text)
{
    json_decref(document);
    document = json_loads(text, 0, NULL);
    assert_non_null(document);
    return claims_read(document, "acl", "expire_at", &claims);
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(document);
    document = NULL;
    return 0;
}

static void same(struct bytes got, const char *text)
{
    assert_true(bytes_equal(got, bytes_of_text(text)));
}

static void nothing_said_is_nothing_known(void **state)
{
    (void)state;
    assert_int_equal(read_text("{\"result\": \"allow\"}"), RC_OK);
    assert_false(claims.draft.is_superuser);
    assert_false(claims.draft.has_rules);
    assert_int_equal(claims.draft.expires_s, 0);
    assert_int_equal(claims.draft.attrs_num, 0);
}

static void everything_said_is_known(void **state)
{
    (void)state;
    assert_int_equal(read_text("{\"is_superuser\": true, \"expire_at\": 1893456000.5,"
                               " \"client_attrs\": {\"role\": \"admin\", \"sn\": \"7\"},"
                               " \"acl\": [{\"permission\": \"deny\", \"action\": \"publish\","
                               " \"topic\": \"a/${clientid}/#\", \"qos\": [0, 2],"
                               " \"retain\": true}]}"),
                     RC_OK);
    assert_true(claims.draft.is_superuser);
    assert_int_equal(claims.draft.expires_s, 1893456000);
    assert_int_equal(claims.draft.attrs_num, 2);
    assert_true(claims.draft.has_rules);
    assert_int_equal(claims.draft.rules_num, 1);
    const struct identity_rule *rule = &claims.draft.rules[0];
    assert_false(rule->allow);
    assert_int_equal(rule->actions, IDENTITY_PUBLISH);
    assert_int_equal(rule->qos, 5);
    assert_int_equal(rule->retain, IDENTITY_RETAIN_SET);
    assert_false(rule->is_literal);
    same(rule->topic, "a/${clientid}/#");
}

static void what_a_rule_leaves_out_is_all(void **state)
{
    (void)state;
    assert_int_equal(read_text("{\"acl\": [{\"topics\": [\"a\", \"eq b/+\"], \"retain\": \"all\"},"
                               " {\"topic\": \"c\", \"action\": \"subscribe\", \"qos\": 1,"
                               " \"retain\": false}]}"),
                     RC_OK);
    assert_int_equal(claims.draft.rules_num, 3);
    assert_true(claims.rules[0].allow);
    assert_int_equal(claims.rules[0].actions, IDENTITY_ALL);
    assert_int_equal(claims.rules[0].qos, IDENTITY_QOS_ALL);
    assert_int_equal(claims.rules[0].retain, IDENTITY_RETAIN_ANY);
    assert_true(claims.rules[1].is_literal);
    same(claims.rules[1].topic, "b/+");
    assert_int_equal(claims.rules[2].actions, IDENTITY_SUBSCRIBE);
    assert_int_equal(claims.rules[2].qos, 2);
    assert_int_equal(claims.rules[2].retain, IDENTITY_RETAIN_CLEAR);
}

static void the_older_form_allows_what_it_names(void **state)
{
    (void)state;
    assert_int_equal(read_text("{\"acl\": {\"pub\": [\"a\"], \"sub\": [\"b\", \"c\"],"
                               " \"all\": \"d\"}}"),
                     RC_OK);
    assert_int_equal(claims.draft.rules_num, 4);
    assert_int_equal(claims.rules[0].actions, IDENTITY_PUBLISH);
    assert_int_equal(claims.rules[2].actions, IDENTITY_SUBSCRIBE);
    assert_int_equal(claims.rules[3].actions, IDENTITY_ALL);
    assert_int_equal(read_text("{\"acl\": {}}"), RC_OK);
    assert_true(claims.draft.has_rules);
    assert_int_equal(claims.draft.rules_num, 0);
}

static void what_is_not_understood_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "[]",
        "{\"is_superuser\": 1}",
        "{\"client_attrs\": []}",
        "{\"client_attrs\": {\"a\": 1}}",
        "{\"expire_at\": \"tomorrow\"}",
        "{\"expire_at\": -1}",
        "{\"acl\": 5}",
        "{\"acl\": [5]}",
        "{\"acl\": [{}]}",
        "{\"acl\": [{\"topic\": \"\"}]}",
        "{\"acl\": [{\"topic\": 1}]}",
        "{\"acl\": [{\"topic\": \"a\", \"permission\": \"maybe\"}]}",
        "{\"acl\": [{\"topic\": \"a\", \"permission\": 1}]}",
        "{\"acl\": [{\"topic\": \"a\", \"action\": \"eat\"}]}",
        "{\"acl\": [{\"topic\": \"a\", \"qos\": 3}]}",
        "{\"acl\": [{\"topic\": \"a\", \"qos\": []}]}",
        "{\"acl\": [{\"topic\": \"a\", \"qos\": [0, \"1\"]}]}",
        "{\"acl\": [{\"topic\": \"a\", \"retain\": \"yes\"}]}",
        "{\"acl\": {\"pub\": [1]}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (read_text(wrong[i]) != RC_INVALID)
            fail_msg("taken: %s", wrong[i]);
}

static void too_much_is_refused_and_not_cut(void **state)
{
    (void)state;
    static char text[IDENTITY_RULES_MAX * 32];
    size_t len = (size_t)snprintf(text, sizeof(text), "{\"acl\": [");
    for (unsigned i = 0; i <= IDENTITY_RULES_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s{\"topic\": \"t%u\"}",
                                i == 0 ? "" : ", ", i);
    snprintf(text + len, sizeof(text) - len, "]}");
    assert_int_equal(read_text(text), RC_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(nothing_said_is_nothing_known, tear_down),
        cmocka_unit_test_teardown(everything_said_is_known, tear_down),
        cmocka_unit_test_teardown(what_a_rule_leaves_out_is_all, tear_down),
        cmocka_unit_test_teardown(the_older_form_allows_what_it_names, tear_down),
        cmocka_unit_test_teardown(what_is_not_understood_is_refused, tear_down),
        cmocka_unit_test_teardown(too_much_is_refused_and_not_cut, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
