/*
 * model_retained.c -- retained values and sliced walks against plain arrays (route/retained.h).
 *
 * The twin is an array of topics, each with the number, version and "life" of its value. Several
 * walks are under way at any time, each advanced by a random budget and sometimes put off by its
 * visitor, while values are set, replaced and deleted between the slices. Invariants:
 *   - get answers what the twin has; versions of a topic rise, also across deletion;
 *   - a walk visits only topics that match; exactly once those whose life spans the whole walk; no
 *     life twice;
 *   - the count agrees; at the end every reference is gone.
 */
#include "../model_args.h"
#include "retained.h"
#include "topic.h"

#define TOPICS 500
#define WALKS  5

struct item {
    uint32_t refs;
    uint32_t topic;
    uint32_t number;
    uint64_t life; /* of the topic, from set to deletion */
};

struct twin {
    char text[48];
    bool is_set;
    uint32_t number;
    uint64_t version;
    uint64_t life;
};

struct walk {
    bool is_open;
    char filter[48];
    struct retained_cursor cursor;
    uint64_t seen[TOPICS]; /* the life visited last, 0: none */
    bool was_set[TOPICS];  /* at the start, with `life_then` */
    uint64_t life_then[TOPICS];
    uint32_t patience;
};

static struct model_args args;
static struct twin twins[TOPICS];
static struct walk walks[WALKS];
static struct epoch *domain;
static struct epoch_record *record;
static struct retained *store;
static int64_t items_alive;
static uint64_t lives;
static uint64_t walks_done;
static uint64_t visits_total;

static void item_ref(void *value)
{
    ((struct item *)value)->refs++;
}

static void item_unref(void *value)
{
    struct item *item = value;
    CHECK(item->refs > 0);
    if (--item->refs == 0) {
        items_alive--;
        free(item);
    }
}

static void text_random(char *text, bool is_filter)
{
    static const char *const literals[] = {"a", "b", "", "dev", "x1", "x2", "x3", "$s"};
    uint32_t levels = 1 + model_below(&args, 5);
    size_t len = 0;
    for (uint32_t i = 0; i < levels; i++) {
        const char *level = literals[model_below(&args, i == 0 ? 8 : 7)];
        uint32_t dice = model_below(&args, 10);
        if (is_filter && dice < 4)
            level = "+";
        if (is_filter && dice >= 6 && i + 1 == levels)
            level = "#";
        len += (size_t)snprintf(text + len, 48 - len, "%s%s", i > 0 ? "/" : "", level);
    }
    if (len == 0)
        snprintf(text, 48, "/");
}

static void twins_create(void)
{
    for (uint32_t i = 0; i < TOPICS; i++) {
        bool is_known = true;
        while (is_known) {
            text_random(twins[i].text, false);
            is_known = false;
            for (uint32_t k = 0; k < i; k++)
                is_known |= strcmp(twins[i].text, twins[k].text) == 0;
            if (is_known && model_below(&args, 50) == 0)
                snprintf(twins[i].text, sizeof twins[i].text, "only/%u", i);
        }
    }
}

static void step_set(uint32_t topic)
{
    struct twin *twin = &twins[topic];
    struct item *item = malloc(sizeof *item);
    CHECK(item != NULL);
    items_alive++;
    if (!twin->is_set)
        twin->life = ++lives;
    twin->number++;
    *item = (struct item){1, topic, twin->number, twin->life};
    uint64_t version;
    enum rc rc = retained_set(store, record, bytes_of_text(twin->text), item, 10, NULL, &version);
    CHECK(rc == RC_OK);
    CHECK(version > twin->version);
    CHECK(!twin->is_set || version == twin->version + 1);
    twin->is_set = true;
    twin->version = version;
}

static void step_delete(uint32_t topic)
{
    struct twin *twin = &twins[topic];
    struct bytes text = bytes_of_text(twin->text);
    uint64_t version = 0;
    if (model_below(&args, 4) == 0) {
        CHECK(retained_delete_if(store, record, text, twin->version + 1, &version) == RC_NOT_FOUND);
        return;
    }
    enum rc rc = model_below(&args, 2) == 0
                     ? retained_delete(store, record, text, &version)
                     : retained_delete_if(store, record, text, twin->version | !twin->version,
                                          &version);
    CHECK((rc == RC_OK) == twin->is_set);
    if (rc == RC_OK) {
        CHECK(version > twin->version);
        twin->version = version;
    }
    twin->is_set = false;
}

