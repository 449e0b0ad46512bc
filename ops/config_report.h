/*
 * config_report.h -- complaints about one place of a configuration.
 *
 * Threads: a value of its user.
 */
#ifndef SLUICE_CONFIG_REPORT_H
#define SLUICE_CONFIG_REPORT_H

#include "error_list.h"

/* Where complaints go, and what stands before them: "sluice.yaml:3:5: mqtt.max_inflight". */
struct config_report {
    struct error_list *errors;
    const char *place;
};

/* Adds "<place>: <message>". Always false, so that a refusal is one statement. */
bool config_refuse(const struct config_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
