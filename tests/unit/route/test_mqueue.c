/*
 * test_mqueue.c -- the queue of one session at its edges (route/mqueue.h).
 *
 * A message is a number; what the queue drops is noted in an array.
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
#include "mqueue.h"

static const struct mqueue_limits no_limits = {0};

struct drops {
    unsigned num;
    uintptr_t numbers[100];
    enum mqueue_drop reasons[100];
};

static void note_drop(void *context, const struct mqueue_entry *entry, enum mqueue_drop reason)
{
    struct drops *drops = context;
    assert_true(drops->num < ARRAY_LEN(drops->numbers));
    drops->numbers[drops->num] = (uintptr_t)entry->msg;
    drops->reasons[drops->num++] = reason;
}

static void must_not_drop(void *context, const struct mqueue_entry *entry, enum mqueue_drop reason)
{
    (void)context;
    (void)entry;
    (void)reason;
    fail();
}

static struct mqueue_entry entry_of(uintptr_t number, uint8_t priority, uint32_t bytes)
{
    return (struct mqueue_entry){.msg = (struct msg *)number,
                                 .aux = (void *)(number + 1),
                                 .bytes = bytes,
                                 .qos = (uint8_t)(number % 3),
                                 .priority = priority,
                                 .flags = (uint16_t)number};
}

static void put(struct mqueue *queue, uintptr_t number, uint8_t priority, uint32_t bytes)
{
    struct mqueue_entry entry = entry_of(number, priority, bytes);
    assert_int_equal(mqueue_put(queue, &no_limits, &entry, must_not_drop, NULL), RC_OK);
}

static enum rc put_limited(struct mqueue *queue, struct mqueue_limits limits, uintptr_t number,
                           uint8_t priority, uint32_t bytes, struct drops *drops)
{
    struct mqueue_entry entry = entry_of(number, priority, bytes);
    *drops = (struct drops){0};
    return mqueue_put(queue, &limits, &entry, note_drop, drops);
}

static uintptr_t pop(struct mqueue *queue)
{
    struct mqueue_entry entry;
    if (!mqueue_pop(queue, &entry))
        return 0;
    assert_ptr_equal(entry.aux, (char *)entry.msg + 1);
    assert_int_equal(entry.flags, (uint16_t)(uintptr_t)entry.msg);
    return (uintptr_t)entry.msg;
}

static bool match_any(void *context, struct mqueue_entry *entry)
{
    (void)context;
    (void)entry;
    return true;
}

static bool match_divisible(void *context, struct mqueue_entry *entry)
{
    return (uintptr_t)entry->msg % *(unsigned *)context == 0;
}

static void an_empty_queue_costs_nothing(void **state)
{
    (void)state;
    struct mqueue queue;
    struct mqueue_entry entry;
    struct mqueue_cursor cursor;
    mqueue_init(&queue);
    assert_int_equal(mqueue_bytes(&queue), 0);
    assert_int_equal(mqueue_count(&queue), 0);
    assert_int_equal(mqueue_weight_bytes(&queue), 0);
    assert_null(mqueue_peek(&queue));
    assert_null(mqueue_first(&queue, &cursor));
    assert_false(mqueue_pop(&queue, &entry));
    assert_int_equal(mqueue_remove_if(&queue, match_any, NULL), 0);
    mqueue_trim(&queue);
    mqueue_fini(&queue);
    mqueue_fini(&queue);
}

static void first_in_first_out_over_many_chunks(void **state)
{
    (void)state;
    struct mqueue queue;
    mqueue_init(&queue);
    for (uintptr_t i = 1; i <= 10000; i++)
        put(&queue, i, 0, 3);
    assert_int_equal(mqueue_count(&queue), 10000);
    assert_int_equal(mqueue_weight_bytes(&queue), 30000);
    for (uintptr_t i = 1; i <= 10000; i++) {
        assert_int_equal((uintptr_t)mqueue_peek(&queue)->msg, i);
        assert_int_equal(pop(&queue), i);
    }
    assert_int_equal(pop(&queue), 0);
    assert_int_equal(mqueue_weight_bytes(&queue), 0);
    mqueue_fini(&queue);
}

static void higher_priorities_come_first(void **state)
{
    (void)state;
    struct mqueue queue;
    mqueue_init(&queue);
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < 256; i++)
            put(&queue, 1 + round * 256 + i, (uint8_t)(i * 101), 1);
    for (unsigned priority = 256; priority-- > 0;) {
        for (unsigned round = 0; round < 3; round++) {
            assert_int_equal(mqueue_peek(&queue)->priority, priority);
            uintptr_t number = pop(&queue) - 1;
            assert_int_equal(number / 256, round);
            assert_int_equal((uint8_t)(number * 101), priority);
        }
    }
    /* A body grown for 256 levels is not kept. */
    assert_int_equal(mqueue_bytes(&queue), 0);
    mqueue_fini(&queue);
}