static void step_get(uint32_t topic)
{
    const struct twin *twin = &twins[topic];
    uint64_t version = 0;
    struct item *item = retained_get(store, record, bytes_of_text(twin->text), &version);
    CHECK((item != NULL) == twin->is_set);
    if (item == NULL)
        return;
    CHECK(item->topic == topic && item->number == twin->number);
    CHECK(version == twin->version);
    item_unref(item);
}

static enum retained_verdict walk_visit(void *context, void *value, uint64_t version)
{
    struct walk *walk = context;
    const struct item *item = value;
    struct twin *twin = &twins[item->topic];
    if (walk->patience == 0)
        return RETAINED_NOT_NOW;
    walk->patience--;
    CHECK(twin->is_set && twin->version == version && twin->number == item->number);
    CHECK(topic_matches(bytes_of_text(walk->filter), bytes_of_text(twin->text)));
    CHECK(walk->seen[item->topic] != item->life);
    walk->seen[item->topic] = item->life;
    visits_total++;
    if (model_below(&args, 50) != 0)
        return RETAINED_TAKEN;
    twin->is_set = false;
    twin->version++;
    return RETAINED_DELETE;
}

static void walk_open(struct walk *walk)
{
    text_random(walk->filter, true);
    enum rc rc = retained_cursor_init(&walk->cursor, bytes_of_text(walk->filter));
    CHECK(rc == RC_OK);
    walk->is_open = true;
    for (uint32_t i = 0; i < TOPICS; i++) {
        walk->seen[i] = 0;
        walk->was_set[i] = twins[i].is_set;
        walk->life_then[i] = twins[i].life;
    }
}

static void walk_close(struct walk *walk)
{
    for (uint32_t i = 0; i < TOPICS; i++) {
        const struct twin *twin = &twins[i];
        bool throughout = walk->was_set[i] && twin->is_set && twin->life == walk->life_then[i];
        if (throughout && topic_matches(bytes_of_text(walk->filter), bytes_of_text(twin->text)))
            CHECK(walk->seen[i] == twin->life);
    }
    retained_cursor_fini(&walk->cursor);
    walk->is_open = false;
    walks_done++;
}

static void step_walk(struct walk *walk)
{
    if (!walk->is_open)
        walk_open(walk);
    walk->patience = model_below(&args, 8) == 0 ? model_below(&args, 3) : UINT32_MAX;
    uint32_t budget = 1 + model_below(&args, model_below(&args, 10) == 0 ? 500 : 12);
    enum rc rc = retained_walk(store, record, &walk->cursor, budget, walk_visit, walk);
    CHECK(rc == RC_OK || rc == RC_MORE);
    if (rc == RC_OK)
        walk_close(walk);
}

static void check_count(void)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < TOPICS; i++)
        count += twins[i].is_set;
    CHECK(retained_count(store) == count);
}

int main(int argc, char **argv)
{
    args = model_args_of(argc, argv, 200000);
    struct retained_config config = {.key = {.words = {args.seed | 1, ~args.seed | 1}},
                                     .count_max = UINT64_MAX,
                                     .bytes_max = UINT64_MAX,
                                     .ops = {.ref = item_ref, .unref = item_unref}};
    domain = epoch_create();
    record = epoch_register(domain);
    store = retained_create(&config);
    CHECK(store != NULL);
    twins_create();
    for (uint64_t step = 0; step < args.steps; step++) {
        uint32_t dice = model_below(&args, 100);
        /* The store swells and shrinks. */
        bool is_ebb = step / 5000 % 2 == 1;
        uint32_t topic = model_below(&args, TOPICS);
        if (dice < (is_ebb ? 15u : 40u))
            step_set(topic);
        else if (dice < 55)
            step_delete(topic);
        else if (dice < 65)
            step_get(topic);
        else
            step_walk(&walks[model_below(&args, WALKS)]);
        if (dice % 16 == 0)
            (void)epoch_poll(record);
        if (step % 1000 == 0)
            check_count();
    }
    for (uint32_t i = 0; i < WALKS; i++)
        retained_cursor_fini(&walks[i].cursor);
    printf("walks %llu visits %llu\n", (unsigned long long)walks_done,
           (unsigned long long)visits_total);
    CHECK(args.steps < 10000 || (walks_done > 100 && visits_total > 1000));
    epoch_destroy(domain);
    retained_destroy(store);
    CHECK(items_alive == 0);
    return 0;
}
