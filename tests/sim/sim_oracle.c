/*
 * sim_oracle.c -- see sim_oracle.h; the invariants are listed at the top of sim_main.c.
 */
#include "sim_oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"
#include "sim_base.h"
#include "sim_power.h"

static const char *const sim_topics[] = {
#define SIM_TOPIC_ROW(text) text,
    SIM_TOPIC_TABLE(SIM_TOPIC_ROW)
#undef SIM_TOPIC_ROW
};

static const struct {
    const char *text;
    const char *share;
} sim_filters[] = {
#define SIM_FILTER_ROW(text, share) {text, share},
    SIM_FILTER_TABLE(SIM_FILTER_ROW)
#undef SIM_FILTER_ROW
};

/* More than a PUBLISH of these topics can have beside its payload. */
#define SIM_HEAD_MOST 128

struct sim_view sim_views[SIM_CLIENTS_MAX];
bool sim_lossless;
bool sim_mixed_groups;
bool sim_scarce;

static struct sim_message **messages;
static uint32_t messages_len;
static uint32_t messages_capacity;

/* Of each retained topic: the number of the newest message acknowledged, of the newest clear. */
static uint32_t retained_acked[SIM_TOPICS];
static uint32_t retained_cleared[SIM_TOPICS];

/* How often the broker has been lost. */
static uint32_t crashes;

void sim_oracle_start(void)
{
    memset(sim_views, 0, sizeof(sim_views));
    memset(retained_acked, 0, sizeof(retained_acked));
    memset(retained_cleared, 0, sizeof(retained_cleared));
    messages_len = crashes = 0;
    /* Number 0 stands for "none". */
    sim_message_create(0, 0, 0, 0);
}

void sim_oracle_stop(void)
{
    for (uint32_t i = 0; i < messages_len; i++)
        free(messages[i]);
    free(messages);
    messages = NULL;
    messages_len = messages_capacity = 0;
}

/* ---- topics and filters ---- */

const char *sim_topic_text(unsigned topic)
{
    return sim_topics[topic];
}

const char *sim_filter_text(unsigned filter)
{
    static char text[64];
    if (!sim_filter_is_shared(filter))
        return sim_filters[filter].text;
    snprintf(text, sizeof(text), "$share/%s/%s", sim_filters[filter].share,
             sim_filters[filter].text);
    return text;
}

bool sim_filter_is_shared(unsigned filter)
{
    return sim_filters[filter].share[0] != '\0';
}

static bool sim_topic_is_shared(unsigned topic)
{
    return topic >= SIM_SHARED_FIRST && topic < SIM_SHARED_FIRST + SIM_SHARED_COUNT;
}

/* One level after the other; the topics of the table have no `$`. */
static bool sim_text_matches(const char *filter, const char *topic)
{
    for (;;) {
        if (filter[0] == '#')
            return true;
        size_t filter_len = strcspn(filter, "/");
        size_t topic_len = strcspn(topic, "/");
        bool any = filter[0] == '+';
        if (!any && (filter_len != topic_len || memcmp(filter, topic, topic_len) != 0))
            return false;
        filter += filter_len;
        topic += topic_len;
        if (filter[0] == '\0' || topic[0] == '\0')
            return (filter[0] == topic[0]) || strcmp(filter, "/#") == 0;
        filter++;
        topic++;
    }
}

bool sim_filter_matches(unsigned filter, unsigned topic)
{
    return sim_text_matches(sim_filters[filter].text, sim_topics[topic]);
}

uint8_t sim_filter_qos(unsigned client, unsigned filter)
{
    if (filter == SIM_FILTER_WILL || sim_filter_is_shared(filter))
        return 2;
    return (uint8_t)((client * 7 + filter * 5 + client * filter) % 3);
}

bool sim_filter_no_local(unsigned client, unsigned filter)
{
    return sim_views[client].v5 && !sim_filter_is_shared(filter) && (client + filter * 3) % 5 == 0;
}

