/*
 * test_retained_walk.c -- walks in slices: everything once, through changes (route/retained.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "limits.h"
#include "retained_fixture.h"

#define NUMBERS 4096

struct tour {
    uint8_t visits[NUMBERS];
    uint32_t total;
    uint32_t refuse_after; /* as many are taken, then NOT_NOW; UINT32_MAX: all */
    bool delete_odd;
};

static enum retained_verdict tour_visit(void *context, void *value, uint64_t version)
{
    struct tour *tour = context;
    const struct item *item = value;
    (void)version;
    if (tour->refuse_after == 0)
        return RETAINED_NOT_NOW;
    if (tour->refuse_after != UINT32_MAX)
        tour->refuse_after--;
    tour->visits[item->number]++;
    tour->total++;
    return tour->delete_odd && item->number % 2 == 1 ? RETAINED_DELETE : RETAINED_TAKEN;
}

static struct tour tour_all(const char *filter, uint32_t budget)
{
    struct tour tour = {.refuse_after = UINT32_MAX};
    struct retained_cursor cursor;
    assert_int_equal(retained_cursor_init(&cursor, bytes_of_text(filter)), RC_OK);
    enum rc rc;
    while ((rc = retained_walk(store, record, &cursor, budget, tour_visit, &tour)) == RC_MORE)
        assert_false(epoch_is_inside(record));
    assert_int_equal(rc, RC_OK);
    assert_int_equal(retained_walk(store, record, &cursor, 1, tour_visit, &tour), RC_OK);
    retained_cursor_fini(&cursor);
    return tour;
}

static void check_tour(const char *filter, const char *numbers)
{
    for (uint32_t budget = 1; budget < 20; budget += 3) {
        struct tour tour = tour_all(filter, budget);
        assert_int_equal(tour.total, strlen(numbers));
        for (const char *at = numbers; *at != 0; at++)
            assert_int_equal(tour.visits[*at - 'a'], 1);
    }
}

static void put_examples(void)
{
    static const char *const topics[] = {"sport",  "sport/tennis", "sport/tennis/p1",
                                         "/",      "$SYS/a",       "$SYS",
                                         "x/$y/z", "x//z",         "sport/tennis/p1/score"};
    for (uint32_t i = 0; i < ARRAY_LEN(topics); i++)
        (void)fixture_set(topics[i], i);
}

static void mqtt_4_7_1_a_walk_finds_what_the_standard_says(void **state)
{
    (void)state;
    check_tour("#", "");
    put_examples();
    check_tour("sport", "a");
    check_tour("sport/#", "abci");
    check_tour("sport/+", "b");
    check_tour("sport/+/+", "c");
    check_tour("sport/+/+/#", "ci");
    check_tour("+", "a");
    check_tour("+/+", "bd");
    check_tour("/+", "d");
    check_tour("+/tennis/#", "bci");
    check_tour("x/+/z", "gh");
    check_tour("nobody/#", "");
    check_tour("sport/tennis/p1/score/x", "");
}

static void mqtt_4_7_2_1_leading_wildcard_does_not_match_dollar(void **state)
{
    (void)state;
    put_examples();
    check_tour("#", "abcdghi");
    check_tour("+/a", "");
    check_tour("$SYS/#", "ef");
    check_tour("$SYS/+", "e");
    check_tour("x/#", "gh");
}

static void a_walk_over_all_sees_dollar_topics_too(void **state)
{
    (void)state;
    put_examples();
    for (uint32_t budget = 1; budget < 20; budget += 3) {
        struct tour tour = {.refuse_after = UINT32_MAX};
        struct retained_cursor cursor;
        assert_int_equal(retained_cursor_init_all(&cursor), RC_OK);
        while (retained_walk(store, record, &cursor, budget, tour_visit, &tour) == RC_MORE)
            assert_false(epoch_is_inside(record));
        retained_cursor_fini(&cursor);
        assert_int_equal(tour.total, 9);
        for (uint32_t i = 0; i < tour.total; i++)
            assert_int_equal(tour.visits[i], 1);
    }
}

static void a_budget_bounds_each_slice(void **state)
{
    (void)state;
    char topic[32];
    for (uint32_t i = 0; i < 1000; i++) {
        snprintf(topic, sizeof topic, "a/%u/b", i);
        (void)fixture_set(topic, i);
    }
    struct tour tour = {.refuse_after = UINT32_MAX};
    struct retained_cursor cursor;
    assert_int_equal(retained_cursor_init(&cursor, bytes_of_text("#")), RC_OK);
    uint32_t slices = 1;
    while (retained_walk(store, record, &cursor, 10, tour_visit, &tour) == RC_MORE) {
        slices++;
        assert_true(tour.total <= slices * 10);
    }
    assert_int_equal(tour.total, 1000);
    assert_in_range(slices, 2001 / 10, 2001 / 10 + 2);
    retained_cursor_fini(&cursor);
}

