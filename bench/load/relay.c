/*
 * relay.c -- see relay.h.
 *
 * A peer is found by the name that it subscribed to, with a walk over all of them: once for each
 * publisher, which keeps whom it found. New connections are looked for every RELAY_ACCEPT_NS and
 * not by the poller, so that they cost the traffic nothing.
 *
 * Threads: the main thread.
 */
#include "relay.h"

#include "carry.h"
#include "heap.h"
#include "interrupt.h"
#include "poller.h"
#include "stopwatch.h"
#include "time_slice.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RELAY_PEERS_MAX  65536
#define RELAY_CHUNKS_MAX 1024
#define RELAY_ACCEPT_NS  UINT64_C(5000000)
#define RELAY_BACKLOG    1024
#define RELAY_QOS_MAX    1
#define RELAY_REFUSED    0x80

struct relay;

struct relay_peer {
    struct stream stream; /* first: the poller's callbacks get its address */
    struct relay *relay;
    struct relay_peer *to; /* who gets what it publishes; NULL: not known yet */
    struct carry carry;
    struct bytes filter; /* that it subscribed to; owned, empty: none */
    uint8_t version;     /* from CONNECT; 0 before */
    bool is_dirty;       /* in the list of those with new output */
};

STATIC_CHECK(offsetof(struct relay_peer, stream) == 0, "streams are cast to peers");

struct relay {
    struct poller poller;
    struct stream_pool pool;
    int fd; /* that listens */
    struct relay_peer **peers;
    struct relay_peer **dirty;
    uint32_t num_peers;
    uint32_t num_dirty;
    uint64_t accepted_ns;
};

static void relay_put(struct relay_peer *peer, const uint8_t *data, uint32_t len)
{
    struct relay *relay = peer->relay;
    if (peer->stream.is_broken)
        return;
    while (len > 0) {
        uint32_t room;
        uint8_t *to = stream_reserve(&peer->stream, &relay->pool, 1, &room);
        uint32_t now = len < room ? len : room;
        memcpy(to, data, now);
        stream_commit(&peer->stream, now);
        data += now;
        len -= now;
    }
    if (peer->stream.num_chunks > RELAY_CHUNKS_MAX)
        shutdown(peer->stream.fd, SHUT_RDWR);
    if (!peer->is_dirty)
        relay->dirty[relay->num_dirty++] = peer;
    peer->is_dirty = true;
}

/* What a generator is not expected to say: it sees the end of its connection. */
static void relay_refuse(struct relay_peer *peer, const char *why)
{
    fprintf(stderr, "relay: disconnects a client: %s\n", why);
    shutdown(peer->stream.fd, SHUT_RDWR);
}

static void relay_connect(struct relay_peer *peer, const struct codec_frame *frame)
{
    static const uint8_t connack_v3[] = {CODEC_CONNACK << 4, 2, 0, 0};
    static const uint8_t connack_v5[] = {CODEC_CONNACK << 4, 3, 0, 0, 0};
    struct byte_reader in = byte_reader_of(frame->body);
    byte_reader_take16(&in);
    peer->version = byte_reader_u8(&in);
    if (in.failed || peer->version == 0)
        relay_refuse(peer, "CONNECT is not valid");
    else if (peer->version == 5)
        relay_put(peer, connack_v5, sizeof(connack_v5));
    else
        relay_put(peer, connack_v3, sizeof(connack_v3));
}

static struct relay_peer *relay_find(const struct relay *relay, struct bytes topic)
{
    for (uint32_t i = 0; i < relay->num_peers; i++) {
        struct relay_peer *peer = relay->peers[i];
        if (peer->filter.len > 0 && bytes_equal(peer->filter, topic))
            return peer;
    }
    return NULL;
}

static void relay_subscribe(struct relay_peer *peer, const struct codec_frame *frame)
{
    struct byte_reader in = byte_reader_of(frame->body);
    uint16_t packet_id = byte_reader_u16(&in);
    if (peer->version == 5)
        byte_reader_take(&in, byte_reader_u8(&in));
    struct bytes filter = byte_reader_take16(&in);
    uint8_t qos = byte_reader_u8(&in) & 3;
    bool is_new = !in.failed && byte_reader_left(&in) == 0 && peer->filter.len == 0 &&
                  relay_find(peer->relay, filter) == NULL;
    uint8_t reason = qos < RELAY_QOS_MAX ? qos : RELAY_QOS_MAX;
    uint8_t suback[6] = {CODEC_SUBACK << 4, 3};
    uint32_t len = 4;
    codec_u16_put(suback + 2, packet_id);
    if (peer->version == 5) {
        suback[1] = 4;
        suback[len++] = 0; /* no properties */
    }
    suback[len++] = is_new ? reason : RELAY_REFUSED;
    relay_put(peer, suback, len);
    if (!is_new || filter.len == 0)
        return;
    uint8_t *copy = heap_resized(NULL, filter.len, 1);
    memcpy(copy, filter.ptr, filter.len);
    peer->filter = (struct bytes){.ptr = copy, .len = filter.len};
}

static void relay_publish(struct relay_peer *peer, const struct codec_frame *frame)
{
    struct byte_reader in = byte_reader_of(frame->body);
    struct bytes topic = byte_reader_take16(&in);
    unsigned qos = (frame->flags >> 1) & 3;
    if (qos > 0) {
        uint8_t puback[CODEC_ACK_LEN];
        codec_ack_put(puback, CODEC_PUBACK, byte_reader_u16(&in));
        relay_put(peer, puback, sizeof(puback));
    }
    if (in.failed || qos > RELAY_QOS_MAX) {
        relay_refuse(peer, "PUBLISH is not valid, or of QoS 2");
        return;
    }
    if (peer->to == NULL || !bytes_equal(peer->to->filter, topic))
        peer->to = relay_find(peer->relay, topic);
    if (peer->to != NULL && peer->to->version != peer->version)
        relay_refuse(peer, "its subscriber speaks another version of MQTT");
    else if (peer->to != NULL)
        relay_put(peer->to, frame->body.ptr + frame->body.len - frame->len, frame->len);
}

