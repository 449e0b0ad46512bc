/*
 * sim_packets.c -- the packets of a simulated client, in both directions (sim_client.h).
 *
 * Written with net/encode.h, read with net/decode.h: that both sides of a codec agree is not proof
 * of either, but the codec has tests of its own, and everything else is checked here: order of
 * acknowledgements, identifiers in use, quotas, aliases, sizes, states.
 */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "decode.h"
#include "encode.h"
#include "props.h"
#include "sim_base.h"
#include "sim_client.h"
#include "sim_power.h"

#define SIM_PACKET_MAX (256 * 1024)

static uint8_t scratch[SIM_PACKET_MAX];

/* ---- towards the broker ---- */

static uint8_t *sim_put(struct sim_client *client, uint32_t len)
{
    SIM_CHECK(len > 0 && len <= SIM_PACKET_MAX, "a packet of %u bytes", len);
    SIM_CHECK(client->socket != NULL, "a packet without a connection");
    return scratch;
}

static void sim_put_done(struct sim_client *client, uint32_t len)
{
    /* Nothing may follow DISCONNECT. */
    if (client->state != SIM_LEAVING)
        sim_pipe_put(&client->out, scratch, len);
}

static void sim_will_create(struct sim_client *client, struct connect_view *connect,
                            uint8_t *payload)
{
    struct sim_message *will = sim_message_create(client->index, SIM_TOPIC_WILL, 2,
                                                  SIM_PAYLOAD_MIN + sim_below(30));
    will->is_will = true;
    will->lasts = client->lasting && !client->brief;
    will->sendings = 1;
    will->acked = sim_views[SIM_WITNESS].subs[SIM_FILTER_WILL] == SIM_SUB_ON;
    sim_message_fill(will, payload);
    client->will = will->number;
    connect->has_will = true;
    connect->will = (struct will_view){.topic = bytes_of_text(sim_topic_text(SIM_TOPIC_WILL)),
                                       .payload = bytes_of(payload, will->len),
                                       .qos = 2};
    if (client->version == MQTT_50 && sim_chance(300))
        connect->will.delay_s = 1 + sim_below(3);
    client->will_delayed = connect->will.delay_s > 0 && will->lasts;
}

void sim_send_connect(struct sim_client *client, bool clean)
{
    uint8_t payload[64];
    bool v5 = client->version == MQTT_50;
    client->keep_alive_s = sim_chance(500) ? 0 : (uint16_t)(5 + sim_below(30));
    client->receive_max = v5 && sim_chance(700) ? (uint16_t)sim_size(20) : MQTT_RECEIVE_DEFAULT;
    client->packet_max = v5 && client->index % 4 == 2 ? 300 : 0;
    client->alias_max = v5 && sim_chance(500) ? (uint16_t)sim_size(SIM_ALIASES_MAX) : 0;
    client->clean_asked = clean;
    client->has_none = false;
    sim_views[client->index].was_brief |= client->brief;
    client->present_unsure = client->strays_num > 0;
    memset(client->aliases, SIM_TOPIC_NONE, sizeof(client->aliases));
    client->aliases_told = 0;
    sim_views[client->index].packet_max = client->packet_max;
    struct connect_view connect = {
        .version = client->version,
        .clean_start = clean,
        .keep_alive_s = client->keep_alive_s,
        .client_id = bytes_of_text(client->id),
        .session_expiry_s = client->lasting && !client->brief ? MQTT_EXPIRY_NEVER_S : 0,
        .packet_size_max = client->packet_max != 0 ? client->packet_max : PACKET_SIZE_UNLIMITED,
        .receive_max = client->receive_max,
        .topic_alias_max = client->alias_max,
        .request_problem_info = sim_chance(500),
    };
    /* Sessions go from user to user, and what is counted for their quotas with them. */
    if (sim_chance(700))
        connect.username = bytes_of_text(sim_chance(500) ? "ann" : "bob");
    if (client->index != SIM_WITNESS && sim_chance(500))
        sim_will_create(client, &connect, payload);
    if (clean) {
        sim_oracle_session_ended(client->index);
        sim_session_forget(client);
    }
    uint32_t size = encode_connect_size(&connect);
    encode_connect(&connect, sim_put(client, size));
    sim_put_done(client, size);
}

