/*
 * claims.c -- see claims.h.
 *
 * jansson's accessors answer NULL or 0 for what is absent or of another type, so every member is
 * asked for its type first.
 *
 * Threads: see claims.h.
 */
#include "claims.h"

#include "acl_rule.h"

#include <string.h>

#include "limits.h"

/* A member may be absent: then the claim is what it was. */
static struct bytes claims_text(const json_t *value)
{
    return bytes_of(json_string_value(value), json_string_length(value));
}

static bool claims_action(const json_t *value, uint8_t *out)
{
    static const struct {
        const char *name;
        uint8_t actions;
    } rows[] = {{"publish", IDENTITY_PUBLISH},
                {"subscribe", IDENTITY_SUBSCRIBE},
                {"pub", IDENTITY_PUBLISH},
                {"sub", IDENTITY_SUBSCRIBE},
                {"all", IDENTITY_ALL}};
    *out = IDENTITY_ALL;
    if (value == NULL)
        return true;
    const char *text = json_string_value(value);
    for (size_t i = 0; text != NULL && i < ARRAY_LEN(rows); i++) {
        if (strcmp(text, rows[i].name) == 0) {
            *out = rows[i].actions;
            return true;
        }
    }
    return false;
}

static bool claims_permission(const json_t *value, bool *out_allow)
{
    const char *text = value == NULL ? "allow" : json_string_value(value);
    *out_allow = text != NULL && strcmp(text, "allow") == 0;
    return *out_allow || (text != NULL && strcmp(text, "deny") == 0);
}

static bool claims_qos_one(const json_t *value, uint8_t *bits)
{
    json_int_t qos = json_integer_value(value);
    if (!json_is_integer(value) || qos < 0 || qos > 2)
        return false;
    *bits |= (uint8_t)(1u << qos);
    return true;
}

static bool claims_qos(const json_t *value, uint8_t *out)
{
    *out = IDENTITY_QOS_ALL;
    if (value == NULL)
        return true;
    *out = 0;
    if (!json_is_array(value))
        return claims_qos_one(value, out);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!claims_qos_one(json_array_get(value, i), out))
            return false;
    return *out != 0;
}

static bool claims_retain(const json_t *value, uint8_t *out)
{
    *out = IDENTITY_RETAIN_ANY;
    if (value == NULL)
        return true;
    if (json_is_boolean(value)) {
        *out = json_is_true(value) ? IDENTITY_RETAIN_SET : IDENTITY_RETAIN_CLEAR;
        return true;
    }
    const char *text = json_string_value(value);
    return text != NULL && strcmp(text, "all") == 0;
}

/* Appends `rule` for a topic, which may be a literal. */
static enum rc claims_add(struct claims *out, struct identity_rule rule, const json_t *topic)
{
    if (!json_is_string(topic) || json_string_length(topic) == 0 ||
        json_string_length(topic) > STRING_LEN_MAX)
        return RC_INVALID;
    if (out->draft.rules_num == IDENTITY_RULES_MAX)
        return RC_FULL;
    rule.topic = claims_text(topic);
    rule.is_literal = rule.topic.len > 3 && memcmp(rule.topic.ptr, "eq ", 3) == 0;
    if (rule.is_literal)
        rule.topic = (struct bytes){.ptr = rule.topic.ptr + 3, .len = rule.topic.len - 3};
    const char *why;
    uint32_t at;
    if (!acl_topic_check(rule.topic, rule.is_literal, &why, &at))
        return RC_INVALID;
    out->rules[out->draft.rules_num++] = rule;
    return RC_OK;
}

static enum rc claims_add_list(struct claims *out, struct identity_rule rule, const json_t *topics)
{
    if (!json_is_array(topics))
        return claims_add(out, rule, topics);
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < json_array_size(topics); i++)
        rc = claims_add(out, rule, json_array_get(topics, i));
    return rc;
}

static enum rc claims_rule(struct claims *out, const json_t *entry)
{
    struct identity_rule rule = {0};
    if (!json_is_object(entry) ||
        !claims_permission(json_object_get(entry, "permission"), &rule.allow) ||
        !claims_action(json_object_get(entry, "action"), &rule.actions) ||
        !claims_qos(json_object_get(entry, "qos"), &rule.qos) ||
        !claims_retain(json_object_get(entry, "retain"), &rule.retain))
        return RC_INVALID;
    const json_t *topics = json_object_get(entry, "topics");
    return claims_add_list(out, rule, topics != NULL ? topics : json_object_get(entry, "topic"));
}

/* The older form, by kind of action. */
static enum rc claims_acl_map(struct claims *out, const json_t *acl)
{
    static const char *const names[] = {"pub", "sub", "all"};
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < ARRAY_LEN(names); i++) {
        struct identity_rule rule = {.allow = true, .qos = IDENTITY_QOS_ALL};
        const json_t *topics = json_object_get(acl, names[i]);
        if (topics == NULL)
            continue;
        json_t *name = json_string(names[i]);
        bool known = name != NULL && claims_action(name, &rule.actions);
        json_decref(name);
        rc = known ? claims_add_list(out, rule, topics) : RC_NO_MEMORY;
    }
    return rc;
}

static enum rc claims_acl(struct claims *out, const json_t *acl)
{
    if (acl == NULL)
        return RC_OK;
    out->draft.has_rules = true;
    if (json_is_object(acl))
        return claims_acl_map(out, acl);
    if (!json_is_array(acl))
        return RC_INVALID;
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < json_array_size(acl); i++)
        rc = claims_rule(out, json_array_get(acl, i));
    return rc;
}

static enum rc claims_attrs(struct claims *out, const json_t *attrs)
{
    if (attrs == NULL)
        return RC_OK;
    if (!json_is_object(attrs))
        return RC_INVALID;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)attrs, name, value)
    {
        if (!json_is_string(value))
            return RC_INVALID;
        if (out->draft.attrs_num == IDENTITY_ATTRS_MAX)
            return RC_FULL;
        out->attrs[out->draft.attrs_num++] = (struct identity_attr){.name = bytes_of_text(name),
                                                                    .value = claims_text(value)};
    }
    return RC_OK;
}

static enum rc claims_expiry(struct claims *out, const json_t *value)
{
    if (value == NULL || json_is_null(value))
        return RC_OK;
    /* RFC 7519 section 2: a NumericDate may have a fraction. */
    double seconds = json_number_value(value);
    if (!json_is_number(value) || !(seconds > 0) || seconds > 9e15)
        return RC_INVALID;
    out->draft.expires_s = (uint64_t)seconds;
    return RC_OK;
}

enum rc claims_read(const json_t *document, const char *acl_name, const char *expiry_name,
                    struct claims *out)
{
    memset(&out->draft, 0, sizeof(out->draft));
    if (!json_is_object(document))
        return RC_INVALID;
    const json_t *superuser = json_object_get(document, "is_superuser");
    if (superuser != NULL && !json_is_boolean(superuser))
        return RC_INVALID;
    out->draft.is_superuser = json_is_true(superuser);
    enum rc rc = claims_attrs(out, json_object_get(document, "client_attrs"));
    if (rc == RC_OK)
        rc = claims_expiry(out, json_object_get(document, expiry_name));
    if (rc == RC_OK)
        rc = claims_acl(out, json_object_get(document, acl_name));
    out->draft.attrs = out->attrs;
    out->draft.rules = out->rules;
    return rc;
}
