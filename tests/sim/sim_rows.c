/*
 * sim_rows.c -- what must be committed before which packet leaves: the table of route/store.h, row
 * by row, with a log that is held.
 *
 *   sim_rows [part of a name]
 *
 * Each row holds the log of the shard that commits what the packet claims, lets a client do what
 * the packet answers, and shows three things: the log has records under way, the packet has not
 * left, and it leaves once the log is released. The last rows show the contrary: what needs no
 * commit leaves while the log is held.
 *
 * Every row runs with one shard, and with two: then what is to be committed belongs to the second
 * one, whose log is held, while the publisher and its log are at the first, which has nothing to
 * wait for but the second's confirmation. A connection is always accepted by the first. The last
 * ones need a crash: of two shards, of which only one has committed, and then there is one shard.
 *
 * And every row runs with MQTT 5 and with MQTT 3.1.1.
 *
 * SIM_TRACE=1 shows the packets that clients get.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim_base.h"
#include "sim_hand.h"

/* A value. */
struct row {
    const char *name;
    void (*run)(void);
    bool moves; /* begins with two shards and ends with one */
};

/* Small windows of subscribers: by Receive Maximum, or before MQTT 5 the broker's. */
#define ROW_WINDOW 1

static const char *row_name;
static unsigned far; /* the shard whose log is held */

/* ---- steps ---- */

/* Records are under way to the log, and the packet has not left. */
static void row_waits(const struct hand_client *client, enum packet_type type)
{
    hand_settle();
    SIM_CHECK(hand_log_waits(far), "%s: nothing is under way to the log", row_name);
    SIM_CHECK(client->got[type] == 0, "%s: %s has left before its commit", row_name,
              packet_text(type));
}

/* Nor is it lost. */
static void row_comes(const struct hand_client *client, enum packet_type type)
{
    hand_release();
    SIM_CHECK(client->got[type] == 1, "%s: after the commit %u of %s came", row_name,
              client->got[type], packet_text(type));
}

static void row_waits_then_comes(const struct hand_client *client, enum packet_type type)
{
    row_waits(client, type);
    row_comes(client, type);
}

/* It has left, whatever the log does. */
static void row_left(const struct hand_client *client, enum packet_type type, unsigned times)
{
    hand_settle();
    SIM_CHECK(client->got[type] == times, "%s: %u of %u %s have left while the log is held",
              row_name, client->got[type], times, packet_text(type));
}

/* Connected, with its CONNACK read. */
static struct hand_client *row_client(unsigned shard, struct hand_connect how)
{
    struct hand_client *client = hand_client(shard);
    hand_connect(client, how);
    hand_settle();
    SIM_CHECK(client->got[PACKET_CONNACK] == 1, "%s: no CONNACK", row_name);
    return client;
}

static struct hand_client *row_durable(unsigned shard)
{
    return row_client(shard, (struct hand_connect){.lasting = true});
}

static struct hand_client *row_clean(unsigned shard)
{
    return row_client(shard, (struct hand_connect){.clean = true});
}

/* A durable session at the held shard, subscribed to "t" and "t/..." with QoS 2. */
static struct hand_client *row_subscriber(uint16_t receive_max)
{
    SIM_CHECK(receive_max == 0 || receive_max == ROW_WINDOW, "another window before MQTT 5");
    struct hand_client *client = row_client(
        far, (struct hand_connect){.lasting = true, .receive_max = receive_max});
    hand_subscribe(client, "t/#", MQTT_QOS_2);
    hand_settle();
    SIM_CHECK(client->got[PACKET_SUBACK] == 1, "%s: no SUBACK", row_name);
    return client;
}

/* ---- CONNACK ---- */

static void row_connack_session(void)
{
    struct hand_client *client = hand_client(far);
    hand_hold(far);
    hand_connect(client, (struct hand_connect){.lasting = true});
    row_waits_then_comes(client, PACKET_CONNACK);
}

static void row_connack_will(void)
{
    struct hand_client *client = row_durable(far);
    hand_leave(client);
    hand_hold(far);
    hand_connect(client, (struct hand_connect){.lasting = true, .has_will = true});
    row_waits_then_comes(client, PACKET_CONNACK);
}

static void row_connack_session_end(void)
{
    struct hand_client *client = row_durable(far);
    hand_leave(client);
    hand_hold(far);
    hand_connect(client, (struct hand_connect){.clean = true});
    row_waits_then_comes(client, PACKET_CONNACK);
}

/* ---- SUBACK, UNSUBACK ---- */

static void row_suback(void)
{
    struct hand_client *client = row_durable(far);
    hand_hold(far);
    hand_subscribe(client, "t/#", MQTT_QOS_0);
    row_waits_then_comes(client, PACKET_SUBACK);
}

