/*
 * acl_set.c -- compiles access rules; see acl_set.h and acl_inner.h.
 *
 * Each rule is put, in order, into the groups that its condition names; in a group each of its
 * topics makes one entry. The lowest rules of nodes are kept on the way: rules come in order, so
 * that the first to reach a place is the lowest there.
 *
 * Threads: see acl_set.h.
 */
#include "acl_set.h"

#include "acl_inner.h"
#include "alloc.h"
#include "topic.h"

/* How telling a condition is: the higher, the fewer clients a group of it has. */
enum acl_rank { ACL_RANK_NONE, ACL_RANK_ADDRESS, ACL_RANK_MANY, ACL_RANK_FEW, ACL_RANK_ONE };

static const struct acl_list acl_list_empty = {.first = ACL_NONE, .last = ACL_NONE};
static const struct acl_least acl_least_none = {ACL_NONE, ACL_NONE, ACL_NONE};

/* --- arrays and tables --- */

static bool acl_room(void *array, uint32_t count, uint32_t *capacity, size_t element)
{
    CHECK(count <= *capacity);
    if (count < *capacity)
        return true;
    void **place = array;
    uint32_t wanted = *capacity == 0 ? 4 : *capacity * 2;
    void *grown = alloc_grown(*place, count * element, wanted * element);
    if (grown == NULL)
        return false;
    *place = grown;
    *capacity = wanted;
    return true;
}

static bool acl_table_resize(struct acl_table *table, uint32_t places)
{
    CHECK((places & (places - 1)) == 0 && places > table->count);
    uint64_t *hashes = mem_alloc(places * sizeof(*hashes));
    uint32_t *values = mem_alloc(places * sizeof(*values));
    if (hashes == NULL || values == NULL) {
        mem_free(hashes);
        mem_free(values);
        return false;
    }
    memset(values, 0xff, places * sizeof(*values));
    uint32_t old = table->mask == 0 ? 0 : table->mask + 1;
    for (uint32_t i = 0; i < old; i++) {
        if (table->values[i] == ACL_NONE)
            continue;
        uint32_t at = (uint32_t)table->hashes[i] & (places - 1);
        while (values[at] != ACL_NONE)
            at = (at + 1) & (places - 1);
        hashes[at] = table->hashes[i];
        values[at] = table->values[i];
    }
    mem_free(table->hashes);
    mem_free(table->values);
    table->hashes = hashes;
    table->values = values;
    table->mask = places - 1;
    return true;
}

static bool acl_table_add(struct acl_table *table, uint64_t hash, uint32_t value)
{
    CHECK(value != ACL_NONE);
    uint32_t places = table->mask == 0 ? 0 : table->mask + 1;
    if (table->count * 2 >= places && !acl_table_resize(table, places == 0 ? 8 : places * 2))
        return false;
    uint32_t at = (uint32_t)hash & table->mask;
    while (table->values[at] != ACL_NONE)
        at = (at + 1) & table->mask;
    table->hashes[at] = hash;
    table->values[at] = value;
    table->count++;
    return true;
}

static void acl_table_fini(struct acl_table *table)
{
    mem_free(table->hashes);
    mem_free(table->values);
}

/* --- entries --- */

static void acl_least_note(struct acl_least *least, const struct acl_rule *rule, uint32_t number)
{
    if ((rule->actions & ACL_PUBLISH) != 0 && number < least->publish)
        least->publish = number;
    if ((rule->actions & ACL_SUBSCRIBE) != 0 && number < least->subscribe)
        least->subscribe = number;
    if ((rule->actions & ACL_SUBSCRIBE) != 0 && !rule->allow && number < least->refuse)
        least->refuse = number;
}

/* Appends to `list`, which must not be inside an array that this could move. */
static enum rc acl_entry_add(struct acl_set *set, struct acl_list *list, uint32_t number,
                             uint32_t who)
{
    if (set->entries_count == ACL_ENTRIES_MAX)
        return RC_FULL;
    if (!acl_room(&set->entries, set->entries_count, &set->entries_capacity, sizeof(*set->entries)))
        return RC_NO_MEMORY;
    const struct acl_rule *rule = &set->rules->rules[number];
    uint32_t index = set->entries_count++;
    set->entries[index] = (struct acl_entry){.rule = number,
                                             .next = ACL_NONE,
                                             .who = who,
                                             .actions = rule->actions,
                                             .qos = rule->qos,
                                             .retain = rule->retain,
                                             .allow = rule->allow};
    if (list->first == ACL_NONE) {
        list->first = index;
    } else {
        CHECK(set->entries[list->last].rule <= number);
        set->entries[list->last].next = index;
    }
    list->last = index;
    return RC_OK;
}

/* --- topics --- */

