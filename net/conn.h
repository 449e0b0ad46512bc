/*
 * conn.h -- one client's connection.
 *
 *            accept / hand-over              CONNECT accepted
 *   (none) ---------------------> CONN_NEW ------------------> CONN_OPEN
 *                                    |  \  \                  /   |
 *                                    |   \   ---> CONN_AUTH --    |
 *                 handed to the home |   \ refused, time-out      | DISCONNECT, error, time-out,
 *                 shard: forgotten   |    \                       | take-over, shutdown
 *                                    v     v                      v
 *                                 (none)   CONN_LAST_WORDS <------+
 *                                              | output sent, shutdown(SHUT_WR)
 *                                              v
 *   CONN_CLOSED <--- peer's FIN, error, linger time --- CONN_LINGER
 *        | no operation pending
 *        v
 *      freed
 *
 *   CONN_NEW         no session; a receive at a time (so that the descriptor can be handed over);
 *                    bounded by mqtt.connect_timeout
 *   CONN_AUTH        no session; CONNECT waits for authentication (auth.h); bounded by its timeout
 *   CONN_OPEN        session bound; multishot receive; keep alive and send time-outs run
 *   CONN_LAST_WORDS  no session; what is in the output still leaves, input is thrown away
 *   CONN_LINGER      everything sent; waiting for the peer to close, so that unread input does not
 *                    turn our last packet into a reset
 *   CONN_CLOSED      descriptor shut down; waiting for the completions that the kernel still owes
 *
 * A connection lost by the peer goes from any state to CONN_CLOSED directly.
 *
 * Memory: 240 bytes and no buffers while idle. The stash holds the beginning of a packet that
 * is not complete, and grows with the bytes received. Aliases have memory only when used.
 *
 * Threads: the owner shard.
 */
#ifndef SLUICE_CONN_H
#define SLUICE_CONN_H

#include <netinet/in.h>

#include "bytes.h"
#include "conn_cause.h"
#include "list.h"
#include "mqtt.h"
#include "output.h"
#include "reason.h"
#include "timer.h"
#include "types.h"

#define CONN_MAGIC 0x434f4e4eu

enum conn_state { CONN_NEW, CONN_AUTH, CONN_OPEN, CONN_LAST_WORDS, CONN_LINGER, CONN_CLOSED };

struct alias_in;
struct alias_out;
struct auth;
struct conn_cold;
struct gates;
struct net;
struct output_send;
struct quota;
struct session;

struct conn {
    uint32_t magic;
    uint8_t state;         /* enum conn_state */
    uint8_t version;       /* enum mqtt_version */
    bool recv_armed : 1;   /* a receive is with the kernel */
    bool recv_large : 1;   /* it asks for large buffers */
    bool recv_fed : 1;     /* something has come since it asked */
    bool send_armed : 1;   /* a send is with the kernel */
    bool starving : 1;     /* the session wants room: call outbound_pump when there is some */
    bool problem_info : 1; /* client wants reason strings */
    bool ended : 1;        /* the peer has closed while input is paused */
    bool broken : 1;       /* takes no more output, ends with the next completion */
    bool auth_waits : 1;   /* CONN_AUTH: for somebody else than the client, input waits */
    bool layered : 1;      /* bytes go through the layers in `cold` */
    bool mounted : 1;      /* topics have a mount point, in `cold` (mount.h) */
    uint8_t broken_cause;  /* enum conn_cause of that end */
    uint8_t recv_meagre;   /* large buffers in a row with little in them */
    struct handle handle;
    struct session *session;
    struct net *net;
    int fd;
    uint32_t packet_size_max; /* of what the client accepts */
    uint64_t last_in_ms;      /* last whole packet received */
    uint64_t last_out_ms;     /* output began to wait, or some of it left; 0: none waits */
    uint64_t opened_ms;
    struct timer timer;
    struct list_node dirty;   /* in net->dirty: has output to send */
    struct list_node waiting; /* in net->paused or net->starved */
    struct output output;
    struct output_send *send; /* gathered send in flight */
    struct gates *gates;      /* output that is held (gate.h); NULL: none */
    struct quota *quota;      /* NULL: its listener has no rates, or it has sent nothing yet */
    uint8_t *stash;
    uint32_t stash_len;
    uint32_t stash_capacity;
    uint32_t packet_since_ms; /* low 32 bits of when what is in the stash began to come */
    uint32_t keep_alive_ms;   /* with the factor applied; 0: none */
    uint16_t listener;
    uint16_t alias_out_max;
    struct alias_in *aliases_in;
    struct alias_out *aliases_out;
    struct auth *auth;      /* authentication, NULL: none is going on (auth.h) */
    struct conn_cold *cold; /* transport.h; NULL for a plain connection */
    uint16_t peer_port;     /* host order */
    struct in6_addr peer;   /* IPv4 mapped */
};

/*
 * Makes a connection of a descriptor, which it owns from now on, and starts receiving. `opened_ms`:
 * when it was accepted. RC_NO_MEMORY, RC_FULL: the descriptor is still the caller's.
 */
MUST_USE enum rc conn_open(struct net *net, int fd, uint16_t listener, uint64_t opened_ms,
                           struct conn **out);

/*
 * The connection is handed over: frees it without closing the descriptor, which is returned. Its
 * layers have been detached.
 */
int conn_forget(struct conn *conn);

/*
 * Ends a connection from our side: unbinds the session (publishing its will as `cause` says), tells
 * a v5 client `reason` if that is a DISCONNECT reason, and closes it when the output has left.
 */
void conn_close(struct conn *conn, enum conn_cause cause, enum reason reason);

/* Ends a connection whose peer has said so: no DISCONNECT, only the layers' last bytes. */
void conn_close_quietly(struct conn *conn, enum conn_cause cause);

/* The connection is dead or worthless: unbinds the session and closes without last words. */
void conn_abort(struct conn *conn, enum conn_cause cause);

/* Has the client reset the connection, whatever has been read of it? A system call. */
bool conn_is_reset(const struct conn *conn);

/* The session has let go already: last words only (sink->close). */
void conn_close_detached(struct conn *conn, enum conn_cause cause, enum reason reason);

/* Frees a closed connection once the kernel owes it nothing. */
void conn_release(struct conn *conn);

/* Frees at once, when the ring is gone. */
void conn_destroy(struct conn *conn);

/*
 * Output that was due had no room, in the middle of a call from route, which may not lose the
 * session now: shuts the descriptor down, so that the next completion ends the connection.
 */
void conn_break(struct conn *conn, enum conn_cause cause);

/* There is output: send it at the end of the turn. */
void conn_mark_dirty(struct conn *conn);

/* Asks the kernel for input, if the state wants any. */
void conn_receive(struct conn *conn);

/* The session's identity is another one: its expiry may be, too. */
void conn_identity_changed(struct conn *conn);

/* The first bytes of a packet that is not whole stand in the stash: its time begins. */
void conn_packet_begins(struct conn *conn);

/* Frees the stash. */
void conn_stash_drop(struct conn *conn);

/* CONN_NEW -> CONN_OPEN: keep alive and multishot receive begin. */
void conn_established(struct conn *conn, uint16_t keep_alive_s);

/*
 * "1.2.3.4:567", "[::1]:567" or "unix:pid=1,uid=0" into `out` of CONN_PEER_LEN_MAX bytes; returns
 * `out`.
 */
#define CONN_PEER_LEN_MAX 56
const char *conn_peer(const struct conn *conn, char *out);

/* Fails a CHECK if the fields contradict the state. */
void conn_assert_state(const struct conn *conn);

#endif
