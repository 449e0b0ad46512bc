/*
 * test_match.c -- results of matching, and when the cache may answer (route/match.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "filter_fixture.h"
#include "match.h"

static struct match_cache *cache;

static int set_up_with(uint64_t bytes_max)
{
    if (fixture_set_up(NULL) != 0)
        return 1;
    struct match_cache_config config = {.index = filters,
                                        .record = record,
                                        .entries_max = MATCH_ENTRIES_USUAL,
                                        .bytes_max = bytes_max};
    cache = match_cache_create(&config);
    return cache == NULL;
}

static int set_up(void **state)
{
    (void)state;
    return set_up_with(1 << 24);
}

static int tear_down(void **state)
{
    (void)mem_fail_after(UINT64_MAX);
    if (epoch_is_inside(record))
        epoch_end(record);
    match_cache_destroy(cache);
    return fixture_tear_down(state);
}

static const struct match_result *match(const char *text)
{
    struct bytes topic = bytes_of_text(text);
    return match_topic(cache, topic, filter_index_hash(filters, topic));
}

static struct match_figures figures(void)
{
    struct match_figures out;
    match_cache_figures(cache, &out);
    return out;
}

static bool has_filter(const struct match_result *result, struct filter_id id)
{
    for (uint32_t i = 0; i < result->filters_len; i++) {
        if (filter_id_equal(result->filters[i].id, id))
            return true;
    }
    return false;
}

static void a_result_names_filters_and_shards(void **state)
{
    (void)state;
    struct filter_id exact = fixture_add("a/b", 1);
    struct filter_id plus;
    enum rc rc = filter_index_add(filters, record, bytes_of_text("a/+"), 69, true, &plus);
    assert_int_equal(rc, RC_OK);
    (void)fixture_add("a/c", 5);
    epoch_begin(record);
    const struct match_result *result = match("a/b");
    assert_int_equal(result->filters_len, 2);
    assert_true(has_filter(result, exact) && has_filter(result, plus));
    assert_true(shard_set_has(&result->any, 1) && shard_set_has(&result->any, 69));
    assert_false(shard_set_has(&result->any, 5));
    assert_true(shard_set_has(&result->durable, 69) && !shard_set_has(&result->durable, 1));
    for (uint32_t i = 0; i < 2; i++) {
        bool is_plus = filter_id_equal(result->filters[i].id, plus);
        assert_int_equal(shard_set_has(&result->filters[i].any, 69), is_plus);
        assert_int_equal(shard_set_has(&result->filters[i].durable, 69), is_plus);
    }
    assert_true(match_is_empty(match("b/b")));
}

static void the_second_time_is_a_hit_also_for_nothing(void **state)
{
    (void)state;
    (void)fixture_add("a/#", 0);
    epoch_begin(record);
    const struct match_result *first = match("a/b");
    assert_ptr_equal(match("a/b"), first);
    (void)match("nothing");
    (void)match("nothing");
    epoch_end(record);
    epoch_begin(record);
    assert_ptr_equal(match("a/b"), first);
    assert_int_equal(figures().hits, 3);
    assert_int_equal(figures().misses, 2);
}

static const struct match_result *match_by_number(const char *text, uint64_t number)
{
    struct bytes topic = bytes_of_text(text);
    return match_numbered(cache, topic, filter_index_hash(filters, topic), number);
}

static void a_number_finds_its_topic_until_something_changes(void **state)
{
    (void)state;
    (void)fixture_add("a/#", 0);
    epoch_begin(record);
    const struct match_result *first = match_by_number("a/b", 7);
    assert_ptr_equal(match_by_number("a/b", 7), first);
    assert_ptr_equal(match("a/b"), first);
    assert_int_equal(figures().misses, 1);
    assert_int_equal(figures().hits, 2);
    /* Another number is another topic, and the first number finds its own again. */
    assert_true(match_is_empty(match_by_number("nothing", 8)));
    assert_true(match_is_empty(match_by_number("nothing", 8)));
    assert_ptr_equal(match_by_number("a/b", 7), first);
    epoch_end(record);
    struct filter_id plus = fixture_add("a/+", 0);
    epoch_begin(record);
    assert_true(has_filter(match_by_number("a/b", 7), plus));
    assert_true(has_filter(match_by_number("a/b", 7), plus));
    epoch_end(record);
    filter_index_remove(filters, record, plus, 0);
    epoch_begin(record);
    assert_int_equal(match_by_number("a/b", 7)->filters_len, 1);
}

