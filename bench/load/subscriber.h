/*
 * subscriber.h -- the receiving role of a client: accounting, latency, acknowledgements.
 *
 * Every message carries its publisher, its number and the time it was sent. The subscriber has a
 * tally for each publisher it listens to; members of a shared group use the group's tallies in
 * common and keep for themselves only the order in which they get messages.
 *
 * At QoS 2 the ids received and not yet released are a bitmap: 8 KiB, allocated when first needed.
 *
 * Threads: the client's worker.
 */
#ifndef BENCH_SUBSCRIBER_H
#define BENCH_SUBSCRIBER_H

#include "codec.h"
#include "tally.h"

struct client;

struct subscriber {
    struct tally **tallies; /* owned array; by publisher number less `first` */
    uint32_t first;
    uint32_t num;
    uint64_t *order;     /* group members: one more than the highest number, by publisher */
    bool is_lane_locked; /* the group's members are on several workers */
    uint64_t *ids;       /* QoS 2, bitmap of 65,536 */
    uint32_t num_ids;    /* set in it */
};

/* A PUBLISH of `packet_len` bytes that arrived at now_ns. */
void subscriber_delivered(struct client *client, const struct codec_publish *publish,
                          uint32_t packet_len, uint64_t now_ns);

/* PUBREL. */
void subscriber_released(struct client *client, uint16_t packet_id);

void subscriber_fini(struct subscriber *subscriber);

#endif
