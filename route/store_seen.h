/*
 * store_seen.h -- QoS 2 across shards: a message is stored once, whatever crashes in between.
 *
 * A durable publisher's home logs INBOUND in one commit with what its own durable sessions get.
 * Other shards that store copies have logs of their own, between which there is no order. So each
 * of them logs, in one commit with its copies, that it has seen {home shard, session, packet id}
 * (SEEN). When the publisher sends PUBLISH again, home sends it to the other shards again, marked
 * as repeated: who has seen it only confirms, who has not stores it for its durable sessions.
 * PUBREC waits for all confirmations.
 *
 * PUBREL: home logs RELEASED and tells the shards that stored to forget (MAIL_FORGET); PUBCOMP
 * waits until they have logged it (UNSEEN). So a packet id is free for the next message only when
 * nobody takes that for this one. A PUBREL for an id that is not known is passed on to all shards,
 * because the crash may have been between the two.
 *
 * Another number of shards. What SEEN says holds for the sessions of the log in which it stands,
 * and INBOUND for those of the publisher's home. When the sessions are spread over another number
 * of shards (store_reshard.h), both become rows {class, shards}: seen by those sessions whose
 * client ids hash to that class. A shard that has such rows of a message, and none for all of its
 * sessions, has it partly, its publisher's home too: when PUBLISH comes again, it delivers to the
 * sessions of the other classes and logs, in the same commit, a row for all.
 *
 *   MAIL_FORGET  data. words[0]: session number, words[1]: packet id, words[2..3]: the ticket.
 *
 * Deliveries by shared subscriptions are not covered: after a crash such a message may come to
 * another member once more.
 *
 * Bounds: 48 bytes for each QoS 2 message of a durable publisher that is not released, and for each
 * class that has seen it.
 * Threads: the shard's.
 */
#ifndef SLUICE_STORE_SEEN_H
#define SLUICE_STORE_SEEN_H

#include "store.h"

/* Of the tag of a received id (awaiting_rel.h): shards 0 to 61 that store, or: */
#define STORE_TAG_ALL       (UINT64_C(1) << 62) /* perhaps any of them */
#define STORE_TAG_RECOVERED (UINT64_C(1) << 63) /* from before the start of this process */

/* Which sessions of this shard have a message of a durable publisher, a value. */
struct seen_row {
    uint64_t session; /* the publisher's number at its home */
    uint16_t packet_id;
    shard_id home;
    struct store_class by; /* shards 0: all */
};

static inline struct store_record seen_record(const struct seen_row *row)
{
    return (struct store_record){.type = row->by.shards != 0 ? STORE_SEEN_BY : STORE_SEEN,
                                 .session = row->session,
                                 .packet_id = row->packet_id,
                                 .number = row->home,
                                 .by = row->by};
}

/* Has this shard stored the publication already? */
bool store_seen_has(struct router *router, const struct pub *pub);

/*
 * Everything logged until store_seen_end goes into one commit, in which the publication is marked
 * as seen; deliveries meanwhile pass sessions that have it. RC_*: the log or memory does not allow
 * it; nothing has happened.
 */
MUST_USE enum rc store_seen_begin(struct router *router, const struct pub *pub);
void store_seen_end(struct router *router, const struct pub *pub, bool stored);

/* Whether some sessions of this shard have the publication, and others perhaps not. */
bool store_seen_is_partial(struct router *router, const struct pub *pub);

/* While store->is_partial: whether this session has it. */
bool store_seen_by(struct router *router, const struct pub *pub, const struct session *session);

/* At the publisher's home: the same as store_seen_begin and _end, around INBOUND. */
void store_seen_inbound(struct router *router, const struct session *session, uint16_t packet_id);
void store_seen_inbound_end(struct router *router, const struct session *session,
                            uint16_t packet_id, bool accepted);

/* Recovery. */
MUST_USE enum rc store_seen_restore(struct router *router, const struct seen_row *row);

/* Tells the shards of `tag` to forget, and forgets; router->publishing waits for it. */
void store_seen_release(struct router *router, const struct session *session, uint16_t packet_id,
                        uint64_t tag);

void store_seen_on_forget(struct shard *shard, const struct mail *mail);

/* Calls `visit` for each from *bucket on, until it says false; true at the end. */
bool store_seen_walk(struct store *store, uint32_t *bucket, void *context,
                     bool (*visit)(void *context, const struct seen_row *row));

void store_seen_fini(struct store *store);

#endif
