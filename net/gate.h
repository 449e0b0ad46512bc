/*
 * gate.h -- output that is held until what it claims is durable (design, section 6).
 *
 * Answers are encoded into the connection's output as soon as route has decided them. A gate stands
 * at a place in that output: no byte behind it leaves before the shard's log has committed `lsn`
 * and `waits` confirmations have come from other shards. TCP keeps the order, so acknowledgements
 * leave in the order of the packets that they answer without further ado.
 *
 *     output:  [ sent | may leave | gate 7: lsn 120 | PUBACK PUBACK | gate 8: lsn 131 | PUBACK ]
 *
 * A connection gets at most one gate a turn: later holds of the same turn raise its `lsn` and add
 * to its `waits`, which costs nothing, because what a turn appends is committed together. Gates
 * open from the front. Holding a byte for longer than needed is never wrong, only late.
 *
 * When the log or another shard cannot store, what is behind the first closed gate is thrown away
 * and the connection ends with DISCONNECT, if its version has that: an acknowledgement that was not
 * sent is the truth, and the client repeats what it did not see acknowledged. If CONNACK was among
 * it, a CONNACK that says why takes its place.
 *
 * Bounds: GATES_MAX gates a connection (32 bytes each), then holds go to the last one. A connection
 * without closed gates has no memory here. The place of the first closed gate is known to the
 * output itself (output.h), which lets nobody gather what is behind it, whatever layers lie below.
 *
 * Threads: the owner shard.
 */
#ifndef SLUICE_GATE_H
#define SLUICE_GATE_H

#include "conn.h"
#include "hold.h"

/* A gate a turn; a commit takes a few turns, a confirmation a few more. */
#define GATES_FIRST 4
#define GATES_MAX   256

struct gates;

/*
 * Bytes appended from now on leave once the log has committed `lsn`. Without memory the connection
 * is broken: it ends unacknowledged.
 */
void gate_hold(struct conn *conn, uint64_t lsn);

/* The same for one confirmation more. HANDLE_NONE in the ticket without memory. */
struct hold_ticket gate_ticket(struct conn *conn);

/* The log of this shard has committed everything up to `lsn`. */
void gate_committed(struct net *net, uint64_t lsn);

/* `count` confirmations came; not `ok`: what they wait for cannot be stored. */
void gate_confirmed(struct net *net, const struct hold_ticket *ticket, uint32_t count, bool ok);

/* The log of this shard takes nothing: whoever waits for it ends unacknowledged. */
void gate_log_failed(struct net *net);

/* The connection goes: forgets its gates. */
void gate_free(struct conn *conn);

#endif
