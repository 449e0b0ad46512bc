/*
 * acl_plain.c -- access rules in the plain format: one line, one rule.
 *
 *     rule   = ("allow" | "deny") who [action option... [topic...]]
 *     who    = term { ("and" | "or") term }         and binds tighter than or
 *     term   = "all" | "local" | "anonymous" | key "=" text | key "~" expression
 *     key    = "user" | "client" | "cn" | "attr." name | "address" (= only: an address or range)
 *     action = "publish" | "subscribe" | "all"
 *     option = "qos=" n {"," n} | "retain=" ("true" | "false")
 *     topic  = ["eq:"] filter
 *
 *     allow user=dash                   subscribe $SYS/#
 *     allow local                       all       $SYS/# #
 *     allow user~^dev- and cn~^dev-     publish qos=0,1 retain=false  dev/${username}/#
 *     deny  all                         subscribe $SYS/# eq:# eq:+/#
 *
 * Words are separated by blanks. A word, or the part of it behind = or ~, may stand in double
 * quotes, in which \" and \\ mean " and \; so does a topic with blanks. A quoted topic is a filter
 * whatever it begins with. A line whose first word begins with '#' is a comment.
 */
#include "acl_source.h"
#include "mem.h"

#include <string.h>

/* One word, taken apart. */
struct acl_token {
    struct acl_word word; /* the whole, or what is left of it once a part is taken */
    bool is_quoted;       /* it began with a quote */
    bool is_end;          /* there was none in this line */
};

struct acl_plain {
    struct acl_source *source;
    struct acl_token token; /* looked at, not yet used */
    char *buffer;           /* of one line with its quotes undone */
    uint32_t buffer_used;
};

static bool acl_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Reads the next word of the line into plain->token. False: a quote is not closed. */
static bool acl_plain_next(struct acl_plain *plain)
{
    struct acl_source *source = plain->source;
    while (source->at < source->len && acl_is_blank(source->text[source->at]))
        source->at++;
    char *out = plain->buffer + plain->buffer_used;
    uint32_t len = 0;
    uint32_t from = source->at;
    bool in_quote = false;
    plain->token = (struct acl_token){
        .word = {.line = source->line, .column = acl_column(source, from)},
        .is_quoted = from < source->len && source->text[from] == '"'};
    while (source->at < source->len && source->text[source->at] != '\n') {
        char c = source->text[source->at];
        if (!in_quote && acl_is_blank(c))
            break;
        source->at++;
        if (c == '"') {
            in_quote = !in_quote;
            continue;
        }
        bool escapes = in_quote && c == '\\' && source->at < source->len &&
                       (source->text[source->at] == '"' || source->text[source->at] == '\\');
        out[len++] = escapes ? source->text[source->at++] : c;
    }
    plain->buffer_used += len;
    plain->token.word.text = bytes_of(out, len);
    plain->token.is_end = source->at == from;
    if (in_quote)
        return acl_complain(source, source->line, plain->token.word.column,
                            "a quote that is not closed");
    return true;
}

static bool acl_plain_is(const struct acl_plain *plain, const char *word)
{
    return !plain->token.is_end && !plain->token.is_quoted &&
           bytes_equal(plain->token.word.text, bytes_of_text(word));
}

/* Complains about the word looked at. Always false. */
static bool acl_plain_wanted(struct acl_plain *plain, const char *what)
{
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    const struct acl_word *word = &plain->token.word;
    if (plain->token.is_end)
        return acl_complain(plain->source, word->line, word->column,
                            "the line ends where %s should stand", what);
    return acl_complain(plain->source, word->line, word->column, "\"%s\" where %s should stand",
                        acl_quote(word->text, quote), what);
}

#define ACL_PLAIN_TERM                                                                             \
    "who it is for (all, local, anonymous, user=, client=, cn=, attr.NAME=, address=; ~ instead "  \
    "of = "                                                                                        \
    "for "                                                                                         \
    "a regular expression)"