static void a_full_priority_drops_its_own_oldest(void **state)
{
    (void)state;
    struct mqueue queue;
    struct drops drops;
    struct mqueue_limits limits = {.len_max = 3};
    mqueue_init(&queue);
    for (uintptr_t i = 1; i <= 3; i++) {
        assert_int_equal(put_limited(&queue, limits, i, 5, 1, &drops), RC_OK);
        assert_int_equal(put_limited(&queue, limits, i + 10, 0, 1, &drops), RC_OK);
        assert_int_equal(drops.num, 0);
    }
    assert_int_equal(put_limited(&queue, limits, 4, 5, 1, &drops), RC_OK);
    assert_int_equal(drops.num, 1);
    assert_int_equal(drops.numbers[0], 1);
    assert_int_equal(drops.reasons[0], MQUEUE_DROP_LEN);
    /* A limit lowered meanwhile is reached at once. */
    limits.len_max = 1;
    assert_int_equal(put_limited(&queue, limits, 14, 0, 1, &drops), RC_OK);
    assert_int_equal(drops.num, 3);
    assert_int_equal(drops.numbers[2], 13);
    static const uintptr_t expected[] = {2, 3, 4, 14, 0};
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_int_equal(pop(&queue), expected[i]);
    mqueue_fini(&queue);
}

static void a_limit_of_one_keeps_the_newest(void **state)
{
    (void)state;
    struct mqueue queue;
    struct drops drops;
    struct mqueue_limits limits = {.len_max = 1, .bytes_max = 10};
    mqueue_init(&queue);
    for (uintptr_t i = 1; i <= 1000; i++) {
        assert_int_equal(put_limited(&queue, limits, i, 0, 10, &drops), RC_OK);
        assert_int_equal(drops.num, i > 1);
        assert_int_equal(mqueue_count(&queue), 1);
    }
    assert_int_equal(pop(&queue), 1000);
    mqueue_fini(&queue);
}

static void bytes_are_taken_from_the_oldest_of_the_lowest(void **state)
{
    (void)state;
    struct mqueue queue;
    struct drops drops;
    struct mqueue_limits limits = {.bytes_max = 100};
    mqueue_init(&queue);
    put(&queue, 1, 1, 20);
    put(&queue, 2, 1, 20);
    put(&queue, 3, 7, 20);
    put(&queue, 4, 9, 20);
    put(&queue, 5, 0, 20);
    assert_int_equal(put_limited(&queue, limits, 6, 7, 50, &drops), RC_OK);
    assert_int_equal(drops.num, 3);
    assert_int_equal(drops.numbers[0], 5);
    assert_int_equal(drops.numbers[1], 1);
    assert_int_equal(drops.numbers[2], 2);
    assert_int_equal(drops.reasons[2], MQUEUE_DROP_BYTES);
    assert_int_equal(mqueue_weight_bytes(&queue), 90);
    /* Own level too, down to the newcomer alone, but nothing above. */
    assert_int_equal(put_limited(&queue, limits, 7, 7, 80, &drops), RC_OK);
    assert_int_equal(drops.num, 2);
    assert_int_equal(mqueue_weight_bytes(&queue), 100);
    static const uintptr_t expected[] = {4, 7, 0};
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_int_equal(pop(&queue), expected[i]);
    mqueue_fini(&queue);
}

static void a_message_never_pushes_out_a_higher_priority(void **state)
{
    (void)state;
    struct mqueue queue;
    struct drops drops;
    struct mqueue_limits limits = {.bytes_max = 100};
    mqueue_init(&queue);
    put(&queue, 1, 5, 60);
    put(&queue, 2, 0, 30);
    assert_int_equal(put_limited(&queue, limits, 3, 4, 41, &drops), RC_FULL);
    assert_int_equal(put_limited(&queue, limits, 3, 255, 101, &drops), RC_TOO_LARGE);
    assert_int_equal(drops.num, 0);
    assert_int_equal(mqueue_count(&queue), 2);
    assert_int_equal(put_limited(&queue, limits, 3, 4, 40, &drops), RC_OK);
    assert_int_equal(drops.num, 1);
    assert_int_equal(pop(&queue), 1);
    assert_int_equal(pop(&queue), 3);
    mqueue_fini(&queue);
}

