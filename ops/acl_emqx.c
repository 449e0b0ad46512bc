/*
 * acl_emqx.c -- access rules in the format of EMQX's acl.conf.
 *
 *     {allow, {username, {re, "^dashboard$"}}, subscribe, ["$SYS/#"]}.
 *     {allow, {ipaddr, "127.0.0.1"}, all, ["$SYS/#", "#"]}.
 *     {deny, all, subscribe, ["$SYS/#", {eq, "#"}, {eq, "+/#"}]}.
 *     {allow, all}.
 *
 *     rule   = {permission, who} | {permission, who, action, topics}
 *     who    = all | {user|username, text} | {client|clientid, text} | {ipaddr, "range"}
 *            | {ipaddrs, ["range", ...]} | {client_attr, "name", text}
 *            | {'and', [who, ...]} | {'or', [who, ...]}
 *     text   = "exact" | {re, "expression"} | all
 *     action = publish | subscribe | all | pubsub | {action, [option, ...]}
 *     option = {qos, n} | {qos, [n, ...]} | {retain, true|false|all} | retain
 *     topics = ["filter" | {eq, "filter"}, ...]
 *
 * One difference from EMQX: a rule that denies a subscription denies every filter that overlaps its
 * own (route/acl_set.h).
 */
#include "acl_term.h"

struct acl_emqx {
    struct acl_source *source;
    struct acl_terms terms;
};

static bool acl_emqx_wanted(struct acl_emqx *emqx, const struct acl_term *at, const char *what)
{
    return acl_complain(emqx->source, at->word.line, at->word.column, "%s should stand here", what);
}

static const struct acl_term *acl_emqx_child(const struct acl_emqx *emqx,
                                             const struct acl_term *parent, uint32_t index)
{
    return acl_term_child(&emqx->terms, parent, index);
}

/* Is the term {atom, ...} of so many parts, the atom one of the two? */
static bool acl_emqx_is(const struct acl_emqx *emqx, const struct acl_term *term, uint32_t count,
                        const char *name, const char *other)
{
    if (term->kind != ACL_TERM_TUPLE || count == 0 || term->count != count)
        return false;
    const struct acl_term *first = acl_emqx_child(emqx, term, 0);
    return acl_term_is_atom(first, name) || acl_term_is_atom(first, other);
}

/* A condition on a text. */
static bool acl_emqx_text(struct acl_emqx *emqx, enum acl_who_kind kind, struct bytes name,
                          const struct acl_term *term, uint32_t *out)
{
    if (acl_term_is_atom(term, "all") && kind != ACL_WHO_ATTRIBUTE)
        return acl_add_plain(emqx->source, ACL_WHO_ALL, out);
    bool is_regex = acl_emqx_is(emqx, term, 2, "re", "re");
    if (is_regex)
        term = acl_emqx_child(emqx, term, 1);
    if (term->kind != ACL_TERM_STRING)
        return acl_emqx_wanted(emqx, term, is_regex ? "a string" : "a string or {re, \"...\"}");
    struct acl_word word = term->word;
    word.column += is_regex; /* where the expression begins, behind the quote */
    return acl_add_text(emqx->source, kind, name, &word, is_regex, out);
}

static bool acl_emqx_who(struct acl_emqx *emqx, const struct acl_term *term, uint32_t *out);

/* [who, ...] as one condition; `addresses`: the elements are ranges. */
static bool acl_emqx_several(struct acl_emqx *emqx, enum acl_who_kind kind,
                             const struct acl_term *list, bool addresses, uint32_t *out)
{
    if (list->kind != ACL_TERM_LIST || list->count == 0)
        return acl_emqx_wanted(emqx, list, "a list with something in it");
    if (!acl_add_plain(emqx->source, kind, out))
        return false;
    const struct acl_term *item = acl_emqx_child(emqx, list, 0);
    for (;;) {
        uint32_t child;
        if (addresses && item->kind != ACL_TERM_STRING)
            return acl_emqx_wanted(emqx, item, "a string with an address or range");
        if (!(addresses ? acl_add_address(emqx->source, &item->word, &child)
                        : acl_emqx_who(emqx, item, &child)))
            return false;
        acl_rules_who_join(emqx->source->rules, *out, child);
        if (item->next == ACL_NONE)
            return true;
        item = &emqx->terms.terms[item->next];
    }
}

