/*
 * outside.h -- the thread that speaks to the helper process on behalf of the shards.
 *
 * An endpoint of the mesh beside the shards: jobs of authentication whose step runs at the helper
 * come as mail, questions go out over the socket of sluice-connect (connector.h), answers go home
 * as mail. The process is started when the first question comes. The thread is not the ops thread,
 * which may be busy with a reload or a slow disk while clients wait to be let in.
 *
 * Threads: start and stop by main, before the shards start and after they have ended; figures: any.
 */
#ifndef SLUICE_OUTSIDE_H
#define SLUICE_OUTSIDE_H

#include "authn_http.h"
#include "connector.h"
#include "jwks.h"
#include "shard.h"

#define OUTSIDE_MAGIC 0x4f555453u

struct outside {
    uint32_t magic;
    shard_id endpoint;
    uint32_t stopping; /* atomic */
    struct runtime *runtime;
    struct mail_port *port;
    struct stats *stats;
    struct connector *connector; /* NULL: nobody has asked yet */
    struct authn_http_door door;
    struct jwks jwks;
    struct connector_figures figures; /* a copy under the lock */
    pthread_mutex_t lock;
    pthread_t thread;
    char program[4096]; /* empty: sluice-connect is not installed */
};

/* RC_NO_MEMORY, RC_IO: nothing has started. */
MUST_USE enum rc outside_start(struct outside *outside, struct runtime *runtime, shard_id endpoint);

/* Ends thread and process; jobs under way are dropped. Nothing if it was not started. */
void outside_stop(struct outside *outside);

void outside_figures(struct outside *outside, struct connector_figures *out);

#endif