static void row_unsuback(void)
{
    struct hand_client *client = row_subscriber(0);
    hand_hold(far);
    hand_unsubscribe(client, "t/#");
    row_waits_then_comes(client, PACKET_UNSUBACK);
}

/* ---- towards a publisher ---- */

/* The subscriber is away, then there: both are stored. */
static void row_enqueue(struct hand_client *publisher, uint8_t qos, enum packet_type type)
{
    struct hand_client *subscriber = row_subscriber(0);
    hand_hold(far);
    hand_publish(publisher, "t/1", qos, false);
    row_waits_then_comes(publisher, type);
    hand_leave(subscriber);
    hand_hold(far);
    hand_publish(publisher, "t/2", qos, false);
    row_waits_then_comes(publisher, type);
}

static void row_puback_enqueue(void)
{
    row_enqueue(row_clean(0), MQTT_QOS_1, PACKET_PUBACK);
}

static void row_puback_enqueue_of_durable(void)
{
    row_enqueue(row_durable(0), MQTT_QOS_1, PACKET_PUBACK);
}

static void row_pubrec_enqueue(void)
{
    row_enqueue(row_clean(0), MQTT_QOS_2, PACKET_PUBREC);
}

static void row_pubrec_enqueue_of_durable(void)
{
    row_enqueue(row_durable(0), MQTT_QOS_2, PACKET_PUBREC);
}

/* Nobody subscribes: the retained message alone is stored. */
static void row_retain(uint8_t qos, enum packet_type type)
{
    char topic[HAND_TOPIC_MAX];
    hand_topic(far, topic);
    struct hand_client *publisher = row_clean(0);
    hand_hold(far);
    hand_publish(publisher, topic, qos, true);
    row_waits_then_comes(publisher, type);
}

static void row_puback_retain(void)
{
    row_retain(MQTT_QOS_1, PACKET_PUBACK);
}

static void row_pubrec_retain(void)
{
    row_retain(MQTT_QOS_2, PACKET_PUBREC);
}

/* Nobody subscribes: the packet id alone is stored, at the publisher's home. */
static void row_pubrec_inbound(void)
{
    struct hand_client *publisher = row_durable(far);
    hand_hold(far);
    hand_publish(publisher, "t/1", MQTT_QOS_2, false);
    row_waits_then_comes(publisher, PACKET_PUBREC);
}

static void row_pubcomp_released(void)
{
    struct hand_client *publisher = row_durable(far);
    hand_publish(publisher, "t/1", MQTT_QOS_2, false);
    hand_hold(far);
    hand_answer(publisher, PACKET_PUBREL);
    row_waits_then_comes(publisher, PACKET_PUBCOMP);
}

/* A shard that stored copies forgets that it has seen the message, before the id is free. */
static void row_pubcomp_unseen(void)
{
    struct hand_client *subscriber = row_subscriber(0);
    struct hand_client *publisher = row_durable(0);
    hand_publish(publisher, "t/1", MQTT_QOS_2, false);
    hand_settle();
    hand_answer(subscriber, PACKET_PUBREC);
    hand_hold(far);
    hand_answer(publisher, PACKET_PUBREL);
    row_waits_then_comes(publisher, PACKET_PUBCOMP);
}

/* ---- towards a durable subscriber ---- */

static void row_publish_enqueue(void)
{
    struct hand_client *subscriber = row_subscriber(0);
    struct hand_client *publisher = row_clean(0);
    hand_hold(far);
    hand_publish(publisher, "t/1", MQTT_QOS_2, false);
    row_waits_then_comes(subscriber, PACKET_PUBLISH);
}

/* The second message is queued, and has its packet id only when there is room in the window. */
static void row_publish_sent(void)
{
    struct hand_client *subscriber = row_subscriber(ROW_WINDOW);
    struct hand_client *publisher = row_clean(0);
    hand_publish(publisher, "t/1", MQTT_QOS_2, false);
    hand_publish(publisher, "t/2", MQTT_QOS_2, false);
    hand_settle();
    hand_answer(subscriber, PACKET_PUBREC);
    hand_hold(far);
    hand_answer(subscriber, PACKET_PUBCOMP);
    row_waits_then_comes(subscriber, PACKET_PUBLISH);
}

static void row_pubrel_received(void)
{
    struct hand_client *subscriber = row_subscriber(0);
    struct hand_client *publisher = row_clean(0);
    hand_publish(publisher, "t/1", MQTT_QOS_2, false);
    hand_hold(far);
    hand_answer(subscriber, PACKET_PUBREC);
    row_waits_then_comes(subscriber, PACKET_PUBREL);
}

/* ---- what waits for nothing ---- */

