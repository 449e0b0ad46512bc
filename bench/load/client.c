/*
 * client.c -- see client.h for the states.
 *
 * Threads: the client's worker, except client_fini.
 */
#include "client.h"

#include "heap.h"
#include "stopwatch.h"
#include "worker.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* The only packet id a client ever subscribes with. */
#define CLIENT_SUBSCRIBE_ID 1

#define CLIENT_HANDSHAKE_LEN_MAX 32768

void client_fail(struct client *client, const char *format, ...)
{
    char what[160];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    control_fail(client->worker->control, "client %llu: %s", (unsigned long long)client->number,
                 what);
    client->state = CLIENT_BROKEN;
    /* No more input is handled; the descriptor stays open until the end. */
    client->stream.is_broken = true;
}

void client_put(struct client *client, const uint8_t *packet, uint32_t len)
{
    uint32_t room;
    uint8_t *to = stream_reserve(&client->stream, &client->worker->pool, len, &room);
    memcpy(to, packet, len);
    stream_commit(&client->stream, len);
    worker_mark(client->worker, client);
}

void client_put_ack(struct client *client, enum codec_type type, uint16_t packet_id)
{
    uint32_t room;
    uint8_t *to = stream_reserve(&client->stream, &client->worker->pool, CODEC_ACK_LEN, &room);
    codec_ack_put(to, type, packet_id);
    stream_commit(&client->stream, CODEC_ACK_LEN);
    worker_mark(client->worker, client);
}

static void client_connect(struct client *client)
{
    const struct worker *worker = client->worker;
    const struct options *options = worker->options;
    char client_id[64];
    snprintf(client_id, sizeof(client_id), "sb-%s-%llu", worker->run_id,
             (unsigned long long)client->number);
    struct codec_connect connect = {
        .version = (unsigned)options->version,
        .keep_alive_s = (uint16_t)options->keep_alive_s,
        .client_id = client_id,
        .username = options->username,
        .password = options->password,
        .durable = options->durable,
    };
    uint8_t packet[CLIENT_HANDSHAKE_LEN_MAX];
    uint32_t len = codec_connect_put(packet, sizeof(packet), &connect);
    if (len == 0)
        client_fail(client, "user name and password are too long");
    else
        client_put(client, packet, len);
}

/* CONNECT follows when the broker has agreed. */
static void client_upgrade(struct client *client)
{
    struct worker *worker = client->worker;
    const struct options *options = worker->options;
    char request[WEB_REQUEST_LEN_MAX];
    struct web *web = web_open((uint32_t)options->ws_frame);
    client->stream.web = web;
    stream_put_raw(
        &client->stream, &worker->pool, request,
        web_request(web, request, options->host, (unsigned)options->port, options->ws_path));
    worker_mark(worker, client);
}

void client_open(struct client *client)
{
    struct worker *worker = client->worker;
    const struct options *options = worker->options;
    CHECK(client->state == CLIENT_NEW);
    client->state = CLIENT_CONNECTING;
    client->asked_ns = worker_asked_ns(worker, client->number);
    int fd = endpoint_open(worker->endpoint, client->number);
    if (fd < 0) {
        const char *advice = errno == EADDRNOTAVAIL ? "; more addresses are needed, see --source"
                                                    : "";
        client_fail(client, "cannot connect: %s%s", strerror(errno), advice);
        return;
    }
    stream_init(&client->stream, fd);
    if (worker->secure != NULL)
        client->stream.secure = secure_open(worker->secure, fd, options->host);
    poller_add(&worker->poller, &client->stream);
    if (options->ws)
        client_upgrade(client);
    else
        client_connect(client);
}

void client_is_ready(struct client *client)
{
    struct worker *worker = client->worker;
    client->state = CLIENT_READY;
    if (client->role == CLIENT_SLOW)
        poller_pause(&worker->poller, &client->stream);
    if (client->role == CLIENT_IDLE && worker->is_recording) {
        histogram_record(worker->latency.current, stopwatch_now_ns() - client->asked_ns);
        counters_add(&worker->counters.fresh, 1);
    }
    atomic_fetch_add_explicit(&client->worker->num_ready, 1, memory_order_release);
}

