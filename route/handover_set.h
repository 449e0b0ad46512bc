/*
 * handover_set.h -- what is on its way from durable members of groups to others, of one shard's
 * store. share_handover.h says what that means.
 *
 * Threads: the shard's.
 */
#ifndef SLUICE_HANDOVER_SET_H
#define SLUICE_HANDOVER_SET_H

#include "list.h"
#include "mem.h"

struct handover_set {
    struct slot_table slots;  /* [O] struct handover */
    struct list_node waiting; /* [O] of these, those whose body is to be read */
    uint64_t next;            /* [O] order of the next */
    uint64_t marked;          /* [O] those before were there at the mark */
    uint32_t left;            /* [O] of these, how many are still there */
    uint32_t reads;           /* [O] under way */
};

#endif
