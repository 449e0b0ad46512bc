/*
 * test_filter_index.c -- filters, shards, generations, limits (route/filter_index.h) and the trie
 * and walk behind it (route/filter_trie.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "filter_fixture.h"
#include "filter_index_inner.h"
#include "limits.h"

static const struct filter *find(const char *text)
{
    return filter_index_find_rcu(filters, bytes_of_text(text));
}

/* Which of the wildcard filters a walk finds, as a bit set. */
static uint64_t walk(const char *topic, const struct filter_id *ids, unsigned num_ids)
{
    struct filter_walk scratch = {.levels = NULL};
    uint64_t found = 0;
    epoch_begin(record);
    assert_int_equal(filter_walk_run_rcu(&scratch, &filters->trie, bytes_of_text(topic)), RC_OK);
    for (uint32_t i = 0; i < scratch.found_len; i++) {
        for (unsigned f = 0; f < num_ids; f++) {
            if (filter_id_equal(scratch.found[i]->id, ids[f])) {
                assert_int_equal((found >> f) & 1, 0);
                found |= UINT64_C(1) << f;
            }
        }
    }
    epoch_end(record);
    filter_walk_fini(&scratch);
    return found;
}

static void a_filter_lives_while_a_shard_has_it(void **state)
{
    (void)state;
    struct filter_id id = fixture_add("a/b", 3);
    assert_true(filter_id_equal(fixture_add("a/b", 69), id));
    const struct filter *filter = find("a/b");
    assert_non_null(filter);
    assert_ptr_equal(filter_index_by_id_rcu(filters, id), filter);
    struct shard_set any = filter_any(filter);
    assert_true(shard_set_has(&any, 3) && shard_set_has(&any, 69) && !shard_set_has(&any, 4));
    filter_index_remove(filters, record, id, 3);
    assert_ptr_equal(find("a/b"), filter);
    filter_index_remove(filters, record, id, 69);
    assert_null(find("a/b"));
    assert_null(filter_index_by_id_rcu(filters, id));
    struct filter_id again = fixture_add("a/b", 3);
    assert_false(filter_id_equal(again, id));
}

static void durable_shards_are_known_apart(void **state)
{
    (void)state;
    struct filter_id id = fixture_add("a/+", 1);
    struct filter_id same;
    enum rc rc = filter_index_add(filters, record, bytes_of_text("a/+"), 2, true, &same);
    assert_int_equal(rc, RC_OK);
    struct shard_set durable = filter_durable(find("a/+"));
    assert_true(!shard_set_has(&durable, 1) && shard_set_has(&durable, 2));
    filter_index_set_durable(filters, id, 1, true);
    filter_index_set_durable(filters, id, 2, false);
    durable = filter_durable(find("a/+"));
    assert_true(shard_set_has(&durable, 1) && !shard_set_has(&durable, 2));
    filter_index_remove(filters, record, id, 1);
    durable = filter_durable(find("a/+"));
    assert_true(shard_set_is_empty(&durable));
}

static void mqtt_4_7_1_walk_finds_what_the_standard_says(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "sport/tennis/player1/#", "sport/#",   "#", "sport/+", "+/+", "/+", "+",
        "sport/tennis/+",         "+/tennis/#"};
    struct filter_id ids[ARRAY_LEN(texts)];
    for (unsigned i = 0; i < ARRAY_LEN(texts); i++)
        ids[i] = fixture_add(texts[i], 0);
    assert_int_equal(walk("sport/tennis/player1", ids, 9), 0x187);
    assert_int_equal(walk("sport/tennis/player1/ranking", ids, 9), 0x107);
    assert_int_equal(walk("sport", ids, 9), 0x46);
    assert_int_equal(walk("sport/", ids, 9), 0x1e);
    assert_int_equal(walk("/finance", ids, 9), 0x34);
    assert_int_equal(walk("finance", ids, 9), 0x44);
}