uint32_t sim_filter_sub_id(unsigned client, unsigned filter)
{
    if (!sim_views[client].v5 || (client + filter) % 3 == 0)
        return 0;
    return filter + 1 + (filter % 4 == 0 ? SUB_ID_MAX - 100 : 0);
}

/* ---- messages ---- */

struct sim_message *sim_message_create(unsigned publisher, unsigned topic, uint8_t qos,
                                       uint32_t len)
{
    if (messages_len == messages_capacity) {
        messages_capacity = messages_capacity * 2 + 256;
        messages = realloc(messages, messages_capacity * sizeof(*messages));
        SIM_CHECK(messages != NULL, "out of memory");
    }
    struct sim_message *message = calloc(1, sizeof(*message));
    SIM_CHECK(message != NULL, "out of memory");
    message->number = messages_len;
    message->crashes = crashes;
    message->publisher = (uint8_t)publisher;
    message->topic = (uint8_t)topic;
    message->qos = qos;
    message->len = len;
    messages[messages_len++] = message;
    return message;
}

struct sim_message *sim_message_at(uint32_t number)
{
    SIM_CHECK(number > 0 && number < messages_len, "there is no message %u", number);
    return messages[number];
}

uint32_t sim_message_count(void)
{
    return messages_len;
}

static uint8_t sim_filling(uint32_t number, uint32_t index)
{
    return (uint8_t)(number * 31 + index * 7 + index / 256);
}

void sim_message_fill(const struct sim_message *message, uint8_t *out)
{
    for (uint32_t i = 0; i < message->len; i++) {
        uint32_t word = i < 4 ? message->number : ~message->number;
        out[i] = sim_filling(message->number, i);
        if (i < SIM_PAYLOAD_MIN)
            out[i] = (uint8_t)(word >> (8 * (i % 4)));
    }
}

/* The message of a payload, checked to its last byte. */
static struct sim_message *sim_message_in(struct bytes payload)
{
    SIM_CHECK(payload.len >= SIM_PAYLOAD_MIN, "a payload of %u bytes", payload.len);
    uint32_t words[2] = {0, 0};
    for (unsigned i = 0; i < SIM_PAYLOAD_MIN; i++)
        words[i / 4] |= (uint32_t)payload.ptr[i] << (8 * (i % 4));
    SIM_CHECK(words[0] == ~words[1], "a payload that nobody sent");
    struct sim_message *message = sim_message_at(words[0]);
    SIM_CHECK(payload.len == message->len, "message %u has %u of %u bytes", message->number,
              payload.len, message->len);
    for (uint32_t i = SIM_PAYLOAD_MIN; i < payload.len; i++)
        SIM_CHECK(payload.ptr[i] == sim_filling(message->number, i),
                  "message %u is damaged at byte %u", message->number, i);
    return message;
}

static struct sim_message *sim_message_of(const struct sim_receipt *receipt)
{
    struct sim_message *message = sim_message_in(receipt->payload);
    SIM_CHECK(bytes_equal(receipt->topic, bytes_of_text(sim_topics[message->topic])),
              "client %u: message %u of %s came as %.*s", receipt->client, message->number,
              sim_topics[message->topic], (int)receipt->topic.len, receipt->topic.ptr);
    return message;
}

/* ---- duties ---- */

/* The QoS with which a client must get a message, 3 if it depends on what is under way, 0: none. */
static uint8_t sim_owed_qos(unsigned client, const struct sim_message *message)
{
    const struct sim_view *view = &sim_views[client];
    uint8_t granted = 0;
    bool exact = true;
    if (view->packet_max != 0 && message->len + SIM_HEAD_MOST > view->packet_max)
        return 0;
    for (unsigned filter = 0; filter < SIM_FILTERS; filter++) {
        if (sim_filter_is_shared(filter) || view->subs[filter] == SIM_SUB_NONE ||
            !sim_filter_matches(filter, message->topic))
            continue;
        if (client == message->publisher && sim_filter_no_local(client, filter))
            continue;
        uint8_t qos = sim_filter_qos(client, filter);
        if (view->subs[filter] != SIM_SUB_ON)
            exact = false;
        else if (qos > granted)
            granted = qos;
    }
    uint8_t owed = granted < message->qos ? granted : message->qos;
    return owed > 0 && !exact ? 3 : owed;
}