static void a_number_does_not_find_what_was_pushed_out(void **state)
{
    (void)state;
    (void)fixture_add("#", 0);
    epoch_begin(record);
    (void)match_by_number("a/b", 1);
    /* Fills the table until it doubles: entries move and go. */
    char topic[24];
    for (unsigned i = 0; i < 4 * MATCH_ENTRIES_FIRST; i++) {
        snprintf(topic, sizeof(topic), "t/%u", i);
        (void)match(topic);
        const struct match_result *result = match_by_number("a/b", 1);
        assert_true(bytes_equal(bytes_of(result->topic, result->topic_len), bytes_of_text("a/b")));
    }
    assert_true(figures().entries > MATCH_ENTRIES_FIRST);
}

static void a_new_result_has_an_empty_plan_with_room_for_its_filters(void **state)
{
    (void)state;
    (void)fixture_add("a/b", 0);
    (void)fixture_add("a/+", 1);
    epoch_begin(record);
    const struct match_result *result = match("a/b");
    assert_int_equal(result->plan->changes, 0);
    assert_int_equal(result->plan->len, 0);
    assert_false(result->plan->is_all);
    struct subtable_entry *place = (struct subtable_entry *)(uintptr_t)1;
    for (uint32_t i = 0; i < result->filters_len; i++)
        result->plan->entries[i] = place;
    assert_true(bytes_equal(bytes_of(result->topic, result->topic_len), bytes_of_text("a/b")));
    assert_int_equal(result->filters_len, 2);
}

static void check_noticed(const char *topic, const char *filter)
{
    epoch_begin(record);
    uint32_t before = match(topic)->filters_len;
    uint64_t stale = figures().stale;
    epoch_end(record);
    struct filter_id id = fixture_add(filter, 2);
    epoch_begin(record);
    assert_int_equal(match(topic)->filters_len, before + 1);
    assert_true(has_filter(match(topic), id));
    assert_false(shard_set_has(&match(topic)->durable, 2));
    epoch_end(record);
    filter_index_set_durable(filters, id, 2, true);
    epoch_begin(record);
    assert_true(shard_set_has(&match(topic)->durable, 2));
    epoch_end(record);
    filter_index_remove(filters, record, id, 2);
    epoch_begin(record);
    assert_int_equal(match(topic)->filters_len, before);
    epoch_end(record);
    assert_int_equal(figures().stale, stale + 3);
}

static void every_change_that_matters_is_noticed(void **state)
{
    (void)state;
    check_noticed("a/b", "a/b");
    check_noticed("a/b", "a/+");
    check_noticed("a/b", "a/b/#");
    check_noticed("a/b", "+/b");
    check_noticed("a/b", "#");
    check_noticed("a", "a");
    check_noticed("a", "a/#");
    check_noticed("$SYS/x", "$SYS/#");
    check_noticed("/x", "/+");
}

static void other_changes_do_not_empty_the_cache(void **state)
{
    (void)state;
    epoch_begin(record);
    (void)match("home/kitchen/light");
    epoch_end(record);
    uint32_t stale = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        char text[64];
        snprintf(text, sizeof text, i % 2 ? "inbox/%u" : "dev%u/+/up", i);
        (void)fixture_add(text, 0);
        epoch_begin(record);
        (void)match("home/kitchen/light");
        epoch_end(record);
        stale = (uint32_t)figures().stale;
    }
    /* 1000 changes over 1024 counters: about one falls on ours, not a thousand. */
    assert_true(stale <= 8);
    assert_int_equal(figures().misses, 1);
}

static void results_live_to_the_end_of_the_section(void **state)
{
    (void)state;
    static const struct match_result *results[20000];
    (void)fixture_add("#", 7);
    epoch_begin(record);
    for (uint32_t i = 0; i < ARRAY_LEN(results); i++) {
        char text[32];
        snprintf(text, sizeof text, "topic/%u", i);
        results[i] = match(text);
    }
    for (uint32_t i = 0; i < ARRAY_LEN(results); i++) {
        char text[32];
        int len = snprintf(text, sizeof text, "topic/%u", i);
        assert_int_equal(results[i]->topic_len, len);
        assert_memory_equal(results[i]->topic, text, (size_t)len);
        assert_true(shard_set_has(&results[i]->any, 7));
    }
    assert_true(figures().pushed_out > 0);
    assert_true(figures().bytes_retired > 0);
    epoch_end(record);
    epoch_begin(record);
    (void)match("topic/0");
    assert_true(figures().bytes_retired < 1000);
}

static void the_table_grows_when_topics_push_each_other_out(void **state)
{
    (void)state;
    assert_int_equal(figures().entries, MATCH_ENTRIES_FIRST);
    for (uint32_t round = 0; round < 6; round++) {
        epoch_begin(record);
        for (uint32_t i = 0; i < 20000; i++) {
            char text[32];
            snprintf(text, sizeof text, "topic/%u", i);
            (void)match(text);
        }
        epoch_end(record);
    }
    assert_true(figures().entries >= 16384);
    assert_true(figures().hits > 20000);
}

