/*
 * error_list.h -- a bounded list of messages about what an operator wrote.
 *
 * Configuration and command line report everything that is wrong with them at once, so that nobody
 * has to mend a file one error at a time. The list is bounded: messages beyond ERROR_LIST_MAX are
 * only counted, a message beyond ERROR_TEXT_LEN_MAX bytes is cut at a whole UTF-8 character. Bytes
 * that a terminal would obey (control characters) arrive as `?`.
 *
 * Threads: a value of its owner; start-up and the ops thread use it.
 */
#ifndef SLUICE_ERROR_LIST_H
#define SLUICE_ERROR_LIST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define ERROR_LIST_MAX     64
#define ERROR_TEXT_LEN_MAX 511

/* What an operator wrote is quoted in messages up to this many bytes. */
#define ERROR_QUOTE_LEN_MAX 63

struct error_list {
    uint32_t num;   /* messages kept in `texts` */
    uint32_t extra; /* messages that found no room */
    char texts[ERROR_LIST_MAX][ERROR_TEXT_LEN_MAX + 1];
};

/* An empty list; the same as all bytes zero except that `texts` need not be cleared. */
void error_list_init(struct error_list *list);

/* Adds one message without a newline at its end. Never fails: over the bound it counts. */
void error_list_add(struct error_list *list, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Copies `text` for use in a message into `out` (ERROR_QUOTE_LEN_MAX + 1 bytes): whole, or its
 * beginning and "...". Returns `out`.
 */
const char *error_list_quote(const char *text, char *out);

bool error_list_is_empty(const struct error_list *list);

/* Writes every message as `<prefix><message>\n`, then how many were left out, if any. */
void error_list_print(const struct error_list *list, const char *prefix, FILE *out);

#endif
