/*
 * sim_chaos.c -- see sim_chaos.h.
 */
#include "sim_chaos.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "frame.h"
#include "sim_base.h"
#include "sim_client.h"

#define SIM_CHAOS_IDS 3

static uint8_t scratch[8192];

static struct bytes sim_chaos_filter(void)
{
    static const char *const filters[] = {
        "x/#",          "x/+/0/0",        "x/0/0/0",  "x/1/0/0/#",
        "$share/g/x/#", "$queue/x/+/0/0", "x/0/0/0/", "$share/g/x/0/0/0",
        "x/+/+/+",      "x/#/y",          "x+/y",     "$share//x",
        "$share/g/x/#", "$SYS/x",         "x/0/+/#",
    };
    return bytes_of_text(filters[sim_below(sizeof(filters) / sizeof(filters[0]))]);
}

static struct bytes sim_chaos_topic(void)
{
    static const char *const topics[] = {"x/0/0/0", "x/1/0/0", "x/0/1/0", "x/2/0/0/0"};
    return bytes_of_text(topics[sim_below(4)]);
}

static uint16_t sim_chaos_packet_id(void)
{
    return (uint16_t)(1 + (sim_chance(800) ? sim_below(8) : sim_below(65535)));
}

static uint32_t sim_chaos_connect(struct sim_chaos *chaos)
{
    static const enum mqtt_version versions[] = {MQTT_31, MQTT_311, MQTT_50, MQTT_50};
    static char id[16];
    snprintf(id, sizeof(id), "chaos-%u", sim_below(SIM_CHAOS_IDS));
    chaos->version = versions[sim_below(4)];
    bool v5 = chaos->version == MQTT_50;
    struct connect_view connect = {
        .version = chaos->version,
        .clean_start = sim_chance(500),
        .client_id = bytes_of_text(id),
        .keep_alive_s = (uint16_t)sim_below(4),
        .session_expiry_s = sim_below(6),
        .packet_size_max = sim_chance(800) ? PACKET_SIZE_UNLIMITED : 20 + sim_below(200),
        .receive_max = (uint16_t)sim_size(10),
        .topic_alias_max = (uint16_t)sim_below(4),
        .has_will = sim_chance(500),
        .will = {.topic = sim_chaos_topic(),
                 .payload = bytes_of("gone", sim_below(5)),
                 .qos = (uint8_t)sim_below(3),
                 .retain = sim_chance(300),
                 .delay_s = v5 ? sim_below(4) : 0,
                 .has_expiry = v5 && sim_chance(300),
                 .expiry_s = sim_below(3)},
    };
    if (sim_chance(100)) {
        connect.client_id.len = 0;
        connect.clean_start = chaos->version != MQTT_31;
    }
    if (!connect.has_will)
        memset(&connect.will, 0, sizeof(connect.will));
    encode_connect(&connect, scratch);
    return encode_connect_size(&connect);
}

static uint32_t sim_chaos_publish(const struct sim_chaos *chaos)
{
    struct publish_out out = {.topic = sim_chaos_topic(),
                              .payload_len = sim_chance(100) ? sim_below(5000) : sim_below(40),
                              .packet_id = sim_chaos_packet_id(),
                              .qos = (uint8_t)sim_below(3),
                              .dup = sim_chance(100),
                              .retain = sim_chance(300)};
    out.dup &= out.qos > 0;
    if (chaos->version == MQTT_50 && sim_chance(300)) {
        out.alias = (uint16_t)(1 + sim_below(5));
        if (sim_chance(400))
            out.topic.len = 0;
    }
    if (chaos->version == MQTT_50 && sim_chance(200)) {
        out.has_expiry = true;
        out.expiry_s = sim_below(3);
    }
    uint32_t head = encode_publish_head(chaos->version, &out, scratch);
    memset(scratch + head, 'x', out.payload_len);
    return head + out.payload_len;
}

static uint32_t sim_chaos_subscribe(const struct sim_chaos *chaos)
{
    struct subscribe_item items[3];
    unsigned num = 1 + sim_below(3);
    bool v5 = chaos->version == MQTT_50;
    for (unsigned i = 0; i < num; i++)
        items[i] = (struct subscribe_item){.filter = sim_chaos_filter(),
                                           .qos = (uint8_t)sim_below(3),
                                           .retain_handling = v5 ? (uint8_t)sim_below(3) : 0,
                                           .retain_as_published = v5 && sim_chance(500)};
    struct subscribe_out out = {.packet_id = sim_chaos_packet_id(),
                                .sub_id = v5 && sim_chance(500) ? 1 + sim_below(300) : 0,
                                .items = items,
                                .items_num = num};
    return encode_subscribe(chaos->version, &out, scratch);
}

