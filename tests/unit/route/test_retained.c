/*
 * test_retained.c -- retained values, their versions, limits and references (route/retained.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "retained_fixture.h"
#include "retained_tree.h"

static enum rc drop(const char *topic, uint64_t *out_version)
{
    return retained_delete(store, record, bytes_of_text(topic), out_version);
}

static void mqtt_3_3_1_5_the_latest_value_replaces_the_one_before(void **state)
{
    (void)state;
    assert_int_equal(fixture_get("a/b"), -1);
    assert_int_equal(fixture_set("a/b", 1), 1);
    assert_int_equal(fixture_set("a/b", 2), 2);
    assert_int_equal(fixture_set("a", 3), 1);
    assert_int_equal(fixture_get("a/b"), 2);
    assert_int_equal(fixture_get("a"), 3);
    assert_int_equal(fixture_get("a/b/c"), -1);
    assert_int_equal(fixture_get("a/"), -1);
    assert_int_equal(retained_count(store), 2);
    uint64_t version = 0;
    struct item *item = retained_get(store, record, bytes_of_text("a/b"), &version);
    assert_int_equal(version, 2);
    item_unref(item);
}

static void mqtt_3_3_1_6_a_deleted_value_is_gone(void **state)
{
    (void)state;
    (void)fixture_set("a/b", 1);
    (void)fixture_set("a/b/c", 2);
    assert_int_equal(drop("a/b", NULL), RC_OK);
    assert_int_equal(fixture_get("a/b"), -1);
    assert_int_equal(fixture_get("a/b/c"), 2);
    assert_int_equal(drop("a/b", NULL), RC_NOT_FOUND);
    assert_int_equal(drop("a", NULL), RC_NOT_FOUND);
    assert_int_equal(drop("x", NULL), RC_NOT_FOUND);
    assert_int_equal(retained_count(store), 1);
}

static void versions_rise_across_deletion(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        (void)fixture_set("a", i);
    uint64_t deletion = 0;
    assert_int_equal(drop("a", &deletion), RC_OK);
    assert_int_equal(deletion, 6);
    assert_true(fixture_set("a", 9) > deletion);
    retained_note_version(store, 1000);
    assert_true(fixture_set("b", 9) > 1000);
    retained_note_version(store, 5);
    assert_true(fixture_set("c", 9) > 1000);
}

static void delete_if_spares_another_version(void **state)
{
    (void)state;
    uint64_t version = fixture_set("a", 1);
    (void)fixture_set("a", 2);
    struct bytes topic = bytes_of_text("a");
    assert_int_equal(retained_delete_if(store, record, topic, version, NULL), RC_NOT_FOUND);
    assert_int_equal(fixture_get("a"), 2);
    assert_int_equal(retained_delete_if(store, record, topic, version + 1, NULL), RC_OK);
    assert_int_equal(fixture_get("a"), -1);
}

static void recovery_keeps_the_highest_version(void **state)
{
    (void)state;
    struct bytes topic = bytes_of_text("a/b");
    assert_int_equal(retained_restore(store, record, topic, item_create(7), 10, 0, 7), RC_OK);
    struct item *older = item_create(5);
    assert_int_equal(retained_restore(store, record, topic, older, 10, 0, 5), RC_EXISTS);
    assert_int_equal(retained_restore(store, record, topic, older, 10, 0, 7), RC_EXISTS);
    item_unref(older);
    assert_int_equal(fixture_get("a/b"), 7);
    assert_int_equal(retained_restore(store, record, topic, item_create(9), 10, 0, 9), RC_OK);
    assert_int_equal(fixture_get("a/b"), 9);
    assert_int_equal(fixture_set("a/b", 1), 10);
}

static void at_the_limit_of_values_only_new_topics_are_refused(void **state)
{
    (void)state;
    retained_set_limits(store, 2, UINT64_MAX);
    (void)fixture_set("a", 1);
    (void)fixture_set("b", 1);
    assert_int_equal(fixture_set("c", 1), 0);
    assert_int_equal(fixture_get("c"), -1);
    assert_true(fixture_set("a", 2) > 0);
    assert_int_equal(fixture_get("a"), 2);
    assert_int_equal(drop("b", NULL), RC_OK);
    assert_true(fixture_set("c", 1) > 0);
    retained_set_limits(store, 3, UINT64_MAX);
    assert_true(fixture_set("d", 1) > 0);
    /* Recovery must not lose what was acknowledged. */
    struct item *item = item_create(5);
    assert_int_equal(retained_restore(store, record, bytes_of_text("e"), item, 10, 0, 1), RC_OK);
}

