/*
 * config.h -- the broker's configuration, typed, and how it comes to be.
 *
 * Lowest to highest: the defaults of config_table.h, the file (YAML), the environment
 * (SLUICE_MQTT__MAX_INFLIGHT=64), the command line. Every source is read to its end and every error
 * is reported; a configuration with an error is never handed out. Two things are lists and are
 * replaced as a whole by a higher source: `listeners` by --listen, and the values of one key that
 * is a list (shards.cpus, mqtt.mqueue_priorities). Without any listener there are two: loopback.
 *
 * Field names: durations end in _ms or _s, factors in _permille, sizes are bytes. A word of the
 * table's `words` column (infinity, disabled) is the highest value of the field: UINT32_MAX for
 * counts and seconds, UINT64_MAX for sizes and durations, so that "is it over the limit" needs no
 * special case. Adding such a duration to a time wraps. Seconds of 0xFFFFFFFF are MQTT's never.
 *
 * Ownership: a struct config owns its texts and lists until config_fini; it is moved, not copied.
 *
 * Threads: built by main or the ops thread; only read, by any, once built.
 */
#ifndef SLUICE_CONFIG_H
#define SLUICE_CONFIG_H

#include "check.h"
#include "config_authn_table.h"
#include "config_ctype.h"
#include "config_fields.h"
#include "config_table.h"
#include "error_list.h"
#include "listen_uri.h"
#include "log.h"
#include "rc.h"
#include "tls_server.h"
#include "units.h"

#include <stdio.h>

#define CONFIG_LISTENERS_MAX  64
#define CONFIG_AUTHN_MAX      64   /* steps of all chains */
#define CONFIG_CPUS_MAX       1024 /* CPU_SETSIZE of the C library */
#define CONFIG_PRIORITIES_MAX 1024
#define CONFIG_FILE_LEN_MAX   (1024 * 1024)
#define CONFIG_INFINITY_32    UINT32_MAX
#define CONFIG_INFINITY_64    UINT64_MAX
#define CONFIG_DISABLED_32    UINT32_MAX

/* The enumerations: X(constant, text). Those of log levels and of TLS are the lower floors'. */
#define CONFIG_SHARE_STRATEGY_TABLE(X)                                                             \
    X(CONFIG_SHARE_RANDOM, "random")                                                               \
    X(CONFIG_SHARE_ROUND_ROBIN, "round_robin")                                                     \
    X(CONFIG_SHARE_ROUND_ROBIN_PER_GROUP, "round_robin_per_group")                                 \
    X(CONFIG_SHARE_STICKY, "sticky")                                                               \
    X(CONFIG_SHARE_LOCAL, "local")                                                                 \
    X(CONFIG_SHARE_HASH_CLIENTID, "hash_clientid")                                                 \
    X(CONFIG_SHARE_HASH_TOPIC, "hash_topic")

#define CONFIG_DEFAULT_PRIORITY_TABLE(X)                                                           \
    X(CONFIG_PRIORITY_LOWEST, "lowest")                                                            \
    X(CONFIG_PRIORITY_HIGHEST, "highest")

#define CONFIG_LOG_LEVEL_TABLE(X)                                                                  \
    X(LOG_ERROR, "error")                                                                          \
    X(LOG_WARNING, "warning")                                                                      \
    X(LOG_INFO, "info")                                                                            \
    X(LOG_DEBUG, "debug")

#define CONFIG_LOG_FORMAT_TABLE(X)                                                                 \
    X(CONFIG_LOG_AUTO, "auto")                                                                     \
    X(CONFIG_LOG_TEXT, "text")                                                                     \
    X(CONFIG_LOG_JSON, "json")

#define CONFIG_DURABILITY_TABLE_MODES(X)                                                           \
    X(CONFIG_DURABILITY_COMMIT, "commit")                                                          \
    X(CONFIG_DURABILITY_OS, "os")                                                                  \
    X(CONFIG_DURABILITY_INTERVAL, "interval")

