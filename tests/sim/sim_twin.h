/*
 * sim_twin.h -- what a log of the store must say, kept beside it by somebody who knows what its
 * records mean and nothing of how they are read.
 *
 * A twin is a value: plain arrays, copied whole after each change, so that the twin of any lsn is
 * at hand. Clients, topics, filters and rows are numbers of small fixed tables; a message is a
 * number from which topic, payload and the rest follow (sim_twin_message).
 */
#ifndef SLUICE_SIM_TWIN_H
#define SLUICE_SIM_TWIN_H

#include "store_image.h"
#include "wal_replay.h"

#define TWIN_CLIENTS 10
#define TWIN_QUEUE   16
#define TWIN_WINDOW  6
#define TWIN_FILTERS 5
#define TWIN_IDS     3 /* packet ids 1 to 3 of publishers */
#define TWIN_WILLS   24
#define TWIN_TOPICS  6
#define TWIN_ROWS    5
#define TWIN_TAKEN   6
#define TWIN_LOGS    3
#define TWIN_WALL_MS UINT64_C(1700000000000)
#define TWIN_MONO_MS UINT64_C(5000)

struct twin_entry {
    uint64_t number;
    uint64_t location; /* not compared: where the test found it last */
    uint32_t message;
    uint32_t bytes;
    uint32_t attempts;
    uint32_t ids[2];
    uint16_t packet_id;
    uint8_t ids_count;
    uint8_t state; /* enum store_state */
    uint8_t qos;
    uint8_t priority;
    uint8_t filter; /* of the group, from 1; 0: none */
    bool retain;
};

struct twin_sub {
    uint32_t id;
    uint8_t filter;
    uint8_t options;
};

struct twin_session {
    uint64_t number; /* 0: there is none */
    uint64_t entry_next;
    uint64_t wall_ms; /* 0: connected */
    uint64_t owner;
    uint32_t expiry_s;
    uint16_t last_id;
    uint8_t version;
    bool is_bridge;
    uint8_t queue_count;
    uint8_t window_count;
    uint8_t subs_count;
    bool inbound[TWIN_IDS];
    struct twin_sub subs[TWIN_FILTERS];
    struct twin_entry queue[TWIN_QUEUE]; /* in the order of their numbers */
    struct twin_entry window[TWIN_WINDOW];
};

struct twin_will {
    uint64_t number; /* 0: none */
    uint64_t session;
    uint32_t message;
    uint32_t delay_s;
    bool is_due; /* not compared: it has left its session */
};

struct twin_value {
    uint64_t version;
    uint32_t message; /* 0: deleted, or never there */
};

/* Which of the log's clients have a QoS 2 message of a publisher. */
struct twin_seen {
    uint64_t number; /* of the publisher's session */
    uint32_t clients;
    bool rows; /* the log has rows of it */
};

struct twin_taken {
    uint64_t session; /* 0: none */
    uint64_t entry;
    shard_id home;
};

struct twin {
    struct twin_session sessions[TWIN_CLIENTS];
    struct twin_will wills[TWIN_WILLS];
    struct twin_value topics[TWIN_TOPICS];
    struct twin_value rows[TWIN_ROWS];
    struct twin_seen seen[TWIN_CLIENTS][TWIN_IDS];
    struct twin_taken taken[TWIN_TAKEN];
};

/* One log of so many, as compared. A value. */
struct twin_place {
    unsigned log;
    unsigned logs;
};

extern const struct hash_key twin_key;

/* Texts of the tables; views of static bytes that last until the next call but three. */
struct bytes twin_client_id(unsigned client);
struct bytes twin_filter(unsigned filter);
struct bytes twin_topic(unsigned topic);
struct bytes twin_row_key(unsigned row);

/* Which log is whose. */
unsigned twin_home(struct bytes name, unsigned logs);

/* The message of a number, with views that last until the next call. */
struct store_message twin_message(uint32_t number);

/* Of a publisher's message: whether the log says that a client whose home it is has it. */
bool twin_has(const struct twin *twin, struct twin_place place, unsigned publisher, unsigned id,
              unsigned client);

/* Whether the delivery is before the other one in a queue. */
bool twin_is_before(const struct twin_entry *a, const struct twin_entry *b);

/* Fails where the image says something else. Takes over where messages lie, and numbers. */
void twin_compare(struct twin *twin, struct twin_place place, struct store_image *image,
                  struct wal_image *log);

#endif
