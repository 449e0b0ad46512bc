/*
 * model_subtable.c -- subscribers of a shard against a matrix (route/subtable.h).
 *
 * Some sessions, some filters; the twin is one cell for each pair, with what the subscription says.
 * Sessions join and leave filters, a session ends with all it has, a filter dies and its slot comes
 * back with the next generation. Both ends are kept in step as subscribe.c does. Invariants:
 *   - an entry exists exactly if the twin has a subscriber, with as many and with the same words;
 *   - a subscriber names its record in the session, and the record its place in the entry;
 *   - as long as `changes` is the same, so are the places of all entries;
 *   - an old generation finds nothing; the table is at most half full; nothing is left at the end.
 */
#include "../model_args.h"
#include "mem.h"
#include "session.h"
#include "subtable.h"

#define SESSIONS   30
#define FILTERS    400
#define CHECK_EACH 256 /* steps between two full comparisons */

struct cell {
    uint32_t sub_id; /* 0: not subscribed */
    uint32_t options;
};

static struct model_args args;
static struct subtable table;
static struct session sessions[SESSIONS];
static struct cell cells[FILTERS][SESSIONS];
static uint32_t counts[FILTERS];
static uint32_t generations[FILTERS];
static struct subtable_entry *places[FILTERS]; /* when `changes` was `places_changes` */
static uint64_t places_changes;

static struct filter_id id_of(uint32_t filter)
{
    return (struct filter_id){.slot = filter * 3, .generation = generations[filter]};
}

static void compare_cell(uint32_t filter, uint32_t session)
{
    const struct cell *cell = &cells[filter][session];
    struct session_subs *subs = &sessions[session].subs;
    struct session_sub *sub = session_subs_find(subs, id_of(filter), 0);
    CHECK((sub != NULL) == (cell->sub_id != 0));
    if (sub == NULL)
        return;
    struct subtable_entry *entry = subtable_find(&table, id_of(filter));
    CHECK(entry != NULL && entry->count == counts[filter] && sub->position < entry->count);
    const struct subscriber *subscriber = &subtable_subscribers(entry)[sub->position];
    CHECK(subscriber->session == &sessions[session]);
    CHECK(subscriber->sub_index == session_subs_position(subs, sub));
    CHECK(subscriber->sub_id == cell->sub_id && subscriber->options == cell->options);
}

static void compare_places(void)
{
    bool same = places_changes == table.changes;
    places_changes = table.changes;
    for (uint32_t filter = 0; filter < FILTERS; filter++) {
        struct subtable_entry *entry = subtable_find(&table, id_of(filter));
        CHECK(!same || places[filter] == entry);
        places[filter] = entry;
    }
}

static void compare_all(void)
{
    uint32_t used = 0;
    for (uint32_t filter = 0; filter < FILTERS; filter++) {
        used += counts[filter] > 0;
        CHECK((subtable_find(&table, id_of(filter)) != NULL) == (counts[filter] > 0));
        struct filter_id old = id_of(filter);
        old.generation--;
        CHECK(subtable_find(&table, old) == NULL);
        for (uint32_t session = 0; session < SESSIONS; session++)
            compare_cell(filter, session);
    }
    CHECK(table.count == used);
    CHECK(table.entries == NULL || table.count * 2 <= table.mask + 1);
}

static void join(uint32_t filter, uint32_t session)
{
    struct cell *cell = &cells[filter][session];
    compare_cell(filter, session);
    if (cell->sub_id != 0)
        return;
    struct cell wanted = {.sub_id = 1 + model_below(&args, 1000),
                          .options = model_below(&args, 16)};
    struct session_sub sub = {.id = id_of(filter)};
    struct subscriber subscriber = {.session = &sessions[session],
                                    .sub_id = wanted.sub_id,
                                    .sub_index = sessions[session].subs.count & 0xffffff,
                                    .options = wanted.options & 0xff};
    bool must_fail = model_below(&args, 20) == 0 && mem_fail_after(0);
    enum rc rc = subtable_add(&table, id_of(filter), &subscriber, &sub.position);
    mem_fail_after(UINT64_MAX);
    CHECK(rc == RC_OK || (rc == RC_NO_MEMORY && must_fail));
    if (rc != RC_OK) {
        compare_cell(filter, session);
        return;
    }
    rc = session_subs_add(&sessions[session].subs, &sub);
    CHECK(rc == RC_OK);
    *cell = wanted;
    counts[filter]++;
    compare_cell(filter, session);
}

static void leave(uint32_t filter, uint32_t session)
{
    if (cells[filter][session].sub_id == 0)
        return;
    struct session_subs *subs = &sessions[session].subs;
    struct session_sub *sub = session_subs_find(subs, id_of(filter), 0);
    CHECK(sub != NULL);
    bool must_fail = model_below(&args, 20) == 0 && mem_fail_after(0); /* shrinking is optional */
    uint32_t left = subtable_remove(&table, id_of(filter), sub->position);
    mem_fail_after(UINT64_MAX);
    (void)must_fail;
    CHECK(left == counts[filter] - 1);
    struct session_sub *moved = session_subs_remove(subs, session_subs_position(subs, sub));
    if (moved != NULL) {
        struct subtable_entry *entry = subtable_find(&table, moved->id);
        CHECK(entry != NULL);
        subtable_subscribers(entry)[moved->position].sub_index = session_subs_position(subs,
                                                                                       moved) &
                                                                 0xffffff;
    }
    cells[filter][session].sub_id = 0;
    counts[filter] = left;
    if (left > 0)
        return;
    CHECK(subtable_find(&table, id_of(filter)) == NULL);
    generations[filter]++; /* the slot's next filter */
    CHECK(subtable_find(&table, id_of(filter)) == NULL);
}

static void leave_all(uint32_t session)
{
    for (uint32_t filter = 0; filter < FILTERS; filter++)
        leave(filter, session);
    CHECK(sessions[session].subs.count == 0);
}

int main(int argc, char **argv)
{
    args = model_args_of(argc, argv, 30000);
    for (uint32_t filter = 0; filter < FILTERS; filter++)
        generations[filter] = 1;
    uint32_t percent_join = 50;
    for (uint64_t step = 0; step < args.steps; step++) {
        /* A few filters have most of the subscribers. */
        uint32_t filter = model_below(&args, 1 + model_below(&args, FILTERS));
        uint32_t session = model_below(&args, SESSIONS);
        if (model_below(&args, 4000) == 0)
            percent_join = 10 + 20 * model_below(&args, 5);
        if (model_below(&args, 100) < percent_join)
            join(filter, session);
        else
            leave(filter, session);
        if (model_below(&args, 2000) == 0)
            leave_all(session);
        if (step % CHECK_EACH == 0)
            compare_all();
        if (step % CHECK_EACH < 8)
            compare_places();
    }
    for (uint32_t session = 0; session < SESSIONS; session++)
        leave_all(session);
    compare_all();
    subtable_fini(&table);
    return 0;
}
