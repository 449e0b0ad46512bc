/*
 * filter_shape.c -- counting nodes per shape and shapes per depth.
 *
 * The key of a shape is hash_mix(parent's key, plus or literal) with a fixed start. Two shapes of
 * one depth with equal keys would count as one, which only makes the limit a little wider.
 *
 * Threads: under the filter index's mutex.
 */
#include "filter_shape.h"
#include "alloc.h"
#include "hash.h"
#include "limits.h"

#define FILTER_SHAPE_CHAINS_FIRST 256

enum rc filter_shapes_init(struct filter_shapes *shapes, uint32_t per_depth_max)
{
    CHECK(per_depth_max > 0);
    struct filter_shape **chains = alloc_zeroed(FILTER_SHAPE_CHAINS_FIRST * sizeof *chains);
    if (chains == NULL)
        return RC_NO_MEMORY;
    *shapes = (struct filter_shapes){.chains = chains,
                                     .chains_len = FILTER_SHAPE_CHAINS_FIRST,
                                     .per_depth_max = per_depth_max,
                                     .bytes = FILTER_SHAPE_CHAINS_FIRST * sizeof *chains};
    return RC_OK;
}

void filter_shapes_fini(struct filter_shapes *shapes)
{
    for (uint32_t i = 0; i < shapes->chains_len; i++) {
        while (shapes->chains[i] != NULL) {
            struct filter_shape *shape = shapes->chains[i];
            shapes->chains[i] = shape->next;
            mem_free(shape);
        }
    }
    mem_free(shapes->chains);
    mem_free(shapes->per_depth);
    *shapes = (struct filter_shapes){.chains = NULL};
}

static uint64_t filter_shape_key(const struct filter_shape *parent, bool is_plus)
{
    uint64_t start = parent != NULL ? parent->key : UINT64_C(0x2545f4914f6cdd1d);
    return hash_mix(start, is_plus ? UINT64_C(0x1b873593) : UINT64_C(0xcc9e2d51));
}

static struct filter_shape *filter_shapes_find(const struct filter_shapes *shapes, uint64_t key,
                                               uint32_t depth)
{
    struct filter_shape *shape = shapes->chains[key & (shapes->chains_len - 1)];
    while (shape != NULL && (shape->key != key || shape->depth != depth))
        shape = shape->next;
    return shape;
}

/* Without memory for more chains the present ones get longer. */
static void filter_shapes_grow(struct filter_shapes *shapes)
{
    uint32_t chains_len = shapes->chains_len * 2;
    struct filter_shape **chains = alloc_zeroed(chains_len * sizeof *chains);
    if (chains == NULL)
        return;
    for (uint32_t i = 0; i < shapes->chains_len; i++) {
        while (shapes->chains[i] != NULL) {
            struct filter_shape *shape = shapes->chains[i];
            shapes->chains[i] = shape->next;
            struct filter_shape **chain = &chains[shape->key & (chains_len - 1)];
            shape->next = *chain;
            *chain = shape;
        }
    }
    shapes->bytes += (chains_len - shapes->chains_len) * sizeof *chains;
    mem_free(shapes->chains);
    shapes->chains = chains;
    shapes->chains_len = chains_len;
}

static enum rc filter_shapes_reach(struct filter_shapes *shapes, uint32_t depth)
{
    if (depth < shapes->per_depth_len)
        return RC_OK;
    uint32_t len = shapes->per_depth_len == 0 ? 16 : shapes->per_depth_len;
    while (len <= depth)
        len *= 2;
    uint32_t *per_depth = alloc_grown(shapes->per_depth, shapes->per_depth_len * sizeof *per_depth,
                                      len * sizeof *per_depth);
    if (per_depth == NULL)
        return RC_NO_MEMORY;
    uint32_t added = len - shapes->per_depth_len;
    memset(per_depth + shapes->per_depth_len, 0, added * sizeof *per_depth);
    shapes->bytes += added * sizeof *per_depth;
    shapes->per_depth = per_depth;
    shapes->per_depth_len = len;
    return RC_OK;
}

enum rc filter_shapes_take(struct filter_shapes *shapes, const struct filter_shape *parent,
                           bool is_plus, struct filter_shape **out_shape)
{
    uint64_t key = filter_shape_key(parent, is_plus);
    uint32_t depth = parent != NULL ? parent->depth + 1 : 1;
    CHECK(depth <= TOPIC_LEVELS_MAX + 1);
    struct filter_shape *shape = filter_shapes_find(shapes, key, depth);
    if (shape == NULL) {
        enum rc rc = filter_shapes_reach(shapes, depth);
        if (rc != RC_OK)
            return rc;
        if (shapes->per_depth[depth] >= shapes->per_depth_max)
            return RC_FULL;
        if (shapes->len >= shapes->chains_len * UINT64_C(2))
            filter_shapes_grow(shapes);
        shape = mem_alloc(sizeof *shape);
        if (shape == NULL)
            return RC_NO_MEMORY;
        struct filter_shape **chain = &shapes->chains[key & (shapes->chains_len - 1)];
        *shape = (struct filter_shape){.key = key, .depth = depth, .next = *chain};
        *chain = shape;
        shapes->per_depth[depth]++;
        shapes->len++;
        shapes->bytes += sizeof *shape;
    }
    CHECK(shape->nodes < UINT32_MAX);
    shape->nodes++;
    *out_shape = shape;
    return RC_OK;
}

void filter_shapes_give(struct filter_shapes *shapes, struct filter_shape *shape)
{
    CHECK(shape->nodes > 0);
    if (--shape->nodes > 0)
        return;
    struct filter_shape **link = &shapes->chains[shape->key & (shapes->chains_len - 1)];
    while (*link != shape) {
        CHECK(*link != NULL);
        link = &(*link)->next;
    }
    *link = shape->next;
    CHECK(shapes->per_depth[shape->depth] > 0);
    shapes->per_depth[shape->depth]--;
    shapes->len--;
    shapes->bytes -= sizeof *shape;
    mem_free(shape);
}
