/*
 * test_subtable.c -- filter id to subscribers, of one shard (route/subtable.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mem.h"
#include "session.h"
#include "subtable.h"

#define SESSIONS 40

static struct subtable table;
static struct session sessions[SESSIONS];

static int set_up(void **state)
{
    (void)state;
    table = (struct subtable){0};
    for (unsigned i = 0; i < SESSIONS; i++)
        sessions[i].subs = (struct session_subs){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)mem_fail_after(UINT64_MAX);
    for (unsigned i = 0; i < SESSIONS; i++)
        session_subs_fini(&sessions[i].subs);
    subtable_fini(&table);
    return 0;
}

static struct filter_id id_of(uint32_t slot)
{
    return (struct filter_id){.slot = slot, .generation = slot + 1};
}

/* As subscribe.c does it: both ends know each other. */
static void join(struct filter_id id, unsigned session, uint32_t sub_id)
{
    struct session_sub sub = {.id = id};
    struct subscriber subscriber = {.session = &sessions[session],
                                    .sub_id = sub_id,
                                    .sub_index = sessions[session].subs.count & 0xffffff,
                                    .options = 2};
    assert_int_equal(subtable_add(&table, id, &subscriber, &sub.position), RC_OK);
    assert_int_equal(session_subs_add(&sessions[session].subs, &sub), RC_OK);
}

static uint32_t leave(struct filter_id id, unsigned session)
{
    struct session_subs *subs = &sessions[session].subs;
    struct session_sub *sub = session_subs_find(subs, id, 0);
    assert_non_null(sub);
    uint32_t left = subtable_remove(&table, id, sub->position);
    struct session_sub *moved = session_subs_remove(subs, session_subs_position(subs, sub));
    if (moved != NULL)
        subtable_subscribers(subtable_find(&table, moved->id))[moved->position]
            .sub_index = session_subs_position(subs, moved) & 0xffffff;
    return left;
}

/* The subscriber that `session` is in the entry of `id`. */
static const struct subscriber *subscriber_of(struct filter_id id, unsigned session)
{
    struct subtable_entry *entry = subtable_find(&table, id);
    struct session_sub *sub = session_subs_find(&sessions[session].subs, id, 0);
    assert_non_null(entry);
    assert_non_null(sub);
    assert_true(sub->position < entry->count);
    const struct subscriber *subscriber = &subtable_subscribers(entry)[sub->position];
    assert_ptr_equal(subscriber->session, &sessions[session]);
    assert_int_equal(subscriber->sub_index, session_subs_position(&sessions[session].subs, sub));
    return subscriber;
}

static void an_empty_table_finds_nothing(void **state)
{
    (void)state;
    assert_null(subtable_find(&table, id_of(1)));
    assert_null(table.entries);
}

static void a_single_subscriber_needs_no_array(void **state)
{
    (void)state;
    join(id_of(3), 0, 55);
    struct subtable_entry *entry = subtable_find(&table, id_of(3));
    assert_int_equal(entry->count, 1);
    assert_int_equal(entry->capacity, 0);
    assert_int_equal(subscriber_of(id_of(3), 0)->sub_id, 55);
    assert_int_equal(subscriber_of(id_of(3), 0)->options, 2);
    assert_int_equal(leave(id_of(3), 0), 0);
    assert_null(subtable_find(&table, id_of(3)));
}

static void many_subscribers_keep_their_places(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SESSIONS; i++)
        join(id_of(3), i, i + 1);
    assert_int_equal(subtable_find(&table, id_of(3))->count, SESSIONS);
    for (unsigned i = 0; i < SESSIONS; i++)
        assert_int_equal(subscriber_of(id_of(3), i)->sub_id, i + 1);
    /* From the middle: the last one is told that it moved. */
    for (unsigned i = 0; i < SESSIONS; i += 2)
        assert_int_equal(leave(id_of(3), i), SESSIONS - 1 - i / 2);
    for (unsigned i = 1; i < SESSIONS; i += 2)
        assert_int_equal(subscriber_of(id_of(3), i)->sub_id, i + 1);
    for (unsigned i = 1; i < SESSIONS; i += 2)
        leave(id_of(3), i);
    assert_int_equal(table.count, 0);
}

static void another_generation_is_not_found(void **state)
{
    (void)state;
    join(id_of(3), 0, 0);
    struct filter_id old = id_of(3);
    old.generation--;
    assert_null(subtable_find(&table, old));
    leave(id_of(3), 0);
    assert_null(subtable_find(&table, id_of(3)));
}

static void the_table_grows_and_shrinks(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 5000; i++) {
        join(id_of(i * 7), i % SESSIONS, i);
        assert_true(table.count * 2 <= table.mask + 1);
    }
    uint32_t most = table.mask;
    assert_true(most >= 10000);
    for (uint32_t i = 0; i < 5000; i++)
        assert_int_equal(subscriber_of(id_of(i * 7), i % SESSIONS)->sub_id, i);
    for (uint32_t i = 0; i < 4990; i++) {
        assert_int_equal(leave(id_of(i * 7), i % SESSIONS), 0);
        assert_null(subtable_find(&table, id_of(i * 7)));
    }
    assert_true(table.mask < 256 && table.mask < most);
    for (uint32_t i = 4990; i < 5000; i++) {
        assert_int_equal(subscriber_of(id_of(i * 7), i % SESSIONS)->sub_id, i);
        leave(id_of(i * 7), i % SESSIONS);
    }
}

static void without_memory_nothing_happens(void **state)
{
    (void)state;
    if (!mem_fail_after(UINT64_MAX))
        skip();
    struct subscriber subscriber = {.session = &sessions[0]};
    uint32_t position = 99;
    (void)mem_fail_after(0); /* the table */
    assert_int_equal(subtable_add(&table, id_of(1), &subscriber, &position), RC_NO_MEMORY);
    assert_null(subtable_find(&table, id_of(1)));
    join(id_of(1), 0, 1);
    (void)mem_fail_after(0); /* the array */
    assert_int_equal(subtable_add(&table, id_of(1), &subscriber, &position), RC_NO_MEMORY);
    assert_int_equal(subtable_find(&table, id_of(1))->count, 1);
    assert_int_equal(subscriber_of(id_of(1), 0)->sub_id, 1);
    assert_int_equal(position, 99);
    (void)mem_fail_after(UINT64_MAX);
    for (uint32_t i = 2; i <= 32; i++)
        join(id_of(i), 0, 1);
    (void)mem_fail_after(0); /* a larger table */
    assert_int_equal(subtable_add(&table, id_of(50), &subscriber, &position), RC_NO_MEMORY);
    assert_null(subtable_find(&table, id_of(50)));
    (void)mem_fail_after(UINT64_MAX);
    for (uint32_t i = 1; i <= 32; i++)
        leave(id_of(i), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_table_finds_nothing),       TEST(a_single_subscriber_needs_no_array),
        TEST(many_subscribers_keep_their_places), TEST(another_generation_is_not_found),
        TEST(the_table_grows_and_shrinks),        TEST(without_memory_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