/* Shared groups whose filter matches, or only those with a confirmed member that stays. */
static uint8_t sim_groups_matching(unsigned topic, bool confirmed)
{
    uint8_t groups = 0;
    for (unsigned filter = 0; filter < SIM_FILTERS; filter++) {
        if (!sim_filter_is_shared(filter) || !sim_filter_matches(filter, topic))
            continue;
        bool any = !confirmed;
        for (unsigned client = 0; client < SIM_CLIENTS_MAX; client++)
            any |= sim_views[client].steady && sim_views[client].subs[filter] == SIM_SUB_ON;
        groups = (uint8_t)(groups + (any ? 1 : 0));
    }
    return groups;
}

/* Is there a filter that keeps the client's own messages on this topic from it? */
static bool sim_topic_no_local(unsigned client, unsigned topic)
{
    bool found = false;
    for (unsigned filter = 0; filter < SIM_FILTERS; filter++)
        found |= sim_filter_matches(filter, topic) && sim_filter_no_local(client, filter);
    return found;
}

void sim_oracle_sent(struct sim_message *message)
{
    message->sendings++;
    if (message->sendings > 1)
        return;
    struct sim_view *own = &sim_views[message->publisher];
    if (message->retain && sim_topic_no_local(message->publisher, message->topic)) {
        own->retained_own[message->topic] = true;
        own->feeding[message->topic] = false;
        own->feed_asked[message->topic] = 0;
    }
    for (unsigned client = 0; client < SIM_CLIENTS_MAX; client++) {
        message->version[client] = sim_views[client].version;
        message->owed_qos[client] = sim_owed_qos(client, message);
        if (message->owed_qos[client] > 0 && !message->expires)
            message->duty[client] = SIM_DUTY_OWED;
        if (message->len == 0)
            sim_views[client].feeding[message->topic] = false;
    }
    if (message->len == 0)
        retained_cleared[message->topic] = message->number;
    message->groups_owed = sim_groups_matching(message->topic, true);
}

void sim_oracle_acked(struct sim_message *message)
{
    message->acked = true;
    if (message->retain && message->number > retained_acked[message->topic])
        retained_acked[message->topic] = message->number;
}

static void sim_waive(unsigned client, unsigned filter)
{
    for (uint32_t i = 1; i < messages_len; i++) {
        struct sim_message *message = messages[i];
        if (message->duty[client] == SIM_DUTY_OWED && message->accepted[client] == 0 &&
            (filter == SIM_FILTERS || sim_filter_matches(filter, message->topic)))
            message->duty[client] = SIM_DUTY_WAIVED;
    }
    for (unsigned topic = 0; topic < SIM_TOPICS; topic++) {
        if (filter == SIM_FILTERS || sim_filter_matches(filter, topic)) {
            sim_views[client].feeding[topic] = false;
            sim_views[client].feed_asked[topic] = 0;
        }
    }
}

