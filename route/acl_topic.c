/*
 * acl_topic.c -- one topic of a rule, with its placeholders, against one question.
 *
 * What acl_match.c does for all rules at once with its trie is done here level by level for one:
 * the rules of an identity (identity.h) are few and differ from client to client, so that nothing
 * is compiled.
 *
 * Threads: pure functions, any.
 */
#include "acl_inner.h"
#include "topic.h"

struct bytes acl_piece_value(const struct acl_piece *piece, const struct client_identity *subject)
{
    struct bytes value = {0};
    switch (piece->kind) {
    case ACL_PIECE_TEXT:
        return piece->text;
    case ACL_PIECE_CLIENT:
        value = subject->client_id;
        break;
    case ACL_PIECE_USER:
        value = subject->username;
        break;
    case ACL_PIECE_COMMON_NAME:
        value = subject->cert_common_name;
        break;
    case ACL_PIECE_ATTRIBUTE:
        for (uint32_t i = 0; i < subject->attrs_num; i++)
            if (bytes_equal(subject->attrs[i].name, piece->text))
                value = subject->attrs[i].value;
        break;
    }
    for (uint32_t i = 0; i < value.len; i++)
        if (value.ptr[i] == '/' || value.ptr[i] == '+' || value.ptr[i] == '#')
            return (struct bytes){0};
    return value;
}

bool acl_template_is(struct bytes template, const struct client_identity *subject,
                     struct bytes text)
{
    struct acl_piece piece;
    while (acl_piece_next(&template, &piece)) {
        struct bytes value = acl_piece_value(&piece, subject);
        if (value.len == 0 || value.len > text.len || memcmp(value.ptr, text.ptr, value.len) != 0)
            return false;
        text = bytes_of(text.ptr + value.len, text.len - value.len);
    }
    return text.len == 0;
}

bool acl_template_is_met(struct bytes template, const struct client_identity *subject,
                         uint32_t depth)
{
    struct acl_piece piece;
    bool is_first = true;
    while (acl_piece_next(&template, &piece)) {
        struct bytes value = acl_piece_value(&piece, subject);
        if (value.len == 0 || (is_first && depth == 0 && value.ptr[0] == '$'))
            return false;
        is_first = false;
    }
    return true;
}

/* Two texts, level by level. */
struct acl_levels {
    struct bytes rest;
    bool more;
    struct bytes level; /* the one looked at, if is_level */
    bool is_level;
};

static void acl_levels_next(struct acl_levels *levels)
{
    levels->is_level = topic_level_next(&levels->rest, &levels->more, &levels->level);
}

static bool acl_level_is(const struct acl_levels *levels, char wildcard)
{
    return levels->is_level && levels->level.len == 1 && levels->level.ptr[0] == (uint8_t)wildcard;
}

/* Could a wildcard at this depth match what the rule's level stands for? */
static bool acl_level_is_met(struct bytes level, const struct client_identity *subject,
                             uint32_t depth)
{
    if (level.len == 1 && (level.ptr[0] == '+' || level.ptr[0] == '#'))
        return true;
    if (memmem(level.ptr, level.len, "${", 2) != NULL)
        return acl_template_is_met(level, subject, depth);
    return depth > 0 || !acl_begins_with_dollar(level);
}

/* The request goes on with '#'. */
static bool acl_topic_fits_rest(struct acl_levels rule, bool allow,
                                const struct client_identity *subject, uint32_t depth)
{
    if (allow) { /* only '#' is as wide, and at the beginning '+/#' */
        bool is_plus = acl_level_is(&rule, '+');
        acl_levels_next(&rule);
        return depth == 0 && is_plus && acl_level_is(&rule, '#');
    }
    for (; rule.is_level; acl_levels_next(&rule), depth++)
        if (!acl_level_is_met(rule.level, subject, depth))
            return false;
    return true;
}

bool acl_topic_fits(struct bytes text, bool is_eq, bool allow,
                    const struct client_identity *subject, const struct acl_query *query)
{
    if (is_eq)
        return acl_template_is(text, subject, query->topic);
    struct acl_levels rule = {.rest = text, .more = true};
    struct acl_levels asked = {.rest = query->topic, .more = true};
    bool is_filter = query->action == ACL_SUBSCRIBE;
    bool is_dollar = acl_begins_with_dollar(query->topic);
    for (uint32_t depth = 0;; depth++) {
        acl_levels_next(&rule);
        acl_levels_next(&asked);
        if (acl_level_is(&rule, '#'))
            return depth > 0 || !is_dollar;
        if (is_filter && acl_level_is(&asked, '#'))
            return acl_topic_fits_rest(rule, allow, subject, depth);
        if (!rule.is_level || !asked.is_level)
            return !rule.is_level && !asked.is_level;
        if (acl_level_is(&rule, '+')) {
            if (depth == 0 && is_dollar)
                return false;
        } else if (is_filter && acl_level_is(&asked, '+')) {
            if (allow || !acl_level_is_met(rule.level, subject, depth))
                return false;
        } else if (!acl_template_is(rule.level, subject, asked.level)) {
            return false;
        }
    }
}
