/*
 * test_account.c -- accounts of users: one for each while anybody has it, with exact sums, from
 * several threads (route/account.h).
 */
#include "account.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define THREADS 4
#define ROUNDS  20000

static struct accounts *accounts;

static int setup(void **state)
{
    (void)state;
    accounts = accounts_create();
    return accounts == NULL;
}

static int teardown(void **state)
{
    (void)state;
    accounts_destroy(accounts); /* which finds it empty */
    return 0;
}

static struct account *take(uint64_t user)
{
    struct account *account = account_take(accounts, user);
    assert_non_null(account);
    return account;
}

static void one_account_for_each_user(void **state)
{
    (void)state;
    struct account *a = take(7);
    struct account *b = take(8);
    assert_ptr_not_equal(a, b);
    assert_ptr_equal(take(7), a);
    account_add(a, ACCOUNT_SUBSCRIPTIONS, 3);
    account_give(accounts, a);
    assert_int_equal(account_used(a, ACCOUNT_SUBSCRIPTIONS), 3);
    assert_int_equal(account_used(b, ACCOUNT_SUBSCRIPTIONS), 0);
    account_sub(a, ACCOUNT_SUBSCRIPTIONS, 3);
    account_give(accounts, a);
    account_give(accounts, b);
}

static void many_users_have_their_own(void **state)
{
    (void)state;
    static struct account *many[5000];
    for (uint64_t i = 0; i < 5000; i++) {
        many[i] = take(i << 40);
        account_add(many[i], ACCOUNT_QUEUED_BYTES, i);
    }
    for (uint64_t i = 0; i < 5000; i++) {
        assert_ptr_equal(take(i << 40), many[i]);
        assert_int_equal(account_used(many[i], ACCOUNT_QUEUED_BYTES), i);
        account_sub(many[i], ACCOUNT_QUEUED_BYTES, i);
        account_give(accounts, many[i]);
        account_give(accounts, many[i]);
    }
}

static void a_charge_beyond_the_limit_changes_nothing(void **state)
{
    (void)state;
    struct account *account = take(1);
    assert_true(account_charge(account, ACCOUNT_CONNECTIONS, 2, 3));
    assert_false(account_charge(account, ACCOUNT_CONNECTIONS, 2, 3));
    assert_true(account_charge(account, ACCOUNT_CONNECTIONS, 1, 3));
    assert_false(account_charge(account, ACCOUNT_CONNECTIONS, 1, 3));
    assert_true(account_charge(account, ACCOUNT_SUBSCRIPTIONS, 1, 1));
    assert_int_equal(account_used(account, ACCOUNT_CONNECTIONS), 3);
    account_sub(account, ACCOUNT_CONNECTIONS, 3);
    account_sub(account, ACCOUNT_SUBSCRIPTIONS, 1);
    account_give(accounts, account);
}

static void references_without_the_table(void **state)
{
    (void)state;
    struct account *account = take(5);
    for (unsigned i = 0; i < 100; i++)
        account_ref(account);
    account_add(account, ACCOUNT_RETAINED, 1);
    for (unsigned i = 0; i < 100; i++)
        account_give(accounts, account);
    assert_ptr_equal(take(5), account);
    account_give(accounts, account);
    assert_int_equal(account_used(account, ACCOUNT_RETAINED), 1);
    account_sub(account, ACCOUNT_RETAINED, 1);
    account_give(accounts, account);
}

static uint32_t inside; /* [A] who has one of the two connections */

static void *run(void *context)
{
    uint64_t *got = context;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct account *account = account_take(accounts, i % 3);
        if (account_charge(account, ACCOUNT_CONNECTIONS, 1, 2)) {
            (*got)++;
            if (i % 3 == 0 && __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST) > 2)
                *got = UINT64_MAX / 2;
            if (i % 3 == 0)
                __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
            account_sub(account, ACCOUNT_CONNECTIONS, 1);
        }
        account_ref(account);
        account_give(accounts, account);
        account_give(accounts, account);
    }
    return NULL;
}

static void threads_never_have_more_than_the_limit(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    uint64_t got[THREADS] = {0};
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, &got[i]), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_in_range(got[i], 1, ROUNDS);
    }
    for (uint64_t user = 0; user < 3; user++) {
        struct account *account = take(user);
        assert_int_equal(account_used(account, ACCOUNT_CONNECTIONS), 0);
        account_give(accounts, account);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_account_for_each_user, setup, teardown),
        cmocka_unit_test_setup_teardown(many_users_have_their_own, setup, teardown),
        cmocka_unit_test_setup_teardown(a_charge_beyond_the_limit_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(references_without_the_table, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_never_have_more_than_the_limit, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
