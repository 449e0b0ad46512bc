/*
 * route_stats.h -- what route counts. One row each: identifier, kind, name, help.
 *
 * Every way in which a message can end other than by delivery has a counter of its own: nothing is
 * dropped without a reason that an operator can read.
 *
 * Threads: constants, any.
 */
#ifndef SLUICE_ROUTE_STATS_H
#define SLUICE_ROUTE_STATS_H

#include "stat.h"

#define ROUTE_STATS(X)                                                                             \
    X(STAT_PUBLISHED, COUNTER, "messages_published", "Publications accepted for routing.")         \
    X(STAT_DELIVERED_QOS0, COUNTER, "messages_delivered_qos0",                                     \
      "Copies handed to a connection with QoS 0; the connection counts them.")                     \
    X(STAT_DELIVERED_QOS1, COUNTER, "messages_delivered_qos1", "The same with QoS 1.")             \
    X(STAT_DELIVERED_QOS2, COUNTER, "messages_delivered_qos2", "The same with QoS 2.")             \
    X(STAT_QUEUED, COUNTER, "messages_queued", "Copies put into a session's queue.")               \
    X(STAT_ACKED, COUNTER, "messages_acknowledged", "QoS 1 and 2 copies completed by clients.")    \
    X(STAT_RESENT, COUNTER, "messages_resent", "PUBLISH packets sent again on resumption.")        \
    X(STAT_FORWARDED, COUNTER, "messages_forwarded", "Publications mailed to another shard.")      \
    X(STAT_RELEASED_TIMEOUT, COUNTER, "messages_await_rel_timeout",                                \
      "QoS 2 packet ids forgotten because PUBREL did not come in time.")                           \
    X(STAT_DROP_NO_SUBSCRIBER, COUNTER, "dropped_no_subscriber",                                   \
      "Publications that matched no subscription.")                                                \
    X(STAT_DROP_NO_LOCAL, COUNTER, "dropped_no_local", "Copies suppressed by No Local.")           \
    X(STAT_DROP_QUEUE_FULL, COUNTER, "dropped_queue_full",                                         \
      "Queued copies dropped because the queue held its limit of messages.")                       \
    X(STAT_DROP_QUEUE_BYTES, COUNTER, "dropped_queue_bytes",                                       \
      "Queued copies dropped because the queue held its limit of bytes.")                          \
    X(STAT_DROP_USER_BYTES, COUNTER, "dropped_user_bytes",                                         \
      "Queued copies dropped because of the user's quota of queued bytes.")                        \
    X(STAT_DROP_QOS0_SLOW, COUNTER, "dropped_qos0_slow",                                           \
      "QoS 0 copies dropped because the client's output was full.")                                \
    X(STAT_DROP_QOS0_OFFLINE, COUNTER, "dropped_qos0_offline",                                     \
      "QoS 0 copies dropped because the session was offline and does not store them.")             \
    X(STAT_DROP_EXPIRED, COUNTER, "dropped_expired", "Copies whose Message Expiry had passed.")    \
    X(STAT_DROP_TOO_LARGE, COUNTER, "dropped_too_large",                                           \
      "Copies larger than the client's Maximum Packet Size.")                                      \
    X(STAT_DROP_SESSION_ENDED, COUNTER, "dropped_session_ended",                                   \
      "Queued or unacknowledged copies discarded with their session.")                             \
    X(STAT_DROP_SESSION_GONE, COUNTER, "dropped_session_gone",                                     \
      "Mail for a session that no longer exists.")                                                 \
    X(STAT_DROP_STALE_FILTER, COUNTER, "dropped_stale_filter",                                     \
      "Mail for a filter without subscribers on this shard any more.")                             \
    X(STAT_DROP_NO_MEMORY, COUNTER, "dropped_no_memory", "Copies lost to lack of memory.")         \
    X(STAT_DROP_MESSAGE_BYTES, COUNTER, "dropped_message_bytes",                                   \
      "Publications refused, and QoS 0 copies not kept, because of limits.message_bytes.")         \
    X(STAT_DROP_NACKED, COUNTER, "dropped_nacked",                                                 \
      "Copies discarded because the client answered with a failure reason.")                       \
    X(STAT_DROP_LOG, COUNTER, "dropped_log",                                                       \
      "Copies for durable sessions refused, because the log could not take them.")                 \
    X(STAT_DROP_LOG_READ, COUNTER, "dropped_log_read",                                             \
      "Queued copies lost because their message could not be read back from the log.")             \
    X(STAT_DROP_USER_RETAINED, COUNTER, "dropped_user_retained",                                   \
      "Publications refused, and wills not retained, because of a user's quota.")                  \
    X(STAT_DROP_RETAIN_FULL, COUNTER, "dropped_retain_full",                                       \
      "Messages not retained because the limit of count or bytes was reached.")                    \
    X(STAT_DROP_RETAIN_LARGE, COUNTER, "dropped_retain_large",                                     \
      "Messages not retained because their payload was over the limit.")                           \
    X(STAT_MESSAGE_BYTES, GAUGE, "message_bytes", "Bytes of messages that are kept.")              \
    X(STAT_SESSIONS, GAUGE, "sessions", "Sessions that exist.")                                    \
    X(STAT_SESSIONS_CONNECTED, GAUGE, "sessions_connected", "Sessions with a connection.")         \
    X(STAT_SESSIONS_CREATED, COUNTER, "sessions_created", "Sessions created.")                     \
    X(STAT_SESSIONS_RESUMED, COUNTER, "sessions_resumed", "Sessions resumed.")                     \
    X(STAT_SESSIONS_TAKEN_OVER, COUNTER, "sessions_taken_over",                                    \
      "Connections that lost their session to a newer connection.")                                \
    X(STAT_SESSIONS_DISCARDED, COUNTER, "sessions_discarded", "Sessions ended by a clean start.")  \
    X(STAT_SESSIONS_EXPIRED, COUNTER, "sessions_expired", "Sessions ended by expiry.")             \
    X(STAT_INFLIGHT, GAUGE, "inflight", "QoS 1 and 2 copies sent and not completed.")              \
    X(STAT_QUEUE_MESSAGES, GAUGE, "queue_messages", "Copies that wait in queues of sessions.")     \
    X(STAT_QUEUE_BYTES, GAUGE, "queue_bytes", "Bytes of these copies, in memory or in the log.")   \
    X(STAT_SUBSCRIPTIONS, GAUGE, "subscriptions", "Subscriptions, shared ones included.")          \
    X(STAT_SUBSCRIPTIONS_SHARED, GAUGE, "subscriptions_shared", "Shared subscriptions.")           \
    X(STAT_SUBSCRIBED, COUNTER, "subscribed", "Filters subscribed to.")                            \
    X(STAT_UNSUBSCRIBED, COUNTER, "unsubscribed", "Filters unsubscribed from by clients.")         \
    X(STAT_RETAINED_SET, COUNTER, "retained_set", "Retained messages stored or replaced.")         \
    X(STAT_RETAINED_DELETED, COUNTER, "retained_deleted", "Retained messages deleted.")            \
    X(STAT_RETAINED_EXPIRED, COUNTER, "retained_expired", "Retained messages expired.")            \
    X(STAT_RETAINED_SENT, COUNTER, "retained_sent", "Retained messages sent to subscribers.")      \
    X(STAT_MATCH_HITS, COUNTER, "match_cache_hits", "Matches answered by the cache.")              \
    X(STAT_MATCH_MISSES, COUNTER, "match_cache_misses", "Matches that walked the index.")          \
    X(STAT_WILLS, COUNTER, "wills_published", "Will messages published.")                          \
    X(STAT_WILLS_CANCELLED, COUNTER, "wills_cancelled", "Will messages deleted unpublished.")      \
    X(STAT_SHARE_REDISPATCHED, COUNTER, "share_redispatched",                                      \
      "Shared deliveries passed on to another member.")                                            \
    X(STAT_SESSIONS_NOT_OWNED, COUNTER, "sessions_not_owned",                                      \
      "CONNECTs refused because the session belongs to another user.")                             \
    X(STAT_QUOTA_CONNECTIONS, COUNTER, "quota_connections",                                        \
      "CONNECTs refused because of the user's quota of connections.")                              \
    X(STAT_QUOTA_SUBSCRIPTIONS, COUNTER, "quota_subscriptions",                                    \
      "Filters refused because of the user's quota of subscriptions.")                             \
    X(STAT_PERMIT_PUBLISH, COUNTER, "permit_publish", "Publications that rules allowed.")          \
    X(STAT_DENY_PUBLISH, COUNTER, "deny_publish", "Publications that rules denied.")               \
    X(STAT_PERMIT_SUBSCRIBE, COUNTER, "permit_subscribe", "Subscriptions that rules allowed.")     \
    X(STAT_DENY_SUBSCRIBE, COUNTER, "deny_subscribe", "Subscriptions that rules denied.")          \
    X(STAT_DENY_WILL, COUNTER, "deny_will", "Wills not published because rules denied it.")        \
    X(STAT_PERMIT_HITS, COUNTER, "permit_hits",                                                    \
      "Publications whose decision the session remembered.")                                       \
    X(STAT_REVOKED, COUNTER, "subscriptions_revoked",                                              \
      "Subscriptions removed on resumption or after a change of rules.")                           \
    X(STAT_AUTHN_SUCCESS, COUNTER, "authn_success", "Clients that were authenticated.")            \
    X(STAT_AUTHN_ANONYMOUS, COUNTER, "authn_success_anonymous",                                    \
      "Of these, how many no step was asked about.")                                               \
    X(STAT_AUTHN_FAILURE, COUNTER, "authn_failure", "Clients whose authentication failed.")        \
    X(STAT_AUTHN_BUSY, COUNTER, "authn_busy",                                                      \
      "Of these, how many because too many others were waiting for an answer.")                    \
    X(STAT_AUTHN_TIMEOUT, COUNTER, "authn_timeout",                                                \
      "Clients refused because authentication took too long.")                                     \
    X(STAT_AUTHN_EXPIRED, COUNTER, "authn_expired",                                                \
      "Connections ended because their authentication expired.")                                   \
    X(STAT_SHARE_PARKED, COUNTER, "share_parked",                                                  \
      "Shared deliveries that wait for the group's next member.")                                  \
    X(STAT_LOG_GAPS, COUNTER, "log_gaps",                                                          \
      "Events that the log could not take; a checkpoint brings it up to date.")                    \
    X(STAT_LOG_REFUSING, GAUGE, "log_refusing",                                                    \
      "Logs that take nothing new: failing, on a full disk, or at the limit of their size.")       \
    X(STAT_CHECKPOINTS, COUNTER, "log_checkpoints", "Checkpoints completed.")                      \
    X(STAT_CHECKPOINT_BYTES, COUNTER, "log_checkpoint_bytes", "Bytes written for checkpoints.")    \
    X(STAT_CHECKPOINT_NS, COUNTER, "log_checkpoint_ns", "Time from begin to end of checkpoints.")  \
    X(STAT_COMPACTED_MESSAGES, COUNTER, "log_compacted_messages",                                  \
      "Messages copied forward out of segments that held little else.")                            \
    X(STAT_COMPACTED_BYTES, COUNTER, "log_compacted_bytes", "Bytes of these.")                     \
    X(STAT_COMPACTED_SEGMENTS, COUNTER, "log_compacted_segments",                                  \
      "Segments of the log that were set free by this.")                                           \
    X(STAT_RECOVERED_SESSIONS, COUNTER, "recovered_sessions", "Sessions recovered at start.")      \
    X(STAT_RECOVERED_MESSAGES, COUNTER, "recovered_messages",                                      \
      "Deliveries recovered at start: queued or unacknowledged.")

#define ROUTE_STAT_ENUM(id, kind, name, help) id,
enum route_stat {
    STAT_ROUTE_BEFORE = STAT_ROUTE_FIRST - 1,
    ROUTE_STATS(ROUTE_STAT_ENUM) STAT_ROUTE_END
};
#undef ROUTE_STAT_ENUM

/*
 * The gauge. The word STAT_INFLIGHT lacks the copies that left the window by an answer of the
 * client: their answers are counted. They are read first, so that no copy is taken off that has not
 * been put on.
 */
static inline uint64_t route_stats_inflight(const struct stats *stats)
{
    uint64_t answered = stat_read(stats, STAT_ACKED) + stat_read(stats, STAT_DROP_NACKED);
    return stat_read(stats, STAT_INFLIGHT) - answered;
}

STATIC_CHECK((int)STAT_ROUTE_END <= (int)STAT_NET_FIRST, "route's counters fit their range");

#endif