#define CONFIG_RECOVERY_TABLE(X)                                                                   \
    X(CONFIG_RECOVERY_STRICT, "strict")                                                            \
    X(CONFIG_RECOVERY_SKIP_DAMAGED, "skip-damaged")

#define CONFIG_ENUM(constant, text) constant,
enum config_share_strategy { CONFIG_SHARE_STRATEGY_TABLE(CONFIG_ENUM) };
enum config_default_priority { CONFIG_DEFAULT_PRIORITY_TABLE(CONFIG_ENUM) };
enum config_log_format { CONFIG_LOG_FORMAT_TABLE(CONFIG_ENUM) };
enum acl_format { CONFIG_ACL_FORMAT_TABLE(CONFIG_ENUM) };
enum config_permission { CONFIG_PERMISSION_TABLE(CONFIG_ENUM) };
enum config_deny_action { CONFIG_DENY_ACTION_TABLE(CONFIG_ENUM) };
enum config_authn_kind { CONFIG_AUTHN_KIND_TABLE(CONFIG_ENUM) };
enum config_authn_from { CONFIG_AUTHN_FROM_TABLE(CONFIG_ENUM) };
enum config_authn_cert { CONFIG_AUTHN_CERT_TABLE(CONFIG_ENUM) };
enum config_jwt_alg { CONFIG_JWT_ALG_TABLE(CONFIG_ENUM) };
enum config_authn_scram { CONFIG_AUTHN_SCRAM_TABLE(CONFIG_ENUM) };
enum config_authn_user_is { CONFIG_AUTHN_USER_IS_TABLE(CONFIG_ENUM) };
enum config_http_method { CONFIG_HTTP_METHOD_TABLE(CONFIG_ENUM) };
enum config_durability_mode { CONFIG_DURABILITY_TABLE_MODES(CONFIG_ENUM) };
enum config_recovery { CONFIG_RECOVERY_TABLE(CONFIG_ENUM) };
#undef CONFIG_ENUM

/* CPU numbers in the operator's order, none twice. */
struct config_cpus {
    uint32_t num;
    uint16_t ids[CONFIG_CPUS_MAX];
};

struct config_priority {
    char *topic; /* an exact topic name, zero-terminated */
    uint8_t priority;
};

struct config_priorities {
    struct config_priority *items; /* in the operator's order, no topic twice */
    uint32_t num;
};

/* All zero: TCP keep-alive is off. */
struct config_keepalive {
    uint32_t idle_s;
    uint32_t interval_s;
    uint32_t probes;
};

/* Where the endpoint for operators listens. */
struct config_endpoint {
    bool is_off;
    bool is_default; /* no source has said anything */
    struct listen_uri uri;
};

#define CONFIG_FIELD(name, type, min, max, initial, words, reload, text)                           \
    CONFIG_CTYPE_##type CONFIG_NAME_##type(name);

