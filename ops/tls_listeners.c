/*
 * tls_listeners.c -- see tls_listeners.h.
 * Threads: see tls_listeners.h.
 */
#include "tls_listeners.h"

#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "clock.h"
#include "listen.h"
#include "metrics.h"
#include "reload_table.h"

#define TLS_SOON_S (14 * 86400) /* what ends within two weeks is worth a line in the log */

bool tls_listener_wanted(const struct config_listener *listener)
{
    return (listen_uri_layers(listener->bind.scheme) & LISTEN_LAYER_TLS) != 0;
}

static struct tls_settings tls_listener_settings(const struct config_listener *listener)
{
    const struct config_listener_tls *tls = &listener->tls;
    return (struct tls_settings){
        .name = listener->name,
        .certificates = tls->certificate,
        .keys = tls->key,
        .ocsp = tls->ocsp,
        .ca = tls->ca,
        .crl = tls->crl,
        .psk_file = tls->psk_file,
        .psk_hint = tls->psk_hint,
        .ciphers = tls->ciphers,
        .verify = tls->verify,
        .version_min = tls->min_version,
        .verify_depth = tls->verify_depth,
        .ed25519 = tls->ed25519,
        .http = (listen_uri_layers(listener->bind.scheme) & LISTEN_LAYER_WEBSOCKET) != 0,
        .session_timeout_s = tls->session_timeout_s,
        .ticket_rotation_ms = tls->ticket_rotation_ms,
        .handshake_timeout_ms = tls->handshake_timeout_ms,
        .user_name = tls->peer_cert_as_username,
        .client_id = tls->peer_cert_as_clientid,
    };
}

static void tls_listener_refuse(const struct config_listener *listener, const char *reason,
                                struct error_list *errors)
{
    error_list_add(errors, "%s: listener %s: tls: %s", listener->place, listener->name, reason);
}

/* What is out of date, or will be soon. */
static void tls_listener_warn(const struct config_listener *listener, struct tls_server *server)
{
    int64_t now_s = (int64_t)(clock_wall_ms() / 1000);
    struct tls_expiry expiry;
    for (unsigned i = 0; tls_server_expiry(server, i, &expiry); i++) {
        long long hours = (expiry.at_s - now_s) / 3600;
        if (expiry.at_s <= now_s)
            LOG(LOG_WARNING, "listener %s: %s has expired", listener->name, expiry.file);
        else if (expiry.at_s <= now_s + TLS_SOON_S)
            LOG(LOG_WARNING, "listener %s: %s expires in %lld %s", listener->name, expiry.file,
                hours, log_noun((uint64_t)hours, "hour", "hours"));
    }
}

enum rc tls_listener_create(const struct config_listener *listener, struct tls_server **out,
                            struct error_list *errors)
{
    char reason[TLS_REASON_LEN_MAX];
    struct tls_settings settings = tls_listener_settings(listener);
    enum rc rc = tls_server_create(&settings, out, reason);
    if (rc == RC_OK)
        tls_listener_warn(listener, *out);
    else
        tls_listener_refuse(listener, reason, errors);
    return rc;
}

void tls_listeners_check(const struct config *config, struct error_list *errors)
{
    for (uint32_t i = 0; i < config->num_listeners; i++) {
        struct tls_server *server;
        if (tls_listener_wanted(&config->listeners[i]) &&
            tls_listener_create(&config->listeners[i], &server, errors) == RC_OK)
            tls_server_destroy(server);
    }
}

uint32_t tls_listeners_expiries(struct broker *broker, struct metrics_expiry *out,
                                struct tls_expiry *out_files, uint32_t max)
{
    uint32_t num = 0;
    for (uint32_t i = 0; i < broker->config->num_listeners; i++) {
        for (unsigned k = 0; broker->tls[i] != NULL && num < max; k++) {
            if (!tls_server_expiry(broker->tls[i], k, &out_files[num]))
                break;
            out[num] = (struct metrics_expiry){.listener = broker->config->listeners[i].name,
                                               .file = out_files[num].file,
                                               .at_s = out_files[num].at_s};
            num++;
        }
    }
    return num;
}

void tls_listeners_fini(struct broker *broker)
{
    for (uint32_t i = 0; i < CONFIG_LISTENERS_MAX; i++) {
        tls_server_destroy(broker->tls[i]);
        broker->tls[i] = NULL;
    }
}

/* ---- reload ---- */

/* Contexts that are prepared, or that were replaced, by the listener's place. */
struct tls_reload {
    struct tls_context *contexts[CONFIG_LISTENERS_MAX];
};

static void tls_reload_dispose(struct broker *broker, void *state)
{
    (void)broker;
    struct tls_reload *reload = state;
    for (uint32_t i = 0; i < CONFIG_LISTENERS_MAX; i++) {
        if (reload->contexts[i] != NULL)
            tls_context_unref(reload->contexts[i]);
    }
    free(reload);
}

/* The listener of that name in `next`; NULL: it has gone, and the present one stays as it is. */
static const struct config_listener *tls_reload_next(const struct config *next, const char *name)
{
    for (uint32_t i = 0; i < next->num_listeners; i++) {
        if (strcmp(next->listeners[i].name, name) == 0)
            return &next->listeners[i];
    }
    return NULL;
}

static bool tls_reload_prepare(struct broker *broker, const struct config *next,
                               struct error_list *errors, void **out_state)
{
    struct tls_reload *reload = calloc(1, sizeof(*reload));
    if (reload == NULL) {
        error_list_add(errors, "%s", rc_text(RC_NO_MEMORY));
        return false;
    }
    bool right = true;
    for (uint32_t i = 0; i < broker->config->num_listeners; i++) {
        const struct config_listener *listener = tls_reload_next(next,
                                                                 broker->config->listeners[i].name);
        if (broker->tls[i] == NULL || listener == NULL || !tls_listener_wanted(listener))
            continue;
        char reason[TLS_REASON_LEN_MAX];
        struct tls_settings settings = tls_listener_settings(listener);
        if (tls_server_prepare(broker->tls[i], &settings, &reload->contexts[i], reason) != RC_OK) {
            tls_listener_refuse(listener, reason, errors);
            right = false;
        }
    }
    if (right)
        *out_state = reload;
    else
        tls_reload_dispose(broker, reload);
    return right;
}

static void *tls_reload_commit(struct broker *broker, void *state)
{
    struct tls_reload *reload = state;
    for (uint32_t i = 0; i < CONFIG_LISTENERS_MAX; i++) {
        if (reload->contexts[i] == NULL)
            continue;
        reload->contexts[i] = tls_server_commit(broker->tls[i], reload->contexts[i]);
        tls_listener_warn(&broker->config->listeners[i], broker->tls[i]);
    }
    return reload;
}

const struct reload_part reload_part_tls = {.name = "tls",
                                            .prepare = tls_reload_prepare,
                                            .commit = tls_reload_commit,
                                            .dispose = tls_reload_dispose};