static bool acl_emqx_who(struct acl_emqx *emqx, const struct acl_term *term, uint32_t *out)
{
    static const struct bytes none;
    if (acl_term_is_atom(term, "all"))
        return acl_add_plain(emqx->source, ACL_WHO_ALL, out);
    const struct acl_term *second = term->kind == ACL_TERM_TUPLE && term->count >= 2
                                        ? acl_emqx_child(emqx, term, 1)
                                        : NULL;
    if (acl_emqx_is(emqx, term, 2, "user", "username"))
        return acl_emqx_text(emqx, ACL_WHO_USER, none, second, out);
    if (acl_emqx_is(emqx, term, 2, "client", "clientid"))
        return acl_emqx_text(emqx, ACL_WHO_CLIENT, none, second, out);
    if (acl_emqx_is(emqx, term, 2, "and", "and"))
        return acl_emqx_several(emqx, ACL_WHO_AND, second, false, out);
    if (acl_emqx_is(emqx, term, 2, "or", "or"))
        return acl_emqx_several(emqx, ACL_WHO_OR, second, false, out);
    if (acl_emqx_is(emqx, term, 2, "ipaddrs", "ipaddrs"))
        return acl_emqx_several(emqx, ACL_WHO_OR, second, true, out);
    if (acl_emqx_is(emqx, term, 2, "ipaddr", "ipaddr")) {
        if (second->kind != ACL_TERM_STRING)
            return acl_emqx_wanted(emqx, second, "a string with an address or range");
        return acl_add_address(emqx->source, &second->word, out);
    }
    if (acl_emqx_is(emqx, term, 3, "client_attr", "client_attr")) {
        if (second->kind != ACL_TERM_STRING && second->kind != ACL_TERM_ATOM)
            return acl_emqx_wanted(emqx, second, "the attribute's name");
        return acl_emqx_text(emqx, ACL_WHO_ATTRIBUTE, second->word.text,
                             acl_emqx_child(emqx, term, 2), out);
    }
    return acl_emqx_wanted(
        emqx, term,
        "who it is for (all, {username, ...}, {clientid, ...}, {ipaddr, ...}, "
        "{ipaddrs, [...]}, {client_attr, ..., ...}, {'and', [...]}, {'or', [...]})");
}

static bool acl_emqx_qos(struct acl_emqx *emqx, const struct acl_term *term, uint8_t *bits)
{
    if (term->kind == ACL_TERM_LIST && term->count > 0) {
        for (uint32_t i = term->child; i != ACL_NONE; i = emqx->terms.terms[i].next) {
            const struct acl_term *item = &emqx->terms.terms[i];
            if (item->kind != ACL_TERM_NUMBER || !acl_emqx_qos(emqx, item, bits))
                return acl_emqx_wanted(emqx, item, "0, 1 or 2");
        }
        return true;
    }
    if (term->kind != ACL_TERM_NUMBER || term->number > 2)
        return acl_emqx_wanted(emqx, term, "0, 1, 2 or a list of them");
    *bits |= (uint8_t)(1u << term->number);
    return true;
}

static bool acl_emqx_option(struct acl_emqx *emqx, const struct acl_term *option,
                            struct acl_rule *rule, uint8_t *qos)
{
    if (acl_emqx_is(emqx, option, 2, "qos", "qos"))
        return acl_emqx_qos(emqx, acl_emqx_child(emqx, option, 1), qos);
    bool is_retain = acl_emqx_is(emqx, option, 2, "retain", "retain");
    const struct acl_term *value = is_retain ? acl_emqx_child(emqx, option, 1) : option;
    if (rule->actions == ACL_SUBSCRIBE || (!is_retain && !acl_term_is_atom(option, "retain")))
        return acl_emqx_wanted(emqx, option,
                               rule->actions == ACL_SUBSCRIBE ? "{qos, ...}"
                                                              : "{qos, ...} or {retain, ...}");
    if (!is_retain || acl_term_is_atom(value, "true"))
        rule->retain = 2;
    else if (acl_term_is_atom(value, "false"))
        rule->retain = 1;
    else if (!acl_term_is_atom(value, "all"))
        return acl_emqx_wanted(emqx, value, "true, false or all");
    return true;
}

