/*
 * listener_policy.c -- see listener_policy.h.
 *
 * Lists are copies of the configuration's text, cut at their commas in place.
 */
#include "listener_policy.h"

#include <stdlib.h>
#include <string.h>

#include "config_value.h"
#include "listen.h"
#include "ws_frame.h"

#define POLICY_PLACEHOLDERS "${clientid} and ${username}"

/* A list of texts; the elements point into `text`. */
struct policy_list {
    char *text;
    const char **items;
    uint32_t num;
};

struct listener_policy {
    struct listen_policy is;
    struct policy_list protocols;
    struct policy_list origins;
    struct cidr_rule *rules;
    struct cidr *trusted;
    char *path;
    char *address_header;
    char *port_header;
    char *mountpoint;
    char *zone;
};

/* ---- lists ---- */

static void policy_list_fini(struct policy_list *list)
{
    free(list->text);
    free(list->items);
    memset(list, 0, sizeof(*list));
}

/* False without memory. */
static bool policy_list_init(struct policy_list *list, const char *text)
{
    uint32_t most = 1;
    for (const char *at = text; *at != '\0'; at++)
        most += *at == ',';
    memset(list, 0, sizeof(*list));
    list->text = strdup(text);
    list->items = calloc(most, sizeof(*list->items));
    if (list->text == NULL || list->items == NULL) {
        policy_list_fini(list);
        return false;
    }
    char *rest = list->text;
    char *item;
    while ((item = strsep(&rest, ",")) != NULL) {
        item += strspn(item, " \t");
        size_t len = strlen(item);
        while (len > 0 && (item[len - 1] == ' ' || item[len - 1] == '\t'))
            item[--len] = '\0';
        if (len > 0)
            list->items[list->num++] = item;
    }
    CHECK(list->num <= most);
    return true;
}

/* ---- checks ---- */

static bool policy_is_token(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789!#$%&'*+-.^_`|~";
    return *text != '\0' && strspn(text, allowed) == strlen(text);
}

static void policy_refuse(const struct config_report *report, const struct config_listener *from,
                          const char *key, const char *text, const char *reason)
{
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    config_refuse(report, "listener %s: %s: \"%s\": %s", from->name, key,
                  error_list_quote(text, quote), reason);
}

static void policy_check_addresses(const struct config_listener *from,
                                   const struct config_report *report)
{
    struct policy_list list;
    const char *reason;
    if (!policy_list_init(&list, from->access_rules)) {
        config_refuse(report, "%s", rc_text(RC_NO_MEMORY));
        return;
    }
    for (uint32_t i = 0; i < list.num; i++) {
        struct cidr_rule rule;
        if (cidr_rule_parse(list.items[i], &rule, &reason) != RC_OK)
            policy_refuse(report, from, "access_rules", list.items[i], reason);
    }
    policy_list_fini(&list);
    if (!policy_list_init(&list, from->trusted_proxies)) {
        config_refuse(report, "%s", rc_text(RC_NO_MEMORY));
        return;
    }
    for (uint32_t i = 0; i < list.num; i++) {
        struct cidr range;
        if (cidr_parse(list.items[i], &range, &reason) != RC_OK)
            policy_refuse(report, from, "trusted_proxies", list.items[i], reason);
    }
    if (from->proxy_protocol && list.num == 0 && from->bind.scheme != LISTEN_UNIX)
        config_refuse(report, "the listener %s has `proxy_protocol` and needs `trusted_proxies`",
                      from->name);
    policy_list_fini(&list);
}

static void policy_check_mountpoint(const struct config_listener *from,
                                    const struct config_report *report)
{
    const char *text = from->mountpoint;
    if (strpbrk(text, "+#") != NULL)
        policy_refuse(report, from, "mountpoint", text, "wildcards have no place in it");
    for (const char *at = text; (at = strstr(at, "${")) != NULL; at += 2) {
        if (strncmp(at, "${clientid}", 11) != 0 && strncmp(at, "${username}", 11) != 0) {
            policy_refuse(report, from, "mountpoint", at,
                          "the placeholders are " POLICY_PLACEHOLDERS);
            return;
        }
    }
}

static void policy_check_ws(const struct config_listener *from, const struct config_report *report)
{
    const struct config_listener_ws *ws = &from->ws;
    struct policy_list list;
    if (ws->mqtt_path[0] != '/')
        policy_refuse(report, from, "ws.mqtt_path", ws->mqtt_path, "a path begins with /");
    if (ws->proxy_address_header[0] != '\0' && !policy_is_token(ws->proxy_address_header))
        policy_refuse(report, from, "ws.proxy_address_header", ws->proxy_address_header,
                      "this is not the name of a field");
    if (ws->proxy_port_header[0] != '\0' && !policy_is_token(ws->proxy_port_header))
        policy_refuse(report, from, "ws.proxy_port_header", ws->proxy_port_header,
                      "this is not the name of a field");
    if (!policy_list_init(&list, ws->supported_subprotocols)) {
        config_refuse(report, "%s", rc_text(RC_NO_MEMORY));
        return;
    }
    for (uint32_t i = 0; i < list.num; i++) {
        if (!policy_is_token(list.items[i]) || strlen(list.items[i]) > WS_PROTOCOL_LEN_MAX)
            policy_refuse(report, from, "ws.supported_subprotocols", list.items[i],
                          "this is not the name of a subprotocol");
    }
    if (list.num == 0)
        policy_refuse(report, from, "ws.supported_subprotocols", "", "there is none");
    policy_list_fini(&list);
}

