/*
 * test_acl_set.c -- what access rules mean, case by case (route/acl_set.h, route/acl_rule.h). The
 * comparison with a plain loop over random rules is in model_acl.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "acl_set.h"
#include "mem.h"

static const struct hash_key key = {{7, 9}};

static uint32_t who_add(struct acl_rules *rules, enum acl_who_kind kind, const char *text)
{
    struct acl_who who = {.kind = (uint8_t)kind, .text = bytes_of_text(text)};
    uint32_t index;
    assert_int_equal(acl_rules_who(rules, &who, &index), RC_OK);
    return index;
}

static void rule_add(struct acl_rules *rules, bool allow, uint8_t actions, uint32_t who,
                     const char *topic)
{
    struct acl_rule rule = {.allow = allow,
                            .actions = actions,
                            .qos = ACL_QOS_ANY,
                            .retain = ACL_RETAIN_ANY,
                            .who = who};
    if (topic != NULL) {
        const char *why;
        uint32_t at;
        assert_true(acl_topic_check(bytes_of_text(topic), false, &why, &at));
        assert_int_equal(acl_rules_topic(rules, bytes_of_text(topic), false), RC_OK);
    }
    assert_int_equal(acl_rules_add(rules, &rule), RC_OK);
}

static struct acl_set *set_of(struct acl_rules *rules)
{
    struct acl_set *set = NULL;
    assert_int_equal(acl_set_create(rules, false, &key, &set), RC_OK);
    return set;
}

/* One rule for everybody on one topic. */
static struct acl_set *set_of_topic(bool allow, const char *topic)
{
    struct acl_rules *rules = acl_rules_create();
    rule_add(rules, allow, ACL_BOTH, who_add(rules, ACL_WHO_ALL, ""), topic);
    return set_of(rules);
}

static bool fits(const struct acl_set *set, const char *user, uint8_t action, const char *topic)
{
    struct client_identity subject = {.client_id = bytes_of_text("c"),
                                      .username = bytes_of_text(user)};
    struct acl_query query = {.topic = bytes_of_text(topic), .action = action};
    return acl_set_find(set, &subject, &query) != ACL_NONE;
}

static bool one_fits(bool allow, const char *rule, uint8_t action, const char *topic)
{
    struct acl_set *set = set_of_topic(allow, rule);
    bool found = fits(set, "ann", action, topic);
    acl_set_destroy(set);
    return found;
}

static void publishing_needs_a_filter_that_matches(void **state)
{
    (void)state;
    assert_true(one_fits(true, "a/+/c", ACL_PUBLISH, "a/b/c"));
    assert_true(one_fits(true, "a/#", ACL_PUBLISH, "a"));
    assert_false(one_fits(true, "a/+", ACL_PUBLISH, "a"));
    assert_true(one_fits(true, "a/+", ACL_PUBLISH, "a/"));
    assert_true(one_fits(true, "#", ACL_PUBLISH, "x/y"));
    assert_false(one_fits(true, "#", ACL_PUBLISH, "$SYS/y"));
    assert_false(one_fits(true, "+/y", ACL_PUBLISH, "$SYS/y"));
    assert_true(one_fits(true, "$SYS/#", ACL_PUBLISH, "$SYS/y"));
}

static void a_subscription_is_allowed_by_what_covers_it(void **state)
{
    (void)state;
    assert_true(one_fits(true, "a/#", ACL_SUBSCRIBE, "a/#"));
    assert_true(one_fits(true, "a/#", ACL_SUBSCRIBE, "a/+/b"));
    assert_true(one_fits(true, "a/#", ACL_SUBSCRIBE, "a"));
    assert_false(one_fits(true, "a/+", ACL_SUBSCRIBE, "a/#"));
    assert_false(one_fits(true, "a/b", ACL_SUBSCRIBE, "a/+"));
    assert_true(one_fits(true, "a/+", ACL_SUBSCRIBE, "a/+"));
    assert_true(one_fits(true, "+/#", ACL_SUBSCRIBE, "#"));
    assert_true(one_fits(true, "#", ACL_SUBSCRIBE, "+/#"));
    assert_false(one_fits(true, "#", ACL_SUBSCRIBE, "$SYS/#"));
    assert_false(one_fits(true, "a/+/#", ACL_SUBSCRIBE, "a/#"));
}

static void a_subscription_is_denied_by_what_overlaps_it(void **state)
{
    (void)state;
    assert_true(one_fits(false, "secret/+", ACL_SUBSCRIBE, "#"));
    assert_true(one_fits(false, "secret/+", ACL_SUBSCRIBE, "+/key"));
    assert_true(one_fits(false, "a/b", ACL_SUBSCRIBE, "a/#"));
    assert_true(one_fits(false, "a", ACL_SUBSCRIBE, "a/#"));
    assert_false(one_fits(false, "a/b", ACL_SUBSCRIBE, "a/c/#"));
    assert_false(one_fits(false, "$SYS/#", ACL_SUBSCRIBE, "#"));
    assert_false(one_fits(false, "$SYS/#", ACL_SUBSCRIBE, "+/clients"));
    assert_true(one_fits(false, "$SYS/#", ACL_SUBSCRIBE, "$SYS/+/clients"));
}

