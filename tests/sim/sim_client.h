/*
 * sim_client.h -- simulated MQTT clients that behave: what they do is legal, when they do it is
 * not foreseeable.
 *
 * A client connects, subscribes, publishes, acknowledges late, reads slowly, and leaves in every
 * way there is: DISCONNECT, FIN, reset, silence, or by opening a second connection while the first
 * still stands. It keeps its side of the session as the specification wants it (4.1):
 * unacknowledged messages are sent again on the next connection if the broker still has the
 * session, identifiers of QoS 2 are remembered until PUBREL. What the broker sends is decoded to
 * the last byte and given to the oracle.
 *
 *   OFF --connect--> CONNECTING --CONNACK--> ON --DISCONNECT written--> LEAVING
 *    ^                    |                   |                            |
 *    +--------------------+-------------------+----------------------------+  the connection ends
 *
 * A connection that the client let go of while the broker may still have it is a stray.
 */
#ifndef SLUICE_SIM_CLIENT_H
#define SLUICE_SIM_CLIENT_H

#include "mqtt.h"
#include "sim_oracle.h"
#include "sim_socket.h"

#define SIM_WINDOW_MAX   16
#define SIM_REQUESTS_MAX 4
#define SIM_ACKS_MAX     1024
#define SIM_STRAYS_MAX   8
#define SIM_ALIASES_MAX  8
#define SIM_TIMES_MAX    4

enum sim_state { SIM_OFF, SIM_CONNECTING, SIM_ON, SIM_LEAVING };

enum sim_session { SIM_SESSION_NONE, SIM_SESSION_THERE, SIM_SESSION_UNKNOWN };

/* One message or PUBREL that the broker has not completed. */
struct sim_sent {
    uint32_t number; /* of the message */
    uint16_t packet_id;
    uint8_t awaits; /* PACKET_PUBACK, PACKET_PUBREC, PACKET_PUBCOMP */
    bool here;      /* sent on this connection */
};

/* SUBSCRIBE or UNSUBSCRIBE under way. */
struct sim_request {
    uint16_t packet_id; /* 0: none */
    bool leaves;
    uint8_t filters[SIM_TIMES_MAX];
    uint8_t filters_num;
};

struct sim_ack {
    uint16_t packet_id;
    uint8_t type;
};

struct sim_client {
    unsigned index;
    char id[24];
    enum mqtt_version version;
    bool lasting; /* its session survives its connection */
    bool steady;  /* never begins its session anew; may be a member of shared groups */

    enum sim_state state;
    struct sim_file *socket;
    struct sim_pipe out; /* not yet written */
    struct sim_pipe in;  /* read, not yet decoded */
    struct sim_file *strays[SIM_STRAYS_MAX];
    bool stray_was_new[SIM_STRAYS_MAX]; /* it had no CONNACK */
    unsigned strays_num;
    uint64_t quiet_until_ns; /* OFF: does not connect; else: does not read or write */
    uint64_t deaf_until_ns;  /* does not read */
    uint64_t backs_off_ns;   /* does not connect before, because it may have been refused */
    uint64_t wrote_ns;
    uint16_t keep_alive_s;

    /* the session */
    enum sim_session session;
    bool clean_asked;    /* the CONNECT under way begins anew */
    bool brief;          /* this session of a lasting client ends with its connection */
    bool has_none;       /* CONNACK of a brief session came, no CONNECT was sent since */
    bool must_clean;     /* the last one should have, and was lost: our side is forgotten */
    bool present_unsure; /* and whether there was a session cannot be known */
    bool resumed;
    uint16_t id_next;
    struct sim_sent window[SIM_WINDOW_MAX];
    unsigned window_len;
    uint8_t received[8192]; /* bit per packet id: QoS 2 accepted, PUBREL not seen */
    uint32_t received_num;

    /* this connection */
    struct sim_request requests[SIM_REQUESTS_MAX];
    struct sim_ack acks[SIM_ACKS_MAX]; /* owed to the broker, in order */
    unsigned acks_len;
    unsigned pings;       /* not answered yet */
    uint16_t receive_max; /* ours */
    uint32_t packet_max;  /* ours; 0: none */
    uint16_t alias_max;   /* ours */
    uint32_t unfinished;  /* QoS 1 and 2 received here and not completed by us */
    uint8_t aliases[SIM_ALIASES_MAX + 1];
    uint16_t their_receive_max;
    uint16_t their_alias_max;
    uint16_t aliases_told; /* bit per topic */
    uint32_t will;         /* number of the will message; 0: none */
    bool will_delayed;
    bool doubt;           /* the broker may have ended the connection for a reason of its own */
    bool disconnect_seen; /* the broker said DISCONNECT */
    bool severed;         /* the broker at its other end is gone */
};

/* The way into the broker, set by sim_world.c: a random shard's listener, NULL: none. */
extern struct sim_file *(*sim_client_listener)(void);

/* True while everything is to come to rest: nothing new, nothing goes wrong. */
extern bool sim_calm;

/* The broker is stopping: CONNECT may be refused, a connection may be cut when it lingers. */
extern bool sim_draining;

/* Clients that were told that the broker is stopping. */
extern unsigned sim_goodbyes;

void sim_client_init(struct sim_client *client, unsigned index);
void sim_client_fini(struct sim_client *client);

/* A little of whatever the client may do now. */
void sim_client_step(struct sim_client *client);

/* The broker has bytes of it that it neither reads nor will be told of. */
bool sim_client_is_forgotten(const struct sim_client *client);

/* True if the client is connected and nothing is owed either way. */
bool sim_client_is_settled(const struct sim_client *client);

/* For the report of a run that does not come to rest. */
void sim_client_describe(const struct sim_client *client);

/* Time has leapt: time-outs of the broker may strike. */
void sim_client_doubt(struct sim_client *client);

/* The broker's machine or process is gone, and with it every connection. */
void sim_client_sever(struct sim_client *client);

/* A connection that was let go of before its CONNACK, which may yet be served. */
bool sim_has_new_stray(const struct sim_client *client);

/* The connection has ended, or the client lets it go. */
void sim_client_ended(struct sim_client *client, bool confirmed);

/* ---- sim_packets.c ---- */

void sim_send_connect(struct sim_client *client, bool clean);
void sim_send_publish(struct sim_client *client);
void sim_send_subscribe(struct sim_client *client);
void sim_send_unsubscribe(struct sim_client *client);
void sim_send_ping(struct sim_client *client);
void sim_send_disconnect(struct sim_client *client);

/* Some of the acknowledgements that are owed. */
void sim_send_acks(struct sim_client *client, unsigned most);

/* Everything unacknowledged, again, in its order [MQTT-4.4.0-1]. */
void sim_send_again(struct sim_client *client);

/* Decodes and handles whole packets in client->in. */
void sim_receive(struct sim_client *client);

/* Forgets the client's side of the session. */
void sim_session_forget(struct sim_client *client);

#endif
