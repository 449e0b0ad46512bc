/*
 * filter_index.c -- filters, their shards, and the order in which changes become visible.
 *
 * A filter is in the table by text (found by subscribers and by topics equal to it), in the slot
 * directory (found by id), and with wildcards in the trie. It exists while it has a shard or a
 * group. Each writer ends in filter_index_publish: bump the counters, then fence (filter_index.h).
 *
 *   new filter      take id, fill in, slot, table, trie           publish
 *   change          store the bits, or the list of groups         publish
 *   last one gone   trie, table, slot release                     publish, then retire
 *
 * Groups are the only objects that cached results point to; a group is retired strictly after the
 * bump (match.h has the argument). share_group_list and filters are never remembered outside a
 * section, so their place in the order does not matter.
 *
 * Threads: see filter_index.h.
 */
#include "alloc.h"
#include "filter_index_inner.h"
#include "topic.h"

static uint64_t filter_hash_of(const void *object)
{
    const struct filter *filter = object;
    CHECK_OBJ(filter, FILTER_MAGIC);
    return filter->hash;
}

/* The figures are words that are copied one by one. */
#define FILTER_INDEX_FIGURES (sizeof(struct filter_index_figures) / sizeof(uint64_t))

/* Makes the figures readable for those who do not hold the mutex. */
static void filter_index_figures_publish(struct filter_index *index)
{
    const struct filter_index_figures now = {
        .filters = index->table.live,
        .filters_wildcard = index->filters_wildcard,
        .nodes = index->trie.nodes,
        .groups = index->groups,
        .members = index->members,
        .bytes = filter_index_bytes(index),
        .shapes = index->trie.shapes.len,
        .refused = index->refused,
    };
    const uint64_t *from = (const uint64_t *)&now;
    uint64_t *to = (uint64_t *)&index->figures;
    for (size_t i = 0; i < FILTER_INDEX_FIGURES; i++)
        __atomic_store_n(&to[i], from[i], __ATOMIC_RELAXED);
}

struct filter_index *filter_index_create(const struct filter_index_config *config)
{
    CHECK(config->shard_count > 0 && config->shard_count <= SHARDS_MAX);
    CHECK(config->key.words[0] != 0 && config->key.words[1] != 0);
    struct filter_index *index = alloc_zeroed(sizeof *index);
    if (index == NULL)
        return NULL;
    index->config = *config;
    if (rcu_table_init(&index->table, filter_hash_of) != RC_OK)
        goto undo_index;
    if (filter_slots_init(&index->slots) != RC_OK)
        goto undo_table;
    if (filter_trie_init(&index->trie, &config->key, config->shapes_per_level_max) != RC_OK)
        goto undo_slots;
    CHECK(pthread_mutex_init(&index->mutex, NULL) == 0);
    index->magic = FILTER_INDEX_MAGIC;
    filter_index_figures_publish(index);
    return index;
undo_slots:
    filter_slots_fini(&index->slots);
undo_table:
    rcu_table_fini(&index->table);
undo_index:
    mem_free(index);
    return NULL;
}

static void filter_free(struct filter *filter)
{
    CHECK_OBJ(filter, FILTER_MAGIC);
    filter->magic = 0;
    mem_free(filter);
}

static void filter_free_entry(struct epoch_entry *entry)
{
    filter_free(CONTAINER_OF(entry, struct filter, retire));
}

static void filter_index_free_filter(void *context, void *object)
{
    (void)context;
    struct filter *filter = object;
    struct share_group_list *list = atomic_load(&filter->groups);
    for (uint32_t i = 0; list != NULL && i < list->len; i++)
        share_group_free(list->group[i]);
    mem_free(list);
    filter_free(filter);
}

void filter_index_destroy(struct filter_index *index)
{
    CHECK_OBJ(index, FILTER_INDEX_MAGIC);
    rcu_table_each(&index->table, filter_index_free_filter, NULL);
    filter_trie_fini(&index->trie);
    filter_slots_fini(&index->slots);
    rcu_table_fini(&index->table);
    CHECK(pthread_mutex_destroy(&index->mutex) == 0);
    index->magic = 0;
    mem_free(index);
}

void filter_index_lock(struct filter_index *index)
{
    CHECK_OBJ(index, FILTER_INDEX_MAGIC);
    CHECK(pthread_mutex_lock(&index->mutex) == 0);
}

void filter_index_unlock(struct filter_index *index)
{
    filter_index_figures_publish(index);
    CHECK(pthread_mutex_unlock(&index->mutex) == 0);
}