static void weights_can_be_corrected(void **state)
{
    (void)state;
    struct mqueue queue;
    struct drops drops;
    mqueue_init(&queue);
    put(&queue, 1, 5, 60);
    put(&queue, 2, 0, 30);
    mqueue_set_bytes(&queue, mqueue_peek(&queue), 10);
    assert_int_equal(mqueue_weight_bytes(&queue), 40);
    assert_int_equal(put_limited(&queue, (struct mqueue_limits){.bytes_max = 40}, 3, 0, 30, &drops),
                     RC_OK);
    assert_int_equal(drops.num, 1);
    mqueue_set_bytes(&queue, mqueue_peek(&queue), UINT32_MAX);
    assert_true(mqueue_weight_bytes(&queue) == UINT64_C(30) + UINT32_MAX);
    assert_int_equal(pop(&queue), 1);
    assert_int_equal(pop(&queue), 3);
    assert_int_equal(mqueue_weight_bytes(&queue), 0);
    mqueue_fini(&queue);
}

static void walking_follows_the_order_of_delivery(void **state)
{
    (void)state;
    struct mqueue queue;
    struct mqueue_cursor cursor;
    mqueue_init(&queue);
    for (uintptr_t i = 1; i <= 500; i++)
        put(&queue, i, (uint8_t)(i % 4 * 60), 1);
    for (unsigned i = 0; i < 130; i++)
        pop(&queue);
    uintptr_t seen[500];
    unsigned num_seen = 0;
    struct mqueue_entry *entry = mqueue_first(&queue, &cursor);
    for (; entry != NULL; entry = mqueue_next(&queue, &cursor))
        seen[num_seen++] = (uintptr_t)entry->msg;
    assert_int_equal(num_seen, 370);
    assert_null(mqueue_next(&queue, &cursor));
    for (unsigned i = 0; i < num_seen; i++)
        assert_int_equal(pop(&queue), seen[i]);
    mqueue_fini(&queue);
}

static void matching_entries_leave_and_the_rest_keeps_its_order(void **state)
{
    (void)state;
    struct mqueue queue;
    mqueue_init(&queue);
    for (unsigned divisor = 1; divisor <= 5; divisor++) {
        for (uintptr_t i = 1; i <= 600; i++)
            put(&queue, i, i > 300, 2);
        for (uintptr_t i = 301; i <= 310; i++)
            assert_int_equal(pop(&queue), i);
        unsigned left = 590 - (600 / divisor - 310 / divisor + 300 / divisor);
        assert_int_equal(mqueue_remove_if(&queue, match_divisible, &divisor), 590 - left);
        assert_int_equal(mqueue_count(&queue), left);
        assert_int_equal(mqueue_weight_bytes(&queue), 2 * left);
        /* Room at the tail is used as if nothing had happened. */
        put(&queue, 9999, 0, 2);
        for (uintptr_t i = 311; i <= 600; i++)
            if (i % divisor != 0)
                assert_int_equal(pop(&queue), i);
        for (uintptr_t i = 1; i <= 300; i++)
            if (i % divisor != 0)
                assert_int_equal(pop(&queue), i);
        assert_int_equal(pop(&queue), 9999);
        assert_int_equal(pop(&queue), 0);
    }
    mqueue_fini(&queue);
}

