/*
 * config_listener.c -- the list of listeners in a configuration while it is built.
 *
 * An array that grows by one; there are at most CONFIG_LISTENERS_MAX. Names are given at the end,
 * when all addresses are known, because a listener without a name of its own is called by its
 * address.
 */
#include "config_listener.h"

#include "config_value.h"
#include "listener_policy.h"

#include <stdlib.h>
#include <string.h>

void config_listener_fini(struct config_listener *listener)
{
    uint32_t num = 0;
    const struct config_key *keys = config_listener_keys(&num);
    for (uint32_t i = 0; i < num; i++)
        config_value_clear(&keys[i], listener);
    free(listener->place);
    listener->place = NULL;
}

bool config_listener_blank(struct config_listener *listener, struct error_list *errors)
{
    struct config_report report = {.errors = errors, .place = "listeners"};
    memset(listener, 0, sizeof(*listener));
    uint32_t num = 0;
    const struct config_key *keys = config_listener_keys(&num);
    listener->place = strdup("");
    bool right = listener->place != NULL;
    for (uint32_t i = 0; right && i < num; i++)
        right = config_value_reset(&keys[i], listener, &report);
    return right;
}

struct config_listener *config_listener_add(struct config *config, const char *place,
                                            struct error_list *errors)
{
    CHECK(config != NULL && place != NULL && errors != NULL);
    CHECK(config->num_listeners <= CONFIG_LISTENERS_MAX);
    struct config_report report = {.errors = errors, .place = place};
    if (config->num_listeners == CONFIG_LISTENERS_MAX) {
        config_refuse(&report, "there are more than %d listeners", CONFIG_LISTENERS_MAX);
        return NULL;
    }
    struct config_listener *list = reallocarray(config->listeners, config->num_listeners + 1,
                                                sizeof(*list));
    if (list == NULL) {
        config_refuse(&report, "%s", rc_text(RC_NO_MEMORY));
        return NULL;
    }
    config->listeners = list;
    struct config_listener *listener = &list[config->num_listeners];
    memset(listener, 0, sizeof(*listener));
    listener->place = strdup(place);
    bool right = listener->place != NULL || config_refuse(&report, "%s", rc_text(RC_NO_MEMORY));
    uint32_t num = 0;
    const struct config_key *keys = config_listener_keys(&num);
    for (uint32_t i = 0; right && i < num; i++)
        right = config_value_reset(&keys[i], listener, &report);
    if (!right) {
        config_listener_fini(listener);
        return NULL;
    }
    config->num_listeners++;
    return listener;
}

static bool config_listener_same_bind(const struct listen_uri *a, const struct listen_uri *b)
{
    return (a->scheme == LISTEN_UNIX) == (b->scheme == LISTEN_UNIX) && a->port == b->port &&
           (a->port != 0 || a->scheme == LISTEN_UNIX) && strcasecmp(a->host, b->host) == 0;
}

/* Letters, digits and `_.:-` only: names become parts of metrics and log lines. */
static bool config_listener_name_is_plain(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_.:-";
    return strspn(name, allowed) == strlen(name);
}

/* The name an operator gave is judged, a missing one is made of the address. */
static void config_listener_finish_name(struct config_listener *listener,
                                        const struct config_report *report)
{
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    if (listener->name[0] != '\0') {
        if (!config_listener_name_is_plain(listener->name))
            config_refuse(report, "the name \"%s\" has more than letters, digits and _.:-",
                          error_list_quote(listener->name, quote));
        return;
    }
    char address[LISTEN_URI_LEN_MAX + 1];
    char *name = strdup(listen_uri_format(&listener->bind, address));
    if (name == NULL) {
        config_refuse(report, "%s", rc_text(RC_NO_MEMORY));
        return;
    }
    free(listener->name);
    listener->name = name;
}

/* A listener with TLS needs keys, and one without must not look as if it had some. */
static void config_listener_finish_tls(const struct config_listener *listener,
                                       const struct config_report *report)
{
    const struct config_listener_tls *tls = &listener->tls;
    bool has_keys = tls->certificate[0] != '\0' || tls->psk_file[0] != '\0';
    bool wants_clients = tls->verify != TLS_VERIFY_NONE || tls->ca[0] != '\0';
    bool is_tls = (listen_uri_layers(listener->bind.scheme) & LISTEN_LAYER_TLS) != 0;
    if (is_tls && !has_keys)
        config_refuse(report,
                      "the listener %s has TLS and needs `tls.certificate` (or "
                      "`tls.psk_file`)",
                      listener->name);
    if (is_tls && tls->verify != TLS_VERIFY_NONE && tls->ca[0] == '\0')
        config_refuse(report, "the listener %s verifies clients and needs `tls.ca`",
                      listener->name);
    if (is_tls && tls->verify == TLS_VERIFY_NONE && (tls->ca[0] != '\0' || tls->crl[0] != '\0'))
        config_refuse(report, "the listener %s has `tls.ca` or `tls.crl`, and `tls.verify` is none",
                      listener->name);
    if (!is_tls && (has_keys || wants_clients))
        config_refuse(report, "the listener %s has no TLS: its address has to begin with tls://",
                      listener->name);
}

void config_listeners_finish(struct config *config, struct error_list *errors)
{
    CHECK(config != NULL && errors != NULL);
    for (uint32_t i = 0; i < config->num_listeners; i++) {
        struct config_listener *listener = &config->listeners[i];
        struct config_report report = {.errors = errors, .place = listener->place};
        bool is_unnamed = listener->name[0] == '\0';
        if (listener->bind.scheme == LISTEN_SCHEME_COUNT) {
            if (!listener->has_bind)
                config_refuse(&report, "the listener has no address, it needs `bind`");
            continue;
        }
        config_listener_finish_name(listener, &report);
        config_listener_finish_tls(listener, &report);
        listener_policy_check(listener, &report);
        for (uint32_t j = 0; j < i; j++) {
            const struct config_listener *other = &config->listeners[j];
            char address[LISTEN_URI_LEN_MAX + 1];
            if (config_listener_same_bind(&listener->bind, &other->bind))
                config_refuse(&report, "the address %s is taken by the listener at %s",
                              listen_uri_format(&listener->bind, address), other->place);
            else if (!is_unnamed && strcmp(listener->name, other->name) == 0)
                config_refuse(&report, "the name \"%s\" is taken by the listener at %s",
                              listener->name, other->place);
        }
    }
}

void config_listeners_fini(struct config *config)
{
    CHECK(config != NULL);
    for (uint32_t i = 0; i < config->num_listeners; i++)
        config_listener_fini(&config->listeners[i]);
    free(config->listeners);
    config->listeners = NULL;
    config->num_listeners = 0;
}
