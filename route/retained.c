/*
 * retained.c -- values of the retained index: set, get, delete, versions, limits.
 *
 * retained_set first tries without the mutex: find the node, and if it has a value swap it for the
 * new one under the next version; whoever loses the race draws the version after the winner's. Only
 * a topic without a value takes the mutex, where limits are looked at. The old value was read
 * inside the section, so its address cannot have been reused: the swap has no ABA. Owners are
 * charged before the swap and pay nothing if it fails (retained_account.c).
 *
 * Threads: see retained.h.
 */
#include "alloc.h"
#include "retained_tree.h"
#include "topic.h"

static void retained_lock(struct retained *store)
{
    CHECK_OBJ(store, RETAINED_MAGIC);
    CHECK(pthread_mutex_lock(&store->mutex) == 0);
}

/* Also makes the memory of tree and table known to readers of the figures. */
static void retained_unlock(struct retained *store)
{
    uint64_t bytes = sizeof *store + store->tree_bytes + store->edges.bytes;
    atomic_store_explicit(&store->shared_bytes, bytes, memory_order_relaxed);
    CHECK(pthread_mutex_unlock(&store->mutex) == 0);
}

struct retained *retained_create(const struct retained_config *config)
{
    CHECK(config->ops.ref != NULL && config->ops.unref != NULL);
    CHECK(config->key.words[0] != 0 && config->key.words[1] != 0);
    struct retained *store = alloc_zeroed(sizeof *store);
    if (store == NULL)
        return NULL;
    store->config = *config;
    if (retained_tree_init(store) != RC_OK) {
        mem_free(store);
        return NULL;
    }
    CHECK(pthread_mutex_init(&store->mutex, NULL) == 0);
    store->magic = RETAINED_MAGIC;
    retained_lock(store);
    retained_unlock(store); /* the figures of the empty store */
    return store;
}

void retained_destroy(struct retained *store)
{
    CHECK_OBJ(store, RETAINED_MAGIC);
    retained_tree_fini(store);
    CHECK(pthread_mutex_destroy(&store->mutex) == 0);
    store->magic = 0;
    mem_free(store);
}

void retained_set_limits(struct retained *store, uint64_t count_max, uint64_t bytes_max)
{
    retained_lock(store);
    store->config.count_max = count_max;
    store->config.bytes_max = bytes_max;
    retained_unlock(store);
}

uint64_t retained_count(const struct retained *store)
{
    return atomic_load_explicit(&store->count, memory_order_relaxed);
}

uint64_t retained_bytes(const struct retained *store)
{
    return atomic_load_explicit(&store->shared_bytes, memory_order_relaxed) +
           atomic_load_explicit(&store->value_bytes, memory_order_relaxed);
}

void retained_note_version(struct retained *store, uint64_t version)
{
    retained_lock(store);
    if (version > store->version_used)
        store->version_used = version;
    retained_unlock(store);
}

static uint64_t retained_value_cost(const struct retained_value *value)
{
    return sizeof *value + value->bytes;
}

static void retained_value_free_entry(struct epoch_entry *entry)
{
    struct retained_value *value = CONTAINER_OF(entry, struct retained_value, retire);
    value->store->config.ops.unref(value->value);
    mem_free(value);
}

static void retained_value_retire(struct retained *store, struct epoch_record *record,
                                  struct retained_value *value)
{
    atomic_fetch_sub_explicit(&store->value_bytes, retained_value_cost(value),
                              memory_order_relaxed);
    epoch_call(record, &value->retire, retained_value_free_entry);
}

/*
 * Puts `made` in the place of the node's value. `version` 0 draws the next one; otherwise that one
 * is given, and RC_EXISTS says that the node's is not older. RC_NOT_FOUND: the node has no value.
 */
