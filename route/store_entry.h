/*
 * store_entry.h -- what a record says of a delivery that stands in a window or a queue.
 *
 * The same for a checkpoint of the running broker and for a move to another number of shards; and
 * back, when a log is replayed: the flags in memory are those of outbound.h.
 *
 * Threads: pure functions, any.
 */
#ifndef SLUICE_STORE_ENTRY_H
#define SLUICE_STORE_ENTRY_H

#include "inflight.h"
#include "mqueue.h"
#include "outbound.h"
#include "store_record.h"

/* Without what `aux` says: ids, group, attempts. */
static inline struct store_entry store_entry_of_slot(const struct inflight_entry *slot)
{
    return (struct store_entry){.number = slot->number,
                                .location = slot->location,
                                .bytes = slot->bytes,
                                .packet_id = slot->packet_id,
                                .qos = slot->qos,
                                .state = slot->state,
                                .retain = (slot->flags & OUTBOUND_RETAIN) != 0};
}

/* The same of a queue. */
static inline struct store_entry store_entry_of_queued(const struct mqueue_entry *queued)
{
    return (struct store_entry){.number = queued->number,
                                .location = queued->location,
                                .bytes = queued->bytes,
                                .qos = queued->qos,
                                .state = STORE_QUEUED,
                                .priority = queued->priority,
                                .retain = (queued->flags & OUTBOUND_RETAIN) != 0};
}

/* The flags of a window or queue entry that a record speaks of. */
static inline uint16_t store_entry_flags(const struct store_entry *entry)
{
    return entry->retain ? OUTBOUND_RETAIN : 0;
}

#endif
