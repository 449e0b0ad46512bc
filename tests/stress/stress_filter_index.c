/*
 * stress_filter_index.c -- the shared indexes under real threads: readers match and walk while
 * writers change (route/filter_index.h, match.h, retained.h, engine/epoch.h).
 *
 *     stress_filter_index [milliseconds [seed]]
 *
 * Part 1, churn: writers add and remove filters, join and leave groups, connect and disconnect
 * members, set and delete retained values. Readers match topics with caches of their own, pick from
 * the groups found and walk retained values. Invariants:
 *   - a filter that is there all the time is in every result of its topics, with its shard;
 *   - a filter found matches the topic; an id found by slot is the one asked for;
 *   - a pick is a whole member of the group it was picked from; a retained value is whole;
 *   - nothing is used after it was freed (AddressSanitizer), no plain access races
 *     (ThreadSanitizer, with clang: gcc's does not take fences).
 *
 * Part 2, nobody misses: in each round one thread stores a retained value and then matches its
 * topic, another adds a filter for the topic and then reads the retained value, with nothing
 * between them but a common start. At least one of the two must see the other.
 */
#include "alloc.h"
#include "match.h"
#include "retained.h"
#include "topic.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define READERS      2
#define WRITERS      2
#define SHARDS       8
#define OWN_FILTERS  64
#define TOPIC_LEN    48
#define ROUNDS_TOPIC "rendezvous/topic"

struct item {
    _Atomic uint32_t refs;
    uint32_t a;
    uint32_t b; /* ~a while the item lives */
};

struct own_filter {
    struct filter_id id;
    shard_id shard;
    bool is_in;
    struct share_member *member;
};

struct worker {
    pthread_t thread;
    struct epoch_record *record;
    uint64_t random;
    uint32_t number;
    uint64_t steps;
    struct own_filter own[OWN_FILTERS];
};

static const char *const standing[] = {"a/b/c", "a/+/c", "a/#", "+/b/c", "#"};
static struct filter_id standing_ids[ARRAY_LEN(standing)];
static struct epoch *domain;
static struct filter_index *filters;
static struct retained *store;
static _Atomic bool is_over;
static _Atomic int64_t items_alive;

static uint32_t below(struct worker *worker, uint32_t bound)
{
    uint64_t z = worker->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) % bound);
}

static void item_ref(void *value)
{
    uint32_t before = atomic_fetch_add_explicit(&((struct item *)value)->refs, 1,
                                                memory_order_relaxed);
    CHECK(before > 0);
}

static void item_unref(void *value)
{
    struct item *item = value;
    CHECK(item->b == ~item->a);
    if (atomic_fetch_sub_explicit(&item->refs, 1, memory_order_acq_rel) == 1) {
        item->b = item->a;
        atomic_fetch_sub(&items_alive, 1);
        free(item);
    }
}

static struct item *item_create(uint32_t number)
{
    struct item *item = malloc(sizeof *item);
    CHECK(item != NULL);
    atomic_init(&item->refs, 1);
    item->a = number;
    item->b = ~number;
    atomic_fetch_add(&items_alive, 1);
    return item;
}

static void topic_random(struct worker *worker, char *text)
{
    static const char *const levels[] = {"a", "b", "c", "d", "e"};
    snprintf(text, TOPIC_LEN, "%s/%s/%s", levels[below(worker, 5)], levels[below(worker, 5)],
             levels[below(worker, 5)]);
}

static void filter_random(struct worker *worker, char *text)
{
    static const char *const levels[] = {"a", "b", "c", "+", "+"};
    static const char *const lasts[] = {"a", "b", "c", "+", "#"};
    snprintf(text, TOPIC_LEN, "%s/%s/%s", levels[below(worker, 5)], levels[below(worker, 5)],
             lasts[below(worker, 5)]);
}

/* --- part 1, writers --- */

/* Each writer has shards of its own, as each shard changes only its own bits. */
static void writer_filter(struct worker *worker, struct own_filter *own)
{
    if (own->is_in) {
        filter_index_remove(filters, worker->record, own->id, own->shard);
        own->is_in = false;
        return;
    }
    char text[TOPIC_LEN];
    filter_random(worker, text);
    own->shard = (shard_id)(2 + worker->number);
    epoch_begin(worker->record);
    const struct filter *filter = filter_index_find_rcu(filters, bytes_of_text(text));
    struct shard_set any = {{0}};
    if (filter != NULL)
        any = filter_any(filter);
    epoch_end(worker->record);
    if (shard_set_has(&any, own->shard))
        return; /* another place of this writer holds it */
    enum rc rc = filter_index_add(filters, worker->record, bytes_of_text(text), own->shard,
                                  below(worker, 2), &own->id);
    CHECK(rc == RC_OK);
    own->is_in = true;
    filter_index_set_durable(filters, own->id, own->shard, below(worker, 2));
}

