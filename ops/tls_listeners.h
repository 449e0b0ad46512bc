/*
 * tls_listeners.h -- the TLS side of the configured listeners: made at start, renewed by reload.
 *
 * broker->tls has a place for each listener, in the order of the configuration; NULL for those
 * without TLS. A reload reads the files of all of them before it changes any (reload.h).
 *
 * Threads: the ops thread.
 */
#ifndef SLUICE_TLS_LISTENERS_H
#define SLUICE_TLS_LISTENERS_H

#include "config.h"

struct broker;
struct metrics_expiry;
struct tls_expiry;
struct tls_server;

/* Does this listener have TLS? */
bool tls_listener_wanted(const struct config_listener *listener);

/* Makes the TLS side of one listener. RC_INVALID: *errors has a message with its place. */
MUST_USE enum rc tls_listener_create(const struct config_listener *listener,
                                     struct tls_server **out, struct error_list *errors);

/* Reads what all listeners name, for --check-config; every error is added. */
void tls_listeners_check(const struct config *config, struct error_list *errors);

/* What is in use and when it expires, for metrics. Returns how many were written to `out`. */
uint32_t tls_listeners_expiries(struct broker *broker, struct metrics_expiry *out,
                                struct tls_expiry *out_files, uint32_t max);

/* Once the shards have ended. */
void tls_listeners_fini(struct broker *broker);

#endif
