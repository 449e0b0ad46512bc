/*
 * confirm.h -- confirmations between shards: "what you sent me is durable here".
 *
 *     publishing shard                              storing shard
 *     sink->hold_ticket: the acknowledgement        MAIL_PUBLISH_STORE, or MAIL_SHARED with a
 *     waits for one confirmation more     =====>    ticket: delivered, and logged as record `lsn`
 *                                                   confirm_owe(ticket, lsn)
 *                                                   ... the log commits ...
 *     sink->confirmed: the gate may open  <=====    confirm_run: MAIL_STORED
 *
 * Owed confirmations stand in a queue in the order of their records. Those of one ticket that come
 * one after the other, as they do when a publisher sends many messages at once, are one entry and
 * one mail. A message that was not stored, because its subscriber has gone meanwhile, is confirmed
 * all the same: there is nobody for whom it could be lost.
 *
 * Mail: MAIL_STORED, class confirm. words[0]: handle of the connection, words[1]: number of its
 * gate, words[2]: how many, words[3]: 0 if they could not be stored.
 *
 * Bounds: 24 bytes an entry; as many as messages wait for one commit, whose bytes the log bounds.
 * Without memory the answer is "not stored", at once.
 *
 * Threads: the router's shard.
 */
#ifndef SLUICE_CONFIRM_H
#define SLUICE_CONFIRM_H

#include "check.h"
#include "hold.h"

struct mail;
struct router;
struct shard;

struct confirm_entry {
    struct hold_ticket ticket; /* [O] */
    uint32_t count;            /* [O] */
    uint64_t lsn;              /* [O] of the last record; 0: nothing had to be logged */
};

struct confirm_queue {
    struct confirm_entry *ring; /* [O] */
    uint32_t capacity;          /* [O] a power of two, or 0 */
    uint32_t head;              /* [O] free-running */
    uint32_t tail;              /* [O] free-running */
};

/* One confirmation of `ticket` (none: nothing happens) once the log has committed `lsn`. */
void confirm_owe(struct router *router, const struct hold_ticket *ticket, uint64_t lsn);

/* Says at once that it cannot be stored. */
void confirm_refuse(struct router *router, const struct hold_ticket *ticket);

/* Sends what the log has committed by now. At the end of a turn, and after a commit. */
void confirm_run(struct router *router);

/* The log takes nothing for the time being: all that is owed is refused. */
void confirm_fail(struct router *router);

/* MAIL_STORED. */
void confirm_on_mail(struct shard *shard, const struct mail *mail);

void confirm_fini(struct router *router);

#endif
