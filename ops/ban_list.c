/*
 * ban_list.c -- see ban_list.h.
 *
 * Removing moves the last item into the gap and builds the table anew: rare, and quick enough for
 * the most bans there can be.
 */
#include "ban_list.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "utf8.h"

#define BAN_TABLE_FIRST 64

/* What operators ban is not aimed at this table, and who flaps was hashed with a secret before. */
static const struct hash_key ban_list_key = {
    .words = {UINT64_C(0x243f6a8885a308d3), UINT64_C(0x13198a2e03707344)}};

static uint32_t ban_list_hash(enum ban_kind kind, const char *who)
{
    return (uint32_t)hash_mix(hash_keyed(&ban_list_key, bytes_of_text(who)), (uint64_t)kind + 1);
}

/* The place of that ban in the table, or the empty one where it would stand. */
static uint32_t ban_list_place(const struct ban_list *list, enum ban_kind kind, const char *who)
{
    uint32_t place = ban_list_hash(kind, who) & list->mask;
    for (; list->table[place] != 0; place = (place + 1) & list->mask) {
        const struct ban *ban = &list->items[list->table[place] - 1];
        if (ban->kind == kind && strcmp(ban->who, who) == 0)
            break;
    }
    return place;
}

static void ban_fini(struct ban *ban)
{
    free(ban->who);
    free(ban->reason);
    free(ban->by);
}

void ban_list_fini(struct ban_list *list)
{
    for (uint32_t i = 0; i < list->num; i++)
        ban_fini(&list->items[i]);
    free(list->items);
    free(list->table);
    memset(list, 0, sizeof(*list));
}

static void ban_list_fill(struct ban_list *list)
{
    memset(list->table, 0, (list->mask + 1) * sizeof(*list->table));
    for (uint32_t i = 0; i < list->num; i++)
        list->table[ban_list_place(list, list->items[i].kind, list->items[i].who)] = i + 1;
}

static bool ban_list_grow(struct ban_list *list)
{
    if (list->num < list->capacity)
        return true;
    uint32_t capacity = list->capacity == 0 ? BAN_TABLE_FIRST / 2 : list->capacity * 2;
    struct ban *items = reallocarray(list->items, capacity, sizeof(*items));
    if (items == NULL)
        return false;
    list->items = items;
    uint32_t *table = calloc(2 * capacity, sizeof(*table));
    if (table == NULL)
        return false;
    free(list->table);
    list->table = table;
    list->mask = 2 * capacity - 1;
    list->capacity = capacity;
    ban_list_fill(list);
    return true;
}

static bool ban_text_is_plain(const char *text)
{
    size_t len = strlen(text);
    if (len > BAN_TEXT_LEN_MAX || !utf8_check((const uint8_t *)text, len))
        return false;
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            return false;
    }
    return true;
}

bool ban_check(const struct ban *ban, char *out_why)
{
    CHECK(ban->who != NULL && ban->reason != NULL && ban->by != NULL);
    if (!ban_rule_check(ban->kind, ban->who, out_why))
        return false;
    if (ban_text_is_plain(ban->reason) && ban_text_is_plain(ban->by))
        return true;
    snprintf(out_why, BAN_WHY_LEN_MAX + 1,
             "a reason and a name are UTF-8 of at most %d bytes without control characters",
             BAN_TEXT_LEN_MAX);
    return false;
}

enum rc ban_list_add(struct ban_list *list, const struct ban *ban, char *out_why)
{
    if (!ban_check(ban, out_why))
        return RC_INVALID;
    struct ban copy = *ban;
    copy.who = strdup(ban->who);
    copy.reason = strdup(ban->reason);
    copy.by = strdup(ban->by);
    bool is_new = ban_list_find(list, ban->kind, ban->who) == NULL;
    bool full = is_new && list->num == BAN_RULES_MAX;
    if (copy.who == NULL || copy.reason == NULL || copy.by == NULL || full ||
        (is_new && !ban_list_grow(list))) {
        ban_fini(&copy);
        return full ? RC_FULL : RC_NO_MEMORY;
    }
    uint32_t place = ban_list_place(list, ban->kind, ban->who);
    if (is_new) {
        list->items[list->num++] = copy;
        list->table[place] = list->num;
    } else {
        ban_fini(&list->items[list->table[place] - 1]);
        list->items[list->table[place] - 1] = copy;
    }
    return RC_OK;
}

const struct ban *ban_list_find(const struct ban_list *list, enum ban_kind kind, const char *who)
{
    if (list->num == 0)
        return NULL;
    uint32_t index = list->table[ban_list_place(list, kind, who)];
    return index == 0 ? NULL : &list->items[index - 1];
}

/* The last item takes the place of item `index`. */
static void ban_list_drop(struct ban_list *list, uint32_t index)
{
    ban_fini(&list->items[index]);
    list->items[index] = list->items[--list->num];
}

bool ban_list_remove(struct ban_list *list, enum ban_kind kind, const char *who)
{
    const struct ban *ban = ban_list_find(list, kind, who);
    if (ban == NULL)
        return false;
    ban_list_drop(list, (uint32_t)(ban - list->items));
    ban_list_fill(list);
    return true;
}

uint32_t ban_list_expire(struct ban_list *list, uint64_t now_s)
{
    uint32_t before = list->num;
    for (uint32_t i = list->num; i-- > 0;) {
        if (list->items[i].until_s <= now_s)
            ban_list_drop(list, i);
    }
    if (list->num < before)
        ban_list_fill(list);
    return before - list->num;
}

uint64_t ban_list_next_end_s(const struct ban_list *list)
{
    uint64_t next_s = BAN_NEVER_S;
    for (uint32_t i = 0; i < list->num; i++) {
        if (list->items[i].until_s < next_s)
            next_s = list->items[i].until_s;
    }
    return next_s;
}
