/*
 * test_filter_slot.c -- ids are never given twice (route/filter_slot.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "filter_slot.h"

static struct filter_slots slots;

static int set_up(void **state)
{
    (void)state;
    return filter_slots_init(&slots) != RC_OK;
}

static int tear_down(void **state)
{
    (void)state;
    filter_slots_fini(&slots);
    return 0;
}

static struct filter_id take(void)
{
    struct filter_id id;
    assert_int_equal(filter_slots_take(&slots, &id), RC_OK);
    return id;
}

static void an_id_finds_its_filter_until_released(void **state)
{
    (void)state;
    struct filter filter = {.magic = FILTER_MAGIC, .id = take()};
    assert_null(filter_slots_get_rcu(&slots, filter.id));
    filter_slots_put(&slots, &filter);
    assert_ptr_equal(filter_slots_get_rcu(&slots, filter.id), &filter);
    filter_slots_release(&slots, filter.id);
    assert_null(filter_slots_get_rcu(&slots, filter.id));
}

static void a_stale_id_does_not_find_the_successor(void **state)
{
    (void)state;
    struct filter_id old = take();
    filter_slots_release(&slots, old);
    struct filter filter = {.magic = FILTER_MAGIC, .id = take()};
    assert_int_equal(filter.id.slot, old.slot);
    assert_int_not_equal(filter.id.generation, old.generation);
    filter_slots_put(&slots, &filter);
    assert_null(filter_slots_get_rcu(&slots, old));
    assert_ptr_equal(filter_slots_get_rcu(&slots, filter.id), &filter);
}

static void a_slot_at_the_end_of_its_generations_is_not_used_again(void **state)
{
    (void)state;
    struct filter_id id = take();
    struct filter_slot *chunk = atomic_load(&slots.chunks[0]);
    chunk[id.slot].generation = UINT32_MAX;
    id.generation = UINT32_MAX;
    filter_slots_release(&slots, id);
    assert_int_not_equal(take().slot, id.slot);
}

static void ids_from_nowhere_find_nothing(void **state)
{
    (void)state;
    (void)take();
    assert_null(filter_slots_get_rcu(&slots, (struct filter_id){.slot = 1, .generation = 1}));
    assert_null(filter_slots_get_rcu(&slots, (struct filter_id){.slot = 5000, .generation = 1}));
    assert_null(filter_slots_get_rcu(&slots, (struct filter_id){UINT32_MAX, UINT32_MAX}));
    assert_null(filter_slots_get_rcu(&slots, (struct filter_id){0, 0}));
}

static void slots_go_on_past_a_chunk(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 2 * FILTER_SLOT_CHUNK_LEN + 1; i++)
        assert_int_equal(take().slot, i);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_id_finds_its_filter_until_released),
        TEST(a_stale_id_does_not_find_the_successor),
        TEST(a_slot_at_the_end_of_its_generations_is_not_used_again),
        TEST(ids_from_nowhere_find_nothing),
        TEST(slots_go_on_past_a_chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
