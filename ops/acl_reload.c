/*
 * acl_reload.c -- access rules as a part of a reload: read and compiled anew, then one pointer
 * replaced; the old rules live until every shard has taken the new ones.
 *
 * Threads: the ops thread.
 */
#include "acl_load.h"
#include "broker.h"
#include "reload_table.h"

static bool acl_reload_prepare(struct broker *broker, const struct config *next,
                               struct error_list *errors, void **out_state)
{
    (void)broker;
    *out_state = acl_load(next, errors);
    return *out_state != NULL;
}

static void *acl_reload_commit(struct broker *broker, void *state)
{
    struct acl_set *old = broker->acl;
    broker->acl = state;
    __atomic_store_n(&broker->route.acl, broker->acl, __ATOMIC_RELEASE);
    return old;
}

static void acl_reload_dispose(struct broker *broker, void *state)
{
    (void)broker;
    acl_set_destroy(state);
}

const struct reload_part reload_part_acl = {.name = "acl",
                                            .prepare = acl_reload_prepare,
                                            .commit = acl_reload_commit,
                                            .dispose = acl_reload_dispose};
