/*
 * store_keyed.h -- rows of tables that other parts keep in the log: users, bans.
 *
 * A row is {table, key, value}, any bytes. Route knows nothing of their meaning. Whoever changes
 * one is told when the change is durable, and makes it only then; at the next start it is told
 * every row that is left, before a client is served.
 *
 *   MAIL_KEYED       control, to the owner shard. ptr: struct keyed_change, whose row is to become
 *                    that, or to be deleted.
 *   MAIL_KEYED_DONE  confirm, back to the sender. ptr: the same, with its rc. RC_OK: committed, as
 *                    durable as the log's mode says. Anything else: nothing has happened, and
 *                    nothing will. While a log that has taken the change cannot be written the
 *                    answer waits; it may come much later.
 *
 * All rows belong to one shard (store_keyed_owner), so that changes of one row are committed in the
 * order in which they were sent. The owner keeps the rows in memory for its checkpoints.
 *
 * A deletion is taken also when the log is short of space: it makes some.
 *
 * Bounds: KEYED_*_MAX; some 100 bytes for each row beside its own.
 *
 * Threads: changes are made and freed by any thread, the rest is the owner shard's.
 */
#ifndef SLUICE_STORE_KEYED_H
#define SLUICE_STORE_KEYED_H

#include "list.h"
#include "router.h"
#include "store_record.h"
#include "store_table.h"

#define KEYED_CHANGE_MAGIC 0x4b455943u

#define KEYED_TABLE_LEN_MAX 255
#define KEYED_KEY_LEN_MAX   65535 /* a client id fits */
#define KEYED_VALUE_LEN_MAX 65536
#define KEYED_ROWS_MAX      2000000 /* all tables together */

struct mail;
struct store;

/* Who is told, before anybody is served, what rows the log has. */
struct store_rows_told {
    void *context; /* [I] */
    /* On the thread of the shard that owns the row. RC_NO_MEMORY. */
    enum rc (*row)(void *context, struct bytes table, struct bytes key, struct bytes value);
};

/* A change on its way; views point behind it. */
struct keyed_change {
    uint32_t magic;        /* [I] */
    enum rc rc;            /* [M] */
    struct list_node link; /* [M] */
    uint64_t lsn;          /* [M] */
    shard_id from;         /* [M] */
    bool kept;             /* [I] false: the row is deleted */
    struct bytes table;    /* [I] */
    struct bytes key;      /* [I] */
    struct bytes value;    /* [I] */
    void *context;         /* [I] the sender's */
};

/* The rows of the owner; all zero before store_keyed_init. */
struct store_keyed {
    struct image_table table; /* [O] */
    struct list_node rows;    /* [O] those changed last behind */
    struct list_node waiting; /* [O] changes that are not committed, in order */
    struct list_node *cursor; /* [O] of a checkpoint: the next row; NULL: none is under way */
    uint64_t version;         /* [O] of the row changed last */
};

/* The shard whose log has the row. */
static inline shard_id store_keyed_owner(struct bytes table, struct bytes key)
{
    (void)table;
    (void)key;
    return 0;
}

/* Copies of the texts; `value` is of no interest for a deletion. NULL without memory. */
MUST_USE struct keyed_change *keyed_change_create(struct bytes table, struct bytes key, bool kept,
                                                  struct bytes value, void *context);
void keyed_change_destroy(struct keyed_change *change);

/* MAIL_KEYED; and mail of both kinds that is left when the process ends. */
void store_keyed_on_mail(struct shard *shard, const struct mail *mail);
void store_keyed_drop(const struct mail *mail);

void store_keyed_init(struct store_keyed *keyed);
void store_keyed_fini(struct store_keyed *keyed);

/* The log has committed: answers what waited for that. */
void store_keyed_committed(struct store *store);

/* A row of the image: kept here, and told to route_shared.rows. RC_NO_MEMORY. */
MUST_USE enum rc store_keyed_restore(struct router *router, const struct image_row *row);

/*
 * For checkpoints: calls `visit` for the next row. False: there was none any more. begin starts a
 * walk, end gives it up. A row that changes meanwhile may come twice, or not at all if the change
 * was logged behind the beginning of the checkpoint.
 */
void store_keyed_walk_begin(struct store_keyed *keyed);
bool store_keyed_walk_next(struct store_keyed *keyed, struct store_record *out);
void store_keyed_walk_end(struct store_keyed *keyed);

#endif
