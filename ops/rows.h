/*
 * rows.h -- what operators change at run time, on its way into the log and out of it.
 *
 *   change    row_change_begin, then row_change_send: the row goes to the shard that owns it
 *             (route/store_keyed.h), and `done` is called when it is committed, or refused. Only
 *             then does whoever has the table change it. Without a log `done` is called at once.
 *   start     every row of the log is handed to the table whose it is, before a client is
 *             served; rows_loaded: that was all of them.
 *
 * A row is changed by one at a time: begin says RC_EXISTS while another change is under way.
 *
 * Tables: `banned:<kind>` (bans.h), `users:<database>` (userdb.h). Rows of a table that is not
 * known here stay in the log as they are.
 *
 * Bounds: those of whoever begins changes.
 *
 * Threads: the ops thread; at start the owner shard's, while the ops thread waits for it.
 */
#ifndef SLUICE_ROWS_H
#define SLUICE_ROWS_H

#include "bytes.h"
#include "list.h"
#include "rc.h"
#include "router.h"
#include "store_keyed.h"

struct broker;
struct mail;

/* RC_OK: committed. RC_FULL, RC_IO, RC_NO_MEMORY, RC_TOO_LARGE: nothing has happened. */
typedef void (*row_done_fn)(void *context, enum rc rc);

struct row_change {
    struct list_node link;
    struct broker *broker;
    struct bytes table; /* these two behind this structure */
    struct bytes key;
    row_done_fn done;
    void *context;
};

struct rows {
    struct list_node changes;
    struct store_rows_told told;
    uint32_t unknown; /* rows of tables that are not known here */
};

void rows_init(struct broker *broker);

/* Changes that are under way end with RC_IO. */
void rows_fini(struct broker *broker);

/* RC_OK; RC_EXISTS: another change of that row is under way; RC_NO_MEMORY. */
MUST_USE enum rc row_change_begin(struct broker *broker, struct bytes table, struct bytes key,
                                  row_done_fn done, void *context, struct row_change **out);

/* `kept` false: deletes the row. `done` is called, perhaps from within. */
void row_change_send(struct row_change *change, bool kept, struct bytes value);

/* Instead of sending it; `done` is not called. NULL is allowed. */
void row_change_cancel(struct row_change *change);

/* MAIL_KEYED_DONE. */
void rows_on_mail(struct broker *broker, const struct mail *mail);

/* Recovery is over on the shard that owns the rows, which calls this before anybody is served. */
MUST_USE enum rc rows_loaded(struct broker *broker);

#endif
