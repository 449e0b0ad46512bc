/*
 * access.c -- see access.h.
 * Threads: see access.h.
 */
#include "access.h"

#include "broker.h"
#include "password.h"
#include "reload_table.h"

struct authn_set *access_create(const struct config *config, struct error_list *errors)
{
    if (!password_start()) {
        error_list_add(errors, "the machine gives no random numbers");
        return NULL;
    }
    struct authn_set *set = authn_set_create(config->access.allow_anonymous);
    if (set == NULL)
        error_list_add(errors, "%s", rc_text(RC_NO_MEMORY));
    return set;
}

unsigned access_workers(const struct config *config, unsigned shards)
{
    unsigned num = config->access.auth_workers != 0 ? config->access.auth_workers
                                                    : (shards + 1) / 2;
    return num < ACCESS_WORKERS_MAX ? num : ACCESS_WORKERS_MAX;
}

void access_prepare(struct broker *broker, shard_id first)
{
    struct route_shared *route = &broker->route;
    unsigned per_shard = broker->config->access.auth_queue / route->shards;
    route->authn_workers_first = first;
    route->authn_workers_num = (uint16_t)broker->access.workers_num;
    route->authn_helper = (shard_id)(first + broker->access.workers_num);
    route->authn_away_max = per_shard > 0 ? per_shard : 1;
}

enum rc access_start(struct broker *broker)
{
    struct access *access = &broker->access;
    while (access->workers_started < access->workers_num) {
        unsigned i = access->workers_started;
        shard_id endpoint = (shard_id)(broker->route.authn_workers_first + i);
        enum rc rc = worker_start(&access->workers[i], broker->runtime, endpoint, authn_work);
        if (rc != RC_OK)
            return rc;
        access->workers_started++;
    }
    return outside_start(&access->outside, broker->runtime, broker->route.authn_helper);
}

void access_stop(struct broker *broker)
{
    struct access *access = &broker->access;
    outside_stop(&access->outside);
    while (access->workers_started > 0)
        worker_stop(&access->workers[--access->workers_started]);
}

void access_publish(struct broker *broker, struct authn_set *set)
{
    for (unsigned i = 0; i < broker->net.shards; i++) {
        struct mail mail = {.kind = MAIL_AUTHN_SET, .ptr = authn_set_ref(set)};
        mail_send(broker->port, (shard_id)i, MAIL_CONTROL, &mail);
    }
}

/* ---- the part of a reload ---- */

static bool access_reload_prepare(struct broker *broker, const struct config *next,
                                  struct error_list *errors, void **out_state)
{
    (void)broker;
    *out_state = access_create(next, errors);
    return *out_state != NULL;
}

static void *access_reload_commit(struct broker *broker, void *state)
{
    struct authn_set *old = broker->authn;
    broker->authn = state;
    access_publish(broker, state);
    return old;
}

static void access_reload_dispose(struct broker *broker, void *state)
{
    (void)broker;
    authn_set_unref(state);
}

const struct reload_part reload_part_access = {.name = "access",
                                               .prepare = access_reload_prepare,
                                               .commit = access_reload_commit,
                                               .dispose = access_reload_dispose};
