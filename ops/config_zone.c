/*
 * config_zone.c -- see config_zone.h.
 *
 * A zone has a struct config of its own, all zero but for what it says, and a bit for each key that
 * it says something about. So a value of a zone is read, checked, compared and printed by the same
 * functions as any other.
 */
#include "config_zone.h"

#include "config_value.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_ZONE_NAME_MAX 64
#define CONFIG_ZONE_NONE     "default"

/* What may stand in a zone: X(section, key); "" is every key of the section. */
#define CONFIG_ZONE_TABLE(X)                                                                       \
    X("mqtt", "")                                                                                  \
    X("flapping_detect", "enable")                                                                 \
    X("flapping_detect", "max_count")                                                              \
    X("flapping_detect", "window_time")                                                            \
    X("access", "auth_timeout")                                                                    \
    X("authorization", "deny_action")                                                              \
    X("authorization", "cache_size")                                                               \
    X("authorization", "session_owner")                                                            \
    X("quotas", "")                                                                                \
    X("limits", "packet_timeout")                                                                  \
    X("limits", "send_timeout")

/* Keys of those sections that concern more than one client: the members of a group share it. */
#define CONFIG_ZONE_EXCEPTION "shared_subscription_strategy"

struct config_zone_row {
    const char *section;
    const char *name;
};

static const struct config_zone_row config_zone_rows[] = {
#define CONFIG_ZONE_ROW(section, name) {section, name},
    CONFIG_ZONE_TABLE(CONFIG_ZONE_ROW)
#undef CONFIG_ZONE_ROW
};

bool config_zone_allows(const struct config_key *key)
{
    CHECK(key != NULL);
    if (strcmp(key->name, CONFIG_ZONE_EXCEPTION) == 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(config_zone_rows); i++) {
        const struct config_zone_row *row = &config_zone_rows[i];
        if (strcmp(row->section, key->section) == 0 &&
            (row->name[0] == '\0' || strcmp(row->name, key->name) == 0))
            return true;
    }
    return false;
}

static uint32_t config_zone_bit(const struct config_key *key)
{
    uint32_t num = 0;
    const struct config_key *keys = config_keys(&num);
    CHECK(key >= keys && key < keys + num && num <= CONFIG_ZONE_WORDS * 64);
    return (uint32_t)(key - keys);
}

static bool config_zone_has(const struct config_zone *zone, const struct config_key *key)
{
    uint32_t bit = config_zone_bit(key);
    return (zone->set[bit / 64] >> (bit % 64) & 1) != 0;
}

void config_zone_mark(struct config_zone *zone, const struct config_key *key)
{
    CHECK(config_zone_allows(key));
    uint32_t bit = config_zone_bit(key);
    zone->set[bit / 64] |= UINT64_C(1) << (bit % 64);
    if (zone->over->mqtt.max_packet_size > PACKET_LEN_MAX)
        zone->over->mqtt.max_packet_size = PACKET_LEN_MAX;
}

static void config_zone_fini(struct config_zone *zone)
{
    uint32_t num = 0;
    const struct config_key *keys = config_keys(&num);
    for (uint32_t i = 0; zone->over != NULL && i < num; i++)
        config_value_clear(&keys[i], zone->over);
    free(zone->over);
    free(zone->name);
    free(zone->place);
    memset(zone, 0, sizeof(*zone));
}

static bool config_zone_name_ok(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)name[i]) && strchr("_.:-", name[i]) == NULL)
            return false;
    }
    return len > 0 && len <= CONFIG_ZONE_NAME_MAX;
}

struct config_zone *config_zone_add(struct config *config, const char *name, const char *place,
                                    struct error_list *errors)
{
    CHECK(config != NULL && name != NULL && place != NULL && errors != NULL);
    const struct config_report report = {.errors = errors, .place = place};
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    const char *wrong = NULL;
    if (!config_zone_name_ok(name))
        wrong = "is not a name: letters, digits and `_.:-`";
    else if (strcmp(name, CONFIG_ZONE_NONE) == 0)
        wrong = "is what the sections themselves say";
    else if (config_zone_number(config, name) != UINT32_MAX)
        wrong = "is repeated";
    else if (config->num_zones == CONFIG_ZONES_MAX)
        wrong = "is one zone too many";
    if (wrong != NULL) {
        config_refuse(&report, "\"%s\" %s", error_list_quote(name, quote), wrong);
        return NULL;
    }
    struct config_zone *list = reallocarray(config->zones, config->num_zones + 1, sizeof(*list));
    if (list != NULL) {
        config->zones = list;
        struct config_zone *zone = &list[config->num_zones];
        *zone = (struct config_zone){
            .name = strdup(name), .place = strdup(place), .over = calloc(1, sizeof(struct config))};
        if (zone->name != NULL && zone->place != NULL && zone->over != NULL) {
            config->num_zones++;
            return zone;
        }
        config_zone_fini(zone);
    }
    config_refuse(&report, "%s", rc_text(RC_NO_MEMORY));
    return NULL;
}

