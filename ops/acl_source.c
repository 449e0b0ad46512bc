/*
 * acl_source.c -- places, complaints and the words that all formats share; see acl_source.h.
 */
#include "acl_source.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <string.h>

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

/* "/24" into a number; 255: it is none. */
static uint8_t acl_prefix_len(const char *text, uint8_t max)
{
    unsigned value = 0;
    size_t len = strlen(text);
    if (len == 0 || len > 3)
        return UINT8_MAX;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return UINT8_MAX;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    return value > max ? UINT8_MAX : (uint8_t)value;
}

static bool acl_range_parse(struct bytes word, struct acl_who *out)
{
    char text[INET6_ADDRSTRLEN + 8];
    if (word.len == 0 || word.len >= sizeof(text) || memchr(word.ptr, 0, word.len) != NULL)
        return false;
    memcpy(text, word.ptr, word.len);
    text[word.len] = '\0';
    char *slash = strchr(text, '/');
    if (slash != NULL)
        *slash = '\0';
    struct in_addr four;
    bool is_four = inet_pton(AF_INET, text, &four) == 1;
    if (is_four) {
        memset(&out->address, 0, sizeof(out->address));
        out->address.s6_addr[10] = 0xff;
        out->address.s6_addr[11] = 0xff;
        memcpy(&out->address.s6_addr[12], &four, sizeof(four));
    } else if (inet_pton(AF_INET6, text, &out->address) != 1) {
        return false;
    }
    uint8_t max = is_four ? 32 : 128;
    uint8_t bits = slash == NULL ? max : acl_prefix_len(slash + 1, max);
    if (bits == UINT8_MAX)
        return false;
    out->bits = is_four ? (uint8_t)(bits + 96) : bits;
    /* Bits behind the length say nothing. */
    for (unsigned bit = out->bits; bit < 128; bit++)
        out->address.s6_addr[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
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
