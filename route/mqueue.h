/*
 * mqueue.h -- messages that wait for one session: offline, or behind a full window.
 *
 * Higher priorities are delivered first, within a priority first in, first out. Priorities 0 to 255
 * exist; only those in use cost memory. Two limits hold:
 *
 *   len_max    messages per priority: when the priority of a new message is full, its oldest goes;
 *   bytes_max  bytes over all priorities: the oldest of the lowest priority goes, and so on. Never
 *              for the sake of a message of lower priority: that one is refused instead.
 *
 * What goes is handed to the caller, who releases and counts it. The queue knows nothing about
 * messages: `msg`, `aux`, `flags`, `location` and `number` are the caller's, and `bytes` is what
 * the caller says that the entry weighs. A message that lies in the log (store.h) need not be in
 * memory as well: then `msg` is NULL.
 *
 * Bounds: the limits above, 2^32 - 1 messages. An empty queue costs 8 bytes; entries take 40 bytes
 * each, in chunks of 7 to 63. What an emptied queue keeps (below 3 KiB) goes with mqueue_trim.
 *
 * Threads: the session's home shard only.
 */
#ifndef SLUICE_MQUEUE_H
#define SLUICE_MQUEUE_H

#include "check.h"
#include "rc.h"

struct msg;
struct mqueue_body;
struct mqueue_chunk;

struct mqueue_entry {
    struct msg *msg;   /* [O] the caller's; may be changed in place */
    void *aux;         /* [O] the caller's; may be changed in place */
    uint32_t bytes;    /* [O] weight in bytes; change it by mqueue_set_bytes only */
    uint8_t qos;       /* [O] the caller's */
    uint8_t priority;  /* [O] 255 is delivered first; do not change */
    uint16_t flags;    /* [O] the caller's; may be changed in place */
    uint64_t location; /* [O] the caller's: where the message lies in the log, or 0; as msg */
    uint64_t number;   /* [O] the caller's: rises within a priority if mqueue_take is to be used */
};
STATIC_CHECK(sizeof(struct mqueue_entry) == 40, "an offline queue is mostly these");

struct mqueue {
    struct mqueue_body *body; /* [O] NULL until the first message */
};

/* From the configuration; 0 means no limit. May differ from call to call. */
struct mqueue_limits {
    uint32_t len_max;   /* [I] messages per priority */
    uint64_t bytes_max; /* [I] bytes over all priorities */
};

enum mqueue_drop {
    MQUEUE_DROP_LEN,   /* its priority held len_max messages */
    MQUEUE_DROP_BYTES, /* the queue held bytes_max bytes */
};

/* Takes over the entry, which has left the queue. Must not touch the queue. */
typedef void mqueue_drop_fn(void *context, const struct mqueue_entry *entry,
                            enum mqueue_drop reason);

/* True: the entry leaves the queue and is the callee's now. Must not touch the queue. */
typedef bool mqueue_match_fn(void *context, struct mqueue_entry *entry);

/* Allocates nothing. */
void mqueue_init(struct mqueue *queue);

/* The caller has emptied the queue. A queue of zeroes is left alone. */
void mqueue_fini(struct mqueue *queue);

/*
 * Queues a copy of `entry`. RC_OK: queued, after `drop` was called for each message that had to go.
 * RC_TOO_LARGE: heavier than bytes_max by itself. RC_FULL: bytes_max is taken by messages of higher
 * priority. RC_NO_MEMORY. On all but RC_OK nothing was dropped and the caller still owns `entry`.
 */
MUST_USE enum rc mqueue_put(struct mqueue *queue, const struct mqueue_limits *limits,
                            const struct mqueue_entry *entry, mqueue_drop_fn *drop, void *context);

/* The next to be delivered, still queued; NULL if empty. Valid until the queue changes. */
struct mqueue_entry *mqueue_peek(const struct mqueue *queue);

/* Removes the next to be delivered into *out_entry, for the caller to own; false if empty. */
bool mqueue_pop(struct mqueue *queue, struct mqueue_entry *out_entry);

uint32_t mqueue_count(const struct mqueue *queue);
uint64_t mqueue_weight_bytes(const struct mqueue *queue);

/* The entry weighs `bytes` from now on (its body was moved out of memory, or back). */
void mqueue_set_bytes(struct mqueue *queue, struct mqueue_entry *entry, uint32_t bytes);

/* Removes each entry for which `match` says true, in delivery order; returns how many. O(count). */
uint32_t mqueue_remove_if(struct mqueue *queue, mqueue_match_fn *match, void *context);

/*
 * Removes the entry with this number; false if there is none. The oldest of each priority are
 * looked at first, which is where the caller usually takes; otherwise O(count).
 */
bool mqueue_take(struct mqueue *queue, uint64_t number, struct mqueue_entry *out_entry);

/*
 * Walks the queue over many calls while it changes: the entries in delivery order whose number is
 * below `limit`, each that stays in the queue exactly once. NULL at the end. One walk at a time for
 * a queue; mqueue_walk_begin starts it. Numbers must rise within a priority.
 */
void mqueue_walk_begin(struct mqueue *queue);
struct mqueue_entry *mqueue_walk_next(struct mqueue *queue, uint64_t limit);

/* Where an iteration stands, a value. Only mqueue.c looks inside. */
struct mqueue_cursor {
    const struct mqueue_chunk *chunk;
    uint16_t level;
    uint16_t index;
};

/* In delivery order; NULL at the end. The queue must not change between the calls. */
struct mqueue_entry *mqueue_first(const struct mqueue *queue, struct mqueue_cursor *out_cursor);
struct mqueue_entry *mqueue_next(const struct mqueue *queue, struct mqueue_cursor *cursor);

/* Gives back what an empty queue keeps. For when the session falls idle. */
void mqueue_trim(struct mqueue *queue);

/* Bytes allocated behind the queue, without the messages. */
size_t mqueue_bytes(const struct mqueue *queue);

#endif
