/*
 * sim_cuts.c -- power cuts at chosen moments: what sim_crash would have to be lucky to hit.
 *
 *   sim_cuts [part of a name]
 *
 * Each case leads a broker to a moment between two commits (sim_hand.h), lets the machine lose
 * power, and looks at what the clients are given afterwards.
 *
 * SIM_TRACE=1 shows the packets that clients get.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim_base.h"
#include "sim_hand.h"

/* A value. */
struct cut {
    const char *name;
    void (*run)(void);
};

static const char *cut_name;

/* ---- steps ---- */

static void cut_connect(struct hand_client *client)
{
    hand_connect(client, (struct hand_connect){.lasting = true});
    hand_settle();
    SIM_CHECK(client->got[PACKET_CONNACK] == 1, "%s: no CONNACK", cut_name);
}

/* A durable session, connected. */
static struct hand_client *cut_client(unsigned shard)
{
    struct hand_client *client = hand_client(shard);
    cut_connect(client);
    return client;
}

static struct hand_client *cut_subscriber(unsigned shard, const char *filter, uint8_t qos)
{
    struct hand_client *client = cut_client(shard);
    hand_subscribe(client, filter, qos);
    hand_settle();
    SIM_CHECK(client->got[PACKET_SUBACK] == 1, "%s: no SUBACK", cut_name);
    return client;
}

static void cut_restart(void)
{
    hand_restart(HAND_SHARDS_MAX);
}

static void cut_got(const struct hand_client *client, enum packet_type type, unsigned times)
{
    SIM_CHECK(client->got[type] == times, "%s: %s got %u of %u %s", cut_name, client->id,
              client->got[type], times, packet_text(type));
}

/* ---- cases ---- */

/* Both members are of one shard: the taker has it and the giver is done, in one commit. */
static void cut_given_away(void)
{
    struct hand_client *publisher = cut_client(0);
    struct hand_client *giver = cut_subscriber(0, "$share/g/t", MQTT_QOS_1);
    hand_publish(publisher, "t", MQTT_QOS_1, false);
    hand_settle();
    cut_got(giver, PACKET_PUBLISH, 1);
    struct hand_client *taker = cut_subscriber(0, "$share/g/t", MQTT_QOS_1);
    hand_drop(giver);
    cut_got(taker, PACKET_PUBLISH, 1);
    hand_answer(taker, PACKET_PUBACK);
    hand_settle();
    cut_restart();
    cut_connect(giver);
    cut_connect(taker);
    cut_got(giver, PACKET_PUBLISH, 0);
    cut_got(taker, PACKET_PUBLISH, 0);
}

/*
 * The taker's shard has committed a QoS 2 delivery, the giver's not that it has it no more. With so
 * many shards afterwards only the taker has it, and nothing is left to remember.
 */
static void cut_handover(unsigned shards)
{
    struct hand_client *publisher = cut_client(0);
    struct hand_client *giver = cut_subscriber(0, "$share/g/t", MQTT_QOS_2);
    hand_drop(giver);
    hand_publish(publisher, "t", MQTT_QOS_2, false);
    hand_hold(0);
    struct hand_client *taker = cut_subscriber(1, "$share/g/t", MQTT_QOS_2);
    cut_got(taker, PACKET_PUBLISH, 1);
    SIM_CHECK(hand_log_waits(0) && hand_taken(1) == 1, "%s: at another moment", cut_name);
    hand_restart(shards);
    cut_connect(giver);
    cut_got(giver, PACKET_PUBLISH, 0);
    cut_connect(taker);
    cut_got(taker, PACKET_PUBLISH, 1);
    for (unsigned i = 0; i < shards; i++)
        SIM_CHECK(hand_taken(i) == 0, "%s: shard %u remembers", cut_name, i);
    hand_restart(shards);
    cut_connect(giver);
    cut_connect(taker);
    cut_got(giver, PACKET_PUBLISH, 0);
    cut_got(taker, PACKET_PUBLISH, 1);
}

static void cut_handover_stays(void)
{
    cut_handover(HAND_SHARDS_MAX);
}

static void cut_handover_moves(void)
{
    cut_handover(1);
}

/* Without a cut the taker forgets by itself. */
static void cut_handover_settled(void)
{
    struct hand_client *publisher = cut_client(0);
    struct hand_client *giver = cut_subscriber(0, "$share/g/t", MQTT_QOS_2);
    hand_drop(giver);
    hand_publish(publisher, "t", MQTT_QOS_2, false);
    struct hand_client *taker = cut_subscriber(1, "$share/g/t", MQTT_QOS_2);
    cut_got(taker, PACKET_PUBLISH, 1);
    SIM_CHECK(hand_taken(1) == 0, "%s: the taker remembers", cut_name);
}

/* The will has left its session, and nobody has stored it, when a checkpoint ends. */
static void cut_will_due(void)
{
    struct hand_client *subscriber = cut_subscriber(1, "will", MQTT_QOS_1);
    struct hand_client *client = hand_client(0);
    hand_connect(client, (struct hand_connect){.lasting = true, .has_will = true});
    hand_hold(1);
    hand_checkpoint(0);
    hand_drop(client);
    SIM_CHECK(hand_log_waits(1) && !hand_log_waits(0), "%s: at another moment", cut_name);
    cut_restart();
    cut_connect(subscriber);
    cut_got(subscriber, PACKET_PUBLISH, 1);
}

/* No cut: a shard that had nothing to store of a QoS 2 PUBLISH has nothing of its repetition. */
static void cut_subscribed_since(void)
{
    struct hand_client *other = hand_client(1);
    hand_connect(other, (struct hand_connect){.clean = true});
    hand_subscribe(other, "t", MQTT_QOS_0);
    struct hand_client *publisher = cut_client(0);
    hand_publish(publisher, "t", MQTT_QOS_2, false);
    hand_settle();
    cut_got(other, PACKET_PUBLISH, 1);
    struct hand_client *subscriber = cut_subscriber(1, "t", MQTT_QOS_2);
    hand_drop(publisher);
    hand_connect(publisher, (struct hand_connect){.lasting = true});
    hand_publish_again(publisher, "t");
    hand_settle();
    cut_got(publisher, PACKET_PUBREC, 2);
    cut_got(subscriber, PACKET_PUBLISH, 0);
}

static const struct cut cuts[] = {
    {"QoS 1 that went to another member", cut_given_away},
    {"QoS 2 on its way to a member of another shard", cut_handover_stays},
    {"the same, and another number of shards", cut_handover_moves},
    {"the same without a cut", cut_handover_settled},
    {"a will that is due while a checkpoint is written", cut_will_due},
    {"a subscription between a PUBLISH and its repetition", cut_subscribed_since},
};

int main(int argc, char **argv)
{
    sim_tracing = getenv("SIM_TRACE") != NULL;
    for (unsigned i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        if (argc > 1 && strstr(cuts[i].name, argv[1]) == NULL)
            continue;
        cut_name = cuts[i].name;
        printf("%s\n", cut_name);
        fflush(stdout);
        hand_start((struct hand_start){.shards = HAND_SHARDS_MAX, .version = MQTT_50});
        cuts[i].run();
        hand_stop();
    }
    return 0;
}