static void growing_keeps_what_was_there(void **state)
{
    (void)state;
    uint32_t last = 0;
    char text[32];
    while (figures().entries == MATCH_ENTRIES_FIRST) {
        snprintf(text, sizeof text, "topic/%u", ++last);
        epoch_begin(record);
        (void)match(text);
        epoch_end(record);
    }
    uint64_t hits = figures().hits;
    for (uint32_t i = last - 999; i <= last; i++) {
        snprintf(text, sizeof text, "topic/%u", i);
        epoch_begin(record);
        (void)match(text);
        epoch_end(record);
    }
    assert_in_range(figures().hits - hits, 700, 1000);
}

static void bytes_kept_are_bounded(void **state)
{
    (void)tear_down(state);
    assert_int_equal(set_up_with(100000), 0);
    for (uint32_t i = 0; i < 20000; i++) {
        char text[32];
        snprintf(text, sizeof text, "topic/%u", i);
        epoch_begin(record);
        assert_non_null(match(text));
        epoch_end(record);
        assert_true(figures().bytes <= 100000);
    }
    assert_true(figures().bytes > 50000);
}

static void a_huge_result_is_not_kept(void **state)
{
    (void)tear_down(state);
    assert_int_equal(set_up_with(16 * 300), 0);
    for (uint32_t i = 0; i < 12; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s%s", &"+/+/+/+/+/+/+"[2 * (i % 7)], i < 7 ? "" : "/#");
        (void)fixture_add(text, 0);
    }
    epoch_begin(record);
    const struct match_result *result = match("a/b/c/d/e/f/g");
    assert_int_equal(result->filters_len, 6);
    assert_true(result->bytes > 300);
    assert_int_equal(figures().bytes, 0);
    assert_ptr_not_equal(match("a/b/c/d/e/f/g"), result);
    assert_int_equal(result->topic_len, 13);
}

static void groups_are_found_and_notice_their_end(void **state)
{
    (void)state;
    struct share_member *a = fixture_join("t/+", "g", 1, 0, true);
    struct share_member *b = fixture_join("t/1", "h", 2, 0, true);
    epoch_begin(record);
    const struct match_result *result = match("t/1");
    assert_int_equal(result->filters_len, 0);
    assert_int_equal(result->groups_len, 2);
    assert_ptr_equal(result->groups[0].group == a->group ? result->groups[1].group
                                                         : result->groups[0].group,
                     b->group);
    epoch_end(record);
    /* Members may change under the cached result. */
    struct share_member *c = fixture_join("t/+", "g", 3, 0, true);
    filter_index_group_leave(filters, record, a);
    epoch_barrier(record);
    epoch_begin(record);
    assert_ptr_equal(match("t/1"), result);
    assert_int_equal(share_group_members_count(c->group), 1);
    epoch_end(record);
    filter_index_group_leave(filters, record, c);
    epoch_barrier(record);
    epoch_begin(record);
    assert_int_equal(match("t/1")->groups_len, 1);
    assert_ptr_equal(match("t/1")->groups[0].group, b->group);
}

static void without_memory_there_is_no_result(void **state)
{
    (void)state;
    if (!mem_fail_after(UINT64_MAX))
        skip();
    (void)fixture_add("a/+", 1);
    (void)fixture_join("a/+", "g", 1, 0, true);
    epoch_begin(record);
    const struct match_result *result = NULL;
    for (uint64_t good = 0; result == NULL; good++) {
        (void)mem_fail_after(good);
        result = match("a/b");
        (void)mem_fail_after(UINT64_MAX);
        assert_true(result != NULL || good < 10);
    }
    assert_int_equal(result->filters_len, 1);
    assert_int_equal(result->groups_len, 1);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_result_names_filters_and_shards),
        TEST(the_second_time_is_a_hit_also_for_nothing),
        TEST(a_number_finds_its_topic_until_something_changes),
        TEST(a_number_does_not_find_what_was_pushed_out),
        TEST(a_new_result_has_an_empty_plan_with_room_for_its_filters),
        TEST(every_change_that_matters_is_noticed),
        TEST(other_changes_do_not_empty_the_cache),
        TEST(results_live_to_the_end_of_the_section),
        TEST(the_table_grows_when_topics_push_each_other_out),
        TEST(growing_keeps_what_was_there),
        TEST(bytes_kept_are_bounded),
        TEST(a_huge_result_is_not_kept),
        TEST(groups_are_found_and_notice_their_end),
        TEST(without_memory_there_is_no_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
