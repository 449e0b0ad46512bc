/*
 * acl_term.c -- a recursive reader of Erlang terms; see acl_term.h.
 *
 * The recursion is bounded by ACL_TERM_DEPTH_MAX. Text of strings is undone into a buffer as long
 * as the source, because no escape is shorter than what it means.
 */
#include "acl_term.h"

#include "mem.h"

#include <string.h>

bool acl_terms_init(struct acl_terms *terms, struct acl_source *source)
{
    *terms = (struct acl_terms){.source = source};
    terms->texts = mem_alloc(source->len + 4);
    return terms->texts != NULL || acl_complain_rc(source, RC_NO_MEMORY);
}

void acl_terms_fini(struct acl_terms *terms)
{
    mem_free(terms->terms);
    mem_free(terms->texts);
    *terms = (struct acl_terms){0};
}

const struct acl_term *acl_term_child(const struct acl_terms *terms, const struct acl_term *parent,
                                      uint32_t index)
{
    CHECK(index < parent->count);
    uint32_t at = parent->child;
    while (index-- > 0)
        at = terms->terms[at].next;
    CHECK(at < terms->count);
    return &terms->terms[at];
}

bool acl_term_is_atom(const struct acl_term *term, const char *text)
{
    return term->kind == ACL_TERM_ATOM && bytes_equal(term->word.text, bytes_of_text(text));
}

/* The byte looked at; 0 at the end. */
static char acl_peek(const struct acl_source *source, uint32_t ahead)
{
    return ahead < source->len - source->at ? source->text[source->at + ahead] : '\0';
}

static void acl_advance(struct acl_source *source)
{
    if (source->text[source->at++] != '\n')
        return;
    source->line++;
    source->line_from = source->at;
}

/* Goes behind blanks and comments. False: the text is at its end. */
static bool acl_blanks(struct acl_source *source)
{
    while (source->at < source->len) {
        char c = source->text[source->at];
        if (c == '%')
            while (source->at < source->len && source->text[source->at] != '\n')
                source->at++;
        else if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            acl_advance(source);
        else
            return true;
    }
    return false;
}

static bool acl_here(struct acl_source *source, const char *what)
{
    uint32_t column = acl_column(source, source->at);
    if (source->at == source->len)
        return acl_complain(source, source->line, column, "the file ends where %s should stand",
                            what);
    return acl_complain(source, source->line, column, "%s should stand here", what);
}

static bool acl_term_new(struct acl_terms *terms, enum acl_term_kind kind, uint32_t *out)
{
    struct acl_source *source = terms->source;
    if (terms->count == terms->capacity) {
        uint32_t capacity = terms->capacity == 0 ? 64 : terms->capacity * 2;
        struct acl_term *grown = capacity > ACL_TERMS_MAX ? NULL
                                                          : mem_alloc(capacity * sizeof(*grown));
        if (grown == NULL)
            return acl_complain_rc(source, capacity > ACL_TERMS_MAX ? RC_FULL : RC_NO_MEMORY);
        if (terms->count > 0)
            memcpy(grown, terms->terms, terms->count * sizeof(*grown));
        mem_free(terms->terms);
        terms->terms = grown;
        terms->capacity = capacity;
    }
    terms->terms[terms->count] = (struct acl_term){
        .kind = kind,
        .child = ACL_NONE,
        .next = ACL_NONE,
        .word = {.line = source->line, .column = acl_column(source, source->at)}};
    *out = terms->count++;
    return true;
}

static unsigned acl_hex(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? (unsigned)(lower - 'a') + 10 : 16;
}

/* A character as UTF-8; 0: it is none. */
static uint32_t acl_utf8(uint32_t code, uint8_t *out)
{
    if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        return 0;
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    uint32_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (uint32_t i = len - 1; i > 0; i--) {
        out[i] = (uint8_t)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (uint8_t)((0xF00u >> len) | code);
    return len;
}

/* \xHH or \x{H...}, of which \x is read. */
static bool acl_escape_hex(struct acl_terms *terms)
{
    struct acl_source *source = terms->source;
    bool braces = acl_peek(source, 0) == '{';
    if (braces)
        acl_advance(source);
    uint32_t code = 0;
    unsigned digits = 0;
    while (digits < (braces ? 6u : 2u) && acl_hex(acl_peek(source, 0)) < 16) {
        code = code * 16 + acl_hex(acl_peek(source, 0));
        acl_advance(source);
        digits++;
    }
    uint32_t len = acl_utf8(code, terms->texts + terms->texts_used);
    if (digits == 0 || len == 0 || (!braces && digits != 2) ||
        (braces && acl_peek(source, 0) != '}'))
        return acl_here(source, "the number of a character");
    if (braces)
        acl_advance(source);
    terms->texts_used += len;
    return true;
}

static bool acl_escape(struct acl_terms *terms)
{
    static const char from[] = "bdefnrstv";
    static const char to[] = "\b\177\033\f\n\r \t\v";
    struct acl_source *source = terms->source;
    char c = acl_peek(source, 0);
    if (source->at == source->len || c == '\n')
        return acl_here(source, "an escaped character");
    acl_advance(source);
    if (c == 'x')
        return acl_escape_hex(terms);
    const char *found = c == '\0' ? NULL : strchr(from, c);
    terms->texts[terms->texts_used++] = (uint8_t)(found != NULL ? to[found - from] : c);
    return true;
}

/* What stands up to the closing quote; the opening one is looked at. */
static bool acl_quoted(struct acl_terms *terms, struct acl_term *term)
{
    struct acl_source *source = terms->source;
    char quote = acl_peek(source, 0);
    uint32_t from = terms->texts_used;
    acl_advance(source);
    for (;;) {
        char c = acl_peek(source, 0);
        if (source->at == source->len || c == '\n')
            return acl_complain(source, term->word.line, term->word.column,
                                "a quote that is not closed");
        acl_advance(source);
        if (c == quote)
            break;
        if (c != '\\')
            terms->texts[terms->texts_used++] = (uint8_t)c;
        else if (!acl_escape(terms))
            return false;
    }
    term->word.text = bytes_of(terms->texts + from, terms->texts_used - from);
    return true;
}

static bool acl_is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '@';
}