/* --- reading --- */

uint64_t filter_index_hash(const struct filter_index *index, struct bytes text)
{
    return hash_fast(&index->config.key, text);
}

struct filter *filter_index_lookup(const struct filter_index *index, struct bytes text,
                                   uint64_t hash)
{
    struct rcu_table_probe probe = rcu_table_probe_rcu(&index->table, hash);
    struct filter *filter;
    while ((filter = rcu_table_next(&probe)) != NULL) {
        if (filter->hash == hash && bytes_equal(filter_text(filter), text))
            return filter;
    }
    return NULL;
}

const struct filter *filter_index_find_rcu(const struct filter_index *index, struct bytes text)
{
    CHECK_OBJ(index, FILTER_INDEX_MAGIC);
    return filter_index_lookup(index, text, filter_index_hash(index, text));
}

const struct filter *filter_index_by_id_rcu(const struct filter_index *index, struct filter_id id)
{
    CHECK_OBJ(index, FILTER_INDEX_MAGIC);
    return filter_slots_get_rcu(&index->slots, id);
}

static struct shard_set filter_set_load(const _Atomic uint64_t *words)
{
    struct shard_set set;
    for (unsigned i = 0; i < SHARD_SET_WORDS; i++)
        set.words[i] = atomic_load_explicit(&words[i], memory_order_relaxed);
    return set;
}

struct shard_set filter_any(const struct filter *filter)
{
    return filter_set_load(filter->any);
}

struct shard_set filter_durable(const struct filter *filter)
{
    return filter_set_load(filter->durable);
}

const struct filter_generations *filter_index_generations(const struct filter_index *index)
{
    CHECK_OBJ(index, FILTER_INDEX_MAGIC);
    return &index->generations;
}

uint64_t filter_index_bytes(const struct filter_index *index)
{
    return sizeof *index + index->bytes + index->table.bytes + index->slots.bytes +
           filter_trie_bytes(&index->trie);
}