static uint16_t sim_id_draw(struct sim_client *client)
{
    for (;;) {
        uint16_t id = client->id_next;
        client->id_next = id == UINT16_MAX ? 1 : (uint16_t)(id + 1);
        bool used = false;
        for (unsigned i = 0; i < client->window_len; i++)
            used |= client->window[i].packet_id == id;
        for (unsigned i = 0; i < SIM_REQUESTS_MAX; i++)
            used |= client->requests[i].packet_id == id;
        if (!used)
            return id;
    }
}

static void sim_put_publish(struct sim_client *client, struct sim_message *message,
                            uint16_t packet_id, bool dup)
{
    struct publish_out out = {.topic = bytes_of_text(sim_topic_text(message->topic)),
                              .payload_len = message->len,
                              .packet_id = packet_id,
                              .qos = message->qos,
                              .dup = dup,
                              .retain = message->retain,
                              .has_expiry = message->expires,
                              .expiry_s = message->expiry_s};
    if (client->version == MQTT_50 && message->topic < client->their_alias_max && sim_chance(500)) {
        out.alias = (uint16_t)(message->topic + 1);
        if ((client->aliases_told >> message->topic) & 1)
            out.topic = (struct bytes){.ptr = out.topic.ptr, .len = 0};
        client->aliases_told |= (uint16_t)(1u << message->topic);
    }
    uint32_t head = encode_publish_head_size(client->version, &out);
    uint8_t *at = sim_put(client, head + message->len);
    encode_publish_head(client->version, &out, at);
    sim_message_fill(message, at + head);
    sim_put_done(client, head + message->len);
    SIM_TRACE("client %u: sends message %u on %s, qos %u, id %u%s", client->index, message->number,
              sim_topic_text(message->topic), message->qos, packet_id, dup ? ", dup" : "");
    sim_oracle_sent(message);
}

static uint32_t sim_payload_len(void)
{
    if (sim_chance(15))
        return SIM_PAYLOAD_MIN + sim_below(30000);
    return SIM_PAYLOAD_MIN + (sim_chance(50) ? sim_below(3500) : sim_below(60));
}

void sim_send_publish(struct sim_client *client)
{
    unsigned topic = sim_below(SIM_TOPIC_WILL);
    uint8_t qos = (uint8_t)sim_below(3);
    bool retain = topic >= SIM_RETAINED_FIRST && topic < SIM_RETAINED_FIRST + SIM_RETAINED_COUNT;
    uint32_t len = sim_payload_len();
    if (retain) {
        /* One publisher a topic, one QoS: so it is known what the broker keeps. */
        if (client->index != 1 + topic % SIM_RETAINED_COUNT)
            return;
        qos = 1;
        if (sim_chance(200))
            len = 0;
    }
    unsigned quota = client->their_receive_max < SIM_WINDOW_MAX ? client->their_receive_max
                                                                : SIM_WINDOW_MAX;
    if (qos > 0 && client->window_len >= quota)
        return;
    struct sim_message *message = sim_message_create(client->index, topic, qos, len);
    message->retain = retain;
    if (client->version == MQTT_50 && !retain && sim_chance(80)) {
        message->expires = true;
        message->expiry_s = 1 + sim_below(5);
    }
    uint16_t packet_id = 0;
    if (qos > 0) {
        packet_id = sim_id_draw(client);
        client->window[client->window_len++] = (struct sim_sent){.number = message->number,
                                                                 .packet_id = packet_id,
                                                                 .awaits = qos == 1 ? PACKET_PUBACK
                                                                                    : PACKET_PUBREC,
                                                                 .here = true};
    }
    sim_put_publish(client, message, packet_id, false);
}

static struct sim_request *sim_request_free(struct sim_client *client)
{
    for (unsigned i = 0; i < SIM_REQUESTS_MAX; i++)
        if (client->requests[i].packet_id == 0)
            return &client->requests[i];
    return NULL;
}

/* Is an UNSUBSCRIBE or SUBSCRIBE of this filter under way? Two at once would hide the outcome. */
static bool sim_request_pending(const struct sim_client *client, unsigned filter)
{
    for (unsigned i = 0; i < SIM_REQUESTS_MAX; i++)
        for (unsigned j = 0; j < client->requests[i].filters_num; j++)
            if (client->requests[i].packet_id != 0 && client->requests[i].filters[j] == filter)
                return true;
    return false;
}

