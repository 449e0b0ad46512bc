/*
 * on_packet.h -- the handlers of packets from clients, one file per kind.
 *
 * Each checks what concerns the connection (limits, capabilities, aliases), makes one call into
 * route, and writes the answer into the output. A handler that finds a fault closes the connection
 * with its reason. All return false if the connection is not to be read on: closed, handed over,
 * paused.
 *
 * Threads: the owner shard.
 */
#ifndef SLUICE_ON_PACKET_H
#define SLUICE_ON_PACKET_H

#include "conn.h"
#include "decode.h"
#include "encode.h"
#include "net.h"

struct authn_outcome;

/* The first packet. `packet` and `rest` are what is handed over to another shard. */
bool on_connect(struct conn *conn, const struct frame *frame, struct bytes packet,
                struct bytes rest);

/*
 * Authentication has succeeded: takes over outcome->identity, binds the session, and says so. The
 * connection is CONN_NEW; `view` is its CONNECT.
 */
bool on_connect_admit(struct conn *conn, const struct connect_view *view, struct bytes client_id,
                      struct authn_outcome *outcome);

/* Refuses a CONN_NEW: CONNACK if there is a form for it, and close. Always false. */
bool on_connect_refuse(struct conn *conn, enum mqtt_version version, enum reason reason);

/* The session of a CONN_OPEN whose CONNACK was thrown away is not durable: says so, and closes. */
void on_connect_fail(struct conn *conn, enum reason reason);

bool on_publish(struct conn *conn, const struct frame *frame);
bool on_puback(struct conn *conn, const struct frame *frame);
bool on_pubrec(struct conn *conn, const struct frame *frame);
bool on_pubrel(struct conn *conn, const struct frame *frame);
bool on_pubcomp(struct conn *conn, const struct frame *frame);
bool on_subscribe(struct conn *conn, const struct frame *frame);
bool on_unsubscribe(struct conn *conn, const struct frame *frame);
bool on_pingreq(struct conn *conn, const struct frame *frame);
bool on_disconnect(struct conn *conn, const struct frame *frame);
bool on_auth(struct conn *conn, const struct frame *frame);

/* The packet breaks a rule: closes the connection with `reason`. Always false. */
bool on_fault(struct conn *conn, enum reason reason);

/* Writes PUBACK, PUBREC, PUBREL or PUBCOMP. False, and the connection closed, without room. */
bool on_answer(struct conn *conn, enum packet_type type, uint16_t packet_id, enum reason reason);

/*
 * The same for whom route has called: a session in use must not lose its connection under its feet.
 * Without room the connection is broken: it takes nothing any more and is closed by what the kernel
 * says of it next.
 */
void on_answer_or_break(struct conn *conn, enum packet_type type, uint16_t packet_id,
                        enum reason reason);

/* Room for an answer of `len` bytes, counted as one packet of `type`. NULL: closed, no memory. */
uint8_t *on_reserve(struct conn *conn, enum packet_type type, uint32_t len);

#endif