void sim_oracle_asked(unsigned client, unsigned filter, uint16_t packet_id, bool wants_retained)
{
    struct sim_view *view = &sim_views[client];
    view->version++;
    /* Subscribing again keeps what stands. */
    if (view->subs[filter] != SIM_SUB_ON)
        view->subs[filter] = SIM_SUB_ASKED;
    if (!wants_retained || sim_filter_is_shared(filter) || view->packet_max != 0 ||
        sim_filter_qos(client, filter) == 0)
        return;
    for (unsigned i = 0; i < SIM_RETAINED_COUNT; i++) {
        unsigned topic = SIM_RETAINED_FIRST + i;
        uint32_t acked = retained_acked[topic];
        if (!sim_filter_matches(filter, topic) || acked == 0 || acked <= retained_cleared[topic] ||
            view->feeding[topic] ||
            (view->retained_own[topic] && sim_filter_no_local(client, filter)))
            continue;
        view->feed_asked[topic] = packet_id;
        view->feed_min[topic] = acked;
    }
}

void sim_oracle_subscribed(unsigned client, unsigned filter, uint16_t packet_id)
{
    struct sim_view *view = &sim_views[client];
    view->version++;
    view->subs[filter] = SIM_SUB_ON;
    for (unsigned topic = 0; topic < SIM_TOPICS; topic++) {
        if (view->feed_asked[topic] != packet_id)
            continue;
        view->feed_asked[topic] = 0;
        view->feeding[topic] = view->feed_min[topic] > retained_cleared[topic];
    }
}

void sim_oracle_leaving(unsigned client, unsigned filter)
{
    struct sim_view *view = &sim_views[client];
    view->version++;
    view->subs[filter] = SIM_SUB_LEAVING;
    sim_waive(client, filter);
}

void sim_oracle_cut(unsigned client)
{
    struct sim_view *view = &sim_views[client];
    for (unsigned filter = 0; filter < SIM_FILTERS; filter++) {
        if (view->subs[filter] == SIM_SUB_ASKED || view->subs[filter] == SIM_SUB_LEAVING) {
            view->subs[filter] = SIM_SUB_UNKNOWN;
            view->version++;
        }
    }
    memset(view->feed_asked, 0, sizeof(view->feed_asked));
}

void sim_oracle_session_unsure(unsigned client)
{
    struct sim_view *view = &sim_views[client];
    for (unsigned filter = 0; filter < SIM_FILTERS; filter++)
        if (view->subs[filter] == SIM_SUB_NONE)
            view->subs[filter] = SIM_SUB_UNKNOWN;
    view->version++;
}

void sim_oracle_session_ended(unsigned client)
{
    sim_waive(client, SIM_FILTERS);
    memset(sim_views[client].subs, SIM_SUB_NONE, sizeof(sim_views[client].subs));
    sim_views[client].version++;
}

/* ---- receipts ---- */

/*
 * What a run of several lives does not promise: a member of a group that is lost with the broker,
 * or whose log refuses, may have been given what another member had.
 */
static bool sim_may_be_elsewhere(const struct sim_message *message)
{
    return crashes > message->crashes || sim_ailing;
}

/*
 * Of a shared group: a member whose session does not last may have taken what another gets after a
 * crash; and to whom a PUBLISH went is not known any more when it is sent again (store_seen.h).
 */
static bool sim_group_may_repeat(const struct sim_message *message)
{
    return crashes > message->crashes && (sim_mixed_groups || message->sendings > 1);
}

