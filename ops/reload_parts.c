/*
 * reload_parts.c -- the parts of a reload that need no file of their own.
 *
 *   settings    the plain settings of route and net, one immutable pair, replaced as a whole
 *   process     bounds of the retained messages and of the mail between shards; the log
 *   listeners   what the listeners ask of connections, and what their sockets hand on to new ones
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
    if (settings == NULL) {
        error_list_add(errors, "%s", rc_text(RC_NO_MEMORY));
        return false;
    }
    broker_listener_limits(broker, next, settings);
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

/* ---- listeners ---- */

/* New policies, or those that were replaced, by the listener's place. */
struct reload_listeners {
    struct listener_policy *policies[CONFIG_LISTENERS_MAX];
};

static void reload_listeners_dispose(struct broker *broker, void *state)
{
    (void)broker;
    struct reload_listeners *listeners = state;
    for (unsigned i = 0; i < CONFIG_LISTENERS_MAX; i++)
        listener_policy_destroy(listeners->policies[i]);
    free(listeners);
}

static bool reload_listeners_prepare(struct broker *broker, const struct config *next,
                                     struct error_list *errors, void **out_state)
{
    struct reload_listeners *listeners = calloc(1, sizeof(*listeners));
    bool right = listeners != NULL;
    for (uint32_t i = 0; right && i < broker->config->num_listeners; i++) {
        const struct config_listener *listener = &broker->config->listeners[i];
        const struct config_listener *asked = config_listener_find(next, listener->name);
        if (asked == NULL)
            continue;
        listeners->policies[i] = listener_policy_create(asked);
        right = listeners->policies[i] != NULL;
    }
    if (right) {
        *out_state = listeners;
        return true;
    }
    error_list_add(errors, "%s", rc_text(RC_NO_MEMORY));
    if (listeners != NULL)
        reload_listeners_dispose(broker, listeners);
    return false;
}

static void *reload_listeners_commit(struct broker *broker, void *state)
{
    struct reload_listeners *listeners = state;
    const struct config *config = broker->config;
    CHECK(config->num_listeners == broker->net.listeners_num);
    for (uint32_t i = 0; i < config->num_listeners; i++) {
        struct listener_policy *policy = listeners->policies[i];
        struct listen_options options = broker_listen_options(&config->listeners[i]);
        if (policy != NULL) {
            listen_policy_set(&broker->net, i, listener_policy_view(policy));
            listeners->policies[i] = broker->policies[i];
            broker->policies[i] = policy;
        }
        if (listen_adjust(&broker->net, i, &options) != RC_OK)
            LOG(LOG_WARNING, "reload: listener %s: the kernel refuses a TCP option",
                config->listeners[i].name);
    }
    return listeners;
}

const struct reload_part reload_part_listeners = {.name = "listeners",
                                                  .prepare = reload_listeners_prepare,
                                                  .commit = reload_listeners_commit,
                                                  .dispose = reload_listeners_dispose};