/* Without '#' nothing below the filter's last level is looked at. */
static void a_walk_does_not_go_deeper_than_its_filter(void **state)
{
    (void)state;
    char topic[32];
    (void)fixture_set("a/b", 5000 % NUMBERS);
    for (uint32_t i = 0; i < 500; i++) {
        snprintf(topic, sizeof topic, "a/b/%u", i);
        (void)fixture_set(topic, i);
    }
    struct tour tour = {.refuse_after = UINT32_MAX};
    struct retained_cursor cursor;
    assert_int_equal(retained_cursor_init(&cursor, bytes_of_text("a/+")), RC_OK);
    assert_int_equal(retained_walk(store, record, &cursor, 3, tour_visit, &tour), RC_OK);
    assert_int_equal(tour.total, 1);
    retained_cursor_fini(&cursor);
}

static void what_is_not_taken_comes_again_first(void **state)
{
    (void)state;
    char topic[32];
    for (uint32_t i = 0; i < 100; i++) {
        snprintf(topic, sizeof topic, "a/%u", i);
        (void)fixture_set(topic, i);
    }
    struct tour tour = {.refuse_after = 7};
    struct retained_cursor cursor;
    assert_int_equal(retained_cursor_init(&cursor, bytes_of_text("a/+")), RC_OK);
    while (retained_walk(store, record, &cursor, 1000, tour_visit, &tour) == RC_MORE) {
        assert_int_equal(tour.total % 7, 0);
        tour.refuse_after = 7;
    }
    assert_int_equal(tour.total, 100);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(tour.visits[i], 1);
    retained_cursor_fini(&cursor);
}

static void a_visitor_may_have_values_deleted(void **state)
{
    (void)state;
    char topic[32];
    for (uint32_t i = 0; i < 200; i++) {
        snprintf(topic, sizeof topic, i % 3 ? "a/%u" : "b/%u/c", i);
        (void)fixture_set(topic, i);
    }
    struct tour tour = {.refuse_after = UINT32_MAX, .delete_odd = true};
    struct retained_cursor cursor;
    assert_int_equal(retained_cursor_init(&cursor, bytes_of_text("#")), RC_OK);
    while (retained_walk(store, record, &cursor, 3, tour_visit, &tour) == RC_MORE)
        epoch_barrier(record);
    assert_int_equal(tour.total, 200);
    assert_int_equal(retained_count(store), 100);
    retained_cursor_fini(&cursor);
    tour = tour_all("#", 50);
    for (uint32_t i = 0; i < 200; i++)
        assert_int_equal(tour.visits[i], i % 2 == 0);
}

static enum retained_verdict destroyer_visit(void *context, void *value, uint64_t version)
{
    struct epoch_record *other = context;
    (void)value;
    (void)version;
    char topic[32];
    for (uint32_t i = 0; i < 20; i++) {
        snprintf(topic, sizeof topic, "a/%u", i);
        (void)retained_delete(store, other, bytes_of_text(topic), NULL);
    }
    for (int i = 0; i < 8; i++)
        (void)epoch_poll(other);
    return RETAINED_TAKEN;
}

/* Another thread, here only another record, deletes everything while a slice stands in it. */
static void a_slice_keeps_what_it_stands_on(void **state)
{
    (void)state;
    struct epoch_record *other = epoch_register(domain);
    char topic[32];
    for (uint32_t i = 0; i < 20; i++) {
        snprintf(topic, sizeof topic, "a/%u", i);
        (void)fixture_set(topic, i);
    }
    struct retained_cursor cursor;
    assert_int_equal(retained_cursor_init(&cursor, bytes_of_text("#")), RC_OK);
    enum rc rc = retained_walk(store, record, &cursor, 100, destroyer_visit, other);
    assert_int_equal(rc, RC_OK);
    assert_int_equal(retained_count(store), 0);
    retained_cursor_fini(&cursor);
}

/* Between slices the node visited last, its parents and its neighbours vanish. */
static void the_place_is_found_again_after_deletions(void **state)
{
    (void)state;
    char topic[32];
    for (uint32_t i = 0; i < 1200; i++) {
        snprintf(topic, sizeof topic, "a/%u/%u", i / 10, i);
        (void)fixture_set(topic, i);
    }
    struct tour tour = {.refuse_after = UINT32_MAX};
    struct retained_cursor cursor;
    assert_int_equal(retained_cursor_init(&cursor, bytes_of_text("a/#")), RC_OK);
    uint32_t deleted = 0;
    while (retained_walk(store, record, &cursor, 5, tour_visit, &tour) == RC_MORE) {
        for (uint32_t i = 0; i < 1200; i++) {
            bool is_doomed = (i / 10) % 3 == 0 && i / 10 <= tour.total / 10 + 2;
            snprintf(topic, sizeof topic, "a/%u/%u", i / 10, i);
            if (is_doomed && retained_delete(store, record, bytes_of_text(topic), NULL) == RC_OK)
                deleted++;
        }
        epoch_barrier(record);
    }
    assert_true(deleted > 200);
    for (uint32_t i = 0; i < 1200; i++) {
        if ((i / 10) % 3 != 0)
            assert_int_equal(tour.visits[i], 1);
        else
            assert_true(tour.visits[i] <= 1);
    }
    retained_cursor_fini(&cursor);
}

