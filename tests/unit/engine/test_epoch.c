/*
 * test_epoch.c -- deferred calls wait for every section that could have seen the object
 * (engine/epoch.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "epoch.h"

struct thing {
    struct epoch_entry retire;
    int freed;
};

static struct epoch *domain;
static struct epoch_record *reader;
static struct epoch_record *writer;

static int set_up(void **state)
{
    (void)state;
    domain = epoch_create();
    reader = epoch_register(domain);
    writer = epoch_register(domain);
    return domain == NULL || reader == NULL || writer == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    epoch_destroy(domain);
    return 0;
}

static void thing_free(struct epoch_entry *entry)
{
    CONTAINER_OF(entry, struct thing, retire)->freed++;
}

static void poll_often(struct epoch_record *record)
{
    for (int i = 0; i < 16; i++)
        (void)epoch_poll(record);
}

static void call_waits_for_a_reader(void **state)
{
    (void)state;
    struct thing thing = {.freed = 0};
    epoch_begin(reader);
    epoch_call(writer, &thing.retire, thing_free);
    assert_int_equal(epoch_pending(writer), 1);
    poll_often(writer);
    assert_int_equal(thing.freed, 0);
    epoch_end(reader);
    poll_often(writer);
    assert_int_equal(thing.freed, 1);
    assert_int_equal(epoch_pending(writer), 0);
    assert_false(epoch_poll(writer));
}

static void inner_sections_do_not_end_the_outer_one(void **state)
{
    (void)state;
    struct thing thing = {.freed = 0};
    epoch_begin(reader);
    uint64_t name = reader->sections;
    epoch_begin(reader);
    assert_int_equal(reader->sections, name);
    epoch_call(writer, &thing.retire, thing_free);
    epoch_end(reader);
    assert_true(epoch_is_inside(reader));
    poll_often(writer);
    assert_int_equal(thing.freed, 0);
    epoch_end(reader);
    assert_false(epoch_is_inside(reader));
    poll_often(writer);
    assert_int_equal(thing.freed, 1);
    epoch_begin(reader);
    assert_true(reader->sections == name + 1);
    epoch_end(reader);
}

/* A section begun after the call must not hold the object up for ever. */
static void later_sections_do_not_keep_it(void **state)
{
    (void)state;
    struct thing thing = {.freed = 0};
    epoch_begin(reader);
    epoch_call(writer, &thing.retire, thing_free);
    for (int i = 0; i < 16 && thing.freed == 0; i++) {
        epoch_end(reader);
        epoch_begin(reader);
        (void)epoch_poll(writer);
    }
    epoch_end(reader);
    assert_int_equal(thing.freed, 1);
}

static void call_from_inside_a_section_is_allowed(void **state)
{
    (void)state;
    struct thing thing = {.freed = 0};
    epoch_begin(writer);
    epoch_call(writer, &thing.retire, thing_free);
    epoch_end(writer);
    poll_often(writer);
    assert_int_equal(thing.freed, 1);
}

static struct thing second;

static void thing_free_and_call_again(struct epoch_entry *entry)
{
    thing_free(entry);
    epoch_call(writer, &second.retire, thing_free);
}

static void barrier_runs_also_what_callbacks_add(void **state)
{
    (void)state;
    struct thing first = {.freed = 0};
    second.freed = 0;
    epoch_call(writer, &first.retire, thing_free_and_call_again);
    epoch_barrier(writer);
    assert_int_equal(first.freed, 1);
    assert_int_equal(second.freed, 1);
}

static void unregister_runs_what_is_pending_and_the_record_is_used_again(void **state)
{
    (void)state;
    struct thing thing = {.freed = 0};
    epoch_call(writer, &thing.retire, thing_free);
    epoch_unregister(writer);
    assert_int_equal(thing.freed, 1);
    struct epoch_record *again = epoch_register(domain);
    assert_ptr_equal(again, writer);
    assert_ptr_not_equal(epoch_register(domain), writer);
}

static void destroy_runs_what_is_pending(void **state)
{
    (void)state;
    struct thing thing = {.freed = 0};
    epoch_call(writer, &thing.retire, thing_free);
    epoch_destroy(domain);
    assert_int_equal(thing.freed, 1);
    assert_int_equal(set_up(NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(call_waits_for_a_reader),
        TEST(inner_sections_do_not_end_the_outer_one),
        TEST(later_sections_do_not_keep_it),
        TEST(call_from_inside_a_section_is_allowed),
        TEST(barrier_runs_also_what_callbacks_add),
        TEST(unregister_runs_what_is_pending_and_the_record_is_used_again),
        TEST(destroy_runs_what_is_pending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