/* To a durable subscriber, at once; the publisher's PUBACK waits meanwhile. */
static void row_publish_qos1(void)
{
    struct hand_client *subscriber = row_subscriber(0);
    struct hand_client *publisher = row_clean(0);
    hand_hold(far);
    hand_publish(publisher, "t/1", MQTT_QOS_1, false);
    row_left(subscriber, PACKET_PUBLISH, 1);
    row_waits_then_comes(publisher, PACKET_PUBACK);
}

/* Two in a window of one: the second leaves as soon as the first is acknowledged. */
static void row_subscribers_puback(void)
{
    struct hand_client *subscriber = row_subscriber(ROW_WINDOW);
    struct hand_client *publisher = row_clean(0);
    hand_publish(publisher, "t/1", MQTT_QOS_1, false);
    hand_publish(publisher, "t/2", MQTT_QOS_1, false);
    hand_hold(far);
    hand_answer(subscriber, PACKET_PUBACK);
    row_left(subscriber, PACKET_PUBLISH, 1);
    SIM_CHECK(hand_log_waits(far), "%s: DONE is not logged", row_name);
}

static void row_subscribers_pubcomp(void)
{
    struct hand_client *subscriber = row_subscriber(ROW_WINDOW);
    struct hand_client *publisher = row_clean(0);
    hand_publish(publisher, "t/1", MQTT_QOS_2, false);
    hand_publish(publisher, "t/2", MQTT_QOS_1, false);
    hand_settle();
    hand_answer(subscriber, PACKET_PUBREC);
    hand_hold(far);
    hand_answer(subscriber, PACKET_PUBCOMP);
    row_left(subscriber, PACKET_PUBLISH, 1);
    SIM_CHECK(hand_log_waits(far), "%s: DONE is not logged", row_name);
}

/* Beside a durable session that waits, everything between clean ones goes on. */
static void row_clean_sessions(void)
{
    struct hand_client *durable = row_durable(far);
    struct hand_client *publisher = row_clean(0);
    struct hand_client *other = hand_client(far);
    hand_hold(far);
    hand_subscribe(durable, "s", MQTT_QOS_0);
    hand_connect(other, (struct hand_connect){.clean = true, .has_will = true});
    row_left(other, PACKET_CONNACK, 1);
    hand_subscribe(other, "t/#", MQTT_QOS_2);
    row_left(other, PACKET_SUBACK, 1);
    hand_publish(publisher, "t/0", MQTT_QOS_0, false);
    row_left(other, PACKET_PUBLISH, 1);
    hand_publish(publisher, "t/1", MQTT_QOS_1, false);
    row_left(other, PACKET_PUBLISH, 2);
    row_left(publisher, PACKET_PUBACK, 1);
    hand_answer(other, PACKET_PUBACK);
    hand_publish(publisher, "t/2", MQTT_QOS_2, false);
    row_left(other, PACKET_PUBLISH, 3);
    row_left(publisher, PACKET_PUBREC, 1);
    hand_answer(publisher, PACKET_PUBREL);
    row_left(publisher, PACKET_PUBCOMP, 1);
    hand_answer(other, PACKET_PUBREC);
    row_left(other, PACKET_PUBREL, 1);
    hand_answer(other, PACKET_PUBCOMP);
    hand_unsubscribe(other, "t/#");
    row_left(other, PACKET_UNSUBACK, 1);
    row_waits_then_comes(durable, PACKET_SUBACK);
}

/* QoS 0, also to a durable session and also retained. */
static void row_qos0(void)
{
    char topic[HAND_TOPIC_MAX];
    hand_topic(far, topic);
    struct hand_client *subscriber = row_subscriber(0);
    struct hand_client *publisher = row_clean(0);
    hand_subscribe(subscriber, topic, MQTT_QOS_0);
    hand_hold(far);
    hand_publish(publisher, topic, MQTT_QOS_0, true);
    row_left(subscriber, PACKET_PUBLISH, 1);
    SIM_CHECK(hand_log_waits(far), "%s: RETAIN is not logged", row_name);
    hand_publish(publisher, "t/0", MQTT_QOS_0, false);
    row_left(subscriber, PACKET_PUBLISH, 2);
}

/* ---- what was sent before ---- */

/* Known to the second shard, and not committed there: a new connection changes nothing. */
static void row_pubrec_repeated(void)
{
    row_subscriber(0);
    struct hand_client *publisher = row_durable(0);
    hand_hold(far);
    hand_publish(publisher, "t/1", MQTT_QOS_2, false);
    hand_settle();
    hand_drop(publisher);
    hand_connect(publisher, (struct hand_connect){.lasting = true});
    hand_settle();
    SIM_CHECK(publisher->got[PACKET_CONNACK] == far, "%s: CONNACK %u", row_name,
              publisher->got[PACKET_CONNACK]);
    hand_publish_again(publisher, "t/1");
    row_waits_then_comes(publisher, PACKET_PUBREC);
}

