/*
 * user_quota.h -- what a user name may have at the same time, with all its sessions on all shards.
 *
 * A user is the user name that authentication confirmed; clients without one have no quota. What a
 * session uses is counted to the account of the user who connected to it last (account.h), also
 * while it has no connection and after a restart:
 *
 *   connections      CONNECT is refused; a connection that takes over another one of the same
 *                    session and user takes its place
 *   subscriptions    SUBSCRIBE to a filter that the session does not have is refused
 *   queued bytes     what waits in the queues of its sessions, as mqueue.h weighs it: the oldest of
 *                    the lowest priority in the session's own queue goes, as at max_mqueue_bytes;
 *                    is there too little of it the new message is dropped
 *   retained         messages, and bytes of them, whoever has which session: a publication that is
 *                    to be retained beyond that is refused (retained.h counts them)
 *
 * Everything of a user is in one sum. What that may be is said by the settings of who asks for
 * more: of the zone of the client that connects, subscribes or publishes, or whose queue it is.
 *
 * Counting begins on each shard when its settings have a quota for the first time, with what is
 * there at that moment, and does not end; before that no session has an account, which is all that
 * the others see of it. What is there already, or comes with a session that is resumed or
 * recovered, is counted and stays, also when it is more than the quota allows.
 *
 * Without memory for its account a session that exists goes uncounted until its next CONNECT.
 *
 * Threads: the session's shard.
 */
#ifndef SLUICE_USER_QUOTA_H
#define SLUICE_USER_QUOTA_H

#include "account.h"
#include "router.h"

/* A CONNECT under way, a value. */
struct user_quota_entry {
    struct account *account; /* with a reference; NULL: nothing is counted */
    bool is_charged;         /* for the connection */
};

/* Does anybody, or a zone, have a quota of this kind? */
bool user_quota_is_set(const struct route_settings *settings, enum account_kind kind);

/* The router has new settings, or its first ones. */
void user_quota_take(struct router *router);

/* In `zone`. RC_FULL: the user has all connections that it may have. RC_NO_MEMORY. */
MUST_USE enum rc user_quota_enter(struct router *router, const struct session *session,
                                  uint64_t owner, uint8_t zone, struct user_quota_entry *out);

/* The session's old connection ends in favour of the new one. */
void user_quota_replaced(struct session *session, struct user_quota_entry *entry);

/* CONNECT failed after all, or succeeded with this session. */
void user_quota_undo(struct router *router, struct user_quota_entry *entry);
void user_quota_bind(struct router *router, struct session *session,
                     struct user_quota_entry *entry);

/* A session whose owner is known and that has no account, with all that it has, is counted. */
void user_quota_adopt(struct router *router, struct session *session);

/* One subscription more, or less. False: the user has all that it may have. */
MUST_USE bool user_quota_subscribe(struct router *router, struct session *session);
void user_quota_unsubscribe(struct session *session);

/*
 * For a session with an account: counts `bytes` that are about to be queued. `limits` are those of
 * the session's queue and become narrower if others have to go for it (*out_narrowed). False:
 * nothing is counted, there is no room.
 */
MUST_USE bool user_quota_queue(struct router *router, struct session *session, uint64_t bytes,
                               struct mqueue_limits *limits, bool *out_narrowed);

/*
 * Whose the message is that is to be retained for this publication, and what that user may have.
 * out->account, if any, is a reference for the caller.
 */
void user_quota_retain(struct router *router, const struct pub *pub, struct retained_owner *out);

/* The session has no connection any more, or ends with nothing left. */
void user_quota_left(struct session *session);
void user_quota_end(struct router *router, struct session *session);

#endif