static void sim_check_sub_ids(const struct sim_receipt *receipt, const struct sim_message *message)
{
    SIM_CHECK(receipt->sub_ids_num == 0 || sim_views[receipt->client].v5,
              "client %u: a subscription identifier before MQTT 5", receipt->client);
    for (uint32_t i = 0; i < receipt->sub_ids_num; i++) {
        bool known = false;
        for (unsigned filter = 0; filter < SIM_FILTERS; filter++)
            known |= sim_filter_sub_id(receipt->client, filter) == receipt->sub_ids[i] &&
                     sim_filter_matches(filter, message->topic);
        SIM_CHECK(known, "client %u: message %u of %s with subscription identifier %u",
                  receipt->client, message->number, sim_topics[message->topic],
                  receipt->sub_ids[i]);
    }
    if (message->version[receipt->client] != sim_views[receipt->client].version ||
        message->owed_qos[receipt->client] == 3 || receipt->retain || message->sendings > 1 ||
        message->is_will)
        return;
    /* Nothing has changed since it was sent: the identifiers of all its filters, each once. */
    uint32_t expected = 0;
    for (unsigned filter = 0; filter < SIM_FILTERS; filter++) {
        if (sim_views[receipt->client].subs[filter] == SIM_SUB_NONE ||
            !sim_filter_matches(filter, message->topic) || sim_filter_is_shared(filter) ||
            (receipt->client == message->publisher && sim_filter_no_local(receipt->client, filter)))
            continue;
        if (sim_views[receipt->client].subs[filter] != SIM_SUB_ON)
            return;
        expected += sim_filter_sub_id(receipt->client, filter) != 0 ? 1 : 0;
    }
    SIM_CHECK(receipt->sub_ids_num == expected || sim_topic_is_shared(message->topic),
              "client %u: message %u with %u identifiers instead of %u", receipt->client,
              message->number, receipt->sub_ids_num, expected);
}

/* Everything that a client has of a topic through filters with No Local only must be others'. */
static void sim_check_no_local(const struct sim_receipt *receipt, const struct sim_message *message)
{
    if (receipt->client != message->publisher)
        return;
    bool allowed = false;
    for (unsigned filter = 0; filter < SIM_FILTERS; filter++)
        allowed |= sim_filter_matches(filter, message->topic) &&
                   !sim_filter_no_local(receipt->client, filter);
    SIM_CHECK(allowed, "client %u: its own message %u in spite of No Local", receipt->client,
              message->number);
}

static void sim_check_copies(const struct sim_receipt *receipt, struct sim_message *message)
{
    unsigned client = receipt->client;
    SIM_CHECK(receipt->qos <= message->qos, "client %u: message %u of QoS %u with QoS %u", client,
              message->number, message->qos, receipt->qos);
    if (!receipt->dup)
        message->fresh[client]++;
    if (sim_topic_is_shared(message->topic)) {
        if (receipt->accepted)
            message->shared_taken++;
        if (receipt->qos == 2 && receipt->accepted)
            message->shared_double++;
        SIM_CHECK(message->qos < 2 || sim_scarce || sim_group_may_repeat(message) ||
                      message->shared_double <= sim_groups_matching(message->topic, false),
                  "QoS 2 message %u came %u times to shared groups", message->number,
                  message->shared_double);
        return;
    }
    /* A message sent twice by its publisher may come twice, with QoS 1. */
    bool again = message->qos == 1 || sim_scarce || message->repeats ||
                 (sim_ailing && message->sendings > 1);
    unsigned copies = again ? message->sendings : 1;
    /* That it was sent with QoS 1 is not remembered before it is. */
    if (receipt->qos == 1 || message->is_will)
        copies += crashes - message->crashes;
    if (message->is_will && sim_ailing)
        copies++;
    if (receipt->accepted)
        message->accepted[client]++;
    if (receipt->accepted && receipt->qos == 2)
        message->exact[client]++;
    SIM_CHECK(message->fresh[client] <= copies,
              "client %u: message %u of QoS %u sent %u times came %u times without DUP", client,
              message->number, message->qos, message->sendings, message->fresh[client]);
    /* Without memory a message may be refused when some have it already, and is sent again. */
    unsigned exact = again ? message->exact[client] : message->accepted[client];
    if (message->repeats && (!sim_views[client].lasting || sim_views[client].was_brief))
        exact = 0; /* the session that had it before is gone */
    SIM_CHECK(receipt->qos < 2 || message->qos < 2 || exact <= 1 || sim_scarce ||
                  (message->is_will && sim_may_be_elsewhere(message)),
              "client %u: QoS 2 message %u came twice", client, message->number);
    if (message->owed_qos[client] < 3 && message->owed_qos[client] > 0 &&
        message->version[client] == sim_views[client].version)
        SIM_CHECK(receipt->qos == message->owed_qos[client],
                  "client %u: message %u came with QoS %u instead of %u", client, message->number,
                  receipt->qos, message->owed_qos[client]);
}

