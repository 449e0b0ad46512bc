/*
 * config_report.c -- complaints about one place of a configuration.
 */
#include "config_report.h"

#include "check.h"

#include <stdarg.h>

bool config_refuse(const struct config_report *report, const char *format, ...)
{
    CHECK(report != NULL && report->errors != NULL && report->place != NULL);
    char message[ERROR_TEXT_LEN_MAX + 1];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    error_list_add(report->errors, "%s: %s", report->place, message);
    return false;
}
