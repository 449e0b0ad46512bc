/*
 * transport.h -- layers between the wire and MQTT: TLS, WebSocket, WebSocket over TLS, ...
 *
 *     wire -> bottom layer -> ... -> top layer -> input_feed        (received bytes)
 *     conn->output -> top layer -> ... -> bottom layer -> wire      (once per flush)
 *
 * A plain connection has no layers: conn->layered is false, conn->cold is NULL, and the receive and
 * the send path each look at that bit once. A connection with layers has a cold part that holds
 * them, with what only such connections know (struct peer_identity).
 *
 * Receiving. A layer gets the bytes where they lie, in the ring's buffer or in a buffer of the
 * layer below, and may write over them (unmask, close the gaps between frames). It keeps what is
 * not whole in state of its own. It calls transport_up at most once per receive, as the very last
 * thing it does: the call may hand the connection to another shard or end it, and neither the
 * connection nor the layer may be touched behind it. What stands in `layer` when transport_up is
 * called is all there is to move, besides the bytes that were passed up.
 *
 * Before CONNECT is whole (CONN_NEW) receives are single-shot and half-duplex: the next one is
 * asked for when everything that the layers have written has left. So at a hand-over no operation
 * is with the kernel, and layers move with their unsent output.
 *
 * Sending. What a layer makes goes to its own `out`, which the layer below, or the wire, takes from
 * there. At the end of the turn transport_flush asks each layer, from the top, to take from the
 * output above it while `out` is below TRANSPORT_OUT_MAX: the rest stays above, where limits and
 * back-pressure see it. A layer may write to `out` at any other time too (an answer to a ping, a
 * handshake) and then calls conn_mark_dirty.
 *
 * The end. A layer that meets the end of the stream, or bytes that are no such protocol, says so by
 * transport_end, before it passes up what came before: the connection closes when that has been
 * handled. Whoever ends the connection, each layer's `finish` writes its last bytes (close_notify,
 * a close frame) behind everything else. A connection that is lost or aborted gets none.
 *
 * Threads: the owner shard; between shards the layers travel with the hand-over.
 */
#ifndef SLUICE_TRANSPORT_H
#define SLUICE_TRANSPORT_H

#include "conn.h"
#include "peer_identity.h"

/* Encoded bytes of one layer beyond which it takes no more: four sends of 64 KiB. */
#define TRANSPORT_OUT_MAX (256 * 1024)

struct mount;
struct transport;

/* One kind of layer. All rows are required. */
struct transport_type {
    const char *name;
    /* `len` bytes have come, more than 0; see "Receiving". */
    void (*receive)(struct conn *conn, struct transport *layer, uint8_t *ptr, uint32_t len);
    /*
     * Takes from `from` what may leave (output_ready, which may be 0) and fits into
     * TRANSPORT_OUT_MAX, encoded, to layer->out. Nothing happens before the layer is ready. False
     * without memory.
     */
    bool (*send)(struct conn *conn, struct transport *layer, struct output *from);
    /* The last bytes of this layer, to layer->out. Called once. */
    void (*finish)(struct conn *conn, struct transport *layer);
    /* Frees the layer; its `out` is empty. On any shard. */
    void (*destroy)(struct transport *layer);
};

/* What all layers begin with. */
struct transport {
    const struct transport_type *type;
    struct transport *above; /* NULL: MQTT */
    struct transport *below; /* NULL: the wire */
    struct output out;
    bool ready; /* its handshake is done: bytes pass in both directions */
};

/* What only connections with layers have. */
struct conn_cold {
    struct transport *top;
    struct transport *bottom;
    struct peer_identity *identity; /* NULL: the peer has shown none */
    struct mount *mount;            /* mount.h; NULL: none */
    uint64_t counted;               /* bytes of all `out` in STAT_OUTPUT_BYTES */
    uint64_t ready_until_ms;        /* when handshakes have to be done; 0: with CONNECT */
    uint8_t end_cause;              /* enum conn_cause, if `ending` */
    uint8_t user_name;              /* enum peer_name: what the identity is used as */
    uint8_t client_id;              /* enum peer_name */
    uint64_t proxy_until_ms;        /* when a PROXY header has to be whole; 0: none is awaited */
    struct in6_addr peer;           /* as told by a proxy, if `has_peer` */
    uint16_t peer_port;
    bool has_peer;
    bool ending;   /* transport_end was called */
    bool finished; /* the last bytes have been written */
    bool held;     /* a layer keeps bytes to go on with: no receive meanwhile */
};

