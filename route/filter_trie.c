/*
 * filter_trie.c -- nodes of the trie: making the path of a filter, and pruning it again.
 *
 * Order of publication: a node is complete before it is linked, its parent's count of literal
 * children rises before the child can be found and falls after it cannot, and the filter's pointer
 * is stored last. Nodes on the way that carry nothing yet are harmless to readers. If making the
 * path fails half way, what was made is pruned like any empty branch.
 *
 * Threads: under the filter index's mutex.
 */
#include "filter_trie.h"
#include "alloc.h"
#include "topic.h"

static uint64_t filter_node_hash_of(const void *object)
{
    const struct filter_node *node = object;
    CHECK_OBJ(node, FILTER_NODE_MAGIC);
    return node->hash;
}

static uint64_t filter_node_size(uint32_t level_len)
{
    return sizeof(struct filter_node) + level_len;
}

static struct filter_node *filter_node_create(struct filter_node *parent, struct bytes level,
                                              bool is_plus, uint64_t hash)
{
    CHECK(level.len <= UINT16_MAX);
    struct filter_node *node = alloc_zeroed(filter_node_size(level.len));
    if (node == NULL)
        return NULL;
    node->magic = FILTER_NODE_MAGIC;
    node->level_len = (uint16_t)level.len;
    node->is_plus = is_plus;
    node->hash = hash;
    node->parent = parent;
    if (level.len > 0)
        memcpy(node->level, level.ptr, level.len);
    return node;
}

static void filter_node_free(struct filter_node *node)
{
    CHECK_OBJ(node, FILTER_NODE_MAGIC);
    node->magic = 0;
    mem_free(node);
}

static void filter_node_free_entry(struct epoch_entry *entry)
{
    filter_node_free(CONTAINER_OF(entry, struct filter_node, retire));
}

enum rc filter_trie_init(struct filter_trie *trie, const struct hash_key *key,
                         uint32_t shapes_per_level_max)
{
    struct filter_node *root = filter_node_create(NULL, bytes_of("", 0), false, key->words[0]);
    if (root == NULL)
        return RC_NO_MEMORY;
    *trie = (struct filter_trie){.key = *key, .root = root};
    enum rc rc = rcu_table_init(&trie->edges, filter_node_hash_of);
    if (rc != RC_OK)
        goto undo_root;
    rc = filter_shapes_init(&trie->shapes, shapes_per_level_max);
    if (rc != RC_OK)
        goto undo_edges;
    trie->magic = FILTER_TRIE_MAGIC;
    trie->plus_hash = hash_fast(key, bytes_of_text("+"));
    trie->nodes = 1;
    trie->bytes = filter_node_size(0);
    return RC_OK;
undo_edges:
    rcu_table_fini(&trie->edges);
undo_root:
    filter_node_free(root);
    return rc;
}

/* Nodes reached by `plus` are not in the table: they hang below a literal one or the root. */
static void filter_trie_free_below(void *context, void *object)
{
    (void)context;
    struct filter_node *node = object;
    while (node != NULL) {
        CHECK_OBJ(node, FILTER_NODE_MAGIC);
        struct filter_node *plus = atomic_load_explicit(&node->plus, memory_order_relaxed);
        filter_node_free(node);
        node = plus;
    }
}

void filter_trie_fini(struct filter_trie *trie)
{
    CHECK_OBJ(trie, FILTER_TRIE_MAGIC);
    rcu_table_each(&trie->edges, filter_trie_free_below, NULL);
    filter_trie_free_below(NULL, trie->root);
    rcu_table_fini(&trie->edges);
    filter_shapes_fini(&trie->shapes);
    *trie = (struct filter_trie){.magic = 0};
}

static struct filter_node *filter_trie_child(const struct filter_trie *trie,
                                             const struct filter_node *parent, struct bytes level,
                                             uint64_t hash)
{
    struct rcu_table_probe probe = rcu_table_probe_rcu(&trie->edges, hash);
    struct filter_node *node;
    while ((node = rcu_table_next(&probe)) != NULL) {
        bool is_child = node->hash == hash && node->parent == parent;
        if (is_child &&
            bytes_equal(level, (struct bytes){.ptr = node->level, .len = node->level_len}))
            return node;
    }
    return NULL;
}

static bool filter_node_is_empty(const struct filter_node *node)
{
    return atomic_load_explicit(&node->filter, memory_order_relaxed) == NULL &&
           atomic_load_explicit(&node->filter_hash, memory_order_relaxed) == NULL &&
           atomic_load_explicit(&node->plus, memory_order_relaxed) == NULL &&
           atomic_load_explicit(&node->literals, memory_order_relaxed) == 0;
}