static void a_topic_set_again_may_be_seen_again_but_others_once(void **state)
{
    (void)state;
    (void)fixture_set("a/b", 1);
    (void)fixture_set("a/b/c", 2);
    (void)fixture_set("d", 3);
    struct tour tour = {.refuse_after = UINT32_MAX};
    struct retained_cursor cursor;
    assert_int_equal(retained_cursor_init(&cursor, bytes_of_text("#")), RC_OK);
    assert_int_equal(retained_walk(store, record, &cursor, 3, tour_visit, &tour), RC_MORE);
    assert_int_equal(tour.total, 2);
    (void)retained_delete(store, record, bytes_of_text("a/b"), NULL);
    (void)retained_delete(store, record, bytes_of_text("a/b/c"), NULL);
    (void)fixture_set("a/b", 4);
    assert_int_equal(retained_walk(store, record, &cursor, 100, tour_visit, &tour), RC_OK);
    assert_int_equal(tour.visits[3], 1);
    assert_int_equal(tour.visits[4], 1);
    retained_cursor_fini(&cursor);
}

static void the_deepest_topic_is_walked(void **state)
{
    (void)state;
    char *topic = malloc(STRING_LEN_MAX + 1);
    assert_non_null(topic);
    memset(topic, '/', STRING_LEN_MAX);
    topic[STRING_LEN_MAX] = 0;
    (void)fixture_set(topic, 1);
    struct tour tour = tour_all("#", UINT32_MAX);
    assert_int_equal(tour.total, 1);
    tour = tour_all(topic, 7000);
    assert_int_equal(tour.total, 1);
    for (uint32_t i = 0; i < STRING_LEN_MAX; i += 2)
        topic[i] = '+';
    tour = tour_all(topic, UINT32_MAX);
    assert_int_equal(tour.total, 0);
    free(topic);
}

static void without_memory_a_slice_ends_and_can_be_continued(void **state)
{
    (void)state;
    if (!mem_fail_after(UINT64_MAX))
        skip();
    (void)fixture_set("a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s", 1);
    struct retained_cursor cursor;
    (void)mem_fail_after(0);
    assert_int_equal(retained_cursor_init(&cursor, bytes_of_text("#")), RC_NO_MEMORY);
    (void)mem_fail_after(1);
    assert_int_equal(retained_cursor_init(&cursor, bytes_of_text("#")), RC_NO_MEMORY);
    (void)mem_fail_after(UINT64_MAX);
    assert_int_equal(retained_cursor_init(&cursor, bytes_of_text("#")), RC_OK);
    struct tour tour = {.refuse_after = UINT32_MAX};
    /* The path's array is made once and doubles twice: each time fails once. */
    for (uint64_t growth = 0; growth < 3; growth++) {
        (void)mem_fail_after(growth == 0 ? 0 : 1);
        enum rc rc = retained_walk(store, record, &cursor, 100, tour_visit, &tour);
        (void)mem_fail_after(UINT64_MAX);
        assert_int_equal(rc, RC_NO_MEMORY);
        assert_int_equal(tour.total, 0);
    }
    assert_int_equal(retained_walk(store, record, &cursor, 100, tour_visit, &tour), RC_OK);
    assert_int_equal(tour.visits[1], 1);
    retained_cursor_fini(&cursor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mqtt_4_7_1_a_walk_finds_what_the_standard_says),
        TEST(mqtt_4_7_2_1_leading_wildcard_does_not_match_dollar),
        TEST(a_walk_over_all_sees_dollar_topics_too),
        TEST(a_budget_bounds_each_slice),
        TEST(a_walk_does_not_go_deeper_than_its_filter),
        TEST(what_is_not_taken_comes_again_first),
        TEST(a_visitor_may_have_values_deleted),
        TEST(a_slice_keeps_what_it_stands_on),
        TEST(the_place_is_found_again_after_deletions),
        TEST(a_topic_set_again_may_be_seen_again_but_others_once),
        TEST(the_deepest_topic_is_walked),
        TEST(without_memory_a_slice_ends_and_can_be_continued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
