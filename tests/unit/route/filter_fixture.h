/*
 * filter_fixture.h -- a filter index with its epoch domain, and short words for using it in tests.
 */
#ifndef SLUICE_FILTER_FIXTURE_H
#define SLUICE_FILTER_FIXTURE_H

#include "filter_index.h"
#include "mem.h"

static struct epoch *domain;
static struct epoch_record *record;
static struct filter_index *filters;

static const struct filter_index_config fixture_config = {
    .key = {.words = {0x1234567, 0x89abcdef}},
    .shard_count = 70,
    .shapes_per_level_max = FILTER_SHAPES_USUAL,
    .filters_max = 1000000,
    .bytes_max = UINT64_C(1) << 30,
};

static inline int fixture_set_up_with(const struct filter_index_config *config)
{
    domain = epoch_create();
    record = epoch_register(domain);
    filters = filter_index_create(config);
    return filters == NULL;
}

static inline int fixture_set_up(void **state)
{
    (void)state;
    return fixture_set_up_with(&fixture_config);
}

static inline int fixture_tear_down(void **state)
{
    (void)state;
    (void)mem_fail_after(UINT64_MAX);
    epoch_destroy(domain);
    filter_index_destroy(filters);
    return 0;
}

static inline struct filter_id fixture_add(const char *text, shard_id shard)
{
    struct filter_id id;
    enum rc rc = filter_index_add(filters, record, bytes_of_text(text), shard, false, &id);
    assert_int_equal(rc, RC_OK);
    return id;
}

static inline struct share_member *fixture_join(const char *text, const char *name, uint32_t slot,
                                                shard_id shard, bool is_connected)
{
    struct share_member *member;
    struct filter_id id;
    struct handle session = {.slot = slot, .generation = 1, .shard = shard};
    enum rc rc = filter_index_group_join(
        filters, record, bytes_of_text(text), bytes_of_text(name), SHARE_ROUND_ROBIN, session,
        (struct share_terms){.sub_id = slot, .qos = 1}, is_connected, &member, &id);
    assert_int_equal(rc, RC_OK);
    return member;
}

static inline struct filter_index_figures fixture_figures(void)
{
    struct filter_index_figures figures;
    filter_index_figures(filters, &figures);
    return figures;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

#endif
