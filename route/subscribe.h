/*
 * subscribe.h -- SUBSCRIBE and UNSUBSCRIBE, one filter at a time.
 *
 * An ordinary subscription has three ends: the record in the session, the subscriber in the shard's
 * table, and the shard's mark in the shared filter index. The index changes only with the first and
 * the last subscriber of a filter on this shard. A shared subscription is a member of the filter's
 * group in the index instead.
 *
 * The filter is in the index before the retained index is read, and a publisher stores a retained
 * message before it matches: no message falls between (filter_index.h).
 *
 * Threads: the session's home shard, inside the turn's epoch section.
 */
#ifndef SLUICE_SUBSCRIBE_H
#define SLUICE_SUBSCRIBE_H

#include "reason.h"
#include "router.h"
#include "topic.h"

/* A filter that has passed all checks of form and capability; a value, views borrowed. */
struct subscribe_request {
    struct topic_filter_parts parts;
    uint32_t sub_id; /* 0: none */
    uint8_t qos;     /* to be granted */
    bool no_local;
    bool retain_as_published;
    uint8_t retain_handling; /* enum mqtt_retain_handling */
    bool is_restored;        /* recovery: logged already, no retained messages */
};

/*
 * Adds or replaces a subscription and starts sending retained messages where they are due.
 * REASON_SUCCESS, GRANTED_QOS_1, GRANTED_QOS_2; REASON_NOT_AUTHORIZED by rules;
 * REASON_QUOTA_EXCEEDED at a limit; REASON_UNSPECIFIED_ERROR without memory.
 */
enum reason subscribe_add(struct router *router, struct session *session,
                          const struct subscribe_request *request);

/*
 * REASON_SUCCESS or REASON_NO_SUBSCRIPTION_EXISTED; REASON_IMPLEMENTATION_SPECIFIC_ERROR if it
 * cannot be logged: the subscription stands.
 */
enum reason subscribe_remove(struct router *router, struct session *session,
                             const struct topic_filter_parts *parts);

/* Takes one away that the client may not have any more; `sub` is one of session->subs. */
void subscribe_revoke(struct router *router, struct session *session, struct session_sub *sub);

/* Takes every subscription of a session that ends out of the tables. */
void subscribe_remove_all(struct router *router, struct session *session);

/* The session's connection came or went: its places in shared groups change sides. */
void subscribe_connected(struct router *router, struct session *session, bool is_connected);

#endif
