/*
 * inflight.h -- the outgoing window of one session: QoS 1 and 2 messages sent and not completed.
 *
 * The window draws packet ids (1 to 65535, increasing, round and round, never one in use: MQTT 5.0
 * and 3.1.1 section 2.2.1), finds an entry by the id of an acknowledgement in constant time, and
 * keeps the entries in the order of their first sending, in which they are sent again when the
 * session is resumed (section 4.6). It knows nothing about messages: `msg`, `aux`, `flags`,
 * `bytes`, `location` and `number` are the caller's, and so are the references behind them.
 *
 *   QoS 1:  add -> WAIT_PUBACK -> remove
 *   QoS 2:  add -> WAIT_PUBREC -> inflight_received -> WAIT_PUBCOMP -> remove
 *
 * Bounds: at most `window_max` entries by inflight_add: min(max_inflight, the client's Receive
 * Maximum). An empty window costs 16 bytes; the block of entries comes with the first, grows in
 * powers of two with the number in flight (48 bytes an entry, whichever ids the peer leaves
 * unacknowledged) and is given back when empty: a large one at once, a small one by inflight_trim.
 *
 * Threads: the session's home shard only.
 */
#ifndef SLUICE_INFLIGHT_H
#define SLUICE_INFLIGHT_H

#include "check.h"
#include "rc.h"

struct msg;
struct inflight_block;

enum inflight_state {
    INFLIGHT_FREE, /* no entry that a caller sees has it */
    INFLIGHT_WAIT_PUBACK,
    INFLIGHT_WAIT_PUBREC,
    INFLIGHT_WAIT_PUBCOMP,
};

struct inflight_entry {
    struct msg *msg;    /* [O] the caller's */
    void *aux;          /* [O] the caller's */
    uint32_t flags;     /* [O] the caller's: delivery options */
    uint32_t bytes;     /* [O] the caller's: 0 after inflight_add */
    uint16_t packet_id; /* [O] never 0; do not change */
    uint8_t state;      /* [O] enum inflight_state; changed by inflight_received only */
    uint8_t qos;        /* [O] 1 or 2 */
    uint16_t next_id;   /* [O] the window's: next in the order of sending, 0 at the end */
    uint16_t prev_id;   /* [O] the window's */
    uint64_t location;  /* [O] the caller's: 0 after inflight_add */
    uint64_t number;    /* [O] the caller's: 0 after inflight_add */
};
STATIC_CHECK(sizeof(struct inflight_entry) == 48, "a window is mostly these");

struct inflight {
    struct inflight_block *block; /* [O] NULL until the first entry */
    uint16_t window_max;          /* [O] 1..65535 */
    uint16_t count;               /* [O] entries */
    uint16_t last_id;             /* [O] drawn last, 0 if none yet */
};
STATIC_CHECK(sizeof(struct inflight) == 16, "every session carries one");

/* Allocates nothing. `window_max` is 1 to 65535. */
void inflight_init(struct inflight *window, uint16_t window_max);

/* The caller has removed every entry and released what it referred to. Zeroes are left alone. */
void inflight_fini(struct inflight *window);

/* On resumption. With more in flight than `window_max`, inflight_add says RC_FULL for a while. */
void inflight_set_max(struct inflight *window, uint16_t window_max);

static inline bool inflight_is_full(const struct inflight *window)
{
    return window->count >= window->window_max;
}

/*
 * Draws a packet id and adds an entry behind all others: state WAIT_PUBACK for QoS 1, WAIT_PUBREC
 * for QoS 2. On RC_OK the entry, valid as one of inflight_find is, holds what the caller passed.
 * RC_FULL: no room in the window; RC_NO_MEMORY; on both nothing has changed.
 */
MUST_USE enum rc inflight_add(struct inflight *window, struct msg *msg, void *aux, uint32_t flags,
                              uint8_t qos, struct inflight_entry **out_entry);

/*
 * Recovery: adds an entry with the packet id and the state that it had, behind all others, whatever
 * window_max says. The links of `entry` are ignored. The next id drawn follows this one. RC_EXISTS
 * if the id is in flight, RC_INVALID if id, state and qos do not belong together, RC_NO_MEMORY.
 */
MUST_USE enum rc inflight_restore(struct inflight *window, const struct inflight_entry *entry);

/*
 * The entry with this packet id, NULL if there is none (also for 0: any number a peer sends may be
 * asked for). Valid until the next inflight_add or inflight_restore, or its removal.
 */
struct inflight_entry *inflight_find(const struct inflight *window, uint16_t packet_id);

/* WAIT_PUBREC -> WAIT_PUBCOMP; the place in the order stays. The message may be let go. */
void inflight_received(struct inflight *window, struct inflight_entry *entry);

/* Removes the entry, which is gone afterwards; the caller has taken out what it refers to. */
void inflight_remove(struct inflight *window, struct inflight_entry *entry);

/* In the order of first sending; NULL at the end. Read the next before removing the current one. */
struct inflight_entry *inflight_first(const struct inflight *window);
struct inflight_entry *inflight_next(const struct inflight *window,
                                     const struct inflight_entry *entry);

/* Gives the block back if it is empty. For when the session falls idle, not after every message. */
void inflight_trim(struct inflight *window);

/* Bytes allocated behind the window. */
size_t inflight_bytes(const struct inflight *window);

#endif
