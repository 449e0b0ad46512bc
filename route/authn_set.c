/*
 * authn_set.c -- sets of chains of steps: construction and counting (authn.h, authn_set.h).
 *
 * A set is some 5 KB and exists once or, around a reload, twice; steps are shared between the old
 * and the new one where nothing has changed.
 *
 * Threads: see authn_set.h.
 */
#include "authn_set.h"

#include "alloc.h"

struct authn_set *authn_set_create(bool allow_anonymous)
{
    struct authn_set *set = alloc_zeroed(sizeof(*set));
    if (set == NULL)
        return NULL;
    set->magic = AUTHN_SET_MAGIC;
    set->refs = 1;
    set->allow_anonymous = allow_anonymous;
    return set;
}

struct authn_set *authn_set_ref(struct authn_set *set)
{
    CHECK_OBJ(set, AUTHN_SET_MAGIC);
    uint32_t before = __atomic_fetch_add(&set->refs, 1, __ATOMIC_RELAXED);
    CHECK(before > 0);
    return set;
}

struct authn_step *authn_step_ref(struct authn_step *step)
{
    uint32_t before = __atomic_fetch_add(&step->refs, 1, __ATOMIC_RELAXED);
    CHECK(before > 0);
    return step;
}

void authn_step_unref(struct authn_step *step)
{
    if (step == NULL)
        return;
    uint32_t before = __atomic_fetch_sub(&step->refs, 1, __ATOMIC_ACQ_REL);
    CHECK(before > 0);
    if (before == 1)
        step->ops->destroy(step);
}

void authn_set_unref(struct authn_set *set)
{
    if (set == NULL)
        return;
    CHECK_OBJ(set, AUTHN_SET_MAGIC);
    if (__atomic_fetch_sub(&set->refs, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    for (unsigned i = 0; i <= AUTHN_LISTENERS_MAX; i++)
        for (uint32_t j = 0; j < set->chains[i].num; j++)
            authn_step_unref(set->chains[i].steps[j]);
    set->magic = 0;
    mem_free(set);
}

enum rc authn_set_add(struct authn_set *set, unsigned listener, struct authn_step *step)
{
    CHECK_OBJ(set, AUTHN_SET_MAGIC);
    CHECK(listener <= AUTHN_LISTENERS_MAX && step != NULL);
    struct authn_chain *chain = &set->chains[listener];
    if (chain->num == AUTHN_STEPS_MAX)
        return RC_FULL;
    chain->steps[chain->num++] = step;
    return RC_OK;
}

struct authn_set *authn_set_with(const struct authn_set *set, const struct authn_step *old,
                                 struct authn_step *fresh)
{
    CHECK_OBJ(set, AUTHN_SET_MAGIC);
    struct authn_set *made = authn_set_create(set->allow_anonymous);
    if (made == NULL)
        return NULL;
    for (unsigned i = 0; i <= AUTHN_LISTENERS_MAX; i++) {
        made->chains[i].num = set->chains[i].num;
        for (uint32_t j = 0; j < set->chains[i].num; j++) {
            struct authn_step *step = set->chains[i].steps[j];
            made->chains[i].steps[j] = authn_step_ref(step == old ? fresh : step);
        }
    }
    authn_step_unref(fresh);
    return made;
}

const struct authn_step *authn_set_next(const struct authn_set *set, uint32_t *cursor)
{
    CHECK_OBJ(set, AUTHN_SET_MAGIC);
    while (*cursor < (AUTHN_LISTENERS_MAX + 1) * AUTHN_STEPS_MAX) {
        uint32_t at = (*cursor)++;
        const struct authn_chain *chain = &set->chains[at / AUTHN_STEPS_MAX];
        if (at % AUTHN_STEPS_MAX < chain->num)
            return chain->steps[at % AUTHN_STEPS_MAX];
    }
    return NULL;
}