void filter_index_figures(struct filter_index *index, struct filter_index_figures *out)
{
    CHECK_OBJ(index, FILTER_INDEX_MAGIC);
    const uint64_t *from = (const uint64_t *)&index->figures;
    uint64_t *to = (uint64_t *)out;
    for (size_t i = 0; i < FILTER_INDEX_FIGURES; i++)
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

/* --- writing --- */

void filter_index_publish(struct filter_index *index, const struct filter *filter)
{
    _Atomic uint64_t *generation;
    if (!filter->has_wildcard) {
        generation = &index->generations.exact[filter->hash % FILTER_GENERATIONS];
    } else if (filter->begins_with_wildcard) {
        generation = &index->generations.top;
    } else {
        struct bytes rest = filter_text(filter);
        struct bytes first;
        bool more = true;
        bool found = topic_level_next(&rest, &more, &first);
        CHECK(found);
        uint64_t hash = filter_index_hash(index, first);
        generation = &index->generations.first[hash % FILTER_GENERATIONS];
    }
    atomic_fetch_add_explicit(generation, 1, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
}

static uint64_t filter_size(uint32_t text_len)
{
    return sizeof(struct filter) + text_len;
}

static enum rc filter_index_create_filter(struct filter_index *index, struct epoch_record *record,
                                          struct bytes text, uint64_t hash,
                                          struct filter **out_filter)
{
    bool has_wildcard = topic_filter_has_wildcard(text);
    uint64_t cost = filter_size(text.len) + (has_wildcard ? filter_trie_cost_max(text) : 0);
    if (index->table.live >= index->config.filters_max ||
        filter_index_bytes(index) + cost > index->config.bytes_max)
        return RC_FULL;
    struct filter *filter = alloc_zeroed(filter_size(text.len));
    if (filter == NULL)
        return RC_NO_MEMORY;
    filter->magic = FILTER_MAGIC;
    filter->text_len = (uint16_t)text.len;
    filter->has_wildcard = has_wildcard;
    filter->begins_with_wildcard = text.ptr[0] == '+' || text.ptr[0] == '#';
    filter->hash = hash;
    memcpy(filter->text, text.ptr, text.len);
    enum rc rc = filter_slots_take(&index->slots, &filter->id);
    if (rc != RC_OK)
        goto undo_filter;
    rc = rcu_table_insert(&index->table, record, hash, filter);
    if (rc != RC_OK)
        goto undo_slot;
    rc = has_wildcard ? filter_trie_add(&index->trie, record, filter) : RC_OK;
    if (rc != RC_OK)
        goto undo_table;
    filter_slots_put(&index->slots, filter);
    index->filters_wildcard += has_wildcard;
    index->bytes += filter_size(text.len);
    *out_filter = filter;
    return RC_OK;
undo_table:
    rcu_table_remove(&index->table, record, hash, filter);
    filter_slots_release(&index->slots, filter->id);
    /* Readers may have found it in the table. */
    epoch_call(record, &filter->retire, filter_free_entry);
    return rc;
undo_slot:
    filter_slots_release(&index->slots, filter->id);
undo_filter:
    filter_free(filter);
    return rc;
}

enum rc filter_index_obtain(struct filter_index *index, struct epoch_record *record,
                            struct bytes text, struct filter **out_filter)
{
    CHECK(text.len > 0 && text.len <= STRING_LEN_MAX);
    uint64_t hash = filter_index_hash(index, text);
    struct filter *filter = filter_index_lookup(index, text, hash);
    enum rc rc = RC_OK;
    if (filter == NULL)
        rc = filter_index_create_filter(index, record, text, hash, &filter);
    if (rc != RC_OK) {
        index->refused++;
        return rc;
    }
    *out_filter = filter;
    return RC_OK;
}

void filter_index_release(struct filter_index *index, struct epoch_record *record,
                          struct filter *filter)
{
    CHECK_OBJ(filter, FILTER_MAGIC);
    struct shard_set any = filter_any(filter);
    if (!shard_set_is_empty(&any) ||
        atomic_load_explicit(&filter->groups, memory_order_relaxed) != NULL)
        return;
    if (filter->has_wildcard) {
        filter_trie_remove(&index->trie, record, filter);
        index->filters_wildcard--;
    }
    rcu_table_remove(&index->table, record, filter->hash, filter);
    filter_slots_release(&index->slots, filter->id);
    CHECK(index->bytes >= filter_size(filter->text_len));
    index->bytes -= filter_size(filter->text_len);
    filter_index_publish(index, filter);
    epoch_call(record, &filter->retire, filter_free_entry);
}

/* Returns whether the bit has changed. */
static bool filter_set_store(_Atomic uint64_t *words, shard_id shard, bool value)
{
    uint64_t bit = UINT64_C(1) << (shard % 64);
    uint64_t old = atomic_load_explicit(&words[shard / 64], memory_order_relaxed);
    uint64_t new = value ? old | bit : old & ~bit;
    atomic_store_explicit(&words[shard / 64], new, memory_order_release);
    return old != new;
}

enum rc filter_index_add(struct filter_index *index, struct epoch_record *record, struct bytes text,
                         shard_id shard, bool durable, struct filter_id *out_id)
{
    CHECK(shard < index->config.shard_count);
    filter_index_lock(index);
    struct filter *filter;
    enum rc rc = filter_index_obtain(index, record, text, &filter);
    if (rc == RC_OK) {
        bool changed = filter_set_store(filter->any, shard, true);
        if (durable)
            changed |= filter_set_store(filter->durable, shard, true);
        if (changed)
            filter_index_publish(index, filter);
        *out_id = filter->id;
    }
    filter_index_unlock(index);
    return rc;
}

/* The filter with an id that the caller knows to be alive. */
static struct filter *filter_index_own(const struct filter_index *index, struct filter_id id,
                                       shard_id shard)
{
    CHECK(shard < index->config.shard_count);
    struct filter *filter = filter_slots_get_rcu(&index->slots, id);
    CHECK_OBJ(filter, FILTER_MAGIC);
    struct shard_set any = filter_any(filter);
    CHECK(shard_set_has(&any, shard));
    return filter;
}

void filter_index_set_durable(struct filter_index *index, struct filter_id id, shard_id shard,
                              bool durable)
{
    filter_index_lock(index);
    struct filter *filter = filter_index_own(index, id, shard);
    if (filter_set_store(filter->durable, shard, durable))
        filter_index_publish(index, filter);
    filter_index_unlock(index);
}

void filter_index_remove(struct filter_index *index, struct epoch_record *record,
                         struct filter_id id, shard_id shard)
{
    filter_index_lock(index);
    struct filter *filter = filter_index_own(index, id, shard);
    (void)filter_set_store(filter->durable, shard, false);
    (void)filter_set_store(filter->any, shard, false);
    filter_index_publish(index, filter);
    filter_index_release(index, record, filter);
    filter_index_unlock(index);
}
