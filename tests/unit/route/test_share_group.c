/*
 * test_share_group.c -- membership and picking (route/share_group.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "filter_fixture.h"

#define MEMBERS 10

static struct share_picker *picker;
static struct share_member *members[MEMBERS];

static int set_up(void **state)
{
    picker = share_picker_create(1024, 42);
    for (uint32_t i = 0; i < MEMBERS; i++)
        members[i] = NULL;
    return fixture_set_up(state) != 0 || picker == NULL;
}

static int tear_down(void **state)
{
    share_picker_destroy(picker);
    return fixture_tear_down(state);
}

static void join_all(enum share_strategy strategy)
{
    for (uint32_t i = 0; i < MEMBERS; i++)
        members[i] = fixture_join("t", "g", i, (shard_id)(i % 5), true);
    atomic_store(&members[0]->group->strategy, (uint8_t)strategy);
}

static const struct share_member *pick_for(uint64_t publisher, struct share_round *round)
{
    struct share_pick pick = {.publisher = publisher,
                              .publisher_hash = publisher * 31,
                              .topic_hash = publisher * 17,
                              .shard = 3,
                              .exclude = HANDLE_NONE};
    struct share_round fresh = {.start = 0, .tried = 0};
    epoch_begin(record);
    const struct share_member *member = share_group_pick_rcu(members[0]->group, picker, &pick,
                                                             round != NULL ? round : &fresh);
    epoch_end(record);
    return member;
}

/* What must always hold of the array of places. */
static void check_places(const struct share_group *group)
{
    struct share_places *places = atomic_load(&group->places);
    uint32_t connected = share_group_connected_count(group);
    uint32_t len = share_group_members_count(group);
    assert_true(connected <= len && len <= places->capacity);
    for (uint32_t i = 0; i < len; i++) {
        const struct share_member *member = atomic_load(&places->member[i]);
        assert_non_null(member);
        assert_int_equal(member->index, i);
        assert_int_equal(atomic_load(&member->is_connected), i < connected);
        assert_int_equal(atomic_load(&places->shards[i]), member->session.shard);
    }
    for (uint32_t i = len; i < places->capacity; i++)
        assert_null(atomic_load(&places->member[i]));
}

static void strategies_have_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SHARE_STRATEGY_COUNT; i++) {
        const char *text = share_strategy_text((enum share_strategy)i);
        enum share_strategy parsed = SHARE_STRATEGY_COUNT;
        assert_int_equal(share_strategy_parse(bytes_of_text(text), &parsed), RC_OK);
        assert_int_equal(parsed, i);
    }
    enum share_strategy parsed;
    assert_int_equal(share_strategy_parse(bytes_of_text("hash"), &parsed), RC_OK);
    assert_int_equal(parsed, SHARE_HASH_CLIENTID);
    assert_int_equal(share_strategy_parse(bytes_of_text("rando"), &parsed), RC_INVALID);
}

static void terms_are_kept_whole(void **state)
{
    (void)state;
    join_all(SHARE_RANDOM);
    share_member_set_terms(members[0],
                           (struct share_terms){.sub_id = 268435455, .qos = 2, .options = 0xff});
    struct share_terms terms = share_member_terms(members[0]);
    assert_int_equal(terms.sub_id, 268435455);
    assert_int_equal(terms.qos, 2);
    assert_int_equal(terms.options, 0xff);
}

static void places_keep_their_order_through_changes(void **state)
{
    (void)state;
    static struct share_member *many[400];
    uint64_t random = 1;
    for (uint32_t i = 0; i < ARRAY_LEN(many); i++) {
        many[i] = fixture_join("t", "g", i, (shard_id)(i % 70), i % 3 != 0);
        if (i % 7 == 0)
            check_places(many[0]->group);
    }
    const struct share_group *group = many[0]->group;
    uint32_t left = ARRAY_LEN(many);
    while (left > 1) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t at = (uint32_t)(random >> 33) % left;
        if (random >> 62 == 0) {
            filter_index_group_leave(filters, record, many[at]);
            many[at] = many[--left];
        } else {
            filter_index_member_set_connected(filters, many[at], (random >> 40) & 1);
        }
        check_places(group);
    }
    assert_true(atomic_load(&group->places)->capacity <= 8);
}

