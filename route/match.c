/*
 * match.c -- a shard's cache of match results, and how a result is made.
 *
 * An entry of the cache is one cache line: hash, three generations, the place of the first level's
 * counter, the result. A result is one allocation: header, filters, groups, the topic's bytes. The
 * place of an entry is the low bits of the hash; a topic that falls on another's place pushes it
 * out. When as many have been pushed out as there are entries, the table doubles.
 *
 * Results pushed out go on the list `retired` and are freed when a later section calls, because the
 * section that pushed them out may still use them. The bytes bound is kept by a hand that goes
 * round the table and drops what it finds.
 *
 * Threads: the owning shard.
 */
#include "match.h"
#include "alloc.h"
#include "filter_index_inner.h"
#include "topic.h"

#define MATCH_CACHE_MAGIC  0x4d434143u /* "MCAC" */
#define MATCH_RESULT_MAGIC 0x4d524553u /* "MRES" */

/* A result larger than this part of bytes_max is not kept. */
#define MATCH_KEEP_DIVISOR 16

struct match_entry {
    _Alignas(64) uint64_t hash;  /* [O] */
    uint64_t generation_exact;   /* [O] as before the walk; so are the next two */
    uint64_t generation_first;   /* [O] */
    uint64_t generation_top;     /* [O] */
    struct match_result *result; /* [O] NULL: free */
    uint32_t first;              /* [O] which counter of first levels */
};

struct match_cache {
    uint32_t magic;                               /* [I] */
    uint32_t entries_len;                         /* [O] a power of two */
    struct match_cache_config config;             /* [I] */
    struct match_entry *entries;                  /* [O] */
    const struct filter_generations *generations; /* [I] */
    uint64_t section;                             /* [O] of the latest call */
    uint64_t number;                              /* [O] of the topic of `numbered`; 0: none */
    const struct match_entry *numbered;           /* [O] found by match_numbered last */
    uint32_t pushed_since;                        /* [O] since the table has its size */
    uint32_t hand;                                /* [O] */
    struct match_result *retired;                 /* [O] */
    struct filter_walk walk;                      /* [O] */
    struct match_filter *filters;                 /* [O] working memory, as are the next five */
    struct match_group *groups;                   /* [O] */
    uint32_t filters_len;                         /* [O] */
    uint32_t filters_capacity;                    /* [O] */
    uint32_t groups_len;                          /* [O] */
    uint32_t groups_capacity;                     /* [O] */
    struct match_figures figures;                 /* [O] */
};

STATIC_CHECK(sizeof(struct match_entry) == 64, "an entry is a cache line");

static struct match_entry *match_entries_create(uint32_t len)
{
    struct match_entry *entries = mem_alloc_aligned(64, len * sizeof *entries);
    if (entries != NULL)
        memset(entries, 0, len * sizeof *entries);
    return entries;
}

struct match_cache *match_cache_create(const struct match_cache_config *config)
{
    CHECK(config->index != NULL && config->record != NULL);
    CHECK(config->entries_max >= MATCH_ENTRIES_FIRST);
    CHECK((config->entries_max & (config->entries_max - 1)) == 0);
    struct match_cache *cache = alloc_zeroed(sizeof *cache);
    if (cache == NULL)
        return NULL;
    cache->entries = match_entries_create(MATCH_ENTRIES_FIRST);
    if (cache->entries == NULL) {
        mem_free(cache);
        return NULL;
    }
    cache->magic = MATCH_CACHE_MAGIC;
    cache->entries_len = MATCH_ENTRIES_FIRST;
    cache->config = *config;
    cache->generations = filter_index_generations(config->index);
    return cache;
}

static void match_cache_free_retired(struct match_cache *cache)
{
    while (cache->retired != NULL) {
        struct match_result *result = cache->retired;
        CHECK_OBJ(result, MATCH_RESULT_MAGIC);
        cache->retired = result->next_retired;
        cache->figures.bytes_retired -= result->bytes;
        result->magic = 0;
        mem_free(result);
    }
    CHECK(cache->figures.bytes_retired == 0);
}