void client_subscribe(struct client *client)
{
    const struct options *options = client->worker->options;
    uint8_t packet[CLIENT_HANDSHAKE_LEN_MAX];
    uint32_t len = codec_subscribe_put(packet, sizeof(packet), (unsigned)options->version,
                                       CLIENT_SUBSCRIBE_ID, client->filter, (unsigned)options->qos);
    CHECK(len > 0);
    /* What is retained may be asked for by a client that was ready for a while. */
    if (client->state == CLIENT_CONNECTING)
        client->state = CLIENT_SUBSCRIBING;
    client->asked_ns = client->role == CLIENT_IDLE ? client->asked_ns : stopwatch_now_ns();
    client_put(client, packet, len);
}

void client_cut(struct client *client)
{
    CHECK(client->state == CLIENT_READY && client->role == CLIENT_IDLE);
    client->is_cut = true;
    shutdown(client->stream.fd, SHUT_RDWR);
}

void client_was_cut(struct client *client)
{
    CHECK(client->is_cut && !client->stream.is_in_flight);
    stream_fini(&client->stream, &client->worker->pool);
    client->is_cut = false;
    client->carry.len = 0;
    client->state = CLIENT_NEW;
    atomic_fetch_sub_explicit(&client->worker->num_ready, 1, memory_order_release);
}

static void client_connack(struct client *client, const struct codec_frame *frame)
{
    const struct options *options = client->worker->options;
    struct codec_connack connack;
    if (client->state != CLIENT_CONNECTING ||
        codec_connack_parse(frame, (unsigned)options->version, &connack) != RC_OK) {
        client_fail(client, "the broker sent a CONNACK that is not valid");
        return;
    }
    if (connack.reason != 0) {
        client_fail(client, "the broker refused the connection, code 0x%02x", connack.reason);
        return;
    }
    if (connack.qos_max < options->qos) {
        client_fail(client, "the broker's maximum QoS is %u", connack.qos_max);
        return;
    }
    if (client->role == CLIENT_PUBLISHER)
        publisher_ready(client, connack.receive_maximum);
    bool is_later = options->topics > 0 && client->role == CLIENT_SUBSCRIBER;
    if (client->role == CLIENT_GATHERER)
        gatherer_ready(client);
    else if (client->filter != NULL && !is_later)
        client_subscribe(client);
    else
        client_is_ready(client);
}

static void client_suback(struct client *client, const struct codec_frame *frame)
{
    uint8_t reason;
    const struct options *options = client->worker->options;
    bool is_later = options->topics > 0 && client->state == CLIENT_READY;
    if (client->role == CLIENT_GATHERER) {
        gatherer_acknowledged(client, frame);
        return;
    }
    if ((client->state != CLIENT_SUBSCRIBING && !is_later) ||
        codec_suback_parse(frame, (unsigned)options->version, &reason) != RC_OK)
        client_fail(client, "the broker sent a SUBACK that is not valid");
    else if (reason != options->qos)
        client_fail(client, "asked for %s at QoS %u, the broker answered 0x%02x", client->filter,
                    (unsigned)options->qos, reason);
    else if (!is_later)
        client_is_ready(client);
}

/* PUBACK, PUBREC, PUBREL, PUBCOMP. */
static void client_ack(struct client *client, const struct codec_frame *frame)
{
    struct codec_ack ack;
    bool is_for_subscriber = frame->type == CODEC_PUBREL;
    enum client_role role = is_for_subscriber ? CLIENT_SUBSCRIBER : CLIENT_PUBLISHER;
    if (codec_ack_parse(frame, &ack) != RC_OK || client->role != role ||
        (role == CLIENT_PUBLISHER && client->publisher.id_states == NULL))
        counters_add(&client->worker->counters.protocol_errors, 1);
    else if (is_for_subscriber)
        subscriber_released(client, ack.packet_id);
    else
        publisher_acknowledged(client, (enum codec_type)frame->type, &ack);
}

static void client_control_packet(struct client *client, const struct codec_frame *frame)
{
    switch (frame->type) {
    case CODEC_CONNACK:
        client_connack(client, frame);
        return;
    case CODEC_SUBACK:
        client_suback(client, frame);
        return;
    case CODEC_PUBACK:
    case CODEC_PUBREC:
    case CODEC_PUBREL:
    case CODEC_PUBCOMP:
        client_ack(client, frame);
        return;
    case CODEC_DISCONNECT:
        client_fail(client, "the broker disconnected, reason 0x%02x",
                    frame->body.len > 0 ? frame->body.ptr[0] : 0);
        return;
    default:
        counters_add(&client->worker->counters.protocol_errors, 1);
    }
}

