/*
 * test_filter_groups.c -- shared groups come and go with their members (route/filter_index.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "filter_fixture.h"

static const struct share_group *group_of(const char *text, const char *name)
{
    const struct filter *filter = filter_index_find_rcu(filters, bytes_of_text(text));
    if (filter == NULL)
        return NULL;
    return filter_index_group_by_name_rcu(filters, filter->id, bytes_of_text(name));
}

static void mqtt_4_8_2_groups_of_one_filter_are_apart(void **state)
{
    (void)state;
    struct share_member *a = fixture_join("t/+", "g", 1, 0, true);
    struct share_member *b = fixture_join("t/+", "h", 2, 0, true);
    struct share_member *c = fixture_join("t/+", "g", 3, 1, true);
    const struct share_group *g = group_of("t/+", "g");
    const struct share_group *h = group_of("t/+", "h");
    assert_non_null(g);
    assert_non_null(h);
    assert_ptr_not_equal(g, h);
    assert_true(g->number != h->number);
    assert_int_equal(share_group_members_count(g), 2);
    assert_int_equal(share_group_members_count(h), 1);
    assert_ptr_equal(a->group, c->group);
    assert_ptr_equal(b->group, h);
    const struct filter *filter = filter_index_find_rcu(filters, bytes_of_text("t/+"));
    assert_ptr_equal(filter_index_group_rcu(filters, filter->id, h->number), h);
    assert_null(filter_index_group_rcu(filters, filter->id, 999));
    assert_null(group_of("t/+", "i"));
}

static void the_last_member_takes_group_and_filter_along(void **state)
{
    (void)state;
    struct share_member *a = fixture_join("t", "g", 1, 0, true);
    struct share_member *b = fixture_join("t", "g", 2, 0, false);
    struct share_member *c = fixture_join("t", "h", 2, 0, false);
    filter_index_group_leave(filters, record, a);
    assert_non_null(group_of("t", "g"));
    filter_index_group_leave(filters, record, b);
    assert_null(group_of("t", "g"));
    assert_non_null(group_of("t", "h"));
    filter_index_group_leave(filters, record, c);
    assert_null(filter_index_find_rcu(filters, bytes_of_text("t")));
    struct filter_index_figures figures = fixture_figures();
    assert_int_equal(figures.groups + figures.members + figures.filters, 0);
}

static void shards_and_groups_hold_the_filter_each(void **state)
{
    (void)state;
    struct filter_id id = fixture_add("t", 4);
    struct share_member *a = fixture_join("t", "g", 1, 0, true);
    filter_index_group_leave(filters, record, a);
    assert_non_null(filter_index_by_id_rcu(filters, id));
    a = fixture_join("t", "g", 1, 0, true);
    filter_index_remove(filters, record, id, 4);
    assert_non_null(filter_index_by_id_rcu(filters, id));
    filter_index_group_leave(filters, record, a);
    assert_null(filter_index_by_id_rcu(filters, id));
}

/* Cached results hold groups: only their coming and going may and must move the generation. */
static void only_groups_not_members_move_the_generation(void **state)
{
    (void)state;
    const struct filter_generations *g = filter_index_generations(filters);
    struct share_member *a = fixture_join("+/t", "g", 1, 0, true);
    uint64_t generation = atomic_load(&g->top);
    assert_true(generation > 0);
    struct share_member *b = fixture_join("+/t", "g", 2, 0, true);
    filter_index_member_set_connected(filters, b, false);
    filter_index_group_leave(filters, record, b);
    assert_true(atomic_load(&g->top) == generation);
    b = fixture_join("+/t", "h", 2, 0, true);
    assert_true(atomic_load(&g->top) > generation);
    generation = atomic_load(&g->top);
    filter_index_group_leave(filters, record, b);
    assert_true(atomic_load(&g->top) > generation);
    generation = atomic_load(&g->top);
    filter_index_group_leave(filters, record, a);
    assert_true(atomic_load(&g->top) > generation);
}

static void a_new_group_of_the_same_name_has_another_number(void **state)
{
    (void)state;
    struct share_member *a = fixture_join("t", "g", 1, 0, true);
    uint64_t number = a->group->number;
    filter_index_group_leave(filters, record, a);
    a = fixture_join("t", "g", 1, 0, true);
    assert_true(a->group->number != number);
}

