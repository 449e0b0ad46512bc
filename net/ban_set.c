/*
 * ban_set.c -- see ban_set.h.
 *
 * The texts of exact rules stand in one block; the hash table is open, with twice as many places as
 * rules, and holds indices + 1. The kind is part of what is hashed and compared. An address is kept
 * as its 16 bytes.
 *
 * Threads: see ban_set.h.
 */
#include "ban_set.h"

#include <stdio.h>
#include <string.h>

#include "cidr.h"
#include "mem.h"
#include "regex.h"
#include "utf8.h"

#define BAN_SET_MAGIC 0x42414e53u

struct ban_exact {
    uint32_t at; /* in `texts` */
    uint32_t len;
    uint64_t until_ms;
    uint8_t kind;
};

struct ban_range {
    struct cidr range;
    uint64_t until_ms;
};

struct ban_regex {
    struct regex *regex;
    uint64_t until_ms;
    uint8_t kind;
};

struct ban_set {
    uint32_t magic;
    struct hash_key key;
    uint32_t num_exact;
    uint32_t num_ranges;
    uint32_t num_regexes;
    uint32_t mask; /* of `table` */
    struct ban_exact *exact;
    uint8_t *texts;
    uint32_t *table;
    struct ban_range *ranges;
    struct ban_regex *regexes;
};

static const char *const ban_kind_names[] = {
#define BAN_KIND_ROW(id, name) [id] = name,
    BAN_KIND_TABLE(BAN_KIND_ROW)
#undef BAN_KIND_ROW
};

const char *ban_kind_name(enum ban_kind kind)
{
    CHECK((unsigned)kind < BAN_KIND_COUNT);
    return ban_kind_names[kind];
}

enum ban_kind ban_kind_find(const char *name)
{
    unsigned kind = 0;
    while (kind < BAN_KIND_COUNT && strcmp(ban_kind_names[kind], name) != 0)
        kind++;
    return (enum ban_kind)kind;
}

static bool ban_kind_is_exact(enum ban_kind kind)
{
    return kind == BAN_CLIENT_ID || kind == BAN_USER_NAME || kind == BAN_ADDRESS;
}

static bool ban_why(char *out, const char *why)
{
    snprintf(out, BAN_WHY_LEN_MAX + 1, "%s", why);
    return false;
}

bool ban_rule_check(enum ban_kind kind, const char *who, char *out_why)
{
    size_t len = strlen(who);
    const char *reason = NULL;
    if (len == 0 || len > STRING_LEN_MAX)
        return ban_why(out_why, "it has to have 1 to 65535 bytes");
    if (!utf8_check((const uint8_t *)who, len))
        return ban_why(out_why, "it is not UTF-8");
    struct in6_addr address;
    uint16_t port = 0;
    if (kind == BAN_ADDRESS &&
        (!cidr_address_parse(who, (uint32_t)len, &address, &port) || port != 0))
        return ban_why(out_why, "it is not an address");
    struct cidr range;
    if (kind == BAN_RANGE && cidr_parse(who, &range, &reason) != RC_OK)
        return ban_why(out_why, reason);
    if (kind != BAN_CLIENT_ID_RE && kind != BAN_USER_NAME_RE)
        return true;
    struct regex *regex = NULL;
    struct regex_fault fault = {.offset = 0, .text = ""};
    enum rc rc = regex_compile(bytes_of_text(who), &regex, &fault);
    if (rc == RC_OK)
        regex_free(regex);
    else
        snprintf(out_why, BAN_WHY_LEN_MAX + 1, "at byte %u: %s", fault.offset,
                 rc == RC_INVALID ? fault.text : rc_text(rc));
    return rc == RC_OK;
}

static uint64_t ban_hash(const struct ban_set *set, enum ban_kind kind, struct bytes text)
{
    return hash_mix(hash_fast(&set->key, text), (uint64_t)kind + 1);
}

