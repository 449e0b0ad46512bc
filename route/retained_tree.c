/*
 * retained_tree.c -- nodes of the retained index and the lists of their children.
 *
 * Publication: a node is complete before it enters the table and its parent's list. Removal: out of
 * the list, out of the table, then retired; a walk that stands on it sees no value and no children.
 *
 * Threads: see retained_tree.h.
 */
#include "retained_tree.h"
#include "alloc.h"
#include "topic.h"

static uint64_t retained_node_hash_of(const void *object)
{
    const struct retained_node *node = object;
    CHECK_OBJ(node, RETAINED_NODE_MAGIC);
    return node->hash;
}

static uint64_t retained_node_size(uint32_t level_len)
{
    return sizeof(struct retained_node) + level_len;
}

static size_t retained_children_size(uint32_t capacity)
{
    return sizeof(struct retained_children) + capacity * sizeof(struct retained_child);
}

static struct retained_children *retained_node_children(const struct retained_node *node)
{
    return atomic_load_explicit(&node->children, memory_order_relaxed);
}

static struct retained_node *retained_node_create(struct retained_node *parent, struct bytes level,
                                                  uint64_t hash)
{
    CHECK(level.len <= UINT16_MAX);
    struct retained_node *node = alloc_zeroed(retained_node_size(level.len));
    if (node == NULL)
        return NULL;
    node->magic = RETAINED_NODE_MAGIC;
    node->level_len = (uint16_t)level.len;
    node->hash = hash;
    node->parent = parent;
    if (level.len > 0)
        memcpy(node->level, level.ptr, level.len);
    return node;
}

static void retained_node_free(struct retained_node *node)
{
    CHECK_OBJ(node, RETAINED_NODE_MAGIC);
    node->magic = 0;
    mem_free(node);
}

static void retained_node_free_entry(struct epoch_entry *entry)
{
    retained_node_free(CONTAINER_OF(entry, struct retained_node, retire));
}

static void retained_children_free_entry(struct epoch_entry *entry)
{
    mem_free(CONTAINER_OF(entry, struct retained_children, retire));
}

enum rc retained_tree_init(struct retained *store)
{
    enum rc rc = rcu_table_init(&store->edges, retained_node_hash_of);
    if (rc != RC_OK)
        return rc;
    store->root = retained_node_create(NULL, bytes_of("", 0), store->config.key.words[0]);
    if (store->root == NULL) {
        rcu_table_fini(&store->edges);
        return RC_NO_MEMORY;
    }
    store->tree_bytes = retained_node_size(0);
    return RC_OK;
}

static void retained_tree_drop(void *context, void *object)
{
    struct retained *store = context;
    struct retained_node *node = object;
    struct retained_value *value = atomic_load(&node->value);
    if (value != NULL) {
        retained_account_close(store, value);
        store->config.ops.unref(value->value);
    }
    mem_free(value);
    mem_free(retained_node_children(node));
    retained_node_free(node);
}

void retained_tree_fini(struct retained *store)
{
    rcu_table_each(&store->edges, retained_tree_drop, store);
    retained_tree_drop(store, store->root);
    rcu_table_fini(&store->edges);
    store->root = NULL;
}

static struct retained_node *retained_tree_lookup(const struct retained *store,
                                                  const struct retained_node *parent,
                                                  struct bytes level, uint64_t hash)
{
    struct rcu_table_probe probe = rcu_table_probe_rcu(&store->edges, hash);
    struct retained_node *node;
    while ((node = rcu_table_next(&probe)) != NULL) {
        bool is_child = node->hash == hash && node->parent == parent;
        if (is_child &&
            bytes_equal(level, (struct bytes){.ptr = node->level, .len = node->level_len}))
            return node;
    }
    return NULL;
}

static uint64_t retained_tree_hash(const struct retained *store, const struct retained_node *parent,
                                   struct bytes level)
{
    return hash_mix(parent->hash, hash_fast(&store->config.key, level));
}

struct retained_node *retained_tree_child_rcu(const struct retained *store,
                                              const struct retained_node *parent,
                                              struct bytes level)
{
    CHECK_OBJ(parent, RETAINED_NODE_MAGIC);
    if (atomic_load_explicit(&parent->children, memory_order_relaxed) == NULL)
        return NULL;
    return retained_tree_lookup(store, parent, level, retained_tree_hash(store, parent, level));
}

struct retained_node *retained_tree_find_rcu(const struct retained *store, struct bytes topic)
{
    struct retained_node *node = store->root;
    struct bytes level;
    bool more = true;
    while (node != NULL && topic_level_next(&topic, &more, &level))
        node = retained_tree_child_rcu(store, node, level);
    return node;
}

/* Puts the children that are left into a new list of this capacity. */
static enum rc retained_children_replace(struct retained *store, struct epoch_record *record,
                                         struct retained_node *parent, uint32_t capacity)
{
    struct retained_children *old = retained_node_children(parent);
    struct retained_children *list = mem_alloc(retained_children_size(capacity));
    if (list == NULL)
        return RC_NO_MEMORY;
    list->capacity = capacity;
    uint32_t len = 0;
    uint32_t old_len = old != NULL ? atomic_load_explicit(&old->len, memory_order_relaxed) : 0;
    for (uint32_t i = 0; i < old_len; i++) {
        struct retained_node *node = atomic_load_explicit(&old->item[i].node, memory_order_relaxed);
        if (node == NULL)
            continue;
        CHECK(len < capacity);
        node->place = len;
        list->item[len].sequence = node->sequence;
        atomic_init(&list->item[len].node, node);
        len++;
    }
    CHECK(old == NULL || len == old->live);
    list->live = len;
    atomic_init(&list->len, len);
    atomic_store_explicit(&parent->children, list, memory_order_release);
    store->tree_bytes += retained_children_size(capacity);
    if (old != NULL) {
        store->tree_bytes -= retained_children_size(old->capacity);
        epoch_call(record, &old->retire, retained_children_free_entry);
    }
    return RC_OK;
}

