/*
 * config_key.c -- the rows of config_table.h as data that can be searched.
 *
 * The table is expanded once for each section, because the offset of a field has the section's name
 * in it. A type that is an enumeration becomes CONFIG_TYPE_CHOICE with a list of its texts; for all
 * others the list is NULL. Searches are linear: there are some sixty keys, and they are looked up
 * once for each line that an operator wrote.
 */
#include "config_key.h"

#include "edit_distance.h"

#include <string.h>

#define CONFIG_CHOICE(constant, text) {text, constant, false},

static const struct config_choice config_choices_share_strategy[] = {
    CONFIG_SHARE_STRATEGY_TABLE(CONFIG_CHOICE){"hash", CONFIG_SHARE_HASH_CLIENTID, true},
    {NULL, 0, false}};
static const struct config_choice config_choices_default_priority[] = {
    CONFIG_DEFAULT_PRIORITY_TABLE(CONFIG_CHOICE){NULL, 0, false}};
static const struct config_choice config_choices_log_level[] = {
    CONFIG_LOG_LEVEL_TABLE(CONFIG_CHOICE){NULL, 0, false}};
static const struct config_choice config_choices_log_format[] = {
    CONFIG_LOG_FORMAT_TABLE(CONFIG_CHOICE){NULL, 0, false}};

static const struct config_choice config_choices_tls_verify[] = {
    TLS_VERIFY_TABLE(CONFIG_CHOICE){NULL, 0, false}};
static const struct config_choice config_choices_tls_version[] = {
    TLS_VERSION_TABLE(CONFIG_CHOICE){NULL, 0, false}};
static const struct config_choice config_choices_peer_name[] = {
    PEER_NAME_TABLE(CONFIG_CHOICE){NULL, 0, false}};
static const struct config_choice config_choices_authn_kind[] = {
    CONFIG_AUTHN_KIND_TABLE(CONFIG_CHOICE){NULL, 0, false}};
static const struct config_choice config_choices_authn_from[] = {
    CONFIG_AUTHN_FROM_TABLE(CONFIG_CHOICE){NULL, 0, false}};
static const struct config_choice config_choices_authn_cert[] = {
    CONFIG_AUTHN_CERT_TABLE(CONFIG_CHOICE){NULL, 0, false}};
static const struct config_choice config_choices_jwt_alg[] = {
    CONFIG_JWT_ALG_TABLE(CONFIG_CHOICE){NULL, 0, false}};
static const struct config_choice config_choices_authn_scram[] = {
    CONFIG_AUTHN_SCRAM_TABLE(CONFIG_CHOICE){NULL, 0, false}};
static const struct config_choice config_choices_authn_user_is[] = {
    CONFIG_AUTHN_USER_IS_TABLE(CONFIG_CHOICE){NULL, 0, false}};

static const struct config_choice config_choices_http_method[] = {
    CONFIG_HTTP_METHOD_TABLE(CONFIG_CHOICE){NULL, 0, false}};
#define CONFIG_PASSWORD_CHOICE(constant, name, text) CONFIG_CHOICE(constant, name)
static const struct config_choice config_choices_password_hash[] = {
    PASSWORD_TABLE(CONFIG_PASSWORD_CHOICE){NULL, 0, false}};
#undef CONFIG_PASSWORD_CHOICE
static const struct config_choice config_choices_durability_mode[] = {
    CONFIG_DURABILITY_TABLE_MODES(CONFIG_CHOICE){NULL, 0, false}};
static const struct config_choice config_choices_recovery[] = {
    CONFIG_RECOVERY_TABLE(CONFIG_CHOICE){NULL, 0, false}};
static const struct config_choice config_choices_acl_format[] = {
    CONFIG_ACL_FORMAT_TABLE(CONFIG_CHOICE){NULL, 0, false}};
static const struct config_choice config_choices_permission[] = {
    CONFIG_PERMISSION_TABLE(CONFIG_CHOICE){NULL, 0, false}};
static const struct config_choice config_choices_deny_action[] = {
    CONFIG_DENY_ACTION_TABLE(CONFIG_CHOICE){NULL, 0, false}};

