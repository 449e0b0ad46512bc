/*
 * reload.c -- see reload.h.
 */
#include "reload.h"

#include <string.h>

#include "broker.h"
#include "clock.h"
#include "config_change.h"
#include "reload_table.h"

#define RELOAD_PART_ROW(name) &reload_part_##name,
static const struct reload_part *const reload_parts[] = {RELOAD_PART_TABLE(RELOAD_PART_ROW)};

STATIC_CHECK(ARRAY_LEN(reload_parts) <= RELOAD_PARTS_MAX, "a state for each part");

static void reload_dispose_first(struct reload_set *set, unsigned num, struct broker *broker)
{
    for (unsigned i = num; i-- > 0;) {
        if (set->states[i] != NULL)
            set->parts[i]->dispose(broker, set->states[i]);
        set->states[i] = NULL;
    }
}

bool reload_prepare(struct reload_set *set, struct broker *broker, const struct config *next,
                    struct error_list *errors)
{
    CHECK(set->num <= RELOAD_PARTS_MAX);
    memset(set->states, 0, sizeof(set->states));
    bool right = true;
    /* All are asked, so that an operator sees every error at once. */
    for (unsigned i = 0; i < set->num; i++) {
        uint32_t before = errors->num + errors->extra;
        if (set->parts[i]->prepare(broker, next, errors, &set->states[i]))
            continue;
        CHECK(set->states[i] == NULL && errors->num + errors->extra > before);
        right = false;
    }
    if (!right)
        reload_dispose_first(set, set->num, broker);
    return right;
}

void reload_commit(struct reload_set *set, struct broker *broker)
{
    for (unsigned i = 0; i < set->num; i++)
        set->states[i] = set->parts[i]->commit(broker, set->states[i]);
}

void reload_dispose(struct reload_set *set, struct broker *broker)
{
    reload_dispose_first(set, set->num, broker);
}

void reload_init(struct broker *broker, const struct config_sources *sources)
{
    struct reload *reload = &broker->reload;
    memset(reload, 0, sizeof(*reload));
    reload->sources = *sources;
    reload->set.parts = reload_parts;
    reload->set.num = ARRAY_LEN(reload_parts);
    reload->applied_at_s = clock_wall_ms() / 1000;
}

static void reload_log_change(void *context, const struct config_change *change)
{
    (void)context;
    if (change->from == NULL)
        LOG(LOG_INFO, "reload: %s is new, at %s", change->path, change->to);
    else if (change->to == NULL)
        LOG(LOG_INFO, "reload: %s is removed, it was at %s", change->path, change->from);
    else if (change->reloadable)
        LOG(LOG_INFO, "reload: %s is now %s, was %s", change->path, change->to, change->from);
    else
        LOG(LOG_WARNING, "reload: %s needs a restart to become %s, it stays %s", change->path,
            change->to, change->from);
}

/* The new configuration becomes the one in use, the old one ends. */
static void reload_adopt(struct broker *broker, struct config *next)
{
    config_changes(broker->config, next, reload_log_change, NULL);
    config_keep(broker->config, next);
    struct config old = *broker->config;
    *broker->config = *next;
    config_fini(&old);
}

static void reload_tell_shards(struct broker *broker)
{
    broker->reload.waiting = broker->net.shards;
    for (unsigned i = 0; i < broker->net.shards; i++) {
        struct mail mail = {.kind = MAIL_RELOAD};
        mail_send(broker->port, (shard_id)i, MAIL_CONTROL, &mail);
    }
}

enum rc reload_run(struct broker *broker, struct error_list *errors)
{
    struct reload *reload = &broker->reload;
    if (reload->waiting > 0 && !broker->draining) {
        reload->again = true;
        return RC_MORE;
    }
    struct config next;
    bool right = !broker->draining;
    if (!right)
        error_list_add(errors, "the broker is stopping");
    if (right && config_load(&next, &reload->sources, errors) == RC_OK) {
        right = config_align(broker->config, &next, broker_vacant(broker), errors) &&
                reload_prepare(&reload->set, broker, &next, errors);
        if (!right)
            config_fini(&next);
    } else {
        right = false;
    }
    if (!right) {
        reload->refused++;
        return RC_INVALID;
    }
    reload_adopt(broker, &next);
    reload_commit(&reload->set, broker);
    reload_tell_shards(broker);
    return RC_OK;
}

void reload_signal(struct broker *broker)
{
    static struct error_list errors; /* too large for a stack */
    error_list_init(&errors);
    enum rc rc = reload_run(broker, &errors);
    if (rc == RC_MORE)
        LOG(LOG_INFO, "reload: the last one is not over yet, this one follows");
    if (rc != RC_INVALID)
        return;
    for (uint32_t i = 0; i < errors.num; i++)
        LOG(LOG_ERROR, "reload: %s", errors.texts[i]);
    if (errors.extra > 0)
        LOG(LOG_ERROR, "reload: and %u more", errors.extra);
    LOG(LOG_ERROR, "reload: refused, nothing has changed");
}

void reload_taken(struct broker *broker)
{
    struct reload *reload = &broker->reload;
    CHECK(reload->waiting > 0);
    if (--reload->waiting > 0)
        return;
    reload_dispose(&reload->set, broker);
    reload->applied++;
    reload->applied_at_s = clock_wall_ms() / 1000;
    LOG(LOG_INFO, "reload: the new configuration is in force");
    if (reload->again) {
        reload->again = false;
        reload_signal(broker);
    }
}

void reload_fini(struct broker *broker)
{
    reload_dispose(&broker->reload.set, broker);
    broker->reload.waiting = 0;
}