/* Keys that say something about a kind of listener that this one is not. */
static void policy_check_kind(const struct config_listener *from,
                              const struct config_report *report)
{
    bool is_ws = (listen_uri_layers(from->bind.scheme) & LISTEN_LAYER_WEBSOCKET) != 0;
    uint32_t num = 0;
    const struct config_key *keys = config_listener_keys(&num);
    struct config_listener plain;
    for (uint32_t i = 0; !is_ws && i < num; i++) {
        if (strncmp(keys[i].path, "ws.", 3) != 0)
            continue;
        memset(&plain, 0, sizeof(plain));
        if (config_value_reset(&keys[i], &plain, report) &&
            !config_value_equal(&keys[i], from, &plain))
            config_refuse(report,
                          "the listener %s has `%s`, and its address is not ws:// or wss://",
                          from->name, keys[i].path);
        config_value_clear(&keys[i], &plain);
    }
    size_t len = strlen(from->mode);
    if (strspn(from->mode, "01234567") != len || (len > 0 && len < 3))
        policy_refuse(report, from, "mode", from->mode, "it should be octal, such as 0660");
    else if (len > 0 && from->bind.scheme != LISTEN_UNIX)
        config_refuse(report, "the listener %s has `mode`, and is not a Unix socket", from->name);
}

void listener_policy_check(const struct config_listener *listener,
                           const struct config_report *report)
{
    CHECK(listener != NULL && report != NULL);
    policy_check_kind(listener, report);
    policy_check_addresses(listener, report);
    policy_check_mountpoint(listener, report);
    policy_check_ws(listener, report);
}

/* ---- making one ---- */

static bool policy_rules(struct listener_policy *policy, const char *text)
{
    struct policy_list list;
    const char *reason;
    if (!policy_list_init(&list, text))
        return false;
    policy->rules = calloc(list.num + 1, sizeof(*policy->rules));
    for (uint32_t i = 0; policy->rules != NULL && i < list.num; i++) {
        enum rc rc = cidr_rule_parse(list.items[i], &policy->rules[i], &reason);
        CHECK(rc == RC_OK);
    }
    policy->is.rules = policy->rules;
    policy->is.num_rules = list.num;
    policy_list_fini(&list);
    return policy->rules != NULL;
}

static bool policy_trusted(struct listener_policy *policy, const char *text)
{
    struct policy_list list;
    const char *reason;
    if (!policy_list_init(&list, text))
        return false;
    policy->trusted = calloc(list.num + 1, sizeof(*policy->trusted));
    for (uint32_t i = 0; policy->trusted != NULL && i < list.num; i++) {
        enum rc rc = cidr_parse(list.items[i], &policy->trusted[i], &reason);
        CHECK(rc == RC_OK);
    }
    policy->is.trusted = policy->trusted;
    policy->is.num_trusted = list.num;
    policy_list_fini(&list);
    return policy->trusted != NULL;
}

static bool policy_texts(struct listener_policy *policy, const struct config_listener *from)
{
    policy->path = strdup(from->ws.mqtt_path);
    policy->address_header = strdup(from->ws.proxy_address_header);
    policy->port_header = strdup(from->ws.proxy_port_header);
    policy->mountpoint = strdup(from->mountpoint);
    policy->zone = strdup(from->zone);
    return policy->path != NULL && policy->address_header != NULL && policy->port_header != NULL &&
           policy->mountpoint != NULL && policy->zone != NULL;
}

struct listener_policy *listener_policy_create(const struct config_listener *listener)
{
    struct listener_policy *policy = calloc(1, sizeof(*policy));
    if (policy == NULL)
        return NULL;
    if (!policy_rules(policy, listener->access_rules) ||
        !policy_trusted(policy, listener->trusted_proxies) || !policy_texts(policy, listener) ||
        !policy_list_init(&policy->protocols, listener->ws.supported_subprotocols) ||
        !policy_list_init(&policy->origins, listener->ws.check_origins)) {
        listener_policy_destroy(policy);
        return NULL;
    }
    struct listen_policy *is = &policy->is;
    is->proxy = listener->proxy_protocol;
    is->proxy_skip = listener->proxy_protocol_skip;
    is->is_unix = listener->bind.scheme == LISTEN_UNIX;
    is->proxy_timeout_ms = listener->proxy_protocol_timeout_ms;
    is->ws_frame_max = listener->ws.max_frame_size;
    is->mountpoint = bytes_of_text(policy->mountpoint);
    is->zone = bytes_of_text(policy->zone);
    is->ws = (struct ws_rules){.path = policy->path,
                               .protocols = policy->protocols.items,
                               .num_protocols = policy->protocols.num,
                               .protocol_optional = !listener->ws.fail_if_no_subprotocol,
                               .check_origin = listener->ws.check_origin_enable,
                               .origin_absent_ok = listener->ws.allow_origin_absent,
                               .origins = policy->origins.items,
                               .num_origins = policy->origins.num,
                               .forwarded_for = policy->address_header,
                               .forwarded_port = policy->port_header,
                               .trusted = policy->trusted,
                               .num_trusted = is->num_trusted};
    STATIC_CHECK(WS_FRAME_UNLIMITED == CONFIG_INFINITY_64, "infinity is no limit");
    return policy;
}

void listener_policy_destroy(struct listener_policy *policy)
{
    if (policy == NULL)
        return;
    policy_list_fini(&policy->protocols);
    policy_list_fini(&policy->origins);
    free(policy->rules);
    free(policy->trusted);
    free(policy->path);
    free(policy->address_header);
    free(policy->port_header);
    free(policy->mountpoint);
    free(policy->zone);
    free(policy);
}

const struct listen_policy *listener_policy_view(const struct listener_policy *policy)
{
    CHECK(policy != NULL);
    return &policy->is;
}
