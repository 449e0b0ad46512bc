/*
 * tls.h -- TLS 1.2 and 1.3 as a layer of the transport (transport.h), by BoringSSL.
 *
 * The library reads from the bytes just received and writes to the layer's output through a BIO of
 * ours: there are no buffers between. It decrypts into one buffer of the shard, from which all
 * that a receive has brought goes up at once; a record that is not whole waits in the library.
 * What the connection has to send is written once per flush, in records of up to 16 KiB.
 *
 * Handshakes cost the processor about as much as a thousand messages each. So their steps wait, in
 * order, with the bytes that have come and without a receive, for the end of a turn; when all that
 * the turn has made for others has left, the shard takes steps for TLS_NS_PER_TURN, and one at
 * least. What a message waits for is thus the rest of one step. A listener bounds their time
 * (handshake_timeout), the shard their number (tls_handshakes_max of net_settings): the one that
 * has waited longest for its client makes room for a new one.
 *
 * An idle connection keeps the library's state (about 3 KiB: what only handshakes need is shed) and
 * no buffers.
 *
 * Renegotiation is refused by the library. A client may ask for new keys (TLS 1.3 KeyUpdate), and
 * is cut off when it does nothing else.
 *
 * Threads: the owner shard; moves with the hand-over.
 */
#ifndef SLUICE_TLS_H
#define SLUICE_TLS_H

#include "check.h"
#include "rc.h"

/* A step with an RSA 2048 key takes 0.7 ms, the others a fraction of that. */
#define TLS_NS_PER_TURN UINT64_C(100000)

struct bio_method_st;
struct conn;
struct net;
struct tls;
struct tls_context;
struct tls_server;

/*
 * Puts the layer on the connection, which has just been accepted. RC_FULL: too many handshakes.
 */
MUST_USE enum rc tls_open(struct conn *conn, struct tls_server *server);

/*
 * The end of the turn: takes steps of handshakes, having sent before what the turn has made; what
 * the steps make is still to be sent. True: it did.
 */
bool tls_turn(struct net *net);

MUST_USE bool tls_net_init(struct net *net);
void tls_net_fini(struct net *net);

/* For the callbacks of tls_context.c. */
struct tls_context *tls_layer_context(struct tls *tls);
uint64_t tls_layer_now_ms(const struct tls *tls);

/* How the library reaches a layer's bytes. NULL without memory. */
struct bio_method_st *tls_bio_method(void);

#endif
