/*
 * reload_parts.c -- the parts of a reload that need no file of their own.
 *
 *   settings    the plain settings of route and net, one immutable pair, replaced as a whole
 *   process     bounds of the retained messages and of the mail between shards; the log
 *
 * Threads: the ops thread.
 */
#include <stdlib.h>

#include "broker.h"
#include "config_change.h"
#include "listen.h"
#include "listener_policy.h"
#include "logger.h"
#include "reload_table.h"
#include "source_rate.h"

/* ---- settings ---- */

static bool reload_settings_prepare(struct broker *broker, const struct config *next,
                                    struct error_list *errors, void **out_state)
{
    struct settings *settings = settings_create(next);
    if (settings == NULL || broker_count_users(broker, settings) != RC_OK) {
        settings_destroy(settings);
        error_list_add(errors, "%s", rc_text(RC_NO_MEMORY));
        return false;
    }
    broker_listener_limits(next, settings);
    *out_state = settings;
    return true;
}

static void *reload_settings_commit(struct broker *broker, void *state)
{
    struct settings *old = broker->settings;
    struct settings *settings = state;
    broker->settings = settings;
    __atomic_store_n(&broker->route.settings, &settings->route, __ATOMIC_RELEASE);
    __atomic_store_n(&broker->net.settings, &settings->net, __ATOMIC_RELEASE);
    return old;
}

static void reload_settings_dispose(struct broker *broker, void *state)
{
    (void)broker;
    settings_destroy(state);
}

const struct reload_part reload_part_settings = {.name = "settings",
                                                 .prepare = reload_settings_prepare,
                                                 .commit = reload_settings_commit,
                                                 .dispose = reload_settings_dispose};

/* ---- process ---- */

/* The table of source addresses, once a listener has a rate for them; it stays from then on. */
static bool reload_process_prepare(struct broker *broker, const struct config *next,
                                   struct error_list *errors, void **out_state)
{
    if (broker->net.sources != NULL || !broker_wants_sources(next))
        return true;
    *out_state = source_rates_create(&broker->dir.secret);
    if (*out_state == NULL)
        error_list_add(errors, "%s", rc_text(RC_NO_MEMORY));
    return *out_state != NULL;
}

static void reload_process_dispose(struct broker *broker, void *state)
{
    (void)broker;
    source_rates_destroy(state);
}

static void *reload_process_commit(struct broker *broker, void *state)
{
    const struct config *config = broker->config;
    if (state != NULL)
        __atomic_store_n(&broker->net.sources, (struct source_rates *)state, __ATOMIC_RELEASE);
    broker_set_bounds(broker);
    broker->json = logger_is_json(config->log.format);
    log_level_set(config->log.level);
    return NULL;
}

const struct reload_part reload_part_process = {.name = "process",
                                                .prepare = reload_process_prepare,
                                                .commit = reload_process_commit,
                                                .dispose = reload_process_dispose};
