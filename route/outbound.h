/*
 * outbound.h -- from a session to its client: the window, the queue, acknowledgements, resumption.
 *
 * A delivery takes the first of these ways that is open:
 *
 *     QoS 0, connected           straight into the connection's output; dropped if that is full
 *     QoS 1, 2, window has room  a window entry, and into the output
 *     otherwise                  the session's queue, which has limits and a policy
 *
 * outbound_pump moves on whatever can move: first entries that must be sent again on this
 * connection, then the queue. It is called when an acknowledgement made room in the window, when
 * the connection's output has room again, and when a session is resumed.
 *
 * Order: entries of the window are sent again in the order of their first sending [MQTT-4.6.0-1];
 * nothing overtakes the queue within a QoS > 0.
 *
 * Threads: the session's home shard.
 */
#ifndef SLUICE_OUTBOUND_H
#define SLUICE_OUTBOUND_H

#include "router.h"
#include "sub_ids.h"

/* Flags kept with a window or queue entry. */
#define OUTBOUND_RETAIN 0x1u /* PUBLISH leaves with the RETAIN flag */
#define OUTBOUND_RESEND 0x2u /* window only: not yet sent on this connection */

/*
 * Delivers one copy, by whichever way. Never fails: what cannot be kept is dropped and counted. The
 * packet id is drawn here, and stands in `copy` afterwards.
 */
void outbound_deliver(struct router *router, struct session *session, struct delivery *copy);

/*
 * Delivers a kept message with its aux (a shared delivery), QoS 1 or 2. Takes over the reference to
 * `msg` and the aux.
 */
void outbound_deliver_kept(struct router *router, struct session *session, struct msg *msg,
                           void *aux, uint8_t qos, bool retain);

/* Client packets. `reason` of v5, REASON_SUCCESS otherwise. Unknown ids are ignored or answered. */
void outbound_puback(struct router *router, struct session *session, uint16_t packet_id,
                     enum reason reason);
void outbound_pubrec(struct router *router, struct session *session, uint16_t packet_id,
                     enum reason reason);
void outbound_pubcomp(struct router *router, struct session *session, uint16_t packet_id);

/*
 * The client does not read what it is sent (or does again): from now on QoS 0 is dropped before it
 * comes here (deliver.h).
 */
void outbound_stall(struct router *router, struct session *session, bool stalled);

/* Sends whatever window and output have room for. */
void outbound_pump(struct router *router, struct session *session);

/* A resumed session has a new connection: everything in the window must be sent again. */
void outbound_resume(struct router *router, struct session *session);

/* The connection is lost: shared deliveries go to other members (design, section 4). */
void outbound_lost(struct router *router, struct session *session);

/* Another member of some group is connected now: the same for what has stayed. */
void outbound_pass_on(struct router *router, struct session *session);

/* The session ends: every delivery is released and counted as dropped. */
void outbound_discard(struct router *router, struct session *session);

/* A window entry, or a queue entry already taken out, will never be sent: released and logged. */
void outbound_give_up(struct router *router, struct session *session, struct inflight_entry *entry);
void outbound_left(struct router *router, struct session *session,
                   const struct mqueue_entry *entry);

/* How many more retained messages the session should be fed before it has taken some. */
uint32_t outbound_appetite(struct router *router, const struct session *session);

#endif