static bool sim_filter_is_for(const struct sim_client *client, unsigned filter)
{
    if (client->index == SIM_WITNESS && sim_views[SIM_WITNESS].subs[SIM_FILTER_WILL] != SIM_SUB_ON)
        return filter == SIM_FILTER_WILL;
    if (sim_filter_is_shared(filter))
        return client->index % 2 == 1 && (client->steady || (sim_mixed_groups && !client->lasting));
    return filter != SIM_FILTER_WILL || client->index == SIM_WITNESS;
}

void sim_send_subscribe(struct sim_client *client)
{
    struct sim_request *request = sim_request_free(client);
    if (request == NULL)
        return;
    struct subscribe_item items[SIM_TIMES_MAX];
    char texts[SIM_TIMES_MAX][64];
    unsigned most = 1 + sim_below(SIM_TIMES_MAX);
    unsigned num = 0;
    uint32_t sub_id = 0;
    for (unsigned tries = 0; tries < 10 && num < most; tries++) {
        unsigned filter = sim_below(SIM_FILTERS);
        if (!sim_filter_is_for(client, filter) || sim_request_pending(client, filter))
            continue;
        bool again = false;
        for (unsigned i = 0; i < num; i++)
            again |= request->filters[i] == filter;
        /* An identifier belongs to the whole packet. */
        if (again || (num > 0 && sim_filter_sub_id(client->index, filter) != sub_id))
            continue;
        sub_id = sim_filter_sub_id(client->index, filter);
        request->filters[num] = (uint8_t)filter;
        size_t len = strlen(sim_filter_text(filter));
        memcpy(texts[num], sim_filter_text(filter), len + 1);
        items[num] = (struct subscribe_item){
            .filter = bytes_of(texts[num], len),
            .qos = sim_filter_qos(client->index, filter),
            .no_local = sim_filter_no_local(client->index, filter)};
        num++;
    }
    if (num == 0)
        return;
    bool wants_retained = client->version < MQTT_50 || sim_chance(800);
    for (unsigned i = 0; i < num && !wants_retained; i++)
        items[i].retain_handling = (uint8_t)(1 + sim_below(2));
    uint16_t packet_id = sim_id_draw(client);
    request->packet_id = packet_id;
    request->leaves = false;
    request->filters_num = (uint8_t)num;
    struct subscribe_out out = {
        .packet_id = packet_id, .sub_id = sub_id, .items = items, .items_num = num};
    uint32_t size = encode_subscribe_size(client->version, &out);
    encode_subscribe(client->version, &out, sim_put(client, size));
    sim_put_done(client, size);
    for (unsigned i = 0; i < num; i++) {
        SIM_TRACE("client %u: subscribes to %s", client->index, texts[i]);
        sim_oracle_asked(client->index, request->filters[i], packet_id, wants_retained);
    }
}

void sim_send_unsubscribe(struct sim_client *client)
{
    struct sim_request *request = sim_request_free(client);
    unsigned filter = sim_below(SIM_FILTERS);
    if (request == NULL || sim_request_pending(client, filter) || sim_filter_is_shared(filter) ||
        filter == SIM_FILTER_WILL)
        return;
    *request = (struct sim_request){.packet_id = sim_id_draw(client),
                                    .leaves = true,
                                    .filters = {(uint8_t)filter},
                                    .filters_num = 1};
    struct bytes text = bytes_of_text(sim_filter_text(filter));
    struct unsubscribe_out out = {
        .packet_id = request->packet_id, .filters = &text, .filters_num = 1};
    uint32_t size = encode_unsubscribe_size(client->version, &out);
    encode_unsubscribe(client->version, &out, sim_put(client, size));
    sim_put_done(client, size);
    SIM_TRACE("client %u: unsubscribes from %s", client->index, sim_filter_text(filter));
    sim_oracle_leaving(client->index, filter);
}

void sim_send_ping(struct sim_client *client)
{
    encode_ping(PACKET_PINGREQ, sim_put(client, ENCODE_PING_SIZE));
    sim_put_done(client, ENCODE_PING_SIZE);
    client->pings++;
    client->wrote_ns = clock_mono_ns();
}