static void mqtt_4_7_2_1_leading_wildcard_does_not_match_dollar(void **state)
{
    (void)state;
    static const char *const texts[] = {"#", "+/a", "$SYS/#", "$SYS/+", "+/#"};
    struct filter_id ids[ARRAY_LEN(texts)];
    for (unsigned i = 0; i < ARRAY_LEN(texts); i++)
        ids[i] = fixture_add(texts[i], 0);
    assert_int_equal(walk("$SYS/a", ids, 5), 0x0c);
    assert_int_equal(walk("$SYS", ids, 5), 0x04);
    assert_int_equal(walk("x/a", ids, 5), 0x13);
    assert_int_equal(walk("x/$SYS", ids, 5), 0x11);
}

static uint64_t generation_sum(const _Atomic uint64_t *counters)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < FILTER_GENERATIONS; i++)
        sum += atomic_load(&counters[i]);
    return sum;
}

static void each_kind_of_filter_moves_its_own_generation(void **state)
{
    (void)state;
    const struct filter_generations *g = filter_index_generations(filters);
    (void)fixture_add("a/b", 0);
    assert_int_equal(generation_sum(g->exact), 1);
    assert_int_equal(generation_sum(g->first), 0);
    uint64_t hash = filter_index_hash(filters, bytes_of_text("a/b"));
    assert_int_equal(atomic_load(&g->exact[hash % FILTER_GENERATIONS]), 1);
    struct filter_id id = fixture_add("a/+/c", 0);
    assert_int_equal(generation_sum(g->first), 1);
    assert_int_equal(atomic_load(&g->top), 0);
    hash = filter_index_hash(filters, bytes_of_text("a"));
    assert_int_equal(atomic_load(&g->first[hash % FILTER_GENERATIONS]), 1);
    (void)fixture_add("+/b", 0);
    (void)fixture_add("#", 0);
    assert_int_equal(atomic_load(&g->top), 2);
    assert_int_equal(generation_sum(g->exact), 1);
    /* A change that changes nothing moves nothing. */
    (void)fixture_add("#", 0);
    assert_int_equal(atomic_load(&g->top), 2);
    filter_index_set_durable(filters, id, 0, true);
    assert_int_equal(generation_sum(g->first), 2);
    filter_index_set_durable(filters, id, 0, true);
    assert_int_equal(generation_sum(g->first), 2);
    filter_index_remove(filters, record, id, 0);
    assert_true(generation_sum(g->first) > 2);
}

static void removing_all_leaves_only_the_root(void **state)
{
    (void)state;
    struct filter_id ids[300];
    uint64_t before = fixture_figures().nodes;
    for (unsigned i = 0; i < ARRAY_LEN(ids); i++) {
        char text[64];
        snprintf(text, sizeof text, "a/%u/+/c/%s", i % 50, i % 2 ? "#" : "+");
        ids[i] = fixture_add(text, (shard_id)(i % 70));
    }
    struct filter_index_figures figures = fixture_figures();
    assert_int_equal(figures.filters_wildcard, 50);
    assert_true(figures.nodes > before + 100);
    for (unsigned i = 0; i < ARRAY_LEN(ids); i++) {
        const struct filter *filter = filter_index_by_id_rcu(filters, ids[i]);
        struct shard_set any = filter_any(filter);
        if (shard_set_has(&any, (shard_id)(i % 70)))
            filter_index_remove(filters, record, ids[i], (shard_id)(i % 70));
    }
    figures = fixture_figures();
    assert_int_equal(figures.nodes, before);
    assert_int_equal(figures.filters + figures.filters_wildcard + figures.shapes, 0);
}