static void at_the_limit_of_bytes_only_new_topics_are_refused(void **state)
{
    (void)state;
    (void)fixture_set("a", 1);
    uint64_t used = retained_bytes(store);
    retained_set_limits(store, UINT64_MAX, used + 100);
    assert_int_equal(fixture_set("b", 1), 0);
    assert_true(fixture_set("a", 2) > 0);
    retained_set_limits(store, UINT64_MAX, used + 1000);
    assert_true(fixture_set("b", 1) > 0);
    retained_set_limits(store, UINT64_MAX, 1);
    assert_int_equal(fixture_set("c", 1), 0);
    assert_true(fixture_set("b", 2) > 0);
}

static void bytes_return_to_where_they_were(void **state)
{
    (void)state;
    char topic[32];
    for (uint32_t i = 0; i < 3000; i++) {
        snprintf(topic, sizeof topic, "a/%u/b/%u", i % 7, i);
        (void)fixture_set(topic, i);
    }
    uint64_t full = retained_bytes(store);
    assert_true(full > 3000 * (100 + 48 + 100));
    (void)fixture_set("a/0/b/0", 1);
    assert_int_equal(retained_bytes(store), full);
    for (uint32_t i = 0; i < 3000; i++) {
        snprintf(topic, sizeof topic, "a/%u/b/%u", i % 7, i);
        assert_int_equal(drop(topic, NULL), RC_OK);
    }
    assert_int_equal(retained_count(store), 0);
    /* What is left are the table's smallest arrays. */
    assert_true(retained_bytes(store) < 150 * 1024);
}

/* A parent that had many children must not keep room for them. */
static void lists_of_children_shrink(void **state)
{
    (void)state;
    char topic[32];
    for (uint32_t i = 0; i < 3000; i++) {
        snprintf(topic, sizeof topic, "a/%u", i);
        (void)fixture_set(topic, i);
    }
    for (uint32_t i = 0; i < 2990; i++) {
        snprintf(topic, sizeof topic, "a/%u", i);
        assert_int_equal(drop(topic, NULL), RC_OK);
    }
    assert_true(store->tree_bytes < 5000);
    assert_int_equal(fixture_get("a/2999"), 2999);
}

static void a_value_lives_while_somebody_reads_it(void **state)
{
    (void)state;
    struct epoch_record *reader = epoch_register(domain);
    (void)fixture_set("a", 1);
    epoch_begin(reader);
    (void)fixture_set("a", 2);
    for (int i = 0; i < 8; i++)
        (void)epoch_poll(record);
    assert_int_equal(items_alive, 2);
    epoch_end(reader);
    epoch_barrier(record);
    assert_int_equal(items_alive, 1);
    struct item *held = retained_get(store, reader, bytes_of_text("a"), NULL);
    assert_int_equal(drop("a", NULL), RC_OK);
    epoch_barrier(record);
    assert_int_equal(items_alive, 1);
    assert_int_equal(held->number, 2);
    item_unref(held);
    assert_int_equal(items_alive, 0);
}

static void every_failed_allocation_leaves_all_as_it_was(void **state)
{
    (void)state;
    if (!mem_fail_after(UINT64_MAX))
        skip();
    (void)fixture_set("a/b", 1);
    static const char *const topics[] = {"a/b", "a/b/c/d", "x/y/z", "a"};
    for (unsigned t = 0; t < 4; t++) {
        uint64_t version = 0;
        for (uint64_t good = 0; version == 0; good++) {
            uint64_t bytes = retained_bytes(store);
            uint64_t count = retained_count(store);
            uint64_t nodes = store->edges.live;
            int64_t before = fixture_get(topics[t]);
            (void)mem_fail_after(good);
            version = fixture_set(topics[t], 5);
            (void)mem_fail_after(UINT64_MAX);
            if (version == 0) {
                assert_int_equal(retained_count(store), count);
                assert_int_equal(store->edges.live, nodes);
                assert_true(retained_bytes(store) <= bytes + 4 * 64);
                assert_int_equal(fixture_get(topics[t]), before);
            }
        }
        assert_int_equal(fixture_get(topics[t]), 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mqtt_3_3_1_5_the_latest_value_replaces_the_one_before),
        TEST(mqtt_3_3_1_6_a_deleted_value_is_gone),
        TEST(versions_rise_across_deletion),
        TEST(delete_if_spares_another_version),
        TEST(recovery_keeps_the_highest_version),
        TEST(at_the_limit_of_values_only_new_topics_are_refused),
        TEST(at_the_limit_of_bytes_only_new_topics_are_refused),
        TEST(bytes_return_to_where_they_were),
        TEST(lists_of_children_shrink),
        TEST(a_value_lives_while_somebody_reads_it),
        TEST(every_failed_allocation_leaves_all_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
