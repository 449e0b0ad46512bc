/*
 * publish.h -- the path of a publication on the publisher's shard, in one page.
 *
 *     retained index (stored before matching, so that no new subscriber falls between the two)
 *     match -> filters, shards, shared groups
 *     own shard: deliver at once          other shards: one letter or record each
 *     shared groups: one member each
 *
 * Threads: the shard that owns the publishing session, inside the turn's epoch section.
 */
#ifndef SLUICE_PUBLISH_H
#define SLUICE_PUBLISH_H

#include "reason.h"
#include "router.h"

/*
 * Routes a valid publication. REASON_SUCCESS, REASON_NO_MATCHING_SUBSCRIBERS, or
 * REASON_QUOTA_EXCEEDED if memory is short and nothing was delivered. `pub` may gain a message (see
 * pub_msg), which the caller gives back with pub_release. Sets router->pressed if a shard that got
 * a copy is pressed.
 */
enum reason publish_route(struct router *router, struct pub *pub);

/*
 * Once more, to durable sessions of the shards that are not in `stored`: the first time their logs
 * took nothing. False without memory.
 */
MUST_USE bool publish_again(struct router *router, struct pub *pub, const struct shard_set *stored);

/* A publication from another shard (MAIL_PUBLISH), and one that nobody will receive any more. */
void publish_on_mail(struct shard *shard, const struct mail *mail);
void publish_drop(const struct mail *mail);

/* The same as a letter (MAIL_LETTER), which owns nothing. */
void publish_on_letter(struct shard *shard, const struct mail *mail);

/*
 * From a client, with packet id for QoS 1 and 2: what to answer in PUBACK or PUBREC. A QoS 2
 * message whose id is already held is not routed again [MQTT-4.3.3-10].
 * REASON_RECEIVE_MAX_EXCEEDED: too many QoS 2 messages wait for PUBREL; nothing was done.
 */
enum reason publish_inbound(struct router *router, struct session *session, struct pub *pub,
                            uint16_t packet_id);

/*
 * PUBREL: REASON_SUCCESS or REASON_PACKET_ID_NOT_FOUND, for PUBCOMP. REASON_QUOTA_EXCEEDED: it
 * cannot be logged now, and there must be no PUBCOMP.
 */
enum reason publish_released(struct router *router, struct session *session, uint16_t packet_id);

#endif