static void sim_check_order(const struct sim_receipt *receipt, const struct sim_message *message)
{
    if (sim_topic_is_shared(message->topic) || message->is_will)
        return;
    /* Sent again, and not asked for or dropped the first time: its place is that of the second. */
    if (message->sendings > 1 &&
        (!sim_lossless || sim_ailing || message->duty[receipt->client] != SIM_DUTY_OWED))
        return;
    uint32_t *last = &sim_views[receipt->client]
                          .last[message->publisher][message->topic][message->qos][receipt->qos];
    SIM_CHECK(message->number > *last,
              "client %u: message %u of client %u on %s (QoS %u, as %u) came after message %u",
              receipt->client, message->number, message->publisher, sim_topics[message->topic],
              message->qos, receipt->qos, *last);
    *last = message->number;
}

static void sim_received_retained(const struct sim_receipt *receipt,
                                  const struct sim_message *message)
{
    SIM_CHECK(message->retain, "client %u: message %u with RETAIN, which it never had",
              receipt->client, message->number);
    struct sim_view *view = &sim_views[receipt->client];
    if (message->number >= view->feed_min[message->topic]) {
        view->feeding[message->topic] = false;
        view->feed_asked[message->topic] = 0;
    }
}

static bool sim_topic_is_ours(struct bytes text)
{
    bool ours = false;
    for (unsigned topic = 0; topic < SIM_TOPICS; topic++)
        ours |= bytes_equal(text, bytes_of_text(sim_topics[topic]));
    return ours;
}

void sim_oracle_received(const struct sim_receipt *receipt)
{
    /* A damaged packet of those who do not behave may hit somebody's filter. */
    if (!sim_topic_is_ours(receipt->topic))
        return;
    if (receipt->payload.len == 0)
        return; /* a retained topic was cleared; nothing in it says by which message */
    struct sim_message *message = sim_message_of(receipt);
    SIM_TRACE("client %u: has message %u qos %u%s%s%s", receipt->client, message->number,
              receipt->qos, receipt->dup ? " dup" : "", receipt->retain ? " retain" : "",
              receipt->accepted ? "" : " again");
    SIM_CHECK(message->sendings > 0 || message->is_will, "client %u: message %u, not sent yet",
              receipt->client, message->number);
    SIM_CHECK(!receipt->dup || receipt->qos > 0, "client %u: DUP with QoS 0", receipt->client);
    SIM_CHECK(!receipt->dup || receipt->resumed, "client %u: DUP on a session's first connection",
              receipt->client);
    SIM_CHECK(!receipt->has_expiry || (message->expires && receipt->expiry_s <= message->expiry_s &&
                                       (receipt->expiry_s > 0 || receipt->dup)),
              "client %u: message %u has an expiry of %u s", receipt->client, message->number,
              receipt->expiry_s);
    sim_check_sub_ids(receipt, message);
    if (receipt->retain) {
        sim_received_retained(receipt, message);
        return;
    }
    sim_check_no_local(receipt, message);
    bool first = receipt->accepted && message->accepted[receipt->client] == 0;
    sim_check_copies(receipt, message);
    if (first)
        sim_check_order(receipt, message);
}

/* ---- lives ---- */

void sim_oracle_crashed(void)
{
    crashes++;
    for (uint32_t i = 1; i < messages_len; i++) {
        struct sim_message *message = messages[i];
        message->repeats |= !message->acked && !message->is_will;
        /* The will of a session that does not last is lost with the memory of the broker. */
        if (message->is_will && !message->lasts && message->will == SIM_WILL_ONCE &&
            message->accepted[SIM_WITNESS] == 0)
            message->will = SIM_WILL_UNKNOWN;
    }
    /* What a subscription gets of retained messages is not in the log; SUBACK may still come. */
    for (unsigned client = 0; client < SIM_CLIENTS_MAX; client++) {
        memset(sim_views[client].feeding, 0, sizeof(sim_views[client].feeding));
        memset(sim_views[client].feed_asked, 0, sizeof(sim_views[client].feed_asked));
    }
}