static inline void client_packet(struct client *client, const struct codec_frame *frame)
{
    if (UNLIKELY(frame->type == CODEC_PUBLISH && client->role == CLIENT_SLOW))
        return;
    if (UNLIKELY(frame->type != CODEC_PUBLISH || client->role != CLIENT_SUBSCRIBER)) {
        client_control_packet(client, frame);
        return;
    }
    struct codec_publish publish;
    struct worker *worker = client->worker;
    if (UNLIKELY(codec_publish_parse(frame, (unsigned)worker->options->version, &publish) !=
                 RC_OK)) {
        client_fail(client, "the broker sent a PUBLISH that is not valid");
        return;
    }
    subscriber_delivered(client, &publish, frame->len, worker->now_ns);
}

/* Bytes of MQTT. */
static void client_input_packets(struct client *client, struct bytes input)
{
    while (client->state != CLIENT_BROKEN) {
        struct codec_frame frame;
        enum rc rc = carry_next(&client->carry, &input, &frame);
        if (rc == RC_MORE)
            return;
        if (LIKELY(rc == RC_OK))
            client_packet(client, &frame);
        else
            client_fail(client, "the broker sent a packet length that is not valid");
    }
}

static void client_input_web(struct client *client, struct bytes input)
{
    struct web *web = client->stream.web;
    struct bytes packets;
    enum web_event event;
    while (client->state != CLIENT_BROKEN &&
           (event = web_read(web, &input, &packets)) != WEB_MORE) {
        switch (event) {
        case WEB_DATA:
            client_input_packets(client, packets);
            break;
        case WEB_OPENED:
            client_connect(client);
            break;
        case WEB_ASKED:
            worker_mark(client->worker, client);
            break;
        case WEB_CLOSED:
            client_fail(client, "the broker closed the WebSocket, code %u", web_close_code(web));
            break;
        default:
            client_fail(client, "%s", web_fault(web));
        }
    }
}

void client_input(struct client *client, const uint8_t *data, size_t len)
{
    CHECK(client->state != CLIENT_NEW && len > 0);
    client->worker->now_ns = stopwatch_now_ns();
    if (UNLIKELY(client->stream.web != NULL))
        client_input_web(client, bytes_of(data, len));
    else
        client_input_packets(client, bytes_of(data, len));
}

/* Writes the end of a session into `out`; its length. */
static uint32_t client_farewell(struct client *client, uint8_t *out)
{
    static const uint8_t disconnect[] = {CODEC_DISCONNECT << 4, 0};
    static const uint8_t normal[] = {1000 >> 8, 1000 & 0xff};
    struct web *web = client->stream.web;
    if (web == NULL) {
        memcpy(out, disconnect, sizeof(disconnect));
        return sizeof(disconnect);
    }
    uint32_t len = web_frame_put(web, out, WEB_BINARY, disconnect, sizeof(disconnect));
    return len + web_frame_put(web, out + len, WEB_CLOSE, normal, sizeof(normal));
}

void client_close(struct client *client)
{
    uint8_t farewell[2 * (WEB_HEADER_LEN_MAX + 2)];
    if (client->state == CLIENT_NEW || client->stream.fd < 0)
        return;
    /* A farewell in the middle of a packet would be an error of ours. */
    if (client->state == CLIENT_READY && !client->stream.is_broken &&
        !stream_has_output(&client->stream)) {
        uint32_t len = client_farewell(client, farewell);
        ssize_t sent = client->stream.secure != NULL
                           ? secure_send(client->stream.secure, farewell, len)
                           : send(client->stream.fd, farewell, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)sent;
    }
    client->stream.is_in_flight = false;
    stream_fini(&client->stream, &client->worker->pool);
}

void client_fini(struct client *client)
{
    if (client->role == CLIENT_PUBLISHER)
        publisher_fini(&client->publisher);
    else if (client->role == CLIENT_SUBSCRIBER)
        subscriber_fini(&client->subscriber);
    free(client->filter);
    carry_fini(&client->carry);
}
