/*
 * account.h -- what the sessions of one user name use together: one table for all shards.
 *
 * The sessions of a user live on every shard, so the sums of what they use are shared. Whoever has
 * a user name holds, with its session, one reference to the account of that name, looked up by the
 * keyed hash that the log has of it too (session->owner), so that sessions which were recovered
 * count without anybody knowing whose they are. A retained message holds another one. The account
 * goes with the last of them.
 *
 * Taking an account is for CONNECT, under a mutex; so is giving back the last reference. Others are
 * counted without it. Counting what is used is an atomic addition that is checked and undone: of
 * two shards that want the last one exactly one gets it.
 *
 * Bounds: one account of some 80 bytes for each user name that has a session or a retained message.
 *
 * Threads: create and destroy: one, when no other can see the table; the rest: any.
 */
#ifndef SLUICE_ACCOUNT_H
#define SLUICE_ACCOUNT_H

#include "check.h"

#include <stdint.h>

#define ACCOUNT_NO_LIMIT UINT64_MAX

/* Owners (session->owner) below are no user names and have no account. */
#define ACCOUNT_USER_FIRST 2

enum account_kind {
    ACCOUNT_CONNECTIONS,
    ACCOUNT_SUBSCRIPTIONS,
    ACCOUNT_QUEUED_BYTES,
    ACCOUNT_RETAINED,
    ACCOUNT_RETAINED_BYTES,
    ACCOUNT_KINDS
};

struct account;
struct accounts;

/* NULL without memory. */
MUST_USE struct accounts *accounts_create(void);

/* Nobody has an account any more. NULL is allowed. */
void accounts_destroy(struct accounts *accounts);

/* A reference to the account of a user, which is new if nobody had it. NULL without memory. */
MUST_USE struct account *account_take(struct accounts *accounts, uint64_t user);

/* One more reference, for somebody who is sure of another one. */
void account_ref(struct account *account);

/* The last reference is given back when nothing is counted any more. */
void account_give(struct accounts *accounts, struct account *account);

/* Counts `amount` more if that keeps within `max`. False: nothing has changed. */
MUST_USE bool account_charge(struct account *account, enum account_kind kind, uint64_t amount,
                             uint64_t max);

/* Counts what is there already, whatever the limit is; returns the new sum. */
uint64_t account_add(struct account *account, enum account_kind kind, uint64_t amount);
void account_sub(struct account *account, enum account_kind kind, uint64_t amount);

uint64_t account_used(const struct account *account, enum account_kind kind);

#endif
