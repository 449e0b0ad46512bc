/*
 * sink.h -- the steps up from route to net: what a session can ask of its connection.
 *
 * Route declares this table, net fills it at start. A connection is opaque here. All calls happen
 * on the session's home shard and none of them writes to a socket: they append to the connection's
 * output, which leaves at the end of the turn, coalesced.
 *
 * None of these calls back into route, except that sink->publish may not be called from within
 * itself.
 *
 * Threads: the shard that owns both.
 */
#ifndef SLUICE_SINK_H
#define SLUICE_SINK_H

#include "hold.h"
#include "identity.h"
#include "msg.h"
#include "rc.h"
#include "reason.h"

struct conn;
struct shard;

/* One PUBLISH for one client, a value; views borrowed for the call. */
struct delivery {
    struct pub *pub; /* route makes its msg if it must be kept */
    const uint32_t *sub_ids;
    uint64_t
        fan_out_id; /* the same for all copies of one fan-out, which share encoded bytes; 0: one */
    uint32_t sub_ids_count;
    uint16_t packet_id; /* 0 for QoS 0, and until it is known */
    uint8_t qos;        /* effective */
    bool dup;
    bool retain;
};

struct sink {
    /*
     * RC_OK: it is in the output. RC_FULL: the output is over its bound, nothing was done; route is
     * told (outbound_pump) when there is room. RC_TOO_LARGE: over the client's Maximum Packet Size,
     * treat it as sent and completed [MQTT-3.1.2-25].
     */
    enum rc (*publish)(struct conn *conn, const struct delivery *delivery);

    /* PUBREL of a QoS 2 delivery. */
    void (*release)(struct conn *conn, uint16_t packet_id, enum reason reason);

    /* Is there room for another PUBLISH in the output? */
    bool (*has_room)(struct conn *conn);

    /* Fills in what the connection knows of its client: address, port, listener, zone. */
    void (*address)(const struct conn *conn, struct client_identity *out);

    /*
     * The session lets go of the connection: v5 clients get DISCONNECT with `reason`, and it is
     * closed once its output has left. The connection has forgotten the session on return.
     */
    void (*close)(struct conn *conn, enum reason reason);

    /*
     * What is appended to the connection's output from now on leaves once this shard's log has
     * committed `lsn`; with hold_ticket, once a confirmation with this ticket has come back too.
     * The ticket is none if the connection cannot wait: it ends unacknowledged.
     */
    void (*hold)(struct conn *conn, uint64_t lsn);
    struct hold_ticket (*hold_ticket)(struct conn *conn);

    /* The log of the shard has committed everything up to `lsn`. */
    void (*committed)(struct shard *shard, uint64_t lsn);

    /* `count` confirmations of a ticket of this shard; not `ok`: it could not be stored. */
    void (*confirmed)(struct shard *shard, const struct hold_ticket *t, uint32_t count, bool ok);

    /* The log takes nothing for the time being: who waits for it ends unacknowledged. */
    void (*log_failed)(struct shard *shard);
};

#endif
