/*
 * micro_retained.c -- walking the retained index, a value an operation, by number of topics in it.
 *
 * Topics are "site/S/device/D/state"; a `#` visits every node, with or without a value, and
 * "site/+/device/+/state" names the same topics level by level. Slices are as long as those of the
 * broker (feed.c).
 *
 * Threads: one.
 */
#include "micro.h"
#include "retained.h"

#include <stdio.h>
#include <stdlib.h>

#define RETAINED_SLICE 512

struct retained_setup {
    struct epoch *domain;
    struct epoch_record *record;
    struct retained *store;
    struct retained_cursor cursor;
    struct bytes filter;
    uint64_t values;
};

/* Values are numbers. */
static void retained_nothing(void *value)
{
    (void)value;
}

static struct retained_setup *retained_setup(int64_t num, const char *filter)
{
    struct retained_setup *setup = calloc(1, sizeof(*setup));
    CHECK(setup != NULL);
    setup->domain = epoch_create();
    CHECK(setup->domain != NULL);
    setup->record = epoch_register(setup->domain);
    CHECK(setup->record != NULL);
    setup->store = retained_create(
        &(struct retained_config){.key = {{0x0123456789abcdef, 0xfedcba9876543211}},
                                  .count_max = UINT64_MAX,
                                  .bytes_max = UINT64_MAX,
                                  .ops = {.ref = retained_nothing, .unref = retained_nothing}});
    CHECK(setup->store != NULL);
    setup->filter = bytes_of_text(filter);
    for (int64_t i = 0; i < num; i++) {
        char topic[64];
        uint64_t version;
        snprintf(topic, sizeof(topic), "site/%u/device/%u/state", (unsigned)(i % 1000),
                 (unsigned)i);
        enum rc rc = retained_set(setup->store, setup->record, bytes_of_text(topic),
                                  (void *)(uintptr_t)(i + 1), 100, NULL, &version);
        CHECK(rc == RC_OK);
        if (i % 1024 == 0)
            epoch_poll(setup->record);
    }
    CHECK(retained_cursor_init(&setup->cursor, setup->filter) == RC_OK);
    return setup;
}

static void *retained_all_setup(int64_t num)
{
    return retained_setup(num, "#");
}

static void *retained_levels_setup(int64_t num)
{
    return retained_setup(num, "site/+/device/+/state");
}

static void retained_teardown(void *context)
{
    struct retained_setup *setup = context;
    retained_cursor_fini(&setup->cursor);
    epoch_unregister(setup->record);
    retained_destroy(setup->store);
    epoch_destroy(setup->domain);
    free(setup);
}

static enum retained_verdict retained_visitor(void *context, void *value, uint64_t version)
{
    struct retained_setup *setup = context;
    micro_keep((uintptr_t)value + version);
    setup->values++;
    return RETAINED_TAKEN;
}

/* `num` values taken; a walk that ends begins again. */
static void retained_run(void *context, uint64_t num)
{
    struct retained_setup *setup = context;
    setup->values = 0;
    while (setup->values < num) {
        enum rc rc = retained_walk(setup->store, setup->record, &setup->cursor, RETAINED_SLICE,
                                   retained_visitor, setup);
        CHECK(rc != RC_NO_MEMORY);
        if (rc == RC_MORE)
            continue;
        retained_cursor_fini(&setup->cursor);
        CHECK(retained_cursor_init(&setup->cursor, setup->filter) == RC_OK);
    }
}

#define RETAINED_CASE(case_name, setup_function)                                                   \
    {                                                                                              \
        .name = case_name, .setup = setup_function, .run = retained_run,                           \
        .teardown = retained_teardown, .arguments = {1000, 100000, 1000000}, .num_arguments = 3    \
    }

static const struct micro_case retained_cases[] = {
    RETAINED_CASE("retained_walk_all", retained_all_setup),
    RETAINED_CASE("retained_walk_levels", retained_levels_setup),
};

const struct micro_suite micro_retained = {retained_cases, ARRAY_LEN(retained_cases)};