static enum rc acl_node_create(struct acl_set *set, uint32_t parent, struct bytes level,
                               uint32_t *out)
{
    if (!acl_room(&set->nodes, set->nodes_count, &set->nodes_capacity, sizeof(*set->nodes)))
        return RC_NO_MEMORY;
    set->nodes[set->nodes_count] = (struct acl_node){.level = level,
                                                     .parent = parent,
                                                     .next = ACL_NONE,
                                                     .literals = ACL_NONE,
                                                     .templates = ACL_NONE,
                                                     .plus = ACL_NONE,
                                                     .ends = acl_list_empty,
                                                     .rests = acl_list_empty,
                                                     .least = acl_least_none};
    *out = set->nodes_count++;
    return RC_OK;
}

static bool acl_level_is_template(struct bytes level)
{
    return memmem(level.ptr, level.len, "${", 2) != NULL;
}

/* The child of a node for a level, made if it is new. */
static enum rc acl_node_child(struct acl_set *set, uint32_t parent, struct bytes level,
                              uint32_t *out)
{
    bool is_plus = level.len == 1 && level.ptr[0] == '+';
    bool is_template = acl_level_is_template(level);
    uint32_t child = ACL_NONE;
    if (is_plus) {
        child = set->nodes[parent].plus;
    } else if (is_template) {
        child = set->nodes[parent].templates;
        while (child != ACL_NONE && !bytes_equal(set->nodes[child].level, level))
            child = set->nodes[child].next;
    } else {
        child = acl_node_literal(set, parent, level);
    }
    if (child != ACL_NONE) {
        *out = child;
        return RC_OK;
    }
    enum rc rc = acl_node_create(set, parent, level, &child);
    if (rc != RC_OK)
        return rc;
    struct acl_node *above = &set->nodes[parent];
    if (is_plus) {
        above->plus = child;
    } else if (is_template) {
        set->nodes[child].next = above->templates;
        above->templates = child;
    } else {
        if (!acl_table_add(&set->by_level, acl_hash_below(set, parent, level), child))
            return RC_NO_MEMORY;
        set->nodes[child].next = above->literals;
        above->literals = child;
    }
    *out = child;
    return RC_OK;
}

static enum rc acl_add_filter(struct acl_set *set, uint32_t group, struct bytes filter,
                              uint32_t number, uint32_t who)
{
    uint32_t node = set->groups[group].root;
    enum rc rc = RC_OK;
    if (node == ACL_NONE) {
        rc = acl_node_create(set, ACL_NONE, bytes_of(NULL, 0), &node);
        set->groups[group].root = node;
    }
    bool more = true;
    struct bytes rest = filter;
    struct bytes level = {0};
    bool is_rest = false;
    while (rc == RC_OK && topic_level_next(&rest, &more, &level)) {
        acl_least_note(&set->nodes[node].least, &set->rules->rules[number], number);
        is_rest = level.len == 1 && level.ptr[0] == '#';
        if (!is_rest)
            rc = acl_node_child(set, node, level, &node);
    }
    if (rc != RC_OK)
        return rc;
    acl_least_note(&set->nodes[node].least, &set->rules->rules[number], number);
    struct acl_node *last = &set->nodes[node];
    return acl_entry_add(set, is_rest ? &last->rests : &last->ends, number, who);
}

static enum rc acl_add_eq(struct acl_set *set, uint32_t group, struct bytes text, uint32_t number,
                          uint32_t who)
{
    bool is_template = acl_level_is_template(text);
    uint32_t eq = is_template ? set->groups[group].eq_templates : acl_eq_find(set, group, text);
    while (is_template && eq != ACL_NONE && !bytes_equal(set->eqs[eq].text, text))
        eq = set->eqs[eq].next;
    if (eq == ACL_NONE) {
        if (!acl_room(&set->eqs, set->eqs_count, &set->eqs_capacity, sizeof(*set->eqs)))
            return RC_NO_MEMORY;
        eq = set->eqs_count;
        set->eqs[eq] = (struct acl_eq){
            .text = text, .group = group, .next = ACL_NONE, .list = acl_list_empty};
        if (is_template) {
            set->eqs[eq].next = set->groups[group].eq_templates;
            set->groups[group].eq_templates = eq;
        } else if (!acl_table_add(&set->by_eq, acl_hash_below(set, group, text), eq)) {
            return RC_NO_MEMORY;
        }
        set->eqs_count++;
    }
    return acl_entry_add(set, &set->eqs[eq].list, number, who);
}

/* --- who --- */

static bool acl_who_same(const struct acl_who *a, const struct acl_who *b)
{
    return a->kind == b->kind && a->bits == b->bits && bytes_equal(a->name, b->name) &&
           bytes_equal(a->text, b->text) &&
           memcmp(&a->address, &b->address, sizeof(a->address)) == 0;
}

