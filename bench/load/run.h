/*
 * run.h -- one measurement from the first connection to the last delivery.
 *
 * Connect everybody; publish for the warm-up; publish for the measured time, reading the counters
 * before and after it and recording latencies in between; stop publishing and wait until every
 * message has arrived, been acknowledged, or has been given up. Rates and latencies are of the
 * measured time, the accounting of messages is of the whole run.
 *
 * In an open loop the latencies are those of the messages that were due in the measured time,
 * whenever they arrived. What was due and could not be sent up to one stall (--stall) after the end
 * is counted as unsent, and in the latencies each with the wait it had had by then.
 *
 * What is retained (the scenario `retained`) is published first; then all subscribers ask for it at
 * once, and the measured time is that until they have it. At the end it is taken back.
 *
 * SIGINT ends whatever goes on early and still reports; a second one kills.
 *
 * Threads: the main thread.
 */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "fleet.h"
#include "series.h"

/* What is counted as delivered, and with it what a latency is. */
enum run_kind {
    RUN_MESSAGES,    /* deliveries; from sending (or the time it was due) */
    RUN_CONNECTIONS, /* CONNACKs and SUBACKs; from the wish to connect */
    RUN_RETAINED,    /* deliveries; from SUBSCRIBE */
};

struct run_result {
    enum run_kind kind;
    const struct options *options;   /* borrowed */
    const struct scenario *scenario; /* borrowed */
    const char *io;                  /* name of the poller used; static */
    char run_id[FLEET_RUN_ID_LEN + 1];
    uint32_t num_publishers;
    uint32_t num_subscribers;
    uint32_t num_destinations;
    uint64_t connect_ns;      /* until all clients were ready */
    uint64_t measured_ns;     /* as it was, not as asked for */
    struct counters measured; /* difference over the measured time */
    struct counters whole;    /* the run */
    uint64_t expected;        /* deliveries: published times destinations */
    uint64_t unsent;          /* open loop: messages due and not sent */
    uint64_t unfinished;      /* handshakes still open at the end */
    uint64_t sends;           /* system-level sends and receives, whole run */
    uint64_t receives;
    double busy[OPTIONS_WORKERS_MAX];    /* share of a core each worker used while measured */
    double delayed[OPTIONS_WORKERS_MAX]; /* share of the time that others had the core it wanted */
    uint64_t broker_cpu_ns;              /* of the process --pid, while measured; 0: not known */
    uint64_t broker_resident;            /* its memory at the end of that, bytes; 0: not known */
    struct histogram latency;            /* publish to delivery, measured time, all workers */
    struct histogram lateness;           /* open loop: from due to written */
    struct histogram acks;               /* QoS 1 and 2: from sent, or due, to acknowledged */
    uint64_t series_start_ns;            /* of connections */
    struct series series;                /* the measured time in slices */
    char failure[256];                   /* of the broker or the machine; empty: none */
};

/*
 * Connects --clients clients, at --connect-rate or all at once; cuts all off and lets them come
 * again, --rounds times; holds them for --hold. The measured time is that of connecting.
 */
void run_connections(const struct options *options, const struct endpoint *endpoint,
                     struct run_result *out);

/* What is common to the kinds of runs, before and after (run.c, run_connections.c). */
void run_result_init(struct run_result *out, const struct options *options,
                     const struct scenario *scenario, struct control *control);
void run_collect(struct fleet *fleet, struct run_result *out);
bool run_must_end(struct fleet *fleet);

/* Notes the counters if a slice of the series is over. */
void run_mark(struct fleet *fleet, struct series *series, uint64_t elapsed_ns);

/* Fills *out. Whatever happens there is a result; out->failure says what went wrong. */
void run_load(const struct options *options, const struct endpoint *endpoint,
              const struct scenario *scenario, struct run_result *out);

/* Deliveries without repetitions. */
uint64_t run_delivered(const struct counters *counters);

/* Deliveries that never came. */
uint64_t run_lost(const struct run_result *result);

/* Whether an open loop could send all that was due. */
bool run_kept_up(const struct run_result *result);

/*
 * Whether MQTT was kept: at QoS 0 nothing twice and nothing out of order (a loss is allowed unless
 * --strict), at QoS 1 nothing lost or out of order, at QoS 2 nothing lost, twice or out of order;
 * no refusal, no open handshake, no protocol error, nothing damaged.
 */
bool run_is_correct(const struct run_result *result);

/* No failure, MQTT kept, rate kept. */
bool run_is_ok(const struct run_result *result);

#endif