/* 65536 levels, as filter and as topic: nothing may recurse. */
static void the_deepest_filter_is_walked(void **state)
{
    (void)state;
    char *text = malloc(STRING_LEN_MAX + 1);
    assert_non_null(text);
    memset(text, '/', STRING_LEN_MAX);
    for (uint32_t i = 0; i < STRING_LEN_MAX; i += 2)
        text[i] = '+';
    text[STRING_LEN_MAX] = 0;
    struct filter_id ids[2] = {fixture_add(text, 0)};
    for (uint32_t i = 0; i < STRING_LEN_MAX; i += 2)
        text[i] = 'x';
    assert_int_equal(walk(text, ids, 1), 1);
    memset(text, '/', STRING_LEN_MAX);
    text[STRING_LEN_MAX - 1] = '#';
    ids[1] = fixture_add(text, 0);
    text[STRING_LEN_MAX - 1] = 'x';
    assert_int_equal(walk(text, ids, 2), 2);
    filter_index_remove(filters, record, ids[0], 0);
    filter_index_remove(filters, record, ids[1], 0);
    assert_int_equal(fixture_figures().nodes, 1);
    free(text);
}

/* A '+' beside the literal at each level: the walk's stack is filled to its last frame. */
static void the_stack_of_a_walk_suffices(void **state)
{
    (void)state;
    struct filter_id ids[64];
    char topic[160] = "";
    for (unsigned level = 0; level < 64; level++) {
        char text[200];
        snprintf(text, sizeof text, "%s+/#", topic);
        ids[level] = fixture_add(text, 0);
        size_t len = strlen(topic);
        snprintf(topic + len, sizeof topic - len, level < 63 ? "a/" : "a");
    }
    /* The last one, "a/.../+/#", matches with its parent. */
    assert_true(walk(topic, ids, 64) == UINT64_MAX);
}

static void a_reader_may_stand_on_a_node_that_goes(void **state)
{
    (void)state;
    struct epoch_record *reader = epoch_register(domain);
    struct filter_id id = fixture_add("+/a", 0);
    epoch_begin(reader);
    const struct filter_node *plus = atomic_load(&filters->trie.root->plus);
    const struct filter *filter = filter_index_by_id_rcu(filters, id);
    filter_index_remove(filters, record, id, 0);
    for (int i = 0; i < 8; i++)
        (void)epoch_poll(record);
    assert_int_equal(plus->magic, FILTER_NODE_MAGIC);
    assert_int_equal(filter->magic, FILTER_MAGIC);
    assert_null(atomic_load(&filters->trie.root->plus));
    epoch_end(reader);
}

/* {a,+}^n with another end for each: without a bound the walk would double with each level. */
static void work_of_a_walk_is_bounded_by_shapes(void **state)
{
    (void)state;
    unsigned refused = 0;
    for (unsigned mask = 0; mask < 1u << 13; mask++) {
        char text[64];
        int len = 0;
        for (unsigned bit = 0; bit < 13; bit++)
            len += snprintf(text + len, 64 - (size_t)len, "%c/", (mask >> bit) & 1 ? '+' : 'a');
        snprintf(text + len, sizeof text - (size_t)len, "z%u/+", mask);
        struct filter_id id;
        enum rc rc = filter_index_add(filters, record, bytes_of_text(text), 0, false, &id);
        assert_true(rc == RC_OK || rc == RC_FULL);
        refused += rc == RC_FULL;
    }
    assert_true(refused > 0);
    assert_int_equal(fixture_figures().refused, refused);
    struct filter_walk scratch = {.levels = NULL};
    epoch_begin(record);
    struct bytes topic = bytes_of_text("a/a/a/a/a/a/a/a/a/a/a/a/a/q/q");
    assert_int_equal(filter_walk_run_rcu(&scratch, &filters->trie, topic), RC_OK);
    assert_true(scratch.nodes_visited <= 15 * FILTER_SHAPES_USUAL);
    assert_true(scratch.nodes_visited > FILTER_SHAPES_USUAL);
    epoch_end(record);
    filter_walk_fini(&scratch);
}

