/*
 * client.h -- one MQTT connection of the generator.
 *
 *     NEW --open--> CONNECTING --CONNACK--> [SUBSCRIBING --SUBACK-->] READY
 *       any of them --failure--> BROKEN, which ends the run
 *
 * A client is a publisher, a subscriber, a gatherer of filters, one that never reads, or none of
 * these (it only sits there). One that is cut off on purpose goes from READY to NEW and can be
 * opened again, when both its input has ended and no send is under way. Input arrives in pieces
 * of any size (carry.h).
 *
 * Threads: the client's worker; made and freed by the main thread while no worker runs.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include "carry.h"
#include "gatherer.h"
#include "publisher.h"
#include "stream.h"
#include "subscriber.h"

struct worker;

enum client_role {
    CLIENT_IDLE,
    CLIENT_PUBLISHER,
    CLIENT_SUBSCRIBER,
    CLIENT_GATHERER,
    CLIENT_SLOW, /* subscribes and then never reads */
};

enum client_state {
    CLIENT_NEW,
    CLIENT_CONNECTING,
    CLIENT_SUBSCRIBING,
    CLIENT_READY,
    CLIENT_BROKEN,
};

struct client {
    struct stream stream; /* first: the poller's callbacks get its address */
    struct worker *worker;
    enum client_role role;
    enum client_state state;
    bool is_dirty;      /* in the worker's list of clients to look at before it waits */
    bool is_cut;        /* its connection is ended on purpose */
    uint64_t number;    /* in the fleet */
    uint64_t asked_ns;  /* when it wanted to connect, or subscribed to what is retained */
    char *filter;       /* to subscribe to; NULL: none. Owned */
    struct carry carry; /* an incomplete packet */
    union {
        struct publisher publisher;
        struct subscriber subscriber;
        struct gatherer gatherer;
    };
};

STATIC_CHECK(offsetof(struct client, stream) == 0, "streams are cast to clients");

/* Opens the socket and queues CONNECT. Failure is told to the control. */
void client_open(struct client *client);

/* The handshake is complete. */
void client_is_ready(struct client *client);

/* Sends SUBSCRIBE for the client's filter. */
void client_subscribe(struct client *client);

/* Ends the connection without a word; client_was_cut follows when the end has been seen. */
void client_cut(struct client *client);
void client_was_cut(struct client *client);

/* Handles bytes received. */
void client_input(struct client *client, const uint8_t *data, size_t len);

/* Appends a packet of `len` bytes at `packet`. */
void client_put(struct client *client, const uint8_t *packet, uint32_t len);

/* Appends an acknowledgement. */
void client_put_ack(struct client *client, enum codec_type type, uint16_t packet_id);

/* Ends the run with a sentence about this client. */
void client_fail(struct client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Says DISCONNECT, if the socket takes it, and closes. The poller is closed already. */
void client_close(struct client *client);

void client_fini(struct client *client);

#endif
