/*
 * acl_source.h -- a text with access rules while it is being read, whatever its format.
 *
 * What the three readers (acl_plain.c, acl_emqx.c, acl_mosquitto.c) share: where they are, how they
 * complain ("acl.conf:3:17: ..."), and how words become conditions and topics. After a complaint a
 * reader goes on with the next rule, so that all that is wrong is said at once. Columns count
 * characters from 1.
 *
 * Nothing of a text with a complaint is used: who reads it throws the rules away.
 *
 * Threads: one, at start and at reload.
 */
#ifndef SLUICE_ACL_SOURCE_H
#define SLUICE_ACL_SOURCE_H

#include "acl_rule.h"
#include "error_list.h"

struct acl_source {
    const char *name;   /* of the file, for messages */
    const char *text;   /* not terminated */
    uint32_t len;       /* of text */
    uint32_t at;        /* the next byte to be read */
    uint32_t line;      /* in which `at` stands, from 1 */
    uint32_t line_from; /* where it begins */
    uint8_t file;       /* of the rules */
    bool failed;        /* there was a complaint */
    struct acl_rules *rules;
    struct error_list *errors;
};

/* A word of the text and where it stands, a value. */
struct acl_word {
    struct bytes text;
    uint32_t line;
    uint32_t column;
};

/* Complains about a place. Always false. */
bool acl_complain(struct acl_source *source, uint32_t line, uint32_t column, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));

/* Complains that there is no memory, or too many rules. Always false. */
bool acl_complain_rc(struct acl_source *source, enum rc rc);

/* Quotes a word for a message, cut; `out` has ERROR_QUOTE_LEN_MAX + 1 bytes. */
const char *acl_quote(struct bytes word, char *out);

/* The column of a byte in the current line. */
uint32_t acl_column(const struct acl_source *source, uint32_t at);

/* Goes behind the next newline. False: there is none, the text is at its end. */
bool acl_next_line(struct acl_source *source);

/* --- adding to source->rules; all complain and answer false --- */

/* A condition on a text, exact or a regular expression. */
bool acl_add_text(struct acl_source *source, enum acl_who_kind kind, struct bytes name,
                  const struct acl_word *word, bool is_regex, uint32_t *out);

/* A condition on the address: `10.0.0.0/8`, `::1`. */
bool acl_add_address(struct acl_source *source, const struct acl_word *word, uint32_t *out);

/* all, anonymous, and, or: a condition without a text. */
bool acl_add_plain(struct acl_source *source, enum acl_who_kind kind, uint32_t *out);

bool acl_add_topic(struct acl_source *source, const struct acl_word *word, bool is_eq);

bool acl_add_rule(struct acl_source *source, const struct acl_rule *rule);

/* --- the readers: all rules of the text into source->rules --- */

void acl_read_plain(struct acl_source *source);
void acl_read_emqx(struct acl_source *source);
void acl_read_mosquitto(struct acl_source *source);

#endif
