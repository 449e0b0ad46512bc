/*
 * zone.h -- which settings hold for a session: those of its zone, or those of everybody.
 *
 * Listeners may belong to a zone, which has settings of its own: a whole struct route_settings, in
 * which what the zone does not change is as everywhere. A session has the zone of its latest
 * connection, none after a restart; zones keep their numbers as long as the process lives.
 *
 * Threads: the session's shard.
 */
#ifndef SLUICE_ZONE_H
#define SLUICE_ZONE_H

#include "router.h"

/* The settings of a zone; 0: everybody's. */
static inline const struct route_settings *router_zone_settings(const struct router *router,
                                                                uint8_t zone)
{
    const struct route_settings *settings = router->settings;
    if (LIKELY(zone == 0))
        return settings;
    CHECK(zone <= ROUTE_ZONES_MAX);
    const struct route_settings *own = settings->of_zone[zone];
    return own != NULL ? own : settings;
}

/* The settings that hold for a session. */
static inline const struct route_settings *router_settings_of(const struct router *router,
                                                              const struct session *session)
{
    return router_zone_settings(router, session->zone);
}

#endif
