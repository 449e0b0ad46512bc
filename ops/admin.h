/*
 * admin.h -- the HTTP endpoint for operators: /metrics, /livez, /readyz.
 *
 *   GET /metrics   200, the metrics (exposition.h says how the format is chosen)
 *   GET /livez     200 while the ops thread turns
 *   GET /readyz    200, or 503 with one line that says why not
 *
 * HEAD is answered like GET without the body. Other paths are 404, other methods 405. It knows
 * nothing of the broker: what to say comes from the hooks.
 *
 * It has no thread of its own: admin_fd becomes readable when there is work, and admin_run does it.
 * Bounds: those of http_server.h; no body.
 *
 * Threads: the ops thread.
 */
#ifndef SLUICE_ADMIN_H
#define SLUICE_ADMIN_H

#include "exposition.h"
#include "listen_uri.h"
#include "rc.h"

struct admin;

/* What the endpoint asks, on the ops thread, from inside admin_run. */
struct admin_hooks {
    void *context;
    /* Writes the metrics, without the end. */
    void (*write)(void *context, struct exposition *out);
    /* NULL: ready. Otherwise one line, static text, that says why not. */
    const char *(*not_ready)(void *context);
};

/*
 * Listens at `uri`. RC_OK: *out_port is the port in use. RC_EXISTS: somebody else listens there.
 * RC_NOT_FOUND, RC_IO, RC_NO_MEMORY: it cannot. On failure *out is NULL and `out_reason` has the
 * system's words. `hooks` is borrowed until admin_close.
 */
MUST_USE enum rc admin_open(struct admin **out, const struct listen_uri *uri,
                            const struct admin_hooks *hooks, uint16_t *out_port, char *out_reason,
                            size_t reason_size);

/* To be polled for reading, level-triggered. */
int admin_fd(const struct admin *admin);

/* How long admin_run can wait if the descriptor does not become readable; at most `most_ms`. */
int admin_timeout_ms(const struct admin *admin, int most_ms);

/* Takes what has come and sends what can be sent. Never waits. Call at least once a second. */
void admin_run(struct admin *admin, uint64_t now_ms);

/* Closes all connections and the listening socket. NULL is allowed. */
void admin_close(struct admin *admin);

#endif