static void writer_group(struct worker *worker, struct own_filter *own)
{
    if (own->member != NULL && below(worker, 2) == 0) {
        filter_index_member_set_connected(filters, own->member, below(worker, 2));
        return;
    }
    if (own->member != NULL) {
        filter_index_group_leave(filters, worker->record, own->member);
        own->member = NULL;
        return;
    }
    char text[TOPIC_LEN];
    filter_random(worker, text);
    struct handle session = {
        .slot = below(worker, 1000), .generation = 1, .shard = (shard_id)below(worker, SHARDS)};
    struct share_terms terms = {.sub_id = session.slot * 3, .qos = 1};
    struct filter_id id;
    enum rc rc = filter_index_group_join(filters, worker->record, bytes_of_text(text),
                                         bytes_of_text(below(worker, 2) ? "g" : "h"),
                                         (enum share_strategy)below(worker, SHARE_STRATEGY_COUNT),
                                         session, terms, below(worker, 2), &own->member, &id);
    CHECK(rc == RC_OK);
}

static void writer_retained(struct worker *worker)
{
    char text[TOPIC_LEN];
    topic_random(worker, text);
    if (below(worker, 3) == 0) {
        (void)retained_delete(store, worker->record, bytes_of_text(text), NULL);
        return;
    }
    uint64_t version;
    struct item *item = item_create(below(worker, 1000000));
    enum rc rc = retained_set(store, worker->record, bytes_of_text(text), item, 8, NULL, &version);
    CHECK(rc == RC_OK && version > 0);
}

static void *writer_main(void *argument)
{
    struct worker *worker = argument;
    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
        struct own_filter *own = &worker->own[below(worker, OWN_FILTERS)];
        uint32_t dice = below(worker, 3);
        if (dice == 0)
            writer_filter(worker, own);
        else if (dice == 1)
            writer_group(worker, own);
        else
            writer_retained(worker);
        (void)epoch_poll(worker->record);
        worker->steps++;
    }
    return NULL;
}

/* --- part 1, readers --- */

static void check_picks(struct worker *worker, struct share_picker *picker,
                        const struct match_result *result)
{
    for (uint32_t i = 0; i < result->groups_len; i++) {
        const struct share_group *group = result->groups[i].group;
        CHECK(group->name_len == 1 && (group->name[0] == 'g' || group->name[0] == 'h'));
        struct share_pick pick = {.publisher = worker->number,
                                  .publisher_hash = below(worker, 100),
                                  .topic_hash = below(worker, 100),
                                  .shard = (shard_id)worker->number,
                                  .exclude = HANDLE_NONE};
        struct share_round round = {0, 0};
        const struct share_member *member = share_group_pick_rcu(group, picker, &pick, &round);
        if (member == NULL)
            continue; /* the last one is just leaving */
        CHECK(member->group == group);
        CHECK(share_member_terms(member).sub_id == member->session.slot * 3);
    }
}

static void check_result(const struct match_result *result, struct bytes topic)
{
    uint32_t standing_seen = 0;
    for (uint32_t i = 0; i < result->filters_len; i++) {
        struct filter_id id = result->filters[i].id;
        const struct filter *filter = filter_index_by_id_rcu(filters, id);
        CHECK(filter == NULL || filter_id_equal(filter->id, id));
        CHECK(filter == NULL || topic_matches(filter_text(filter), topic));
        for (uint32_t s = 0; s < ARRAY_LEN(standing); s++) {
            if (filter_id_equal(standing_ids[s], id)) {
                CHECK(shard_set_has(&result->filters[i].any, 1));
                standing_seen++;
            }
        }
    }
    uint32_t standing_due = 0;
    for (uint32_t s = 0; s < ARRAY_LEN(standing); s++)
        standing_due += topic_matches(bytes_of_text(standing[s]), topic);
    CHECK(standing_seen == standing_due);
}