/*
 * Puts `layer` on top of those that the connection has. Right after conn_open, from the wire up.
 * RC_NO_MEMORY: nothing happened, the layer is the caller's.
 */
MUST_USE enum rc transport_push(struct conn *conn, struct transport *layer);

/*
 * Takes a layer that is done with its work out, and destroys it; its `out` has to be empty. What it
 * still has to pass up goes to what was above it: read layer->above before.
 */
void transport_remove(struct conn *conn, struct transport *layer);

/* The cold part, made if there is none. NULL without memory. */
struct conn_cold *transport_cold(struct conn *conn);

/* Gives the connection the layers that its listener asks for. RC_FULL: too many handshakes. */
MUST_USE enum rc transport_open(struct conn *conn);

/* Received bytes enter the bottom layer. The connection may be gone on return. */
void transport_receive(struct conn *conn, uint8_t *ptr, uint32_t len);

/* The same for a layer that has kept them: calls its `receive` and looks at what came of it. */
void transport_enter(struct conn *conn, struct transport *layer, uint8_t *ptr, uint32_t len);

/* A layer passes bytes up; `above` is its own layer->above. The last thing that it does. */
void transport_up(struct conn *conn, struct transport *above, uint8_t *ptr, uint32_t len);

/* The stream ends here, once what is passed up behind this call has been handled. */
void transport_end(struct conn *conn, enum conn_cause cause);

/*
 * Runs `conn->output` through the layers; returns what the wire takes from, or NULL: the connection
 * has been aborted for want of memory. No send may be in flight.
 */
struct output *transport_flush(struct conn *conn);

/* `sent` bytes have left the bottom layer. */
void transport_consume(struct conn *conn, uint64_t sent);

/* Closes the connection if a layer has met the end of the stream and nothing waits before it. */
void transport_look_end(struct conn *conn);

/* A trusted proxy says that the client is at this address. Stays so after a hand-over. */
void transport_set_peer(struct conn *conn, const struct in6_addr *peer, uint16_t port);

/* Bytes that layers hold for the wire. */
uint64_t transport_pending(const struct conn *conn);

/* Nothing waits for the wire, in no layer, and no send is in flight. */
bool transport_is_quiet(const struct conn *conn);

/* Are all handshakes done? */
bool transport_is_ready(const struct conn *conn);

/* Frees the cold part with everything in it. */
void transport_close(struct conn *conn);

/* The cold part leaves the connection for a hand-over, or comes to one; NULL: none. */
struct conn_cold *transport_detach(struct conn *conn);
void transport_attach(struct conn *conn, struct conn_cold *cold);

/* A cold part that nobody will receive any more. `pool`: where its chunks go. */
void transport_drop(struct conn_cold *cold, struct output_pool *pool);

/* The identity that the peer has shown, or NULL. Holds as long as the connection. */
static inline const struct peer_identity *conn_identity(const struct conn *conn)
{
    return conn->cold != NULL ? conn->cold->identity : NULL;
}

/*
 * What the listener takes from the identity as the user name, or as the client identifier, instead
 * of what CONNECT says. False: nothing, CONNECT's holds. True with an empty *out: it should be
 * taken from there, and there is none; the client is to be refused.
 */
static inline bool conn_identity_user_name(const struct conn *conn, struct bytes *out)
{
    const struct peer_identity *identity = conn_identity(conn);
    if (identity == NULL || conn->cold->user_name == PEER_NAME_NONE)
        return false;
    *out = peer_identity_name(identity, (enum peer_name)conn->cold->user_name);
    return true;
}

static inline bool conn_identity_client_id(const struct conn *conn, struct bytes *out)
{
    const struct peer_identity *identity = conn_identity(conn);
    if (identity == NULL || conn->cold->client_id == PEER_NAME_NONE)
        return false;
    *out = peer_identity_name(identity, (enum peer_name)conn->cold->client_id);
    return true;
}

#endif
