/*
 * config_env.c -- the environment as a source of configuration.
 *
 * A variable's name is folded to lower case with a dot for each `__`, which gives a key's path.
 * Listeners are taken in rising order of their number, whatever the order of the variables, so that
 * one that adds a listener finds the ones before it; with at most CONFIG_LISTENERS_MAX numbers that
 * is one look at the environment for each.
 */
#include "config_env.h"

#include "config_listener.h"
#include "config_value.h"
#include "edit_distance.h"
#include "units.h"

#include <ctype.h>
#include <string.h>

#define CONFIG_ENV_PREFIX   "SLUICE_"
#define CONFIG_ENV_NAME_MAX 127 /* a longer name is none of ours */

/* One variable: its name as it was, as a path, and its value. */
struct config_env {
    char name[CONFIG_ENV_NAME_MAX + 1];
    char path[CONFIG_ENV_NAME_MAX + 1];
    const char *value;
};

/* False if the entry of the environment cannot be ours: another prefix, or no value. */
static bool config_env_read(struct config_env *out, const char *entry)
{
    const char *equals = strchr(entry, '=');
    size_t prefix_len = strlen(CONFIG_ENV_PREFIX);
    if (equals == NULL || strncmp(entry, CONFIG_ENV_PREFIX, prefix_len) != 0)
        return false;
    size_t len = (size_t)(equals - entry);
    if (len > CONFIG_ENV_NAME_MAX)
        return false;
    memcpy(out->name, entry, len);
    out->name[len] = '\0';
    out->value = equals + 1;
    char *to = out->path;
    for (const char *from = out->name + prefix_len; *from != '\0'; from++) {
        bool is_dot = from[0] == '_' && from[1] == '_';
        *to++ = is_dot ? '.' : (char)tolower((unsigned char)*from);
        from += is_dot;
    }
    *to = '\0';
    return true;
}

const char *config_env_name(const char *path, char *out, size_t size)
{
    CHECK(path != NULL && out != NULL && size > 0);
    size_t len = (size_t)snprintf(out, size, "%s", CONFIG_ENV_PREFIX);
    for (; *path != '\0' && len + 2 < size; path++) {
        if (*path == '.')
            out[len++] = '_';
        out[len++] = *path == '.' ? '_' : (char)toupper((unsigned char)*path);
    }
    out[len < size ? len : size - 1] = '\0';
    return out;
}

/* "a.b" as it would be with a single `_` for the dot. */
static void config_env_flatten(const char *path, char out[CONFIG_ENV_NAME_MAX + 1])
{
    snprintf(out, CONFIG_ENV_NAME_MAX + 1, "%s", path);
    for (char *c = out; *c != '\0'; c++) {
        if (*c == '.')
            *c = '_';
    }
}

/* The path of the key that is nearest to `path`, dots and underlines being the same; or NULL. */
static const char *config_env_nearest(const char *path, uint32_t *out_distance)
{
    char name[CONFIG_ENV_NAME_MAX + 1];
    config_env_flatten(path, name);
    const char *nearest = NULL;
    uint32_t num = 0;
    const struct config_key *keys = config_keys(&num);
    *out_distance = UINT32_MAX;
    for (uint32_t i = 0; i < num; i++) {
        char known[CONFIG_ENV_NAME_MAX + 1];
        uint32_t distance = 0;
        config_env_flatten(keys[i].path, known);
        if (edit_distance_is_near(name, known, &distance) && distance < *out_distance) {
            *out_distance = distance;
            nearest = keys[i].path;
        }
    }
    return nearest;
}

