/*
 * session_subs.h -- the subscriptions of one session.
 *
 * An array of records in no particular order, found by {filter, share group}. Up to
 * SESSION_SUBS_LINEAR records are searched one after the other; above, a hash table of positions
 * stands beside the array, so that a client with 100,000 filters costs constant time per filter.
 * Removal moves the last record into the gap: whoever remembers positions is told (subtable.h keeps
 * them for ordinary subscriptions).
 *
 * Bounds: SESSION_SUBS_MAX; an operator's limit is checked by the caller. Memory: 24 bytes a record
 * in steps of 1, 2, 4 ..., nothing while there is none.
 *
 * Threads: the session's home shard.
 */
#ifndef SLUICE_SESSION_SUBS_H
#define SLUICE_SESSION_SUBS_H

#include "filter_index.h"
#include "rc.h"

#define SESSION_SUBS_LINEAR 16
#define SESSION_SUBS_MAX    (1u << 24) /* subtable.h keeps positions in 24 bits */

/* Subscription options, one byte. */
#define SUB_QOS_MASK     0x03u
#define SUB_NO_LOCAL     0x04u
#define SUB_RETAIN_AS_IS 0x08u
#define SUB_DURABLE      0x10u /* of a session that survives the process */

struct session_sub {
    struct filter_id id;         /* [O] */
    uint32_t position;           /* [O] in the shard's subtable entry; ordinary ones only */
    uint32_t options;            /* [O] SUB_* */
    struct share_member *member; /* [O] NULL: an ordinary subscription */
};

struct session_subs {
    struct session_sub *items; /* [O] */
    uint32_t *index;           /* [O] positions + 1, or NULL while count is small */
    uint32_t count;            /* [O] */
    uint32_t capacity;         /* [O] */
};

/* The record of {filter, group number} (0: ordinary), or NULL. Valid until the next change. */
struct session_sub *session_subs_find(struct session_subs *subs, struct filter_id id,
                                      uint64_t group);

/* Adds a record that is not there yet. RC_FULL, RC_NO_MEMORY: nothing happened. */
MUST_USE enum rc session_subs_add(struct session_subs *subs, const struct session_sub *sub);

/*
 * Removes the record at `position`. If another record was moved there, returns it (its position is
 * now `position`), otherwise NULL.
 */
struct session_sub *session_subs_remove(struct session_subs *subs, uint32_t position);

static inline uint32_t session_subs_position(const struct session_subs *subs,
                                             const struct session_sub *sub)
{
    return (uint32_t)(sub - subs->items);
}

/* Frees the memory; the records must have been dealt with. */
void session_subs_fini(struct session_subs *subs);

#endif
