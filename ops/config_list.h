/*
 * config_list.h -- values that are lists: CPUs (`0-3,8`), and priorities of topics (`a=10,b/c=8`).
 *
 * Setting replaces the whole list or changes nothing; adding appends one item. Both answer false
 * after adding one message to the report.
 *
 * Threads: on a struct config that is being built, by its builder.
 */
#ifndef SLUICE_CONFIG_LIST_H
#define SLUICE_CONFIG_LIST_H

#include "config.h"
#include "config_report.h"

/* What such a value is called in messages. */
#define CONFIG_CPUS_NOUN       "a list of CPUs such as 0-3,8"
#define CONFIG_PRIORITIES_NOUN "`disabled` or a list such as topic=10,other/topic=8"

/* "" is the empty list. */
bool config_cpus_set(struct config_cpus *cpus, const char *text,
                     const struct config_report *report);

/* Appends what `text` names: one CPU, a range, or several of these with commas between them. */
bool config_cpus_add(struct config_cpus *cpus, const char *text,
                     const struct config_report *report);

void config_cpus_print(const struct config_cpus *cpus, FILE *out);

/* "disabled" is the empty list. */
bool config_priorities_set(struct config_priorities *priorities, const char *text,
                           const struct config_report *report);

/* `text` is the priority, 1 to 255; `topic` is copied. */
bool config_priorities_add(struct config_priorities *priorities, const char *topic,
                           const char *text, const struct config_report *report);

void config_priorities_print(const struct config_priorities *priorities, FILE *out);

/* Frees the list and leaves it empty. */
void config_priorities_fini(struct config_priorities *priorities);

#endif
