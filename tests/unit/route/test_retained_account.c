/*
 * test_retained_account.c -- retained values are counted in the accounts of their owners, exactly,
 * also when many threads store, replace and delete, and counting begins meanwhile
 * (route/retained.h, retained_account.c).
 */
#include "account.h"
#include "hash.h"
#include "mem.h"
#include "retained.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define ANN 2
#define BOB 3

#define THREADS 4
#define TOPICS  40
#define ROUNDS  4000

static struct accounts *accounts;
static struct epoch *domain;
static struct epoch_record *record;
static struct retained *store;

/* A value is its own size; nobody owns it. */
static void value_nothing(void *value)
{
    (void)value;
}

static int setup(void **state)
{
    (void)state;
    accounts = accounts_create();
    const struct retained_config config = {
        .key = {.words = {0x1234567, 0x89abcdef}},
        .count_max = UINT64_MAX,
        .bytes_max = UINT64_MAX,
        .ops = {.ref = value_nothing, .unref = value_nothing},
        .accounts = accounts,
    };
    domain = epoch_create();
    record = epoch_register(domain);
    store = retained_create(&config);
    return accounts == NULL || store == NULL;
}

static int teardown(void **state)
{
    (void)state;
    (void)mem_fail_after(UINT64_MAX);
    epoch_destroy(domain);
    retained_destroy(store);
    accounts_destroy(accounts); /* which finds it empty: all references were given back */
    return 0;
}

static enum rc set_with(struct epoch_record *mine, const char *topic, uint64_t user, uint64_t bytes,
                        uint64_t count_max, uint64_t bytes_max)
{
    struct retained_owner owner = {.user = user, .count_max = count_max, .bytes_max = bytes_max};
    if (retained_counts_users(store))
        owner.account = account_take(accounts, user);
    uint64_t version;
    enum rc rc = retained_set(store, mine, bytes_of_text(topic), (void *)(uintptr_t)bytes, bytes,
                              &owner, &version);
    if (rc != RC_OK && owner.account != NULL)
        account_give(accounts, owner.account);
    return rc;
}

static enum rc set(const char *topic, uint64_t user, uint64_t bytes)
{
    return set_with(record, topic, user, bytes, 3, 100);
}

static void drop(const char *topic)
{
    assert_int_equal(retained_delete(store, record, bytes_of_text(topic), NULL), RC_OK);
}

static void has(uint64_t user, uint64_t count, uint64_t bytes)
{
    struct account *account = account_take(accounts, user);
    assert_int_equal(account_used(account, ACCOUNT_RETAINED), count);
    assert_int_equal(account_used(account, ACCOUNT_RETAINED_BYTES), bytes);
    account_give(accounts, account);
}

static void an_owner_has_what_it_stored(void **state)
{
    (void)state;
    assert_int_equal(retained_count_users(store, record), RC_OK);
    assert_int_equal(set("a", ANN, 10), RC_OK);
    assert_int_equal(set("b", ANN, 20), RC_OK);
    assert_int_equal(set("c", ANN, 30), RC_OK);
    has(ANN, 3, 60);
    assert_int_equal(set("d", ANN, 1), RC_DENIED);
    has(ANN, 3, 60);
    drop("b");
    has(ANN, 2, 40);
    assert_int_equal(set("d", ANN, 60), RC_OK);
    has(ANN, 3, 100);
    assert_int_equal(retained_count(store), 3);
}

static void a_value_in_the_place_of_its_own_pays_the_difference(void **state)
{
    (void)state;
    assert_int_equal(retained_count_users(store, record), RC_OK);
    assert_int_equal(set("a", ANN, 50), RC_OK);
    assert_int_equal(set("a", ANN, 100), RC_OK);
    assert_int_equal(set("a", ANN, 101), RC_DENIED);
    has(ANN, 1, 100);
    assert_int_equal(set("b", ANN, 1), RC_DENIED);
    assert_int_equal(set("a", ANN, 30), RC_OK);
    has(ANN, 1, 30);
    /* Who has more than the quota, which was lowered, may make it less. */
    assert_int_equal(set_with(record, "a", ANN, 30, 0, 5), RC_OK);
    assert_int_equal(set_with(record, "a", ANN, 20, 0, 5), RC_OK);
    assert_int_equal(set_with(record, "a", ANN, 21, 0, 5), RC_DENIED);
    has(ANN, 1, 20);
}

static void who_replaces_it_has_it(void **state)
{
    (void)state;
    assert_int_equal(retained_count_users(store, record), RC_OK);
    assert_int_equal(set("a", ANN, 50), RC_OK);
    assert_int_equal(set("a", BOB, 60), RC_OK);
    has(ANN, 0, 0);
    has(BOB, 1, 60);
    assert_int_equal(set_with(record, "a", ANN, 10, 0, 100), RC_DENIED);
    has(BOB, 1, 60);
    /* Somebody without a user name pays nothing. */
    uint64_t version;
    struct retained_owner nobody = {.user = 1};
    assert_int_equal(retained_set(store, record, bytes_of_text("a"), &nobody, 7, &nobody, &version),
                     RC_OK);
    has(BOB, 0, 0);
    assert_int_equal(retained_set(store, record, bytes_of_text("a"), &nobody, 7, NULL, &version),
                     RC_OK);
}

