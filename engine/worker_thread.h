/*
 * worker_thread.h -- a thread for what would keep a shard waiting: an endpoint of the mesh.
 *
 * It sleeps until mail comes, hands it to its function one record at a time, and sends what that
 * has answered before it takes the next. It runs while a core has nothing else to do (SCHED_IDLE),
 * so that a queue of slow computations takes what the shards leave; it is never pinned. On a
 * machine that is busy all the time next to nothing is left: a record that waits for a core for
 * WORKER_STARVED_MS makes the worker compete, at nice WORKER_NICE, until cores are free again.
 *
 * Coming back from SCHED_IDLE needs CAP_SYS_NICE or a RLIMIT_NICE of 20 - WORKER_NICE (systemd:
 * LimitNICE=). Without it the worker competes all the time, at nice 19.
 *
 * Threads: start, stop and look by the thread that owns the runtime, start before the shards start
 * and stop after they have ended; the function runs on the worker.
 */
#ifndef SLUICE_WORKER_THREAD_H
#define SLUICE_WORKER_THREAD_H

#include "shard.h"

#define WORKER_MAGIC      0x574f524bu
#define WORKER_NICE       10  /* beside a shard that wants a whole core: about a tenth of it */
#define WORKER_STARVED_MS 200 /* a client waits for several records; it should see no second */

struct worker;

/* How a worker shares the cores: in competition, or takes what is left, or was starved of that. */
enum worker_policy { WORKER_COMPETES, WORKER_YIELDS, WORKER_HURRIES };

/* Handles one record of mail; what it owns is now the function's. */
typedef void (*worker_fn)(struct mail_port *port, const struct mail *mail);

struct worker {
    uint32_t magic;          /* [I] */
    shard_id endpoint;       /* [I] */
    uint32_t stopping;       /* [A] */
    uint32_t policy;         /* [A] enum worker_policy */
    uint32_t done;           /* [A] records handled; the low bit is 1 while one is */
    struct runtime *runtime; /* [I] */
    worker_fn fn;            /* [I] */
    struct mail_port *port;  /* [O] */
    struct stats *stats;     /* [A] one writer */
    pthread_t thread;        /* [I] */
    int tid;                 /* [A] of the thread, for the scheduler; 0: not running yet */
    uint32_t seen;           /* [O] of worker_look: `done` as it was, */
    uint64_t seen_ns;        /* [O] when that was, */
    uint64_t seen_cpu_ns;    /* [O] and what the thread had computed by then */
};

/* Starts a worker at `endpoint` of the mesh. RC_NO_MEMORY, RC_IO: nothing has started. */
MUST_USE enum rc worker_start(struct worker *worker, struct runtime *runtime, shard_id endpoint,
                              worker_fn fn);

/* Lets a worker compete that has waited too long for a core. Call several times a second. */
void worker_look(struct worker *worker, uint64_t now_ns);

/* Ends it after the record it is at; mail that is left goes to the runtime's table of drops. */
void worker_stop(struct worker *worker);

#endif