void sim_send_disconnect(struct sim_client *client)
{
    struct disconnect_view view = {.reason = REASON_SUCCESS};
    uint32_t size = encode_disconnect_size(client->version, &view, PACKET_SIZE_UNLIMITED);
    encode_disconnect(client->version, &view, PACKET_SIZE_UNLIMITED, sim_put(client, size));
    sim_put_done(client, size);
    SIM_TRACE("client %u: disconnects", client->index);
}

void sim_send_acks(struct sim_client *client, unsigned most)
{
    unsigned count = most < client->acks_len ? most : client->acks_len;
    for (unsigned i = 0; i < count; i++) {
        const struct sim_ack *ack = &client->acks[i];
        encode_ack_short((enum packet_type)ack->type, ack->packet_id,
                         sim_put(client, ENCODE_ACK_SHORT_SIZE));
        sim_put_done(client, ENCODE_ACK_SHORT_SIZE);
        if (ack->type == PACKET_PUBACK || ack->type == PACKET_PUBCOMP) {
            if (client->unfinished > 0)
                client->unfinished--;
        }
    }
    client->acks_len -= count;
    memmove(client->acks, client->acks + count, client->acks_len * sizeof(client->acks[0]));
}

static void sim_put_pubrel(struct sim_client *client, uint16_t packet_id)
{
    encode_ack_short(PACKET_PUBREL, packet_id, sim_put(client, ENCODE_ACK_SHORT_SIZE));
    sim_put_done(client, ENCODE_ACK_SHORT_SIZE);
}

void sim_send_again(struct sim_client *client)
{
    for (unsigned i = 0; i < client->window_len; i++) {
        struct sim_sent *sent = &client->window[i];
        sent->here = true;
        if (sent->awaits == PACKET_PUBCOMP)
            sim_put_pubrel(client, sent->packet_id);
        else
            sim_put_publish(client, sim_message_at(sent->number), sent->packet_id, true);
    }
}

void sim_session_forget(struct sim_client *client)
{
    client->window_len = 0;
    client->session = SIM_SESSION_NONE;
    memset(client->received, 0, sizeof(client->received));
    client->received_num = 0;
}

/* ---- from the broker ---- */

static void sim_on_connack(struct sim_client *client, const struct frame *frame)
{
    struct connack_view view;
    SIM_CHECK(client->state == SIM_CONNECTING, "client %u: a second CONNACK", client->index);
    enum reason reason = decode_connack(client->version, frame, &view);
    SIM_CHECK(reason == REASON_SUCCESS, "client %u: CONNACK is malformed", client->index);
    if ((sim_scarce || sim_ailing || sim_draining || client->severed) &&
        view.reason != REASON_SUCCESS) {
        client->disconnect_seen = true;
        return;
    }
    SIM_CHECK(view.reason == REASON_SUCCESS, "client %u: CONNECT refused with %02x", client->index,
              view.reason);
    if (client->version > MQTT_31) {
        SIM_CHECK(!view.session_present || !client->clean_asked,
                  "client %u: a session is present after a clean start", client->index);
        SIM_CHECK(view.session_present || client->clean_asked ||
                      client->session != SIM_SESSION_THERE,
                  "client %u: its session is lost", client->index);
        SIM_CHECK(!view.session_present || client->present_unsure ||
                      client->session != SIM_SESSION_NONE,
                  "client %u: a session that it never had", client->index);
    }
    bool may_have_one = client->session == SIM_SESSION_UNKNOWN;
    bool had_none = client->version > MQTT_31 ? !view.session_present
                                              : client->session != SIM_SESSION_THERE;
    SIM_TRACE("client %u: on, session %s", client->index, had_none ? "new" : "resumed");
    if (had_none && !client->clean_asked) {
        sim_oracle_session_ended(client->index);
        sim_session_forget(client);
        /* A connection from before may come to be served now, with what was asked for on it. */
        if ((client->version == MQTT_31 && may_have_one) || sim_has_new_stray(client))
            sim_oracle_session_unsure(client->index);
        /* What was asked for behind CONNECT belongs to the new session. */
        for (unsigned i = 0; i < SIM_REQUESTS_MAX; i++)
            for (unsigned j = 0;
                 client->requests[i].packet_id != 0 && j < client->requests[i].filters_num; j++)
                sim_views[client->index].subs[client->requests[i].filters[j]] = SIM_SUB_ASKED;
    }
    /* MQTT 3.1 does not say whether there was a session. */
    client->resumed = !had_none || (client->version == MQTT_31 && may_have_one);
    bool lasts = client->lasting && !client->brief;
    client->session = lasts ? SIM_SESSION_THERE : SIM_SESSION_NONE;
    client->has_none = !lasts;
    client->state = SIM_ON;
    client->their_receive_max = view.receive_max;
    client->their_alias_max = view.topic_alias_max;
    sim_send_again(client);
}