static void a_reader_keeps_the_places_it_has(void **state)
{
    (void)state;
    struct epoch_record *reader = epoch_register(domain);
    members[0] = fixture_join("t", "g", 0, 0, true);
    const struct share_group *group = members[0]->group;
    epoch_begin(reader);
    const struct share_places *places = atomic_load(&group->places);
    uint32_t capacity = places->capacity;
    for (uint32_t i = 1; i < MEMBERS; i++)
        members[i] = fixture_join("t", "g", i, 0, true);
    filter_index_group_leave(filters, record, members[0]);
    for (int i = 0; i < 8; i++)
        (void)epoch_poll(record);
    assert_ptr_not_equal(atomic_load(&group->places), places);
    assert_int_equal(places->capacity, capacity);
    assert_int_equal(members[0]->magic, SHARE_MEMBER_MAGIC);
    epoch_end(reader);
    members[0] = members[1];
}

static void round_robin_goes_round_for_each_publisher(void **state)
{
    (void)state;
    join_all(SHARE_ROUND_ROBIN);
    for (uint64_t publisher = 1; publisher < 50; publisher++) {
        unsigned seen[MEMBERS] = {0};
        uint32_t first = pick_for(publisher, NULL)->session.slot;
        seen[first]++;
        for (uint32_t i = 1; i < 3 * MEMBERS; i++) {
            uint32_t slot = pick_for(publisher, NULL)->session.slot;
            seen[slot]++;
            (void)pick_for(publisher + 1000, NULL); /* another one does not disturb it */
        }
        for (uint32_t i = 0; i < MEMBERS; i++)
            assert_int_equal(seen[i], 3);
    }
}

static void round_robin_begins_at_random_members(void **state)
{
    (void)state;
    join_all(SHARE_ROUND_ROBIN);
    uint32_t started = 0;
    for (uint64_t publisher = 1; publisher <= 100; publisher++)
        started |= 1u << pick_for(publisher, NULL)->session.slot;
    assert_int_equal(started, (1u << MEMBERS) - 1);
}

static void round_robin_per_group_has_one_counter(void **state)
{
    (void)state;
    join_all(SHARE_ROUND_ROBIN_PER_GROUP);
    unsigned seen[MEMBERS] = {0};
    for (uint64_t i = 0; i < 5 * MEMBERS; i++)
        seen[pick_for(i, NULL)->session.slot]++;
    for (uint32_t i = 0; i < MEMBERS; i++)
        assert_int_equal(seen[i], 5);
}

static void random_reaches_all_evenly(void **state)
{
    (void)state;
    join_all(SHARE_RANDOM);
    unsigned seen[MEMBERS] = {0};
    for (unsigned i = 0; i < 1000 * MEMBERS; i++)
        seen[pick_for(7, NULL)->session.slot]++;
    for (uint32_t i = 0; i < MEMBERS; i++)
        assert_in_range(seen[i], 850, 1150);
}

static void random_is_even_beside_members_not_connected(void **state)
{
    (void)state;
    join_all(SHARE_RANDOM);
    for (uint32_t i = 0; i < MEMBERS / 2; i++)
        filter_index_member_set_connected(filters, members[i], false);
    unsigned seen[MEMBERS] = {0};
    for (unsigned i = 0; i < 500 * MEMBERS; i++)
        seen[pick_for(7, NULL)->session.slot]++;
    for (uint32_t i = 0; i < MEMBERS; i++)
        assert_in_range(seen[i], i < MEMBERS / 2 ? 0 : 850, i < MEMBERS / 2 ? 0 : 1150);
}

