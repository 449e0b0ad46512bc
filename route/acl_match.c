/*
 * acl_match.c -- which rule decides: the walk over what acl_set.c has made.
 *
 * Each group that the client belongs to is asked in turn, and the lowest rule that fits so far
 * (`best`) bounds what is still worth looking at. One walk answers for rules that allow and rules
 * that deny a subscription: it follows every filter that overlaps the requested one, and knows
 * (`covers`) whether the rule's filter has so far been at least as wide. A '+' of the request that
 * goes down a literal, or a '#' that goes anywhere, is wider than the rule: from there on only
 * denying rules count.
 *
 * The recursion is as deep as rules have levels, at most ACL_LEVELS_MAX. Levels of the topic beyond
 * that are not looked at: no rule but one that ended in '#' reaches them.
 *
 * Threads: see acl_set.h.
 */
#include "acl_inner.h"
#include "topic.h"

struct acl_walk {
    const struct acl_set *set;
    const struct client_identity *subject;
    const struct acl_query *query;
    uint32_t best;   /* rule, ACL_NONE: none yet */
    uint32_t levels; /* looked at */
    bool goes_on;    /* there are more */
    bool is_dollar;  /* the topic begins with '$' */
    struct bytes level[ACL_LEVELS_MAX + 1];
};

/* --- conditions --- */

static bool acl_text_fits(const struct acl_who *who, struct bytes value, bool unknown)
{
    if (value.len == 0)
        return false;
    if (who->regex == NULL)
        return bytes_equal(who->text, value);
    enum regex_answer answer = regex_match(who->regex, value);
    return answer == REGEX_YES || (answer == REGEX_UNKNOWN && unknown);
}

static bool acl_attribute_fits(const struct acl_who *who, const struct client_identity *subject,
                               bool unknown)
{
    for (uint32_t i = 0; i < subject->attrs_num; i++)
        if (bytes_equal(subject->attrs[i].name, who->name))
            return acl_text_fits(who, subject->attrs[i].value, unknown);
    return false;
}

/* A client on a Unix socket has none, and one whose connection is gone. */
static bool acl_has_address(const struct client_identity *subject)
{
    static const uint8_t none[sizeof(subject->address)];
    return memcmp(subject->address, none, sizeof(none)) != 0;
}

static bool acl_address_fits(const struct acl_who *who, const struct client_identity *subject)
{
    if (!acl_has_address(subject))
        return false;
    struct in6_addr cut = acl_address_cut(subject->address, who->bits);
    return memcmp(&cut, &who->address, sizeof(cut)) == 0;
}

bool acl_who_fits(const struct acl_rules *rules, uint32_t index,
                  const struct client_identity *subject, bool unknown)
{
    CHECK(index < rules->whos_count);
    const struct acl_who *who = &rules->whos[index];
    switch (who->kind) {
    case ACL_WHO_ALL:
        return true;
    case ACL_WHO_LOCAL:
        return identity_is_local(subject->address);
    case ACL_WHO_ANONYMOUS:
        return subject->username.len == 0;
    case ACL_WHO_USER:
        return acl_text_fits(who, subject->username, unknown);
    case ACL_WHO_CLIENT:
        return acl_text_fits(who, subject->client_id, unknown);
    case ACL_WHO_COMMON_NAME:
        return acl_text_fits(who, subject->cert_common_name, unknown);
    case ACL_WHO_ATTRIBUTE:
        return acl_attribute_fits(who, subject, unknown);
    case ACL_WHO_ADDRESS:
        return acl_address_fits(who, subject);
    case ACL_WHO_AND:
        for (uint32_t i = who->child; i != ACL_NONE; i = rules->whos[i].next)
            if (!acl_who_fits(rules, i, subject, unknown))
                return false;
        return who->child != ACL_NONE;
    case ACL_WHO_OR:
        for (uint32_t i = who->child; i != ACL_NONE; i = rules->whos[i].next)
            if (acl_who_fits(rules, i, subject, unknown))
                return true;
        return false;
    default:
        UNREACHABLE();
    }
}

/* --- topics --- */

/* The lowest rule in a part that this walk could still want. */
static uint32_t acl_least_of(const struct acl_walk *walk, const struct acl_least *least,
                             bool covers)
{
    if (walk->query->action == ACL_PUBLISH)
        return least->publish;
    return covers ? least->subscribe : least->refuse;
}

