/*
 * acl_term.h -- the part of Erlang's terms in which EMQX writes access rules.
 *
 *     term   = tuple | list | string | binary | atom | number
 *     tuple  = "{" [term {"," term}] "}"
 *     list   = "[" [term {"," term}] "]"
 *     string = '"' ... '"' with the escapes \b \d \e \f \n \r \s \t \v \" \\ \xHH \x{H...}
 *     binary = "<<" string ["/utf8"] ">>", read like the string
 *     atom   = a lower-case word, or '...' with the same escapes
 *     %        begins a comment to the end of the line
 *
 * Terms of one rule stand in one array; a term of several parts names its first child, each child
 * the next. A rule ends with a dot.
 *
 * Bounds: ACL_TERMS_MAX terms in a rule, ACL_TERM_DEPTH_MAX levels.
 *
 * Threads: one.
 */
#ifndef SLUICE_ACL_TERM_H
#define SLUICE_ACL_TERM_H

#include "acl_source.h"

#define ACL_TERMS_MAX      (1u << 20)
#define ACL_TERM_DEPTH_MAX 24

enum acl_term_kind {
    ACL_TERM_TUPLE,
    ACL_TERM_LIST,
    ACL_TERM_STRING, /* binaries, too */
    ACL_TERM_ATOM,
    ACL_TERM_NUMBER
};

struct acl_term {
    enum acl_term_kind kind;
    uint32_t count;       /* of children */
    uint32_t child;       /* index of the first, ACL_NONE: none */
    uint32_t next;        /* sibling, or ACL_NONE */
    uint32_t number;      /* of ACL_TERM_NUMBER, at most UINT32_MAX */
    struct acl_word word; /* text of strings and atoms; where it stands */
};

struct acl_terms {
    struct acl_source *source;
    struct acl_term *terms;
    uint32_t count;
    uint32_t capacity;
    uint8_t *texts; /* strings with their escapes undone; as long as the source */
    uint32_t texts_used;
};

/* False: no memory, and complained. */
bool acl_terms_init(struct acl_terms *terms, struct acl_source *source);
void acl_terms_fini(struct acl_terms *terms);

/*
 * Reads the next rule with its dot: terms->terms[0]. False: there is none any more, or, if
 * source->failed, it is broken; acl_terms_skip goes behind it.
 */
bool acl_terms_next(struct acl_terms *terms);
void acl_terms_skip(struct acl_terms *terms);

/* The child number `index`, which exists. */
const struct acl_term *acl_term_child(const struct acl_terms *terms, const struct acl_term *parent,
                                      uint32_t index);

bool acl_term_is_atom(const struct acl_term *term, const char *text);

#endif