static void the_first_connected_member_is_told_once(void **state)
{
    (void)state;
    join_all(SHARE_RANDOM);
    struct share_group *group = members[0]->group;
    assert_true(share_group_take_rise(group));
    assert_false(share_group_take_rise(group));
    for (uint32_t i = 0; i < MEMBERS; i++)
        filter_index_member_set_connected(filters, members[i], false);
    assert_false(share_group_take_rise(group));
    /* Two connect before either asks: one of them is told. */
    filter_index_member_set_connected(filters, members[3], true);
    filter_index_member_set_connected(filters, members[5], true);
    assert_true(share_group_take_rise(group));
    assert_false(share_group_take_rise(group));
    filter_index_member_set_connected(filters, members[3], false);
    filter_index_member_set_connected(filters, members[3], true);
    assert_false(share_group_take_rise(group));
}

static void a_member_is_found_while_all_connections_change(void **state)
{
    (void)state;
    join_all(SHARE_ROUND_ROBIN);
    for (uint32_t i = 2; i < MEMBERS; i++)
        filter_index_member_set_connected(filters, members[i], false);
    /* What a reader sees between the two halves of the change of 0 and 1. */
    atomic_store(&members[0]->is_connected, false);
    atomic_store(&members[1]->is_connected, false);
    struct share_round round = {0};
    struct share_pick pick = {.publisher = 1, .exclude = HANDLE_NONE};
    struct share_group *group = members[0]->group;
    epoch_begin(record);
    assert_null(share_group_pick_rcu(group, picker, &pick, &round));
    assert_non_null(share_group_any_rcu(group, HANDLE_NONE));
    atomic_store(&members[1]->is_connected, true);
    assert_ptr_equal(share_group_any_rcu(group, HANDLE_NONE), members[1]);
    assert_ptr_not_equal(share_group_any_rcu(group, members[1]->session), members[1]);
    atomic_store(&members[0]->is_connected, true);
    epoch_end(record);
}

static void sticky_stays_until_the_member_is_gone(void **state)
{
    (void)state;
    join_all(SHARE_STICKY);
    uint32_t chosen = pick_for(5, NULL)->session.slot;
    for (int i = 0; i < 50; i++)
        assert_int_equal(pick_for(5, NULL)->session.slot, chosen);
    /* Others come and go and move it within the array. */
    for (uint32_t i = 0; i < MEMBERS; i++) {
        if (i == chosen)
            continue;
        filter_index_member_set_connected(filters, members[i], false);
        assert_int_equal(pick_for(5, NULL)->session.slot, chosen);
        filter_index_member_set_connected(filters, members[i], true);
        assert_int_equal(pick_for(5, NULL)->session.slot, chosen);
    }
    filter_index_member_set_connected(filters, members[chosen], false);
    uint32_t next = pick_for(5, NULL)->session.slot;
    assert_int_not_equal(next, chosen);
    filter_index_member_set_connected(filters, members[chosen], true);
    assert_int_equal(pick_for(5, NULL)->session.slot, next);
}

static void local_prefers_the_publishing_shard(void **state)
{
    (void)state;
    join_all(SHARE_LOCAL);
    uint32_t seen = 0;
    for (int i = 0; i < 200; i++) {
        const struct share_member *member = pick_for(5, NULL);
        assert_int_equal(member->session.shard, 3);
        seen |= 1u << member->session.slot;
    }
    assert_int_equal(seen, 1u << 3 | 1u << 8);
    filter_index_member_set_connected(filters, members[3], false);
    filter_index_member_set_connected(filters, members[8], false);
    assert_int_not_equal(pick_for(5, NULL)->session.shard, 3);
}

