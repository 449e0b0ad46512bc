/*
 * sim_hand.c -- see sim_hand.h.
 */
#include "sim_hand.h"

#include <stdio.h>
#include <string.h>

#include "broker.h"
#include "decode.h"
#include "durability.h"
#include "encode.h"
#include "listen.h"
#include "logger.h"
#include "router.h"
#include "sim_base.h"
#include "sim_disk.h"
#include "sim_ring.h"
#include "store.h"
#include "store_reshard.h"
#include "store_retain.h"
#include "store_table.h"

/* More than any answer needs, with a commit at each of two shards; time stays far from timers. */
#define HAND_TURNS   100
#define HAND_TURN_NS 10000

#define HAND_PACKET_MAX    1024
#define HAND_SEGMENT_BYTES (UINT64_C(32) * 1024)

static struct {
    struct broker broker;
    struct config config;
    struct hand_start how;
    unsigned shards;
    struct hand_client clients[HAND_CLIENTS_MAX];
    unsigned clients_num;
    unsigned names; /* tried for clients and topics */
    uint16_t packet_id;
} hand;

static uint8_t scratch[HAND_PACKET_MAX];

static struct shard *hand_shard(unsigned index)
{
    return &hand.broker.runtime->shards[index];
}

/* The thread is that shard; NULL: none. */
static void hand_become(struct shard *shard)
{
    shard_become(shard);
    log_attach(shard == NULL ? NULL : shard->log);
}

static void hand_close(struct hand_client *client, bool hard)
{
    if (client->socket != NULL)
        sim_socket_close(client->socket, hard);
    client->socket = NULL;
    client->in_len = 0;
}

static void hand_forget(void)
{
    for (unsigned i = 0; i < hand.clients_num; i++)
        memset(hand.clients[i].got, 0, sizeof(hand.clients[i].got));
}

/* ---- life ---- */

static void hand_configure(void)
{
    char text[256];
    struct error_list errors;
    const struct config_sources none = {.file = NULL};
    snprintf(text, sizeof(text),
             "data_dir: d\n"
             "listeners: [{bind: tcp://127.0.0.1:1883}]\n"
             "shards: {count: %u}\n"
             "mqtt: {session_expiry_interval: infinity, max_inflight: %u}\n",
             hand.shards, hand.how.inflight_max != 0 ? hand.how.inflight_max : 1024u);
    error_list_init(&errors);
    enum rc rc = config_load_text(&hand.config, "sim", text, strlen(text), &none, &errors);
    SIM_CHECK(rc == RC_OK, "%s", errors.texts[0]);
}

/* The logs are written anew if there were more or fewer before, each step by all shards. */
static void hand_reshard(void)
{
    struct store_reshard *reshard = hand.broker.reshard;
    for (unsigned step = 0; reshard != NULL && step < STORE_RESHARD_STEPS; step++)
        for (unsigned i = 0; i < hand.shards; i++) {
            hand_become(hand_shard(i));
            enum rc rc = store_reshard_step(hand_shard(i), reshard, step);
            SIM_CHECK(rc == RC_OK, "step %u of shard %u: %s", step, i, rc_text(rc));
            hand_become(NULL);
        }
    durability_settle(&hand.broker, true);
}

static void hand_up(void)
{
    char reason[512];
    SIM_CHECK(hand.shards >= 1 && hand.shards <= HAND_SHARDS_MAX, "%u shards", hand.shards);
    hand_configure();
    log_level_set(LOG_WARNING);
    enum rc rc = broker_create(&hand.broker, &hand.config, reason, sizeof(reason));
    SIM_CHECK(rc == RC_OK, "%s", reason);
    hand.broker.store.segment_bytes_first = HAND_SEGMENT_BYTES;
    hand.broker.store.segment_bytes_max = HAND_SEGMENT_BYTES;
    for (unsigned i = 0; i < hand.shards; i++) {
        rc = shard_open(hand_shard(i));
        SIM_CHECK(rc == RC_OK, "shard %u does not open", i);
        hand_become(NULL);
    }
    hand_reshard();
    for (unsigned i = 0; i < hand.shards; i++) {
        hand_become(hand_shard(i));
        SIM_CHECK(hand.broker.runtime->tables.start(hand_shard(i)), "shard %u does not start", i);
        hand_become(NULL);
    }
    for (unsigned i = 0; i < hand.shards; i++) {
        hand_become(hand_shard(i));
        SIM_CHECK(hand.broker.runtime->tables.begin(hand_shard(i)), "shard %u does not begin", i);
        hand_become(NULL);
    }
    hand_settle();
}

