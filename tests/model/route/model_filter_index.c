/*
 * model_filter_index.c -- filters, shards, groups and cached matches against plain lists
 * (route/filter_index.h, route/match.h).
 *
 * The twin is an array of filters, each with a bit per shard, a bit per durable shard and the
 * members of its groups; a match is a scan with topic_matches. Operations: shards gain and lose
 * filters, become durable or not; sessions join and leave groups, connect and disconnect; topics
 * are matched, most of them again and again so that the cache answers. Invariants:
 *   - a match names exactly the filters with shards that the scan finds, each once, with the ids
 *     given out, and their shards; the unions are the unions; groups likewise;
 *   - a pick is a member, and a connected one if there is any;
 *   - an id that was given up is not found, now or later;
 *   - counts agree, and an index emptied has one node and no shapes left.
 */
#include "../model_args.h"
#include "match.h"
#include "topic.h"

#define FILTERS 400
#define TOPICS  300
#define SHARDS  6
#define GROUPS  3
#define MEMBERS 4
#define STALE   64

struct twin_member {
    struct share_member *member;
    bool is_connected;
};

struct twin {
    char text[48];
    struct filter_id id;
    uint32_t any;
    uint32_t durable;
    struct twin_member members[GROUPS][MEMBERS];
};

static struct model_args args;
static struct twin twins[FILTERS];
static char topics[TOPICS][48];
static struct filter_id stale[STALE];
static struct epoch *domain;
static struct epoch_record *record;
static struct filter_index *filters;
static struct match_cache *cache;
static struct share_picker *picker;
static uint64_t found_total;

static void text_random(char *text, bool is_filter)
{
    static const char *const literals[] = {"a", "b", "c", "", "dev", "$s"};
    uint32_t levels = 1 + model_below(&args, 5);
    size_t len = 0;
    for (uint32_t i = 0; i < levels; i++) {
        const char *level = literals[model_below(&args, i == 0 ? 6 : 5)];
        uint32_t dice = model_below(&args, 10);
        if (is_filter && dice < 3)
            level = "+";
        if (is_filter && dice == 3 && i + 1 == levels)
            level = "#";
        len += (size_t)snprintf(text + len, 48 - len, "%s%s", i > 0 ? "/" : "", level);
    }
    if (len == 0)
        snprintf(text, 48, "/");
}

static void twins_create(void)
{
    for (uint32_t i = 0; i < FILTERS; i++) {
        bool is_known = true;
        while (is_known) {
            text_random(twins[i].text, true);
            is_known = false;
            for (uint32_t k = 0; k < i; k++)
                is_known |= strcmp(twins[i].text, twins[k].text) == 0;
            if (is_known && model_below(&args, 50) == 0)
                snprintf(twins[i].text, sizeof twins[i].text, "only/%u/+", i);
        }
    }
    for (uint32_t i = 0; i < TOPICS; i++)
        text_random(topics[i], false);
}

static bool twin_has_group(const struct twin *twin, uint32_t group)
{
    bool has = false;
    for (uint32_t m = 0; m < MEMBERS; m++)
        has |= twin->members[group][m].member != NULL;
    return has;
}

static bool twin_is_alive(const struct twin *twin)
{
    bool alive = twin->any != 0;
    for (uint32_t g = 0; g < GROUPS; g++)
        alive |= twin_has_group(twin, g);
    return alive;
}

/* After a loss: an id nobody holds any more must never be found again. */
static void twin_settle(struct twin *twin)
{
    if (twin_is_alive(twin))
        return;
    stale[model_below(&args, STALE)] = twin->id;
    twin->id = (struct filter_id){0, 0};
}

static void step_shard(struct twin *twin)
{
    shard_id shard = (shard_id)model_below(&args, SHARDS);
    uint32_t bit = 1u << shard;
    bool durable = model_below(&args, 3) == 0;
    if ((twin->any & bit) == 0) {
        struct filter_id id;
        enum rc rc = filter_index_add(filters, record, bytes_of_text(twin->text), shard, durable,
                                      &id);
        CHECK(rc == RC_OK);
        CHECK(!twin_is_alive(twin) || filter_id_equal(id, twin->id));
        twin->id = id;
        twin->any |= bit;
        twin->durable |= durable ? bit : 0;
    } else if (model_below(&args, 2) == 0) {
        filter_index_set_durable(filters, twin->id, shard, durable);
        twin->durable = durable ? twin->durable | bit : twin->durable & ~bit;
    } else {
        filter_index_remove(filters, record, twin->id, shard);
        twin->any &= ~bit;
        twin->durable &= ~bit;
        twin_settle(twin);
    }
}

