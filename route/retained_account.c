/*
 * retained_account.c -- in whose account a retained value is counted, from when and until when.
 *
 * A value has an owner from the beginning and an account while it is counted:
 *
 *     NULL  ->  account  ->  RETAINED_CLOSED       counted when it was stored, or by a walk later
 *     NULL  --------------->  RETAINED_CLOSED       never
 *
 * Both arrows are atomic, so a value is counted at most once and what was counted is given back
 * exactly once, by whoever replaced or removed it, at that moment and not after the grace period.
 *
 * A value that takes the place of one of the same owner takes over what that was counted for and
 * pays or gets back the difference, so a user who has all that it may have can still replace its
 * own, and who has more than that can make it less.
 *
 * Counting that begins late: retained_count_users says that it has begun and then walks; who stores
 * a value asks afterwards whether it has. One of the two sees the other, so no value is missed.
 *
 * Threads: any, inside an epoch section.
 */
#include "account.h"
#include "retained_tree.h"

#define RETAINED_CLOSED ((struct account *)(uintptr_t)1)

/* Values that a walk for retained_count_users visits in one section. */
#define RETAINED_COUNT_SLICE 1024

static bool retained_account_is_open(const struct account *account)
{
    return account != NULL && account != RETAINED_CLOSED;
}

bool retained_account_charge(struct retained_value *made, struct retained_value *old,
                             const struct retained_owner *owner, struct retained_charge *out)
{
    struct account *account = atomic_load_explicit(&made->account, memory_order_relaxed);
    *out = (struct retained_charge){.replaces = false};
    if (LIKELY(account == NULL))
        return true;
    CHECK(account != RETAINED_CLOSED);
    out->count = 1;
    out->bytes = made->bytes;
    if (old != NULL && atomic_load_explicit(&old->account, memory_order_acquire) == account) {
        out->replaces = true;
        out->count = 0;
        out->bytes = made->bytes > old->bytes ? made->bytes - old->bytes : 0;
    }
    if (out->count > 0 && !account_charge(account, ACCOUNT_RETAINED, 1, owner->count_max))
        return false;
    if (out->bytes == 0 ||
        account_charge(account, ACCOUNT_RETAINED_BYTES, out->bytes, owner->bytes_max))
        return true;
    account_sub(account, ACCOUNT_RETAINED, out->count);
    return false;
}

void retained_account_undo(struct retained_value *made, const struct retained_charge *charge)
{
    struct account *account = atomic_load_explicit(&made->account, memory_order_relaxed);
    if (account == NULL)
        return;
    account_sub(account, ACCOUNT_RETAINED, charge->count);
    account_sub(account, ACCOUNT_RETAINED_BYTES, charge->bytes);
}

/* The value's account, which is to be given back what it has of the value; or NULL. */
static struct account *retained_account_end(struct retained_value *value)
{
    struct account *account = atomic_exchange_explicit(&value->account, RETAINED_CLOSED,
                                                       memory_order_acq_rel);
    CHECK(account != RETAINED_CLOSED);
    return account;
}

void retained_account_replaced(struct retained *store, uint64_t made_bytes,
                               struct retained_value *old, const struct retained_charge *charge)
{
    if (!charge->replaces) {
        retained_account_close(store, old);
        return;
    }
    struct account *account = retained_account_end(old);
    CHECK(account != NULL); /* only who takes a value out ends its account */
    if (old->bytes > made_bytes)
        account_sub(account, ACCOUNT_RETAINED_BYTES, old->bytes - made_bytes);
    account_give(store->config.accounts, account);
}

void retained_account_close(struct retained *store, struct retained_value *value)
{
    struct account *account = retained_account_end(value);
    if (account == NULL)
        return;
    account_sub(account, ACCOUNT_RETAINED, 1);
    account_sub(account, ACCOUNT_RETAINED_BYTES, value->bytes);
    account_give(store->config.accounts, account);
}

void retained_account_late(struct retained *store, struct retained_value *value)
{
    if (value->user < ACCOUNT_USER_FIRST || !retained_counts_users(store) ||
        atomic_load_explicit(&value->account, memory_order_relaxed) != NULL)
        return;
    struct accounts *accounts = store->config.accounts;
    struct account *account = account_take(accounts, value->user);
    if (account == NULL)
        return;
    account_add(account, ACCOUNT_RETAINED, 1);
    account_add(account, ACCOUNT_RETAINED_BYTES, value->bytes);
    struct account *none = NULL;
    if (atomic_compare_exchange_strong_explicit(&value->account, &none, account,
                                                memory_order_acq_rel, memory_order_acquire))
        return;
    CHECK(retained_account_is_open(none) || none == RETAINED_CLOSED);
    account_sub(account, ACCOUNT_RETAINED, 1);
    account_sub(account, ACCOUNT_RETAINED_BYTES, value->bytes);
    account_give(accounts, account);
}

bool retained_counts_users(const struct retained *store)
{
    CHECK_OBJ(store, RETAINED_MAGIC);
    return atomic_load_explicit(&store->counts_users, memory_order_seq_cst);
}

static enum retained_verdict retained_account_visit(void *context, struct retained_value *held)
{
    retained_account_late(context, held);
    return RETAINED_TAKEN;
}

enum rc retained_count_users(struct retained *store, struct epoch_record *record)
{
    CHECK_OBJ(store, RETAINED_MAGIC);
    CHECK(store->config.accounts != NULL);
    if (retained_counts_users(store))
        return RC_OK;
    struct retained_cursor cursor;
    if (retained_cursor_init_all(&cursor) != RC_OK)
        return RC_NO_MEMORY;
    atomic_store_explicit(&store->counts_users, true, memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst);
    enum rc rc;
    do
        rc = retained_walk_held(store, record, &cursor, RETAINED_COUNT_SLICE,
                                retained_account_visit, store);
    while (rc == RC_MORE);
    retained_cursor_fini(&cursor);
    if (rc != RC_OK)
        atomic_store_explicit(&store->counts_users, false, memory_order_seq_cst);
    return rc;
}