static void acl_try(struct acl_walk *walk, const struct acl_list *list, bool covers)
{
    const struct acl_query *query = walk->query;
    bool is_publish = query->action == ACL_PUBLISH;
    for (uint32_t i = list->first; i != ACL_NONE;) {
        const struct acl_entry *entry = &walk->set->entries[i];
        i = entry->next;
        if (entry->rule >= walk->best)
            return;
        if ((entry->actions & query->action) == 0 || (entry->qos >> query->qos & 1) == 0 ||
            (is_publish && (entry->retain >> query->retain & 1) == 0) || (entry->allow && !covers))
            continue;
        if (entry->who != ACL_NONE &&
            !acl_who_fits(walk->set->rules, entry->who, walk->subject, !entry->allow))
            continue;
        walk->best = entry->rule;
        return;
    }
}

static void acl_walk(struct acl_walk *walk, uint32_t index, uint32_t depth, bool covers);

/* A '#' of the request: everything at the node and below it that a wildcard at `depth` can match.
 */
static void acl_walk_below(struct acl_walk *walk, uint32_t index, uint32_t depth)
{
    const struct acl_node *node = &walk->set->nodes[index];
    if (acl_least_of(walk, &node->least, false) >= walk->best)
        return;
    acl_try(walk, &node->rests, false);
    acl_try(walk, &node->ends, false);
    if (node->plus != ACL_NONE)
        acl_walk_below(walk, node->plus, depth + 1);
    for (uint32_t i = node->literals; i != ACL_NONE; i = walk->set->nodes[i].next)
        if (depth > 0 || !acl_begins_with_dollar(walk->set->nodes[i].level))
            acl_walk_below(walk, i, depth + 1);
    for (uint32_t i = node->templates; i != ACL_NONE; i = walk->set->nodes[i].next)
        if (acl_template_is_met(walk->set->nodes[i].level, walk->subject, depth))
            acl_walk_below(walk, i, depth + 1);
}

/* A '+' of the request. */
static void acl_walk_plus(struct acl_walk *walk, const struct acl_node *node, uint32_t depth,
                          bool covers)
{
    if (node->plus != ACL_NONE)
        acl_walk(walk, node->plus, depth + 1, covers);
    for (uint32_t i = node->literals; i != ACL_NONE; i = walk->set->nodes[i].next)
        if (depth > 0 || !acl_begins_with_dollar(walk->set->nodes[i].level))
            acl_walk(walk, i, depth + 1, false);
    for (uint32_t i = node->templates; i != ACL_NONE; i = walk->set->nodes[i].next)
        if (acl_template_is_met(walk->set->nodes[i].level, walk->subject, depth))
            acl_walk(walk, i, depth + 1, false);
}

static void acl_walk_literal(struct acl_walk *walk, uint32_t index, uint32_t depth, bool covers)
{
    const struct acl_node *node = &walk->set->nodes[index];
    struct bytes level = walk->level[depth];
    if (node->plus != ACL_NONE && (depth > 0 || !walk->is_dollar))
        acl_walk(walk, node->plus, depth + 1, covers);
    uint32_t literal = acl_node_literal(walk->set, index, level);
    if (literal != ACL_NONE)
        acl_walk(walk, literal, depth + 1, covers);
    for (uint32_t i = node->templates; i != ACL_NONE; i = walk->set->nodes[i].next)
        if (acl_template_is(walk->set->nodes[i].level, walk->subject, level))
            acl_walk(walk, i, depth + 1, covers);
}

/* `depth` levels of the topic have led to the node. */
static void acl_walk(struct acl_walk *walk, uint32_t index, uint32_t depth, bool covers)
{
    const struct acl_node *node = &walk->set->nodes[index];
    if (acl_least_of(walk, &node->least, covers) >= walk->best)
        return;
    if (depth > 0 || !walk->is_dollar)
        acl_try(walk, &node->rests, covers);
    if (depth == walk->levels) {
        if (!walk->goes_on)
            acl_try(walk, &node->ends, covers);
        return;
    }
    struct bytes level = walk->level[depth];
    bool is_filter = walk->query->action == ACL_SUBSCRIBE && level.len == 1;
    if (is_filter && level.ptr[0] == '#') {
        /* '#' and '+/#' match the same topics. */
        if (depth == 0 && node->plus != ACL_NONE)
            acl_try(walk, &walk->set->nodes[node->plus].rests, covers);
        acl_walk_below(walk, index, depth);
    } else if (is_filter && level.ptr[0] == '+') {
        acl_walk_plus(walk, node, depth, covers);
    } else {
        acl_walk_literal(walk, index, depth, covers);
    }
}