static void hand_down(void)
{
    for (unsigned i = 0; i < hand.shards; i++) {
        hand_become(hand_shard(i));
        hand.broker.runtime->tables.stop(hand_shard(i));
        shard_close(hand_shard(i));
        hand_become(NULL);
    }
    broker_turn(&hand.broker);
    broker_destroy(&hand.broker);
    config_fini(&hand.config);
    for (unsigned i = 0; i < hand.clients_num; i++)
        hand_close(&hand.clients[i], true);
    SIM_CHECK(sim_ring_count() == 0, "%u rings are left", sim_ring_count());
    SIM_CHECK(sim_fd_count() == 0, "%u descriptors are still open", sim_fd_count());
}

void hand_start(struct hand_start how)
{
    sim_random_start(how.shards);
    sim_clock_start();
    sim_disk_start();
    sim_kernel = (struct sim_kernel){.progress = 1000, .receive_most = 4096, .send_most = 65536};
    memset(&hand, 0, sizeof(hand));
    hand.how = how;
    hand.shards = how.shards;
    hand_up();
}

void hand_stop(void)
{
    hand_release();
    hand_down();
    sim_disk_fini();
}

void hand_restart(unsigned shards)
{
    for (unsigned i = 0; i < hand.clients_num; i++)
        if (hand.clients[i].socket != NULL)
            sim_socket_break(hand.clients[i].socket);
    sim_disk_die();
    for (unsigned i = 0; i < hand.shards; i++)
        sim_ring_hold_writes(hand_shard(i)->ring, false);
    hand_down();
    sim_disk_crash(false);
    hand_forget();
    hand.shards = shards;
    hand_up();
}

/* ---- places ---- */

struct hand_client *hand_client(unsigned shard)
{
    SIM_CHECK(hand.clients_num < HAND_CLIENTS_MAX && shard < hand.shards, "no such client");
    struct hand_client *client = &hand.clients[hand.clients_num++];
    do
        snprintf(client->id, sizeof(client->id), "client-%u", hand.names++);
    while (session_home(hand_shard(0)->route, bytes_of_text(client->id)) != shard);
    return client;
}

void hand_topic(unsigned shard, char *out)
{
    do
        snprintf(out, HAND_TOPIC_MAX, "topic/%u", hand.names++);
    while (store_retain_owner(hand_shard(0)->route, bytes_of_text(out)) != shard);
}

/* ---- what comes ---- */

/* The packet id, as far as a test needs it. */
static uint16_t hand_packet_id(const struct frame *frame)
{
    struct publish_view publish;
    const uint8_t *body = frame->body.ptr;
    if (frame_type(frame) == PACKET_PUBLISH) {
        enum reason reason = decode_publish_from(hand.how.version, DECODE_FROM_SERVER, frame,
                                                 &publish);
        SIM_CHECK(reason == REASON_SUCCESS, "a PUBLISH that is none");
        return publish.packet_id;
    }
    if (frame->body.len < 2)
        return 0;
    return (uint16_t)((body[0] << 8) | body[1]);
}

static void hand_read(struct hand_client *client)
{
    struct frame frame;
    if (client->socket == NULL)
        return;
    client->in_len += (unsigned)sim_socket_read(client->socket, client->in + client->in_len,
                                                sizeof(client->in) - client->in_len);
    while (frame_read(bytes_of(client->in, client->in_len), sizeof(client->in), hand.how.version,
                      &frame) == FRAME_OK) {
        enum packet_type type = frame_type(&frame);
        SIM_TRACE("%s gets %s", client->id, packet_text(type));
        client->got[type]++;
        client->last_id[type] = hand_packet_id(&frame);
        client->in_len -= frame.len;
        memmove(client->in, client->in + frame.len, client->in_len);
    }
    SIM_CHECK(client->got[PACKET_DISCONNECT] == 0 && !sim_socket_ended(client->socket),
              "%s was disconnected", client->id);
}

static void hand_turn(unsigned shard)
{
    hand_become(hand_shard(shard));
    shard_turn(hand_shard(shard), false);
    if (sim_tracing)
        logger_drain(shard_self->log, false);
    hand_become(NULL);
}

void hand_settle(void)
{
    for (unsigned turn = 0; turn < HAND_TURNS; turn++) {
        sim_step++;
        sim_clock_advance(HAND_TURN_NS);
        for (unsigned i = 0; i < hand.shards; i++)
            hand_turn(i);
        for (unsigned i = 0; i < hand.clients_num; i++)
            hand_read(&hand.clients[i]);
    }
}

/* ---- the logs ---- */

void hand_hold(unsigned shard)
{
    hand_settle();
    hand_forget();
    SIM_CHECK(!hand_log_waits(shard), "the log has not come to rest");
    sim_ring_hold_writes(hand_shard(shard)->ring, true);
}

void hand_release(void)
{
    for (unsigned i = 0; i < hand.shards; i++)
        sim_ring_hold_writes(hand_shard(i)->ring, false);
    hand_settle();
}

void hand_checkpoint(unsigned shard)
{
    const struct router *router = hand_shard(shard)->route;
    struct store *store = router->store;
    hand_settle();
    store->gap = true; /* which makes one due */
    store->checkpoint_next_ms = 0;
    hand_turn(shard);
    SIM_CHECK(store->checkpoint != NULL, "no checkpoint has begun");
}

