/*
 * config_value.h -- one value: from text into its field, and back.
 *
 * Whatever the source (file, environment, command line, default), a value arrives as text and goes
 * through here, so that it is judged by the same rules and refused in the same words. A field
 * changes only if the text is right; what it held before is then freed.
 *
 * Threads: on a struct config that is being built, by its builder.
 */
#ifndef SLUICE_CONFIG_VALUE_H
#define SLUICE_CONFIG_VALUE_H

#include "config_key.h"
#include "config_report.h"

/* Sets the key's field from `text`. False, with one message added: nothing changed. */
bool config_value_set(const struct config_key *key, void *base, const char *text,
                      const struct config_report *report);

/* Sets the field to its default. False only without memory, with a message added. */
bool config_value_reset(const struct config_key *key, void *base,
                        const struct config_report *report);

/* Frees what the field owns and makes it all zero; right for a field that is all zero. */
void config_value_clear(const struct config_key *key, void *base);

/* Writes the value as an operator could have written it. */
void config_value_print(const struct config_key *key, const void *base, FILE *out);

/* The same as a text that the caller frees; NULL without memory. */
char *config_value_text(const struct config_key *key, const void *base);

/* Whether the field has the same value in both. Without memory the answer is false. */
bool config_value_equal(const struct config_key *key, const void *a, const void *b);

/* Exchanges the values of the field, and what they own. */
void config_value_swap(const struct config_key *key, void *a, void *b);

/* Writes what a value may be: "duration, 100ms to 1h, or `infinity`". */
void config_value_describe(const struct config_key *key, FILE *out);

#endif