/* Unlinks `node` and its ancestors as far as nothing stands at or below them. */
static void filter_trie_prune(struct filter_trie *trie, struct epoch_record *record,
                              struct filter_node *node)
{
    while (node->parent != NULL && filter_node_is_empty(node)) {
        struct filter_node *parent = node->parent;
        CHECK_OBJ(parent, FILTER_NODE_MAGIC);
        if (node->is_plus) {
            CHECK(atomic_load_explicit(&parent->plus, memory_order_relaxed) == node);
            atomic_store_explicit(&parent->plus, NULL, memory_order_release);
        } else {
            rcu_table_remove(&trie->edges, record, node->hash, node);
            uint32_t left = atomic_fetch_sub_explicit(&parent->literals, 1, memory_order_release);
            CHECK(left > 0);
        }
        filter_shapes_give(&trie->shapes, node->shape);
        node->shape = NULL;
        CHECK(trie->nodes > 1);
        trie->nodes--;
        trie->bytes -= filter_node_size(node->level_len);
        epoch_call(record, &node->retire, filter_node_free_entry);
        node = parent;
    }
}

/* The child of `parent` for one level of a filter, made if it is new. */
static enum rc filter_trie_reach(struct filter_trie *trie, struct epoch_record *record,
                                 struct filter_node *parent, struct bytes level,
                                 struct filter_node **out_node)
{
    bool is_plus = level.len == 1 && level.ptr[0] == '+';
    uint64_t level_hash = is_plus ? trie->plus_hash : hash_fast(&trie->key, level);
    uint64_t hash = hash_mix(parent->hash, level_hash);
    struct filter_node *node = is_plus ? atomic_load_explicit(&parent->plus, memory_order_relaxed)
                                       : filter_trie_child(trie, parent, level, hash);
    if (node != NULL) {
        *out_node = node;
        return RC_OK;
    }
    node = filter_node_create(parent, level, is_plus, hash);
    if (node == NULL)
        return RC_NO_MEMORY;
    enum rc rc = filter_shapes_take(&trie->shapes, parent->shape, is_plus, &node->shape);
    if (rc != RC_OK)
        goto undo_node;
    if (is_plus) {
        atomic_store_explicit(&parent->plus, node, memory_order_release);
    } else {
        atomic_fetch_add_explicit(&parent->literals, 1, memory_order_release);
        rc = rcu_table_insert(&trie->edges, record, hash, node);
        if (rc != RC_OK)
            goto undo_shape;
    }
    trie->nodes++;
    trie->bytes += filter_node_size(level.len);
    *out_node = node;
    return RC_OK;
undo_shape:
    atomic_fetch_sub_explicit(&parent->literals, 1, memory_order_release);
    filter_shapes_give(&trie->shapes, node->shape);
undo_node:
    filter_node_free(node);
    return rc;
}

enum rc filter_trie_add(struct filter_trie *trie, struct epoch_record *record,
                        struct filter *filter)
{
    CHECK_OBJ(trie, FILTER_TRIE_MAGIC);
    CHECK_OBJ(filter, FILTER_MAGIC);
    CHECK(filter->has_wildcard);
    CHECK(filter->node == NULL);
    struct filter_node *node = trie->root;
    struct bytes rest = filter_text(filter);
    struct bytes level;
    bool more = true;
    bool is_hash = false;
    while (topic_level_next(&rest, &more, &level)) {
        is_hash = level.len == 1 && level.ptr[0] == '#';
        if (is_hash)
            break;
        struct filter_node *child;
        enum rc rc = filter_trie_reach(trie, record, node, level, &child);
        if (rc != RC_OK) {
            filter_trie_prune(trie, record, node);
            return rc;
        }
        node = child;
    }
    _Atomic(struct filter *) *place = is_hash ? &node->filter_hash : &node->filter;
    CHECK(atomic_load_explicit(place, memory_order_relaxed) == NULL);
    filter->node = node;
    atomic_store_explicit(place, filter, memory_order_release);
    return RC_OK;
}

void filter_trie_remove(struct filter_trie *trie, struct epoch_record *record,
                        struct filter *filter)
{
    CHECK_OBJ(trie, FILTER_TRIE_MAGIC);
    CHECK_OBJ(filter, FILTER_MAGIC);
    struct filter_node *node = filter->node;
    CHECK_OBJ(node, FILTER_NODE_MAGIC);
    bool is_hash = filter->text[filter->text_len - 1] == '#';
    _Atomic(struct filter *) *place = is_hash ? &node->filter_hash : &node->filter;
    CHECK(atomic_load_explicit(place, memory_order_relaxed) == filter);
    atomic_store_explicit(place, NULL, memory_order_release);
    filter->node = NULL;
    filter_trie_prune(trie, record, node);
}

uint64_t filter_trie_bytes(const struct filter_trie *trie)
{
    return trie->bytes + trie->edges.bytes + trie->shapes.bytes;
}

uint64_t filter_trie_cost_max(struct bytes text)
{
    /* A node, its place in the table when that has just doubled, a shape, and the level's bytes. */
    uint64_t per_level = sizeof(struct filter_node) + 4 * sizeof(uint64_t) +
                         sizeof(struct filter_shape);
    return topic_levels_count(text) * per_level + text.len;
}