static bool acl_term_word(struct acl_terms *terms, struct acl_term *term)
{
    struct acl_source *source = terms->source;
    uint32_t from = source->at;
    while (source->at < source->len && acl_is_word(source->text[source->at])) {
        char c = source->text[source->at++];
        if (term->kind != ACL_TERM_NUMBER)
            continue;
        if (c < '0' || c > '9')
            return acl_complain(source, term->word.line, term->word.column, "not a number");
        if (term->number < UINT32_MAX / 10 - 1)
            term->number = term->number * 10 + (uint32_t)(c - '0');
        else
            term->number = UINT32_MAX / 10;
    }
    term->word.text = bytes_of(source->text + from, source->at - from);
    return true;
}

static bool acl_term_binary(struct acl_terms *terms, struct acl_term *term)
{
    struct acl_source *source = terms->source;
    acl_advance(source);
    acl_advance(source);
    if (!acl_blanks(source) || acl_peek(source, 0) != '"')
        return acl_here(source, "a string");
    if (!acl_quoted(terms, term))
        return false;
    static const char utf8[] = "/utf8";
    uint32_t left = source->len - source->at;
    if (left >= sizeof(utf8) - 1 && memcmp(source->text + source->at, utf8, sizeof(utf8) - 1) == 0)
        source->at += sizeof(utf8) - 1;
    if (!acl_blanks(source) || acl_peek(source, 0) != '>' || acl_peek(source, 1) != '>')
        return acl_here(source, ">>");
    source->at += 2;
    return true;
}

static bool acl_term_read(struct acl_terms *terms, unsigned depth, uint32_t *out);

/* The children of a tuple or list, up to `close`. */
static bool acl_term_children(struct acl_terms *terms, uint32_t parent, char close, unsigned depth)
{
    struct acl_source *source = terms->source;
    uint32_t last = ACL_NONE;
    acl_advance(source);
    if (acl_blanks(source) && acl_peek(source, 0) == close) {
        acl_advance(source);
        return true;
    }
    for (;;) {
        uint32_t child;
        if (!acl_term_read(terms, depth, &child))
            return false;
        if (last == ACL_NONE)
            terms->terms[parent].child = child;
        else
            terms->terms[last].next = child;
        last = child;
        terms->terms[parent].count++;
        char what[] = ", or x";
        what[sizeof(what) - 2] = close;
        if (!acl_blanks(source) || (acl_peek(source, 0) != ',' && acl_peek(source, 0) != close))
            return acl_here(source, what);
        char c = acl_peek(source, 0);
        acl_advance(source);
        if (c == close)
            return true;
    }
}

static bool acl_term_read(struct acl_terms *terms, unsigned depth, uint32_t *out)
{
    struct acl_source *source = terms->source;
    if (!acl_blanks(source))
        return acl_here(source, "a term");
    char c = acl_peek(source, 0);
    bool is_binary = c == '<' && acl_peek(source, 1) == '<';
    enum acl_term_kind kind = c == '{'                ? ACL_TERM_TUPLE
                              : c == '['              ? ACL_TERM_LIST
                              : c == '"' || is_binary ? ACL_TERM_STRING
                              : c >= '0' && c <= '9'  ? ACL_TERM_NUMBER
                                                      : ACL_TERM_ATOM;
    if (kind == ACL_TERM_ATOM && c != '\'' && (c < 'a' || c > 'z'))
        return acl_here(source, "a term");
    if (depth == ACL_TERM_DEPTH_MAX)
        return acl_here(source, "less nesting");
    if (!acl_term_new(terms, kind, out))
        return false;
    if (kind == ACL_TERM_TUPLE || kind == ACL_TERM_LIST)
        return acl_term_children(terms, *out, c == '{' ? '}' : ']', depth + 1);
    struct acl_term *term = &terms->terms[*out];
    if (is_binary)
        return acl_term_binary(terms, term);
    return c == '"' || c == '\'' ? acl_quoted(terms, term) : acl_term_word(terms, term);
}

bool acl_terms_next(struct acl_terms *terms)
{
    struct acl_source *source = terms->source;
    terms->count = 0;
    terms->texts_used = 0;
    if (!acl_blanks(source))
        return false;
    uint32_t first;
    if (!acl_term_read(terms, 0, &first))
        return false;
    CHECK(first == 0);
    if (!acl_blanks(source) || acl_peek(source, 0) != '.')
        return acl_here(source, "the dot that ends a rule");
    acl_advance(source);
    return true;
}

/* A rule ends with a dot at the end of a line: that is where the next can begin. */
void acl_terms_skip(struct acl_terms *terms)
{
    struct acl_source *source = terms->source;
    while (source->at < source->len) {
        uint32_t from = source->at;
        while (source->at < source->len && source->text[source->at] != '\n')
            source->at++;
        uint32_t end = source->at;
        while (end > from && (source->text[end - 1] == ' ' || source->text[end - 1] == '\r'))
            end--;
        bool is_end = end > from && source->text[end - 1] == '.';
        if (source->at < source->len)
            acl_advance(source);
        if (is_end)
            return;
    }
}