#define CONFIG_CHOICES_BOOL             NULL
#define CONFIG_CHOICES_COUNT            NULL
#define CONFIG_CHOICES_SIZE             NULL
#define CONFIG_CHOICES_DURATION         NULL
#define CONFIG_CHOICES_SECONDS          NULL
#define CONFIG_CHOICES_FACTOR           NULL
#define CONFIG_CHOICES_RATE             NULL
#define CONFIG_CHOICES_BYTE_RATE        NULL
#define CONFIG_CHOICES_TEXT             NULL
#define CONFIG_CHOICES_LIST             NULL
#define CONFIG_CHOICES_CPUS             NULL
#define CONFIG_CHOICES_PRIORITIES       NULL
#define CONFIG_CHOICES_FIELDS           NULL
#define CONFIG_CHOICES_BIND             NULL
#define CONFIG_CHOICES_KEEPALIVE        NULL
#define CONFIG_CHOICES_ENDPOINT         NULL
#define CONFIG_CHOICES_SHARE_STRATEGY   config_choices_share_strategy
#define CONFIG_CHOICES_DEFAULT_PRIORITY config_choices_default_priority
#define CONFIG_CHOICES_LOG_LEVEL        config_choices_log_level
#define CONFIG_CHOICES_LOG_FORMAT       config_choices_log_format
#define CONFIG_CHOICES_DURABILITY_MODE  config_choices_durability_mode
#define CONFIG_CHOICES_RECOVERY         config_choices_recovery
#define CONFIG_CHOICES_TLS_VERIFY       config_choices_tls_verify
#define CONFIG_CHOICES_TLS_VERSION      config_choices_tls_version
#define CONFIG_CHOICES_PEER_NAME        config_choices_peer_name
#define CONFIG_CHOICES_AUTHN_KIND       config_choices_authn_kind
#define CONFIG_CHOICES_AUTHN_FROM       config_choices_authn_from
#define CONFIG_CHOICES_AUTHN_CERT       config_choices_authn_cert
#define CONFIG_CHOICES_JWT_ALG          config_choices_jwt_alg
#define CONFIG_CHOICES_AUTHN_SCRAM      config_choices_authn_scram
#define CONFIG_CHOICES_AUTHN_USER_IS    config_choices_authn_user_is
#define CONFIG_CHOICES_HTTP_METHOD      config_choices_http_method
#define CONFIG_CHOICES_PASSWORD_HASH    config_choices_password_hash
#define CONFIG_CHOICES_ACL_FORMAT       config_choices_acl_format
#define CONFIG_CHOICES_PERMISSION       config_choices_permission
#define CONFIG_CHOICES_DENY_ACTION      config_choices_deny_action

#define CONFIG_TYPE_SHARE_STRATEGY   CONFIG_TYPE_CHOICE
#define CONFIG_TYPE_DEFAULT_PRIORITY CONFIG_TYPE_CHOICE
#define CONFIG_TYPE_LOG_LEVEL        CONFIG_TYPE_CHOICE
#define CONFIG_TYPE_LOG_FORMAT       CONFIG_TYPE_CHOICE
#define CONFIG_TYPE_DURABILITY_MODE  CONFIG_TYPE_CHOICE
#define CONFIG_TYPE_RECOVERY         CONFIG_TYPE_CHOICE
#define CONFIG_TYPE_TLS_VERIFY       CONFIG_TYPE_CHOICE
#define CONFIG_TYPE_TLS_VERSION      CONFIG_TYPE_CHOICE
#define CONFIG_TYPE_PEER_NAME        CONFIG_TYPE_CHOICE
#define CONFIG_TYPE_AUTHN_KIND       CONFIG_TYPE_CHOICE
#define CONFIG_TYPE_AUTHN_FROM       CONFIG_TYPE_CHOICE
#define CONFIG_TYPE_AUTHN_CERT       CONFIG_TYPE_CHOICE
#define CONFIG_TYPE_JWT_ALG          CONFIG_TYPE_CHOICE
#define CONFIG_TYPE_AUTHN_SCRAM      CONFIG_TYPE_CHOICE
#define CONFIG_TYPE_AUTHN_USER_IS    CONFIG_TYPE_CHOICE
#define CONFIG_TYPE_HTTP_METHOD      CONFIG_TYPE_CHOICE
#define CONFIG_TYPE_PASSWORD_HASH    CONFIG_TYPE_CHOICE
#define CONFIG_TYPE_ACL_FORMAT       CONFIG_TYPE_CHOICE
#define CONFIG_TYPE_PERMISSION       CONFIG_TYPE_CHOICE
#define CONFIG_TYPE_DENY_ACTION      CONFIG_TYPE_CHOICE

