/*
 * gatherer.c -- see gatherer.h.
 *
 * Threads: the client's worker.
 */
#include "gatherer.h"

#include "worker.h"

#include <stdio.h>

#define GATHERER_PACKET_LEN_MAX (GATHERER_BATCH * (GATHERER_FILTER_LEN_MAX + 3) + 16)

STATIC_CHECK(GATHERER_PACKET_LEN_MAX < UINT16_MAX, "a packet fits a chunk of any pool");

void gatherer_filter(char *out, const char *prefix, const char *run_id, uint64_t number)
{
    unsigned long long n = number;
    switch (number % 4) {
    case 0:
        snprintf(out, GATHERER_FILTER_LEN_MAX, "%s/%s/f/%llu/+/t", prefix, run_id, n);
        return;
    case 1:
        snprintf(out, GATHERER_FILTER_LEN_MAX, "%s/%s/f/+/%llu/t", prefix, run_id, n);
        return;
    case 2:
        snprintf(out, GATHERER_FILTER_LEN_MAX, "%s/%s/f/%llu/#", prefix, run_id, n);
        return;
    default:
        snprintf(out, GATHERER_FILTER_LEN_MAX, "+/%s/f/%llu/#", run_id, n);
    }
}

void gatherer_ready(struct client *client)
{
    CHECK(client->role == CLIENT_GATHERER);
    if (client->gatherer.is_storm)
        client_is_ready(client);
    else
        client->state = CLIENT_SUBSCRIBING;
    worker_mark(client->worker, client);
}

static void gatherer_ask(struct client *client, uint32_t num)
{
    static _Thread_local char texts[GATHERER_BATCH][GATHERER_FILTER_LEN_MAX];
    const char *filters[GATHERER_BATCH];
    struct gatherer *gatherer = &client->gatherer;
    const struct worker *worker = client->worker;
    uint32_t room;
    CHECK(num > 0 && num <= GATHERER_BATCH);
    for (uint32_t i = 0; i < num; i++) {
        gatherer_filter(texts[i], worker->options->topic_prefix, worker->run_id,
                        gatherer->next + i);
        filters[i] = texts[i];
    }
    gatherer->packet_id = gatherer->packet_id == UINT16_MAX ? 1 : gatherer->packet_id + 1;
    uint8_t *to = stream_reserve(&client->stream, &client->worker->pool, GATHERER_PACKET_LEN_MAX,
                                 &room);
    uint32_t len = codec_subscribe_many_put(to, room, (unsigned)worker->options->version,
                                            gatherer->packet_id, filters, num, 0);
    CHECK(len > 0);
    stream_commit(&client->stream, len);
    gatherer->next += num;
}

void gatherer_fill(struct client *client)
{
    struct gatherer *gatherer = &client->gatherer;
    const struct worker *worker = client->worker;
    bool may_ask = client->state == CLIENT_SUBSCRIBING;
    if (gatherer->is_storm)
        may_ask = client->state == CLIENT_READY && worker->is_storming;
    while (may_ask && gatherer->next < gatherer->total &&
           gatherer->next - gatherer->acknowledged <= (GATHERER_PACKETS - 1) * GATHERER_BATCH) {
        uint64_t left = gatherer->total - gatherer->next;
        gatherer_ask(client, left < GATHERER_BATCH ? (uint32_t)left : GATHERER_BATCH);
    }
}

void gatherer_acknowledged(struct client *client, const struct codec_frame *frame)
{
    struct gatherer *gatherer = &client->gatherer;
    struct bytes reasons;
    if (codec_suback_reasons(frame, (unsigned)client->worker->options->version, &reasons) !=
            RC_OK ||
        reasons.len > gatherer->next - gatherer->acknowledged) {
        client_fail(client, "the broker sent a SUBACK that is not valid");
        return;
    }
    for (size_t i = 0; i < reasons.len; i++) {
        if (reasons.ptr[i] >= CODEC_REASON_ERROR_MIN) {
            client_fail(client, "the broker refused a filter of many with 0x%02x, number %llu",
                        reasons.ptr[i], (unsigned long long)(gatherer->acknowledged + i));
            return;
        }
    }
    gatherer->acknowledged += reasons.len;
    counters_add(&client->worker->counters.subscribed, reasons.len);
    if (gatherer->acknowledged == gatherer->total && client->state == CLIENT_SUBSCRIBING)
        client_is_ready(client);
    worker_mark(client->worker, client);
}