static void the_first_rule_that_fits_decides(void **state)
{
    (void)state;
    struct acl_rules *rules = acl_rules_create();
    uint32_t ann = who_add(rules, ACL_WHO_USER, "ann");
    uint32_t all = who_add(rules, ACL_WHO_ALL, "");
    rule_add(rules, true, ACL_SUBSCRIBE, ann, "#");
    rule_add(rules, false, ACL_SUBSCRIBE, all, "secret/#");
    rule_add(rules, true, ACL_BOTH, all, NULL);
    struct acl_set *set = set_of(rules);
    struct client_identity subject = {.client_id = bytes_of_text("c"),
                                      .username = bytes_of_text("ann")};
    struct acl_query query = {.topic = bytes_of_text("#"), .action = ACL_SUBSCRIBE};
    assert_int_equal(acl_set_find(set, &subject, &query), 0);
    subject.username = bytes_of_text("bob");
    assert_int_equal(acl_set_find(set, &subject, &query), 1);
    assert_false(acl_set_allows(set, &subject, &query));
    query.topic = bytes_of_text("open/#");
    assert_int_equal(acl_set_find(set, &subject, &query), 2);
    assert_true(acl_set_allows(set, &subject, &query));
    acl_set_destroy(set);
}

static void a_client_called_hash_is_not_given_everything(void **state)
{
    (void)state;
    struct acl_set *set = set_of_topic(true, "home/${username}/#");
    assert_true(fits(set, "ann", ACL_SUBSCRIBE, "home/ann/#"));
    assert_true(fits(set, "ann", ACL_PUBLISH, "home/ann/door"));
    assert_false(fits(set, "ann", ACL_PUBLISH, "home/bob/door"));
    assert_false(fits(set, "", ACL_PUBLISH, "home//door"));
    assert_false(fits(set, "+", ACL_SUBSCRIBE, "home/+/#"));
    assert_false(fits(set, "#", ACL_SUBSCRIBE, "home/#"));
    assert_false(fits(set, "ann/x", ACL_PUBLISH, "home/ann/x/door"));
    acl_set_destroy(set);
}

static void placeholders_may_be_part_of_a_level(void **state)
{
    (void)state;
    struct acl_set *set = set_of_topic(true, "dev-${username}-x/${$}{y}/${clientid}");
    assert_true(fits(set, "ann", ACL_PUBLISH, "dev-ann-x/${y}/c"));
    assert_false(fits(set, "ann", ACL_PUBLISH, "dev-ann/${y}/c"));
    assert_false(fits(set, "ann", ACL_PUBLISH, "dev-ann-x/$y/c"));
    acl_set_destroy(set);
}

static void topics_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t at;
    } bad[] = {{"", 0},         {"a/b#", 0},   {"a+/b", 0},
               {"a/${x}", 2},   {"a/${", 2},   {"${client_attrs.}", 0},
               {"a/#/b", 0},    {"x/${}", 2},  {"${client_attrs.a/b}", 0},
               {"${client", 0}, {"a/$${z}", 3}};
    const char *why = NULL;
    uint32_t at = 0;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(acl_topic_check(bytes_of_text(bad[i].text), false, &why, &at));
        assert_true(why != NULL && strlen(why) > 0);
        assert_int_equal(at, bad[i].at);
    }
    assert_true(acl_topic_check(bytes_of_text("a/b#"), true, &why, &at));
    assert_true(
        acl_topic_check(bytes_of_text("$SYS/${$}/$x/${client_attrs.a b}"), false, &why, &at));
    assert_false(acl_topic_check(bytes_of("a\0b", 3), true, &why, &at));
    char deep[2 * ACL_LEVELS_MAX + 2];
    memset(deep, '/', sizeof(deep));
    assert_true(acl_topic_check(bytes_of(deep, ACL_LEVELS_MAX - 1), false, &why, &at));
    assert_false(acl_topic_check(bytes_of(deep, ACL_LEVELS_MAX), false, &why, &at));
}

static void topics_deeper_than_rules_are_reached_by_hash_only(void **state)
{
    (void)state;
    char rule[2 * ACL_LEVELS_MAX + 8];
    char topic[4 * ACL_LEVELS_MAX + 8];
    size_t at = 0;
    for (unsigned i = 0; i + 1 < ACL_LEVELS_MAX; i++)
        at += (size_t)snprintf(rule + at, sizeof(rule) - at, "x/");
    size_t deep = 0;
    for (unsigned i = 0; i < 2 * ACL_LEVELS_MAX; i++)
        deep += (size_t)snprintf(topic + deep, sizeof(topic) - deep, "x/");
    snprintf(rule + at, sizeof(rule) - at, "#");
    assert_true(one_fits(true, rule, ACL_PUBLISH, topic));
    snprintf(rule + at, sizeof(rule) - at, "x");
    assert_false(one_fits(true, rule, ACL_PUBLISH, topic));
    topic[2 * ACL_LEVELS_MAX - 1] = '\0';
    assert_true(one_fits(true, rule, ACL_PUBLISH, topic));
    topic[2 * ACL_LEVELS_MAX - 1] = '/';
    topic[2 * ACL_LEVELS_MAX] = '\0';
    assert_false(one_fits(true, rule, ACL_PUBLISH, topic));
    snprintf(topic + 2 * ACL_LEVELS_MAX, 2, "#");
    assert_false(one_fits(true, rule, ACL_SUBSCRIBE, topic));
    assert_true(one_fits(false, rule, ACL_SUBSCRIBE, topic));
}

