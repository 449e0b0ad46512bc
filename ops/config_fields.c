/*
 * config_fields.c -- see config_fields.h.
 *
 * Like the lists of config_list.c: what comes as one text is built aside and takes the field's
 * place when all of it was right.
 *
 * Threads: see config_fields.h.
 */
#include "config_fields.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

void config_fields_fini(struct config_fields *fields)
{
    for (uint32_t i = 0; i < fields->num; i++) {
        free(fields->items[i].name);
        free(fields->items[i].value);
    }
    free(fields->items);
    *fields = (struct config_fields){.items = NULL, .num = 0};
}

bool config_fields_add(struct config_fields *fields, const char *name, const char *value,
                       const struct config_report *report)
{
    CHECK(fields != NULL && name != NULL && value != NULL && report != NULL);
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    if (name[0] == '\0')
        return config_refuse(report, "a name is empty");
    for (uint32_t i = 0; i < fields->num; i++) {
        if (strcmp(fields->items[i].name, name) == 0)
            return config_refuse(report, "\"%s\" is named twice", error_list_quote(name, quote));
    }
    if (fields->num == CONFIG_FIELDS_MAX)
        return config_refuse(report, "there are more than %d names", CONFIG_FIELDS_MAX);
    struct config_field *items = reallocarray(fields->items, fields->num + 1, sizeof(*items));
    if (items != NULL)
        fields->items = items;
    struct config_field copy = {.name = strdup(name), .value = strdup(value)};
    if (items == NULL || copy.name == NULL || copy.value == NULL) {
        free(copy.name);
        free(copy.value);
        return config_refuse(report, "%s", rc_text(RC_NO_MEMORY));
    }
    items[fields->num++] = copy;
    return true;
}

bool config_fields_set(struct config_fields *fields, const char *text,
                       const struct config_report *report)
{
    struct config_fields list = {.items = NULL, .num = 0};
    char *copy = strdup(text);
    if (copy == NULL)
        return config_refuse(report, "%s", rc_text(RC_NO_MEMORY));
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    bool right = true;
    char *rest = text[0] == '\0' ? NULL : copy;
    while (right && rest != NULL) {
        char *item = strsep(&rest, ",");
        char *equals = strchr(item, '=');
        if (equals == NULL) {
            right = config_refuse(report, "\"%s\" is not %s", error_list_quote(item, quote),
                                  CONFIG_FIELDS_NOUN);
            continue;
        }
        *equals = '\0';
        right = config_fields_add(&list, item, equals + 1, report);
    }
    free(copy);
    if (!right) {
        config_fields_fini(&list);
        return false;
    }
    config_fields_fini(fields);
    *fields = list;
    return true;
}

void config_fields_print(const struct config_fields *fields, FILE *out)
{
    for (uint32_t i = 0; i < fields->num; i++)
        fprintf(out, "%s%s=...", i == 0 ? "" : ",", fields->items[i].name);
}

bool config_fields_equal(const struct config_fields *a, const struct config_fields *b)
{
    bool same = a->num == b->num;
    for (uint32_t i = 0; same && i < a->num; i++)
        same = strcmp(a->items[i].name, b->items[i].name) == 0 &&
               strcmp(a->items[i].value, b->items[i].value) == 0;
    return same;
}