void config_zone_values(const struct config *config, const struct config_zone *zone,
                        struct config *out)
{
    CHECK(config != NULL && zone != NULL && out != NULL);
    uint32_t num = 0;
    const struct config_key *keys = config_keys(&num);
    *out = *config;
    for (uint32_t i = 0; i < num; i++) {
        if (config_zone_has(zone, &keys[i]))
            memcpy(config_key_field(&keys[i], out), config_key_field(&keys[i], zone->over),
                   keys[i].size);
    }
}

uint32_t config_zone_number(const struct config *config, const char *name)
{
    CHECK(config != NULL && name != NULL);
    if (name[0] == '\0' || strcmp(name, CONFIG_ZONE_NONE) == 0)
        return 0;
    for (uint32_t i = 0; i < config->num_zones; i++) {
        if (strcmp(config->zones[i].name, name) == 0)
            return i + 1;
    }
    return UINT32_MAX;
}

void config_zones_finish(struct config *config, struct error_list *errors)
{
    CHECK(config != NULL && errors != NULL);
    for (uint32_t i = 0; i < config->num_listeners; i++) {
        const struct config_listener *listener = &config->listeners[i];
        const struct config_report report = {.errors = errors, .place = listener->place};
        char quote[ERROR_QUOTE_LEN_MAX + 1];
        uint32_t number = config_zone_number(config, listener->zone);
        if (number == UINT32_MAX)
            config_refuse(&report, "there is no zone \"%s\"",
                          error_list_quote(listener->zone, quote));
    }
}

bool config_zones_align(const struct config *current, struct config *next,
                        struct error_list *errors)
{
    CHECK(current != NULL && next != NULL);
    struct config made = {.zones = NULL};
    bool right = true;
    for (uint32_t i = 0; right && i < current->num_zones; i++)
        right = config_zone_add(&made, current->zones[i].name, "zones", errors) != NULL;
    for (uint32_t i = 0; right && i < next->num_zones; i++) {
        if (config_zone_number(&made, next->zones[i].name) == UINT32_MAX)
            right = config_zone_add(&made, next->zones[i].name, "zones", errors) != NULL;
    }
    /* Only now, so that nothing has moved if there was no room. */
    for (uint32_t i = 0; right && i < next->num_zones; i++) {
        struct config_zone *to = &made.zones[config_zone_number(&made, next->zones[i].name) - 1];
        struct config_zone empty = *to;
        *to = next->zones[i];
        next->zones[i] = empty;
    }
    if (right) {
        struct config old = {.zones = next->zones, .num_zones = next->num_zones};
        next->zones = made.zones;
        next->num_zones = made.num_zones;
        made = old;
    }
    config_zones_fini(&made);
    return right;
}

/* What `zone` (NULL: none) says about the key, for the caller to free; NULL: nothing. */
static char *config_zone_text(const struct config_zone *zone, const struct config_key *key)
{
    return zone == NULL || !config_zone_has(zone, key) ? NULL : config_value_text(key, zone->over);
}

static const struct config_zone *config_zone_find(const struct config *config, const char *name)
{
    uint32_t number = config_zone_number(config, name);
    return number == UINT32_MAX ? NULL : &config->zones[number - 1];
}

static void config_zone_compare(const char *name, const struct config_zone *from,
                                const struct config_zone *to, config_zone_visit_fn visit,
                                void *context)
{
    uint32_t num = 0;
    const struct config_key *keys = config_keys(&num);
    for (uint32_t i = 0; i < num; i++) {
        char path[2 * CONFIG_ZONE_NAME_MAX + 64];
        char *before = config_zone_text(from, &keys[i]);
        char *after = config_zone_text(to, &keys[i]);
        snprintf(path, sizeof(path), "zones.%s.%s", name, keys[i].path);
        if ((before == NULL) != (after == NULL) ||
            (before != NULL && after != NULL && strcmp(before, after) != 0))
            visit(context, path, before, after);
        free(before);
        free(after);
    }
}

void config_zones_compare(const struct config *current, const struct config *next,
                          config_zone_visit_fn visit, void *context)
{
    CHECK(current != NULL && next != NULL && visit != NULL);
    for (uint32_t i = 0; i < next->num_zones; i++) {
        const char *name = next->zones[i].name;
        config_zone_compare(name, config_zone_find(current, name), &next->zones[i], visit, context);
    }
    for (uint32_t i = 0; i < current->num_zones; i++) {
        const char *name = current->zones[i].name;
        if (config_zone_find(next, name) == NULL)
            config_zone_compare(name, &current->zones[i], NULL, visit, context);
    }
}

void config_zones_fini(struct config *config)
{
    CHECK(config != NULL);
    for (uint32_t i = 0; i < config->num_zones; i++)
        config_zone_fini(&config->zones[i]);
    free(config->zones);
    config->zones = NULL;
    config->num_zones = 0;
}