/* A name that is not the path of a key: a message, unless it may belong to somebody else. */
static void config_env_unknown(const struct config_env *variable, struct error_list *errors)
{
    const struct config_report report = {.errors = errors, .place = variable->name};
    if (config_section_find(variable->path) != NULL) {
        config_refuse(&report, "this is a section; its keys are %s__...", variable->name);
        return;
    }
    uint32_t distance = 0;
    const char *nearest = config_env_nearest(variable->path, &distance);
    bool is_ours = strchr(variable->path, '.') != NULL || distance <= 2;
    char name[CONFIG_ENV_NAME_MAX + 1];
    if (is_ours && nearest != NULL)
        config_refuse(&report, "there is no such key, did you mean %s?",
                      config_env_name(nearest, name, sizeof(name)));
    else if (is_ours)
        config_refuse(&report, "there is no such key");
}

/* Splits "listeners.<number>.<key>"; false if the path is not of that form. */
static bool config_env_split_listener(const char *path, uint64_t *out_number, const char **out_key)
{
    static const char prefix[] = CONFIG_SECTION_LISTENERS ".";
    if (strncmp(path, prefix, sizeof(prefix) - 1) != 0)
        return false;
    const char *digits = path + sizeof(prefix) - 1;
    size_t len = strspn(digits, "0123456789");
    char number[16];
    if (len == 0 || len >= sizeof(number) || digits[len] != '.')
        return false;
    memcpy(number, digits, len);
    number[len] = '\0';
    *out_key = digits + len + 1;
    return units_parse_count(number, out_number) == RC_OK;
}

/* One key of the listener `number`, which is there already or is the next. */
static void config_env_listener(struct config *config, const struct config_env *variable,
                                uint64_t number, const char *name, struct error_list *errors)
{
    const struct config_report report = {.errors = errors, .place = variable->name};
    const struct config_key *key = config_listener_key_find(name);
    if (key == NULL) {
        const char *nearest = config_key_nearest(CONFIG_SECTION_LISTENERS, name);
        config_refuse(&report, "listeners have no key \"%s\"%s%s%s", name,
                      nearest != NULL ? ", did you mean \"" : "", nearest != NULL ? nearest : "",
                      nearest != NULL ? "\"?" : "");
        return;
    }
    struct config_listener *listener = number <= config->num_listeners
                                           ? &config->listeners[number - 1]
                                           : config_listener_add(config, variable->name, errors);
    if (listener != NULL)
        config_value_set(key, listener, variable->value, &report);
}

/* All variables of listeners, by rising number. */
static void config_env_listeners(struct config *config, char *const *environment,
                                 struct error_list *errors)
{
    for (uint64_t wanted = 1; wanted <= CONFIG_LISTENERS_MAX; wanted++) {
        for (char *const *entry = environment; *entry != NULL; entry++) {
            struct config_env variable;
            uint64_t number = 0;
            const char *name = NULL;
            if (!config_env_read(&variable, *entry) ||
                !config_env_split_listener(variable.path, &number, &name) || number != wanted)
                continue;
            if (number > (uint64_t)config->num_listeners + 1)
                error_list_add(errors, "%s: there %s %u %s before it", variable.name,
                               log_noun(config->num_listeners, "is only", "are only"),
                               config->num_listeners,
                               log_noun(config->num_listeners, "listener", "listeners"));
            else
                config_env_listener(config, &variable, number, name, errors);
        }
    }
}

void config_env_apply(struct config *config, char *const *environment, struct error_list *errors)
{
    CHECK(config != NULL && environment != NULL && errors != NULL);
    for (char *const *entry = environment; *entry != NULL; entry++) {
        struct config_env variable;
        uint64_t number = 0;
        const char *name = NULL;
        if (!config_env_read(&variable, *entry))
            continue;
        if (config_env_split_listener(variable.path, &number, &name)) {
            if (number < 1 || number > CONFIG_LISTENERS_MAX)
                error_list_add(errors, "%s: listeners count from 1 to %d", variable.name,
                               CONFIG_LISTENERS_MAX);
            continue;
        }
        const struct config_key *key = config_key_find_path(variable.path);
        const struct config_report report = {.errors = errors, .place = variable.name};
        if (key == NULL)
            config_env_unknown(&variable, errors);
        else
            config_value_set(key, config, variable.value, &report);
    }
    config_env_listeners(config, environment, errors);
}
