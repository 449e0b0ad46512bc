/*
 * auth.h -- a connection while it is not known yet who is there (CONN_AUTH), and asking again.
 *
 * CONNECT has come whole to its home shard. What route's chain of steps (route/authn.h) says at
 * once is done at once; otherwise the connection waits, with a copy of its CONNECT, which is
 * decoded again when the answer is there. It waits for one of two:
 *
 *   a worker or the helper   nothing is received meanwhile; what had come behind CONNECT stands in
 *                            the stash, at most one receive buffer of it. The job comes back by
 *                            mail with the connection's handle, perhaps when it is gone.
 *   the client's AUTH        (MQTT 5.0 section 4.12) one receive at a time; any packet but AUTH and
 *                            DISCONNECT breaks [MQTT-3.1.2-30]
 *
 * Both together are bounded by net_settings.auth_timeout_ms. A client that has authenticated with a
 * method may do so again on the open connection (AUTH with 0x19); its packets are handled as usual
 * meanwhile, and its identity changes when it has succeeded. Who fails is disconnected.
 *
 * Memory: a client without a method has a struct auth only while it waits, one with a method as
 * long as it is connected, because AUTH must name the method again.
 *
 * Threads: the owner shard.
 */
#ifndef SLUICE_AUTH_H
#define SLUICE_AUTH_H

#include "conn.h"
#include "packet.h"

struct authn_job;
struct authn_outcome;
struct mail;
struct shard;

/*
 * CONNECT is right and here at home: authenticates, and goes on with on_connect_admit or
 * on_connect_refuse, now or later. `packet` is the whole packet. Answers as on_packet.h's handlers.
 */
bool auth_connect(struct conn *conn, const struct connect_view *view, struct bytes client_id,
                  struct bytes packet);

/* MAIL_AUTHN_DONE. */
void auth_on_mail(struct shard *shard, const struct mail *mail);

/* The time for authentication is over (state CONN_AUTH). */
void auth_timeout(struct conn *conn);

/* The connection ends, or is open and needs no more of it: nobody waits for an answer any more. */
void auth_forget(struct conn *conn);

/* The method with which the client has authenticated; ptr NULL: with none. */
struct bytes auth_method(const struct conn *conn);

#endif
