/*
 * reload_listeners.c -- the listeners' part of a reload: those that come, go, stop and start, what
 * they ask of connections, and what their sockets hand on to new ones.
 *
 * What can fail is done in the first phase: the sockets of a listener that shall begin are made and
 * bound there, so that an address in use refuses the whole configuration. They listen from then on,
 * and what connects waits in the kernel until the shards accept, or is reset if the configuration
 * is refused. A listener that ends is closed by its shards; its connections go on, or are closed
 * where its key close_connections says so.
 *
 * Threads: the ops thread.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"
#include "listen_socket.h"
#include "listener_policy.h"
#include "reload_table.h"
#include "tls_listeners.h"

/* What one listener is about to get; after the commit what it has lost. */
struct reload_listener {
    struct listener_policy *policy;
    struct tls_server *tls; /* of a listener that is new, or was removed */
    struct sockaddr_storage address;
    int *fds; /* sockets, one for each shard; NULL: none */
    bool is_new;
    bool ended; /* at `address` */
};

struct reload_listeners {
    struct reload_listener at[CONFIG_LISTENERS_MAX]; /* by place */
};

static void reload_listeners_dispose(struct broker *broker, void *state)
{
    struct reload_listeners *listeners = state;
    for (unsigned i = 0; i < CONFIG_LISTENERS_MAX; i++) {
        struct reload_listener *at = &listeners->at[i];
        listener_policy_destroy(at->policy);
        tls_server_destroy(at->tls);
        for (unsigned shard = 0; at->fds != NULL && shard < broker->net.shards; shard++)
            close(at->fds[shard]);
        if (at->fds != NULL || at->ended)
            listen_sockets_unlink(&at->address);
        free(at->fds);
    }
    free(listeners);
}

static bool reload_is_new(const struct broker *broker, unsigned place)
{
    return place >= broker->net.listeners_num || broker->config->listeners[place].removed;
}

static bool reload_is_open(const struct broker *broker, unsigned place)
{
    return place < broker->net.listeners_num &&
           broker->net.listeners[place].state == LISTEN_ACCEPTS;
}

/* Makes the sockets at the address of `bound`. */
static bool reload_listener_open(const struct broker *broker, const struct config_listener *bound,
                                 struct reload_listener *at, struct error_list *errors)
{
    struct listen_options options = broker_listen_options(bound);
    char address[LISTEN_URI_LEN_MAX + 1];
    const char *why = NULL;
    unsigned port;
    int error = 0;
    listen_uri_format(&bound->bind, address);
    if (listen_uri_resolve(&bound->bind, &options.address, &options.address_len, &why) != RC_OK) {
        error_list_add(errors, "%s: cannot listen at %s: %s", bound->place, address, why);
        return false;
    }
    int *fds = calloc(broker->net.shards, sizeof(*fds));
    if (fds == NULL) {
        error_list_add(errors, "%s", rc_text(RC_NO_MEMORY));
        return false;
    }
    if (listen_sockets_open(&options, fds, broker->net.shards, &port, &error) != RC_OK) {
        error_list_add(errors, "%s: cannot listen at %s: %s", bound->place, address,
                       strerror(error));
        free(fds);
        return false;
    }
    at->fds = fds;
    at->address = options.address;
    return true;
}

static bool reload_listener_prepare(const struct broker *broker, const struct config *next,
                                    unsigned place, struct reload_listener *at,
                                    struct error_list *errors)
{
    const struct config_listener *listener = &next->listeners[place];
    if (listener->removed)
        return true;
    at->is_new = reload_is_new(broker, place);
    at->policy = listener_policy_create(listener);
    if (at->policy == NULL) {
        error_list_add(errors, "%s", rc_text(RC_NO_MEMORY));
        return false;
    }
    if (at->is_new && tls_listener_wanted(listener) &&
        tls_listener_create(listener, &at->tls, errors) != RC_OK)
        return false;
    if (!listener->enable || reload_is_open(broker, place))
        return true;
    /* One that is only stopped begins where it was: another address needs a restart. */
    return reload_listener_open(broker, at->is_new ? listener : &broker->config->listeners[place],
                                at, errors);
}

static bool reload_listeners_prepare(struct broker *broker, const struct config *next,
                                     struct error_list *errors, void **out_state)
{
    struct reload_listeners *listeners = calloc(1, sizeof(*listeners));
    if (listeners == NULL) {
        error_list_add(errors, "%s", rc_text(RC_NO_MEMORY));
        return false;
    }
    bool right = true;
    for (uint32_t i = 0; i < next->num_listeners; i++)
        right &= reload_listener_prepare(broker, next, i, &listeners->at[i], errors);
    if (right)
        *out_state = listeners;
    else
        reload_listeners_dispose(broker, listeners);
    return right;
}

/* A listener that goes: its TLS side is disposed of when no shard can accept any more. */
static void reload_listener_end(struct broker *broker, unsigned place, struct reload_listener *at,
                                bool removed, bool ends)
{
    at->ended = true;
    at->address = broker->net.listeners[place].address;
    listen_end(&broker->net, place, ends);
    if (!removed)
        return;
    at->tls = broker->tls[place];
    broker->tls[place] = NULL;
}

static void reload_listener_commit(struct broker *broker, unsigned place,
                                   struct reload_listener *at)
{
    const struct config_listener *listener = &broker->config->listeners[place];
    struct listen_options options = broker_listen_options(listener);
    struct listener_policy *policy = at->policy;
    at->policy = broker->policies[place];
    broker->policies[place] = policy;
    if (at->is_new) {
        options.policy = listener_policy_view(policy);
        options.tls = at->tls;
        broker->tls[place] = at->tls;
        at->tls = NULL;
        listen_describe(&broker->net, place, &options);
    } else {
        listen_policy_set(&broker->net, place, listener_policy_view(policy));
        if (listen_adjust(&broker->net, place, &options) != RC_OK)
            LOG(LOG_WARNING, "reload: listener %s: the kernel refuses a TCP option",
                listener->name);
    }
    if (at->fds != NULL) {
        listen_begin(&broker->net, place, &at->address, at->fds);
        free(at->fds);
        at->fds = NULL;
    } else if (!listener->enable && reload_is_open(broker, place)) {
        reload_listener_end(broker, place, at, false, listener->close_connections);
    }
}

static void *reload_listeners_commit(struct broker *broker, void *state)
{
    struct reload_listeners *listeners = state;
    const struct config *config = broker->config;
    CHECK(config->num_listeners >= broker->net.listeners_num);
    for (uint32_t i = 0; i < config->num_listeners; i++) {
        if (!config->listeners[i].removed)
            reload_listener_commit(broker, i, &listeners->at[i]);
        else if (reload_is_open(broker, i))
            reload_listener_end(broker, i, &listeners->at[i], true,
                                config->listeners[i].close_connections);
    }
    return listeners;
}

const struct reload_part reload_part_listeners = {.name = "listeners",
                                                  .prepare = reload_listeners_prepare,
                                                  .commit = reload_listeners_commit,
                                                  .dispose = reload_listeners_dispose};
