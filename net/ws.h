/*
 * ws.h -- WebSocket as a layer of the transport (transport.h).
 *
 * First comes the upgrade request, which is collected (at most WS_REQUEST_LEN_MAX bytes and one
 * receive) and answered (ws_upgrade.h); from then on frames, whose payloads are unmasked where they
 * lie and go up in one piece (ws_frame.h). What the connection has to send leaves as one binary
 * frame per flush, of at most WS_FRAME_OUT_MAX bytes; several if there is more.
 *
 * A ping is answered at once, unless WS_PONGS_BYTES_MAX bytes wait to be sent already: a client
 * that asks and does not read gets no memory for it (section 5.5.3 allows to answer the last one
 * only). Pings are not packets, they do not count for keep alive.
 *
 * The end: whoever breaks the rules gets a close frame with the code for it, who closes gets its
 * code back, and who is closed by MQTT gets 1000, or 1001 when the broker stops.
 *
 * Where the request comes from a trusted proxy the client's address is what the proxy forwards, and
 * the access rules of the listener are asked about that one.
 *
 * An idle connection has no buffers.
 *
 * Threads: the owner shard; moves with the hand-over.
 */
#ifndef SLUICE_WS_H
#define SLUICE_WS_H

#include "check.h"
#include "rc.h"

/* With its header it fits into the largest chunk of an output. */
#define WS_FRAME_OUT_MAX   65400
#define WS_PONGS_BYTES_MAX 4096

struct conn;

/* Puts the layer on the connection, which has just been accepted. */
MUST_USE enum rc ws_open(struct conn *conn);

#endif
