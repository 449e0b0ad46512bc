/*
 * test_mem.c -- budgets, pools and slot tables at their edges (engine/mem.h).
 *
 * What must abort is done in a child process, which must then have died.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mem.h"

/* The status of a process in which `fn` is called; 0 if it returns. */
static int status_of(void (*fn)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int null_fd = open("/dev/null", O_WRONLY);
        dup2(null_fd, STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        fn();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* Whether `fn` runs into an assertion; a complaint of a sanitizer is something else. */
static bool aborts(void (*fn)(void))
{
    int status = status_of(fn);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void a_budget_refuses_and_counts(void **state)
{
    (void)state;
    struct budget budget = budget_of(100);
    assert_true(budget_take(&budget, 60));
    assert_false(budget_take(&budget, 41));
    assert_true(budget_take(&budget, 40));
    assert_false(budget_take(&budget, 1));
    assert_false(budget_take(&budget, UINT64_MAX));
    assert_int_equal(budget.used, 100);
    budget_give(&budget, 70);
    assert_int_equal(budget.high, 100);
    assert_int_equal(budget.refused, 3);
    /* A reload may lower the limit below what is used. */
    budget.limit = 10;
    assert_false(budget_take(&budget, 0));
    budget.limit = 30;
    assert_true(budget_take(&budget, 0));
    struct budget open = budget_of(BUDGET_UNLIMITED);
    assert_true(budget_take(&open, UINT64_MAX - 1));
}

static void give_too_much(void)
{
    struct budget budget = budget_of(100);
    budget_give(&budget, 1);
}

static void a_budget_is_not_given_more_than_was_taken(void **state)
{
    (void)state;
    assert_true(aborts(give_too_much));
}

static void small_pool(struct pool *pool, uint32_t object_size, uint64_t num_slabs,
                       uint32_t reserve)
{
    pool_init(pool, &(struct pool_config){
                        .name = "test",
                        .object_size = object_size,
                        .slab_size = POOL_SLAB_SIZE_SMALL,
                        .limit_bytes = num_slabs * POOL_SLAB_SIZE_SMALL,
                        .reserve = reserve,
                    });
}

static int compare_pointers(const void *a, const void *b)
{
    uintptr_t left = (uintptr_t) * (void *const *)a;
    uintptr_t right = (uintptr_t) * (void *const *)b;
    return (left > right) - (left < right);
}

static void objects_do_not_overlap_and_are_aligned(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 8, 12, 24, 32, 40, 64, 100, 192, 200, 448};
    static void *objects[5000];
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct pool pool;
        pool_init(&pool, &(struct pool_config){.name = "test",
                                               .object_size = sizes[i],
                                               .slab_size = POOL_SLAB_SIZE_SMALL,
                                               .limit_bytes = 8 * POOL_SLAB_SIZE_SMALL});
        assert_true(pool.object_size >= sizes[i]);
        uint32_t alignment = pool.object_size & -pool.object_size;
        uint32_t num = 0;
        void *object;
        while ((object = pool_get(&pool)) != NULL) {
            assert_int_equal((uintptr_t)object % (alignment > 64 ? 64 : alignment), 0);
            memset(object, (int)num, sizes[i]);
            objects[num++] = object;
        }
        assert_int_equal(num, 8 * pool.slab_objects);
        assert_int_equal(pool.num_used, num);
        assert_int_equal(pool.bytes.refused, 1);
        /* At most one bit, the head and the rest of the slab are lost. */
        assert_true((pool.slab_objects + 1) * (pool.object_size * 8 + 1) / 8 + 128 + 64 >=
                    POOL_SLAB_SIZE_SMALL);
        qsort(objects, num, sizeof(objects[0]), compare_pointers);
        for (uint32_t k = 1; k < num; k++)
            assert_true((char *)objects[k] - (char *)objects[k - 1] >= (long)pool.object_size);
        while (num > 0)
            pool_put(&pool, objects[--num]);
        pool_fini(&pool);
    }
}

static void what_is_put_back_is_used_again(void **state)
{
    (void)state;
    struct pool pool;
    small_pool(&pool, 64, 1, 0);
    void *keep = pool_get(&pool);
    for (unsigned i = 0; i < 1000; i++) {
        void *object = pool_get(&pool);
        assert_non_null(object);
        assert_ptr_not_equal(object, keep);
        pool_put(&pool, object);
    }
    assert_int_equal(pool.num_used, 1);
    assert_int_equal(pool.num_used_high, 2);
    assert_int_equal(pool.bytes.high, POOL_SLAB_SIZE_SMALL);
    pool_put(&pool, keep);
    pool_fini(&pool);
}

static void empty_slabs_beyond_the_reserve_are_given_back(void **state)
{
    (void)state;
    struct pool pool;
    small_pool(&pool, 512 - 64, 6, 2);
    void *objects[6 * 16];
    unsigned num = 6 * pool.slab_objects;
    for (unsigned i = 0; i < num; i++) {
        objects[i] = pool_get(&pool);
        assert_non_null(objects[i]);
    }
    assert_int_equal(pool.bytes.used, 6 * POOL_SLAB_SIZE_SMALL);
    assert_int_equal(pool.num_empty, 0);
    /* One object of each slab stays: nothing can be given back. */
    for (unsigned i = 0; i < num; i++)
        if (i % pool.slab_objects != 0)
            pool_put(&pool, objects[i]);
    assert_int_equal(pool.bytes.used, 6 * POOL_SLAB_SIZE_SMALL);
    for (unsigned i = 0; i < num; i += pool.slab_objects)
        pool_put(&pool, objects[i]);
    assert_int_equal(pool.num_empty, 2);
    assert_int_equal(pool.bytes.used, 2 * POOL_SLAB_SIZE_SMALL);
    assert_int_equal(pool.bytes.high, 6 * POOL_SLAB_SIZE_SMALL);
    /* The reserve is used before a new slab is made. */
    void *object = pool_get(&pool);
    assert_int_equal(pool.bytes.used, 2 * POOL_SLAB_SIZE_SMALL);
    assert_int_equal(pool.num_empty, 1);
    pool_put(&pool, object);
    pool_fini(&pool);
}

static void partly_used_slabs_are_preferred_to_empty_ones(void **state)
{
    (void)state;
    struct pool pool;
    small_pool(&pool, 448, 2, 2);
    void *objects[64];
    unsigned num = 2 * pool.slab_objects;
    for (unsigned i = 0; i < num; i++)
        objects[i] = pool_get(&pool);
    for (unsigned i = 0; i < num; i++)
        if (i != 1 && i != num - 1)
            pool_put(&pool, objects[i]);
    pool_put(&pool, objects[num - 1]);
    assert_int_equal(pool.num_empty, 1);
    void *object = pool_get(&pool);
    assert_int_equal(pool.num_empty, 1);
    pool_put(&pool, object);
    pool_put(&pool, objects[1]);
    pool_fini(&pool);
}

static void a_limit_below_one_slab_is_one_slab(void **state)
{
    (void)state;
    struct pool pool;
    small_pool(&pool, 64, 0, 0);
    void *object = pool_get(&pool);
    assert_non_null(object);
    pool_put(&pool, object);
    pool_fini(&pool);
}

static void the_parents_limit_holds_too(void **state)
{
    (void)state;
    struct budget parent = budget_of(3 * POOL_SLAB_SIZE_SMALL / 2);
    struct pool pool;
    pool_init(&pool, &(struct pool_config){.name = "test",
                                           .object_size = 512 - 64,
                                           .slab_size = POOL_SLAB_SIZE_SMALL,
                                           .limit_bytes = 10 * POOL_SLAB_SIZE_SMALL,
                                           .parent = &parent});
    void *objects[16];
    for (unsigned i = 0; i < pool.slab_objects; i++)
        objects[i] = pool_get(&pool);
    assert_null(pool_get(&pool));
    assert_int_equal(parent.used, POOL_SLAB_SIZE_SMALL);
    assert_int_equal(pool.bytes.used, POOL_SLAB_SIZE_SMALL);
    assert_int_equal(pool.bytes.refused, 1);
    for (unsigned i = 0; i < pool.slab_objects; i++)
        pool_put(&pool, objects[i]);
    assert_int_equal(parent.used, 0);
    pool_fini(&pool);
}

static void without_memory_a_pool_answers_null(void **state)
{
    (void)state;
    struct budget parent = budget_of(BUDGET_UNLIMITED);
    struct pool pool;
    small_pool(&pool, 64, 4, 0);
    pool.parent = &parent;
    if (!mem_fail_after(0))
        skip();
    assert_null(pool_get(&pool));
    assert_int_equal(pool.bytes.refused, 1);
    assert_int_equal(pool.bytes.used + parent.used, 0);
    void *object = pool_get(&pool);
    assert_non_null(object);
    pool_put(&pool, object);
    pool_fini(&pool);
}

static void put_twice(void)
{
    struct pool pool;
    small_pool(&pool, 64, 4, 1);
    void *object = pool_get(&pool);
    void *other = pool_get(&pool);
    (void)other;
    pool_put(&pool, object);
    pool_put(&pool, object);
}

static void put_elsewhere(void)
{
    struct pool pool;
    small_pool(&pool, 64, 4, 1);
    struct pool other;
    small_pool(&other, 64, 4, 1);
    pool_put(&other, pool_get(&pool));
}

static void put_the_middle(void)
{
    struct pool pool;
    small_pool(&pool, 64, 4, 1);
    char *object = pool_get(&pool);
    pool_put(&pool, object + 8);
}

static void write_after_put(void)
{
    struct pool pool;
    small_pool(&pool, 64, 4, 1);
    char *object = pool_get(&pool);
    pool_put(&pool, object);
    *(volatile char *)(object + 8) = 1;
    object = pool_get(&pool);
}

static void leave_one_out(void)
{
    struct pool pool;
    small_pool(&pool, 64, 4, 1);
    void *object = pool_get(&pool);
    pool_fini(&pool);
    (void)object;
}

static void misuse_of_a_pool_is_found_out(void **state)
{
    (void)state;
    assert_true(aborts(put_twice));
    assert_true(aborts(put_elsewhere));
    assert_true(aborts(put_the_middle));
    assert_true(aborts(leave_one_out));
    /* Only debug builds pay for looking at the content. */
    if (mem_fail_after(UINT64_MAX))
        assert_int_not_equal(status_of(write_after_put), 0);
}

/* Without a call to the allocator: which would fail. */
static void a_freed_block_is_handed_out_again(void **state)
{
    (void)state;
    recycler_open(4096);
    void *first = recycler_alloc(100);
    void *second = recycler_alloc(128);
    assert_non_null(first);
    assert_non_null(second);
    memset(first, 1, 100);
    memset(second, 2, 128);
    recycler_free(first, 100);
    recycler_free(second, 128);
    (void)mem_fail_after(0);
    assert_ptr_equal(recycler_alloc(65), second); /* the one freed last, of the same class */
    assert_ptr_equal(recycler_alloc(128), first);
    (void)mem_fail_after(UINT64_MAX);
    memset(first, 3, 128);
    memset(second, 4, 128);
    recycler_free(first, 128);
    recycler_free(second, 65);
    recycler_close(4096);
}

static void a_recycler_keeps_what_it_may_and_no_more(void **state)
{
    (void)state;
    void *blocks[8];
    recycler_open(3 * RECYCLER_STEP);
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        blocks[i] = recycler_alloc(RECYCLER_STEP);
        assert_non_null(blocks[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
        recycler_free(blocks[i], RECYCLER_STEP);
    for (size_t i = 3; i-- > 0;)
        assert_ptr_equal(recycler_alloc(RECYCLER_STEP), blocks[i]);
    if (mem_fail_after(0))
        assert_null(recycler_alloc(RECYCLER_STEP));
    (void)mem_fail_after(UINT64_MAX);
    for (size_t i = 0; i < 3; i++)
        recycler_free(blocks[i], RECYCLER_STEP);
    /* Large ones are the allocator's, and so is everything once the recycler is closed. */
    void *large = recycler_alloc(RECYCLER_SIZE_MAX + 1);
    assert_non_null(large);
    recycler_free(large, RECYCLER_SIZE_MAX + 1);
    recycler_close(3 * RECYCLER_STEP);
    void *last = recycler_alloc(1);
    assert_non_null(last);
    recycler_free(last, 1);
    if (mem_fail_after(0))
        assert_null(recycler_alloc(1));
    (void)mem_fail_after(UINT64_MAX);
}

static void a_handle_leads_back_until_removed(void **state)
{
    (void)state;
    int object = 0;
    struct slot_table table;
    slot_table_init(&table, 3, 1000);
    assert_null(slot_table_get(&table, HANDLE_NONE));
    assert_null(slot_table_at(&table, 0));
    struct handle handle;
    assert_int_equal(slot_table_add(&table, &object, &handle), RC_OK);
    assert_int_equal(handle.shard, 3);
    assert_int_not_equal(handle.generation, 0);
    assert_ptr_equal(slot_table_get(&table, handle), &object);
    assert_ptr_equal(slot_table_at(&table, handle.slot), &object);
    assert_null(slot_table_at(&table, handle.slot + 1));
    assert_null(slot_table_at(&table, UINT32_MAX));
    struct handle other = handle;
    other.generation++;
    assert_null(slot_table_get(&table, other));
    assert_ptr_equal(slot_table_remove(&table, handle), &object);
    assert_null(slot_table_get(&table, handle));
    assert_null(slot_table_get(&table, other));
    assert_null(slot_table_at(&table, handle.slot));
    slot_table_fini(&table);
    slot_table_fini(&table);
}

static void a_table_fills_to_its_bound(void **state)
{
    (void)state;
    enum { SLOTS = 20 * SLOT_PAGE_SLOTS };
    static struct handle handles[SLOTS];
    static bool seen[SLOTS];
    int object = 0;
    struct slot_table table;
    struct handle handle;
    slot_table_init(&table, 0, SLOTS - 5);
    for (unsigned i = 0; i < SLOTS; i++) {
        assert_int_equal(slot_table_add(&table, &object, &handles[i]), RC_OK);
        assert_in_range(handles[i].slot, 0, SLOTS - 1);
        assert_false(seen[handles[i].slot]);
        seen[handles[i].slot] = true;
    }
    assert_int_equal(slot_table_add(&table, &object, &handle), RC_FULL);
    slot_table_remove(&table, handles[77]);
    assert_int_equal(slot_table_add(&table, &object, &handle), RC_OK);
    assert_int_equal(handle.slot, handles[77].slot);
    assert_int_not_equal(handle.generation, handles[77].generation);
    slot_table_fini(&table);
}

static void slots_are_reused_oldest_first_and_late(void **state)
{
    (void)state;
    int object = 0;
    struct slot_table table;
    struct handle handle;
    slot_table_init(&table, 0, 100000);
    for (unsigned i = 0; i < SLOT_PAGE_SLOTS - 10; i++)
        assert_int_equal(slot_table_add(&table, &object, &handle), RC_OK);
    uint32_t slot = handle.slot;
    slot_table_remove(&table, handle);
    unsigned num_between = 0;
    do {
        assert_int_equal(slot_table_add(&table, &object, &handle), RC_OK);
        slot_table_remove(&table, handle);
        num_between++;
    } while (handle.slot != slot);
    assert_true(num_between >= SLOT_PAGE_SLOTS);
    slot_table_fini(&table);
}

static void a_generation_wraps_past_zero(void **state)
{
    (void)state;
    int object = 0;
    struct slot_table table;
    struct handle handle;
    struct handle before = HANDLE_NONE;
    slot_table_init(&table, 0, SLOT_PAGE_SLOTS);
    for (unsigned i = 0; i < SLOT_PAGE_SLOTS - 1; i++)
        assert_int_equal(slot_table_add(&table, &object, &handle), RC_OK);
    /* A full table has one free slot to reuse, over and over. */
    bool wrapped = false;
    for (unsigned i = 0; i < 70000; i++) {
        assert_int_equal(slot_table_add(&table, &object, &handle), RC_OK);
        assert_int_not_equal(handle.generation, 0);
        assert_null(slot_table_get(&table, before));
        wrapped |= handle.generation < before.generation;
        assert_ptr_equal(slot_table_remove(&table, handle), &object);
        before = handle;
    }
    assert_true(wrapped);
    slot_table_fini(&table);
}

static void walking_sees_each_once(void **state)
{
    (void)state;
    int objects[600];
    struct handle handles[600];
    unsigned num_seen[600] = {0};
    struct slot_table table;
    slot_table_init(&table, 0, 1000);
    for (unsigned i = 0; i < 600; i++)
        assert_int_equal(slot_table_add(&table, &objects[i], &handles[i]), RC_OK);
    for (unsigned i = 0; i < 600; i += 3)
        slot_table_remove(&table, handles[i]);
    uint32_t cursor = 0;
    int *object;
    while ((object = slot_table_next(&table, &cursor)) != NULL)
        num_seen[object - objects]++;
    for (unsigned i = 0; i < 600; i++)
        assert_int_equal(num_seen[i], i % 3 != 0);
    assert_null(slot_table_next(&table, &cursor));
    slot_table_fini(&table);
}

static void without_memory_a_table_stays_as_it_is(void **state)
{
    (void)state;
    int object = 0;
    struct slot_table table;
    struct handle handle;
    slot_table_init(&table, 0, 100000);
    for (uint64_t num_good = 0; num_good < 2; num_good++) {
        if (!mem_fail_after(num_good))
            skip();
        assert_int_equal(slot_table_add(&table, &object, &handle), RC_NO_MEMORY);
        assert_int_equal(table.num_live, 0);
    }
    /* A table that cannot grow uses up the free slots that it has. */
    assert_int_equal(slot_table_add(&table, &object, &handle), RC_OK);
    for (unsigned i = 1; i < SLOT_PAGE_SLOTS; i++) {
        mem_fail_after(0);
        assert_int_equal(slot_table_add(&table, &object, &handle), RC_OK);
    }
    mem_fail_after(0);
    assert_int_equal(slot_table_add(&table, &object, &handle), RC_NO_MEMORY);
    mem_fail_after(UINT64_MAX);
    assert_int_equal(slot_table_add(&table, &object, &handle), RC_OK);
    slot_table_fini(&table);
}

static void ask_the_wrong_shard(void)
{
    int object = 0;
    struct slot_table table;
    struct handle handle;
    slot_table_init(&table, 0, 1000);
    enum rc rc = slot_table_add(&table, &object, &handle);
    handle.shard = 1;
    if (rc == RC_OK)
        slot_table_get(&table, handle);
}

static void remove_twice(void)
{
    int object = 0;
    struct slot_table table;
    struct handle handle;
    slot_table_init(&table, 0, 1000);
    enum rc rc = slot_table_add(&table, &object, &handle);
    if (rc != RC_OK)
        return;
    slot_table_remove(&table, handle);
    slot_table_remove(&table, handle);
}

static void misuse_of_a_table_is_found_out(void **state)
{
    (void)state;
    assert_true(aborts(ask_the_wrong_shard));
    assert_true(aborts(remove_twice));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_budget_refuses_and_counts),
        cmocka_unit_test(a_budget_is_not_given_more_than_was_taken),
        cmocka_unit_test(objects_do_not_overlap_and_are_aligned),
        cmocka_unit_test(what_is_put_back_is_used_again),
        cmocka_unit_test(empty_slabs_beyond_the_reserve_are_given_back),
        cmocka_unit_test(partly_used_slabs_are_preferred_to_empty_ones),
        cmocka_unit_test(a_limit_below_one_slab_is_one_slab),
        cmocka_unit_test(the_parents_limit_holds_too),
        cmocka_unit_test(without_memory_a_pool_answers_null),
        cmocka_unit_test(misuse_of_a_pool_is_found_out),
        cmocka_unit_test(a_freed_block_is_handed_out_again),
        cmocka_unit_test(a_recycler_keeps_what_it_may_and_no_more),
        cmocka_unit_test(a_handle_leads_back_until_removed),
        cmocka_unit_test(a_table_fills_to_its_bound),
        cmocka_unit_test(slots_are_reused_oldest_first_and_late),
        cmocka_unit_test(a_generation_wraps_past_zero),
        cmocka_unit_test(walking_sees_each_once),
        cmocka_unit_test(without_memory_a_table_stays_as_it_is),
        cmocka_unit_test(misuse_of_a_table_is_found_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
