/*
 * model_session_subs.c -- the subscriptions of a session against a plain list
 * (route/session_subs.h).
 *
 * The twin is an unordered array searched from its start. Filters come from a small space, so that
 * generations of one slot and groups of one filter stand beside each other; the size wanders
 * between nothing and some thousands, so that the index comes and goes; allocations fail.
 */
#include "../model_args.h"
#include "mem.h"
#include "session_subs.h"

#define SLOTS      1000
#define GROUPS     3
#define TWINS_MAX  8192
#define CHECK_EACH 128 /* steps between two full comparisons */

static struct model_args args;
static struct session_subs subs;
static struct session_sub twins[TWINS_MAX];
static uint32_t num_twins;

static struct share_group groups[GROUPS];
static struct share_member members[GROUPS];

static uint64_t group_of(const struct session_sub *sub)
{
    return sub->member == NULL ? 0 : sub->member->group->number;
}

static int32_t twin_find(struct filter_id id, uint64_t group)
{
    for (uint32_t i = 0; i < num_twins; i++)
        if (filter_id_equal(twins[i].id, id) && group_of(&twins[i]) == group)
            return (int32_t)i;
    return -1;
}

static struct session_sub random_sub(void)
{
    uint32_t kind = model_below(&args, 2 * GROUPS);
    return (struct session_sub){
        .id = {.slot = model_below(&args, SLOTS), .generation = 1 + model_below(&args, 2)},
        .position = (uint32_t)model_random(&args),
        .options = model_below(&args, 16),
        .member = kind < GROUPS ? &members[kind] : NULL,
    };
}

static void compare_one(const struct session_sub *sub, const struct session_sub *twin)
{
    CHECK(sub != NULL && filter_id_equal(sub->id, twin->id) && sub->member == twin->member);
    CHECK(sub->position == twin->position && sub->options == twin->options);
}

static void compare_all(void)
{
    CHECK(subs.count == num_twins && subs.count <= subs.capacity);
    CHECK((subs.index != NULL) == (subs.capacity > SESSION_SUBS_LINEAR));
    for (uint32_t i = 0; i < num_twins; i++)
        compare_one(session_subs_find(&subs, twins[i].id, group_of(&twins[i])), &twins[i]);
}

static void step_add(void)
{
    struct session_sub sub = random_sub();
    int32_t twin = twin_find(sub.id, group_of(&sub));
    struct session_sub *found = session_subs_find(&subs, sub.id, group_of(&sub));
    if (twin >= 0) {
        compare_one(found, &twins[twin]);
        found->options = twins[twin].options = sub.options;
        return;
    }
    CHECK(found == NULL);
    if (num_twins == TWINS_MAX)
        return;
    bool must_fail = model_below(&args, 20) == 0 && mem_fail_after(model_below(&args, 2));
    enum rc rc = session_subs_add(&subs, &sub);
    mem_fail_after(UINT64_MAX);
    CHECK(rc == RC_OK || (rc == RC_NO_MEMORY && must_fail));
    if (rc == RC_OK)
        twins[num_twins++] = sub;
    else
        CHECK(session_subs_find(&subs, sub.id, group_of(&sub)) == NULL);
}

static void step_remove(void)
{
    if (num_twins == 0)
        return;
    uint32_t twin = model_below(&args, num_twins);
    struct session_sub *sub = session_subs_find(&subs, twins[twin].id, group_of(&twins[twin]));
    compare_one(sub, &twins[twin]);
    uint32_t position = session_subs_position(&subs, sub);
    uint32_t last = subs.count - 1;
    struct session_sub tail = subs.items[last];
    struct session_sub *moved = session_subs_remove(&subs, position);
    CHECK((moved == NULL) == (position == last));
    if (moved != NULL) {
        CHECK(moved == &subs.items[position]);
        compare_one(moved, &tail);
    }
    twins[twin] = twins[--num_twins];
}

int main(int argc, char **argv)
{
    args = model_args_of(argc, argv, 20000);
    for (uint32_t i = 0; i < GROUPS; i++) {
        groups[i].number = i + 1;
        members[i].group = &groups[i];
    }
    uint32_t percent_add = 50;
    for (uint64_t step = 0; step < args.steps; step++) {
        if (model_below(&args, 2000) == 0)
            percent_add = 10 + 20 * model_below(&args, 5);
        if (model_below(&args, 100) < percent_add)
            step_add();
        else
            step_remove();
        if (step % CHECK_EACH == 0)
            compare_all();
    }
    while (num_twins > 0)
        step_remove();
    compare_all();
    CHECK(subs.items == NULL && subs.index == NULL);
    return 0;
}