static void step_group(struct twin *twin)
{
    uint32_t group = model_below(&args, GROUPS);
    uint32_t place = model_below(&args, MEMBERS);
    struct twin_member *m = &twin->members[group][place];
    bool is_connected = model_below(&args, 2) == 0;
    char name[8];
    snprintf(name, sizeof name, "g%u", group);
    if (m->member == NULL) {
        struct handle session = {.slot = place, .generation = 1, .shard = (shard_id)place};
        struct filter_id id;
        enum rc rc = filter_index_group_join(
            filters, record, bytes_of_text(twin->text), bytes_of_text(name),
            (enum share_strategy)model_below(&args, SHARE_STRATEGY_COUNT), session,
            (struct share_terms){.sub_id = place}, is_connected, &m->member, &id);
        CHECK(rc == RC_OK);
        CHECK(!twin_is_alive(twin) || twin->id.generation == 0 || filter_id_equal(id, twin->id));
        twin->id = id;
        m->is_connected = is_connected;
    } else if (model_below(&args, 2) == 0) {
        filter_index_member_set_connected(filters, m->member, is_connected);
        m->is_connected = is_connected;
    } else {
        filter_index_group_leave(filters, record, m->member);
        *m = (struct twin_member){.member = NULL};
        twin_settle(twin);
    }
}

static void check_pick(const struct share_group *group, const struct twin *twin, uint32_t g)
{
    uint32_t connected = 0;
    for (uint32_t m = 0; m < MEMBERS; m++)
        connected += twin->members[g][m].is_connected;
    struct share_pick pick = {.publisher = model_random(&args),
                              .publisher_hash = model_random(&args),
                              .topic_hash = model_random(&args),
                              .shard = (shard_id)model_below(&args, MEMBERS),
                              .exclude = HANDLE_NONE};
    struct share_round round = {0, 0};
    const struct share_member *member = share_group_pick_rcu(group, picker, &pick, &round);
    CHECK(member != NULL);
    CHECK(twin->members[g][member->session.slot].member == member);
    CHECK(connected == 0 || twin->members[g][member->session.slot].is_connected);
}

/* The groups of one filter in a result; returns how many. */
static uint32_t check_groups(const struct match_result *result, const struct twin *twin)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < result->groups_len; i++) {
        if (!filter_id_equal(result->groups[i].id, twin->id))
            continue;
        const struct share_group *group = result->groups[i].group;
        uint32_t g = (uint32_t)(group->name[1] - '0');
        CHECK(g < GROUPS && twin_has_group(twin, g));
        check_pick(group, twin, g);
        seen++;
    }
    uint32_t expected = 0;
    for (uint32_t g = 0; g < GROUPS; g++)
        expected += twin_has_group(twin, g);
    CHECK(seen == expected);
    return seen;
}

static void check_shards(const struct match_result *result, const struct twin *twin)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < result->filters_len; i++) {
        const struct match_filter *filter = &result->filters[i];
        if (!filter_id_equal(filter->id, twin->id))
            continue;
        CHECK(filter->any.words[0] == twin->any && filter->any.words[1] == 0);
        CHECK(filter->durable.words[0] == twin->durable);
        seen++;
    }
    CHECK(seen == (twin->any != 0));
}

static void step_match(void)
{
    static uint32_t last;
    if (model_below(&args, 2) == 0)
        last = model_below(&args, TOPICS); /* otherwise the same topic comes again */
    struct bytes topic = bytes_of_text(topics[last]);
    uint64_t hash = filter_index_hash(filters, topic);
    bool is_numbered = model_below(&args, 3) != 0;
    epoch_begin(record);
    const struct match_result *result = is_numbered ? match_numbered(cache, topic, hash, last + 1)
                                                    : match_topic(cache, topic, hash);
    CHECK(result != NULL && bytes_equal(bytes_of(result->topic, result->topic_len), topic));
    uint32_t any = 0;
    uint32_t durable = 0;
    uint32_t num_filters = 0;
    uint32_t num_groups = 0;
    for (uint32_t i = 0; i < FILTERS; i++) {
        const struct twin *twin = &twins[i];
        if (!twin_is_alive(twin) || !topic_matches(bytes_of_text(twin->text), topic))
            continue;
        any |= twin->any;
        durable |= twin->durable;
        num_filters += twin->any != 0;
        check_shards(result, twin);
        num_groups += check_groups(result, twin);
    }
    CHECK(result->any.words[0] == any && result->durable.words[0] == durable);
    CHECK(result->filters_len == num_filters && result->groups_len == num_groups);
    epoch_end(record);
    found_total += num_filters;
}