static void match_cache_retire(struct match_cache *cache, struct match_result *result)
{
    CHECK_OBJ(result, MATCH_RESULT_MAGIC);
    result->next_retired = cache->retired;
    cache->retired = result;
    cache->figures.bytes_retired += result->bytes;
}

static void match_entry_drop(struct match_cache *cache, struct match_entry *entry)
{
    CHECK(cache->figures.bytes >= entry->result->bytes);
    cache->figures.bytes -= entry->result->bytes;
    match_cache_retire(cache, entry->result);
    entry->result = NULL;
    cache->number = 0;
}

void match_cache_destroy(struct match_cache *cache)
{
    CHECK_OBJ(cache, MATCH_CACHE_MAGIC);
    for (uint32_t i = 0; i < cache->entries_len; i++) {
        if (cache->entries[i].result != NULL)
            match_entry_drop(cache, &cache->entries[i]);
    }
    CHECK(cache->figures.bytes == 0);
    match_cache_free_retired(cache);
    filter_walk_fini(&cache->walk);
    mem_free(cache->filters);
    mem_free(cache->groups);
    mem_free(cache->entries);
    cache->magic = 0;
    mem_free(cache);
}

/* --- making a result --- */

static void *match_grow(void *array, uint32_t *capacity, size_t element)
{
    uint32_t wanted = *capacity == 0 ? 64 : *capacity * 2;
    void *grown = alloc_grown(array, *capacity * element, wanted * element);
    if (grown != NULL)
        *capacity = wanted;
    return grown;
}

static enum rc match_gather_groups(struct match_cache *cache, const struct filter *filter)
{
    const struct share_group_list *list = atomic_load_explicit(&filter->groups,
                                                               memory_order_acquire);
    for (uint32_t i = 0; list != NULL && i < list->len; i++) {
        if (cache->groups_len == cache->groups_capacity) {
            struct match_group *grown = match_grow(cache->groups, &cache->groups_capacity,
                                                   sizeof *grown);
            if (grown == NULL)
                return RC_NO_MEMORY;
            cache->groups = grown;
        }
        cache->groups[cache->groups_len++] = (struct match_group){.group = list->group[i],
                                                                  .id = filter->id};
    }
    return RC_OK;
}

static enum rc match_gather(struct match_cache *cache, const struct filter *filter)
{
    CHECK_OBJ(filter, FILTER_MAGIC);
    enum rc rc = match_gather_groups(cache, filter);
    struct shard_set any = filter_any(filter);
    if (rc != RC_OK || shard_set_is_empty(&any))
        return rc;
    if (cache->filters_len == cache->filters_capacity) {
        struct match_filter *grown = match_grow(cache->filters, &cache->filters_capacity,
                                                sizeof *grown);
        if (grown == NULL)
            return RC_NO_MEMORY;
        cache->filters = grown;
    }
    cache->filters[cache->filters_len++] = (struct match_filter){
        .id = filter->id, .any = any, .durable = filter_durable(filter)};
    return RC_OK;
}

/* Finds everything anew; what is found stands in the working memory. */
static enum rc match_collect(struct match_cache *cache, struct bytes topic, uint64_t hash)
{
    const struct filter_index *index = cache->config.index;
    cache->filters_len = 0;
    cache->groups_len = 0;
    rcu_table_prefetch(&index->table, hash);
    enum rc rc = filter_walk_run_rcu(&cache->walk, &index->trie, topic);
    const struct filter *exact = filter_index_lookup(index, topic, hash);
    if (rc == RC_OK && exact != NULL)
        rc = match_gather(cache, exact);
    for (uint32_t i = 0; rc == RC_OK && i < cache->walk.found_len; i++)
        rc = match_gather(cache, cache->walk.found[i]);
    return rc;
}

