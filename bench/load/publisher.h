/*
 * publisher.h -- the publishing role of a client.
 *
 * In a closed loop it sends whenever it may; in an open loop it sends what is due (schedule.h) as
 * soon as it may, and how late that was is a histogram of its own: the generator's share in the
 * latencies, and the broker's where it does not read.
 *
 * A publisher numbers its messages and keeps two bounds: its window (numbers not yet delivered to
 * all who are to get them, seen through the heads of its lanes) and, at QoS 1 and 2, the messages
 * whose handshake with the broker is not complete. Within both it fills chunk after chunk with
 * copies of its template.
 *
 * A publisher of retained messages sends each number once, under a topic of its own, and the same
 * numbers again without a payload when it cleans up. It has no window: nobody listens yet.
 *
 * Packet ids are taken from a stack, the last one freed first, so that few of them are in use. The
 * state of an id:
 *
 *     FREE -> AWAITS_PUBACK -> FREE                            QoS 1
 *     FREE -> AWAITS_PUBREC -> AWAITS_PUBCOMP -> FREE          QoS 2; a refusing PUBREC ends it
 *
 * Threads: the client's worker; `next` is read by any.
 */
#ifndef BENCH_PUBLISHER_H
#define BENCH_PUBLISHER_H

#include "codec.h"
#include "tally.h"

struct client;

/* At the end of a retained message's topic: its number, with zeros before it. */
#define PUBLISHER_TOPIC_DIGITS 8

struct publisher {
    _Atomic uint64_t next; /* number of the next message */
    uint64_t window;
    struct tally_lane *lanes; /* borrowed from the fleet; one per worker with a destination */
    uint32_t num_lanes;
    uint32_t number; /* of this publisher */
    struct codec_template template;
    struct codec_template clean; /* retained: takes a message back */
    uint64_t topics;             /* retained: how many; 0: one topic, not retained */
    bool is_cleaning;

    /* QoS 1 and 2 */
    uint8_t *id_states; /* ids_max + 1 of enum publisher_id_state */
    uint64_t *id_times; /* when the message was sent, or due; in ns, as many */
    uint16_t *free_ids; /* stack of ids used before */
    uint32_t num_free;  /* on the stack */
    uint16_t unused_id; /* ids from here on were never used; 0: all were */
    uint16_t ids_max;
    uint32_t num_inflight;
};

/* CONNACK has come: the broker takes up to `inflight_max` messages at once. */
void publisher_ready(struct client *client, uint16_t inflight_max);

/* Encodes as much as both bounds and the stream's room allow. */
void publisher_fill(struct client *client);

/* PUBACK, PUBREC or PUBCOMP. */
void publisher_acknowledged(struct client *client, enum codec_type type,
                            const struct codec_ack *ack);

void publisher_fini(struct publisher *publisher);

#endif
