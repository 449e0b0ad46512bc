/*
 * deliver.h -- the receiving side: a publication and the filters it matched, to this shard's
 * sessions.
 *
 * With one filter every subscriber is served in turn. With several, a session may stand under more
 * than one of them and still gets one copy [MQTT-3.3.5-1, MQTT-3.3.4-2]: deliver_filters first
 * gathers per session (a stamp on the session finds its entry in constant time), with the maximum
 * of the granted QoS, all subscription identifiers, and the RETAIN flag kept if any subscription
 * asks for it; then it serves each once. No Local drops a subscription's part in it, not the
 * others'.
 *
 * What is published on this shard is matched by the cache (match.h), whose results have room for a
 * plan: the places of their filters' subscribers, whether they are all that there is, and who of
 * them does not read and is passed over with QoS 0, so that it costs the others nothing. A plan is
 * made with the first publication and is good until a subscriber comes or goes here, stops reading
 * or begins again (subtable_changed).
 *
 * Threads: the owner shard, inside the turn's epoch section.
 */
#ifndef SLUICE_DELIVER_H
#define SLUICE_DELIVER_H

#include "router.h"

/* Delivers to every local subscriber of the filters. Ids that are gone here are counted. */
void deliver_filters(struct router *router, struct pub *pub, const struct filter_id *ids,
                     uint32_t count);

/* Makes the plan of a result anew. */
void deliver_plan_make(struct router *router, const struct match_result *result);

/* The plan of a result. */
static inline const struct match_plan *deliver_plan(struct router *router,
                                                    const struct match_result *result)
{
    if (UNLIKELY(result->plan->changes != router->subs.changes))
        deliver_plan_make(router, result);
    return result->plan;
}

/* Delivers to every subscriber of a plan. */
void deliver_planned(struct router *router, struct pub *pub, const struct match_plan *plan);

/* The QoS of a copy: the minimum of both sides, or the maximum where upgrade_qos says so. */
uint8_t deliver_qos(const struct router *router, const struct session *session, uint8_t published,
                    uint8_t granted);

#endif