/* The topic of a PUBLISH, by name or by alias. */
static struct bytes sim_publish_topic(struct sim_client *client, const struct publish_view *view)
{
    SIM_CHECK(view->alias <= client->alias_max, "client %u: alias %u of %u", client->index,
              view->alias, client->alias_max);
    if (view->topic.len == 0) {
        uint8_t topic = client->aliases[view->alias];
        SIM_CHECK(view->alias != 0 && topic != SIM_TOPIC_NONE,
                  "client %u: alias %u without a topic", client->index, view->alias);
        return topic == SIM_TOPICS ? view->topic : bytes_of_text(sim_topic_text(topic));
    }
    if (view->alias == 0)
        return view->topic;
    client->aliases[view->alias] = SIM_TOPICS; /* not one of the table's */
    for (unsigned topic = 0; topic < SIM_TOPICS; topic++)
        if (bytes_equal(view->topic, bytes_of_text(sim_topic_text(topic))))
            client->aliases[view->alias] = (uint8_t)topic;
    return view->topic;
}

static void sim_owe(struct sim_client *client, enum packet_type type, uint16_t packet_id)
{
    SIM_CHECK(client->acks_len < SIM_ACKS_MAX, "client %u: too many acknowledgements owed",
              client->index);
    client->acks[client->acks_len++] = (struct sim_ack){.packet_id = packet_id,
                                                        .type = (uint8_t)type};
}

static void sim_on_publish(struct sim_client *client, const struct frame *frame)
{
    struct publish_view view;
    enum reason reason = decode_publish_from(client->version, DECODE_FROM_SERVER, frame, &view);
    SIM_CHECK(reason == REASON_SUCCESS, "client %u: PUBLISH is malformed: %02x", client->index,
              reason);
    uint32_t sub_ids[64];
    struct sim_receipt receipt = {.client = client->index,
                                  .topic = sim_publish_topic(client, &view),
                                  .payload = view.payload,
                                  .qos = view.qos,
                                  .dup = view.dup,
                                  .retain = view.retain,
                                  .accepted = true,
                                  .resumed = client->resumed,
                                  .has_expiry = view.has_expiry,
                                  .expiry_s = view.expiry_s,
                                  .sub_ids = sub_ids};
    struct bytes cursor = view.props;
    while (receipt.sub_ids_num < 64 && props_next_sub_id(&cursor, &sub_ids[receipt.sub_ids_num]))
        receipt.sub_ids_num++;
    uint8_t *word = &client->received[view.packet_id / 8];
    uint8_t bit = (uint8_t)(1u << (view.packet_id % 8));
    SIM_TRACE("client %u: PUBLISH, id %u", client->index, view.packet_id);
    if (view.qos == 2) {
        receipt.accepted = (*word & bit) == 0;
        SIM_CHECK(receipt.accepted || view.dup,
                  "client %u: id %u used again before it was released", client->index,
                  view.packet_id);
        *word |= bit;
        client->received_num += receipt.accepted ? 1 : 0;
    }
    if (view.qos > 0) {
        client->unfinished++;
        SIM_CHECK(client->unfinished <= client->receive_max,
                  "client %u: %u messages under way, Receive Maximum %u", client->index,
                  client->unfinished, client->receive_max);
        sim_owe(client, view.qos == 1 ? PACKET_PUBACK : PACKET_PUBREC, view.packet_id);
    }
    sim_oracle_received(&receipt);
}