static struct match_result *match_result_create(const struct match_cache *cache, struct bytes topic)
{
    size_t filters_size = cache->filters_len * sizeof(struct match_filter);
    size_t groups_size = cache->groups_len * sizeof(struct match_group);
    size_t plan_size = sizeof(struct match_plan) +
                       cache->filters_len * sizeof(struct subtable_entry *);
    size_t size = sizeof(struct match_result) + plan_size + filters_size + groups_size + topic.len;
    struct match_result *result = size <= UINT32_MAX ? mem_alloc(size) : NULL;
    if (result == NULL)
        return NULL;
    struct match_plan *plan = (struct match_plan *)(void *)(result + 1);
    *plan = (struct match_plan){0};
    uint8_t *at = (uint8_t *)plan + plan_size;
    *result = (struct match_result){
        .magic = MATCH_RESULT_MAGIC,
        .filters_len = cache->filters_len,
        .groups_len = cache->groups_len,
        .topic_len = topic.len,
        .bytes = (uint32_t)size,
        .nodes_visited = cache->walk.nodes_visited,
        .plan = plan,
        .filters = (const struct match_filter *)(const void *)at,
        .groups = (const struct match_group *)(const void *)(at + filters_size),
        .topic = at + filters_size + groups_size,
    };
    if (filters_size > 0)
        memcpy(at, cache->filters, filters_size);
    if (groups_size > 0)
        memcpy(at + filters_size, cache->groups, groups_size);
    memcpy(at + filters_size + groups_size, topic.ptr, topic.len);
    for (uint32_t i = 0; i < cache->filters_len; i++) {
        for (unsigned w = 0; w < SHARD_SET_WORDS; w++) {
            result->any.words[w] |= cache->filters[i].any.words[w];
            result->durable.words[w] |= cache->filters[i].durable.words[w];
        }
    }
    return result;
}

/* --- the cache --- */

static void match_cache_bound(struct match_cache *cache, const struct match_entry *keep)
{
    /* Once round the table is enough to drop everything but the entry just filled. */
    uint32_t steps = cache->entries_len;
    while (cache->figures.bytes > cache->config.bytes_max && steps-- > 0) {
        struct match_entry *entry = &cache->entries[cache->hand & (cache->entries_len - 1)];
        cache->hand++;
        if (entry->result == NULL || entry == keep)
            continue;
        cache->figures.pushed_out++;
        match_entry_drop(cache, entry);
    }
}

/* Doubles the table. Entries of one place stay apart, so nothing is lost. */
static void match_cache_grow(struct match_cache *cache)
{
    uint32_t len = cache->entries_len * 2;
    struct match_entry *entries = match_entries_create(len);
    cache->pushed_since = 0;
    if (entries == NULL)
        return; /* the smaller table serves, and this is tried again later */
    for (uint32_t i = 0; i < cache->entries_len; i++) {
        const struct match_entry *old = &cache->entries[i];
        if (old->result != NULL)
            entries[old->hash & (len - 1)] = *old;
    }
    mem_free(cache->entries);
    cache->entries = entries;
    cache->entries_len = len;
    cache->number = 0;
}

static bool match_entry_is_for(const struct match_entry *entry, struct bytes topic, uint64_t hash)
{
    return entry->hash == hash && entry->result != NULL && entry->result->topic_len == topic.len &&
           memcmp(entry->result->topic, topic.ptr, topic.len) == 0;
}

static bool match_entry_is_current(const struct match_entry *entry,
                                   const struct filter_generations *generations)
{
    const _Atomic uint64_t *exact = &generations->exact[entry->hash % FILTER_GENERATIONS];
    const _Atomic uint64_t *first = &generations->first[entry->first];
    return entry->generation_exact == atomic_load_explicit(exact, memory_order_acquire) &&
           entry->generation_first == atomic_load_explicit(first, memory_order_acquire) &&
           entry->generation_top == atomic_load_explicit(&generations->top, memory_order_acquire);
}

