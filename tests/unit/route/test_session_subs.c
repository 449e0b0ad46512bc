/*
 * test_session_subs.c -- the subscriptions of one session (route/session_subs.h).
 *
 * Groups need no index here: what the record looks at is a member and its group's number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mem.h"
#include "session_subs.h"

static struct session_subs subs;

static int set_up(void **state)
{
    (void)state;
    subs = (struct session_subs){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)mem_fail_after(UINT64_MAX);
    session_subs_fini(&subs);
    return 0;
}

static struct filter_id id_of(uint32_t number)
{
    return (struct filter_id){.slot = number, .generation = number % 3 + 1};
}

static void add(uint32_t number, struct share_member *member)
{
    struct session_sub sub = {
        .id = id_of(number), .position = number * 10, .options = number % 4, .member = member};
    assert_int_equal(session_subs_add(&subs, &sub), RC_OK);
}

static void expect(uint32_t number)
{
    struct session_sub *sub = session_subs_find(&subs, id_of(number), 0);
    assert_non_null(sub);
    assert_int_equal(sub->position, number * 10);
    assert_int_equal(sub->options, number % 4);
    assert_ptr_equal(&subs.items[session_subs_position(&subs, sub)], sub);
}

static void without_subscriptions_there_is_no_memory(void **state)
{
    (void)state;
    assert_null(session_subs_find(&subs, id_of(1), 0));
    assert_null(subs.items);
    add(1, NULL);
    assert_non_null(subs.items);
    assert_null(session_subs_remove(&subs, 0));
    assert_null(subs.items);
    assert_int_equal(subs.capacity, 0);
    assert_null(session_subs_find(&subs, id_of(1), 0));
}

static void records_are_found_with_and_without_the_index(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        add(i, NULL);
        assert_int_equal(subs.index != NULL, i + 1 > SESSION_SUBS_LINEAR);
        expect(i);
        expect(0);
        expect(i / 2);
        assert_null(session_subs_find(&subs, id_of(i + 1), 0));
    }
    for (uint32_t i = 0; i < 1000; i++)
        expect(i);
}

static void another_generation_is_another_filter(void **state)
{
    (void)state;
    for (uint32_t count = 0; count < 2; count++) {
        add(5, NULL);
        struct filter_id id = id_of(5);
        id.generation++;
        assert_null(session_subs_find(&subs, id, 0));
        for (uint32_t i = 100; i < 150; i++) /* the second time with the index */
            add(i + count * 100, NULL);
        session_subs_remove(&subs, 0);
    }
}

static void shared_subscriptions_stand_beside_ordinary_ones(void **state)
{
    (void)state;
    struct share_group groups[2] = {{.number = 1}, {.number = 2}};
    struct share_member members[2] = {{.group = &groups[0]}, {.group = &groups[1]}};
    for (uint32_t more = 0; more < 40; more += 39) {
        for (uint32_t i = 0; i < more; i++)
            add(1000 + i, NULL);
        add(7, NULL);
        add(7, &members[0]);
        add(7, &members[1]);
        assert_null(session_subs_find(&subs, id_of(7), 0)->member);
        assert_ptr_equal(session_subs_find(&subs, id_of(7), 1)->member, &members[0]);
        assert_ptr_equal(session_subs_find(&subs, id_of(7), 2)->member, &members[1]);
        assert_null(session_subs_find(&subs, id_of(7), 3));
        while (subs.count > 0)
            session_subs_remove(&subs, 0);
    }
}

static void removing_moves_the_last_record(void **state)
{
    (void)state;
    for (uint32_t count = 3; count < 300; count = count * 3 + 1) {
        for (uint32_t i = 0; i < count; i++)
            add(i, NULL);
        struct session_sub *moved = session_subs_remove(&subs, 1);
        assert_ptr_equal(moved, &subs.items[1]);
        assert_true(filter_id_equal(moved->id, id_of(count - 1)));
        assert_null(session_subs_find(&subs, id_of(1), 0));
        expect(count - 1);
        expect(0);
        /* The last one leaves no gap. */
        assert_null(session_subs_remove(&subs, subs.count - 1));
        assert_int_equal(subs.count, count - 2);
        while (subs.count > 0)
            session_subs_remove(&subs, subs.count / 2);
    }
}

static void without_memory_nothing_happens(void **state)
{
    (void)state;
    if (!mem_fail_after(UINT64_MAX))
        skip();
    for (uint32_t i = 0; i < 16; i++)
        add(i, NULL);
    struct session_sub sub = {.id = id_of(16)};
    for (uint64_t good = 0; good < 2; good++) { /* the array, the index */
        (void)mem_fail_after(good);
        assert_int_equal(session_subs_add(&subs, &sub), RC_NO_MEMORY);
        assert_int_equal(subs.count, 16);
        expect(15);
    }
    (void)mem_fail_after(UINT64_MAX);
    add(16, NULL);
    expect(16);
    expect(3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(without_subscriptions_there_is_no_memory),
        TEST(records_are_found_with_and_without_the_index),
        TEST(another_generation_is_another_filter),
        TEST(shared_subscriptions_stand_beside_ordinary_ones),
        TEST(removing_moves_the_last_record),
        TEST(without_memory_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
