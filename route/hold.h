/*
 * hold.h -- tickets: what an acknowledgement waits for on other shards.
 *
 * The bytes of an acknowledgement are written at once and held at the connection (net/gate.h) until
 * what it claims is durable. What this shard's log must have committed is a number; what other
 * shards must have stored is counted in confirmations, each of which brings a ticket back: the
 * connection and the number of its gate. All targets of one publication carry the same ticket.
 *
 * Threads: pure values, any.
 */
#ifndef SLUICE_HOLD_H
#define SLUICE_HOLD_H

#include "types.h"

/* In the slot of a ticket's handle: it is a handover's (share_handover.h), not a connection's. */
#define HOLD_HANDOVER (UINT32_C(1) << 31)

struct hold_ticket {
    struct handle conn;   /* [M] HANDLE_NONE or zeroes: nobody waits */
    uint32_t gate_number; /* [M] */
};

/* Of a number: not that of a gate, but of a will that is being published (will.h). */
#define HOLD_WILL (UINT32_C(1) << 31)

static inline bool hold_ticket_is_will(const struct hold_ticket *ticket)
{
    return (ticket->gate_number & HOLD_WILL) != 0;
}

static inline bool hold_ticket_is_none(const struct hold_ticket *ticket)
{
    return handle_is_none(ticket->conn);
}

static inline bool hold_ticket_is_handover(const struct hold_ticket *ticket)
{
    return (ticket->conn.slot & HOLD_HANDOVER) != 0 && !hold_ticket_is_none(ticket);
}

#endif
