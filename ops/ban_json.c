/*
 * ban_json.c -- see ban_json.h.
 * Threads: see ban_json.h.
 */
#include "ban_json.h"

#include <string.h>

#include "rfc3339.h"

static const char *ban_json_moment(uint64_t seconds, char *out)
{
    return seconds == BAN_NEVER_S ? "infinity" : rfc3339_format(seconds, out);
}

json_t *ban_json(const struct ban *ban)
{
    char at[RFC3339_LEN_MAX + 1];
    char until[RFC3339_LEN_MAX + 1];
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "as", ban_kind_name(ban->kind), "who",
                     ban->who, "by", ban->by, "reason", ban->reason, "at",
                     ban_json_moment(ban->at_s, at), "until", ban_json_moment(ban->until_s, until));
}

static bool ban_json_why(char *out_why, const char *member, const char *what)
{
    snprintf(out_why, BAN_WHY_LEN_MAX + 1, "`%s` %s", member, what);
    return false;
}

static bool ban_json_is_moment(uint64_t seconds)
{
    return seconds <= RFC3339_LAST_S || seconds == BAN_NEVER_S;
}

/* jansson's texts may hold zero bytes; ours may not. */
static bool ban_json_text(const json_t *from, const char *member, const char *otherwise, char **out,
                          char *out_why)
{
    const json_t *value = json_object_get(from, member);
    const char *text = value == NULL || json_is_null(value) ? otherwise : json_string_value(value);
    *out = (char *)(uintptr_t)text; /* borrowed, only read */
    if (text == NULL)
        return ban_json_why(out_why, member, "has to be a text");
    if (json_is_string(value) && strlen(text) != json_string_length(value))
        return ban_json_why(out_why, member, "has a zero byte in it");
    return true;
}

static bool ban_json_time(const json_t *from, const char *member, uint64_t otherwise,
                          uint64_t *out_s, char *out_why)
{
    const json_t *value = json_object_get(from, member);
    const char *text = json_string_value(value);
    *out_s = otherwise;
    if (value == NULL || json_is_null(value))
        return true;
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *out_s = (uint64_t)json_integer_value(value);
        return true;
    }
    if (text != NULL && strcmp(text, "infinity") == 0) {
        *out_s = BAN_NEVER_S;
        return true;
    }
    if (text != NULL && rfc3339_parse(text, out_s))
        return true;
    return ban_json_why(out_why, member, "is not a moment such as 2026-01-31T12:00:00Z");
}

bool ban_json_read(const json_t *from, uint64_t now_s, const char *by, struct ban *out,
                   char *out_why)
{
    const char *kind = json_string_value(json_object_get(from, "as"));
    *out = (struct ban){.kind = kind == NULL ? BAN_KIND_COUNT : ban_kind_find(kind)};
    if (!json_is_object(from)) {
        snprintf(out_why, BAN_WHY_LEN_MAX + 1, "it has to be an object");
        return false;
    }
    if (out->kind == BAN_KIND_COUNT)
        return ban_json_why(out_why, "as",
                            "is not one of clientid, username, peerhost, peerhost_net, "
                            "clientid_re, username_re");
    if (!ban_json_text(from, "who", NULL, &out->who, out_why) ||
        !ban_json_text(from, "by", by, &out->by, out_why) ||
        !ban_json_text(from, "reason", "", &out->reason, out_why) ||
        !ban_json_time(from, "at", now_s, &out->at_s, out_why) ||
        !ban_json_time(from, "until", BAN_NEVER_S, &out->until_s, out_why))
        return false;
    if (!ban_json_is_moment(out->at_s) || !ban_json_is_moment(out->until_s))
        return ban_json_why(out_why, ban_json_is_moment(out->at_s) ? "until" : "at",
                            "is after the year 9999");
    return true;
}

char *ban_row_text(const struct ban *ban)
{
    json_t *row = json_pack("{s:s, s:s, s:I}", "by", ban->by, "reason", ban->reason, "at",
                            (json_int_t)ban->at_s);
    if (row != NULL && ban->until_s != BAN_NEVER_S &&
        json_object_set_new(row, "until", json_integer((json_int_t)ban->until_s)) != 0) {
        json_decref(row);
        return NULL;
    }
    char *text = json_dumps(row, JSON_COMPACT);
    json_decref(row);
    return text;
}

json_t *ban_row_read(struct bytes value, struct ban *out)
{
    char why[BAN_WHY_LEN_MAX + 1];
    json_t *row = json_loadb((const char *)value.ptr, value.len, JSON_REJECT_DUPLICATES, NULL);
    if (ban_json_text(row, "by", NULL, &out->by, why) &&
        ban_json_text(row, "reason", NULL, &out->reason, why) &&
        ban_json_time(row, "at", 0, &out->at_s, why) &&
        ban_json_time(row, "until", BAN_NEVER_S, &out->until_s, why))
        return row;
    json_decref(row);
    return NULL;
}