static uint32_t sim_chaos_unsubscribe(const struct sim_chaos *chaos)
{
    struct bytes filter = sim_chaos_filter();
    struct unsubscribe_out out = {
        .packet_id = sim_chaos_packet_id(), .filters = &filter, .filters_num = 1};
    return encode_unsubscribe(chaos->version, &out, scratch);
}

static uint32_t sim_chaos_disconnect(struct sim_chaos *chaos)
{
    struct disconnect_view view = {.reason = sim_chance(500) ? REASON_DISCONNECT_WITH_WILL
                                                             : REASON_SUCCESS};
    if (chaos->version == MQTT_50 && sim_chance(300)) {
        view.has_session_expiry = true;
        view.session_expiry_s = sim_below(4);
    }
    chaos->packets_left = 0;
    return encode_disconnect(chaos->version, &view, PACKET_SIZE_UNLIMITED, scratch);
}

static uint32_t sim_chaos_packet(struct sim_chaos *chaos)
{
    uint32_t what = sim_below(100);
    if (what < 35)
        return sim_chaos_publish(chaos);
    if (what < 50)
        return sim_chaos_subscribe(chaos);
    if (what < 60)
        return sim_chaos_unsubscribe(chaos);
    if (what < 90) {
        encode_ack_short((enum packet_type)(PACKET_PUBACK + sim_below(4)), sim_chaos_packet_id(),
                         scratch);
        return ENCODE_ACK_SHORT_SIZE;
    }
    if (what < 96) {
        encode_ping(PACKET_PINGREQ, scratch);
        return ENCODE_PING_SIZE;
    }
    return sim_chaos_disconnect(chaos);
}

static void sim_chaos_begin(struct sim_chaos *chaos)
{
    struct sim_file *listener = sim_client_listener();
    chaos->socket = listener == NULL ? NULL : sim_socket_connect(listener, 1 + sim_size(4000));
    if (chaos->socket == NULL)
        return;
    chaos->packets_left = sim_below(60);
    chaos->is_deaf = sim_chance(200);
    chaos->is_legal = true;
    uint32_t len = sim_chaos_connect(chaos);
    sim_pipe_put(&chaos->out, scratch, len);
}

static void sim_chaos_say(struct sim_chaos *chaos)
{
    uint32_t len = 0;
    if (sim_chance(5)) {
        chaos->is_legal = false;
        len = 1 + sim_below(100);
        for (uint32_t i = 0; i < len; i++)
            scratch[i] = (uint8_t)sim_random();
    } else {
        len = sim_chaos_packet(chaos);
        if (sim_chance(10)) {
            chaos->is_legal = false;
            scratch[sim_below(len)] ^= (uint8_t)(1 + sim_below(255));
        }
    }
    sim_pipe_put(&chaos->out, scratch, len);
    if (chaos->packets_left > 0)
        chaos->packets_left--;
}

/* Whole packets, as far as their frames show it. */
static void sim_chaos_hear(struct sim_chaos *chaos)
{
    uint8_t bytes[1024];
    size_t len = sim_socket_read(chaos->socket, bytes, sim_size(sizeof(bytes)));
    sim_pipe_put(&chaos->in, bytes, len);
    while (chaos->in.len > 0) {
        struct frame frame;
        enum frame_result result = frame_read(
            bytes_of(chaos->in.bytes + chaos->in.head, chaos->in.len), PACKET_SIZE_UNLIMITED,
            chaos->version, &frame);
        if (result == FRAME_MORE)
            return;
        SIM_CHECK(result == FRAME_OK, "chaos: no packet begins with %02x",
                  chaos->in.bytes[chaos->in.head]);
        chaos->in.head += frame.len;
        chaos->in.len -= frame.len;
    }
}

void sim_chaos_fini(struct sim_chaos *chaos)
{
    if (chaos->socket != NULL)
        sim_socket_close(chaos->socket, sim_chance(500));
    free(chaos->out.bytes);
    free(chaos->in.bytes);
    memset(chaos, 0, sizeof(*chaos));
}

void sim_chaos_step(struct sim_chaos *chaos)
{
    if (chaos->socket == NULL) {
        if (sim_chance(100))
            sim_chaos_begin(chaos);
        return;
    }
    if (chaos->packets_left > 0 && sim_chance(400))
        sim_chaos_say(chaos);
    uint8_t bytes[512];
    size_t len = sim_pipe_take(&chaos->out, bytes, sim_size(sizeof(bytes)));
    if (!chaos->socket->client_fin)
        sim_socket_write(chaos->socket, bytes, len);
    if (!chaos->is_deaf)
        sim_chaos_hear(chaos);
    if (sim_socket_ended(chaos->socket) ||
        (chaos->packets_left == 0 && chaos->out.len == 0 && sim_chance(20)))
        sim_chaos_fini(chaos);
    else if (chaos->packets_left == 0 && chaos->out.len == 0 && sim_chance(20))
        sim_socket_fin(chaos->socket);
}
