/*
 * worker.h -- a thread of the generator: its clients, its poller, its counts.
 *
 * A turn of the loop: wait for events, handle them (which makes clients dirty: they have something
 * to send, or may have), then fill and send for every dirty client. In an open loop the wait ends
 * when the next message is due: publishers of a schedule are due in the order of their numbers, so
 * a cursor that goes round over them is all the timer there is. A publisher whose subscribers
 * sit on another worker is made dirty by a poke from there: a flag, and a wake-up only if the
 * worker has said that it sleeps.
 *
 * Threads: as said at each field.
 */
#ifndef BENCH_WORKER_H
#define BENCH_WORKER_H

#include "client.h"
#include "control.h"
#include "counters.h"
#include "endpoint.h"
#include "histogram.h"
#include "options.h"
#include "poller.h"
#include "series.h"

/* How often tallies are looked at and handshakes counted, and the longest wait. */
#define WORKER_TICK_NS UINT64_C(100000000)

struct worker {
    const struct options *options;   /* [I] */
    const struct endpoint *endpoint; /* [I] */
    struct control *control;         /* [I] shared by all */
    struct worker *workers;          /* [I] all of them, this one among them */
    uint32_t index;                  /* [I] in workers */
    int cpu;                         /* [I] -1: not pinned */
    struct client **clients;         /* [I] owned array */
    uint32_t num_clients;            /* [I] */
    struct tally_lane **lanes;       /* [I] owned array; those whose tallies it looks after */
    uint32_t num_lanes;              /* [I] */
    bool is_lane_locked;             /* [I] the lanes are of groups on several workers */
    const char *run_id;              /* [I] part of client ids and topics */

    struct secure_worker *secure; /* NULL: without TLS */
    struct poller poller;         /* [O] */
    struct stream_pool pool;      /* [O] */
    uint32_t num_opened;          /* [O] clients[0 .. num_opened) are opened */
    struct client **dirty;        /* [O] at most num_clients */
    struct client **dirty_spare;  /* [O] the list being worked off */
    uint32_t num_dirty;           /* [O] */
    bool is_open;                 /* [O] the poller is */
    bool *pokes;                  /* [O] workers to poke at the end of the turn */
    uint64_t now_ns;              /* [O] when the piece of input being handled arrived */
    uint64_t ticked_ns;           /* [O] */
    bool is_publishing;           /* [O] */
    bool is_recording;            /* [O] */
    bool is_storming;             /* [O] the measured time has come */
    bool has_cut;                 /* [O] in the present phase */
    struct series_part latency;   /* [O] read by others once joined */
    struct histogram *lateness;   /* [O] owned; open loop: from due to written */
    struct histogram *acks;       /* [O] owned; QoS 1 and 2: from sent, or due, to acknowledged */
    uint32_t first_publisher;     /* [I] clients[first_publisher ..] are publishers */
    uint32_t due_client;          /* [O] open loop: whose message is due next ... */
    uint64_t due_number;          /* [O] ... and its number */
    struct counters counters;     /* [A] one writer */

    _Alignas(64) _Atomic bool is_asleep; /* [A] */
    _Atomic bool is_poked;               /* [A] */
    _Atomic uint32_t num_ready;          /* [A] clients */
    _Atomic uint32_t num_unfinished;     /* [A] handshakes of QoS 1 and 2 under way, both sides */
    _Atomic int thread_id;               /* [A] the kernel's; 0 until it runs */
    pthread_t thread;                    /* [I] */
};

/* Starts the thread. RC_IO: it cannot be; RC_UNSUPPORTED: --io asks for what is not there. */
enum rc worker_start(struct worker *worker) MUST_USE;

/* After CONTROL_STOP. */
void worker_join(struct worker *worker);

/* Makes the worker look at the control and at its publishers now. Any thread. */
void worker_poke(struct worker *worker);

/* The client is looked at before this worker waits again. */
static inline void worker_mark(struct worker *worker, struct client *client)
{
    if (client->is_dirty)
        return;
    client->is_dirty = true;
    CHECK(worker->num_dirty < worker->num_clients);
    worker->dirty[worker->num_dirty++] = client;
}

/*
 * When the client wanted to connect: when it was due at --connect-rate; without a rate all want it
 * at once, when the phase begins, and wait for each other.
 */
uint64_t worker_asked_ns(const struct worker *worker, uint64_t client_number);

/* A lane's head has moved: its publisher, maybe on another worker, may send more. */
static inline void worker_credit(struct worker *worker, struct client *publisher)
{
    if (LIKELY(publisher->worker == worker))
        worker_mark(worker, publisher);
    else
        worker->pokes[publisher->worker->index] = true;
}

/*
 * What the thread has used so far, in ns: time on a core, and time it was ready to run but another
 * thread had the core (0 where the kernel does not tell). Any thread, until it is joined.
 */
struct worker_usage {
    uint64_t cpu_ns;
    uint64_t delayed_ns;
};

struct worker_usage worker_usage(const struct worker *worker);

#endif