static void relay_input(struct stream *stream, const uint8_t *data, size_t len)
{
    struct relay_peer *peer = (struct relay_peer *)stream;
    struct bytes input = bytes_of(data, len);
    struct codec_frame frame;
    enum rc rc;
    while ((rc = carry_next(&peer->carry, &input, &frame)) == RC_OK) {
        if (LIKELY(frame.type == CODEC_PUBLISH))
            relay_publish(peer, &frame);
        else if (frame.type == CODEC_CONNECT)
            relay_connect(peer, &frame);
        else if (frame.type == CODEC_SUBSCRIBE)
            relay_subscribe(peer, &frame);
    }
    if (rc == RC_INVALID)
        relay_refuse(peer, "a packet's length is not valid");
}

static void relay_drained(struct stream *stream)
{
    (void)stream;
}

/* Nobody is to find it any more; the descriptor is closed by relay_reap. */
static void relay_broken(struct stream *stream, int error)
{
    struct relay_peer *peer = (struct relay_peer *)stream;
    (void)error;
    free((void *)(uintptr_t)peer->filter.ptr);
    peer->filter = (struct bytes){.ptr = NULL};
    carry_fini(&peer->carry);
}

static const struct poller_sink relay_sink = {
    .input = relay_input,
    .drained = relay_drained,
    .broken = relay_broken,
};

static void relay_flush(struct relay *relay)
{
    for (uint32_t i = 0; i < relay->num_dirty; i++) {
        relay->dirty[i]->is_dirty = false;
        poller_send(&relay->poller, &relay->dirty[i]->stream);
    }
    relay->num_dirty = 0;
}

static void relay_accept(struct relay *relay)
{
    int fd;
    const int on = 1;
    while ((fd = accept4(relay->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (relay->num_peers == RELAY_PEERS_MAX) {
            close(fd);
            continue;
        }
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        struct relay_peer *peer = heap_zeroed(1, sizeof(*peer));
        peer->relay = relay;
        stream_init(&peer->stream, fd);
        relay->peers[relay->num_peers++] = peer;
        poller_add(&relay->poller, &peer->stream);
    }
}

/* Closes what has ended, once the kernel holds nothing of it. */
static void relay_reap(struct relay *relay)
{
    for (uint32_t i = 0; i < relay->num_peers; i++) {
        struct stream *stream = &relay->peers[i]->stream;
        if (stream->is_broken && !stream->is_in_flight && stream->fd >= 0)
            stream_fini(stream, &relay->pool);
    }
}

static void relay_tick(struct relay *relay)
{
    uint64_t now_ns = stopwatch_now_ns();
    if (now_ns - relay->accepted_ns < RELAY_ACCEPT_NS)
        return;
    relay->accepted_ns = now_ns;
    relay_reap(relay);
    relay_accept(relay);
}

static enum rc relay_listen(struct relay *relay, const struct endpoint *endpoint)
{
    const int on = 1;
    int fd = socket(endpoint->broker.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return RC_IO;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&endpoint->broker, endpoint->broker_len) != 0 ||
        listen(fd, RELAY_BACKLOG) != 0) {
        close(fd);
        return RC_IO;
    }
    relay->fd = fd;
    return RC_OK;
}

static void relay_fini(struct relay *relay)
{
    poller_close(&relay->poller);
    for (uint32_t i = 0; i < relay->num_peers; i++) {
        struct relay_peer *peer = relay->peers[i];
        peer->stream.is_in_flight = false;
        stream_fini(&peer->stream, &relay->pool);
        free((void *)(uintptr_t)peer->filter.ptr);
        carry_fini(&peer->carry);
        free(peer);
    }
    stream_pool_fini(&relay->pool);
    free(relay->peers);
    free(relay->dirty);
    close(relay->fd);
}

static bool relay_pin(const struct options *options)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (uint32_t i = 0; i < options->cpus.num; i++)
        CPU_SET(options->cpus.ids[i], &set);
    return options->cpus.num == 0 || sched_setaffinity(0, sizeof(set), &set) == 0;
}

int relay_run(const struct options *options, const struct endpoint *endpoint)
{
    struct relay relay = {.fd = -1};
    if (!relay_pin(options)) {
        fprintf(stderr, "sluice-bench: cannot pin the relay to these cores\n");
        return 1;
    }
    if (relay_listen(&relay, endpoint) != RC_OK) {
        fprintf(stderr, "sluice-bench: cannot listen at %s:%u: %s\n", options->host,
                (unsigned)options->port, strerror(errno));
        return 1;
    }
    (void)time_slice_shorten(); /* as a broker's threads and a generator's have them */
    stream_pool_init(&relay.pool, 0);
    if (poller_open(&relay.poller, (enum options_io)options->io, false, &relay_sink, &relay.pool) !=
        RC_OK) {
        fprintf(stderr, "sluice-bench: --io %s does not work here\n",
                options_io_name((enum options_io)options->io));
        close(relay.fd);
        return 1;
    }
    relay.peers = heap_zeroed(RELAY_PEERS_MAX, sizeof(*relay.peers));
    relay.dirty = heap_zeroed(RELAY_PEERS_MAX, sizeof(*relay.dirty));
    while (!interrupt_came()) {
        relay_flush(&relay);
        poller_wait(&relay.poller, RELAY_ACCEPT_NS);
        relay_tick(&relay);
    }
    relay_fini(&relay);
    return 0;
}
