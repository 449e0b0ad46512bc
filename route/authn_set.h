/*
 * authn_set.h -- the inside of a set of chains (authn.h), for those who walk it.
 *
 * A listener without a chain of its own has that of all listeners. A chain of its own with no step
 * in it cannot be made: a listener whose clients are not asked is one whose chain of all is empty.
 *
 * Threads: a set never changes once others see it; the counts are atomic.
 */
#ifndef SLUICE_AUTHN_SET_H
#define SLUICE_AUTHN_SET_H

#include "authn.h"

#define AUTHN_SET_MAGIC 0x41555345u

struct authn_chain {
    uint32_t num;                              /* [I] */
    struct authn_step *steps[AUTHN_STEPS_MAX]; /* [I] counted */
};

struct authn_set {
    uint32_t magic;                                     /* [I] */
    uint32_t refs;                                      /* [A] */
    bool allow_anonymous;                               /* [I] */
    struct authn_chain chains[AUTHN_LISTENERS_MAX + 1]; /* [I] the last is that of all listeners */
};

static inline const struct authn_chain *authn_set_chain(const struct authn_set *set,
                                                        unsigned listener)
{
    CHECK_OBJ(set, AUTHN_SET_MAGIC);
    CHECK(listener < AUTHN_LISTENERS_MAX);
    const struct authn_chain *own = &set->chains[listener];
    return own->num > 0 ? own : &set->chains[AUTHN_ALL_LISTENERS];
}

static inline bool authn_set_allows_anonymous(const struct authn_set *set)
{
    CHECK_OBJ(set, AUTHN_SET_MAGIC);
    return set->allow_anonymous;
}

#endif
