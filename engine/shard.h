/*
 * shard.h -- one core's runtime: ring, mail port, timers, counters, and the turn of its loop.
 *
 * A shard is a thread pinned to a core. What it owns is touched by that thread only; each public
 * function of a shard-owned object asserts so with SHARD_CHECK. The turn:
 *
 *     enter the kernel (submit; sleep if there was nothing to do)      ring.h
 *     read the clock once                                              clock.h
 *   [ epoch section begins
 *     reap completions, hand each to its row of the operation table    op.h
 *     drain mail: control, confirmations, data                         mail.h
 *     run due timers                                                   timer.h
 *     end-of-turn hooks: net writes to connections that became dirty
 *     flush mail, wake sleeping receivers
 *   ] epoch section ends; reclaim what no shard can see any more       epoch.h
 *
 * A turn is bounded: SHARD_COMPLETIONS_PER_TURN completions or SHARD_WORK_PER_TURN bytes of input,
 * whichever is first, so that output and other clients wait for at most a fraction of a
 * millisecond.
 *
 * The engine knows nothing of MQTT: upper floors fill the operation table, the mail table and the
 * hooks before the shard starts, and hang their own state on `route`, `net` and `wal`.
 *
 * Threads: `runtime` is set up by the main thread before shards start; a shard by its own thread.
 */
#ifndef SLUICE_SHARD_H
#define SLUICE_SHARD_H

#include <pthread.h>

#include "check.h"
#include "epoch.h"
#include "latency.h"
#include "log.h"
#include "mail.h"
#include "op.h"
#include "ring.h"
#include "spin.h"
#include "stat.h"
#include "timer.h"
#include "types.h"

#define SHARD_MAGIC 0x53484152u

#define SHARD_MAIL_KINDS_MAX 32

/* Histograms of a shard: its turns, and what the upper floors count as deliveries and commits. */
enum shard_latency {
    SHARD_LATENCY_TURN,
    SHARD_LATENCY_DELIVERY,
    SHARD_LATENCY_COMMIT,
    SHARD_LATENCY_COUNT
};

struct shard;

typedef void (*shard_op_fn)(struct shard *shard, const struct completion *completion);
typedef void (*shard_mail_fn)(struct shard *shard, const struct mail *mail);

/* Releases what a record owns that nobody will receive any more. Any thread. */
typedef void (*shard_drop_fn)(const struct mail *mail);

/* Returns true if it has more to do at once, so that the shard must not sleep. */
typedef bool (*shard_hook_fn)(struct shard *shard);

/* What upper floors fill in; the same for all shards; a plain value. */
struct shard_tables {
    shard_op_fn ops[OP_COUNT];
    shard_mail_fn mails[SHARD_MAIL_KINDS_MAX];
    shard_drop_fn drops[SHARD_MAIL_KINDS_MAX]; /* NULL: records of this kind own nothing */
    bool (*start)(struct shard *shard);        /* on the shard's thread; false: give up */
    bool (*begin)(struct shard *shard);        /* behind it, and the same; NULL for none */
    void (*stop)(struct shard *shard);         /* on the shard's thread, after the last turn */
    shard_hook_fn turn_end[2];                 /* in order: route, net */
    /* After a turn, NULL for none: when it ended, by the clock. */
    void (*turned)(struct shard *shard, uint64_t end_ns);
};

/* How many threads and buffers, a value. */
struct runtime_options {
    unsigned shards;
    unsigned helpers;                 /* endpoints beside the shards; the first is the ops thread */
    const uint16_t *cpus;             /* one per shard; NULL: not pinned */
    uint64_t spin_max_ns;             /* at most so long before sleeping; 0: never */
    struct ring_buffers recv_buffers; /* per shard */
};

struct runtime {
    uint32_t magic;                    /* [I] */
    struct runtime_options options;    /* [I] */
    struct shard_tables tables;        /* [I] */
    struct mesh *mesh;                 /* [I] */
    struct epoch *epoch;               /* [I] */
    struct shard *shards;              /* [I] options.shards of them */
    int event_fds[MAIL_ENDPOINTS_MAX]; /* [I] */
    uint32_t started;                  /* [A] shards whose start has ended */
    uint32_t failed;                   /* [A] of these, how many gave up */
    uint32_t met;                      /* [A] how often a shard has come to runtime_meet */
    bool threaded;                     /* [I] shards have threads of their own (runtime_start) */
    void *user;                        /* [I] what the upper floors share between shards */
};

