/*
 * publisher.c -- see publisher.h.
 *
 * Threads: the client's worker.
 */
#include "publisher.h"

#include "heap.h"
#include "stopwatch.h"
#include "worker.h"

#include <stdlib.h>

enum publisher_id_state {
    PUBLISHER_ID_FREE,
    PUBLISHER_ID_AWAITS_PUBACK,
    PUBLISHER_ID_AWAITS_PUBREC,
    PUBLISHER_ID_AWAITS_PUBCOMP,
};

void publisher_ready(struct client *client, uint16_t inflight_max)
{
    struct publisher *publisher = &client->publisher;
    const struct options *options = client->worker->options;
    CHECK(client->role == CLIENT_PUBLISHER && publisher->id_states == NULL);
    if (options->qos == 0)
        return;
    uint64_t ids_max = inflight_max;
    if (options->inflight < ids_max)
        ids_max = options->inflight;
    publisher->ids_max = (uint16_t)ids_max;
    publisher->unused_id = 1;
    publisher->id_states = heap_zeroed(ids_max + 1, sizeof(*publisher->id_states));
    publisher->id_times = heap_zeroed(ids_max + 1, sizeof(*publisher->id_times));
    publisher->free_ids = heap_zeroed(ids_max, sizeof(*publisher->free_ids));
}

/* How many more messages the slowest destination's window has room for. */
static uint64_t publisher_window_room(const struct publisher *publisher, uint64_t next)
{
    if (publisher->topics > 0)
        return publisher->topics * (publisher->is_cleaning ? 2 : 1) - next;
    uint64_t head = UINT64_MAX;
    for (uint32_t i = 0; i < publisher->num_lanes; i++) {
        uint64_t lane_head = tally_lane_head(&publisher->lanes[i]);
        if (lane_head < head)
            head = lane_head;
    }
    CHECK(head <= next && next - head <= publisher->window);
    return publisher->window - (next - head);
}

static uint16_t publisher_id_take(struct publisher *publisher, enum publisher_id_state state)
{
    CHECK(publisher->num_inflight < publisher->ids_max);
    uint16_t id;
    if (publisher->num_free > 0) {
        id = publisher->free_ids[--publisher->num_free];
    } else {
        CHECK(publisher->unused_id != 0 && publisher->unused_id <= publisher->ids_max);
        /* Wraps to 0 behind 65,535, when none is unused any more. */
        id = publisher->unused_id++;
    }
    CHECK(publisher->id_states[id] == PUBLISHER_ID_FREE);
    publisher->id_states[id] = (uint8_t)state;
    publisher->num_inflight++;
    return id;
}

static void publisher_id_give(struct publisher *publisher, uint16_t id)
{
    CHECK(publisher->num_inflight > 0 && publisher->num_free < publisher->ids_max);
    publisher->id_states[id] = PUBLISHER_ID_FREE;
    publisher->free_ids[publisher->num_free++] = id;
    publisher->num_inflight--;
}

/* An open loop's message carries the time it was due; how late it is written is recorded. */
static uint64_t publisher_stamp_ns(struct worker *worker, uint32_t number, uint64_t at,
                                   uint64_t now_ns)
{
    const struct schedule *schedule = &worker->control->schedule;
    uint64_t due_ns = schedule_time_ns(schedule, number, at);
    if (schedule_is_measured(schedule, due_ns))
        histogram_record(worker->lateness, now_ns - due_ns);
    return due_ns;
}

static const struct codec_template *publisher_template(const struct publisher *publisher)
{
    return publisher->is_cleaning ? &publisher->clean : &publisher->template;
}

/* QoS is 1 at least, so a packet id stands behind the topic. */
static void publisher_topic_put(const struct codec_template *template, uint8_t *to, uint64_t number)
{
    CHECK(template->packet_id_at > PUBLISHER_TOPIC_DIGITS);
    uint8_t *digits = to + template->packet_id_at - PUBLISHER_TOPIC_DIGITS;
    for (unsigned i = PUBLISHER_TOPIC_DIGITS; i > 0; i--, number /= 10)
        digits[i - 1] = (uint8_t)('0' + number % 10);
}

/* Encodes `num` messages, which fit, at `to`. */
static void publisher_encode(struct client *client, uint8_t *to, uint64_t next, uint64_t num)
{
    struct publisher *publisher = &client->publisher;
    const struct codec_template *template = publisher_template(publisher);
    const bool is_open = client->worker->options->rate > 0;
    const uint64_t now_ns = stopwatch_now_ns();
    uint64_t stamp_ns = now_ns;
    for (uint64_t i = 0; i < num; i++, to += template->len) {
        memcpy(to, template->data, template->len);
        if (is_open)
            stamp_ns = publisher_stamp_ns(client->worker, publisher->number, next + i, now_ns);
        if (template->packet_id_at > 0) {
            uint8_t qos = (template->data[0] >> 1) & 3;
            uint16_t id = publisher_id_take(publisher, qos == 1 ? PUBLISHER_ID_AWAITS_PUBACK
                                                                : PUBLISHER_ID_AWAITS_PUBREC);
            codec_u16_put(to + template->packet_id_at, id);
            publisher->id_times[id] = stamp_ns;
        }
        if (publisher->topics > 0)
            publisher_topic_put(template, to, (next + i) % publisher->topics);
        if (!publisher->is_cleaning)
            codec_stamp_put(to + template->stamp_at, publisher->number, next + i, stamp_ns);
    }
}