static void bytes_return_to_where_they_were(void **state)
{
    (void)state;
    static struct share_member *members[500];
    struct filter_id id = fixture_add("t", 0);
    uint64_t before = fixture_figures().bytes;
    for (uint32_t i = 0; i < ARRAY_LEN(members); i++)
        members[i] = fixture_join("t", i % 5 == 0 ? "g" : "h", i, 0, i % 3 == 0);
    assert_true(fixture_figures().bytes > before + 500 * sizeof(struct share_member));
    assert_int_equal(fixture_figures().members, 500);
    for (uint32_t i = 0; i < ARRAY_LEN(members); i++)
        filter_index_group_leave(filters, record, members[i]);
    assert_int_equal(fixture_figures().bytes, before);
    filter_index_remove(filters, record, id, 0);
}

static void a_reader_keeps_the_groups_it_has(void **state)
{
    (void)state;
    struct epoch_record *reader = epoch_register(domain);
    struct share_member *a = fixture_join("t", "g", 1, 0, true);
    struct share_member *b = fixture_join("t", "h", 2, 0, true);
    epoch_begin(reader);
    const struct filter *filter = filter_index_find_rcu(filters, bytes_of_text("t"));
    const struct share_group_list *list = atomic_load(&filter->groups);
    filter_index_group_leave(filters, record, a);
    filter_index_group_leave(filters, record, b);
    for (int i = 0; i < 8; i++)
        (void)epoch_poll(record);
    assert_int_equal(list->len, 2);
    assert_int_equal(list->group[0]->magic, SHARE_GROUP_MAGIC);
    assert_int_equal(share_group_members_count(list->group[1]), 0);
    epoch_end(reader);
}

static void the_strategy_is_that_of_the_latest_join(void **state)
{
    (void)state;
    struct share_member *a = fixture_join("t", "g", 1, 0, true);
    assert_int_equal(atomic_load(&a->group->strategy), SHARE_ROUND_ROBIN);
    struct share_member *b;
    struct filter_id id;
    struct handle session = {.slot = 2, .generation = 1, .shard = 0};
    enum rc rc = filter_index_group_join(filters, record, bytes_of_text("t"), bytes_of_text("g"),
                                         SHARE_STICKY, session, (struct share_terms){.qos = 0},
                                         true, &b, &id);
    assert_int_equal(rc, RC_OK);
    assert_int_equal(atomic_load(&a->group->strategy), SHARE_STICKY);
}

static void every_failed_allocation_leaves_all_as_it_was(void **state)
{
    (void)state;
    if (!mem_fail_after(UINT64_MAX))
        skip();
    struct handle session = {.slot = 2, .generation = 1, .shard = 0};
    for (uint32_t joins = 0; joins < 9; joins++) {
        const char *name = joins < 6 ? "g" : "h";
        enum rc rc = RC_NO_MEMORY;
        for (uint64_t good = 0; rc == RC_NO_MEMORY; good++) {
            struct filter_index_figures before = fixture_figures();
            struct share_member *member;
            struct filter_id id;
            (void)mem_fail_after(good);
            rc = filter_index_group_join(filters, record, bytes_of_text("a/+"), bytes_of_text(name),
                                         SHARE_RANDOM, session, (struct share_terms){.qos = 0},
                                         true, &member, &id);
            (void)mem_fail_after(UINT64_MAX);
            struct filter_index_figures after = fixture_figures();
            if (rc == RC_NO_MEMORY) {
                assert_int_equal(after.groups, before.groups);
                assert_int_equal(after.members, before.members);
                assert_int_equal(after.filters, before.filters);
                assert_int_equal(after.nodes, before.nodes);
            }
        }
        assert_int_equal(rc, RC_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mqtt_4_8_2_groups_of_one_filter_are_apart),
        TEST(the_last_member_takes_group_and_filter_along),
        TEST(shards_and_groups_hold_the_filter_each),
        TEST(only_groups_not_members_move_the_generation),
        TEST(a_new_group_of_the_same_name_has_another_number),
        TEST(bytes_return_to_where_they_were),
        TEST(a_reader_keeps_the_groups_it_has),
        TEST(the_strategy_is_that_of_the_latest_join),
        TEST(every_failed_allocation_leaves_all_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
