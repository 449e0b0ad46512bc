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

struct settings {
    struct route_settings route;
    struct net_settings net;
};

/* Owns copies of all texts. NULL without memory. Its listeners have no limits yet. */
struct settings *settings_create(const struct config *config);

/* The limits of the listener in `slot` (of struct net_shared) are those that `from` says. */
void settings_listener(struct settings *settings, unsigned slot,
                       const struct config_listener *from);
void settings_destroy(struct settings *settings);

#endif
