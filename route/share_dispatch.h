/*
 * share_dispatch.h -- shared subscriptions: each publication to one member of each group.
 *
 * The publisher's shard picks the member (share_group.h) and either delivers or mails one record to
 * the member's shard. A QoS 1 or 2 delivery carries a delivery_extra that names its group, so that
 * it can move on when its member is lost (design, section 4):
 *
 *   not yet sent, or QoS 1 sent and unacknowledged   to another member
 *   QoS 2 once sent                                  stays with the session [MQTT-4.8.2-4, -5]
 *   negative acknowledgement                         discarded [MQTT-4.8.2-6]
 *
 * A message goes at most once round the group. While no member is connected it stays in the queue
 * of the session it was in; if that session ends, in another member's queue; when the round is
 * complete, on the shard's parked list. The first member that connects again is announced to all
 * shards (MAIL_SHARE_UP), and what waits for its group starts a new round.
 *
 * Bounds: SHARE_PARKED_MAX parked deliveries a shard, the oldest dropped and counted.
 *
 * Threads: the calling shard, inside the turn's epoch section.
 */
#ifndef SLUICE_SHARE_DISPATCH_H
#define SLUICE_SHARE_DISPATCH_H

#include "router.h"
#include "sub_ids.h"

#define SHARE_PARKED_MAX 65536

/* Delivers `pub` to one member of the group. False without memory. */
bool share_dispatch(struct router *router, struct pub *pub, const struct match_group *group);

/*
 * Passes a kept delivery on to another member. `from`: the session that has it now. `ended`: it
 * cannot stay there. True: message reference and extra have been taken over. False: they stay with
 * the caller, because no better place exists (not ended) or the group is gone (ended). A handover
 * (router->passing) is not parked, which would only be in memory: false. The ticket of one has been
 * taken out of router->passing if another shard will answer.
 */
bool share_redispatch(struct router *router, struct msg *msg, struct delivery_extra *extra,
                      struct handle from, bool ended);

/* Whether share_redispatch would find a member, as far as can be said before. */
bool share_has_taker(const struct router *router, const struct delivery_extra *extra, bool ended);

/* Keeps a delivery, in memory, for the next member of its group; takes over both. */
void share_park(struct router *router, struct msg *msg, struct delivery_extra *extra);

/* A member's connection came or went; announces a group's first connected member. */
void share_member_connected(struct router *router, struct share_member *member, bool is_connected);

/* A member joined; as above. */
void share_announce(struct router *router, struct share_group *group, struct filter_id id);

/* A delivery from another shard (MAIL_SHARED), and one that nobody will receive any more. */
void share_on_mail(struct shard *shard, const struct mail *mail);
void share_drop(const struct mail *mail);

void share_on_up(struct shard *shard, const struct mail *mail);

/* Drops what is parked, when the process stops. */
void share_parked_fini(struct router *router);

#endif