static enum rc retained_children_append(struct retained *store, struct epoch_record *record,
                                        struct retained_node *parent, struct retained_node *node)
{
    struct retained_children *list = retained_node_children(parent);
    uint32_t len = list != NULL ? atomic_load_explicit(&list->len, memory_order_relaxed) : 0;
    if (list == NULL || len == list->capacity) {
        uint32_t capacity = list == NULL ? 1 : (list->live + 1) * 2;
        enum rc rc = retained_children_replace(store, record, parent, capacity);
        if (rc != RC_OK)
            return rc;
        list = retained_node_children(parent);
        len = atomic_load_explicit(&list->len, memory_order_relaxed);
    }
    CHECK(len < list->capacity);
    node->sequence = ++parent->sequence_last;
    node->place = len;
    list->item[len].sequence = node->sequence;
    atomic_init(&list->item[len].node, node);
    list->live++;
    atomic_store_explicit(&list->len, len + 1, memory_order_release);
    return RC_OK;
}

static void retained_children_remove(struct retained *store, struct epoch_record *record,
                                     struct retained_node *parent, struct retained_node *node)
{
    struct retained_children *list = retained_node_children(parent);
    CHECK(list != NULL && list->live > 0);
    struct retained_child *item = &list->item[node->place];
    CHECK(atomic_load_explicit(&item->node, memory_order_relaxed) == node);
    CHECK(item->sequence == node->sequence);
    atomic_store_explicit(&item->node, NULL, memory_order_release);
    list->live--;
    uint32_t len = atomic_load_explicit(&list->len, memory_order_relaxed);
    if (list->live == 0) {
        atomic_store_explicit(&parent->children, NULL, memory_order_release);
        store->tree_bytes -= retained_children_size(list->capacity);
        epoch_call(record, &list->retire, retained_children_free_entry);
    } else if (len > 8 && list->live < len / 4) {
        /* Without memory for a shorter list the one with holes serves as well. */
        (void)!retained_children_replace(store, record, parent, list->live * 2);
    }
}

static void retained_tree_prune(struct retained *store, struct epoch_record *record,
                                struct retained_node *node)
{
    while (node->parent != NULL && node->count == 0 && retained_node_children(node) == NULL) {
        struct retained_node *parent = node->parent;
        CHECK_OBJ(parent, RETAINED_NODE_MAGIC);
        CHECK(atomic_load_explicit(&node->value, memory_order_relaxed) == NULL);
        retained_children_remove(store, record, parent, node);
        rcu_table_remove(&store->edges, record, node->hash, node);
        store->tree_bytes -= retained_node_size(node->level_len);
        epoch_call(record, &node->retire, retained_node_free_entry);
        node = parent;
    }
}

static enum rc retained_tree_make(struct retained *store, struct epoch_record *record,
                                  struct retained_node *parent, struct bytes level,
                                  struct retained_node **out_node)
{
    uint64_t hash = retained_tree_hash(store, parent, level);
    struct retained_node *node = retained_node_create(parent, level, hash);
    if (node == NULL)
        return RC_NO_MEMORY;
    enum rc rc = retained_children_append(store, record, parent, node);
    if (rc != RC_OK) {
        retained_node_free(node); /* nobody has seen it */
        return rc;
    }
    store->tree_bytes += retained_node_size(level.len);
    rc = rcu_table_insert(&store->edges, record, hash, node);
    if (rc != RC_OK) {
        retained_children_remove(store, record, parent, node);
        store->tree_bytes -= retained_node_size(level.len);
        epoch_call(record, &node->retire, retained_node_free_entry);
        return rc;
    }
    *out_node = node;
    return RC_OK;
}

enum rc retained_tree_reach(struct retained *store, struct epoch_record *record, struct bytes topic,
                            struct retained_node **out_node)
{
    struct retained_node *node = store->root;
    struct bytes level;
    bool more = true;
    while (topic_level_next(&topic, &more, &level)) {
        struct retained_node *child = retained_tree_child_rcu(store, node, level);
        enum rc rc = RC_OK;
        if (child == NULL)
            rc = retained_tree_make(store, record, node, level, &child);
        if (rc != RC_OK) {
            retained_tree_prune(store, record, node);
            return rc;
        }
        node = child;
    }
    *out_node = node;
    return RC_OK;
}

void retained_tree_more(struct retained *store, struct retained_node *node)
{
    for (; node != NULL; node = node->parent) {
        CHECK_OBJ(node, RETAINED_NODE_MAGIC);
        CHECK(node->count < UINT32_MAX);
        node->count++;
    }
    atomic_fetch_add_explicit(&store->count, 1, memory_order_relaxed);
}

void retained_tree_less(struct retained *store, struct epoch_record *record,
                        struct retained_node *node)
{
    for (struct retained_node *at = node; at != NULL; at = at->parent) {
        CHECK_OBJ(at, RETAINED_NODE_MAGIC);
        CHECK(at->count > 0);
        at->count--;
    }
    atomic_fetch_sub_explicit(&store->count, 1, memory_order_relaxed);
    retained_tree_prune(store, record, node);
}

uint64_t retained_tree_cost_max(struct bytes topic)
{
    /* A node, its list with one child, a place in the table when that has just doubled. */
    uint64_t per_level = sizeof(struct retained_node) + retained_children_size(1) +
                         4 * sizeof(uint64_t);
    return topic_levels_count(topic) * per_level + topic.len;
}