static bool acl_emqx_action(struct acl_emqx *emqx, const struct acl_term *term,
                            struct acl_rule *rule)
{
    bool has_options = term->kind == ACL_TERM_TUPLE && term->count == 2;
    const struct acl_term *name = has_options ? acl_emqx_child(emqx, term, 0) : term;
    if (acl_term_is_atom(name, "publish"))
        rule->actions = ACL_PUBLISH;
    else if (acl_term_is_atom(name, "subscribe"))
        rule->actions = ACL_SUBSCRIBE;
    else if (!acl_term_is_atom(name, "all") && !acl_term_is_atom(name, "pubsub"))
        return acl_emqx_wanted(emqx, name, "publish, subscribe or all");
    if (!has_options)
        return true;
    const struct acl_term *options = acl_emqx_child(emqx, term, 1);
    if (options->kind != ACL_TERM_LIST)
        return acl_emqx_wanted(emqx, options, "a list of options");
    uint8_t qos = 0;
    for (uint32_t i = options->child; i != ACL_NONE; i = emqx->terms.terms[i].next)
        if (!acl_emqx_option(emqx, &emqx->terms.terms[i], rule, &qos))
            return false;
    if (qos != 0)
        rule->qos = qos;
    return true;
}

static bool acl_emqx_topics(struct acl_emqx *emqx, const struct acl_term *list)
{
    if (list->kind != ACL_TERM_LIST || list->count == 0)
        return acl_emqx_wanted(emqx, list, "a list of topics");
    for (uint32_t i = list->child; i != ACL_NONE; i = emqx->terms.terms[i].next) {
        const struct acl_term *item = &emqx->terms.terms[i];
        bool is_eq = acl_emqx_is(emqx, item, 2, "eq", "eq");
        if (is_eq)
            item = acl_emqx_child(emqx, item, 1);
        if (item->kind != ACL_TERM_STRING)
            return acl_emqx_wanted(emqx, item, is_eq ? "a string" : "a string or {eq, \"...\"}");
        if (!acl_add_topic(emqx->source, &item->word, is_eq))
            return false;
    }
    return true;
}

static bool acl_emqx_rule(struct acl_emqx *emqx)
{
    const struct acl_term *term = &emqx->terms.terms[0];
    struct acl_rule rule = {.allow = acl_emqx_is(emqx, term, term->count, "allow", "allow"),
                            .actions = ACL_BOTH,
                            .qos = ACL_QOS_ANY,
                            .retain = ACL_RETAIN_ANY,
                            .line = term->word.line};
    if (term->kind != ACL_TERM_TUPLE || (term->count != 2 && term->count != 4))
        return acl_emqx_wanted(emqx, term,
                               "{permission, who} or {permission, who, action, topics}");
    if (!rule.allow && !acl_term_is_atom(acl_emqx_child(emqx, term, 0), "deny"))
        return acl_emqx_wanted(emqx, acl_emqx_child(emqx, term, 0), "allow or deny");
    if (!acl_emqx_who(emqx, acl_emqx_child(emqx, term, 1), &rule.who))
        return false;
    if (term->count == 4 && (!acl_emqx_action(emqx, acl_emqx_child(emqx, term, 2), &rule) ||
                             !acl_emqx_topics(emqx, acl_emqx_child(emqx, term, 3))))
        return false;
    return acl_add_rule(emqx->source, &rule);
}

void acl_read_emqx(struct acl_source *source)
{
    struct acl_emqx emqx = {.source = source};
    if (!acl_terms_init(&emqx.terms, source))
        return;
    bool failed = false;
    for (;;) {
        source->failed = false;
        bool found = acl_terms_next(&emqx.terms);
        if (found)
            (void)acl_emqx_rule(&emqx);
        failed |= source->failed;
        if (!found && !source->failed)
            break;
        if (!found)
            acl_terms_skip(&emqx.terms);
    }
    source->failed = failed;
    acl_terms_fini(&emqx.terms);
}