/* The oldest entry that waits for `type` on this connection must be the one acknowledged. */
static struct sim_sent *sim_acknowledged(struct sim_client *client, enum packet_type type,
                                         uint16_t packet_id)
{
    for (unsigned i = 0; i < client->window_len; i++) {
        struct sim_sent *sent = &client->window[i];
        if (sent->awaits != type || !sent->here)
            continue;
        if (type == PACKET_PUBCOMP && sent->packet_id != packet_id)
            continue; /* PUBREL goes out when PUBREC comes, so their order is not the window's */
        SIM_CHECK(sent->packet_id == packet_id, "client %u: %s of id %u before that of %u",
                  client->index, packet_text(type), packet_id, sent->packet_id);
        return sent;
    }
    SIM_FAIL("client %u: %s of id %u, for which it does not wait", client->index, packet_text(type),
             packet_id);
}

static void sim_window_remove(struct sim_client *client, struct sim_sent *sent)
{
    unsigned index = (unsigned)(sent - client->window);
    client->window_len--;
    memmove(sent, sent + 1, (client->window_len - index) * sizeof(*sent));
}

static void sim_on_ack(struct sim_client *client, const struct frame *frame)
{
    struct ack_view ack;
    enum packet_type type = frame_type(frame);
    enum reason reason = decode_ack(client->version, frame, &ack);
    SIM_CHECK(reason == REASON_SUCCESS, "client %u: %s is malformed", client->index,
              packet_text(type));
    /* The PUBCOMP before may have been lost with its connection (3.7.2.1). */
    bool is_known = type == PACKET_PUBCOMP && client->resumed &&
                    ack.reason == REASON_PACKET_ID_NOT_FOUND;
    SIM_CHECK(!reason_is_failure(ack.reason) || is_known || sim_scarce || sim_ailing,
              "client %u: %s of id %u with %02x", client->index, packet_text(type), ack.packet_id,
              ack.reason);
    struct sim_sent *sent = sim_acknowledged(client, type, ack.packet_id);
    if (type != PACKET_PUBCOMP && !reason_is_failure(ack.reason))
        sim_oracle_acked(sim_message_at(sent->number));
    if (type != PACKET_PUBREC || reason_is_failure(ack.reason)) {
        sim_window_remove(client, sent);
        return;
    }
    sent->awaits = PACKET_PUBCOMP;
    sim_put_pubrel(client, ack.packet_id);
}

static void sim_on_pubrel(struct sim_client *client, const struct frame *frame)
{
    struct ack_view ack;
    enum reason reason = decode_ack(client->version, frame, &ack);
    SIM_CHECK(reason == REASON_SUCCESS && !reason_is_failure(ack.reason),
              "client %u: PUBREL is malformed or says %02x", client->index, ack.reason);
    uint8_t *word = &client->received[ack.packet_id / 8];
    uint8_t bit = (uint8_t)(1u << (ack.packet_id % 8));
    SIM_TRACE("client %u: PUBREL, id %u", client->index, ack.packet_id);
    client->received_num -= (*word & bit) != 0 ? 1 : 0;
    *word &= (uint8_t)~bit;
    sim_owe(client, PACKET_PUBCOMP, ack.packet_id);
}

static void sim_on_suback(struct sim_client *client, const struct frame *frame)
{
    struct suback_view view;
    enum reason reason = decode_suback(client->version, frame, &view);
    SIM_CHECK(reason == REASON_SUCCESS, "client %u: SUBACK is malformed", client->index);
    bool leaves = frame_type(frame) == PACKET_UNSUBACK;
    for (unsigned i = 0; i < SIM_REQUESTS_MAX; i++) {
        struct sim_request *request = &client->requests[i];
        if (request->packet_id != view.packet_id || request->leaves != leaves)
            continue;
        SIM_CHECK(view.codes.len == request->filters_num || client->version < MQTT_50,
                  "client %u: %u codes for %u filters", client->index, view.codes.len,
                  request->filters_num);
        for (unsigned j = 0; j < request->filters_num; j++) {
            unsigned filter = request->filters[j];
            bool failed = j < view.codes.len && reason_is_failure((enum reason)view.codes.ptr[j]);
            if (leaves && !(failed && sim_ailing)) {
                sim_views[client->index].subs[filter] = SIM_SUB_NONE;
                sim_views[client->index].version++;
                continue;
            }
            if (failed && (sim_scarce || sim_ailing)) {
                sim_views[client->index].subs[filter] = SIM_SUB_UNKNOWN;
                sim_views[client->index].version++;
                continue;
            }
            SIM_CHECK(j < view.codes.len &&
                          view.codes.ptr[j] == sim_filter_qos(client->index, filter),
                      "client %u: %s refused or changed", client->index, sim_filter_text(filter));
            sim_oracle_subscribed(client->index, filter, view.packet_id);
        }
        request->packet_id = 0;
        return;
    }
    SIM_FAIL("client %u: an answer to a request %u that it never made", client->index,
             view.packet_id);
}