static void what_is_recovered_counts_without_a_limit(void **state)
{
    (void)state;
    assert_int_equal(retained_count_users(store, record), RC_OK);
    struct bytes topic = bytes_of_text("a");
    assert_int_equal(retained_restore(store, record, topic, store, 500, ANN, 7), RC_OK);
    has(ANN, 1, 500);
    assert_int_equal(retained_restore(store, record, topic, store, 400, BOB, 6), RC_EXISTS);
    assert_int_equal(retained_restore(store, record, topic, store, 400, BOB, 8), RC_OK);
    has(ANN, 0, 0);
    has(BOB, 1, 400);
}

static void counting_begins_with_what_is_there(void **state)
{
    (void)state;
    char topic[16];
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(topic, sizeof(topic), "%s%u", i % 10 == 0 ? "$x/" : "x/", i);
        assert_int_equal(set(topic, i % 2 == 0 ? ANN : BOB, 1 + i % 2), RC_OK);
    }
    has(ANN, 0, 0);
    assert_int_equal(set("x/1", ANN, 1), RC_OK);
    assert_int_equal(retained_count_users(store, record), RC_OK);
    assert_true(retained_counts_users(store));
    has(ANN, 2501, 2501);
    has(BOB, 2499, 4998);
    assert_int_equal(retained_count_users(store, record), RC_OK);
    has(ANN, 2501, 2501);
    drop("x/1");
    has(ANN, 2500, 2500);
}

static void without_memory_nothing_is_charged(void **state)
{
    (void)state;
    if (!mem_fail_after(UINT64_MAX))
        skip();
    assert_int_equal(retained_count_users(store, record), RC_OK);
    enum rc rc = RC_NO_MEMORY;
    for (uint64_t good = 0; rc != RC_OK; good++) {
        struct account *account = account_take(accounts, ANN);
        struct retained_owner owner = {
            .user = ANN, .account = account, .count_max = 1, .bytes_max = 10};
        uint64_t version;
        (void)mem_fail_after(good);
        rc = retained_set(store, record, bytes_of_text("a/b/c"), store, 10, &owner, &version);
        (void)mem_fail_after(UINT64_MAX);
        assert_int_equal(account_used(account, ACCOUNT_RETAINED), rc == RC_OK);
        if (rc != RC_OK)
            account_give(accounts, account);
    }
    has(ANN, 1, 10);
}

struct worker {
    pthread_t thread;
    struct epoch_record *record;
    uint64_t random;
};

static void *run(void *context)
{
    struct worker *worker = context;
    for (unsigned i = 0; i < ROUNDS; i++) {
        worker->random = hash_mix(worker->random, i);
        char topic[16];
        snprintf(topic, sizeof(topic), "t/%u", (unsigned)(worker->random % TOPICS));
        uint64_t user = ANN + (worker->random >> 16) % 3;
        uint64_t bytes = 1 + (worker->random >> 32) % 9;
        if ((worker->random >> 48) % 3 == 0)
            (void)retained_delete(store, worker->record, bytes_of_text(topic), NULL);
        else
            (void)(set_with(worker->record, topic, user, bytes, 8, 50) == RC_OK);
        (void)epoch_poll(worker->record);
    }
    return NULL;
}

struct sums {
    uint64_t count;
    uint64_t bytes;
};

static enum retained_verdict sum_up(void *context, void *value, uint64_t version)
{
    (void)version;
    struct sums *sums = context;
    sums->count++;
    sums->bytes += (uintptr_t)value;
    return RETAINED_TAKEN;
}

/* Counting begins under way. */
static void threads_leave_sums_that_are_true(void **state)
{
    (void)state;
    struct worker workers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.record = epoch_register(domain), .random = 77 + i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run, &workers[i]), 0);
    }
    for (unsigned i = 0; i < 100; i++)
        (void)set_with(record, "t/x", ANN, 1 + i % 3, 8, 50);
    assert_int_equal(retained_count_users(store, record), RC_OK);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    struct sums sums = {0};
    struct retained_cursor cursor;
    assert_int_equal(retained_cursor_init_all(&cursor), RC_OK);
    assert_int_equal(retained_walk(store, record, &cursor, UINT32_MAX, sum_up, &sums), RC_OK);
    retained_cursor_fini(&cursor);
    struct sums counted = {0};
    for (uint64_t user = ANN; user < ANN + 3; user++) {
        struct account *account = account_take(accounts, user);
        counted.count += account_used(account, ACCOUNT_RETAINED);
        counted.bytes += account_used(account, ACCOUNT_RETAINED_BYTES);
        account_give(accounts, account);
    }
    assert_int_equal(counted.count, sums.count);
    assert_int_equal(counted.bytes, sums.bytes);
    assert_int_equal(counted.count, retained_count(store));
    assert_true(counted.count > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_owner_has_what_it_stored),
        TEST(a_value_in_the_place_of_its_own_pays_the_difference),
        TEST(who_replaces_it_has_it),
        TEST(what_is_recovered_counts_without_a_limit),
        TEST(counting_begins_with_what_is_there),
        TEST(without_memory_nothing_is_charged),
        TEST(threads_leave_sums_that_are_true),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