static void the_number_of_filters_is_bounded(void **state)
{
    (void)state;
    (void)fixture_tear_down(NULL);
    struct filter_index_config config = fixture_config;
    config.filters_max = 2;
    assert_int_equal(fixture_set_up_with(&config), 0);
    struct filter_id id = fixture_add("a", 0);
    (void)fixture_add("b/+", 0);
    struct filter_id none = {.slot = 77};
    enum rc rc = filter_index_add(filters, record, bytes_of_text("c"), 0, false, &none);
    assert_int_equal(rc, RC_FULL);
    assert_int_equal(none.slot, 77);
    (void)fixture_add("a", 1);
    filter_index_remove(filters, record, id, 0);
    filter_index_remove(filters, record, id, 1);
    (void)fixture_add("c", 0);
}

static void bytes_are_counted_and_bounded(void **state)
{
    (void)state;
    (void)fixture_tear_down(NULL);
    struct filter_index_config config = fixture_config;
    config.bytes_max = 600000;
    assert_int_equal(fixture_set_up_with(&config), 0);
    struct filter_id first = fixture_add("first", 0);
    uint32_t added = 0;
    enum rc rc = RC_OK;
    for (; rc == RC_OK; added++) {
        char text[64];
        struct filter_id id;
        snprintf(text, sizeof text, "some/device/%u/%s", added, added % 2 ? "state" : "+");
        rc = filter_index_add(filters, record, bytes_of_text(text), 0, false, &id);
    }
    assert_int_equal(rc, RC_FULL);
    assert_true(fixture_figures().bytes <= 600000 + 1024);
    assert_in_range(added, 300, 3000);
    filter_index_remove(filters, record, first, 0);
    (void)fixture_add("again", 0);
}

/* The promise of the header: below 200 bytes for a filter of one client. */
static void an_exact_filter_costs_less_than_200_bytes(void **state)
{
    (void)state;
    struct filter_index_figures before = fixture_figures();
    for (uint32_t i = 0; i < 20000; i++) {
        char text[64];
        snprintf(text, sizeof text, "clients/device-%08u-0123456789abcdef/in", i);
        (void)fixture_add(text, 0);
    }
    uint64_t each = (fixture_figures().bytes - before.bytes) / 20000;
    assert_in_range(each, 120, 200);
}

static void every_failed_allocation_leaves_all_as_it_was(void **state)
{
    (void)state;
    if (!mem_fail_after(UINT64_MAX))
        skip();
    static const char *const texts[] = {"a/b", "a/+/c/#", "x/y/z/+", "#"};
    for (unsigned t = 0; t < ARRAY_LEN(texts); t++) {
        enum rc rc = RC_NO_MEMORY;
        for (uint64_t good = 0; rc == RC_NO_MEMORY; good++) {
            struct filter_index_figures before = fixture_figures();
            struct filter_id id;
            (void)mem_fail_after(good);
            rc = filter_index_add(filters, record, bytes_of_text(texts[t]), 0, true, &id);
            (void)mem_fail_after(UINT64_MAX);
            assert_true(rc == RC_OK || rc == RC_NO_MEMORY);
            struct filter_index_figures after = fixture_figures();
            if (rc == RC_NO_MEMORY) {
                assert_null(find(texts[t]));
                assert_int_equal(after.nodes, before.nodes);
                assert_int_equal(after.shapes, before.shapes);
                assert_int_equal(after.filters, before.filters);
            }
        }
        assert_non_null(find(texts[t]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_filter_lives_while_a_shard_has_it),
        TEST(durable_shards_are_known_apart),
        TEST(mqtt_4_7_1_walk_finds_what_the_standard_says),
        TEST(mqtt_4_7_2_1_leading_wildcard_does_not_match_dollar),
        TEST(each_kind_of_filter_moves_its_own_generation),
        TEST(removing_all_leaves_only_the_root),
        TEST(the_deepest_filter_is_walked),
        TEST(the_stack_of_a_walk_suffices),
        TEST(a_reader_may_stand_on_a_node_that_goes),
        TEST(work_of_a_walk_is_bounded_by_shapes),
        TEST(the_number_of_filters_is_bounded),
        TEST(bytes_are_counted_and_bounded),
        TEST(an_exact_filter_costs_less_than_200_bytes),
        TEST(every_failed_allocation_leaves_all_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
