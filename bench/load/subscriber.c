/*
 * subscriber.c -- see subscriber.h.
 *
 * Threads: the client's worker.
 */
#include "subscriber.h"

#include "heap.h"
#include "worker.h"

#include <stdlib.h>

#define SUBSCRIBER_IDS 65536

/* Members of a group see a part of the numbers, which must ascend for each of them. */
static enum tally_outcome subscriber_group_order(struct subscriber *subscriber, uint32_t at,
                                                 uint64_t number, enum tally_outcome outcome)
{
    bool is_late = outcome == TALLY_LATE || outcome == TALLY_LATE_BEHIND;
    if (!is_late && outcome != TALLY_FRESH && outcome != TALLY_OUT_OF_ORDER)
        return outcome;
    if (number < subscriber->order[at])
        return is_late ? TALLY_LATE_BEHIND : TALLY_OUT_OF_ORDER;
    subscriber->order[at] = number + 1;
    return is_late ? TALLY_LATE : TALLY_FRESH;
}

static enum tally_outcome subscriber_tally(struct client *client, const struct codec_stamp *stamp)
{
    struct subscriber *subscriber = &client->subscriber;
    uint32_t at = stamp->publisher - subscriber->first;
    if (UNLIKELY(at >= subscriber->num))
        return TALLY_ALIEN;
    struct tally *tally = subscriber->tallies[at];
    struct tally_lane *lane = tally->lane;
    /* Acquire: the number is stored before the message that bears it is sent. */
    if (UNLIKELY(stamp->number >=
                 atomic_load_explicit(&lane->publisher->publisher.next, memory_order_acquire)))
        return TALLY_ALIEN;
    bool has_moved;
    if (subscriber->is_lane_locked)
        tally_group_lock(lane);
    enum tally_outcome outcome = tally_receive(tally, stamp->number, &has_moved);
    if (subscriber->is_lane_locked)
        tally_group_unlock(lane);
    if (has_moved)
        worker_credit(client->worker, lane->publisher);
    if (subscriber->order != NULL)
        outcome = subscriber_group_order(subscriber, at, stamp->number, outcome);
    return outcome;
}

static void subscriber_count(struct client *client, enum tally_outcome outcome)
{
    struct counters *counters = &client->worker->counters;
    switch (outcome) {
    case TALLY_OUT_OF_ORDER:
        counters_add(&counters->out_of_order, 1);
        counters_add(&counters->fresh, 1);
        return;
    case TALLY_FRESH:
        counters_add(&counters->fresh, 1);
        return;
    case TALLY_DUPLICATE:
        counters_add(&counters->duplicate, 1);
        return;
    case TALLY_LATE_BEHIND:
        counters_add(&counters->out_of_order, 1);
        counters_add(&counters->late, 1);
        return;
    case TALLY_LATE:
        counters_add(&counters->late, 1);
        return;
    case TALLY_ALIEN:
        counters_add(&counters->misrouted, 1);
        return;
    }
    UNREACHABLE();
}

/* Answers the packet; false if a QoS 2 id is in use, so that this is the same message again. */
static bool subscriber_answer(struct client *client, const struct codec_publish *publish)
{
    struct subscriber *subscriber = &client->subscriber;
    if (publish->qos == 0)
        return true;
    if (publish->qos == 1) {
        client_put_ack(client, CODEC_PUBACK, publish->packet_id);
        return true;
    }
    if (subscriber->ids == NULL)
        subscriber->ids = heap_zeroed(SUBSCRIBER_IDS / 64, sizeof(uint64_t));
    uint64_t *word = &subscriber->ids[publish->packet_id / 64];
    uint64_t bit = UINT64_C(1) << (publish->packet_id % 64);
    bool is_new = (*word & bit) == 0;
    *word |= bit;
    subscriber->num_ids += is_new;
    client_put_ack(client, CODEC_PUBREC, publish->packet_id);
    return is_new;
}

/* A closed loop measures what arrives in the measured time, an open loop what was due in it. */
static bool subscriber_is_measured(const struct worker *worker, uint64_t sent_ns)
{
    return worker->is_recording && (worker->options->rate == 0 ||
                                    schedule_is_measured(&worker->control->schedule, sent_ns));
}

void subscriber_delivered(struct client *client, const struct codec_publish *publish,
                          uint32_t packet_len, uint64_t now_ns)
{
    struct worker *worker = client->worker;
    CHECK(client->role == CLIENT_SUBSCRIBER);
    counters_add(&worker->counters.bytes_in, packet_len);
    if (UNLIKELY(publish->qos != worker->options->qos)) {
        counters_add(&worker->counters.protocol_errors, 1);
        if (publish->qos > 2)
            return;
    }
    /* What is taken back is delivered to those who still listen. */
    if (UNLIKELY(publish->payload.len == 0 && worker->options->topics > 0)) {
        subscriber_answer(client, publish);
        return;
    }
    if (!subscriber_answer(client, publish)) {
        subscriber_count(client, TALLY_DUPLICATE);
        return;
    }
    if (UNLIKELY(publish->payload.len != worker->options->payload)) {
        subscriber_count(client, TALLY_ALIEN);
        return;
    }
    const bool is_retained = worker->options->topics > 0;
    struct codec_stamp stamp = codec_stamp_get(publish->payload.ptr);
    enum tally_outcome outcome = subscriber_tally(client, &stamp);
    /* Retained messages of many topics come in any order, and as an answer. */
    if (is_retained) {
        stamp.sent_ns = client->asked_ns;
        outcome = outcome == TALLY_OUT_OF_ORDER ? TALLY_FRESH : outcome;
    }
    subscriber_count(client, outcome);
    /* The late ones, too: without them the worst waits would be missing. */
    if (outcome != TALLY_DUPLICATE && outcome != TALLY_ALIEN &&
        subscriber_is_measured(worker, stamp.sent_ns))
        histogram_record(worker->latency.current, now_ns - stamp.sent_ns);
}

void subscriber_released(struct client *client, uint16_t packet_id)
{
    struct subscriber *subscriber = &client->subscriber;
    uint64_t bit = UINT64_C(1) << (packet_id % 64);
    if (subscriber->ids == NULL || !(subscriber->ids[packet_id / 64] & bit)) {
        counters_add(&client->worker->counters.protocol_errors, 1);
        return;
    }
    subscriber->ids[packet_id / 64] &= ~bit;
    CHECK(subscriber->num_ids > 0);
    subscriber->num_ids--;
    client_put_ack(client, CODEC_PUBCOMP, packet_id);
}

void subscriber_fini(struct subscriber *subscriber)
{
    free(subscriber->tallies);
    free(subscriber->order);
    free(subscriber->ids);
}
