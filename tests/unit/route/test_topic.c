/*
 * test_topic.c -- names, filters, share prefixes and the plain comparison (route/topic.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "limits.h"
#include "topic.h"

static enum topic_result name_check(const char *text)
{
    return topic_name_check(bytes_of_text(text), 8);
}

static enum topic_result filter_check(const char *text)
{
    return topic_filter_check(bytes_of_text(text), 8);
}

static bool matches(const char *filter, const char *topic)
{
    return topic_matches(bytes_of_text(filter), bytes_of_text(topic));
}

static void each_result_has_a_text(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TOPIC_RESULT_COUNT; i++)
        assert_true(strlen(topic_result_text((enum topic_result)i)) > 0);
}

static void mqtt_4_7_0_1_no_wildcards_in_names(void **state)
{
    (void)state;
    assert_int_equal(name_check("sport/tennis"), TOPIC_OK);
    assert_int_equal(name_check("+"), TOPIC_WILDCARD_IN_NAME);
    assert_int_equal(name_check("#"), TOPIC_WILDCARD_IN_NAME);
    assert_int_equal(name_check("a/b+c"), TOPIC_WILDCARD_IN_NAME);
    assert_int_equal(name_check("a/b/#"), TOPIC_WILDCARD_IN_NAME);
}

/* One wildcard at each place of names of each length: the block-wise search has many edges. */
static void a_wildcard_is_found_wherever_it_is(void **state)
{
    (void)state;
    for (uint32_t len = 1; len < 70; len++) {
        char *text = malloc(len);
        assert_non_null(text);
        memset(text, 'x', len);
        assert_int_equal(topic_name_check(bytes_of(text, len), 1), TOPIC_OK);
        for (uint32_t i = 0; i < len; i++) {
            text[i] = i % 2 == 0 ? '+' : '#';
            assert_int_equal(topic_name_check(bytes_of(text, len), 1), TOPIC_WILDCARD_IN_NAME);
            assert_true(topic_filter_has_wildcard(bytes_of(text, len)));
            text[i] = '/';
            assert_int_equal(topic_levels_count(bytes_of(text, len)), 2);
            text[i] = 'x';
        }
        free(text);
    }
}

static void mqtt_4_7_3_1_at_least_one_character(void **state)
{
    (void)state;
    assert_int_equal(name_check(""), TOPIC_EMPTY);
    assert_int_equal(filter_check(""), TOPIC_EMPTY);
    assert_int_equal(name_check("/"), TOPIC_OK);
    assert_int_equal(filter_check("/"), TOPIC_OK);
    assert_int_equal(name_check(" "), TOPIC_OK);
}

static void mqtt_4_7_3_3_at_most_65535_bytes(void **state)
{
    (void)state;
    char *text = malloc(STRING_LEN_MAX + 1);
    assert_non_null(text);
    memset(text, 'x', STRING_LEN_MAX + 1);
    assert_int_equal(topic_name_check(bytes_of(text, STRING_LEN_MAX), 1), TOPIC_OK);
    assert_int_equal(topic_name_check(bytes_of(text, STRING_LEN_MAX + 1), 1), TOPIC_TOO_LONG);
    assert_int_equal(topic_filter_check(bytes_of(text, STRING_LEN_MAX), 1), TOPIC_OK);
    assert_int_equal(topic_filter_check(bytes_of(text, STRING_LEN_MAX + 1), 1), TOPIC_TOO_LONG);
    free(text);
}

static void levels_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(name_check("1/2/3/4/5/6/7/8"), TOPIC_OK);
    assert_int_equal(name_check("1/2/3/4/5/6/7/8/"), TOPIC_TOO_MANY_LEVELS);
    assert_int_equal(filter_check("1/2/3/4/5/6/7/#"), TOPIC_OK);
    assert_int_equal(filter_check("1/2/3/4/5/6/7/8/#"), TOPIC_TOO_MANY_LEVELS);
    assert_int_equal(topic_levels_count(bytes_of_text("a")), 1);
    assert_int_equal(topic_levels_count(bytes_of_text("/")), 2);
    assert_int_equal(topic_levels_count(bytes_of_text("a//b/")), 4);
}

static void mqtt_4_7_1_1_hash_alone_at_the_end(void **state)
{
    (void)state;
    assert_int_equal(filter_check("#"), TOPIC_OK);
    assert_int_equal(filter_check("sport/tennis/#"), TOPIC_OK);
    assert_int_equal(filter_check("/#"), TOPIC_OK);
    assert_int_equal(filter_check("sport/tennis#"), TOPIC_HASH_MISPLACED);
    assert_int_equal(filter_check("sport/#/ranking"), TOPIC_HASH_MISPLACED);
    assert_int_equal(filter_check("#/"), TOPIC_HASH_MISPLACED);
    assert_int_equal(filter_check("##"), TOPIC_HASH_MISPLACED);
    assert_int_equal(filter_check("+#"), TOPIC_HASH_MISPLACED);
}

