/*
 * config_change.h -- what differs between the configuration in use and one that was read anew, and
 * making the new one say only what can take effect.
 *
 * A key marked RELOAD in config_table.h takes its new value, a key marked RESTART keeps its old
 * one. Listeners are told apart by their names: one of a known name takes new values of its
 * reloadable keys. A listener's place in the list is what the rest of the broker knows it by as
 * long as it has connections, so it never moves: where one was removed its place stays, marked
 * `removed`, until it is vacant and a new one takes it.
 *
 * Threads: the ops thread.
 */
#ifndef SLUICE_CONFIG_CHANGE_H
#define SLUICE_CONFIG_CHANGE_H

#include "config.h"

/* One difference, a value; texts are borrowed for the call. */
struct config_change {
    const char *path; /* "mqtt.max_inflight", "listeners.plain.backlog", "listeners.plain" */
    const char *from; /* NULL: a listener that was not there */
    const char *to;   /* NULL: a listener that is there no more */
    bool reloadable;
};

typedef void (*config_change_fn)(void *context, const struct config_change *change);

/* Calls `visit` for each difference, in the order of the table. */
void config_changes(const struct config *current, const struct config *next, config_change_fn visit,
                    void *context);

/* The listener with that name, or NULL. */
struct config_listener *config_listener_find(const struct config *config, const char *name);

/*
 * Brings the listeners of `next` to the places that they have in `current`, new ones to a place of
 * the set `vacant` or behind the last. False, with a message: no room or no memory, nothing has
 * changed.
 */
MUST_USE bool config_align(const struct config *current, struct config *next, uint64_t vacant,
                           struct error_list *errors);

/*
 * Gives `next`, which has been aligned, the values of `current` where a restart is needed, so that
 * it says what is in use. `current` is only good for config_fini afterwards. Cannot fail.
 */
void config_keep(struct config *current, struct config *next);

#endif