static enum rc retained_swap(struct retained *store, struct epoch_record *record,
                             struct retained_node *node, struct retained_value *made,
                             const struct retained_owner *owner, uint64_t version)
{
    CHECK_OBJ(node, RETAINED_NODE_MAGIC);
    struct retained_value *old = atomic_load_explicit(&node->value, memory_order_acquire);
    struct retained_charge charge;
    uint64_t made_bytes = made->bytes; /* as soon as it is there it may be gone again */
    for (;;) {
        if (old == NULL)
            return RC_NOT_FOUND;
        if (version != 0 && old->version >= version)
            return RC_EXISTS;
        made->version = version != 0 ? version : old->version + 1;
        if (!retained_account_charge(made, old, owner, &charge))
            return RC_DENIED;
        if (atomic_compare_exchange_weak_explicit(&node->value, &old, made, memory_order_seq_cst,
                                                  memory_order_acquire))
            break;
        retained_account_undo(made, &charge);
    }
    atomic_fetch_add_explicit(&store->value_bytes, retained_value_cost(made), memory_order_relaxed);
    retained_account_replaced(store, made_bytes, old, &charge);
    retained_value_retire(store, record, old);
    return RC_OK;
}

static bool retained_has_room(const struct retained *store, struct bytes topic,
                              const struct retained_value *made)
{
    uint64_t values = atomic_load_explicit(&store->value_bytes, memory_order_relaxed);
    uint64_t bytes = sizeof *store + store->tree_bytes + store->edges.bytes + values;
    uint64_t cost = retained_value_cost(made) + retained_tree_cost_max(topic);
    if (retained_count(store) >= store->config.count_max || bytes > store->config.bytes_max)
        return false;
    return cost <= store->config.bytes_max - bytes;
}

/* Under the mutex: the topic has no value, unless somebody was quicker. */
static enum rc retained_set_new(struct retained *store, struct epoch_record *record,
                                struct bytes topic, struct retained_value *made,
                                const struct retained_owner *owner, uint64_t version)
{
    struct retained_node *node = retained_tree_find_rcu(store, topic);
    enum rc rc = RC_NOT_FOUND;
    if (node != NULL)
        rc = retained_swap(store, record, node, made, owner, version);
    if (rc != RC_NOT_FOUND)
        return rc;
    bool is_recovery = version != 0;
    if (!is_recovery && !retained_has_room(store, topic, made))
        return RC_FULL;
    struct retained_charge charge;
    if (!retained_account_charge(made, NULL, owner, &charge))
        return RC_DENIED;
    rc = retained_tree_reach(store, record, topic, &node);
    if (rc != RC_OK) {
        retained_account_undo(made, &charge);
        return rc;
    }
    CHECK(atomic_load_explicit(&node->value, memory_order_relaxed) == NULL);
    made->version = is_recovery ? version : store->version_used + 1;
    retained_tree_more(store, node);
    atomic_fetch_add_explicit(&store->value_bytes, retained_value_cost(made), memory_order_relaxed);
    atomic_store_explicit(&node->value, made, memory_order_seq_cst);
    return RC_OK;
}

static enum rc retained_set_any(struct retained *store, struct epoch_record *record,
                                struct bytes topic, void *value, uint64_t value_bytes,
                                const struct retained_owner *owner, uint64_t version,
                                uint64_t *out_version)
{
    CHECK_OBJ(store, RETAINED_MAGIC);
    CHECK(topic.len > 0);
    CHECK(value != NULL);
    struct retained_value *made = mem_alloc(sizeof *made);
    if (made == NULL)
        return RC_NO_MEMORY;
    *made = (struct retained_value){.store = store,
                                    .value = value,
                                    .bytes = value_bytes,
                                    .user = owner != NULL ? owner->user : 0,
                                    .account = owner != NULL ? owner->account : NULL};
    epoch_begin(record);
    struct retained_node *node = retained_tree_find_rcu(store, topic);
    enum rc rc = RC_NOT_FOUND;
    if (node != NULL)
        rc = retained_swap(store, record, node, made, owner, version);
    if (rc == RC_NOT_FOUND) {
        retained_lock(store);
        rc = retained_set_new(store, record, topic, made, owner, version);
        retained_unlock(store);
    }
    /* The value may already have been replaced by another thread, but not freed: see the
     * section. */
    if (rc == RC_OK) {
        *out_version = made->version;
        retained_account_late(store, made);
    }
    epoch_end(record);
    if (rc != RC_OK)
        mem_free(made);
    atomic_thread_fence(memory_order_seq_cst);
    return rc;
}

