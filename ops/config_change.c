/*
 * config_change.c -- see config_change.h.
 *
 * Values are compared as text. Keeping is exchanging: what `next` must not have goes to `current`,
 * which is freed afterwards, so nothing is allocated and nothing can fail half-way.
 */
#include "config_change.h"

#include "config_listener.h"

#include "config_authn.h"
#include "config_value.h"
#include "config_zone.h"

#include <stdlib.h>
#include <string.h>

#define CONFIG_PATH_LEN_MAX 160 /* "listeners.", a name of 64 bytes or an address, a key */

struct config_change_visit {
    config_change_fn fn;
    void *context;
};

static void config_changes_keys(const struct config_key *keys, uint32_t num, const char *prefix,
                                const void *current, const void *next,
                                const struct config_change_visit *visit)
{
    for (uint32_t i = 0; i < num; i++) {
        if (config_value_equal(&keys[i], current, next))
            continue;
        char path[CONFIG_PATH_LEN_MAX + 1];
        snprintf(path, sizeof(path), "%s%s", prefix, keys[i].path);
        char *from = config_value_text(&keys[i], current);
        char *to = config_value_text(&keys[i], next);
        struct config_change change = {.path = path,
                                       .from = from == NULL ? "?" : from,
                                       .to = to == NULL ? "?" : to,
                                       .reloadable = keys[i].reloadable};
        visit->fn(visit->context, &change);
        free(from);
        free(to);
    }
}

struct config_listener *config_listener_find(const struct config *config, const char *name)
{
    CHECK(config != NULL && name != NULL);
    for (uint32_t i = 0; i < config->num_listeners; i++) {
        if (!config->listeners[i].removed && strcmp(config->listeners[i].name, name) == 0)
            return &config->listeners[i];
    }
    return NULL;
}

/* Listeners of `config` that `other` does not have. */
static void config_changes_alone(const struct config *config, const struct config *other,
                                 bool is_new, const struct config_change_visit *visit)
{
    for (uint32_t i = 0; i < config->num_listeners; i++) {
        const struct config_listener *listener = &config->listeners[i];
        if (listener->removed || config_listener_find(other, listener->name) != NULL)
            continue;
        char path[CONFIG_PATH_LEN_MAX + 1];
        char address[LISTEN_URI_LEN_MAX + 1];
        snprintf(path, sizeof(path), "listeners.%s", listener->name);
        listen_uri_format(&listener->bind, address);
        struct config_change change = {.path = path,
                                       .from = is_new ? NULL : address,
                                       .to = is_new ? address : NULL,
                                       .reloadable = true};
        visit->fn(visit->context, &change);
    }
}

static void config_changes_zone(void *context, const char *path, const char *from, const char *to)
{
    static const char unset[] = "as without the zone";
    const struct config_change_visit *visit = context;
    const struct config_change change = {.path = path,
                                         .from = from == NULL ? unset : from,
                                         .to = to == NULL ? unset : to,
                                         .reloadable = true};
    visit->fn(visit->context, &change);
}

void config_changes(const struct config *current, const struct config *next, config_change_fn fn,
                    void *context)
{
    CHECK(current != NULL && next != NULL && fn != NULL);
    const struct config_change_visit visit = {.fn = fn, .context = context};
    uint32_t num = 0;
    const struct config_key *keys = config_keys(&num);
    config_changes_keys(keys, num, "", current, next, &visit);
    keys = config_listener_keys(&num);
    for (uint32_t i = 0; i < current->num_listeners; i++) {
        const struct config_listener *listener = &current->listeners[i];
        const struct config_listener *other = config_listener_find(next, listener->name);
        if (listener->removed || other == NULL)
            continue;
        char prefix[CONFIG_PATH_LEN_MAX + 1];
        snprintf(prefix, sizeof(prefix), "listeners.%s.", listener->name);
        config_changes_keys(keys, num, prefix, listener, other, &visit);
    }
    if (!config_authns_equal(current, next)) {
        struct config_change change = {.path = CONFIG_SECTION_AUTHN,
                                       .from = "another",
                                       .to = next->num_authns > 0 ? "a new chain" : "empty",
                                       .reloadable = true};
        fn(context, &change);
    }
    struct config_change_visit zones = visit;
    config_zones_compare(current, next, config_changes_zone, &zones);
    config_changes_alone(current, next, false, &visit);
    config_changes_alone(next, current, true, &visit);
}

