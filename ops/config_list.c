/*
 * config_list.c -- values that are lists: CPUs, and priorities of topics.
 *
 * A list that comes as one text is built aside and takes the field's place when the whole text was
 * right; a list that comes item by item (from YAML) grows in place. Duplicates are found by looking
 * through what is there: lists have at most about a thousand items and are read once.
 */
#include "config_list.h"

#include "units.h"
#include "utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool config_cpus_add_one(struct config_cpus *cpus, uint64_t cpu,
                                const struct config_report *report)
{
    for (uint32_t i = 0; i < cpus->num; i++) {
        if (cpus->ids[i] == cpu)
            return config_refuse(report, "CPU %" PRIu64 " is named twice", cpu);
    }
    CHECK(cpu < CONFIG_CPUS_MAX && cpus->num < CONFIG_CPUS_MAX);
    cpus->ids[cpus->num++] = (uint16_t)cpu;
    return true;
}

/* `item` is one CPU or a range of them. */
static bool config_cpus_add_range(struct config_cpus *cpus, char *item,
                                  const struct config_report *report)
{
    char *dash = strchr(item, '-');
    if (dash != NULL)
        *dash = '\0';
    uint64_t first = 0;
    enum rc rc = units_parse_count(item, &first);
    uint64_t last = first;
    if (dash != NULL && rc == RC_OK)
        rc = units_parse_count(dash + 1, &last);
    if (dash != NULL)
        *dash = '-';
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    if (rc == RC_INVALID || (rc == RC_OK && last < first))
        return config_refuse(report, "\"%s\" is not %s", error_list_quote(item, quote),
                             CONFIG_CPUS_NOUN);
    if (rc != RC_OK || last >= CONFIG_CPUS_MAX)
        return config_refuse(report, "CPU numbers go from 0 to %d", CONFIG_CPUS_MAX - 1);
    for (uint64_t cpu = first; cpu <= last; cpu++) {
        if (!config_cpus_add_one(cpus, cpu, report))
            return false;
    }
    return true;
}

bool config_cpus_add(struct config_cpus *cpus, const char *text, const struct config_report *report)
{
    CHECK(cpus != NULL && text != NULL && report != NULL);
    char *copy = strdup(text);
    if (copy == NULL)
        return config_refuse(report, "%s", rc_text(RC_NO_MEMORY));
    struct config_cpus list = *cpus;
    bool right = true;
    char *rest = copy;
    while (right && rest != NULL) {
        char *item = strsep(&rest, ",");
        right = config_cpus_add_range(&list, item, report);
    }
    free(copy);
    if (right)
        *cpus = list;
    return right;
}

bool config_cpus_set(struct config_cpus *cpus, const char *text, const struct config_report *report)
{
    struct config_cpus list;
    memset(&list, 0, sizeof(list));
    if (text[0] != '\0' && !config_cpus_add(&list, text, report))
        return false;
    *cpus = list;
    return true;
}

void config_cpus_print(const struct config_cpus *cpus, FILE *out)
{
    for (uint32_t i = 0; i < cpus->num; i++)
        fprintf(out, "%s%u", i == 0 ? "" : ",", (unsigned)cpus->ids[i]);
}

void config_priorities_fini(struct config_priorities *priorities)
{
    for (uint32_t i = 0; i < priorities->num; i++)
        free(priorities->items[i].topic);
    free(priorities->items);
    *priorities = (struct config_priorities){.items = NULL, .num = 0};
}

/* The rules of topic names: MQTT 5.0 section 4.7.1, 4.7.3. NULL or what is wrong. */
static const char *config_topic_judge(const char *topic)
{
    size_t len = strlen(topic);
    if (len == 0)
        return "a topic name has at least one character";
    if (len > STRING_LEN_MAX)
        return "a topic name has at most 65535 bytes";
    if (strpbrk(topic, "+#") != NULL)
        return "priorities are for topic names, without + and #";
    if (!utf8_check((const uint8_t *)topic, len))
        return "the topic name is not UTF-8";
    return NULL;
}

bool config_priorities_add(struct config_priorities *priorities, const char *topic,
                           const char *text, const struct config_report *report)
{
    CHECK(priorities != NULL && topic != NULL && text != NULL && report != NULL);
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    uint64_t value = 0;
    if (units_parse_count(text, &value) != RC_OK || value < 1 || value > UINT8_MAX)
        return config_refuse(report, "\"%s\" is not a priority from 1 to 255",
                             error_list_quote(text, quote));
    const char *wrong = config_topic_judge(topic);
    if (wrong != NULL)
        return config_refuse(report, "\"%s\": %s", error_list_quote(topic, quote), wrong);
    for (uint32_t i = 0; i < priorities->num; i++) {
        if (strcmp(priorities->items[i].topic, topic) == 0)
            return config_refuse(report, "topic \"%s\" is named twice",
                                 error_list_quote(topic, quote));
    }
    if (priorities->num == CONFIG_PRIORITIES_MAX)
        return config_refuse(report, "there are more than %d priorities", CONFIG_PRIORITIES_MAX);
    struct config_priority *items = reallocarray(priorities->items, priorities->num + 1,
                                                 sizeof(*items));
    if (items != NULL)
        priorities->items = items;
    char *copy = items == NULL ? NULL : strdup(topic);
    if (copy == NULL)
        return config_refuse(report, "%s", rc_text(RC_NO_MEMORY));
    items[priorities->num++] = (struct config_priority){.topic = copy, .priority = (uint8_t)value};
    return true;
}

bool config_priorities_set(struct config_priorities *priorities, const char *text,
                           const struct config_report *report)
{
    struct config_priorities list = {.items = NULL, .num = 0};
    bool right = true;
    if (strcmp(text, "disabled") != 0) {
        char *copy = strdup(text);
        if (copy == NULL)
            return config_refuse(report, "%s", rc_text(RC_NO_MEMORY));
        char quote[ERROR_QUOTE_LEN_MAX + 1];
        char *rest = copy;
        while (right && rest != NULL) {
            char *item = strsep(&rest, ",");
            char *equals = strrchr(item, '=');
            if (equals == NULL) {
                right = config_refuse(report, "\"%s\" is not %s", error_list_quote(item, quote),
                                      CONFIG_PRIORITIES_NOUN);
                continue;
            }
            *equals = '\0';
            right = config_priorities_add(&list, item, equals + 1, report);
        }
        free(copy);
    }
    if (!right) {
        config_priorities_fini(&list);
        return false;
    }
    config_priorities_fini(priorities);
    *priorities = list;
    return true;
}

void config_priorities_print(const struct config_priorities *priorities, FILE *out)
{
    if (priorities->num == 0)
        fputs("disabled", out);
    for (uint32_t i = 0; i < priorities->num; i++)
        fprintf(out, "%s%s=%u", i == 0 ? "" : ",", priorities->items[i].topic,
                (unsigned)priorities->items[i].priority);
}