static void step_ids(void)
{
    const struct twin *twin = &twins[model_below(&args, FILTERS)];
    epoch_begin(record);
    const struct filter *filter = filter_index_find_rcu(filters, bytes_of_text(twin->text));
    CHECK((filter != NULL) == twin_is_alive(twin));
    if (filter != NULL) {
        CHECK(filter_id_equal(filter->id, twin->id));
        CHECK(filter_index_by_id_rcu(filters, twin->id) == filter);
    }
    CHECK(filter_index_by_id_rcu(filters, stale[model_below(&args, STALE)]) == NULL);
    epoch_end(record);
}

static void twin_clear(struct twin *twin)
{
    for (shard_id shard = 0; shard < SHARDS; shard++) {
        if (twin->any >> shard & 1)
            filter_index_remove(filters, record, twin->id, shard);
    }
    for (uint32_t i = 0; i < GROUPS * MEMBERS; i++) {
        struct twin_member *m = &twin->members[i / MEMBERS][i % MEMBERS];
        if (m->member != NULL)
            filter_index_group_leave(filters, record, m->member);
        *m = (struct twin_member){.member = NULL};
    }
    twin->any = 0;
    twin->durable = 0;
}

static void check_empty(void)
{
    for (uint32_t i = 0; i < FILTERS; i++)
        twin_clear(&twins[i]);
    struct filter_index_figures figures;
    filter_index_figures(filters, &figures);
    CHECK(figures.filters == 0 && figures.filters_wildcard == 0 && figures.nodes == 1);
    CHECK(figures.groups == 0 && figures.members == 0 && figures.shapes == 0);
    struct match_figures matches;
    match_cache_figures(cache, &matches);
    printf("filters found %llu, cache hits %llu stale %llu\n", (unsigned long long)found_total,
           (unsigned long long)matches.hits, (unsigned long long)matches.stale);
    CHECK(args.steps < 10000 || (matches.hits > 100 && matches.stale > 100 && found_total > 100));
}

int main(int argc, char **argv)
{
    args = model_args_of(argc, argv, 60000);
    struct filter_index_config config = {.key = {.words = {args.seed | 1, ~args.seed | 1}},
                                         .shard_count = SHARDS,
                                         .shapes_per_level_max = FILTER_SHAPES_USUAL,
                                         .filters_max = UINT64_MAX,
                                         .bytes_max = UINT64_MAX};
    domain = epoch_create();
    record = epoch_register(domain);
    filters = filter_index_create(&config);
    struct match_cache_config cache_config = {.index = filters,
                                              .record = record,
                                              .entries_max = MATCH_ENTRIES_FIRST,
                                              .bytes_max = 1 << 20};
    cache = match_cache_create(&cache_config);
    picker = share_picker_create(256, args.seed);
    CHECK(cache != NULL && picker != NULL);
    twins_create();
    for (uint64_t step = 0; step < args.steps; step++) {
        uint32_t dice = model_below(&args, 100);
        /* Long quiet stretches between stretches of change, so that the cache answers too. */
        bool is_quiet = step / 500 % 2 == 1;
        if (dice < (is_quiet ? 1 : 40))
            step_shard(&twins[model_below(&args, FILTERS)]);
        else if (dice < (is_quiet ? 2 : 60))
            step_group(&twins[model_below(&args, FILTERS)]);
        else if (dice < 70)
            step_ids();
        else
            step_match();
        if (dice == 99)
            (void)epoch_poll(record);
    }
    check_empty();
    share_picker_destroy(picker);
    match_cache_destroy(cache);
    epoch_destroy(domain);
    filter_index_destroy(filters);
    return 0;
}