enum rc retained_set(struct retained *store, struct epoch_record *record, struct bytes topic,
                     void *value, uint64_t value_bytes, const struct retained_owner *owner,
                     uint64_t *out_version)
{
    return retained_set_any(store, record, topic, value, value_bytes, owner, 0, out_version);
}

enum rc retained_restore(struct retained *store, struct epoch_record *record, struct bytes topic,
                         void *value, uint64_t value_bytes, uint64_t user, uint64_t version)
{
    CHECK(version > 0);
    uint64_t given;
    struct retained_owner owner = {.user = user};
    enum rc rc = retained_set_any(store, record, topic, value, value_bytes, &owner, version,
                                  &given);
    CHECK(rc != RC_OK || given == version);
    return rc;
}

enum rc retained_remove(struct retained *store, struct epoch_record *record,
                        struct retained_node *node, uint64_t version, uint64_t *out_version)
{
    CHECK_OBJ(node, RETAINED_NODE_MAGIC);
    CHECK(epoch_is_inside(record));
    retained_lock(store);
    struct retained_value *old = atomic_load_explicit(&node->value, memory_order_acquire);
    while (old != NULL && (version == 0 || old->version == version)) {
        if (atomic_compare_exchange_weak_explicit(&node->value, &old, NULL, memory_order_seq_cst,
                                                  memory_order_acquire))
            break;
    }
    bool is_removed = old != NULL && (version == 0 || old->version == version);
    if (is_removed) {
        uint64_t deletion = old->version + 1;
        if (deletion > store->version_used)
            store->version_used = deletion;
        if (out_version != NULL)
            *out_version = deletion;
        retained_account_close(store, old);
        retained_value_retire(store, record, old);
        retained_tree_less(store, record, node);
    }
    retained_unlock(store);
    return is_removed ? RC_OK : RC_NOT_FOUND;
}

static enum rc retained_delete_any(struct retained *store, struct epoch_record *record,
                                   struct bytes topic, uint64_t version, uint64_t *out_version)
{
    CHECK_OBJ(store, RETAINED_MAGIC);
    epoch_begin(record);
    struct retained_node *node = retained_tree_find_rcu(store, topic);
    enum rc rc = RC_NOT_FOUND;
    if (node != NULL)
        rc = retained_remove(store, record, node, version, out_version);
    epoch_end(record);
    return rc;
}

enum rc retained_delete(struct retained *store, struct epoch_record *record, struct bytes topic,
                        uint64_t *out_version)
{
    return retained_delete_any(store, record, topic, 0, out_version);
}

enum rc retained_delete_if(struct retained *store, struct epoch_record *record, struct bytes topic,
                           uint64_t version, uint64_t *out_version)
{
    CHECK(version > 0);
    return retained_delete_any(store, record, topic, version, out_version);
}

void *retained_get(struct retained *store, struct epoch_record *record, struct bytes topic,
                   uint64_t *out_version)
{
    CHECK_OBJ(store, RETAINED_MAGIC);
    epoch_begin(record);
    void *value = NULL;
    struct retained_node *node = retained_tree_find_rcu(store, topic);
    struct retained_value *held = node != NULL
                                      ? atomic_load_explicit(&node->value, memory_order_acquire)
                                      : NULL;
    if (held != NULL) {
        value = held->value;
        store->config.ops.ref(value);
        if (out_version != NULL)
            *out_version = held->version;
    }
    epoch_end(record);
    return value;
}
