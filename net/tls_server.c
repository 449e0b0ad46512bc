/*
 * tls_server.c -- see tls_server.h.
 * Threads: see tls_server.h; the mutex guards the pointer to the newest context.
 */
#include "tls_server.h"

#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>

#include "mem.h"
#include "tls_context.h"
#include "tls_load.h"

#define TLS_SERVER_MAGIC 0x544c5353u

struct tls_server {
    uint32_t magic;
    pthread_mutex_t mutex;
    struct tls_context *context;
};

enum rc tls_server_create(const struct tls_settings *settings, struct tls_server **out,
                          char *out_reason)
{
    snprintf(out_reason, TLS_REASON_LEN_MAX, "%s", rc_text(RC_NO_MEMORY));
    struct tls_server *server = mem_alloc(sizeof(*server));
    if (server == NULL)
        return RC_NO_MEMORY;
    enum rc rc = RC_NO_MEMORY;
    server->magic = TLS_SERVER_MAGIC;
    struct tls_tickets *tickets = tls_tickets_create(settings->ticket_rotation_ms);
    if (tickets != NULL) {
        rc = tls_context_create(settings, tickets, &server->context, out_reason);
        tls_tickets_unref(tickets);
    }
    if (rc != RC_OK) {
        mem_free(server);
        return rc;
    }
    pthread_mutex_init(&server->mutex, NULL);
    *out = server;
    return RC_OK;
}

enum rc tls_server_prepare(const struct tls_server *server, const struct tls_settings *settings,
                           struct tls_context **out, char *out_reason)
{
    CHECK_OBJ(server, TLS_SERVER_MAGIC);
    const struct tls_context *current = server->context;
    struct tls_context *fresh;
    enum rc rc = tls_context_create(settings, current->tickets, &fresh, out_reason);
    if (rc != RC_OK)
        return rc;
    /*
     * New keys, not the old ones emptied: a handshake that is under way with the old context may
     * still seal a ticket, which must be worthless too.
     */
    if (memcmp(current->trust, fresh->trust, sizeof(fresh->trust)) != 0) {
        struct tls_tickets *tickets = tls_tickets_create(settings->ticket_rotation_ms);
        if (tickets == NULL) {
            tls_context_unref(fresh);
            snprintf(out_reason, TLS_REASON_LEN_MAX, "%s", rc_text(RC_NO_MEMORY));
            return RC_NO_MEMORY;
        }
        tls_tickets_unref(fresh->tickets);
        fresh->tickets = tickets;
    }
    *out = fresh;
    return RC_OK;
}

struct tls_context *tls_server_commit(struct tls_server *server, struct tls_context *fresh)
{
    CHECK_OBJ(server, TLS_SERVER_MAGIC);
    struct tls_context *old = server->context;
    tls_tickets_set_rotation(fresh->tickets, fresh->ticket_rotation_ms);
    pthread_mutex_lock(&server->mutex);
    server->context = fresh;
    pthread_mutex_unlock(&server->mutex);
    return old;
}

void tls_server_destroy(struct tls_server *server)
{
    if (server == NULL)
        return;
    CHECK_OBJ(server, TLS_SERVER_MAGIC);
    tls_context_unref(server->context);
    pthread_mutex_destroy(&server->mutex);
    server->magic = 0;
    mem_free(server);
}

struct tls_context *tls_server_take(struct tls_server *server)
{
    CHECK_OBJ(server, TLS_SERVER_MAGIC);
    pthread_mutex_lock(&server->mutex);
    struct tls_context *context = server->context;
    __atomic_fetch_add(&context->refs, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&server->mutex);
    return context;
}

bool tls_server_expiry(struct tls_server *server, unsigned i, struct tls_expiry *out)
{
    struct tls_context *context = tls_server_take(server);
    unsigned num = context->certificates[0].leaf != NULL ? context->num_certificates : 0;
    bool found = true;
    if (i < num) {
        const struct tls_certificate *certificate = &context->certificates[i];
        snprintf(out->file, sizeof(out->file), "%s", certificate->file);
        out->at_s = tls_load_time(X509_get0_notAfter(certificate->leaf));
    } else if (i == num && context->crl_expires_s != INT64_MAX) {
        snprintf(out->file, sizeof(out->file), "%s", context->crl_file);
        out->at_s = context->crl_expires_s;
    } else {
        found = false;
    }
    tls_context_unref(context);
    return found;
}
