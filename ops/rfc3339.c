/*
 * rfc3339.c -- see rfc3339.h.
 */
#include "rfc3339.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "units.h"

/* `len` digits at *at, which moves behind them. */
static bool rfc3339_digits(const char **at, unsigned len, unsigned low, unsigned high,
                           unsigned *out)
{
    unsigned value = 0;
    for (unsigned i = 0; i < len; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        value = value * 10 + (unsigned)(**at - '0');
    }
    *out = value;
    return value >= low && value <= high;
}

static bool rfc3339_sign(const char **at, const char *allowed)
{
    if (**at == '\0' || strchr(allowed, **at) == NULL)
        return false;
    (*at)++;
    return true;
}

/* `Z` or `+02:00` at the end, as seconds to be taken away. */
static bool rfc3339_zone(const char *at, int64_t *out_s)
{
    unsigned hours = 0;
    unsigned minutes = 0;
    *out_s = 0;
    if (strcmp(at, "Z") == 0 || strcmp(at, "z") == 0)
        return true;
    int64_t sign = *at == '-' ? -1 : 1;
    if (!rfc3339_sign(&at, "+-") || !rfc3339_digits(&at, 2, 0, 23, &hours) ||
        !rfc3339_sign(&at, ":") || !rfc3339_digits(&at, 2, 0, 59, &minutes) || *at != '\0')
        return false;
    *out_s = sign * (int64_t)(hours * 3600 + minutes * 60);
    return true;
}

static bool rfc3339_parse_text(const char *at, uint64_t *out_s)
{
    unsigned year = 0;
    unsigned month = 0;
    unsigned day = 0;
    unsigned hour = 0;
    unsigned minute = 0;
    unsigned second = 0;
    if (!rfc3339_digits(&at, 4, 1970, 9999, &year) || !rfc3339_sign(&at, "-") ||
        !rfc3339_digits(&at, 2, 1, 12, &month) || !rfc3339_sign(&at, "-") ||
        !rfc3339_digits(&at, 2, 1, 31, &day) || !rfc3339_sign(&at, "Tt ") ||
        !rfc3339_digits(&at, 2, 0, 23, &hour) || !rfc3339_sign(&at, ":") ||
        !rfc3339_digits(&at, 2, 0, 59, &minute) || !rfc3339_sign(&at, ":") ||
        !rfc3339_digits(&at, 2, 0, 60, &second))
        return false;
    if (*at == '.') {
        size_t len = strspn(at + 1, "0123456789");
        if (len == 0)
            return false;
        at += 1 + len;
    }
    int64_t zone_s = 0;
    if (!rfc3339_zone(at, &zone_s))
        return false;
    struct tm tm = {.tm_year = (int)year - 1900,
                    .tm_mon = (int)month - 1,
                    .tm_mday = (int)day,
                    .tm_hour = (int)hour,
                    .tm_min = (int)minute,
                    .tm_sec = (int)second};
    int64_t seconds = timegm(&tm);
    /* The 31st of February has become another day. */
    if (tm.tm_mday != (int)day && second < 60)
        return false;
    if (seconds - zone_s < 0)
        return false;
    *out_s = (uint64_t)(seconds - zone_s);
    return true;
}

bool rfc3339_parse(const char *text, uint64_t *out_s)
{
    uint64_t seconds = 0;
    if (units_parse_count(text, &seconds) == RC_OK && seconds <= RFC3339_LAST_S) {
        *out_s = seconds;
        return true;
    }
    return rfc3339_parse_text(text, out_s);
}

const char *rfc3339_format(uint64_t seconds, char *out)
{
    time_t time_s = (time_t)(seconds < RFC3339_LAST_S ? seconds : RFC3339_LAST_S);
    struct tm tm;
    gmtime_r(&time_s, &tm);
    strftime(out, RFC3339_LEN_MAX + 1, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return out;
}