/* The publisher's shard had committed; the subscriber's, with which it is one now, had not. */
static void row_pubrec_repeated_moved(void)
{
    struct hand_client *subscriber = row_subscriber(0);
    struct hand_client *publisher = row_durable(0);
    hand_hold(far);
    hand_publish(publisher, "t/1", MQTT_QOS_2, false);
    row_waits(publisher, PACKET_PUBREC);
    hand_restart(1);
    hand_connect(publisher, (struct hand_connect){.lasting = true});
    far = 0;
    hand_hold(far);
    hand_publish_again(publisher, "t/1");
    row_waits_then_comes(publisher, PACKET_PUBREC);
    hand_connect(subscriber, (struct hand_connect){.lasting = true});
    hand_settle();
    SIM_CHECK(subscriber->got[PACKET_PUBLISH] == 1, "%s: %u messages", row_name,
              subscriber->got[PACKET_PUBLISH]);
}

/* The publisher's shard has forgotten the id, the other one still knows that it has been seen. */
static void row_pubcomp_unseen_moved(void)
{
    row_subscriber(0);
    struct hand_client *publisher = row_durable(0);
    hand_publish(publisher, "t/1", MQTT_QOS_2, false);
    hand_hold(far);
    hand_answer(publisher, PACKET_PUBREL);
    row_waits(publisher, PACKET_PUBCOMP);
    hand_restart(1);
    hand_connect(publisher, (struct hand_connect){.lasting = true});
    far = 0;
    hand_hold(far);
    hand_answer(publisher, PACKET_PUBREL);
    row_waits_then_comes(publisher, PACKET_PUBCOMP);
}

static const struct row rows[] = {
    {"CONNACK of a durable session: SESSION", row_connack_session},
    {"CONNACK of a durable session: WILL", row_connack_will},
    {"CONNACK that ends a durable session: SESSION_END", row_connack_session_end},
    {"SUBACK: SUBSCRIBE", row_suback},
    {"UNSUBACK: UNSUBSCRIBE", row_unsuback},
    {"PUBACK to a publisher: ENQUEUE", row_puback_enqueue},
    {"PUBACK to a durable publisher: ENQUEUE", row_puback_enqueue_of_durable},
    {"PUBACK to a publisher: RETAIN", row_puback_retain},
    {"PUBREC to a publisher: ENQUEUE", row_pubrec_enqueue},
    {"PUBREC to a publisher: RETAIN", row_pubrec_retain},
    {"PUBREC to a durable publisher: ENQUEUE", row_pubrec_enqueue_of_durable},
    {"PUBREC to a durable publisher: INBOUND", row_pubrec_inbound},
    {"PUBCOMP to a durable publisher: RELEASED", row_pubcomp_released},
    {"PUBCOMP to a durable publisher: UNSEEN", row_pubcomp_unseen},
    {"PUBLISH with QoS 2: ENQUEUE", row_publish_enqueue},
    {"PUBLISH with QoS 2: SENT", row_publish_sent},
    {"PUBREL: RECEIVED", row_pubrel_received},
    {"PUBLISH with QoS 1: nothing", row_publish_qos1},
    {"a subscriber's PUBACK: nothing", row_subscribers_puback},
    {"a subscriber's PUBCOMP: nothing", row_subscribers_pubcomp},
    {"clean sessions: nothing", row_clean_sessions},
    {"QoS 0: nothing", row_qos0},
    {"PUBREC of a repeated PUBLISH: ENQUEUE", row_pubrec_repeated},
    {"PUBREC of a repeated PUBLISH after a move: ENQUEUE", row_pubrec_repeated_moved, true},
    {"PUBCOMP of an id unknown after a move: UNSEEN", row_pubcomp_unseen_moved, true},
};

/* One row, with so many shards. */
static void row_run(const struct row *row, unsigned shards, enum mqtt_version version)
{
    struct hand_start how = {.shards = shards, .version = version};
    if (version < MQTT_50)
        how.inflight_max = ROW_WINDOW;
    row_name = row->name;
    far = shards - 1;
    printf("MQTT %s, %u shards: %s\n", version == MQTT_50 ? "5" : "3.1.1", shards, row_name);
    fflush(stdout);
    hand_start(how);
    row->run();
    hand_stop();
}

int main(int argc, char **argv)
{
    static const enum mqtt_version versions[] = {MQTT_50, MQTT_311};
    sim_tracing = getenv("SIM_TRACE") != NULL;
    for (unsigned v = 0; v < sizeof(versions) / sizeof(versions[0]); v++)
        for (unsigned shards = 1; shards <= HAND_SHARDS_MAX; shards++)
            for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                if (argc > 1 && strstr(rows[i].name, argv[1]) == NULL)
                    continue;
                if (!rows[i].moves || shards == HAND_SHARDS_MAX)
                    row_run(&rows[i], shards, versions[v]);
            }
    return 0;
}