static void an_expression_without_answer_denies(void **state)
{
    (void)state;
    for (int allow = 0; allow < 2; allow++) {
        struct acl_rules *rules = acl_rules_create();
        struct acl_who who = {.kind = ACL_WHO_USER, .text = bytes_of_text("^(a|aa)+$")};
        struct regex_fault fault;
        uint32_t index;
        assert_int_equal(regex_compile(who.text, &who.regex, &fault), RC_OK);
        assert_int_equal(acl_rules_who(rules, &who, &index), RC_OK);
        rule_add(rules, allow == 1, ACL_BOTH, index, NULL);
        struct acl_set *set = set_of(rules);
        assert_true(fits(set, "aaaa", ACL_PUBLISH, "t"));
        assert_int_equal(
            fits(set, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", ACL_PUBLISH, "t"),
            allow == 0);
        acl_set_destroy(set);
    }
}

static void what_cannot_be_denied_need_not_be_asked(void **state)
{
    (void)state;
    struct acl_rules *rules = acl_rules_create();
    struct acl_set *set = NULL;
    rule_add(rules, false, ACL_SUBSCRIBE, who_add(rules, ACL_WHO_ALL, ""), "$SYS/#");
    assert_int_equal(acl_set_create(rules, true, &key, &set), RC_OK);
    assert_false(acl_set_judges(set, ACL_PUBLISH));
    assert_true(acl_set_judges(set, ACL_SUBSCRIBE));
    acl_set_destroy(set);
    /* The built-in rules, and no_match `deny`, which the last of them makes irrelevant. */
    rules = acl_rules_create();
    uint32_t all = who_add(rules, ACL_WHO_ALL, "");
    rule_add(rules, false, ACL_SUBSCRIBE, all, "$SYS/#");
    rule_add(rules, false, ACL_PUBLISH, all, "$SYS/#");
    rule_add(rules, true, ACL_BOTH, all, NULL);
    set = set_of(rules);
    assert_int_equal(acl_set_judges_publish(set), ACL_TOPICS_DOLLAR);
    assert_true(acl_set_judges(set, ACL_SUBSCRIBE));
    acl_set_destroy(set);
    set = set_of(acl_rules_create());
    assert_int_equal(acl_set_judges_publish(set), ACL_TOPICS_ALL);
    assert_true(acl_set_judges(set, ACL_PUBLISH));
    assert_false(fits(set, "ann", ACL_PUBLISH, "t"));
    acl_set_destroy(set);
}

/* Every allocation of a compilation fails once; nothing leaks, nothing is half made. */
static void without_memory_the_rules_stay_the_callers(void **state)
{
    (void)state;
    for (uint64_t good = 0; mem_fail_after(UINT64_MAX) && good < 64; good++) {
        struct acl_rules *rules = acl_rules_create();
        uint32_t parent = who_add(rules, ACL_WHO_OR, "");
        acl_rules_who_join(rules, parent, who_add(rules, ACL_WHO_USER, "ann"));
        acl_rules_who_join(rules, parent, who_add(rules, ACL_WHO_CLIENT, "c"));
        rule_add(rules, true, ACL_BOTH, parent, "a/${username}/b");
        assert_int_equal(acl_rules_topic(rules, bytes_of_text("e/#"), true), RC_OK);
        rule_add(rules, true, ACL_BOTH, parent, "+/b");
        struct acl_set *set = NULL;
        mem_fail_after(good);
        enum rc rc = acl_set_create(rules, false, &key, &set);
        mem_fail_after(UINT64_MAX);
        if (rc != RC_OK) {
            assert_int_equal(rc, RC_NO_MEMORY);
            assert_null(set);
            acl_rules_destroy(rules);
            continue;
        }
        assert_true(good > 8);
        assert_true(fits(set, "ann", ACL_SUBSCRIBE, "e/#"));
        acl_set_destroy(set);
        return;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(publishing_needs_a_filter_that_matches),
        cmocka_unit_test(a_subscription_is_allowed_by_what_covers_it),
        cmocka_unit_test(a_subscription_is_denied_by_what_overlaps_it),
        cmocka_unit_test(the_first_rule_that_fits_decides),
        cmocka_unit_test(a_client_called_hash_is_not_given_everything),
        cmocka_unit_test(placeholders_may_be_part_of_a_level),
        cmocka_unit_test(topics_are_checked),
        cmocka_unit_test(topics_deeper_than_rules_are_reached_by_hash_only),
        cmocka_unit_test(an_expression_without_answer_denies),
        cmocka_unit_test(what_cannot_be_denied_need_not_be_asked),
        cmocka_unit_test(without_memory_the_rules_stay_the_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