void config_keep(struct config *current, struct config *next)
{
    CHECK(current != NULL && next != NULL && current != next);
    uint32_t num = 0;
    const struct config_key *keys = config_keys(&num);
    for (uint32_t i = 0; i < num; i++) {
        if (!keys[i].reloadable)
            config_value_swap(&keys[i], current, next);
    }
    keys = config_listener_keys(&num);
    for (uint32_t i = 0; i < current->num_listeners; i++) {
        struct config_listener *listener = &current->listeners[i];
        struct config_listener *other = listener->removed
                                            ? NULL
                                            : config_listener_find(next, listener->name);
        for (uint32_t k = 0; other != NULL && k < num; k++) {
            if (!keys[k].reloadable)
                config_value_swap(&keys[k], listener, other);
        }
    }
}

/* For each listener of `next` its place, by what `current` has where. False: there is no room. */
static bool config_places(const struct config *current, const struct config *next, uint64_t vacant,
                          uint32_t *places, uint32_t *out_num)
{
    uint64_t taken = 0;
    uint32_t num = current->num_listeners;
    for (uint32_t j = 0; j < next->num_listeners; j++) {
        const struct config_listener *known = config_listener_find(current,
                                                                   next->listeners[j].name);
        places[j] = known != NULL ? (uint32_t)(known - current->listeners) : UINT32_MAX;
        if (known != NULL)
            taken |= UINT64_C(1) << places[j];
    }
    for (uint32_t j = 0; j < next->num_listeners; j++) {
        if (places[j] != UINT32_MAX)
            continue;
        uint64_t free_places = vacant & ~taken;
        if (free_places != 0)
            places[j] = (uint32_t)__builtin_ctzll(free_places);
        else if (num < CONFIG_LISTENERS_MAX)
            places[j] = num++;
        else
            return false;
        taken |= UINT64_C(1) << places[j];
    }
    *out_num = num;
    return true;
}

bool config_align(const struct config *current, struct config *next, uint64_t vacant,
                  struct error_list *errors)
{
    STATIC_CHECK(CONFIG_LISTENERS_MAX <= 64, "a bit for each");
    if (!config_zones_align(current, next, errors))
        return false;
    uint32_t places[CONFIG_LISTENERS_MAX];
    uint32_t num = 0;
    if (!config_places(current, next, vacant, places, &num)) {
        error_list_add(errors,
                       "there are more than %d listeners, those counted that were removed and "
                       "still have connections",
                       CONFIG_LISTENERS_MAX);
        return false;
    }
    struct config_listener *list = calloc(num, sizeof(*list));
    bool right = list != NULL;
    for (uint32_t i = 0; right && i < num; i++) {
        right = config_listener_blank(&list[i], errors);
        list[i].removed = true;
        /* What was said about its end still holds when it is there no more. */
        if (i < current->num_listeners)
            list[i].close_connections = current->listeners[i].close_connections;
    }
    if (!right) {
        for (uint32_t i = 0; list != NULL && i < num; i++)
            config_listener_fini(&list[i]);
        free(list);
        error_list_add(errors, "%s", rc_text(RC_NO_MEMORY));
        return false;
    }
    for (uint32_t j = 0; j < next->num_listeners; j++) {
        struct config_listener blank = list[places[j]];
        list[places[j]] = next->listeners[j];
        next->listeners[j] = blank;
    }
    config_listeners_fini(next);
    next->listeners = list;
    next->num_listeners = num;
    return true;
}
