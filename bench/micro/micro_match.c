/*
 * micro_match.c -- from a topic to the filters that match it, by number of filters in the index.
 *
 * Exact filters are "site/S/device/D/state"; wildcard filters cycle through four shapes, one of
 * which ("site/+/device/D/#") needs the trie to branch. Topics are drawn from those that some
 * filter names, in an order that the processor cannot foresee. "cold" has a cache that keeps
 * nothing, so every match is a walk; "cached" asks for few topics with the usual cache.
 *
 * One epoch section serves MATCH_SECTION topics, as in a turn of the loop.
 *
 * Threads: one.
 */
#include "match.h"
#include "micro.h"

#include <stdio.h>
#include <stdlib.h>

#define MATCH_TOPICS      4096
#define MATCH_TOPICS_FEW  256
#define MATCH_SECTION     32
#define MATCH_TOPIC_LEN   64
#define MATCH_FILTERS_MAX UINT64_C(2000000)

struct match_setup {
    struct epoch *domain;
    struct epoch_record *record;
    struct filter_index *index;
    struct match_cache *cache;
    uint32_t num_topics;
    char topics[MATCH_TOPICS][MATCH_TOPIC_LEN];
};

/* Spreads numbers over `bound`, the same in every run. */
static uint32_t match_scatter(uint32_t number, uint32_t bound)
{
    return (uint32_t)((uint64_t)(number * UINT32_C(2654435761)) * bound >> 32);
}

static void match_topic_text(char *out, uint32_t number)
{
    snprintf(out, MATCH_TOPIC_LEN, "site/%u/device/%u/state", number % 1000, number);
}

static void match_filter_text(char *out, uint32_t number, bool is_wildcard)
{
    if (!is_wildcard) {
        match_topic_text(out, number);
        return;
    }
    switch (number % 4) {
    case 0:
        snprintf(out, MATCH_TOPIC_LEN, "site/%u/device/%u/+", number % 1000, number);
        return;
    case 1:
        snprintf(out, MATCH_TOPIC_LEN, "site/%u/device/%u/#", number % 1000, number);
        return;
    case 2:
        snprintf(out, MATCH_TOPIC_LEN, "site/+/device/%u/state", number);
        return;
    default:
        snprintf(out, MATCH_TOPIC_LEN, "site/+/device/%u/#", number);
    }
}

static void match_fill(struct match_setup *setup, uint32_t num, bool is_wildcard)
{
    char text[MATCH_TOPIC_LEN];
    for (uint32_t i = 0; i < num; i++) {
        struct filter_id id;
        match_filter_text(text, i, is_wildcard);
        enum rc rc = filter_index_add(setup->index, setup->record, bytes_of_text(text),
                                      (shard_id)(i % 4), false, &id);
        CHECK(rc == RC_OK);
        if (i % 1024 == 0)
            epoch_poll(setup->record);
    }
}

static struct match_setup *match_setup(int64_t num_filters, bool is_wildcard, bool is_cached)
{
    struct match_setup *setup = calloc(1, sizeof(*setup));
    CHECK(setup != NULL && num_filters > 0);
    setup->domain = epoch_create();
    CHECK(setup->domain != NULL);
    setup->record = epoch_register(setup->domain);
    CHECK(setup->record != NULL);
    setup->index = filter_index_create(&(struct filter_index_config){
        .key = {{0x0123456789abcdef, 0xfedcba9876543211}},
        .shard_count = 4,
        .shapes_per_level_max = FILTER_SHAPES_USUAL,
        .filters_max = MATCH_FILTERS_MAX,
        .bytes_max = UINT64_C(4) << 30,
    });
    CHECK(setup->index != NULL);
    match_fill(setup, (uint32_t)num_filters, is_wildcard);
    setup->cache = match_cache_create(&(struct match_cache_config){
        .index = setup->index,
        .record = setup->record,
        .entries_max = is_cached ? MATCH_ENTRIES_USUAL : MATCH_ENTRIES_FIRST,
        .bytes_max = is_cached ? UINT64_C(64) << 20 : 1,
    });
    CHECK(setup->cache != NULL);
    setup->num_topics = is_cached ? MATCH_TOPICS_FEW : MATCH_TOPICS;
    for (uint32_t i = 0; i < setup->num_topics; i++)
        match_topic_text(setup->topics[i], match_scatter(i, (uint32_t)num_filters));
    return setup;
}

static void *match_exact_cold_setup(int64_t num_filters)
{
    return match_setup(num_filters, false, false);
}

static void *match_exact_cached_setup(int64_t num_filters)
{
    return match_setup(num_filters, false, true);
}

static void *match_wildcard_cold_setup(int64_t num_filters)
{
    return match_setup(num_filters, true, false);
}

static void *match_wildcard_cached_setup(int64_t num_filters)
{
    return match_setup(num_filters, true, true);
}

static void match_teardown(void *context)
{
    struct match_setup *setup = context;
    match_cache_destroy(setup->cache);
    epoch_unregister(setup->record);
    filter_index_destroy(setup->index);
    epoch_destroy(setup->domain);
    free(setup);
}

static void match_run(void *context, uint64_t num)
{
    static uint32_t next;
    struct match_setup *setup = context;
    for (uint64_t done = 0; done < num; done += MATCH_SECTION) {
        epoch_begin(setup->record);
        for (unsigned i = 0; i < MATCH_SECTION; i++) {
            const char *text = setup->topics[next++ % setup->num_topics];
            struct bytes topic = bytes_of_text(text);
            const struct match_result *result = match_topic(setup->cache, topic,
                                                            filter_index_hash(setup->index, topic));
            CHECK(result != NULL && result->filters_len > 0);
            micro_keep(result->filters[0].id.slot);
        }
        epoch_end(setup->record);
    }
}

#define MATCH_CASE(case_name, setup_function)                                                      \
    {                                                                                              \
        .name = case_name, .setup = setup_function, .run = match_run, .teardown = match_teardown,  \
        .arguments = {1, 1000, 100000, 1000000}, .num_arguments = 4                                \
    }

static const struct micro_case match_cases[] = {
    MATCH_CASE("match_exact_cold", match_exact_cold_setup),
    MATCH_CASE("match_exact_cached", match_exact_cached_setup),
    MATCH_CASE("match_wildcard_cold", match_wildcard_cold_setup),
    MATCH_CASE("match_wildcard_cached", match_wildcard_cached_setup),
};

const struct micro_suite micro_match = {match_cases, ARRAY_LEN(match_cases)};