static void hashes_decide_alone(void **state)
{
    (void)state;
    join_all(SHARE_HASH_CLIENTID);
    for (uint64_t publisher = 0; publisher < 100; publisher++)
        assert_int_equal(pick_for(publisher, NULL)->session.slot, publisher * 31 % MEMBERS);
    atomic_store(&members[0]->group->strategy, SHARE_HASH_TOPIC);
    for (uint64_t publisher = 0; publisher < 100; publisher++)
        assert_int_equal(pick_for(publisher, NULL)->session.slot, publisher * 17 % MEMBERS);
}

static void connected_members_come_first_under_every_strategy(void **state)
{
    (void)state;
    join_all(SHARE_RANDOM);
    for (uint32_t i = 0; i < MEMBERS; i++)
        filter_index_member_set_connected(filters, members[i], i == 4);
    for (unsigned strategy = 0; strategy < SHARE_STRATEGY_COUNT; strategy++) {
        atomic_store(&members[0]->group->strategy, (uint8_t)strategy);
        for (uint64_t i = 0; i < 20; i++)
            assert_int_equal(pick_for(i, NULL)->session.slot, 4);
    }
    filter_index_member_set_connected(filters, members[4], false);
    for (unsigned strategy = 0; strategy < SHARE_STRATEGY_COUNT; strategy++) {
        atomic_store(&members[0]->group->strategy, (uint8_t)strategy);
        assert_non_null(pick_for(1, NULL));
    }
}

static void a_message_sent_on_meets_each_member_once(void **state)
{
    (void)state;
    join_all(SHARE_RANDOM);
    filter_index_member_set_connected(filters, members[2], false);
    struct share_round round = {.start = 0, .tried = 0};
    uint32_t seen = 0;
    for (uint32_t i = 0; i < MEMBERS - 1; i++) {
        const struct share_member *member = pick_for(9, &round);
        assert_non_null(member);
        assert_int_equal(seen >> member->session.slot & 1, 0);
        seen |= 1u << member->session.slot;
    }
    assert_int_equal(seen, ((1u << MEMBERS) - 1) & ~(1u << 2));
    assert_null(pick_for(9, &round));
    assert_null(pick_for(9, &round));
}

static void the_excluded_member_is_passed_over(void **state)
{
    (void)state;
    join_all(SHARE_RANDOM);
    for (uint32_t i = 0; i < 200; i++) {
        struct share_pick pick = {.publisher = 1, .exclude = members[i % MEMBERS]->session};
        struct share_round round = {.start = 0, .tried = 0};
        const struct share_member *member = share_group_pick_rcu(members[0]->group, picker, &pick,
                                                                 &round);
        assert_int_not_equal(member->session.slot, i % MEMBERS);
    }
}

static void an_only_member_excluded_leaves_nobody(void **state)
{
    (void)state;
    members[0] = fixture_join("t", "g", 0, 0, true);
    struct share_pick pick = {.publisher = 1, .exclude = members[0]->session};
    struct share_round round = {.start = 0, .tried = 0};
    assert_null(share_group_pick_rcu(members[0]->group, picker, &pick, &round));
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(strategies_have_names),
        TEST(terms_are_kept_whole),
        TEST(places_keep_their_order_through_changes),
        TEST(a_reader_keeps_the_places_it_has),
        TEST(round_robin_goes_round_for_each_publisher),
        TEST(round_robin_begins_at_random_members),
        TEST(round_robin_per_group_has_one_counter),
        TEST(random_reaches_all_evenly),
        TEST(random_is_even_beside_members_not_connected),
        TEST(the_first_connected_member_is_told_once),
        TEST(a_member_is_found_while_all_connections_change),
        TEST(sticky_stays_until_the_member_is_gone),
        TEST(local_prefers_the_publishing_shard),
        TEST(hashes_decide_alone),
        TEST(connected_members_come_first_under_every_strategy),
        TEST(a_message_sent_on_meets_each_member_once),
        TEST(the_excluded_member_is_passed_over),
        TEST(an_only_member_excluded_leaves_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