static void mqtt_4_7_1_2_plus_fills_its_level(void **state)
{
    (void)state;
    assert_int_equal(filter_check("+"), TOPIC_OK);
    assert_int_equal(filter_check("+/tennis/#"), TOPIC_OK);
    assert_int_equal(filter_check("sport/+/player1"), TOPIC_OK);
    assert_int_equal(filter_check("/+"), TOPIC_OK);
    assert_int_equal(filter_check("+/+"), TOPIC_OK);
    assert_int_equal(filter_check("sport+"), TOPIC_PLUS_MISPLACED);
    assert_int_equal(filter_check("sport/+x/a"), TOPIC_PLUS_MISPLACED);
    assert_int_equal(filter_check("++"), TOPIC_PLUS_MISPLACED);
}

static void check_split(const char *text, const char *group, const char *filter)
{
    struct topic_filter_parts parts;
    assert_int_equal(topic_filter_split(bytes_of_text(text), &parts), TOPIC_OK);
    assert_int_equal(parts.is_shared, group[0] != 0);
    assert_true(bytes_equal(parts.group, bytes_of_text(group)));
    assert_true(bytes_equal(parts.filter, bytes_of_text(filter)));
}

static void check_misshaped(const char *text)
{
    struct topic_filter_parts parts = {.is_shared = true};
    assert_int_equal(topic_filter_split(bytes_of_text(text), &parts), TOPIC_SHARE_MISSHAPED);
}

static void mqtt_4_8_2_1_share_needs_a_name(void **state)
{
    (void)state;
    check_split("$share/consumer1/sport/tennis/+", "consumer1", "sport/tennis/+");
    check_split("$share/g//", "g", "/");
    check_split("sport/#", "", "sport/#");
    check_split("$SYS/#", "", "$SYS/#");
    check_split("$share", "", "$share");
    check_split("$shared/g/t", "", "$shared/g/t");
    check_split("$queue/a/b", "$queue", "a/b");
    check_split("$queue", "", "$queue");
    check_misshaped("$share//a");
    check_misshaped("$queue/");
}

static void mqtt_4_8_2_2_share_name_has_no_wildcards_and_a_filter_follows(void **state)
{
    (void)state;
    check_misshaped("$share/");
    check_misshaped("$share/g");
    check_misshaped("$share/g/");
    check_misshaped("$share/g+/a");
    check_misshaped("$share/+/a");
    check_misshaped("$share/#");
    check_misshaped("$share/#/a");
}

static void mqtt_4_7_1_examples_of_the_standard(void **state)
{
    (void)state;
    assert_true(matches("sport/tennis/player1/#", "sport/tennis/player1"));
    assert_true(matches("sport/tennis/player1/#", "sport/tennis/player1/ranking"));
    assert_true(matches("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"));
    assert_true(matches("sport/#", "sport"));
    assert_true(matches("#", "a/b"));
    assert_true(matches("sport/tennis/+", "sport/tennis/player1"));
    assert_false(matches("sport/tennis/+", "sport/tennis/player1/ranking"));
    assert_false(matches("sport/+", "sport"));
    assert_true(matches("sport/+", "sport/"));
    assert_true(matches("+/+", "/finance"));
    assert_true(matches("/+", "/finance"));
    assert_false(matches("+", "/finance"));
}

static void mqtt_4_7_2_1_leading_wildcard_does_not_match_dollar(void **state)
{
    (void)state;
    assert_false(matches("#", "$SYS/broker"));
    assert_false(matches("+/monitor/Clients", "$SYS/monitor/Clients"));
    assert_true(matches("$SYS/#", "$SYS/"));
    assert_true(matches("$SYS/monitor/+", "$SYS/monitor/Clients"));
    assert_true(matches("a/+", "a/$b"));
    assert_true(matches("a/#", "a/$b"));
}

static void mqtt_4_7_3_4_nothing_is_normalised(void **state)
{
    (void)state;
    assert_false(matches("ACCOUNTS", "Accounts"));
    assert_false(matches("/a", "a"));
    assert_false(matches("a/", "a"));
    assert_false(matches("a", "a/"));
    assert_false(matches("a//b", "a/b"));
    assert_true(matches("a//b", "a//b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_result_has_a_text),
        cmocka_unit_test(mqtt_4_7_0_1_no_wildcards_in_names),
        cmocka_unit_test(a_wildcard_is_found_wherever_it_is),
        cmocka_unit_test(mqtt_4_7_3_1_at_least_one_character),
        cmocka_unit_test(mqtt_4_7_3_3_at_most_65535_bytes),
        cmocka_unit_test(levels_are_bounded),
        cmocka_unit_test(mqtt_4_7_1_1_hash_alone_at_the_end),
        cmocka_unit_test(mqtt_4_7_1_2_plus_fills_its_level),
        cmocka_unit_test(mqtt_4_8_2_1_share_needs_a_name),
        cmocka_unit_test(mqtt_4_8_2_2_share_name_has_no_wildcards_and_a_filter_follows),
        cmocka_unit_test(mqtt_4_7_1_examples_of_the_standard),
        cmocka_unit_test(mqtt_4_7_2_1_leading_wildcard_does_not_match_dollar),
        cmocka_unit_test(mqtt_4_7_3_4_nothing_is_normalised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
