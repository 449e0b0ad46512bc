/*
 * epoch.h -- when may memory that others were reading be freed: a thin face of ck_epoch.
 *
 * Read-mostly structures shared by all threads (the filter index, the retained index) are read
 * without locks inside a section and changed by publishing new memory and retiring the old:
 *
 *   reader                                 writer (under the structure's own mutex)
 *   epoch_begin(rec)                       unlink the object (store-release)
 *   p = load-acquire(pointer) ... use p    epoch_call(rec, &object->retire, free_it)
 *   epoch_end(rec)                         epoch_poll(rec) later, once per turn
 *
 * Rules: one record per thread, touched by that thread only. One section covers a batch or a turn;
 * nothing that waits (the ring, the log, another thread) happens inside it, because one sleeping
 * reader stops reclamation for the whole process. A thread asleep outside a section stops nothing.
 * Pointers obtained inside do not outlive the section. Callbacks run in epoch_poll on the thread
 * that called epoch_call; somebody must keep polling even when no more writes come.
 *
 * epoch_call begins with a sequentially consistent fence, so that the unlinking is visible before
 * the epoch number of the entry is drawn; without it a reader of the next epoch could still find
 * the object and not be waited for.
 *
 * Sections nest; only the outermost counts. This file and its .c are the only ones that know ck.
 *
 * Bounds: none on pending callbacks; epoch_pending is the figure to watch and to throttle on.
 * Threads: create and destroy: one thread; register: any; everything else: the record's thread.
 */
#ifndef SLUICE_EPOCH_H
#define SLUICE_EPOCH_H

#include "check.h"

#define EPOCH_RECORD_MAGIC 0x45504f52u /* "EPOR" */

struct epoch;

/* Embedded in every object that is retired; used by nobody else while readers may still look. */
struct epoch_entry {
    void *words[2]; /* [O] the retiring thread's */
};

typedef void epoch_callback(struct epoch_entry *entry);

/* The visible part of a thread's record. */
struct epoch_record {
    uint32_t magic;    /* [I] EPOCH_RECORD_MAGIC */
    uint32_t depth;    /* [O] nesting of sections; 0 outside */
    uint64_t sections; /* [O] outermost sections begun so far: names the current one */
};

/* A new domain; NULL if memory is short. */
struct epoch *epoch_create(void);

/* Runs every callback still pending, frees all records and the domain. No thread may use them. */
void epoch_destroy(struct epoch *domain);

/* A record for the calling thread; NULL if memory is short. Owned by the domain. */
MUST_USE struct epoch_record *epoch_register(struct epoch *domain);

/* Waits for and runs the record's callbacks, then gives it back. Outside a section. May block. */
void epoch_unregister(struct epoch_record *record);

void epoch_begin(struct epoch_record *record);
void epoch_end(struct epoch_record *record);

static inline bool epoch_is_inside(const struct epoch_record *record)
{
    return record->depth > 0;
}

/* Runs `callback(entry)` in a later epoch_poll of this record, when no section that could have
 * seen the object is left. Call after unlinking. Inside or outside a section. */
void epoch_call(struct epoch_record *record, struct epoch_entry *entry, epoch_callback *callback);

/* Runs what has become due, without waiting. Outside a section. Returns true if time advanced or
 * anything ran: a caller that must drain calls until epoch_pending is 0. */
bool epoch_poll(struct epoch_record *record);

/* Waits until everything pending here has run. Outside a section; never on a shard that serves. */
void epoch_barrier(struct epoch_record *record);

/* Callbacks of this record that have not run. */
uint32_t epoch_pending(const struct epoch_record *record);

#endif
