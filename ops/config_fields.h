/*
 * config_fields.h -- values that are maps from names to texts: headers, members of a body, claims.
 *
 * In YAML a map; in one line of text `name=value,other=value`. Printed are the names only, because
 * values may be secrets.
 *
 * Bounds: CONFIG_FIELDS_MAX fields.
 *
 * Threads: on a configuration that is being built, by its builder; read by any once built.
 */
#ifndef SLUICE_CONFIG_FIELDS_H
#define SLUICE_CONFIG_FIELDS_H

#include "config_report.h"
#include "rc.h"

#include <stdint.h>
#include <stdio.h>

#define CONFIG_FIELDS_MAX  32
#define CONFIG_FIELDS_NOUN "a map from names to texts, or `name=value,other=value`"

struct config_field {
    char *name;
    char *value;
};

/* In the operator's order, no name twice. Zeroes are an empty one. */
struct config_fields {
    struct config_field *items;
    uint32_t num;
};

/* "" is the empty map. */
bool config_fields_set(struct config_fields *fields, const char *text,
                       const struct config_report *report);

/* Both texts are copied. */
bool config_fields_add(struct config_fields *fields, const char *name, const char *value,
                       const struct config_report *report);

void config_fields_print(const struct config_fields *fields, FILE *out);

bool config_fields_equal(const struct config_fields *a, const struct config_fields *b);

/* Frees the map and leaves it empty. */
void config_fields_fini(struct config_fields *fields);

#endif
