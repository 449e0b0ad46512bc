/*
 * config_authn.h -- the list of steps of authentication in a configuration while it is built.
 *
 * Threads: on a struct config that is being built, by its builder.
 */
#ifndef SLUICE_CONFIG_AUTHN_H
#define SLUICE_CONFIG_AUTHN_H

#include "config.h"
#include "config_key.h"

/*
 * Appends a step with defaults; `place` (copied) is where it was written. NULL, with a message
 * added: there are CONFIG_AUTHN_MAX already, or no memory. Holds until the next step is added.
 */
struct config_authn *config_authn_add(struct config *config, const char *place,
                                      struct error_list *errors);

/* The step's `key` was there, but its value was refused with a message. */
void config_authn_refused(struct config_authn *step, const struct config_key *key);

/*
 * To be called when all sources are read and the listeners have their names: adds a message for
 * each step without a type (unless one was refused), with a key of another type, or for a listener
 * that does not exist.
 */
void config_authns_finish(struct config *config, struct error_list *errors);

/* Removes and frees all steps. */
void config_authns_fini(struct config *config);

/* Are the steps the same in both? */
bool config_authns_equal(const struct config *a, const struct config *b);

#endif
