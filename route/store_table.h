/*
 * store_table.h -- the chained hash table of an image: nodes that their owner embeds.
 *
 * The owner computes the hash, compares, allocates and frees; the table links. It doubles when it
 * holds as many nodes as it has buckets, up to 2^31 of them.
 *
 * Threads: one at a time.
 */
#ifndef SLUICE_STORE_TABLE_H
#define SLUICE_STORE_TABLE_H

#include "alloc.h"
#include "store_image.h"

#define IMAGE_BUCKETS_FIRST 64
#define IMAGE_BUCKETS_MAX   (UINT32_C(1) << 31)

struct image_table {
    struct image_node **buckets; /* [O] NULL while it never held anything */
    uint32_t mask;               /* [O] */
    uint32_t count;              /* [O] */
};

static inline struct image_node **image_table_bucket(const struct image_table *table, uint64_t hash)
{
    return &table->buckets[(hash >> 7) & table->mask];
}

static inline bool image_table_grow(struct image_table *table)
{
    uint32_t have = table->buckets == NULL ? 0 : table->mask + 1;
    if (table->count < have || have == IMAGE_BUCKETS_MAX)
        return true;
    uint32_t want = have == 0 ? IMAGE_BUCKETS_FIRST : have * 2;
    struct image_table grown = {.buckets = alloc_zeroed(want * sizeof(struct image_node *)),
                                .mask = want - 1,
                                .count = table->count};
    if (grown.buckets == NULL)
        return false;
    for (uint32_t i = 0; i < have; i++) {
        struct image_node *node = table->buckets[i];
        while (node != NULL) {
            struct image_node *next = node->next;
            struct image_node **bucket = image_table_bucket(&grown, node->hash);
            node->next = *bucket;
            *bucket = node;
            node = next;
        }
    }
    mem_free(table->buckets);
    *table = grown;
    return true;
}

/* Adds a node whose hash is set. False without memory. */
MUST_USE static inline bool image_table_add(struct image_table *table, struct image_node *node)
{
    if (!image_table_grow(table))
        return false;
    struct image_node **bucket = image_table_bucket(table, node->hash);
    node->next = *bucket;
    *bucket = node;
    table->count++;
    return true;
}

static inline void image_table_remove(struct image_table *table, struct image_node *node)
{
    struct image_node **link = image_table_bucket(table, node->hash);
    while (*link != node) {
        CHECK(*link != NULL);
        link = &(*link)->next;
    }
    *link = node->next;
    CHECK(table->count > 0);
    table->count--;
}

/* The next node of the chain with the same hash as `node`. */
static inline struct image_node *image_node_next(const struct image_node *node)
{
    struct image_node *next = node->next;
    while (next != NULL && next->hash != node->hash)
        next = next->next;
    return next;
}

/* The first node with this hash, or NULL. */
static inline struct image_node *image_table_first(const struct image_table *table, uint64_t hash)
{
    if (table->buckets == NULL)
        return NULL;
    struct image_node *node = *image_table_bucket(table, hash);
    while (node != NULL && node->hash != hash)
        node = node->next;
    return node;
}

/* All nodes one after the other: begin with `after` NULL and *bucket 0. NULL at the end. */
static inline struct image_node *image_table_walk(const struct image_table *table, uint32_t *bucket,
                                                  const struct image_node *after)
{
    if (table->buckets == NULL)
        return NULL;
    if (after != NULL && after->next != NULL)
        return after->next;
    if (after != NULL)
        (*bucket)++;
    while (*bucket <= table->mask) {
        if (table->buckets[*bucket] != NULL)
            return table->buckets[*bucket];
        (*bucket)++;
    }
    return NULL;
}

/* Takes any node out, NULL if there is none: to empty the table. Begin with *bucket 0. */
static inline struct image_node *image_table_take(struct image_table *table, uint32_t *bucket)
{
    while (table->count > 0) {
        struct image_node *node = table->buckets[*bucket];
        if (node != NULL) {
            table->buckets[*bucket] = node->next;
            table->count--;
            return node;
        }
        (*bucket)++;
    }
    return NULL;
}

static inline void image_table_fini(struct image_table *table)
{
    CHECK(table->count == 0);
    mem_free(table->buckets);
    *table = (struct image_table){0};
}

#endif
