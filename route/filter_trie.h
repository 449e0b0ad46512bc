/*
 * filter_trie.h -- the filters that contain wildcards, by levels, and the walk of a topic over
 * them.
 *
 *   filter        stands at
 *   a/+/c         node "a" -> plus -> node "c": its `filter`
 *   a/#           node "a": its `filter_hash`
 *   #             root: its `filter_hash`
 *
 * A node is found from its parent by three keys at most: a literal level through one hash table for
 * the whole trie (the key is the parent and the level; hash = chain of the levels' hashes), '+'
 * through the parent's `plus`, '#' through its `filter_hash`. A node that nothing stands at or
 * below is unlinked at once and freed after a grace period.
 *
 * The walk is iterative. Its stack holds {node, depth}; taking one off puts at most two of the next
 * depth on, so it never holds more than levels + 1, whatever happens concurrently. It emits
 * `filter_hash` of every node it passes (that includes "a/#" for the topic "a") and `filter` of
 * those it reaches with the last level. At the root, `plus` and `filter_hash` are skipped for a
 * topic that begins with '$' [MQTT-4.7.2-1]. A node is visited at most once and a filter found at
 * most once. The number of nodes visited is bounded by shapes (filter_shape.h).
 *
 * Memory: 80 bytes and the level for a node, 14 in the table.
 *
 * Threads: filter_walk_*: any thread inside an epoch section, each with a walk of its own. The
 * rest: under the filter index's mutex.
 */
#ifndef SLUICE_FILTER_TRIE_H
#define SLUICE_FILTER_TRIE_H

#include "filter_index.h"
#include "filter_shape.h"
#include "rcu_table.h"

#define FILTER_NODE_MAGIC 0x464e4f44u /* "FNOD" */
#define FILTER_TRIE_MAGIC 0x46545249u /* "FTRI" */

struct filter_node {
    uint32_t magic;                       /* [I] FILTER_NODE_MAGIC */
    uint16_t level_len;                   /* [I] */
    bool is_plus;                         /* [I] */
    _Atomic uint32_t literals;            /* [R] children found by hash */
    uint64_t hash;                        /* [I] of the path */
    struct filter_node *parent;           /* [I] NULL at the root */
    _Atomic(struct filter_node *) plus;   /* [R] the child '+' */
    _Atomic(struct filter *) filter;      /* [R] the filter that ends here */
    _Atomic(struct filter *) filter_hash; /* [R] the one that ends here with '#' */
    struct filter_shape *shape;           /* [W] NULL at the root */
    struct epoch_entry retire;            /* [W] */
    uint8_t level[];                      /* [I] */
};

struct filter_trie {
    uint32_t magic;              /* [I] FILTER_TRIE_MAGIC */
    struct hash_key key;         /* [I] */
    struct filter_node *root;    /* [I] */
    struct rcu_table edges;      /* [R] */
    struct filter_shapes shapes; /* [W] */
    uint64_t plus_hash;          /* [I] of the level '+' */
    uint64_t nodes;              /* [W] */
    uint64_t bytes;              /* [W] of the nodes */
};

MUST_USE enum rc filter_trie_init(struct filter_trie *trie, const struct hash_key *key,
                                  uint32_t shapes_per_level_max);

/* Frees the nodes, not the filters. No reader is left. */
void filter_trie_fini(struct filter_trie *trie);

/* Puts a filter in that is not in it; sets filter->node. RC_FULL (shapes), RC_NO_MEMORY: no
 * change. */
MUST_USE enum rc filter_trie_add(struct filter_trie *trie, struct epoch_record *record,
                                 struct filter *filter);

/* Takes it out; the caller retires the filter itself. */
void filter_trie_remove(struct filter_trie *trie, struct epoch_record *record,
                        struct filter *filter);

/* Memory of nodes, table and shapes. */
uint64_t filter_trie_bytes(const struct filter_trie *trie);

/* An upper bound for what adding this filter can cost. */
uint64_t filter_trie_cost_max(struct bytes text);

/* A value. */
struct filter_walk_level {
    struct bytes text;
    uint64_t hash;
};

/* A value: a node still to be visited, and how deep it stands. */
struct filter_walk_frame {
    const struct filter_node *node;
    uint64_t child_hash; /* of the literal child that the topic asks for; valid below the end */
    uint32_t depth;
};

/* Working memory of walks, kept from one to the next. */
struct filter_walk {
    struct filter_walk_level *levels; /* [O] of the topic */
    struct filter_walk_frame *stack;  /* [O] capacity + 1 frames */
    uint32_t levels_len;              /* [O] */
    uint32_t capacity;                /* [O] levels */
    const struct filter **found;      /* [O] */
    uint32_t found_len;               /* [O] */
    uint32_t found_capacity;          /* [O] */
    uint32_t nodes_visited;           /* [O] */
};

/* Of a zeroed walk: nothing. */
void filter_walk_fini(struct filter_walk *walk);

/*
 * Walks the valid topic name: `walk->found` holds the filters, valid until the section ends.
 * RC_NO_MEMORY: working memory did not suffice.
 */
MUST_USE enum rc filter_walk_run_rcu(struct filter_walk *walk, const struct filter_trie *trie,
                                     struct bytes topic);

/* Appends to `walk->found`. */
MUST_USE enum rc filter_walk_emit(struct filter_walk *walk, const struct filter *filter);

#endif