static enum retained_verdict reader_visit(void *context, void *value, uint64_t version)
{
    (void)context;
    const struct item *item = value;
    CHECK(item->b == ~item->a);
    CHECK(version > 0);
    return RETAINED_TAKEN;
}

static void reader_retained(struct worker *worker, struct retained_cursor *cursor)
{
    if (cursor->filter == NULL)
        CHECK(retained_cursor_init(cursor, bytes_of_text("+/+/#")) == RC_OK);
    enum rc rc = retained_walk(store, worker->record, cursor, 10, reader_visit, NULL);
    CHECK(rc == RC_OK || rc == RC_MORE);
    if (rc == RC_OK)
        retained_cursor_fini(cursor);
}

static void *reader_main(void *argument)
{
    struct worker *worker = argument;
    struct match_cache_config config = {.index = filters,
                                        .record = worker->record,
                                        .entries_max = MATCH_ENTRIES_FIRST,
                                        .bytes_max = 100000};
    struct match_cache *cache = match_cache_create(&config);
    struct share_picker *picker = share_picker_create(64, worker->random);
    CHECK(cache != NULL && picker != NULL);
    struct retained_cursor cursor = {.filter = NULL};
    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
        epoch_begin(worker->record);
        for (uint32_t i = below(worker, 16); i > 0; i--) {
            char text[TOPIC_LEN];
            topic_random(worker, text);
            struct bytes topic = bytes_of_text(text);
            const struct match_result *result = match_topic(cache, topic,
                                                            filter_index_hash(filters, topic));
            CHECK(result != NULL);
            check_result(result, topic);
            check_picks(worker, picker, result);
            worker->steps++;
        }
        epoch_end(worker->record);
        reader_retained(worker, &cursor);
    }
    retained_cursor_fini(&cursor);
    share_picker_destroy(picker);
    match_cache_destroy(cache);
    return NULL;
}

/* --- part 2 --- */

static pthread_barrier_t barrier;
static _Atomic bool publisher_saw;
static _Atomic bool subscriber_saw;
static struct match_cache *publisher_cache;

static void rendezvous_publish(struct worker *worker)
{
    struct bytes topic = bytes_of_text(ROUNDS_TOPIC);
    uint64_t version;
    struct item *item = item_create(1);
    enum rc rc = retained_set(store, worker->record, topic, item, 8, NULL, &version);
    CHECK(rc == RC_OK);
    epoch_begin(worker->record);
    const struct match_result *result = match_topic(publisher_cache, topic,
                                                    filter_index_hash(filters, topic));
    CHECK(result != NULL);
    atomic_store(&publisher_saw, shard_set_has(&result->any, 7));
    epoch_end(worker->record);
}

static void *rendezvous_main(void *argument)
{
    struct worker *worker = argument;
    struct bytes topic = bytes_of_text(ROUNDS_TOPIC);
    while (true) {
        (void)pthread_barrier_wait(&barrier);
        if (atomic_load(&is_over))
            return NULL;
        struct filter_id id;
        enum rc rc = filter_index_add(
            filters, worker->record,
            bytes_of_text(worker->steps % 2 ? "rendezvous/+" : ROUNDS_TOPIC), 7, false, &id);
        CHECK(rc == RC_OK);
        struct item *item = retained_get(store, worker->record, topic, NULL);
        atomic_store(&subscriber_saw, item != NULL);
        if (item != NULL)
            item_unref(item);
        (void)pthread_barrier_wait(&barrier);
        filter_index_remove(filters, worker->record, id, 7);
        (void)epoch_poll(worker->record);
        worker->steps++;
    }
}

static uint64_t rendezvous(struct worker *publisher, struct worker *subscriber, uint64_t until_ns,
                           uint64_t (*now_ns)(void))
{
    uint64_t rounds = 0;
    struct match_cache_config config = {.index = filters,
                                        .record = publisher->record,
                                        .entries_max = MATCH_ENTRIES_FIRST,
                                        .bytes_max = 100000};
    publisher_cache = match_cache_create(&config);
    CHECK(publisher_cache != NULL);
    CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
    CHECK(pthread_create(&subscriber->thread, NULL, rendezvous_main, subscriber) == 0);
    while (now_ns() < until_ns) {
        (void)pthread_barrier_wait(&barrier);
        rendezvous_publish(publisher);
        (void)pthread_barrier_wait(&barrier);
        CHECK(atomic_load(&publisher_saw) || atomic_load(&subscriber_saw));
        enum rc rc = retained_delete(store, publisher->record, bytes_of_text(ROUNDS_TOPIC), NULL);
        CHECK(rc == RC_OK);
        (void)epoch_poll(publisher->record);
        rounds++;
    }
    atomic_store(&is_over, true);
    (void)pthread_barrier_wait(&barrier);
    CHECK(pthread_join(subscriber->thread, NULL) == 0);
    match_cache_destroy(publisher_cache);
    return rounds;
}

