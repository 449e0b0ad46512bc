/*
 * acl_mosquitto.c -- access rules in the format of mosquitto's acl_file.
 *
 *     topic [read|write|readwrite|deny] FILTER      before any user line: clients without a name
 *     user NAME
 *     topic [read|write|readwrite|deny] FILTER      for that user
 *     pattern [read|write|readwrite|deny] FILTER    for everybody; %c client id, %u user name
 *     # comment
 *
 * mosquitto does not take the first line that fits: what denies a user comes before what allows
 * him, and both before the patterns, where again what denies comes first; what nothing allows is
 * denied. The rules are therefore added in four passes over the lines, and a last one that denies
 * everything.
 *
 * `write` is the permission to publish, `read` that to subscribe. mosquitto lets everybody
 * subscribe and looks at each message before it delivers it; here the subscription itself is
 * allowed, if a `read` filter covers it, or refused, so that nothing has to be looked at twice. A
 * %c or %u stands for what is in its level only, as in mosquitto.
 */
#include "acl_source.h"

#include "mem.h"

#include <string.h>

#define ACL_PASSES 4

struct acl_mosquitto {
    struct acl_source *source;
    unsigned pass;        /* 0 topic deny, 1 topic, 2 pattern deny, 3 pattern */
    struct acl_word user; /* of the section; no text: clients without a name */
    uint8_t *buffer;      /* of one topic in our language */
};

static bool acl_mosquitto_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The next word of `line`, cut off its beginning. */
static struct bytes acl_mosquitto_word(struct bytes *line)
{
    uint32_t from = 0;
    while (from < line->len && acl_mosquitto_blank((char)line->ptr[from]))
        from++;
    uint32_t to = from;
    while (to < line->len && !acl_mosquitto_blank((char)line->ptr[to]))
        to++;
    struct bytes word = bytes_of(line->ptr + from, to - from);
    while (to < line->len && acl_mosquitto_blank((char)line->ptr[to]))
        to++;
    *line = bytes_of(line->ptr + to, line->len - to);
    return word;
}

/* The line, without blanks at its ends. */
static struct bytes acl_mosquitto_line(const struct acl_source *source)
{
    const uint8_t *from = (const uint8_t *)source->text + source->at;
    uint32_t left = source->len - source->at;
    const uint8_t *newline = left > 0 ? memchr(from, '\n', left) : NULL;
    uint32_t len = newline == NULL ? left : (uint32_t)(newline - from);
    while (len > 0 && (acl_mosquitto_blank((char)from[len - 1]) || from[len - 1] == '\r'))
        len--;
    struct bytes line = bytes_of(from, len);
    while (line.len > 0 && acl_mosquitto_blank((char)line.ptr[0]))
        line = bytes_of(line.ptr + 1, line.len - 1);
    return line;
}

static struct acl_word acl_mosquitto_at(const struct acl_source *source, struct bytes text)
{
    uint32_t at = (uint32_t)(text.ptr - (const uint8_t *)source->text);
    return (struct acl_word){.text = text, .line = source->line, .column = acl_column(source, at)};
}

/* The topic in the language of acl_rule.h: %c and %u of a pattern, and ${ as it is. */
static struct bytes acl_mosquitto_topic(struct acl_mosquitto *mosquitto, struct bytes text,
                                        bool is_pattern)
{
    uint8_t *out = mosquitto->buffer;
    for (uint32_t i = 0; i < text.len; i++) {
        char next = i + 1 < text.len ? (char)text.ptr[i + 1] : '\0';
        const char *instead = NULL;
        if (text.ptr[i] == '$' && next == '{')
            instead = "${$}";
        else if (is_pattern && text.ptr[i] == '%' && (next == 'c' || next == 'u'))
            instead = next == 'c' ? "${clientid}" : "${username}";
        if (instead == NULL) {
            *out++ = text.ptr[i];
            continue;
        }
        memcpy(out, instead, strlen(instead));
        out += strlen(instead);
        i += text.ptr[i] == '%';
    }
    return bytes_of(mosquitto->buffer, (size_t)(out - mosquitto->buffer));
}

static bool acl_mosquitto_who(struct acl_mosquitto *mosquitto, bool is_pattern, uint32_t *out)
{
    struct acl_source *source = mosquitto->source;
    if (is_pattern)
        return acl_add_plain(source, ACL_WHO_ALL, out);
    if (mosquitto->user.text.len == 0)
        return acl_add_plain(source, ACL_WHO_ANONYMOUS, out);
    return acl_add_text(source, ACL_WHO_USER, bytes_of(NULL, 0), &mosquitto->user, false, out);
}