/* key=text, key~expression. */
static bool acl_plain_pair(struct acl_plain *plain, uint32_t *out)
{
    struct acl_word word = plain->token.word;
    uint32_t key_len = 0;
    while (key_len < word.text.len && word.text.ptr[key_len] != '=' &&
           word.text.ptr[key_len] != '~')
        key_len++;
    if (key_len == word.text.len || plain->token.is_quoted)
        return acl_plain_wanted(plain, ACL_PLAIN_TERM);
    struct bytes key = bytes_of(word.text.ptr, key_len);
    bool is_regex = word.text.ptr[key_len] == '~';
    word.text = bytes_of(key.ptr + key_len + 1, word.text.len - key_len - 1);
    word.column += key_len + 1;
    static const char attr[] = "attr.";
    if (key.len > sizeof(attr) - 1 && memcmp(key.ptr, attr, sizeof(attr) - 1) == 0) {
        struct bytes name = bytes_of(key.ptr + sizeof(attr) - 1, key.len - (sizeof(attr) - 1));
        return acl_add_text(plain->source, ACL_WHO_ATTRIBUTE, name, &word, is_regex, out);
    }
    if (bytes_equal(key, bytes_of_text("address")) && !is_regex)
        return acl_add_address(plain->source, &word, out);
    static const enum acl_who_kind kinds[] = {ACL_WHO_USER, ACL_WHO_CLIENT, ACL_WHO_COMMON_NAME};
    static const char *const keys[] = {"user", "client", "cn"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (bytes_equal(key, bytes_of_text(keys[i])))
            return acl_add_text(plain->source, kinds[i], bytes_of(NULL, 0), &word, is_regex, out);
    return acl_plain_wanted(plain, ACL_PLAIN_TERM);
}

static bool acl_plain_term(struct acl_plain *plain, uint32_t *out)
{
    bool good;
    if (acl_plain_is(plain, "all"))
        good = acl_add_plain(plain->source, ACL_WHO_ALL, out);
    else if (acl_plain_is(plain, "local"))
        good = acl_add_plain(plain->source, ACL_WHO_LOCAL, out);
    else if (acl_plain_is(plain, "anonymous"))
        good = acl_add_plain(plain->source, ACL_WHO_ANONYMOUS, out);
    else if (plain->token.is_end)
        good = acl_plain_wanted(plain, ACL_PLAIN_TERM);
    else
        good = acl_plain_pair(plain, out);
    return good && acl_plain_next(plain);
}

/* term { "and" term } */
static bool acl_plain_and(struct acl_plain *plain, uint32_t *out)
{
    if (!acl_plain_term(plain, out) || !acl_plain_is(plain, "and"))
        return !plain->source->failed;
    uint32_t all;
    uint32_t term = *out;
    if (!acl_add_plain(plain->source, ACL_WHO_AND, &all))
        return false;
    acl_rules_who_join(plain->source->rules, all, term);
    while (acl_plain_is(plain, "and")) {
        if (!acl_plain_next(plain) || !acl_plain_term(plain, &term))
            return false;
        acl_rules_who_join(plain->source->rules, all, term);
    }
    *out = all;
    return true;
}

static bool acl_plain_who(struct acl_plain *plain, uint32_t *out)
{
    if (!acl_plain_and(plain, out) || !acl_plain_is(plain, "or"))
        return !plain->source->failed;
    uint32_t one;
    uint32_t term = *out;
    if (!acl_add_plain(plain->source, ACL_WHO_OR, &one))
        return false;
    acl_rules_who_join(plain->source->rules, one, term);
    while (acl_plain_is(plain, "or")) {
        if (!acl_plain_next(plain) || !acl_plain_and(plain, &term))
            return false;
        acl_rules_who_join(plain->source->rules, one, term);
    }
    *out = one;
    return true;
}

/* "0,2" into bits. */
static bool acl_plain_qos(struct acl_plain *plain, struct bytes list, uint8_t *out)
{
    uint8_t bits = 0;
    for (uint32_t i = 0; i < list.len; i += 2) {
        bool is_last = i + 1 == list.len;
        if (list.ptr[i] < '0' || list.ptr[i] > '2' || (!is_last && list.ptr[i + 1] != ','))
            return acl_plain_wanted(plain, "qos=0, qos=1,2 or the like");
        if (!is_last && i + 2 == list.len)
            return acl_plain_wanted(plain, "qos=0, qos=1,2 or the like");
        bits |= (uint8_t)(1u << (list.ptr[i] - '0'));
    }
    if (bits == 0)
        return acl_plain_wanted(plain, "qos=0, qos=1,2 or the like");
    *out = bits;
    return true;
}

static bool acl_plain_options(struct acl_plain *plain, struct acl_rule *rule)
{
    for (;;) {
        struct bytes text = plain->token.word.text;
        if (plain->token.is_end || plain->token.is_quoted)
            return true;
        if (text.len >= 4 && memcmp(text.ptr, "qos=", 4) == 0) {
            if (!acl_plain_qos(plain, bytes_of(text.ptr + 4, text.len - 4), &rule->qos))
                return false;
        } else if (acl_plain_is(plain, "retain=true") || acl_plain_is(plain, "retain=false")) {
            if (rule->actions == ACL_SUBSCRIBE)
                return acl_plain_wanted(plain, "a topic (a subscription has no retain flag)");
            rule->retain = acl_plain_is(plain, "retain=true") ? 2 : 1;
        } else {
            return true;
        }
        if (!acl_plain_next(plain))
            return false;
    }
}

static bool acl_plain_topics(struct acl_plain *plain)
{
    while (!plain->token.is_end) {
        struct acl_word word = plain->token.word;
        bool is_eq = !plain->token.is_quoted && word.text.len >= 3 &&
                     memcmp(word.text.ptr, "eq:", 3) == 0;
        if (is_eq) {
            word.text = bytes_of(word.text.ptr + 3, word.text.len - 3);
            word.column += 3;
        }
        if (!acl_add_topic(plain->source, &word, is_eq) || !acl_plain_next(plain))
            return false;
    }
    return true;
}

/* The rule that begins with the word looked at. */
static bool acl_plain_rule(struct acl_plain *plain)
{
    struct acl_rule rule = {.allow = acl_plain_is(plain, "allow"),
                            .actions = ACL_BOTH,
                            .qos = ACL_QOS_ANY,
                            .retain = ACL_RETAIN_ANY,
                            .line = plain->source->line};
    if (!rule.allow && !acl_plain_is(plain, "deny"))
        return acl_plain_wanted(plain, "allow or deny");
    if (!acl_plain_next(plain) || !acl_plain_who(plain, &rule.who))
        return false;
    if (acl_plain_is(plain, "publish"))
        rule.actions = ACL_PUBLISH;
    else if (acl_plain_is(plain, "subscribe"))
        rule.actions = ACL_SUBSCRIBE;
    else if (!acl_plain_is(plain, "all") && !plain->token.is_end)
        return acl_plain_wanted(plain, "publish, subscribe or all");
    if (!plain->token.is_end && !acl_plain_next(plain))
        return false;
    return acl_plain_options(plain, &rule) && acl_plain_topics(plain) &&
           acl_add_rule(plain->source, &rule);
}

/* Topics that a broken rule leaves behind would fall to the next one; nothing is used anyway. */
static void acl_plain_lines(struct acl_plain *plain)
{
    struct acl_source *source = plain->source;
    bool failed = false;
    do {
        source->failed = false;
        plain->buffer_used = 0;
        if (acl_plain_next(plain) && !plain->token.is_end &&
            (plain->token.is_quoted || plain->token.word.text.ptr[0] != '#'))
            (void)acl_plain_rule(plain);
        failed |= source->failed;
    } while (acl_next_line(source));
    source->failed = failed;
}

void acl_read_plain(struct acl_source *source)
{
    struct acl_plain plain = {.source = source};
    plain.buffer = mem_alloc(source->len + 1);
    if (plain.buffer == NULL) {
        acl_complain_rc(source, RC_NO_MEMORY);
        return;
    }
    acl_plain_lines(&plain);
    mem_free(plain.buffer);
}
