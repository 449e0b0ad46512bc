/*
 * test_rcu_table.c -- probing, growing, shrinking and removing in the shared hash table
 * (route/rcu_table.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hash.h"
#include "mem.h"
#include "rcu_table.h"

#define ITEMS 20000

struct item {
    uint64_t hash;
    uint32_t number;
    bool is_in;
};

static struct epoch *domain;
static struct epoch_record *record;
static struct rcu_table table;
static struct item items[ITEMS];

static uint64_t item_hash_of(const void *object)
{
    return ((const struct item *)object)->hash;
}

static int set_up(void **state)
{
    (void)state;
    domain = epoch_create();
    record = epoch_register(domain);
    for (uint32_t i = 0; i < ITEMS; i++)
        items[i] = (struct item){.hash = hash_mix(i, 7), .number = i};
    return rcu_table_init(&table, item_hash_of) != RC_OK;
}

static int tear_down(void **state)
{
    (void)state;
    epoch_destroy(domain);
    rcu_table_fini(&table);
    return 0;
}

static struct item *find(const struct item *wanted)
{
    struct rcu_table_probe probe = rcu_table_probe_rcu(&table, wanted->hash);
    struct item *item;
    while ((item = rcu_table_next(&probe)) != NULL) {
        if (item->hash == wanted->hash && item->number == wanted->number)
            return item;
    }
    return NULL;
}

static void put(struct item *item)
{
    assert_int_equal(rcu_table_insert(&table, record, item->hash, item), RC_OK);
    item->is_in = true;
}

static void take(struct item *item)
{
    rcu_table_remove(&table, record, item->hash, item);
    item->is_in = false;
}

static void check_all(void)
{
    uint64_t live = 0;
    for (uint32_t i = 0; i < ITEMS; i++) {
        assert_ptr_equal(find(&items[i]), items[i].is_in ? &items[i] : NULL);
        live += items[i].is_in;
    }
    assert_true(table.live == live);
}

static void what_is_put_in_is_found_until_taken_out(void **state)
{
    (void)state;
    check_all();
    for (uint32_t i = 0; i < ITEMS; i++)
        put(&items[i]);
    check_all();
    for (uint32_t i = 0; i < ITEMS; i += 2)
        take(&items[i]);
    check_all();
    for (uint32_t i = 0; i < ITEMS; i += 4)
        put(&items[i]);
    check_all();
}

static void objects_with_one_hash_stay_apart(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        items[i].hash = UINT64_C(0x123456789abcdef0);
        put(&items[i]);
    }
    for (uint32_t i = 0; i < 40; i += 3)
        take(&items[i]);
    check_all();
}

/* The word of a removed place has the tag 0, which an object may have as well. */
static void a_removed_place_is_never_taken_for_an_object(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        items[i].hash = UINT64_C(0x1234); /* segment 0, tag 0 */
        put(&items[i]);
    }
    take(&items[0]);
    check_all();
    take(&items[1]);
    check_all();
}

static void memory_follows_the_number_of_objects(void **state)
{
    (void)state;
    uint64_t empty = table.bytes;
    for (uint32_t i = 0; i < ITEMS; i++)
        put(&items[i]);
    uint64_t full = table.bytes - empty;
    assert_in_range(full / ITEMS, 10, 24);
    for (uint32_t i = 0; i < ITEMS; i++)
        take(&items[i]);
    assert_true(table.bytes - empty <= RCU_TABLE_SEGMENTS * 48);
    check_all();
}

/* Coming and going for ever must neither lengthen probes nor use more memory. */
static void removed_places_are_used_again(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 1000; i++)
        put(&items[i]);
    uint64_t before = table.bytes;
    for (uint32_t round = 0; round < 200; round++) {
        for (uint32_t i = 0; i < 1000; i++) {
            uint32_t at = (round * 1000 + i) % ITEMS;
            take(&items[at]);
            put(&items[(at + 1000) % ITEMS]);
        }
        epoch_barrier(record);
    }
    assert_true(table.bytes < 2 * before);
    check_all();
}

static void a_reader_keeps_the_array_it_has(void **state)
{
    (void)state;
    struct epoch_record *reader = epoch_register(domain);
    items[1].hash = items[0].hash;
    put(&items[0]);
    epoch_begin(reader);
    struct rcu_table_probe probe = rcu_table_probe_rcu(&table, items[0].hash);
    for (uint32_t i = 2; i < ITEMS; i++)
        put(&items[i]);
    for (int i = 0; i < 8; i++)
        (void)epoch_poll(record);
    assert_ptr_equal(rcu_table_next(&probe), &items[0]);
    assert_null(rcu_table_next(&probe));
    epoch_end(reader);
}

static void count_visit(void *context, void *object)
{
    assert_true(((struct item *)object)->is_in);
    ++*(uint32_t *)context;
}

static void each_visits_everything_once(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 300; i++)
        put(&items[i]);
    take(&items[5]);
    uint32_t count = 0;
    rcu_table_each(&table, count_visit, &count);
    assert_int_equal(count, 299);
}

static void without_memory_nothing_happens(void **state)
{
    (void)state;
    if (!mem_fail_after(UINT64_MAX))
        skip();
    for (uint32_t i = 0; i < 2000; i++) {
        assert_true(mem_fail_after(0));
        enum rc rc = rcu_table_insert(&table, record, items[i].hash, &items[i]);
        assert_true(mem_fail_after(UINT64_MAX));
        assert_true(rc == RC_OK || rc == RC_NO_MEMORY);
        items[i].is_in = rc == RC_OK;
        if (!items[i].is_in && i % 2 == 0)
            put(&items[i]);
    }
    check_all();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_put_in_is_found_until_taken_out),
        TEST(objects_with_one_hash_stay_apart),
        TEST(a_removed_place_is_never_taken_for_an_object),
        TEST(memory_follows_the_number_of_objects),
        TEST(removed_places_are_used_again),
        TEST(a_reader_keeps_the_array_it_has),
        TEST(each_visits_everything_once),
        TEST(without_memory_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
