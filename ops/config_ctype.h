/*
 * config_ctype.h -- the C type and the field name of each type of the tables of keys.
 *
 * A row `X(send_timeout, DURATION, ...)` becomes the field `uint64_t send_timeout_ms`. The types
 * that these words stand for are config.h's, which includes this file.
 *
 * Threads: constants, any.
 */
#ifndef SLUICE_CONFIG_CTYPE_H
#define SLUICE_CONFIG_CTYPE_H

#include "password.h"

/* One field per row of a table: its C type, and its name with the unit behind it. */
#define CONFIG_CTYPE_BOOL             bool
#define CONFIG_CTYPE_COUNT            uint32_t
#define CONFIG_CTYPE_SIZE             uint64_t
#define CONFIG_CTYPE_DURATION         uint64_t
#define CONFIG_CTYPE_SECONDS          uint32_t
#define CONFIG_CTYPE_FACTOR           uint32_t
#define CONFIG_CTYPE_RATE             struct units_rate /* amount CONFIG_INFINITY_64: no limit */
#define CONFIG_CTYPE_BYTE_RATE        struct units_rate
#define CONFIG_CTYPE_TEXT             char * /* never NULL, at most "" */
#define CONFIG_CTYPE_LIST             char * /* elements with commas between them */
#define CONFIG_CTYPE_CPUS             struct config_cpus
#define CONFIG_CTYPE_PRIORITIES       struct config_priorities
#define CONFIG_CTYPE_FIELDS           struct config_fields
#define CONFIG_CTYPE_BIND             struct listen_uri
#define CONFIG_CTYPE_KEEPALIVE        struct config_keepalive
#define CONFIG_CTYPE_ENDPOINT         struct config_endpoint
#define CONFIG_CTYPE_SHARE_STRATEGY   enum config_share_strategy
#define CONFIG_CTYPE_DEFAULT_PRIORITY enum config_default_priority
#define CONFIG_CTYPE_LOG_LEVEL        enum log_level
#define CONFIG_CTYPE_LOG_FORMAT       enum config_log_format
#define CONFIG_CTYPE_DURABILITY_MODE  enum config_durability_mode
#define CONFIG_CTYPE_RECOVERY         enum config_recovery
#define CONFIG_CTYPE_ACL_FORMAT       enum acl_format
#define CONFIG_CTYPE_PERMISSION       enum config_permission
#define CONFIG_CTYPE_DENY_ACTION      enum config_deny_action
#define CONFIG_CTYPE_TLS_VERIFY       enum tls_verify
#define CONFIG_CTYPE_TLS_VERSION      enum tls_version
#define CONFIG_CTYPE_PEER_NAME        enum peer_name
#define CONFIG_CTYPE_AUTHN_KIND       enum config_authn_kind
#define CONFIG_CTYPE_AUTHN_FROM       enum config_authn_from
#define CONFIG_CTYPE_AUTHN_CERT       enum config_authn_cert
#define CONFIG_CTYPE_JWT_ALG          enum config_jwt_alg
#define CONFIG_CTYPE_AUTHN_SCRAM      enum config_authn_scram
#define CONFIG_CTYPE_AUTHN_USER_IS    enum config_authn_user_is
#define CONFIG_CTYPE_HTTP_METHOD      enum config_http_method
#define CONFIG_CTYPE_PASSWORD_HASH    enum password_algorithm

#define CONFIG_NAME_BOOL(name)             name
#define CONFIG_NAME_COUNT(name)            name
#define CONFIG_NAME_SIZE(name)             name
#define CONFIG_NAME_DURATION(name)         name##_ms
#define CONFIG_NAME_SECONDS(name)          name##_s
#define CONFIG_NAME_FACTOR(name)           name##_permille
#define CONFIG_NAME_RATE(name)             name
#define CONFIG_NAME_BYTE_RATE(name)        name
#define CONFIG_NAME_TEXT(name)             name
#define CONFIG_NAME_LIST(name)             name
#define CONFIG_NAME_CPUS(name)             name
#define CONFIG_NAME_PRIORITIES(name)       name
#define CONFIG_NAME_FIELDS(name)           name
#define CONFIG_NAME_BIND(name)             name
#define CONFIG_NAME_KEEPALIVE(name)        name
#define CONFIG_NAME_ENDPOINT(name)         name
#define CONFIG_NAME_SHARE_STRATEGY(name)   name
#define CONFIG_NAME_DEFAULT_PRIORITY(name) name
#define CONFIG_NAME_LOG_LEVEL(name)        name
#define CONFIG_NAME_LOG_FORMAT(name)       name
#define CONFIG_NAME_DURABILITY_MODE(name)  name
#define CONFIG_NAME_RECOVERY(name)         name
#define CONFIG_NAME_ACL_FORMAT(name)       name
#define CONFIG_NAME_PERMISSION(name)       name
#define CONFIG_NAME_DENY_ACTION(name)      name
#define CONFIG_NAME_TLS_VERIFY(name)       name
#define CONFIG_NAME_TLS_VERSION(name)      name
#define CONFIG_NAME_PEER_NAME(name)        name
#define CONFIG_NAME_AUTHN_KIND(name)       name
#define CONFIG_NAME_AUTHN_FROM(name)       name
#define CONFIG_NAME_AUTHN_CERT(name)       name
#define CONFIG_NAME_JWT_ALG(name)          name
#define CONFIG_NAME_AUTHN_SCRAM(name)      name
#define CONFIG_NAME_AUTHN_USER_IS(name)    name
#define CONFIG_NAME_HTTP_METHOD(name)      name
#define CONFIG_NAME_PASSWORD_HASH(name)    name

#endif
