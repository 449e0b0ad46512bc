/*
 * retained_fixture.h -- a retained index whose values are counted, for tests.
 */
#ifndef SLUICE_RETAINED_FIXTURE_H
#define SLUICE_RETAINED_FIXTURE_H

#include "mem.h"
#include "retained.h"

#include <stdlib.h>

struct item {
    int refs;
    uint32_t number;
};

static struct epoch *domain;
static struct epoch_record *record;
static struct retained *store;
static int items_alive;

static void item_ref(void *value)
{
    ((struct item *)value)->refs++;
}

static void item_unref(void *value)
{
    struct item *item = value;
    if (--item->refs == 0) {
        items_alive--;
        free(item);
    }
}

static inline struct item *item_create(uint32_t number)
{
    struct item *item = malloc(sizeof *item);
    *item = (struct item){.refs = 1, .number = number};
    items_alive++;
    return item;
}

static inline int fixture_set_up(void **state)
{
    (void)state;
    static const struct retained_config config = {
        .key = {.words = {0x1234567, 0x89abcdef}},
        .count_max = UINT64_MAX,
        .bytes_max = UINT64_MAX,
        .ops = {.ref = item_ref, .unref = item_unref},
    };
    domain = epoch_create();
    record = epoch_register(domain);
    store = retained_create(&config);
    return store == NULL;
}

/* Every reference must be gone in the end. */
static inline int fixture_tear_down(void **state)
{
    (void)state;
    (void)mem_fail_after(UINT64_MAX);
    epoch_destroy(domain);
    retained_destroy(store);
    int alive = items_alive;
    items_alive = 0;
    return alive;
}

static inline uint64_t fixture_set(const char *topic, uint32_t number)
{
    uint64_t version = 0;
    struct item *item = item_create(number);
    enum rc rc = retained_set(store, record, bytes_of_text(topic), item, 100, NULL, &version);
    if (rc != RC_OK)
        item_unref(item);
    return rc == RC_OK ? version : 0;
}

/* The number under the topic, or -1. */
static inline int64_t fixture_get(const char *topic)
{
    struct item *item = retained_get(store, record, bytes_of_text(topic), NULL);
    if (item == NULL)
        return -1;
    int64_t number = item->number;
    item_unref(item);
    return number;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

#endif