static void memory_is_given_back_without_ping_pong(void **state)
{
    (void)state;
    struct mqueue queue;
    mqueue_init(&queue);
    put(&queue, 1, 0, 1);
    put(&queue, 2, 0, 1);
    put(&queue, 3, 0, 1);
    /* What an offline session with three messages costs. */
    assert_in_range(mqueue_bytes(&queue), 1, 460);
    while (pop(&queue) != 0)
        ;
    if (mem_fail_after(0)) {
        for (uintptr_t i = 1; i < 1000; i++) {
            put(&queue, i, (uint8_t)i, 1);
            assert_int_equal(pop(&queue), i);
        }
        for (uintptr_t i = 1; i < 1000; i++) {
            put(&queue, i, 3, 1);
            if (i > 2)
                assert_int_equal(pop(&queue), i - 2);
            if (i == 20) /* by then there are the chunk in use and a spare */
                mem_fail_after(0);
            else if (i < 20)
                mem_fail_after(UINT64_MAX);
        }
        mem_fail_after(UINT64_MAX);
    }
    while (pop(&queue) != 0)
        ;
    for (uintptr_t i = 1; i <= 100000; i++)
        put(&queue, i, 0, 1);
    assert_true(mqueue_bytes(&queue) < 100000 * 41);
    mqueue_trim(&queue);
    assert_int_equal(mqueue_count(&queue), 100000);
    while (pop(&queue) != 0)
        ;
    assert_in_range(mqueue_bytes(&queue), 1, 3072);
    mqueue_trim(&queue);
    assert_int_equal(mqueue_bytes(&queue), 0);
    mqueue_fini(&queue);
}

static void without_memory_nothing_changes(void **state)
{
    (void)state;
    struct mqueue queue;
    struct drops drops;
    mqueue_init(&queue);
    for (uint64_t num_good = 0; num_good < 2; num_good++) {
        if (!mem_fail_after(num_good))
            skip();
        assert_int_equal(put_limited(&queue, no_limits, 1, 0, 1, &drops), RC_NO_MEMORY);
        assert_int_equal(mqueue_count(&queue), 0);
        mqueue_trim(&queue);
    }
    for (uintptr_t i = 1; i <= 7; i++)
        put(&queue, i, 0, 1);
    /* A chunk more; then a level more; then room for a third level. */
    mem_fail_after(0);
    struct mqueue_limits limits = {.len_max = 7, .bytes_max = 7};
    assert_int_equal(put_limited(&queue, limits, 8, 0, 1, &drops), RC_NO_MEMORY);
    mem_fail_after(0);
    assert_int_equal(put_limited(&queue, limits, 8, 1, 1, &drops), RC_NO_MEMORY);
    put(&queue, 8, 1, 1);
    mem_fail_after(0);
    assert_int_equal(put_limited(&queue, limits, 9, 2, 1, &drops), RC_NO_MEMORY);
    mem_fail_after(1);
    assert_int_equal(put_limited(&queue, limits, 9, 2, 1, &drops), RC_NO_MEMORY);
    mem_fail_after(UINT64_MAX);
    assert_int_equal(drops.num, 0);
    assert_int_equal(mqueue_count(&queue), 8);
    assert_int_equal(mqueue_weight_bytes(&queue), 8);
    assert_int_equal(pop(&queue), 8);
    for (uintptr_t i = 1; i <= 7; i++)
        assert_int_equal(pop(&queue), i);
    mqueue_fini(&queue);
}

static void drop_and_touch(void *context, const struct mqueue_entry *entry, enum mqueue_drop reason)
{
    (void)entry;
    (void)reason;
    mqueue_peek(context);
}

static void a_callback_that_touches_the_queue_is_found_out(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        struct mqueue queue;
        struct mqueue_limits limits = {.len_max = 1};
        struct mqueue_entry entry = entry_of(1, 0, 1);
        mqueue_init(&queue);
        put(&queue, 1, 1, 1);
        enum rc rc = mqueue_put(&queue, &limits, &entry, drop_and_touch, &queue);
        rc = mqueue_put(&queue, &limits, &entry, drop_and_touch, &queue);
        _exit(rc == RC_OK ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_queue_costs_nothing),
        cmocka_unit_test(first_in_first_out_over_many_chunks),
        cmocka_unit_test(higher_priorities_come_first),
        cmocka_unit_test(a_full_priority_drops_its_own_oldest),
        cmocka_unit_test(a_limit_of_one_keeps_the_newest),
        cmocka_unit_test(bytes_are_taken_from_the_oldest_of_the_lowest),
        cmocka_unit_test(a_message_never_pushes_out_a_higher_priority),
        cmocka_unit_test(weights_can_be_corrected),
        cmocka_unit_test(walking_follows_the_order_of_delivery),
        cmocka_unit_test(matching_entries_leave_and_the_rest_keeps_its_order),
        cmocka_unit_test(memory_is_given_back_without_ping_pong),
        cmocka_unit_test(without_memory_nothing_changes),
        cmocka_unit_test(a_callback_that_touches_the_queue_is_found_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
