/*
 * listener_policy.h -- from a listener's configuration to what net asks of its connections
 * (net/listen_policy.h).
 *
 * broker->policies has a place for each listener, in the order of the configuration. A reload
 * builds all of them anew and swaps them (reload.h).
 *
 * Threads: the ops thread.
 */
#ifndef SLUICE_LISTENER_POLICY_H
#define SLUICE_LISTENER_POLICY_H

#include "config.h"
#include "config_report.h"
#include "listen_policy.h"

struct listener_policy;

/* Adds a message for everything that is wrong with what `listener` says of its connections. */
void listener_policy_check(const struct config_listener *listener,
                           const struct config_report *report);

/* NULL without memory. `listener` has been checked. */
struct listener_policy *listener_policy_create(const struct config_listener *listener);

/* NULL is allowed. */
void listener_policy_destroy(struct listener_policy *policy);

/* What net sees of it. */
const struct listen_policy *listener_policy_view(const struct listener_policy *policy);

#endif