struct shard {
    uint32_t magic;             /* [I] */
    shard_id id;                /* [I] */
    bool busy;                  /* [O] the last turn left work */
    uint32_t stopping;          /* [A] set by shard_stop */
    struct runtime *runtime;    /* [I] */
    struct ring *ring;          /* [O] */
    struct mail_port *port;     /* [O] */
    struct timer_wheel timers;  /* [O] */
    struct epoch_record *epoch; /* [O] */
    struct log_ring *log;       /* [I] filled here, emptied by the ops thread */
    struct stats *stats;        /* [A] one writer */
    struct latency *latencies;  /* [A] one writer; SHARD_LATENCY_COUNT of them */
    uint64_t now_ns;            /* [O] of this turn */
    uint64_t now_ms;            /* [O] of this turn */
    uint64_t work;              /* [O] input bytes handled in this turn */
    struct spin spin;           /* [O] */
    uint64_t idle_from_ns;      /* [O] since when there was nothing to do; 0: there was */
    int ring_fd;                /* [A] -1 until the ring exists */
    void *route;                /* [O] route's state of this shard */
    void *net;                  /* [O] net's */
    void *wal;                  /* [O] persist's: the log, NULL if there is none */
    pthread_t thread;           /* [I] */
};

/* The shard of the calling thread; NULL on other threads. */
extern _Thread_local struct shard *shard_self;

/* Its counters, for what has no shard at hand; those of other threads go where nobody reads. */
extern _Thread_local struct stats *stats_self;
extern struct stats stats_of_nobody;

/* The calling thread is this shard from now on; NULL: none. */
static inline void shard_become(struct shard *shard)
{
    shard_self = shard;
    stats_self = shard == NULL ? &stats_of_nobody : shard->stats;
}

/* First line of every public function of a shard-owned object. */
#define SHARD_CHECK(shard) CHECK((shard) == shard_self && (shard)->magic == SHARD_MAGIC)

/* Sets up everything but the threads. RC_NO_MEMORY or RC_IO on failure. */
enum rc runtime_create(struct runtime **out, const struct runtime_options *options,
                       const struct shard_tables *tables, void *user);

/* Starts the threads and waits until all are up. RC_IO: one gave up; all have been stopped. */
enum rc runtime_start(struct runtime *runtime);

/*
 * In the start of a shard: waits until every shard has come here; any number of times, all shards
 * equally often. False: one gave up. Where shards are opened one after the other on one thread (the
 * simulator) there is nothing to wait for.
 */
MUST_USE bool runtime_meet(struct runtime *runtime);

/* Asks every shard to end after its present turn, and joins the threads. */
void runtime_stop(struct runtime *runtime);
void runtime_destroy(struct runtime *runtime);

/* Wakes endpoint `target` from a thread that has no ring. */
void runtime_wake(struct runtime *runtime, shard_id target);

/* Hands a completion to its row of the table, as a turn does. */
void shard_completion(struct shard *shard, const struct completion *completion);

/* Sets up the shard's own objects on the calling thread, which becomes the shard's. */
enum rc shard_open(struct shard *shard);
void shard_close(struct shard *shard);

/* One turn. `may_sleep` false: look, do what there is, return. */
void shard_turn(struct shard *shard, bool may_sleep);

/*
 * What the turn has made so far, mail and requests, leaves now and not at its end: before something
 * that takes long. For a hook, which has to return true then: who waited for room for mail may have
 * missed that there was some.
 */
void shard_push(struct shard *shard);

/* Mail to another shard (or to itself, which is delivered in a later turn). */
static inline void shard_mail(struct shard *shard, shard_id to, enum mail_class class,
                              struct mail *mail)
{
    mail_send(shard->port, to, class, mail);
}

static inline void shard_count(struct shard *shard, unsigned index, uint64_t amount)
{
    stat_add(shard->stats, index, amount);
}

#endif
