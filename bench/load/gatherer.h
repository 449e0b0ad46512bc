/*
 * gatherer.h -- a client that subscribes to a great many filters that match no message.
 *
 * It fills the broker's index before the traffic (--filters) or while it is measured (--storm).
 * Filters come GATHERER_BATCH to a packet, and GATHERER_PACKETS packets are on the way at once.
 * All have wildcards, in four shapes by turns, so that the index has exact levels above, below and
 * beside them; they share their first levels with the topics of the traffic (PREFIX/RUN/NUMBER):
 *
 *     PREFIX/RUN/f/N/+/t      PREFIX/RUN/f/+/N/t      PREFIX/RUN/f/N/#      +/RUN/f/N/#
 *
 * Threads: the client's worker.
 */
#ifndef BENCH_GATHERER_H
#define BENCH_GATHERER_H

#include "codec.h"

#define GATHERER_BATCH   50
#define GATHERER_PACKETS 8

/* Of one filter; a longer --topic-prefix does not fit. */
#define GATHERER_FILTER_LEN_MAX 512

struct client;

struct gatherer {
    uint64_t total;
    uint64_t next;         /* number of the next filter to ask for */
    uint64_t acknowledged; /* filters */
    uint16_t packet_id;    /* of the last SUBSCRIBE */
    bool is_storm;         /* waits for the measured time */
};

/* CONNACK has come; a storm is ready at once, others when all is acknowledged. */
void gatherer_ready(struct client *client);

/* Asks for as much as may be on the way. */
void gatherer_fill(struct client *client);

/* SUBACK. */
void gatherer_acknowledged(struct client *client, const struct codec_frame *frame);

/* Writes filter `number` of the run to `out`, GATHERER_FILTER_LEN_MAX bytes. */
void gatherer_filter(char *out, const char *prefix, const char *run_id, uint64_t number);

#endif
