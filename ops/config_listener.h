/*
 * config_listener.h -- the list of listeners in a configuration while it is built.
 *
 * Threads: on a struct config that is being built, by its builder.
 */
#ifndef SLUICE_CONFIG_LISTENER_H
#define SLUICE_CONFIG_LISTENER_H

#include "config.h"

/*
 * Appends a listener with defaults and without an address; `place` (copied) is where it was
 * written. NULL, with a message added: there are CONFIG_LISTENERS_MAX already, or no memory. The
 * pointer holds until the next listener is added.
 */
struct config_listener *config_listener_add(struct config *config, const char *place,
                                            struct error_list *errors);

/*
 * To be called when all sources are read: gives names to those without, and adds a message for each
 * listener without an address or with a name or address that another has (port 0 may be repeated).
 */
void config_listeners_finish(struct config *config, struct error_list *errors);

/* All defaults and no address. False without memory; either way it is for config_listener_fini. */
bool config_listener_blank(struct config_listener *listener, struct error_list *errors);

/* Frees what a listener owns. */
void config_listener_fini(struct config_listener *listener);

/* Removes and frees all listeners. */
void config_listeners_fini(struct config *config);

#endif