/* The place in the table of the rule with that text, or of none. */
static uint32_t ban_set_place(const struct ban_set *set, enum ban_kind kind, struct bytes text)
{
    uint32_t place = (uint32_t)ban_hash(set, kind, text) & set->mask;
    for (; set->table[place] != 0; place = (place + 1) & set->mask) {
        const struct ban_exact *exact = &set->exact[set->table[place] - 1];
        if (exact->kind == kind && exact->len == text.len &&
            memcmp(set->texts + exact->at, text.ptr, text.len) == 0)
            break;
    }
    return place;
}

static void ban_set_add_exact(struct ban_set *set, const struct ban_rule *rule, uint32_t *at)
{
    struct in6_addr address;
    uint16_t port = 0;
    struct bytes text = bytes_of_text(rule->who);
    if (rule->kind == BAN_ADDRESS) {
        bool right = cidr_address_parse(rule->who, text.len, &address, &port);
        CHECK(right);
        text = bytes_of(address.s6_addr, sizeof(address.s6_addr));
    }
    uint32_t place = ban_set_place(set, rule->kind, text);
    if (set->table[place] != 0) {
        /* Twice: the later end holds. */
        struct ban_exact *exact = &set->exact[set->table[place] - 1];
        if (exact->until_ms < rule->until_ms)
            exact->until_ms = rule->until_ms;
        return;
    }
    memcpy(set->texts + *at, text.ptr, text.len);
    set->exact[set->num_exact] = (struct ban_exact){
        .at = *at, .len = text.len, .until_ms = rule->until_ms, .kind = (uint8_t)rule->kind};
    *at += text.len;
    set->table[place] = ++set->num_exact;
}

static enum rc ban_set_add(struct ban_set *set, const struct ban_rule *rule, uint32_t *at)
{
    const char *reason = NULL;
    struct regex_fault fault;
    if (ban_kind_is_exact(rule->kind)) {
        ban_set_add_exact(set, rule, at);
        return RC_OK;
    }
    if (rule->kind == BAN_RANGE) {
        struct ban_range *range = &set->ranges[set->num_ranges++];
        range->until_ms = rule->until_ms;
        return cidr_parse(rule->who, &range->range, &reason);
    }
    struct ban_regex *regex = &set->regexes[set->num_regexes];
    enum rc rc = regex_compile(bytes_of_text(rule->who), &regex->regex, &fault);
    if (rc != RC_OK)
        return rc;
    regex->until_ms = rule->until_ms;
    regex->kind = (uint8_t)rule->kind;
    set->num_regexes++;
    return RC_OK;
}

/* What the rules need, a value. */
struct ban_sizes {
    uint32_t exact;
    uint32_t ranges;
    uint32_t regexes;
    uint32_t places;
    size_t texts;
};

static enum rc ban_sizes_of(const struct ban_rule *rules, uint32_t num, struct ban_sizes *out)
{
    char why[BAN_WHY_LEN_MAX + 1];
    *out = (struct ban_sizes){.places = 16};
    for (uint32_t i = 0; i < num; i++) {
        if (ban_kind_is_exact(rules[i].kind)) {
            if (!ban_rule_check(rules[i].kind, rules[i].who, why))
                return RC_INVALID;
            out->exact++;
            out->texts += strlen(rules[i].who) + sizeof(struct in6_addr);
        } else if (rules[i].kind == BAN_RANGE) {
            out->ranges++;
        } else {
            out->regexes++;
        }
    }
    while (out->places < 2 * out->exact)
        out->places *= 2;
    return num > BAN_RULES_MAX || out->ranges > BAN_RANGES_MAX || out->regexes > BAN_REGEXES_MAX ||
                   out->texts > UINT32_MAX
               ? RC_FULL
               : RC_OK;
}

