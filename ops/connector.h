/*
 * connector.h -- the helper process sluice-connect: started, watched, asked, and started again.
 *
 * Libraries that speak to the outside bring OpenSSL with them, which must not live in one process
 * with BoringSSL. They live in sluice-connect, which sluiced starts and speaks to over a socket
 * (connect_wire.h). If it dies, or no longer answers, everything asked of it is answered with
 * status 0 at once, and it is started again: after CONNECTOR_RESTART_MS, twice that, and so on up
 * to CONNECTOR_RESTART_MS_MAX. It ends by itself when sluiced does.
 *
 *     connector_create --> UP <--> WAITING (to start it again) --> connector_destroy
 *
 * Every request has a time-out of its own, kept by the helper. One that it does not answer
 * CONNECTOR_GRACE_MS later means that it hangs: it is killed.
 *
 * Bounds: CONNECTOR_REQUESTS_MAX requests under way.
 *
 * Threads: one thread, which polls connector_fd and calls connector_run.
 */
#ifndef SLUICE_CONNECTOR_H
#define SLUICE_CONNECTOR_H

#include "connect_wire.h"
#include "rc.h"

#define CONNECTOR_REQUESTS_MAX   1024
#define CONNECTOR_GRACE_MS       2000
#define CONNECTOR_RESTART_MS     100
#define CONNECTOR_RESTART_MS_MAX 5000

struct connector;

/* The answer, valid during the call; status 0: none, and the body says why. May ask again. */
typedef void (*connector_done_fn)(void *context, const struct connect_response *response);

/* A value. */
struct connector_figures {
    uint64_t starts;
    uint64_t requests;
    uint64_t failures; /* answers with status 0 */
    uint32_t under_way;
    bool is_up;
};

/*
 * Starts `program`. RC_NO_MEMORY. A program that does not start is not an error here: it is tried
 * again, as after a death.
 */
MUST_USE enum rc connector_create(struct connector **out, const char *program);

/* Ends the helper; what is under way is forgotten, no callback is called. NULL is allowed. */
void connector_destroy(struct connector *connector);

/* Ends the helper and answers everything under way with status 0; nothing can be asked again. */
void connector_abandon(struct connector *connector);

/*
 * Asks. `done` is called once, from a later connector_run, unless cancelled. RC_FULL: too many are
 * under way, RC_IO: the helper is not up, RC_TOO_LARGE, RC_NO_MEMORY: `done` will not be called.
 */
MUST_USE enum rc connector_ask(struct connector *connector, const struct connect_request *request,
                               connector_done_fn done, void *context, uint32_t *out_id);

/* Nobody waits any more: `done` will not be called. */
void connector_cancel(struct connector *connector, uint32_t id);

/* For poll: -1 while there is no helper; and how long it may wait, at most `most_ms`. */
int connector_fd(const struct connector *connector);
short connector_events(const struct connector *connector);
int connector_timeout_ms(const struct connector *connector, int most_ms);

/* Reads, writes, starts again, gives up on what hangs. Whenever poll returns. */
void connector_run(struct connector *connector);

void connector_figures_read(const struct connector *connector, struct connector_figures *out);

/* Where sluice-connect is: beside the running program. False if there is none. */
MUST_USE bool connector_find(char *out, size_t size);

#endif