unsigned hand_taken(unsigned shard)
{
    const struct router *router = hand_shard(shard)->route;
    return router->store->taken->count;
}

bool hand_log_waits(unsigned shard)
{
    struct wal_figures figures;
    const struct router *router = hand_shard(shard)->route;
    hand_become(hand_shard(shard));
    wal_figures_read(router->store->wal, &figures);
    hand_become(NULL);
    return figures.pending_bytes > 0;
}

/* ---- what goes ---- */

static void hand_write(struct hand_client *client, uint32_t len)
{
    SIM_CHECK(len > 0 && len <= sizeof(scratch) && client->socket != NULL, "not to be written");
    size_t written = sim_socket_write(client->socket, scratch, len);
    SIM_CHECK(written == len, "%s has lost its connection", client->id);
}

static uint16_t hand_id_next(void)
{
    return ++hand.packet_id;
}

void hand_connect(struct hand_client *client, struct hand_connect how)
{
    SIM_CHECK(client->socket == NULL, "%s is connected", client->id);
    /* Always the first shard's: the broker brings it home. */
    struct sim_file *listener = sim_fd_file(hand.broker.net.listeners[0].fds[0]);
    client->socket = sim_socket_connect(listener, 65536);
    SIM_CHECK(client->socket != NULL, "the listener takes no connection");
    struct connect_view connect = {
        .version = hand.how.version,
        .clean_start = how.clean,
        .client_id = bytes_of_text(client->id),
        .has_will = how.has_will,
        .will = {.topic = bytes_of_text("will"), .payload = bytes_of_text("w"), .qos = 1},
        .session_expiry_s = how.lasting ? MQTT_EXPIRY_NEVER_S : 0,
        .packet_size_max = PACKET_SIZE_UNLIMITED,
        .receive_max = how.receive_max != 0 ? how.receive_max : MQTT_RECEIVE_DEFAULT,
        .request_problem_info = true,
    };
    SIM_CHECK(encode_connect_size(&connect) <= sizeof(scratch), "a long CONNECT");
    hand_write(client, encode_connect(&connect, scratch));
}

void hand_leave(struct hand_client *client)
{
    const struct disconnect_view disconnect = {.reason = REASON_SUCCESS};
    hand_write(client,
               encode_disconnect(hand.how.version, &disconnect, PACKET_SIZE_UNLIMITED, scratch));
    hand_drop(client);
}

void hand_drop(struct hand_client *client)
{
    hand_close(client, false);
    hand_settle();
}

void hand_subscribe(struct hand_client *client, const char *filter, uint8_t qos)
{
    const struct subscribe_item item = {.filter = bytes_of_text(filter), .qos = qos};
    const struct subscribe_out out = {.packet_id = hand_id_next(), .items = &item, .items_num = 1};
    hand_write(client, encode_subscribe(hand.how.version, &out, scratch));
}

void hand_unsubscribe(struct hand_client *client, const char *filter)
{
    const struct bytes filters = bytes_of_text(filter);
    const struct unsubscribe_out out = {
        .packet_id = hand_id_next(), .filters = &filters, .filters_num = 1};
    hand_write(client, encode_unsubscribe(hand.how.version, &out, scratch));
}

static void hand_write_publish(struct hand_client *client, const char *topic,
                               struct publish_out *out)
{
    static const uint8_t payload[] = {'p'};
    out->topic = bytes_of_text(topic);
    out->payload_len = sizeof(payload);
    out->packet_id = client->sent_id;
    uint32_t head = encode_publish_head(hand.how.version, out, scratch);
    memcpy(scratch + head, payload, sizeof(payload));
    hand_write(client, head + (uint32_t)sizeof(payload));
}

void hand_publish(struct hand_client *client, const char *topic, uint8_t qos, bool retain)
{
    struct publish_out out = {.qos = qos, .retain = retain};
    client->sent_id = hand_id_next();
    hand_write_publish(client, topic, &out);
}

void hand_publish_again(struct hand_client *client, const char *topic)
{
    struct publish_out out = {.qos = MQTT_QOS_2, .dup = true};
    SIM_CHECK(client->sent_id != 0, "%s has sent nothing", client->id);
    hand_write_publish(client, topic, &out);
}

void hand_answer(struct hand_client *client, enum packet_type type)
{
    enum packet_type to = type == PACKET_PUBREL    ? PACKET_PUBREC
                          : type == PACKET_PUBCOMP ? PACKET_PUBREL
                                                   : PACKET_PUBLISH;
    SIM_CHECK(client->last_id[to] != 0, "%s has nothing to answer", client->id);
    encode_ack_short(type, client->last_id[to], scratch);
    hand_write(client, ENCODE_ACK_SHORT_SIZE);
}
