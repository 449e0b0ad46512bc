/*
 * store_taken.h -- a QoS 2 delivery goes from the log of one shard to that of another exactly once.
 *
 * A shared delivery that leaves its session for a member of another shard (share_handover.h) is in
 * both logs for a moment: the taker's has it, and the giver's does not say yet that it is gone. A
 * crash then must not give it to both. So the taker logs, in one commit with its ENQUEUE, whose
 * delivery that was (TAKEN: the giver's shard, the number of its session, of its entry), and a
 * start looks at all logs together:
 *
 *     taker   ENQUEUE, TAKEN   one commit
 *     giver   DROPPED          when that is confirmed
 *     taker   UNTAKEN          when that is committed (MAIL_UNTAKEN)
 *
 * Numbers of entries are never used again for a session, so a row says something of one delivery
 * only. When all shards have recovered, and before anybody is served, each giver drops what another
 * shard has a row of (store_taken_settle), logs it, and lets the row go when that is committed. If
 * the data moves to another number of shards, what a row speaks of is left out of the new logs, and
 * the rows are (store_rewrite.h).
 *
 * QoS 1 needs no row: a repetition is allowed. Nor does a taker of the same shard, whose ENQUEUE is
 * in one commit with DROPPED.
 *
 *   MAIL_UNTAKEN  data. words[0]: session number, words[1]: entry number.
 *
 * Bounds: 40 bytes for each handover that is not settled at both ends.
 * Threads: the shard's; store_taken_settle reads the rows of the others, while they wait.
 */
#ifndef SLUICE_STORE_TAKEN_H
#define SLUICE_STORE_TAKEN_H

#include "store.h"

/* Whose delivery it was, a value. */
struct taken_row {
    uint64_t session; /* number at the giver's shard */
    uint64_t entry;   /* number of the delivery in that session */
    shard_id home;    /* the giver's */
};

static inline struct store_record taken_record(enum store_type type, const struct taken_row *row)
{
    return (struct store_record){
        .type = type, .session = row->session, .number = row->entry, .home = row->home};
}

/* It is stored here, in the commit that is open. */
void store_taken_note(struct router *router, const struct taken_row *row);

/* The giver's log says with `lsn` that it has it no more: the taker may forget, after that. */
void store_taken_given(struct router *router, shard_id taker, const struct taken_row *row,
                       uint64_t lsn);

/* The log has committed. */
void store_taken_committed(struct store *store, uint64_t lsn);

/* MAIL_UNTAKEN. */
void store_taken_on_mail(struct shard *shard, const struct mail *mail);

/* A row of the image. RC_NO_MEMORY. */
MUST_USE enum rc store_taken_restore(struct router *router, const struct taken_row *row);

/* All shards have recovered, none serves anybody yet. RC_NO_MEMORY. */
MUST_USE enum rc store_taken_settle(struct router *router);

/* Calls `visit` for each from *bucket on, until it says false; true at the end. */
bool store_taken_walk(struct store *store, uint32_t *bucket, void *context,
                      bool (*visit)(void *context, const struct taken_row *row));

void store_taken_fini(struct store *store);

#endif
