/*
 * filter_walk.c -- the walk of a topic over the trie of wildcard filters.
 *
 * See filter_trie.h for the rules. With many filters a walk is bound by cache misses, so it asks
 * for memory as early as it can name it. A node's hash is known before the node has been looked at
 * (it is the chain of the levels' hashes), hence also where its literal child stands in the table:
 * both are prefetched when the node is put on the stack. What is left in sequence is about one miss
 * for '+' and two for a literal level whose parent was not known before. Filters found are
 * prefetched and not looked at here. A node without literal children costs no look-up.
 *
 * Threads: any, inside an epoch section; the walk's memory belongs to the caller.
 */
#include "alloc.h"
#include "filter_trie.h"
#include "topic.h"

#define FILTER_WALK_LEVELS_FIRST 32
#define FILTER_WALK_FOUND_FIRST  64

void filter_walk_fini(struct filter_walk *walk)
{
    mem_free(walk->levels);
    mem_free(walk->stack);
    mem_free(walk->found);
    *walk = (struct filter_walk){.levels = NULL};
}

enum rc filter_walk_emit(struct filter_walk *walk, const struct filter *filter)
{
    CHECK(filter != NULL);
    __builtin_prefetch(filter); /* looked at after the walk, when it has arrived */
    if (walk->found_len == walk->found_capacity) {
        uint32_t capacity = walk->found_capacity == 0 ? FILTER_WALK_FOUND_FIRST
                                                      : walk->found_capacity * 2;
        const struct filter **found = alloc_grown(walk->found, walk->found_len * sizeof *found,
                                                  capacity * sizeof *found);
        if (found == NULL)
            return RC_NO_MEMORY;
        walk->found = found;
        walk->found_capacity = capacity;
    }
    walk->found[walk->found_len++] = filter;
    return RC_OK;
}

static enum rc filter_walk_reserve(struct filter_walk *walk, uint32_t levels_len)
{
    if (levels_len <= walk->capacity)
        return RC_OK;
    uint32_t capacity = walk->capacity == 0 ? FILTER_WALK_LEVELS_FIRST : walk->capacity;
    while (capacity < levels_len)
        capacity *= 2;
    struct filter_walk_level *levels = alloc_grown(walk->levels, 0, capacity * sizeof *levels);
    if (levels == NULL)
        return RC_NO_MEMORY;
    walk->levels = levels;
    struct filter_walk_frame *stack = alloc_grown(walk->stack, 0, (capacity + 1) * sizeof *stack);
    if (stack == NULL)
        return RC_NO_MEMORY;
    walk->stack = stack;
    walk->capacity = capacity;
    return RC_OK;
}

static enum rc filter_walk_split(struct filter_walk *walk, const struct hash_key *key,
                                 struct bytes topic)
{
    enum rc rc = filter_walk_reserve(walk, topic_levels_count(topic));
    if (rc != RC_OK)
        return rc;
    struct bytes rest = topic;
    struct bytes level;
    bool more = true;
    walk->levels_len = 0;
    while (topic_level_next(&rest, &more, &level)) {
        CHECK(walk->levels_len < walk->capacity);
        walk->levels[walk->levels_len++] = (struct filter_walk_level){
            .text = level, .hash = hash_fast(key, level)};
    }
    return RC_OK;
}

static const struct filter_node *filter_walk_literal(const struct filter_trie *trie,
                                                     const struct filter_walk *walk,
                                                     const struct filter_walk_frame *frame)
{
    const struct filter_node *parent = frame->node;
    if (atomic_load_explicit(&parent->literals, memory_order_relaxed) == 0)
        return NULL;
    struct bytes level = walk->levels[frame->depth].text;
    struct rcu_table_probe probe = rcu_table_probe_rcu(&trie->edges, frame->child_hash);
    const struct filter_node *node;
    while ((node = rcu_table_next(&probe)) != NULL) {
        __builtin_prefetch(node->level);
        if (node->hash == frame->child_hash && node->parent == parent &&
            node->level_len == level.len && memcmp(node->level, level.ptr, level.len) == 0)
            return node;
    }
    return NULL;
}

/* `hash` is that of the node, known without looking at it. */
static uint32_t filter_walk_push(struct filter_walk *walk, uint32_t top,
                                 const struct filter_trie *trie, const struct filter_node *node,
                                 uint64_t hash, uint32_t depth)
{
    CHECK(top <= walk->levels_len);
    __builtin_prefetch(node);
    struct filter_walk_frame *frame = &walk->stack[top];
    *frame = (struct filter_walk_frame){.node = node, .depth = depth};
    if (depth < walk->levels_len) {
        frame->child_hash = hash_mix(hash, walk->levels[depth].hash);
        rcu_table_prefetch(&trie->edges, frame->child_hash);
    }
    return top + 1;
}

enum rc filter_walk_run_rcu(struct filter_walk *walk, const struct filter_trie *trie,
                            struct bytes topic)
{
    CHECK_OBJ(trie, FILTER_TRIE_MAGIC);
    CHECK(topic.len > 0);
    walk->found_len = 0;
    walk->nodes_visited = 0;
    enum rc rc = filter_walk_split(walk, &trie->key, topic);
    bool is_dollar = topic.ptr[0] == '$';
    uint32_t top = 0;
    if (rc == RC_OK)
        top = filter_walk_push(walk, top, trie, trie->root, trie->root->hash, 0);
    while (top > 0 && rc == RC_OK) {
        struct filter_walk_frame frame = walk->stack[--top];
        const struct filter_node *node = frame.node;
        CHECK_OBJ(node, FILTER_NODE_MAGIC);
        walk->nodes_visited++;
        bool takes_wildcards = frame.depth > 0 || !is_dollar;
        const struct filter *filter = atomic_load_explicit(&node->filter_hash,
                                                           memory_order_acquire);
        if (filter != NULL && takes_wildcards)
            rc = filter_walk_emit(walk, filter);
        if (frame.depth == walk->levels_len) {
            filter = atomic_load_explicit(&node->filter, memory_order_acquire);
            if (filter != NULL && rc == RC_OK)
                rc = filter_walk_emit(walk, filter);
            continue;
        }
        const struct filter_node *child = atomic_load_explicit(&node->plus, memory_order_acquire);
        if (child != NULL && takes_wildcards)
            top = filter_walk_push(walk, top, trie, child, hash_mix(node->hash, trie->plus_hash),
                                   frame.depth + 1);
        child = filter_walk_literal(trie, walk, &frame);
        if (child != NULL)
            top = filter_walk_push(walk, top, trie, child, frame.child_hash, frame.depth + 1);
    }
    return rc;
}
