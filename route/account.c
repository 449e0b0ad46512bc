/*
 * account.c -- see account.h.
 *
 * The mutex is for the table. A reference is added without it by who has one; one is given back
 * without it unless it is the last, which only the holder of the mutex may take to 0: so nobody
 * finds an account in the table that is about to go. Sums are atomic words.
 *
 * Threads: see account.h.
 */
#include "account.h"

#include <pthread.h>

#include "store_table.h"

#define ACCOUNT_MAGIC  0x4143434fu
#define ACCOUNTS_MAGIC 0x41435453u

struct account {
    uint32_t magic;               /* [I] */
    uint32_t refs;                /* [A] to and from 0 under the mutex */
    struct image_node node;       /* [W] its hash is the user */
    uint64_t used[ACCOUNT_KINDS]; /* [A] */
};

struct accounts {
    uint32_t magic;           /* [I] */
    pthread_mutex_t mutex;    /* [I] */
    struct image_table table; /* [W] */
};

struct accounts *accounts_create(void)
{
    struct accounts *accounts = alloc_zeroed(sizeof(*accounts));
    if (accounts == NULL)
        return NULL;
    CHECK(pthread_mutex_init(&accounts->mutex, NULL) == 0);
    accounts->magic = ACCOUNTS_MAGIC;
    return accounts;
}

void accounts_destroy(struct accounts *accounts)
{
    if (accounts == NULL)
        return;
    CHECK_OBJ(accounts, ACCOUNTS_MAGIC);
    CHECK(accounts->table.count == 0);
    CHECK(pthread_mutex_destroy(&accounts->mutex) == 0);
    accounts->magic = 0;
    mem_free(accounts->table.buckets);
    mem_free(accounts);
}

static struct account *account_find(struct accounts *accounts, uint64_t user)
{
    struct image_node *node = image_table_first(&accounts->table, user);
    return node == NULL ? NULL : CONTAINER_OF(node, struct account, node);
}

static struct account *account_create(struct accounts *accounts, uint64_t user)
{
    struct account *account = alloc_zeroed(sizeof(*account));
    if (account == NULL)
        return NULL;
    account->magic = ACCOUNT_MAGIC;
    account->node.hash = user;
    if (image_table_add(&accounts->table, &account->node))
        return account;
    mem_free(account);
    return NULL;
}

struct account *account_take(struct accounts *accounts, uint64_t user)
{
    CHECK_OBJ(accounts, ACCOUNTS_MAGIC);
    CHECK(pthread_mutex_lock(&accounts->mutex) == 0);
    struct account *account = account_find(accounts, user);
    if (account == NULL)
        account = account_create(accounts, user);
    if (account != NULL)
        __atomic_add_fetch(&account->refs, 1, __ATOMIC_RELAXED);
    CHECK(pthread_mutex_unlock(&accounts->mutex) == 0);
    return account;
}

void account_ref(struct account *account)
{
    CHECK_OBJ(account, ACCOUNT_MAGIC);
    uint32_t before = __atomic_fetch_add(&account->refs, 1, __ATOMIC_RELAXED);
    CHECK(before > 0);
}

void account_give(struct accounts *accounts, struct account *account)
{
    CHECK_OBJ(accounts, ACCOUNTS_MAGIC);
    CHECK_OBJ(account, ACCOUNT_MAGIC);
    uint32_t refs = __atomic_load_n(&account->refs, __ATOMIC_RELAXED);
    while (refs > 1) {
        if (__atomic_compare_exchange_n(&account->refs, &refs, refs - 1, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
            return;
    }
    CHECK(pthread_mutex_lock(&accounts->mutex) == 0);
    refs = __atomic_fetch_sub(&account->refs, 1, __ATOMIC_ACQ_REL);
    CHECK(refs > 0);
    bool is_last = refs == 1;
    if (is_last)
        image_table_remove(&accounts->table, &account->node);
    CHECK(pthread_mutex_unlock(&accounts->mutex) == 0);
    if (!is_last)
        return;
    for (unsigned i = 0; i < ACCOUNT_KINDS; i++)
        CHECK(account_used(account, i) == 0);
    account->magic = 0;
    mem_free(account);
}

uint64_t account_add(struct account *account, enum account_kind kind, uint64_t amount)
{
    CHECK_OBJ(account, ACCOUNT_MAGIC);
    return __atomic_add_fetch(&account->used[kind], amount, __ATOMIC_RELAXED);
}

void account_sub(struct account *account, enum account_kind kind, uint64_t amount)
{
    CHECK_OBJ(account, ACCOUNT_MAGIC);
    uint64_t before = __atomic_fetch_sub(&account->used[kind], amount, __ATOMIC_RELAXED);
    CHECK(before >= amount);
}

bool account_charge(struct account *account, enum account_kind kind, uint64_t amount, uint64_t max)
{
    if (account_add(account, kind, amount) <= max)
        return true;
    account_sub(account, kind, amount);
    return false;
}

uint64_t account_used(const struct account *account, enum account_kind kind)
{
    CHECK_OBJ(account, ACCOUNT_MAGIC);
    return __atomic_load_n(&account->used[kind], __ATOMIC_RELAXED);
}
