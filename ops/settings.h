/*
 * settings.h -- from the operator's configuration to the plain settings of route and net.
 *
 * The two lower floors do not know struct config; they get values of their own, checked and in
 * their units. A pair of settings is immutable once published; reload makes a new pair.
 *
 * Threads: main or the ops thread.
 */
#ifndef SLUICE_SETTINGS_H
#define SLUICE_SETTINGS_H

#include "config.h"
#include "net.h"
#include "router.h"

/* Those of route and net; the pair of a zone is whole, with what holds for everybody in it, too. */
struct settings_pair {
    struct route_settings route;
    struct net_settings net;
};

struct settings {
    struct route_settings route;
    struct net_settings net;
    struct settings_pair *zones; /* zone n at n - 1 */
    uint32_t zones_num;
};

/* Owns copies of all texts. NULL without memory. Its listeners have no limits and no zone yet. */
struct settings *settings_create(const struct config *config);

/* The listener in `slot` (of struct net_shared) has the limits that `from` says, and its zone. */
void settings_listener(struct settings *settings, unsigned slot, const struct config *config,
                       const struct config_listener *from);
void settings_destroy(struct settings *settings);

#endif
