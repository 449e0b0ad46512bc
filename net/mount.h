/*
 * mount.h -- the mount point of a listener: what stands before the topics of its clients, unseen by
 * them.
 *
 * It is expanded once per connection, when the client is known: ${clientid} and ${username} are
 * replaced by the client's own. As these come from a client, they may not hold `/`, `+`, `#` or
 * U+0000, which would lead into what belongs to others; who has such a name, or none where one is
 * needed, is refused.
 *
 * The mount point is put before the topics of publications and wills and before filters (behind the
 * name of a shared group), and taken off the topics of what is delivered. A message whose topic
 * does not begin with it, in a session that was made at another listener, is delivered as it is.
 * Topics in properties (Response Topic) are between clients and stay.
 *
 * Threads: the owner shard.
 */
#ifndef SLUICE_MOUNT_H
#define SLUICE_MOUNT_H

#include "conn.h"
#include "reason.h"

/*
 * Gives the connection the mount point of its listener, if that has one. REASON_SUCCESS; or why the
 * client cannot have it.
 */
enum reason mount_open(struct conn *conn, struct bytes client_id, struct bytes username);

/*
 * The topic or filter behind the mount point: as it is without one, else in memory of the shard
 * that holds until the next call. ptr NULL: it would be too long.
 */
struct bytes mount_add_point(struct conn *conn, struct bytes topic);

static inline struct bytes mount_add(struct conn *conn, struct bytes topic)
{
    return LIKELY(!conn->mounted) ? topic : mount_add_point(conn, topic);
}

/* The mount point itself; empty if there is none. */
struct bytes mount_point(const struct conn *conn);

/* The topic without the mount point. */
struct bytes mount_strip_point(const struct conn *conn, struct bytes topic);

static inline struct bytes mount_strip(const struct conn *conn, struct bytes topic)
{
    return LIKELY(!conn->mounted) ? topic : mount_strip_point(conn, topic);
}

#endif
