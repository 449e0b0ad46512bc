/*
 * acl_source.c -- places, complaints and the words that all formats share; see acl_source.h.
 */
#include "acl_source.h"

#include <stdarg.h>
#include <string.h>

#include "cidr.h"

bool acl_complain(struct acl_source *source, uint32_t line, uint32_t column, const char *format,
                  ...)
{
    char message[ERROR_TEXT_LEN_MAX + 1];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    error_list_add(source->errors, "%s:%u:%u: %s", source->name, line, column, message);
    source->failed = true;
    return false;
}

bool acl_complain_rc(struct acl_source *source, enum rc rc)
{
    error_list_add(source->errors, "%s:%u: %s", source->name, source->line,
                   rc == RC_FULL ? "more rules than the broker takes" : rc_text(rc));
    source->failed = true;
    return false;
}

const char *acl_quote(struct bytes word, char *out)
{
    char copy[ERROR_QUOTE_LEN_MAX + 8];
    snprintf(copy, sizeof(copy), "%.*s",
             (int)(word.len < sizeof(copy) - 1 ? word.len : sizeof(copy) - 1),
             (const char *)word.ptr);
    return error_list_quote(copy, out);
}

uint32_t acl_column(const struct acl_source *source, uint32_t at)
{
    CHECK(at <= source->len && source->line_from <= at);
    uint32_t column = 1;
    for (uint32_t i = source->line_from; i < at; i++)
        if (((unsigned char)source->text[i] & 0xC0) != 0x80)
            column++;
    return column;
}

bool acl_next_line(struct acl_source *source)
{
    const char *from = source->text + source->at;
    const char *end = source->at < source->len ? memchr(from, '\n', source->len - source->at)
                                               : NULL;
    if (end == NULL) {
        source->at = source->len;
        return false;
    }
    source->at = (uint32_t)(end - source->text) + 1;
    source->line_from = source->at;
    source->line++;
    return true;
}

bool acl_add_text(struct acl_source *source, enum acl_who_kind kind, struct bytes name,
                  const struct acl_word *word, bool is_regex, uint32_t *out)
{
    struct acl_who who = {.kind = (uint8_t)kind, .name = name, .text = word->text};
    if (word->text.len == 0)
        return acl_complain(source, word->line, word->column, "an empty text fits nobody");
    if (is_regex) {
        struct regex_fault fault;
        enum rc rc = regex_compile(word->text, &who.regex, &fault);
        if (rc == RC_INVALID)
            return acl_complain(source, word->line, word->column + fault.offset,
                                "the regular expression is wrong here: %s", fault.text);
        if (rc != RC_OK)
            return acl_complain_rc(source, rc);
    }
    enum rc rc = acl_rules_who(source->rules, &who, out);
    if (rc == RC_OK)
        return true;
    regex_free(who.regex);
    return acl_complain_rc(source, rc);
}

static bool acl_range_parse(struct bytes word, struct acl_who *out)
{
    char text[CIDR_TEXT_LEN_MAX];
    if (word.len == 0 || word.len >= sizeof(text) || memchr(word.ptr, 0, word.len) != NULL)
        return false;
    memcpy(text, word.ptr, word.len);
    text[word.len] = '\0';
    struct cidr range;
    const char *reason;
    if (cidr_parse(text, &range, &reason) != RC_OK || range.is_all)
        return false;
    out->address = range.address;
    out->bits = range.bits;
    return true;
}

bool acl_add_address(struct acl_source *source, const struct acl_word *word, uint32_t *out)
{
    struct acl_who who = {.kind = ACL_WHO_ADDRESS, .text = word->text};
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    if (!acl_range_parse(word->text, &who))
        return acl_complain(
            source, word->line, word->column,
            "\"%s\" is no address or range (10.0.0.0/8, 192.168.1.7, 2001:db8::/32)",
            acl_quote(word->text, quote));
    who.text.len = 0;
    enum rc rc = acl_rules_who(source->rules, &who, out);
    return rc == RC_OK || acl_complain_rc(source, rc);
}

bool acl_add_plain(struct acl_source *source, enum acl_who_kind kind, uint32_t *out)
{
    struct acl_who who = {.kind = (uint8_t)kind};
    enum rc rc = acl_rules_who(source->rules, &who, out);
    return rc == RC_OK || acl_complain_rc(source, rc);
}

bool acl_add_topic(struct acl_source *source, const struct acl_word *word, bool is_eq)
{
    const char *why;
    uint32_t at;
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    if (!acl_topic_check(word->text, is_eq, &why, &at))
        return acl_complain(source, word->line, word->column + at, "\"%s\" is no topic: %s",
                            acl_quote(word->text, quote), why);
    enum rc rc = acl_rules_topic(source->rules, word->text, is_eq);
    return rc == RC_OK || acl_complain_rc(source, rc);
}

bool acl_add_rule(struct acl_source *source, const struct acl_rule *rule)
{
    struct acl_rule placed = *rule;
    placed.file = source->file;
    enum rc rc = acl_rules_add(source->rules, &placed);
    return rc == RC_OK || acl_complain_rc(source, rc);
}