/* The group of a condition that is a leaf; NULL: the general one. */
static enum rc acl_group_of(struct acl_set *set, const struct acl_who *who, uint32_t *out)
{
    uint64_t hash = 0;
    if (who != NULL) {
        hash = who->kind == ACL_WHO_ADDRESS ? acl_hash_address(set, &who->address, who->bits)
                                            : acl_hash_who(set, who->kind, who->name, who->text);
        uint64_t at = hash;
        while ((*out = acl_table_next(&set->by_who, hash, &at)) != ACL_NONE)
            if (acl_who_same(set->groups[*out].key, who))
                return RC_OK;
    }
    if (!acl_room(&set->groups, set->groups_count, &set->groups_capacity, sizeof(*set->groups)))
        return RC_NO_MEMORY;
    *out = set->groups_count;
    set->groups[*out] = (struct acl_group){.key = who,
                                           .any = acl_list_empty,
                                           .root = ACL_NONE,
                                           .eq_templates = ACL_NONE,
                                           .least = acl_least_none};
    if (who != NULL && !acl_table_add(&set->by_who, hash, *out))
        return RC_NO_MEMORY;
    set->groups_count++;
    if (who != NULL && who->kind == ACL_WHO_ANONYMOUS)
        set->has_anonymous = true;
    if (who != NULL && who->kind == ACL_WHO_ADDRESS &&
        memchr(set->bits, who->bits, set->bits_count) == NULL)
        set->bits[set->bits_count++] = who->bits;
    return RC_OK;
}

static enum rc acl_add_to_group(struct acl_set *set, const struct acl_who *key, uint32_t number,
                                uint32_t who)
{
    uint32_t group = 0;
    enum rc rc = key == NULL ? RC_OK : acl_group_of(set, key, &group);
    if (rc != RC_OK)
        return rc;
    CHECK(group < set->groups_count);
    const struct acl_rule *rule = &set->rules->rules[number];
    acl_least_note(&set->groups[group].least, rule, number);
    if (rule->topics_count == 0)
        return acl_entry_add(set, &set->groups[group].any, number, who);
    for (uint32_t i = 0; rc == RC_OK && i < rule->topics_count; i++) {
        const struct acl_topic *topic = &set->rules->topics[rule->topics_first + i];
        rc = topic->is_eq ? acl_add_eq(set, group, topic->text, number, who)
                          : acl_add_filter(set, group, topic->text, number, who);
    }
    return rc;
}

/* Can every client that fits the condition be found by a group, and how telling is that? */
static enum acl_rank acl_who_rank(const struct acl_rules *rules, uint32_t index)
{
    const struct acl_who *who = &rules->whos[index];
    enum acl_rank rank = who->kind == ACL_WHO_OR ? ACL_RANK_MANY : ACL_RANK_NONE;
    if (who->regex != NULL)
        return ACL_RANK_NONE;
    switch (who->kind) {
    case ACL_WHO_USER:
    case ACL_WHO_CLIENT:
        return ACL_RANK_ONE;
    case ACL_WHO_COMMON_NAME:
    case ACL_WHO_ATTRIBUTE:
        return ACL_RANK_FEW;
    case ACL_WHO_ANONYMOUS:
        return ACL_RANK_MANY;
    case ACL_WHO_ADDRESS:
        return ACL_RANK_ADDRESS;
    case ACL_WHO_AND:
    case ACL_WHO_OR:
        /* One part is enough for `and`; `or` is as good as its worst alternative. */
        for (uint32_t i = who->child; i != ACL_NONE; i = rules->whos[i].next) {
            enum acl_rank of = acl_who_rank(rules, i);
            if (who->kind == ACL_WHO_OR ? of < rank : of > rank)
                rank = of;
        }
        return who->child == ACL_NONE ? ACL_RANK_NONE : rank;
    default:
        return ACL_RANK_NONE;
    }
}

/* `judge`: the condition that has to be judged beside the group, ACL_NONE: none so far. */
static enum rc acl_place(struct acl_set *set, uint32_t number, uint32_t index, uint32_t judge)
{
    const struct acl_rules *rules = set->rules;
    const struct acl_who *who = &rules->whos[index];
    enum acl_rank rank = acl_who_rank(rules, index);
    enum rc rc = RC_OK;
    if (who->kind == ACL_WHO_OR && (judge == ACL_NONE || rank > ACL_RANK_NONE)) {
        for (uint32_t i = who->child; rc == RC_OK && i != ACL_NONE; i = rules->whos[i].next)
            rc = acl_place(set, number, i, judge);
        return rc;
    }
    if (rank == ACL_RANK_NONE) {
        bool is_all = who->kind == ACL_WHO_ALL;
        return acl_add_to_group(set, NULL, number, judge != ACL_NONE || is_all ? judge : index);
    }
    if (who->kind != ACL_WHO_AND)
        return acl_add_to_group(set, who, number, judge);
    uint32_t best = who->child;
    for (uint32_t i = who->child; i != ACL_NONE; i = rules->whos[i].next)
        if (acl_who_rank(rules, i) > acl_who_rank(rules, best))
            best = i;
    return acl_place(set, number, best, judge != ACL_NONE ? judge : index);
}