#define CONFIG_RELOADABLE_RELOAD  true
#define CONFIG_RELOADABLE_RESTART false

/* clang-format off */
#define CONFIG_ROW(section, path, offset, name, type, low, high, initial, words, reload, text) \
    {section, name, path, CONFIG_TYPE_##type, CONFIG_WORDS_##words, \
     CONFIG_RELOADABLE_##reload, low, high, initial, text, CONFIG_CHOICES_##type, offset, \
     sizeof(CONFIG_CTYPE_##type)},

#define CONFIG_ROW_ROOT(name, type, low, high, initial, words, reload, text) \
    CONFIG_ROW("", #name, offsetof(struct config, CONFIG_NAME_##type(name)), \
               #name, type, low, high, initial, words, reload, text)
#define CONFIG_ROW_MQTT(name, type, low, high, initial, words, reload, text) \
    CONFIG_ROW("mqtt", "mqtt." #name, offsetof(struct config, mqtt.CONFIG_NAME_##type(name)), \
               #name, type, low, high, initial, words, reload, text)
#define CONFIG_ROW_RETAINED(name, type, low, high, initial, words, reload, text) \
    CONFIG_ROW("retained", "retained." #name, \
               offsetof(struct config, retained.CONFIG_NAME_##type(name)), \
               #name, type, low, high, initial, words, reload, text)
#define CONFIG_ROW_LIMITS(name, type, low, high, initial, words, reload, text) \
    CONFIG_ROW("limits", "limits." #name, \
               offsetof(struct config, limits.CONFIG_NAME_##type(name)), \
               #name, type, low, high, initial, words, reload, text)
#define CONFIG_ROW_SHARDS(name, type, low, high, initial, words, reload, text) \
    CONFIG_ROW("shards", "shards." #name, \
               offsetof(struct config, shards.CONFIG_NAME_##type(name)), \
               #name, type, low, high, initial, words, reload, text)
#define CONFIG_ROW_ADMIN(name, type, low, high, initial, words, reload, text) \
    CONFIG_ROW("admin", "admin." #name, offsetof(struct config, admin.CONFIG_NAME_##type(name)), \
               #name, type, low, high, initial, words, reload, text)
#define CONFIG_ROW_ACCESS(name, type, low, high, initial, words, reload, text) \
    CONFIG_ROW("access", "access." #name, \
               offsetof(struct config, access.CONFIG_NAME_##type(name)), \
               #name, type, low, high, initial, words, reload, text)
#define CONFIG_ROW_BANNED(name, type, low, high, initial, words, reload, text) \
    CONFIG_ROW("banned", "banned." #name, \
               offsetof(struct config, banned.CONFIG_NAME_##type(name)), \
               #name, type, low, high, initial, words, reload, text)
#define CONFIG_ROW_FLAPPING_DETECT(name, type, low, high, initial, words, reload, text) \
    CONFIG_ROW("flapping_detect", "flapping_detect." #name, \
               offsetof(struct config, flapping_detect.CONFIG_NAME_##type(name)), \
               #name, type, low, high, initial, words, reload, text)
#define CONFIG_ROW_QUOTAS(name, type, low, high, initial, words, reload, text) \
    CONFIG_ROW("quotas", "quotas." #name, \
               offsetof(struct config, quotas.CONFIG_NAME_##type(name)), \
               #name, type, low, high, initial, words, reload, text)
#define CONFIG_ROW_OVERLOAD_PROTECTION(name, type, low, high, initial, words, reload, text) \
    CONFIG_ROW("overload_protection", "overload_protection." #name, \
               offsetof(struct config, overload_protection.CONFIG_NAME_##type(name)), \
               #name, type, low, high, initial, words, reload, text)
#define CONFIG_ROW_DURABILITY(name, type, low, high, initial, words, reload, text) \
    CONFIG_ROW("durability", "durability." #name, \
               offsetof(struct config, durability.CONFIG_NAME_##type(name)), \
               #name, type, low, high, initial, words, reload, text)
#define CONFIG_ROW_AUTHORIZATION(name, type, low, high, initial, words, reload, text) \
    CONFIG_ROW("authorization", "authorization." #name, \
               offsetof(struct config, authorization.CONFIG_NAME_##type(name)), \
               #name, type, low, high, initial, words, reload, text)
#define CONFIG_ROW_LOG(name, type, low, high, initial, words, reload, text) \
    CONFIG_ROW("log", "log." #name, offsetof(struct config, log.CONFIG_NAME_##type(name)), \
               #name, type, low, high, initial, words, reload, text)
#define CONFIG_ROW_SHUTDOWN(name, type, low, high, initial, words, reload, text) \
    CONFIG_ROW("shutdown", "shutdown." #name, \
               offsetof(struct config, shutdown.CONFIG_NAME_##type(name)), \
               #name, type, low, high, initial, words, reload, text)
#define CONFIG_ROW_LISTENER(name, type, low, high, initial, words, reload, text) \
    CONFIG_ROW(CONFIG_SECTION_LISTENERS, #name, \
               offsetof(struct config_listener, CONFIG_NAME_##type(name)), \
               #name, type, low, high, initial, words, reload, text)
#define CONFIG_ROW_LISTENER_TLS(name, type, low, high, initial, words, reload, text) \
    CONFIG_ROW(CONFIG_SECTION_LISTENERS ".tls", "tls." #name, \
               offsetof(struct config_listener, tls.CONFIG_NAME_##type(name)), \
               #name, type, low, high, initial, words, reload, text)
#define CONFIG_ROW_LISTENER_WS(name, type, low, high, initial, words, reload, text) \
    CONFIG_ROW(CONFIG_SECTION_LISTENERS ".ws", "ws." #name, \
               offsetof(struct config_listener, ws.CONFIG_NAME_##type(name)), \
               #name, type, low, high, initial, words, reload, text)

#define CONFIG_ROW_AUTHN(name, type, low, high, initial, words, reload, text) \
    CONFIG_ROW(CONFIG_SECTION_AUTHN, #name, \
               offsetof(struct config_authn, CONFIG_NAME_##type(name)), \
               #name, type, low, high, initial, words, reload, text)

static const struct config_key config_key_rows[] = {
    CONFIG_ROOT_TABLE(CONFIG_ROW_ROOT)
    CONFIG_MQTT_TABLE(CONFIG_ROW_MQTT)
    CONFIG_RETAINED_TABLE(CONFIG_ROW_RETAINED)
    CONFIG_LIMITS_TABLE(CONFIG_ROW_LIMITS)
    CONFIG_SHARDS_TABLE(CONFIG_ROW_SHARDS)
    CONFIG_ADMIN_TABLE(CONFIG_ROW_ADMIN)
    CONFIG_ACCESS_TABLE(CONFIG_ROW_ACCESS)
    CONFIG_BANNED_TABLE(CONFIG_ROW_BANNED)
    CONFIG_FLAPPING_DETECT_TABLE(CONFIG_ROW_FLAPPING_DETECT)
    CONFIG_QUOTAS_TABLE(CONFIG_ROW_QUOTAS)
    CONFIG_OVERLOAD_PROTECTION_TABLE(CONFIG_ROW_OVERLOAD_PROTECTION)
    CONFIG_DURABILITY_TABLE(CONFIG_ROW_DURABILITY)
    CONFIG_AUTHORIZATION_TABLE(CONFIG_ROW_AUTHORIZATION)
    CONFIG_LOG_TABLE(CONFIG_ROW_LOG)
    CONFIG_SHUTDOWN_TABLE(CONFIG_ROW_SHUTDOWN)
};

static const struct config_key config_listener_key_rows[] = {
    CONFIG_LISTENER_TABLE(CONFIG_ROW_LISTENER)
    CONFIG_LISTENER_TLS_TABLE(CONFIG_ROW_LISTENER_TLS)
    CONFIG_LISTENER_WS_TABLE(CONFIG_ROW_LISTENER_WS)
};

static const struct config_key config_authn_key_rows[] = {
    CONFIG_AUTHN_TABLE(CONFIG_ROW_AUTHN)
};

#define CONFIG_SECTION_ROW(section, text) {#section, text},
static const struct config_section config_section_rows[] = {
    CONFIG_SECTION_TABLE(CONFIG_SECTION_ROW)
};
static const struct config_section config_listener_section_rows[] = {
    CONFIG_LISTENER_SECTION_TABLE(CONFIG_SECTION_ROW)
};
#define CONFIG_LISTENER_SECTION_NAME(section, text) CONFIG_SECTION_LISTENERS "." #section,
static const char *const config_listener_section_names[] = {
    CONFIG_LISTENER_SECTION_TABLE(CONFIG_LISTENER_SECTION_NAME)
};
/* clang-format on */

/* Fields are written through their offsets with these widths. */
STATIC_CHECK(sizeof(enum config_share_strategy) == sizeof(uint32_t), "choices are 32 bits");
STATIC_CHECK(sizeof(enum config_default_priority) == sizeof(uint32_t), "choices are 32 bits");
STATIC_CHECK(sizeof(enum acl_format) == sizeof(uint32_t), "choices are 32 bits");
STATIC_CHECK(sizeof(enum config_log_format) == sizeof(uint32_t), "choices are 32 bits");
STATIC_CHECK(sizeof(enum config_durability_mode) == sizeof(uint32_t), "choices are 32 bits");
STATIC_CHECK(sizeof(enum config_recovery) == sizeof(uint32_t), "choices are 32 bits");
STATIC_CHECK(sizeof(enum tls_verify) == sizeof(uint32_t), "choices are 32 bits");
STATIC_CHECK(sizeof(enum tls_version) == sizeof(uint32_t), "choices are 32 bits");
STATIC_CHECK(sizeof(enum peer_name) == sizeof(uint32_t), "choices are 32 bits");
STATIC_CHECK(sizeof(enum log_level) == sizeof(uint32_t), "choices are 32 bits");

const struct config_key *config_keys(uint32_t *out_num)
{
    CHECK(out_num != NULL);
    *out_num = ARRAY_LEN(config_key_rows);
    return config_key_rows;
}

const struct config_key *config_listener_keys(uint32_t *out_num)
{
    CHECK(out_num != NULL);
    *out_num = ARRAY_LEN(config_listener_key_rows);
    return config_listener_key_rows;
}

const struct config_key *config_authn_keys(uint32_t *out_num)
{
    CHECK(out_num != NULL);
    *out_num = ARRAY_LEN(config_authn_key_rows);
    return config_authn_key_rows;
}

const struct config_section *config_sections(uint32_t *out_num)
{
    CHECK(out_num != NULL);
    *out_num = ARRAY_LEN(config_section_rows);
    return config_section_rows;
}

const struct config_section *config_listener_sections(uint32_t *out_num)
{
    CHECK(out_num != NULL);
    *out_num = ARRAY_LEN(config_listener_section_rows);
    return config_listener_section_rows;
}

const char *config_listener_section_find(const char *name)
{
    CHECK(name != NULL);
    for (size_t i = 0; i < ARRAY_LEN(config_listener_section_rows); i++) {
        if (strcmp(config_listener_section_rows[i].name, name) == 0)
            return config_listener_section_names[i];
    }
    return NULL;
}

const struct config_key *config_listener_key_find(const char *path)
{
    CHECK(path != NULL);
    for (size_t i = 0; i < ARRAY_LEN(config_listener_key_rows); i++) {
        if (strcmp(config_listener_key_rows[i].path, path) == 0)
            return &config_listener_key_rows[i];
    }
    return NULL;
}

/* The table in which keys of `section` stand. */
static const struct config_key *config_key_table(const char *section, uint32_t *out_num)
{
    static const char listeners[] = CONFIG_SECTION_LISTENERS;
    if (strncmp(section, listeners, sizeof(listeners) - 1) == 0)
        return config_listener_keys(out_num);
    if (strcmp(section, CONFIG_SECTION_AUTHN) == 0)
        return config_authn_keys(out_num);
    return config_keys(out_num);
}

const struct config_key *config_key_find(const char *section, const char *name)
{
    CHECK(section != NULL && name != NULL);
    uint32_t num = 0;
    const struct config_key *keys = config_key_table(section, &num);
    for (uint32_t i = 0; i < num; i++) {
        if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0)
            return &keys[i];
    }
    return NULL;
}

const struct config_key *config_key_find_path(const char *path)
{
    CHECK(path != NULL);
    for (size_t i = 0; i < ARRAY_LEN(config_key_rows); i++) {
        if (strcmp(config_key_rows[i].path, path) == 0)
            return &config_key_rows[i];
    }
    return NULL;
}

const char *config_section_find(const char *name)
{
    CHECK(name != NULL);
    static const char listeners[] = CONFIG_SECTION_LISTENERS;
    static const char authentication[] = CONFIG_SECTION_AUTHN;
    for (size_t i = 0; i < ARRAY_LEN(config_section_rows); i++) {
        if (strcmp(config_section_rows[i].name, name) == 0)
            return config_section_rows[i].name;
    }
    if (strcmp(name, authentication) == 0)
        return authentication;
    static const char zones[] = CONFIG_SECTION_ZONES;
    if (strcmp(name, zones) == 0)
        return zones;
    return strcmp(name, listeners) == 0 ? listeners : NULL;
}

/* The nearest candidate so far. */
struct config_nearest {
    const char *answer;
    uint32_t distance;
};

static void config_nearest_try(struct config_nearest *best, const char *name, const char *known,
                               const char *answer)
{
    uint32_t distance = 0;
    if (edit_distance_is_near(name, known, &distance) && distance < best->distance)
        *best = (struct config_nearest){.answer = answer, .distance = distance};
}

const char *config_key_nearest(const char *section, const char *name)
{
    CHECK(section != NULL && name != NULL);
    struct config_nearest best = {.answer = NULL, .distance = UINT32_MAX};
    uint32_t num = 0;
    const struct config_key *keys = config_key_table(section, &num);
    for (uint32_t i = 0; i < num; i++) {
        if (strcmp(keys[i].section, section) == 0)
            config_nearest_try(&best, name, keys[i].name, keys[i].name);
    }
    if (section[0] == '\0') {
        config_nearest_try(&best, name, CONFIG_SECTION_LISTENERS, CONFIG_SECTION_LISTENERS);
        config_nearest_try(&best, name, CONFIG_SECTION_AUTHN, CONFIG_SECTION_AUTHN);
        config_nearest_try(&best, name, CONFIG_SECTION_ZONES, CONFIG_SECTION_ZONES);
        for (size_t i = 0; i < ARRAY_LEN(config_section_rows); i++)
            config_nearest_try(&best, name, config_section_rows[i].name,
                               config_section_rows[i].name);
    }
    for (size_t i = 0; i < ARRAY_LEN(config_listener_section_rows); i++) {
        if (strcmp(section, CONFIG_SECTION_LISTENERS) == 0)
            config_nearest_try(&best, name, config_listener_section_rows[i].name,
                               config_listener_section_rows[i].name);
    }
    if (best.answer != NULL)
        return best.answer;
    /* Perhaps it is right, or nearly, and only in the wrong section. */
    keys = config_keys(&num);
    for (uint32_t i = 0; i < num; i++) {
        config_nearest_try(&best, name, keys[i].name, keys[i].path);
        config_nearest_try(&best, name, keys[i].path, keys[i].path);
    }
    return best.answer;
}

void *config_key_field(const struct config_key *key, void *base)
{
    CHECK(key != NULL && base != NULL);
    return (char *)base + key->offset;
}
