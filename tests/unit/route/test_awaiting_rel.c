/*
 * test_awaiting_rel.c -- the set of unreleased QoS 2 ids at its edges (route/awaiting_rel.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "awaiting_rel.h"
#include "mem.h"

static void an_empty_set_costs_nothing(void **state)
{
    (void)state;
    struct awaiting_rel set;
    struct awaiting_rel_entry entry;
    awaiting_rel_init(&set, 100);
    assert_int_equal(awaiting_rel_bytes(&set), 0);
    assert_false(awaiting_rel_remove(&set, 1));
    assert_null(awaiting_rel_find(&set, 1));
    assert_null(awaiting_rel_oldest(&set));
    assert_false(awaiting_rel_expire(&set, UINT64_MAX, &entry));
    awaiting_rel_trim(&set);
    awaiting_rel_fini(&set);
    awaiting_rel_fini(&set);
}

/* 4.3.3: a PUBLISH with an id that is not released is a repetition */
static void an_id_is_a_repetition_until_it_is_released(void **state)
{
    (void)state;
    struct awaiting_rel set;
    awaiting_rel_init(&set, 100);
    assert_int_equal(awaiting_rel_add(&set, 5, 1000, 42), RC_OK);
    assert_int_equal(awaiting_rel_add(&set, 5, 2000, 43), RC_EXISTS);
    assert_int_equal(awaiting_rel_find(&set, 5)->tag, 42);
    assert_int_equal(awaiting_rel_find(&set, 5)->received_ms, 1000);
    assert_true(awaiting_rel_remove(&set, 5));
    assert_false(awaiting_rel_remove(&set, 5));
    assert_int_equal(awaiting_rel_add(&set, 5, 3000, 44), RC_OK);
    assert_int_equal(awaiting_rel_find(&set, 5)->tag, 44);
    awaiting_rel_fini(&set);
}

static void zero_is_no_id(void **state)
{
    (void)state;
    struct awaiting_rel set;
    awaiting_rel_init(&set, 100);
    assert_int_equal(awaiting_rel_add(&set, 0, 0, 0), RC_INVALID);
    /* Entries once used and free now must not answer for 0 either. */
    for (uint16_t id = 8; id <= 80; id = (uint16_t)(id + 8))
        assert_int_equal(awaiting_rel_add(&set, id, 0, 0), RC_OK);
    for (uint16_t id = 8; id <= 40; id = (uint16_t)(id + 8))
        assert_true(awaiting_rel_remove(&set, id));
    assert_null(awaiting_rel_find(&set, 0));
    assert_false(awaiting_rel_remove(&set, 0));
    awaiting_rel_fini(&set);
}

static void a_full_set_refuses_new_ids_but_knows_repetitions(void **state)
{
    (void)state;
    struct awaiting_rel set;
    awaiting_rel_init(&set, 3);
    for (uint16_t id = 1; id <= 3; id++)
        assert_int_equal(awaiting_rel_add(&set, id, 0, 0), RC_OK);
    assert_int_equal(awaiting_rel_add(&set, 4, 0, 0), RC_FULL);
    assert_int_equal(awaiting_rel_add(&set, 2, 0, 0), RC_EXISTS);
    awaiting_rel_set_max(&set, 1);
    assert_true(awaiting_rel_remove(&set, 2));
    assert_int_equal(awaiting_rel_add(&set, 4, 0, 0), RC_FULL);
    assert_true(awaiting_rel_remove(&set, 3));
    assert_int_equal(awaiting_rel_add(&set, 4, 0, 0), RC_FULL);
    assert_true(awaiting_rel_remove(&set, 1));
    assert_int_equal(awaiting_rel_add(&set, 4, 0, 0), RC_OK);
    awaiting_rel_fini(&set);
}

static void every_id_fits_at_once(void **state)
{
    (void)state;
    struct awaiting_rel set;
    awaiting_rel_init(&set, 65535);
    for (unsigned id = 65535; id >= 1; id--)
        assert_int_equal(awaiting_rel_add(&set, (uint16_t)id, 65535 - id, id), RC_OK);
    assert_int_equal(set.count, 65535);
    assert_int_equal(awaiting_rel_add(&set, 1, 0, 0), RC_EXISTS);
    unsigned expected = 65535;
    const struct awaiting_rel_entry *entry = awaiting_rel_oldest(&set);
    for (; entry != NULL; entry = awaiting_rel_next(&set, entry))
        assert_int_equal(entry->packet_id, expected--);
    assert_int_equal(expected, 0);
    for (unsigned id = 1; id <= 65535; id++)
        assert_true(awaiting_rel_remove(&set, (uint16_t)id));
    assert_int_equal(awaiting_rel_bytes(&set), 0);
    awaiting_rel_fini(&set);
}

