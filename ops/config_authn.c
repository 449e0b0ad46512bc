/*
 * config_authn.c -- the list of steps of authentication in a configuration while it is built.
 *
 * All kinds of step share one table of keys, so that they are read, printed and documented like any
 * other; what a kind has no use for may not be set.
 */
#include "config_authn.h"

#include "config_value.h"

#include <stdlib.h>
#include <string.h>

#define CONFIG_NAME_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

struct config_authn_use {
    const char *key;
    uint32_t kinds;
};

static const struct config_authn_use config_authn_uses[] = {
#define CONFIG_AUTHN_USE(key, kinds) {key, kinds},
    CONFIG_AUTHN_USE_TABLE(CONFIG_AUTHN_USE)
#undef CONFIG_AUTHN_USE
};

static const char *const config_authn_kinds[] = {
#define CONFIG_AUTHN_KIND(constant, text) [constant] = text,
    CONFIG_AUTHN_KIND_TABLE(CONFIG_AUTHN_KIND)
#undef CONFIG_AUTHN_KIND
};

static void config_authn_fini(struct config_authn *step)
{
    uint32_t num = 0;
    const struct config_key *keys = config_authn_keys(&num);
    for (uint32_t i = 0; i < num; i++)
        config_value_clear(&keys[i], step);
    free(step->place);
    step->place = NULL;
}

/* A step with the defaults of the table. */
static bool config_authn_reset(struct config_authn *step, const struct config_report *report)
{
    uint32_t num = 0;
    const struct config_key *keys = config_authn_keys(&num);
    memset(step, 0, sizeof(*step));
    for (uint32_t i = 0; i < num; i++) {
        if (!config_value_reset(&keys[i], step, report)) {
            config_authn_fini(step);
            return false;
        }
    }
    return true;
}

struct config_authn *config_authn_add(struct config *config, const char *place,
                                      struct error_list *errors)
{
    CHECK(config != NULL && place != NULL && errors != NULL);
    struct config_report report = {.errors = errors, .place = place};
    if (config->num_authns == CONFIG_AUTHN_MAX) {
        config_refuse(&report, "there are more than %d steps", CONFIG_AUTHN_MAX);
        return NULL;
    }
    struct config_authn *list = reallocarray(config->authns, config->num_authns + 1, sizeof(*list));
    if (list == NULL) {
        config_refuse(&report, "%s", rc_text(RC_NO_MEMORY));
        return NULL;
    }
    config->authns = list;
    struct config_authn *step = &list[config->num_authns];
    if (!config_authn_reset(step, &report))
        return NULL;
    step->place = strdup(place);
    if (step->place == NULL) {
        config_refuse(&report, "%s", rc_text(RC_NO_MEMORY));
        config_authn_fini(step);
        return NULL;
    }
    config->num_authns++;
    return step;
}

void config_authn_refused(struct config_authn *step, const struct config_key *key)
{
    CHECK(step != NULL && key != NULL);
    step->type_is_refused |= strcmp(key->name, "type") == 0;
}

/* The kinds of step that a key is for; all for those that are not in the table. */
static uint32_t config_authn_use_of(const char *key)
{
    for (size_t i = 0; i < ARRAY_LEN(config_authn_uses); i++) {
        if (strcmp(config_authn_uses[i].key, key) == 0)
            return config_authn_uses[i].kinds;
    }
    return UINT32_MAX;
}

static bool config_authn_has_listener(const struct config *config, const char *name)
{
    for (uint32_t i = 0; i < config->num_listeners; i++) {
        if (strcmp(config->listeners[i].name, name) == 0)
            return true;
    }
    return name[0] == '\0';
}

static void config_authn_finish(const struct config *config, const struct config_authn *step,
                                const struct config_authn *standard, struct error_list *errors)
{
    struct config_report report = {.errors = errors, .place = step->place};
    if (step->type == CONFIG_AUTHN_NONE) {
        if (!step->type_is_refused)
            config_refuse(&report, "the step has no type, it needs `type`");
        return;
    }
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    if (!config_authn_has_listener(config, step->listener))
        config_refuse(&report, "there is no listener \"%s\"",
                      error_list_quote(step->listener, quote));
    if (strspn(step->database, CONFIG_NAME_BYTES) != strlen(step->database))
        config_refuse(&report, "the name of a database has letters, digits, - and _");
    uint32_t num = 0;
    const struct config_key *keys = config_authn_keys(&num);
    for (uint32_t i = 0; i < num; i++) {
        if ((config_authn_use_of(keys[i].name) & (1u << step->type)) == 0 &&
            !config_value_equal(&keys[i], step, standard))
            config_refuse(&report, "`%s` means nothing for a step of type %s", keys[i].name,
                          config_authn_kinds[step->type]);
    }
}

void config_authns_finish(struct config *config, struct error_list *errors)
{
    CHECK(config != NULL && errors != NULL);
    struct config_authn standard;
    const struct config_report report = {.errors = errors, .place = "authentication"};
    if (!config_authn_reset(&standard, &report))
        return;
    for (uint32_t i = 0; i < config->num_authns; i++)
        config_authn_finish(config, &config->authns[i], &standard, errors);
    config_authn_fini(&standard);
}

void config_authns_fini(struct config *config)
{
    CHECK(config != NULL);
    for (uint32_t i = 0; i < config->num_authns; i++)
        config_authn_fini(&config->authns[i]);
    free(config->authns);
    config->authns = NULL;
    config->num_authns = 0;
}

bool config_authns_equal(const struct config *a, const struct config *b)
{
    if (a->num_authns != b->num_authns)
        return false;
    uint32_t num = 0;
    const struct config_key *keys = config_authn_keys(&num);
    for (uint32_t i = 0; i < a->num_authns; i++)
        for (uint32_t k = 0; k < num; k++)
            if (!config_value_equal(&keys[k], &a->authns[i], &b->authns[i]))
                return false;
    return true;
}