/* Complains about a word, which may be the end of the line. Always false. */
static bool acl_mosquitto_wanted(struct acl_mosquitto *mosquitto, struct bytes word,
                                 const char *what)
{
    struct acl_source *source = mosquitto->source;
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    struct acl_word at = acl_mosquitto_at(source, word);
    if (mosquitto->pass > 0)
        return false; /* said in the first pass */
    if (word.len == 0)
        return acl_complain(source, at.line, at.column, "the line ends where %s should stand",
                            what);
    return acl_complain(source, at.line, at.column, "\"%s\" where %s should stand",
                        acl_quote(word, quote), what);
}

/* topic or pattern, whose keyword has been taken off the line. */
static bool acl_mosquitto_rule(struct acl_mosquitto *mosquitto, struct bytes line, bool is_pattern)
{
    struct acl_source *source = mosquitto->source;
    struct acl_rule rule = {.allow = true,
                            .actions = ACL_BOTH,
                            .qos = ACL_QOS_ANY,
                            .retain = ACL_RETAIN_ANY,
                            .line = source->line};
    struct bytes rest = line;
    struct bytes access = acl_mosquitto_word(&rest);
    if (rest.len == 0)
        rest = access; /* a single word is the filter */
    else if (bytes_equal(access, bytes_of_text("read")))
        rule.actions = ACL_SUBSCRIBE;
    else if (bytes_equal(access, bytes_of_text("write")))
        rule.actions = ACL_PUBLISH;
    else if (bytes_equal(access, bytes_of_text("deny")))
        rule.allow = false;
    else if (!bytes_equal(access, bytes_of_text("readwrite")))
        return acl_mosquitto_wanted(mosquitto, access, "read, write, readwrite or deny");
    if (rest.len == 0)
        return acl_mosquitto_wanted(mosquitto, rest, "a topic");
    struct acl_word word = acl_mosquitto_at(source, rest);
    if (mosquitto->pass != (is_pattern ? 2u : 0u) + (rule.allow ? 1u : 0u))
        return true;
    word.text = acl_mosquitto_topic(mosquitto, rest, is_pattern);
    return acl_mosquitto_who(mosquitto, is_pattern, &rule.who) &&
           acl_add_topic(source, &word, false) && acl_add_rule(source, &rule);
}

static bool acl_mosquitto_read(struct acl_mosquitto *mosquitto)
{
    struct acl_source *source = mosquitto->source;
    struct bytes line = acl_mosquitto_line(source);
    if (line.len == 0 || line.ptr[0] == '#')
        return true;
    struct bytes keyword = acl_mosquitto_word(&line);
    if (bytes_equal(keyword, bytes_of_text("topic")))
        return acl_mosquitto_rule(mosquitto, line, false);
    if (bytes_equal(keyword, bytes_of_text("pattern")))
        return acl_mosquitto_rule(mosquitto, line, true);
    if (!bytes_equal(keyword, bytes_of_text("user")))
        return acl_mosquitto_wanted(mosquitto, keyword, "user, topic or pattern");
    mosquitto->user = acl_mosquitto_at(source, line);
    return line.len > 0 || acl_mosquitto_wanted(mosquitto, line, "a user name");
}

static void acl_mosquitto_rest(struct acl_source *source)
{
    struct acl_rule rule = {
        .actions = ACL_BOTH, .qos = ACL_QOS_ANY, .retain = ACL_RETAIN_ANY, .line = source->line};
    if (acl_add_plain(source, ACL_WHO_ALL, &rule.who))
        (void)acl_add_rule(source, &rule);
}

void acl_read_mosquitto(struct acl_source *source)
{
    /* A placeholder is at most six times as long as what it stands for. */
    struct acl_mosquitto mosquitto = {.source = source};
    mosquitto.buffer = mem_alloc((size_t)source->len * 6 + 1);
    if (mosquitto.buffer == NULL) {
        acl_complain_rc(source, RC_NO_MEMORY);
        return;
    }
    for (; mosquitto.pass < ACL_PASSES; mosquitto.pass++) {
        source->at = 0;
        source->line = 1;
        source->line_from = 0;
        mosquitto.user = (struct acl_word){0};
        do
            (void)acl_mosquitto_read(&mosquitto);
        while (acl_next_line(source));
    }
    if (!source->failed)
        acl_mosquitto_rest(source);
    mem_free(mosquitto.buffer);
}
