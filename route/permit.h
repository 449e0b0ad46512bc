/*
 * permit.h -- may this client publish that, subscribe to that: the answers, and who remembers them.
 *
 * Order of what is asked (EMQX's order):
 *
 *   superuser                 everything is allowed
 *   rules of the identity     that came with a token (identity.h); the first that fits decides
 *   the configured rules      acl_set.h; the first that fits decides
 *   no_match                  of the configuration
 *
 * The configured rules are one immutable set, replaced as a whole when the configuration is loaded
 * anew: a router takes the newest set when it is told to (router_settings_take) and the old one
 * lives until every shard has done so. Taking another set raises router->acl_generation.
 *
 * Publishing. A router knows whether anybody could be denied anything: without rules a publication
 * costs one branch that is always taken, and with the built-in rules one more look at whether the
 * topic begins with '$'. Otherwise the session remembers its latest decisions, by topic, in a small
 * table of its own: a decision for each QoS and RETAIN. It is found with the hash that the topic
 * has anyway (an alias keeps its own), and is good while the generation is the same and the client
 * is the same. A rule that needs the address is judged with the address of that connection.
 *
 * Subscribing is judged each time it is asked. When a session is resumed its subscriptions are
 * judged again for the client that is there now, before CONNACK; when the rules change those of all
 * connected sessions are, a slice per turn. What is not allowed any more is removed and counted;
 * MQTT has no word for it. Sessions without a connection are left until they are resumed.
 *
 * Wills are judged when the connection is lost, not at CONNECT: a will that is not allowed is not
 * published, and counted.
 *
 * Bounds: settings->permit_cache_max decisions of a session (24 bytes each and their topics), none
 * for topics above PERMIT_TOPIC_MAX; nothing while a session is quiet.
 *
 * Threads: the session's home shard.
 */
#ifndef SLUICE_PERMIT_H
#define SLUICE_PERMIT_H

#include "router.h"

#define PERMIT_TOPIC_MAX     512
#define PERMIT_CACHE_MAX_MAX 4096

/* A publication whose permission could be denied; from permit_publish. */
bool permit_publish_judged(struct router *router, struct session *session, const struct pub *pub);

/* May the session's client publish this? */
static inline bool permit_publish(struct router *router, struct session *session,
                                  const struct pub *pub)
{
    uint8_t kind = pub->topic.ptr[0] == '$' ? ACL_TOPICS_DOLLAR : ACL_TOPICS_PLAIN;
    if (UNLIKELY(session->is_mounted))
        kind = ACL_TOPICS_ALL; /* rules see what is behind the mount point */
    if (LIKELY((router->judged_publish & kind) == 0))
        return true;
    return permit_publish_judged(router, session, pub);
}

/* May it subscribe to the filter, already without a share prefix, with that QoS? */
bool permit_subscribe(struct router *router, struct session *session, struct bytes filter,
                      uint8_t qos);

/* May its will be published? The connection is still there. */
bool permit_will(struct router *router, struct session *session);

/* Another client, or what is known of it has changed: forgets what was decided. */
void permit_forget(struct router *router, struct session *session);

/* Frees what is remembered. */
void permit_free(struct session *session);

/* The session has been resumed: takes away what the client may not subscribe to. */
void permit_resumed(struct router *router, struct session *session);

/* Takes the newest rules (router_settings_take). */
void permit_take(struct router *router);

/* Goes on with judging subscriptions anew. True if there is more to do at once. */
bool permit_review(struct router *router);

#endif
