/*
 * filter_shape.h -- which patterns of literal and '+' levels exist in the trie: the bound of a
 * walk.
 *
 * The shape of a trie node is the sequence "literal or plus" from the root down to it. A topic
 * determines the literal levels, so of all nodes at one depth it can match at most one for each
 * shape. Hence: shapes at a depth bound the nodes that any walk visits at that depth, however many
 * filters there are, and keeping shapes few keeps the worst topic cheap. Real systems have tens of
 * shapes; a client that subscribes {a,+}/{a,+}/{a,+}/... to double the work with every level runs
 * into the limit.
 *
 *   shape (depth, key) -> number of nodes;     depth -> number of shapes
 *
 * A chained table that doubles; touched only when nodes come and go.
 *
 * Threads: under the filter index's mutex.
 */
#ifndef SLUICE_FILTER_SHAPE_H
#define SLUICE_FILTER_SHAPE_H

#include "check.h"
#include "rc.h"

struct filter_shape {
    uint64_t key;              /* [I] hash of the sequence */
    uint32_t depth;            /* [I] levels from the root; 1 is the first */
    uint32_t nodes;            /* [W] */
    struct filter_shape *next; /* [W] in its chain */
};

struct filter_shapes {
    struct filter_shape **chains; /* [W] */
    uint32_t chains_len;          /* [W] a power of two */
    uint32_t len;                 /* [W] shapes in all */
    uint32_t *per_depth;          /* [W] index: depth */
    uint32_t per_depth_len;       /* [W] */
    uint32_t per_depth_max;       /* [I] */
    uint64_t bytes;               /* [W] */
};

MUST_USE enum rc filter_shapes_init(struct filter_shapes *shapes, uint32_t per_depth_max);
void filter_shapes_fini(struct filter_shapes *shapes);

/*
 * One node more whose parent has the shape `parent` (NULL: the root). RC_FULL: it would be a new
 * shape at a depth that has all it may; RC_NO_MEMORY. `*out_shape` stays until given back.
 */
MUST_USE enum rc filter_shapes_take(struct filter_shapes *shapes, const struct filter_shape *parent,
                                    bool is_plus, struct filter_shape **out_shape);

/* One node less of this shape. */
void filter_shapes_give(struct filter_shapes *shapes, struct filter_shape *shape);

#endif
