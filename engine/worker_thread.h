/*
 * worker_thread.h -- a thread for what would keep a shard waiting: an endpoint of the mesh.
 *
 * It sleeps until mail comes, hands it to its function one record at a time, and sends what that
 * has answered before it takes the next. It runs only while a core has nothing else to do
 * (SCHED_IDLE), so that a queue of slow computations takes what the shards leave; it is never
 * pinned.
 *
 * Threads: start and stop by the thread that owns the runtime, before the shards start and after
 * they have ended; the function runs on the worker.
 */
#ifndef SLUICE_WORKER_THREAD_H
#define SLUICE_WORKER_THREAD_H

#include "shard.h"

#define WORKER_MAGIC 0x574f524bu

struct worker;

/* Handles one record of mail; what it owns is now the function's. */
typedef void (*worker_fn)(struct mail_port *port, const struct mail *mail);

struct worker {
    uint32_t magic;          /* [I] */
    shard_id endpoint;       /* [I] */
    uint32_t stopping;       /* [A] */
    struct runtime *runtime; /* [I] */
    worker_fn fn;            /* [I] */
    struct mail_port *port;  /* [O] */
    struct stats *stats;     /* [A] one writer */
    pthread_t thread;        /* [I] */
};

/* Starts a worker at `endpoint` of the mesh. RC_NO_MEMORY, RC_IO: nothing has started. */
MUST_USE enum rc worker_start(struct worker *worker, struct runtime *runtime, shard_id endpoint,
                              worker_fn fn);

/* Ends it after the record it is at; mail that is left goes to the runtime's table of drops. */
void worker_stop(struct worker *worker);

#endif
