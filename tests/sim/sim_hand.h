/*
 * sim_hand.h -- the whole broker on a false disk, led step by step by a test.
 *
 * Where sim_world.h lets everything happen in any order, here nothing happens but what the test
 * says: one client writes one packet, then the shards turn until all is done that can be done. The
 * kernel is kind, time hardly moves, and the same test runs the same way each time.
 *
 * A log can be held: what a shard writes to the disk is on its way and does not arrive until it is
 * released. What the broker sends meanwhile did not wait for it.
 *
 * There is one broker at a time, on one disk; it may lose power and start again, with another
 * number of shards. The clients all speak one version and do not know what they should: which
 * packets they write and when is the test's.
 */
#ifndef SLUICE_SIM_HAND_H
#define SLUICE_SIM_HAND_H

#include <stdbool.h>
#include <stdint.h>

#include "mqtt.h"
#include "packet.h"
#include "sim_socket.h"

#define HAND_SHARDS_MAX  2
#define HAND_CLIENTS_MAX 4
#define HAND_TOPIC_MAX   16

struct hand_client {
    char id[16];
    struct sim_file *socket; /* NULL: not connected */
    uint8_t in[4096];
    unsigned in_len;
    unsigned got[16];     /* packets by type since hand_hold or hand_restart */
    uint16_t last_id[16]; /* and the last one's packet id; 0: none */
    uint16_t sent_id;     /* of its last PUBLISH */
};

/* How a broker is started. A value. */
struct hand_start {
    unsigned shards;
    enum mqtt_version version; /* of all clients */
    uint16_t inflight_max;     /* at most under way to a client; 0: the usual number */
};

void hand_start(struct hand_start how);
void hand_stop(void);

/*
 * The machine loses power, with whatever is held on its way to the disk, and starts again. Nobody
 * is connected, and clients are at home where their ids are now.
 */
void hand_restart(unsigned shards);

/* A client whose session lives at `shard`; the broker's, until hand_stop. */
struct hand_client *hand_client(unsigned shard);

/* A topic whose retained message lives at `shard`. */
void hand_topic(unsigned shard, char *out);

/* The shards turn until what can happen has happened, and the clients have read it. */
void hand_settle(void);

/* Settles, forgets what the clients got, and holds the log of the shard. */
void hand_hold(unsigned shard);

/* Lets all logs go on, and settles. */
void hand_release(void);

/* A checkpoint of the shard begins, of which nothing is written yet. */
void hand_checkpoint(unsigned shard);

/* Deliveries that the shard has from others, which are not known to have let them go. */
unsigned hand_taken(unsigned shard);

/* There are records of the shard that are not committed. */
bool hand_log_waits(unsigned shard);

/* ---- what clients write; nothing turns ---- */

/* CONNECT on a new connection. A value. */
struct hand_connect {
    bool clean;
    bool lasting; /* the session outlives the connection */
    bool has_will;
    uint16_t receive_max; /* MQTT 5 only; 0: the usual one */
};

void hand_connect(struct hand_client *client, struct hand_connect how);

/* DISCONNECT, and the connection is closed. Settles. */
void hand_leave(struct hand_client *client);

/* The connection is closed without it. Settles. */
void hand_drop(struct hand_client *client);

void hand_subscribe(struct hand_client *client, const char *filter, uint8_t qos);
void hand_unsubscribe(struct hand_client *client, const char *filter);
void hand_publish(struct hand_client *client, const char *topic, uint8_t qos, bool retain);

/* The last QoS 2 PUBLISH, once more. */
void hand_publish_again(struct hand_client *client, const char *topic);

/* PUBACK, PUBREC, PUBREL or PUBCOMP; of the last packet of the type that it answers. */
void hand_answer(struct hand_client *client, enum packet_type type);

#endif