static bool ban_set_allocate(struct ban_set *set, const struct ban_sizes *sizes)
{
    set->mask = sizes->places - 1;
    set->exact = mem_alloc((sizes->exact + 1) * sizeof(*set->exact));
    set->texts = mem_alloc(sizes->texts + 1);
    set->table = mem_alloc(sizes->places * sizeof(*set->table));
    set->ranges = mem_alloc((sizes->ranges + 1) * sizeof(*set->ranges));
    set->regexes = mem_alloc((sizes->regexes + 1) * sizeof(*set->regexes));
    if (set->table != NULL)
        memset(set->table, 0, sizes->places * sizeof(*set->table));
    return set->exact != NULL && set->texts != NULL && set->table != NULL && set->ranges != NULL &&
           set->regexes != NULL;
}

enum rc ban_set_create(const struct ban_rule *rules, uint32_t num, const struct hash_key *key,
                       struct ban_set **out)
{
    struct ban_sizes sizes;
    enum rc rc = ban_sizes_of(rules, num, &sizes);
    if (rc != RC_OK)
        return rc;
    if (num == 0) {
        *out = NULL;
        return RC_OK;
    }
    struct ban_set *set = mem_alloc(sizeof(*set));
    if (set == NULL)
        return RC_NO_MEMORY;
    memset(set, 0, sizeof(*set));
    set->magic = BAN_SET_MAGIC;
    set->key = *key;
    rc = ban_set_allocate(set, &sizes) ? RC_OK : RC_NO_MEMORY;
    uint32_t at = 0;
    for (uint32_t i = 0; i < num && rc == RC_OK; i++)
        rc = ban_set_add(set, &rules[i], &at);
    if (rc == RC_OK)
        *out = set;
    else
        ban_set_destroy(set);
    return rc;
}

void ban_set_destroy(struct ban_set *set)
{
    if (set == NULL)
        return;
    CHECK_OBJ(set, BAN_SET_MAGIC);
    for (uint32_t i = 0; i < set->num_regexes; i++)
        regex_free(set->regexes[i].regex);
    mem_free(set->exact);
    mem_free(set->texts);
    mem_free(set->table);
    mem_free(set->ranges);
    mem_free(set->regexes);
    set->magic = 0;
    mem_free(set);
}

static bool ban_set_has(const struct ban_set *set, enum ban_kind kind, struct bytes text,
                        uint64_t now_ms)
{
    if (set->num_exact == 0 || text.len == 0)
        return false;
    uint32_t found = set->table[ban_set_place(set, kind, text)];
    return found != 0 && set->exact[found - 1].until_ms > now_ms;
}

static bool ban_set_finds(const struct ban_set *set, const struct ban_subject *subject,
                          uint64_t now_ms)
{
    for (uint32_t i = 0; i < set->num_regexes; i++) {
        const struct ban_regex *rule = &set->regexes[i];
        struct bytes text = rule->kind == BAN_CLIENT_ID_RE ? subject->client_id
                                                           : subject->user_name;
        if (rule->until_ms > now_ms && text.ptr != NULL &&
            regex_match(rule->regex, text) != REGEX_NO)
            return true;
    }
    return false;
}

bool ban_set_holds(const struct ban_set *set, const struct ban_subject *subject, uint64_t now_ms)
{
    if (LIKELY(set == NULL))
        return false;
    CHECK_OBJ(set, BAN_SET_MAGIC);
    struct bytes address = bytes_of(subject->address->s6_addr, sizeof(struct in6_addr));
    if (ban_set_has(set, BAN_CLIENT_ID, subject->client_id, now_ms) ||
        ban_set_has(set, BAN_USER_NAME, subject->user_name, now_ms) ||
        ban_set_has(set, BAN_ADDRESS, address, now_ms))
        return true;
    for (uint32_t i = 0; i < set->num_ranges; i++) {
        if (set->ranges[i].until_ms > now_ms && cidr_holds(&set->ranges[i].range, subject->address))
            return true;
    }
    return ban_set_finds(set, subject, now_ms);
}