static void the_oldest_expire_first_and_only_when_due(void **state)
{
    (void)state;
    struct awaiting_rel set;
    struct awaiting_rel_entry entry;
    awaiting_rel_init(&set, 100);
    static const uint16_t ids[] = {900, 3, 70, 41};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        assert_int_equal(awaiting_rel_add(&set, ids[i], 1000 + 10 * i, i), RC_OK);
    assert_false(awaiting_rel_expire(&set, 999, &entry));
    assert_true(awaiting_rel_expire(&set, 1010, &entry));
    assert_int_equal(entry.packet_id, 900);
    assert_int_equal(entry.tag, 0);
    assert_true(awaiting_rel_remove(&set, 70));
    assert_true(awaiting_rel_expire(&set, 1010, &entry));
    assert_int_equal(entry.packet_id, 3);
    assert_false(awaiting_rel_expire(&set, 1029, &entry));
    assert_true(awaiting_rel_expire(&set, 1030, &entry));
    assert_int_equal(entry.packet_id, 41);
    assert_int_equal(set.count, 0);
    awaiting_rel_fini(&set);
}

static void memory_follows_the_number_of_ids_not_their_choice(void **state)
{
    (void)state;
    struct awaiting_rel set;
    awaiting_rel_init(&set, 100);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(awaiting_rel_add(&set, (uint16_t)(1 + i * 512), 0, 0), RC_OK);
    assert_true(awaiting_rel_bytes(&set) <= 128 * 26 + 64);
    for (unsigned i = 0; i < 100; i++)
        assert_true(awaiting_rel_remove(&set, (uint16_t)(1 + i * 512)));
    assert_int_equal(awaiting_rel_bytes(&set), 0);
    /* A small block stays, and one message more does not allocate. */
    assert_int_equal(awaiting_rel_add(&set, 1, 0, 0), RC_OK);
    assert_true(awaiting_rel_remove(&set, 1));
    assert_true(awaiting_rel_bytes(&set) > 0);
    if (mem_fail_after(0)) {
        assert_int_equal(awaiting_rel_add(&set, 2, 0, 0), RC_OK);
        mem_fail_after(UINT64_MAX);
        awaiting_rel_trim(&set);
        assert_true(awaiting_rel_bytes(&set) > 0);
        assert_true(awaiting_rel_remove(&set, 2));
    }
    awaiting_rel_trim(&set);
    assert_int_equal(awaiting_rel_bytes(&set), 0);
    awaiting_rel_fini(&set);
}

static void without_memory_nothing_changes(void **state)
{
    (void)state;
    struct awaiting_rel set;
    awaiting_rel_init(&set, 100);
    if (!mem_fail_after(0))
        skip();
    assert_int_equal(awaiting_rel_add(&set, 1, 0, 0), RC_NO_MEMORY);
    for (uint16_t id = 1; id <= 8; id++)
        assert_int_equal(awaiting_rel_add(&set, id, 0, 0), RC_OK);
    mem_fail_after(0);
    assert_int_equal(awaiting_rel_add(&set, 9, 0, 0), RC_NO_MEMORY);
    mem_fail_after(UINT64_MAX);
    assert_int_equal(set.count, 8);
    assert_null(awaiting_rel_find(&set, 9));
    assert_int_equal(awaiting_rel_add(&set, 9, 0, 0), RC_OK);
    for (uint16_t id = 1; id <= 9; id++)
        assert_true(awaiting_rel_remove(&set, id));
    awaiting_rel_fini(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_set_costs_nothing),
        cmocka_unit_test(an_id_is_a_repetition_until_it_is_released),
        cmocka_unit_test(zero_is_no_id),
        cmocka_unit_test(a_full_set_refuses_new_ids_but_knows_repetitions),
        cmocka_unit_test(every_id_fits_at_once),
        cmocka_unit_test(the_oldest_expire_first_and_only_when_due),
        cmocka_unit_test(memory_follows_the_number_of_ids_not_their_choice),
        cmocka_unit_test(without_memory_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