static void acl_walk_group(struct acl_walk *walk, uint32_t index)
{
    const struct acl_set *set = walk->set;
    const struct acl_group *group = &set->groups[index];
    if (acl_least_of(walk, &group->least, true) >= walk->best)
        return;
    acl_try(walk, &group->any, true);
    uint32_t eq = set->by_eq.count > 0 ? acl_eq_find(set, index, walk->query->topic) : ACL_NONE;
    if (eq != ACL_NONE)
        acl_try(walk, &set->eqs[eq].list, true);
    for (eq = group->eq_templates; eq != ACL_NONE; eq = set->eqs[eq].next)
        if (acl_template_is(set->eqs[eq].text, walk->subject, walk->query->topic))
            acl_try(walk, &set->eqs[eq].list, true);
    if (group->root != ACL_NONE)
        acl_walk(walk, group->root, 0, true);
}

/* --- groups --- */

static void acl_walk_who(struct acl_walk *walk, uint8_t kind, struct bytes name, struct bytes text)
{
    const struct acl_set *set = walk->set;
    if (text.len == 0 && kind != ACL_WHO_ANONYMOUS)
        return;
    uint64_t hash = acl_hash_who(set, kind, name, text);
    uint64_t at = hash;
    uint32_t group;
    while ((group = acl_table_next(&set->by_who, hash, &at)) != ACL_NONE) {
        const struct acl_who *key = set->groups[group].key;
        if (key->kind == kind && bytes_equal(key->name, name) && bytes_equal(key->text, text))
            acl_walk_group(walk, group);
    }
}

static void acl_walk_address(struct acl_walk *walk, uint8_t bits)
{
    const struct acl_set *set = walk->set;
    struct in6_addr cut = acl_address_cut(walk->subject->address, bits);
    uint64_t hash = acl_hash_address(set, &cut, bits);
    uint64_t at = hash;
    uint32_t group;
    while ((group = acl_table_next(&set->by_who, hash, &at)) != ACL_NONE) {
        const struct acl_who *key = set->groups[group].key;
        if (key->kind == ACL_WHO_ADDRESS && key->bits == bits &&
            memcmp(&key->address, &cut, sizeof(cut)) == 0)
            acl_walk_group(walk, group);
    }
}

static void acl_walk_levels(struct acl_walk *walk)
{
    struct bytes rest = walk->query->topic;
    bool more = true;
    while (walk->levels <= ACL_LEVELS_MAX &&
           topic_level_next(&rest, &more, &walk->level[walk->levels]))
        walk->levels++;
    walk->goes_on = more;
    walk->is_dollar = acl_begins_with_dollar(walk->query->topic);
}

uint32_t acl_set_find(const struct acl_set *set, const struct client_identity *subject,
                      const struct acl_query *query)
{
    CHECK_OBJ(set, ACL_SET_MAGIC);
    CHECK(query->qos <= 2 && (query->action == ACL_PUBLISH || query->action == ACL_SUBSCRIBE));
    struct acl_walk walk;
    walk.set = set;
    walk.subject = subject;
    walk.query = query;
    walk.best = ACL_NONE;
    walk.levels = 0;
    acl_walk_levels(&walk);
    static const struct bytes none;
    bool has_address = acl_has_address(subject);
    acl_walk_group(&walk, 0);
    acl_walk_who(&walk, ACL_WHO_USER, none, subject->username);
    acl_walk_who(&walk, ACL_WHO_CLIENT, none, subject->client_id);
    acl_walk_who(&walk, ACL_WHO_COMMON_NAME, none, subject->cert_common_name);
    if (set->has_anonymous && subject->username.len == 0)
        acl_walk_who(&walk, ACL_WHO_ANONYMOUS, none, none);
    for (uint32_t i = 0; i < subject->attrs_num; i++)
        acl_walk_who(&walk, ACL_WHO_ATTRIBUTE, subject->attrs[i].name, subject->attrs[i].value);
    for (uint32_t i = 0; has_address && i < set->bits_count; i++)
        acl_walk_address(&walk, set->bits[i]);
    return walk.best;
}

bool acl_set_allows(const struct acl_set *set, const struct client_identity *subject,
                    const struct acl_query *query)
{
    uint32_t rule = acl_set_find(set, subject, query);
    CHECK(rule == ACL_NONE || rule < set->rules->rules_count);
    return rule == ACL_NONE ? set->no_match : set->rules->rules[rule].allow;
}