/* The counters of a topic, as they are now. */
static struct match_entry match_entry_begin(const struct match_cache *cache, struct bytes topic,
                                            uint64_t hash)
{
    struct bytes rest = topic;
    struct bytes level;
    bool more = true;
    bool found = topic_level_next(&rest, &more, &level);
    CHECK(found);
    const struct filter_generations *generations = cache->generations;
    struct match_entry entry = {.hash = hash};
    entry.first = (uint32_t)(filter_index_hash(cache->config.index, level) % FILTER_GENERATIONS);
    entry.generation_exact = atomic_load_explicit(&generations->exact[hash % FILTER_GENERATIONS],
                                                  memory_order_acquire);
    entry.generation_first = atomic_load_explicit(&generations->first[entry.first],
                                                  memory_order_acquire);
    entry.generation_top = atomic_load_explicit(&generations->top, memory_order_acquire);
    return entry;
}

static void match_cache_keep(struct match_cache *cache, const struct match_entry *made)
{
    struct match_entry *place = &cache->entries[made->hash & (cache->entries_len - 1)];
    if (place->result != NULL) {
        if (!match_entry_is_for(place, bytes_of(made->result->topic, made->result->topic_len),
                                made->hash)) {
            cache->figures.pushed_out++;
            cache->pushed_since++;
        }
        match_entry_drop(cache, place);
    }
    *place = *made;
    cache->figures.bytes += made->result->bytes;
    match_cache_bound(cache, place);
    if (cache->pushed_since > cache->entries_len && cache->entries_len < cache->config.entries_max)
        match_cache_grow(cache);
}

static const struct match_result *match_topic_anew(struct match_cache *cache, struct bytes topic,
                                                   uint64_t hash)
{
    struct match_entry made = match_entry_begin(cache, topic, hash);
    if (match_collect(cache, topic, hash) != RC_OK)
        return NULL;
    made.result = match_result_create(cache, topic);
    if (made.result == NULL)
        return NULL;
    if (made.result->bytes > cache->config.bytes_max / MATCH_KEEP_DIVISOR)
        match_cache_retire(cache, made.result); /* lives as long as the section, like any other */
    else
        match_cache_keep(cache, &made);
    return made.result;
}

/* The first call in a section. */
static void match_section(struct match_cache *cache)
{
    if (LIKELY(cache->section == cache->config.record->sections))
        return;
    cache->section = cache->config.record->sections;
    match_cache_free_retired(cache);
}

const struct match_result *match_topic(struct match_cache *cache, struct bytes topic, uint64_t hash)
{
    CHECK_OBJ(cache, MATCH_CACHE_MAGIC);
    CHECK(epoch_is_inside(cache->config.record));
    CHECK(topic.len > 0);
    CHECK_SLOW(hash == filter_index_hash(cache->config.index, topic));
    match_section(cache);
    const struct match_entry *entry = &cache->entries[hash & (cache->entries_len - 1)];
    if (LIKELY(match_entry_is_for(entry, topic, hash))) {
        if (LIKELY(match_entry_is_current(entry, cache->generations))) {
            cache->figures.hits++;
            return entry->result;
        }
        cache->figures.stale++;
    } else {
        cache->figures.misses++;
    }
    return match_topic_anew(cache, topic, hash);
}

const struct match_result *match_numbered(struct match_cache *cache, struct bytes topic,
                                          uint64_t hash, uint64_t number)
{
    CHECK_OBJ(cache, MATCH_CACHE_MAGIC);
    CHECK(number != 0);
    const struct match_entry *entry = cache->numbered;
    if (LIKELY(cache->number == number) &&
        LIKELY(match_entry_is_current(entry, cache->generations))) {
        CHECK(epoch_is_inside(cache->config.record));
        CHECK_SLOW(match_entry_is_for(entry, topic, hash));
        match_section(cache);
        cache->figures.hits++;
        return entry->result;
    }
    const struct match_result *result = match_topic(cache, topic, hash);
    entry = &cache->entries[hash & (cache->entries_len - 1)];
    bool is_kept = result != NULL && entry->result == result;
    cache->number = is_kept ? number : 0;
    cache->numbered = entry;
    return result;
}

void match_cache_figures(const struct match_cache *cache, struct match_figures *out)
{
    CHECK_OBJ(cache, MATCH_CACHE_MAGIC);
    *out = cache->figures;
    out->entries = cache->entries_len;
}
