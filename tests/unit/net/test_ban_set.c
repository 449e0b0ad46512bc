/*
 * test_ban_set.c -- each kind of ban against who it means and who it does not (net/ban_set.h).
 */
#include "ban_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cidr.h"

static const struct hash_key key = {.words = {3, 5}};
static struct ban_set *set;

static int tear_down(void **state)
{
    (void)state;
    ban_set_destroy(set);
    set = NULL;
    return 0;
}

static void make(const struct ban_rule *rules, uint32_t num)
{
    assert_int_equal(ban_set_create(rules, num, &key, &set), RC_OK);
}

static bool holds_at(const char *client_id, const char *user_name, const char *address,
                     uint64_t now_ms)
{
    struct in6_addr in6;
    uint16_t port = 0;
    assert_true(cidr_address_parse(address, (uint32_t)strlen(address), &in6, &port));
    struct ban_subject subject = {.client_id = bytes_of_text(client_id), .address = &in6};
    if (user_name != NULL)
        subject.user_name = bytes_of_text(user_name);
    return ban_set_holds(set, &subject, now_ms);
}

static bool holds(const char *client_id, const char *user_name, const char *address)
{
    return holds_at(client_id, user_name, address, 1000);
}

static void nobody_is_banned_by_nothing(void **state)
{
    (void)state;
    make(NULL, 0);
    assert_null(set);
    assert_false(holds("a", "u", "1.2.3.4"));
}

static void each_kind_means_its_own(void **state)
{
    (void)state;
    const struct ban_rule rules[] = {
        {BAN_CLIENT_ID, "one", BAN_NEVER_MS},       {BAN_USER_NAME, "two", BAN_NEVER_MS},
        {BAN_ADDRESS, "10.0.0.3", BAN_NEVER_MS},    {BAN_RANGE, "10.4.0.0/16", BAN_NEVER_MS},
        {BAN_CLIENT_ID_RE, "^five", BAN_NEVER_MS},  {BAN_USER_NAME_RE, "s.x$", BAN_NEVER_MS},
        {BAN_RANGE, "2001:db8::/32", BAN_NEVER_MS},
    };
    make(rules, ARRAY_LEN(rules));
    assert_true(holds("one", NULL, "1.1.1.1"));
    assert_false(holds("One", "one", "1.1.1.1"));
    assert_true(holds("x", "two", "1.1.1.1"));
    assert_false(holds("two", NULL, "1.1.1.1"));
    assert_true(holds("x", NULL, "10.0.0.3"));
    assert_true(holds("x", NULL, "::ffff:10.0.0.3"));
    assert_false(holds("x", NULL, "10.0.0.4"));
    assert_true(holds("x", NULL, "10.4.255.1"));
    assert_false(holds("x", NULL, "10.5.0.0"));
    assert_true(holds("x", NULL, "2001:db8:9::1"));
    assert_true(holds("five-and-more", NULL, "1.1.1.1"));
    assert_false(holds("high-five", NULL, "1.1.1.1"));
    assert_true(holds("x", "my-six", "1.1.1.1"));
    assert_false(holds("six", NULL, "1.1.1.1"));
    assert_false(holds("", "", "1.1.1.1"));
}

static void a_ban_ends(void **state)
{
    (void)state;
    const struct ban_rule rules[] = {
        {BAN_CLIENT_ID, "a", 500}, {BAN_RANGE, "10.0.0.0/8", 500}, {BAN_CLIENT_ID_RE, "^re", 500},
        {BAN_CLIENT_ID, "b", 500}, {BAN_CLIENT_ID, "b", 700}, /* twice: the later end holds */
        {BAN_CLIENT_ID, "b", 600},
    };
    make(rules, ARRAY_LEN(rules));
    static const char *const addresses[] = {"1.1.1.1", "10.1.1.1", "1.1.1.1", "1.1.1.1"};
    static const char *const ids[] = {"a", "x", "re", "b"};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        assert_true(holds_at(ids[i], NULL, addresses[i], 499));
        assert_true(holds_at(ids[i], NULL, addresses[i], 500) == (i == 3));
    }
    assert_false(holds_at("b", NULL, "1.1.1.1", 700));
}

static void many_are_found(void **state)
{
    (void)state;
    static char names[20000][12];
    static struct ban_rule rules[20000];
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(names[i], sizeof(names[i]), "n%u", i);
        rules[i] = (struct ban_rule){
            .kind = i % 2 == 0 ? BAN_CLIENT_ID : BAN_USER_NAME, .who = names[i], .until_ms = 2000};
    }
    make(rules, 20000);
    for (unsigned i = 0; i < 20000; i++) {
        assert_true(holds(names[i], "nobody", "1.1.1.1") == (i % 2 == 0));
        assert_true(holds("nobody", names[i], "1.1.1.1") == (i % 2 == 1));
    }
}

static void what_cannot_decide_is_found(void **state)
{
    (void)state;
    const struct ban_rule rule = {BAN_CLIENT_ID_RE, "^(a+)+$", BAN_NEVER_MS};
    make(&rule, 1);
    assert_true(
        holds("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", NULL, "1.1.1.1"));
    assert_false(holds("b", NULL, "1.1.1.1"));
}

static void bounds_and_wrong_rules_are_refused(void **state)
{
    (void)state;
    char why[BAN_WHY_LEN_MAX + 1];
    assert_false(ban_rule_check(BAN_CLIENT_ID, "", why));
    assert_false(ban_rule_check(BAN_USER_NAME, "\xff", why));
    assert_false(ban_rule_check(BAN_ADDRESS, "10.0.0.0/8", why));
    assert_false(ban_rule_check(BAN_ADDRESS, "10.0.0.1:5", why));
    assert_false(ban_rule_check(BAN_RANGE, "10.0.0.0/33", why));
    assert_false(ban_rule_check(BAN_CLIENT_ID_RE, "(a", why));
    assert_string_equal(why, "at byte 2: missing closing parenthesis");
    assert_true(ban_rule_check(BAN_RANGE, "10.0.0.0/8", why));
    const struct ban_rule wrong = {BAN_CLIENT_ID_RE, "(a", BAN_NEVER_MS};
    assert_int_equal(ban_set_create(&wrong, 1, &key, &set), RC_INVALID);
    const struct ban_rule empty = {BAN_CLIENT_ID, "", BAN_NEVER_MS};
    assert_int_equal(ban_set_create(&empty, 1, &key, &set), RC_INVALID);
    struct ban_rule many[BAN_REGEXES_MAX + 1];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct ban_rule){BAN_CLIENT_ID_RE, "a", BAN_NEVER_MS};
    assert_int_equal(ban_set_create(many, ARRAY_LEN(many), &key, &set), RC_FULL);
    assert_null(set);
}

static void kinds_have_names(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < BAN_KIND_COUNT; kind++)
        assert_int_equal(ban_kind_find(ban_kind_name((enum ban_kind)kind)), kind);
    assert_int_equal(ban_kind_find("peer"), BAN_KIND_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(nobody_is_banned_by_nothing, tear_down),
        cmocka_unit_test_teardown(each_kind_means_its_own, tear_down),
        cmocka_unit_test_teardown(a_ban_ends, tear_down),
        cmocka_unit_test_teardown(many_are_found, tear_down),
        cmocka_unit_test_teardown(what_cannot_decide_is_found, tear_down),
        cmocka_unit_test_teardown(bounds_and_wrong_rules_are_refused, tear_down),
        cmocka_unit_test_teardown(kinds_have_names, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
