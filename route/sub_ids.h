/*
 * sub_ids.h -- what a kept delivery carries beside its message: subscription identifiers, and where
 * a shared delivery came from.
 *
 * Windows and queues have one pointer-sized field per entry for this (`aux`). Most deliveries have
 * nothing or a single identifier, which fits into the field itself:
 *
 *     0                      nothing
 *     (identifier << 2) | 1  one identifier
 *     pointer                struct delivery_extra
 *
 * Threads: the owner shard; an extra may travel in a mailbox with its delivery.
 */
#ifndef SLUICE_SUB_IDS_H
#define SLUICE_SUB_IDS_H

#include "check.h"
#include "filter_index.h"
#include "share_group.h"

struct delivery_extra {
    uint32_t magic;          /* [I] */
    uint32_t count;          /* [I] identifiers */
    uint64_t group;          /* [I] number of the share group; 0: not a shared delivery */
    struct filter_id filter; /* [I] of the group */
    uint32_t attempts;       /* [O] members that have lost the message so far */
    uint32_t ids[];          /* [I] */
};

/* An aux for `count` identifiers. False without memory. */
MUST_USE bool sub_ids_pack(const uint32_t *ids, uint32_t count, void **out_aux);

/* An aux for a shared delivery with at most one identifier (0: none). NULL without memory. */
MUST_USE struct delivery_extra *sub_ids_pack_shared(uint32_t sub_id, struct filter_id filter,
                                                    uint64_t group, uint32_t attempts);

/*
 * The identifiers of `aux`: *out_ids points into it, or at *scratch for a single one. Returns how
 * many.
 */
uint32_t sub_ids_view(void *aux, uint32_t *scratch, const uint32_t **out_ids);

/* The extra behind `aux`, or NULL. */
struct delivery_extra *sub_ids_extra(void *aux);

void sub_ids_free(void *aux);

#endif