/* --- main --- */

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void set_up(uint64_t seed)
{
    struct hash_key key = {.words = {seed | 1, ~seed | 1}};
    struct filter_index_config index_config = {.key = key,
                                               .shard_count = SHARDS,
                                               .shapes_per_level_max = FILTER_SHAPES_USUAL,
                                               .filters_max = UINT64_MAX,
                                               .bytes_max = UINT64_MAX};
    struct retained_config store_config = {.key = key,
                                           .count_max = UINT64_MAX,
                                           .bytes_max = UINT64_MAX,
                                           .ops = {.ref = item_ref, .unref = item_unref}};
    domain = epoch_create();
    filters = filter_index_create(&index_config);
    store = retained_create(&store_config);
    CHECK(domain != NULL && filters != NULL && store != NULL);
}

static void clear(struct worker *worker)
{
    for (uint32_t i = 0; i < OWN_FILTERS; i++) {
        struct own_filter *own = &worker->own[i];
        if (own->is_in)
            filter_index_remove(filters, worker->record, own->id, own->shard);
        if (own->member != NULL)
            filter_index_group_leave(filters, worker->record, own->member);
    }
}

static void churn(struct worker *workers, uint64_t milliseconds)
{
    for (uint32_t s = 0; s < ARRAY_LEN(standing); s++) {
        enum rc rc = filter_index_add(filters, workers[0].record, bytes_of_text(standing[s]), 1,
                                      false, &standing_ids[s]);
        CHECK(rc == RC_OK);
    }
    for (uint32_t i = 0; i < READERS + WRITERS; i++) {
        void *(*thread_main)(void *) = i < WRITERS ? writer_main : reader_main;
        CHECK(pthread_create(&workers[i].thread, NULL, thread_main, &workers[i]) == 0);
    }
    struct timespec pause = {.tv_sec = (time_t)(milliseconds / 1000),
                             .tv_nsec = (long)(milliseconds % 1000) * 1000000};
    (void)nanosleep(&pause, NULL);
    atomic_store(&is_over, true);
    for (uint32_t i = 0; i < READERS + WRITERS; i++)
        CHECK(pthread_join(workers[i].thread, NULL) == 0);
    for (uint32_t i = 0; i < WRITERS; i++)
        clear(&workers[i]);
    for (uint32_t s = 0; s < ARRAY_LEN(standing); s++)
        filter_index_remove(filters, workers[0].record, standing_ids[s], 1);
    struct filter_index_figures figures;
    filter_index_figures(filters, &figures);
    CHECK(figures.filters == 0 && figures.nodes == 1 && figures.groups == 0);
}

int main(int argc, char **argv)
{
    static struct worker workers[READERS + WRITERS];
    uint64_t milliseconds = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : clock_ns();
    printf("milliseconds %llu seed %llu\n", (unsigned long long)milliseconds,
           (unsigned long long)seed);
    fflush(stdout);
    set_up(seed);
    for (uint32_t i = 0; i < READERS + WRITERS; i++) {
        workers[i].record = epoch_register(domain);
        workers[i].random = seed + i;
        workers[i].number = i;
        CHECK(workers[i].record != NULL);
    }
    churn(workers, milliseconds / 2);
    atomic_store(&is_over, false);
    uint64_t until_ns = clock_ns() + milliseconds / 2 * 1000000;
    uint64_t rounds = rendezvous(&workers[0], &workers[1], until_ns, clock_ns);
    for (uint32_t i = 0; i < READERS + WRITERS; i++)
        printf("%s %llu steps\n", i < WRITERS ? "writer" : "reader",
               (unsigned long long)workers[i].steps);
    printf("rendezvous %llu rounds\n", (unsigned long long)rounds);
    epoch_destroy(domain);
    retained_destroy(store);
    filter_index_destroy(filters);
    CHECK(atomic_load(&items_alive) == 0);
    return 0;
}