struct config_mqtt {
    CONFIG_MQTT_TABLE(CONFIG_FIELD)
};
struct config_retained {
    CONFIG_RETAINED_TABLE(CONFIG_FIELD)
};
struct config_limits {
    CONFIG_LIMITS_TABLE(CONFIG_FIELD)
};
struct config_shards {
    CONFIG_SHARDS_TABLE(CONFIG_FIELD)
};
struct config_admin {
    CONFIG_ADMIN_TABLE(CONFIG_FIELD)
};
struct config_access {
    CONFIG_ACCESS_TABLE(CONFIG_FIELD)
};
struct config_banned {
    CONFIG_BANNED_TABLE(CONFIG_FIELD)
};
struct config_flapping_detect {
    CONFIG_FLAPPING_DETECT_TABLE(CONFIG_FIELD)
};
struct config_quotas {
    CONFIG_QUOTAS_TABLE(CONFIG_FIELD)
};
struct config_overload_protection {
    CONFIG_OVERLOAD_PROTECTION_TABLE(CONFIG_FIELD)
};
struct config_durability {
    CONFIG_DURABILITY_TABLE(CONFIG_FIELD)
};
struct config_authorization {
    CONFIG_AUTHORIZATION_TABLE(CONFIG_FIELD)
};
struct config_log {
    CONFIG_LOG_TABLE(CONFIG_FIELD)
};
struct config_shutdown {
    CONFIG_SHUTDOWN_TABLE(CONFIG_FIELD)
};
struct config_listener_tls {
    CONFIG_LISTENER_TLS_TABLE(CONFIG_FIELD)
};
struct config_listener_ws {
    CONFIG_LISTENER_WS_TABLE(CONFIG_FIELD)
};
#define CONFIG_LISTENER_STRUCT(section, text) struct config_listener_##section section;
struct config_listener {
    CONFIG_LISTENER_TABLE(CONFIG_FIELD)
    CONFIG_LISTENER_SECTION_TABLE(CONFIG_LISTENER_STRUCT)
    bool removed;  /* a place that a reload has left empty (config_change.h); not a listener */
    bool has_bind; /* `bind` was written, right or wrong; after config_load always true */
    char *place;   /* where it was written, for messages: "sluice.yaml:3:5", "--listen" */
};

/* One step of a chain of authentication. */
struct config_authn {
    CONFIG_AUTHN_TABLE(CONFIG_FIELD)
    char *place;          /* as in struct config_listener */
    bool type_is_refused; /* `type` was there, but not right: there is a message already */
};

#define CONFIG_STRUCT(section, text) struct config_##section section;
struct config {
    CONFIG_ROOT_TABLE(CONFIG_FIELD)
    CONFIG_SECTION_TABLE(CONFIG_STRUCT)
    struct config_listener *listeners; /* at least one after config_load */
    uint32_t num_listeners;
    struct config_authn *authns; /* in the operator's order */
    uint32_t num_authns;
    struct config_zone *zones; /* config_zone.h */
    uint32_t num_zones;
    bool listeners_are_default; /* none was configured: loopback only */
};
#undef CONFIG_STRUCT
#undef CONFIG_LISTENER_STRUCT

/* One value from the command line. `option` names it in errors: "--shards". All borrowed. */
struct config_override {
    const char *option;
    const char *path; /* "shards.count" */
    const char *text;
};

/* What to read. Everything is borrowed for the call; zero and NULL mean "none of it". */
struct config_sources {
    const char *file;         /* path of a YAML file */
    char *const *environment; /* NULL-terminated NAME=value, as `environ` */
    const struct config_override *overrides;
    uint32_t num_overrides;
    const char *const *listen; /* the URIs of --listen; if any, they replace all listeners */
    uint32_t num_listen;
    const struct config_override *listen_overrides; /* for those of them with TLS */
    uint32_t num_listen_overrides;
};

/*
 * Reads all sources. RC_OK: *out is complete and valid and the caller owns it (config_fini).
 * RC_INVALID: *out is all zero and *errors (initialised by the caller) has at least one message,
 * each with its place: "sluice.yaml:3:5: ...", "SLUICE_MQTT__MAX_QOS: ...", "--shards: ...".
 */
MUST_USE enum rc config_load(struct config *out, const struct config_sources *sources,
                             struct error_list *errors);

/* The same with the file's text in memory; `name` stands in messages. For tests and fuzzing. */
MUST_USE enum rc config_load_text(struct config *out, const char *name, const char *text,
                                  size_t text_len, const struct config_sources *sources,
                                  struct error_list *errors);

/* Frees what `config` owns and clears it. Nothing to do on one that is all zero. */
void config_fini(struct config *config);

/* True unless data_dir is `none`. */
bool config_has_data_dir(const struct config *config);

/* For --check-config: "configuration ok", then what is not the default ("mqtt.max_qos = 1"). */
void config_print(const struct config *config, FILE *out);

#endif