static void sim_on_disconnect(struct sim_client *client, const struct frame *frame)
{
    struct disconnect_view view;
    enum reason reason = decode_disconnect(client->version, DECODE_FROM_SERVER, frame, &view);
    SIM_CHECK(client->version == MQTT_50 && reason == REASON_SUCCESS,
              "client %u: DISCONNECT is malformed", client->index);
    SIM_TRACE("client %u: the broker disconnects with %02x", client->index, view.reason);
    SIM_CHECK(
        view.reason == REASON_KEEP_ALIVE_TIMEOUT || view.reason == REASON_SESSION_TAKEN_OVER ||
            view.reason == REASON_SERVER_SHUTTING_DOWN ||
            (view.reason == REASON_QUOTA_EXCEEDED && client->doubt) || sim_scarce || sim_ailing,
        "client %u: disconnected with %02x, though it behaves", client->index, view.reason);
    client->disconnect_seen = true;
    sim_goodbyes += view.reason == REASON_SERVER_SHUTTING_DOWN ? 1 : 0;
}

static void sim_on_packet(struct sim_client *client, const struct frame *frame)
{
    enum packet_type type = frame_type(frame);
    SIM_CHECK(client->packet_max == 0 || frame->len <= client->packet_max,
              "client %u: %s of %u bytes, at most %u were allowed", client->index,
              packet_text(type), frame->len, client->packet_max);
    SIM_CHECK(client->state != SIM_CONNECTING || type == PACKET_CONNACK,
              "client %u: %s before CONNACK", client->index, packet_text(type));
    SIM_CHECK(!client->disconnect_seen, "client %u: %s behind DISCONNECT", client->index,
              packet_text(type));
    switch (type) {
    case PACKET_CONNACK:
        sim_on_connack(client, frame);
        break;
    case PACKET_PUBLISH:
        sim_on_publish(client, frame);
        break;
    case PACKET_PUBACK:
    case PACKET_PUBREC:
    case PACKET_PUBCOMP:
        sim_on_ack(client, frame);
        break;
    case PACKET_PUBREL:
        sim_on_pubrel(client, frame);
        break;
    case PACKET_SUBACK:
    case PACKET_UNSUBACK:
        sim_on_suback(client, frame);
        break;
    case PACKET_PINGRESP:
        SIM_CHECK(decode_ping(frame) == REASON_SUCCESS && client->pings > 0,
                  "client %u: PINGRESP is malformed, or one too many", client->index);
        client->pings--;
        break;
    case PACKET_DISCONNECT:
        sim_on_disconnect(client, frame);
        break;
    default:
        SIM_FAIL("client %u: %s from a broker", client->index, packet_text(type));
    }
}

void sim_receive(struct sim_client *client)
{
    size_t at = 0;
    while (at < client->in.len) {
        /* A copy of exactly the bytes, so that reading behind them is seen. */
        size_t left = client->in.len - at;
        struct bytes whole = bytes_of(client->in.bytes + client->in.head + at, left);
        struct frame frame;
        enum frame_result result = frame_read(whole, PACKET_SIZE_UNLIMITED, client->version,
                                              &frame);
        if (result == FRAME_MORE)
            break;
        SIM_CHECK(result == FRAME_OK, "client %u: no packet begins with %02x", client->index,
                  whole.ptr[0]);
        uint8_t *copy = malloc(frame.len);
        SIM_CHECK(copy != NULL, "out of memory");
        memcpy(copy, whole.ptr, frame.len);
        uint32_t len = frame.len;
        result = frame_read(bytes_of(copy, len), PACKET_SIZE_UNLIMITED, client->version, &frame);
        SIM_CHECK(result == FRAME_OK, "client %u: a frame changed", client->index);
        sim_on_packet(client, &frame);
        free(copy);
        at += len;
    }
    client->in.head += at;
    client->in.len -= at;
}