/* How many messages may go out now. */
static uint64_t publisher_wanted(const struct worker *worker, const struct publisher *publisher,
                                 uint64_t next)
{
    uint64_t wanted = publisher_window_room(publisher, next);
    if (worker->options->qos > 0 && publisher->ids_max - publisher->num_inflight < wanted)
        wanted = publisher->ids_max - publisher->num_inflight;
    if (worker->options->rate > 0) {
        uint64_t due = schedule_due(&worker->control->schedule, publisher->number,
                                    stopwatch_now_ns());
        /* After a cut, more may have been sent than is due. */
        uint64_t num_due = due > next ? due - next : 0;
        if (num_due < wanted)
            wanted = num_due;
    }
    return wanted;
}

void publisher_fill(struct client *client)
{
    struct publisher *publisher = &client->publisher;
    struct worker *worker = client->worker;
    publisher->is_cleaning = control_phase(worker->control) == CONTROL_CLEAN;
    const uint32_t len = publisher_template(publisher)->len;
    CHECK(client->role == CLIENT_PUBLISHER);
    if (!worker->is_publishing || client->state != CLIENT_READY)
        return;
    uint64_t next = atomic_load_explicit(&publisher->next, memory_order_relaxed);
    uint64_t wanted = publisher_wanted(worker, publisher, next);
    while (wanted > 0 && client->stream.num_chunks < STREAM_CHUNKS_AHEAD) {
        uint32_t room;
        uint8_t *to = stream_reserve(&client->stream, &worker->pool, len, &room);
        uint64_t num = room / len < wanted ? room / len : wanted;
        publisher_encode(client, to, next, num);
        stream_commit(&client->stream, (uint32_t)num * len);
        next += num;
        wanted -= num;
        counters_add(&worker->counters.published, num);
        counters_add(&worker->counters.bytes_out, num * len);
    }
    atomic_store_explicit(&publisher->next, next, memory_order_release);
}

/* The handshake of a message that was sent, or due, in the measured time is complete. */
static void publisher_record_ack(struct worker *worker, uint64_t stamp_ns)
{
    const bool is_open = worker->options->rate > 0;
    if (is_open ? schedule_is_measured(&worker->control->schedule, stamp_ns) : worker->is_recording)
        histogram_record(worker->acks, worker->now_ns > stamp_ns ? worker->now_ns - stamp_ns : 0);
}

void publisher_acknowledged(struct client *client, enum codec_type type,
                            const struct codec_ack *ack)
{
    struct publisher *publisher = &client->publisher;
    struct counters *counters = &client->worker->counters;
    enum publisher_id_state state = ack->packet_id <= publisher->ids_max
                                        ? publisher->id_states[ack->packet_id]
                                        : PUBLISHER_ID_FREE;
    bool is_refused = ack->reason >= CODEC_REASON_ERROR_MIN;
    if (type == CODEC_PUBREC && state == PUBLISHER_ID_AWAITS_PUBREC && !is_refused) {
        publisher->id_states[ack->packet_id] = PUBLISHER_ID_AWAITS_PUBCOMP;
        client_put_ack(client, CODEC_PUBREL, ack->packet_id);
        return;
    }
    bool is_end = (type == CODEC_PUBACK && state == PUBLISHER_ID_AWAITS_PUBACK) ||
                  (type == CODEC_PUBREC && state == PUBLISHER_ID_AWAITS_PUBREC) ||
                  (type == CODEC_PUBCOMP && state == PUBLISHER_ID_AWAITS_PUBCOMP);
    if (!is_end) {
        counters_add(&counters->protocol_errors, 1);
        return;
    }
    publisher_id_give(publisher, ack->packet_id);
    if (!is_refused)
        publisher_record_ack(client->worker, publisher->id_times[ack->packet_id]);
    counters_add(is_refused ? &counters->rejected : &counters->acknowledged, 1);
    worker_mark(client->worker, client);
}

void publisher_fini(struct publisher *publisher)
{
    codec_template_fini(&publisher->template);
    codec_template_fini(&publisher->clean);
    free(publisher->id_states);
    free(publisher->id_times);
    free(publisher->free_ids);
}