/* --- the set --- */

/* The topic names that a rule could deny to a publisher. */
static uint8_t acl_denied_topics(const struct acl_rules *rules, const struct acl_rule *rule)
{
    if (rule->allow || (rule->actions & ACL_PUBLISH) == 0)
        return 0;
    uint8_t kinds = rule->topics_count == 0 ? ACL_TOPICS_ALL : 0;
    for (uint32_t i = 0; i < rule->topics_count; i++) {
        struct bytes text = rules->topics[rule->topics_first + i].text;
        bool is_template = text.len > 1 && text.ptr[0] == '$' && text.ptr[1] == '{';
        bool is_dollar = text.ptr[0] == '$' && !is_template;
        kinds |= is_template ? ACL_TOPICS_ALL : is_dollar ? ACL_TOPICS_DOLLAR : ACL_TOPICS_PLAIN;
    }
    return kinds;
}

/* Is the rule for every client and topic, of these actions? Then no later one decides them. */
static uint8_t acl_decides_all(const struct acl_rules *rules, const struct acl_rule *rule)
{
    bool is_all = rules->whos[rule->who].kind == ACL_WHO_ALL && rule->topics_count == 0 &&
                  rule->qos == ACL_QOS_ANY && rule->retain == ACL_RETAIN_ANY;
    return is_all ? rule->actions : 0;
}

/* What the rules could deny to anybody; what they leave open is no_match's. */
static void acl_judge(struct acl_set *set)
{
    uint8_t open = ACL_BOTH;
    for (uint32_t i = 0; i < set->rules->rules_count && open != 0; i++) {
        const struct acl_rule *rule = &set->rules->rules[i];
        if (!rule->allow)
            set->judged |= rule->actions & open;
        if ((open & ACL_PUBLISH) != 0)
            set->judged_publish |= acl_denied_topics(set->rules, rule);
        open &= (uint8_t)~acl_decides_all(set->rules, rule);
    }
    if (set->no_match)
        return;
    set->judged |= open;
    if ((open & ACL_PUBLISH) != 0)
        set->judged_publish = ACL_TOPICS_ALL;
}

static enum rc acl_compile(struct acl_set *set)
{
    uint32_t general;
    enum rc rc = acl_group_of(set, NULL, &general);
    CHECK(rc != RC_OK || general == 0);
    for (uint32_t i = 0; rc == RC_OK && i < set->rules->rules_count; i++)
        rc = acl_place(set, i, set->rules->rules[i].who, ACL_NONE);
    acl_judge(set);
    return rc;
}

enum rc acl_set_create(struct acl_rules *rules, bool no_match, const struct hash_key *key,
                       struct acl_set **out)
{
    CHECK_OBJ(rules, ACL_RULES_MAGIC);
    CHECK(key->words[0] != 0 && key->words[1] != 0);
    struct acl_set *set = alloc_zeroed(sizeof(*set));
    if (set == NULL)
        return RC_NO_MEMORY;
    set->magic = ACL_SET_MAGIC;
    set->no_match = no_match;
    set->key = *key;
    set->rules = rules;
    enum rc rc = acl_compile(set);
    if (rc != RC_OK) {
        set->rules = NULL;
        acl_set_destroy(set);
        return rc;
    }
    *out = set;
    return RC_OK;
}

void acl_set_destroy(struct acl_set *set)
{
    if (set == NULL)
        return;
    CHECK_OBJ(set, ACL_SET_MAGIC);
    acl_table_fini(&set->by_who);
    acl_table_fini(&set->by_level);
    acl_table_fini(&set->by_eq);
    mem_free(set->entries);
    mem_free(set->nodes);
    mem_free(set->eqs);
    mem_free(set->groups);
    acl_rules_destroy(set->rules);
    set->magic = 0;
    mem_free(set);
}

bool acl_set_judges(const struct acl_set *set, uint8_t action)
{
    CHECK_OBJ(set, ACL_SET_MAGIC);
    return (set->judged & action) != 0;
}

uint8_t acl_set_judges_publish(const struct acl_set *set)
{
    CHECK_OBJ(set, ACL_SET_MAGIC);
    return set->judged_publish;
}

const struct acl_rules *acl_set_rules(const struct acl_set *set)
{
    CHECK_OBJ(set, ACL_SET_MAGIC);
    return set->rules;
}

bool acl_set_no_match(const struct acl_set *set)
{
    CHECK_OBJ(set, ACL_SET_MAGIC);
    return set->no_match;
}