void sim_oracle_retained(unsigned topic, struct bytes payload)
{
    uint32_t number = 0;
    if (payload.len > 0) {
        const struct sim_message *message = sim_message_in(payload);
        SIM_CHECK(message->topic == topic && message->retain, "message %u is retained for %s",
                  message->number, sim_topics[topic]);
        number = message->number;
    }
    /* Of one topic there is one publisher, whose messages have rising numbers. */
    uint32_t acked = retained_acked[topic];
    if (number == 0)
        SIM_CHECK(acked == 0 || retained_cleared[topic] >= acked,
                  "retained message %u of %s is gone", acked, sim_topics[topic]);
    else
        SIM_CHECK(number >= acked, "message %u of %s is retained, though %u was acknowledged",
                  number, sim_topics[topic], acked);
}

/* ---- the end ---- */

static void sim_finish_shared(const struct sim_message *message)
{
    /* Members whose sessions do not last are lost with the broker, and what they had. */
    if (sim_ailing || (sim_mixed_groups && crashes > message->crashes))
        return;
    /* QoS 2 under way to a session that ends is discarded with it [MQTT-4.8.2-5]. */
    if (!message->acked || message->expires || message->groups_owed == 0 ||
        (message->qos == 2 && sim_mixed_groups))
        return;
    unsigned copies = message->qos == 2 ? message->shared_double : message->shared_taken;
    SIM_CHECK(message->qos == 0 || copies >= message->groups_owed,
              "message %u of client %u on %s with QoS %u reached %u members of %u shared groups",
              message->number, message->publisher, sim_topics[message->topic], message->qos, copies,
              message->groups_owed);
}

static void sim_finish_message(const struct sim_message *message)
{
    if (sim_topic_is_shared(message->topic)) {
        sim_finish_shared(message);
        return;
    }
    for (unsigned client = 0; client < SIM_CLIENTS_MAX; client++) {
        if (message->duty[client] != SIM_DUTY_OWED || !message->acked)
            continue;
        SIM_CHECK(message->accepted[client] > 0 || message->len == 0,
                  "client %u never got message %u of client %u on %s with QoS %u", client,
                  message->number, message->publisher, sim_topics[message->topic], message->qos);
    }
}

static void sim_finish_will(const struct sim_message *message)
{
    unsigned copies = message->accepted[SIM_WITNESS];
    bool is_sure = !sim_may_be_elsewhere(message);
    SIM_CHECK(message->will != SIM_WILL_NEVER || copies == 0 || crashes > message->crashes,
              "will %u of client %u was published after a DISCONNECT", message->number,
              message->publisher);
    SIM_CHECK(message->will != SIM_WILL_ONCE || copies == 1 || (copies > 1 && !is_sure),
              "will %u of client %u was published %u times", message->number, message->publisher,
              copies);
}

void sim_oracle_finish(void)
{
    for (uint32_t i = 1; i < messages_len; i++) {
        const struct sim_message *message = messages[i];
        if (!sim_lossless)
            continue;
        if (message->is_will)
            sim_finish_will(message);
        else
            sim_finish_message(message);
    }
    for (unsigned client = 0; sim_lossless && client < SIM_CLIENTS_MAX; client++)
        for (unsigned topic = 0; topic < SIM_TOPICS; topic++)
            SIM_CHECK(!sim_views[client].feeding[topic],
                      "client %u never got the retained message of %s, %u or newer", client,
                      sim_topics[topic], sim_views[client].feed_min[topic]);
}
