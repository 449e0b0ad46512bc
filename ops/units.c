/*
 * units.c -- reading and writing numbers as operators write them.
 *
 * Every parser is a walk over one text with units_take_digits: digits into 64 bits, with the
 * overflow noted, then a unit looked up in a table. Tables run from the largest unit to the
 * smallest, which is also the order in which the formatters try them: the first unit that divides
 * the value without a rest wins.
 */
#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct units_unit {
    const char *name;
    uint64_t scale;
};

static const struct units_unit units_durations[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};

/* The first spelling of a scale is the one that is written. */
static const struct units_unit units_sizes[] = {
    {"TB", UINT64_C(1) << 40},  {"TiB", UINT64_C(1) << 40}, {"GB", UINT64_C(1) << 30},
    {"GiB", UINT64_C(1) << 30}, {"MB", UINT64_C(1) << 20},  {"MiB", UINT64_C(1) << 20},
    {"KB", UINT64_C(1) << 10},  {"KiB", UINT64_C(1) << 10}, {"B", 1},
};

/*
 * Reads the digits at *at and moves it behind them. RC_INVALID: there are none. RC_TOO_LARGE: more
 * than 64 bits; *at is behind them nevertheless, so that the caller can go on to judge the form.
 */
static enum rc units_take_digits(const char **at, uint64_t *out_value)
{
    if (**at < '0' || **at > '9')
        return RC_INVALID;
    uint64_t value = 0;
    bool overflow = false;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        uint64_t digit = (uint64_t)(**at - '0');
        overflow |= __builtin_mul_overflow(value, UINT64_C(10), &value);
        overflow |= __builtin_add_overflow(value, digit, &value);
    }
    if (overflow)
        return RC_TOO_LARGE;
    *out_value = value;
    return RC_OK;
}

enum rc units_parse_count(const char *text, uint64_t *out_count)
{
    CHECK(text != NULL && out_count != NULL);
    uint64_t value = 0;
    enum rc rc = units_take_digits(&text, &value);
    if (rc == RC_INVALID || *text != '\0')
        return RC_INVALID;
    if (rc == RC_OK)
        *out_count = value;
    return rc;
}

enum rc units_parse_factor(const char *text, uint64_t *out_permille)
{
    CHECK(text != NULL && out_permille != NULL);
    uint64_t value = 0;
    enum rc rc = units_take_digits(&text, &value);
    if (rc == RC_INVALID)
        return RC_INVALID;
    uint64_t permille = 0;
    if (*text == '.') {
        uint64_t scale = 100;
        text++;
        if (*text == '\0')
            return RC_INVALID;
        for (; *text >= '0' && *text <= '9' && scale > 0; text++, scale /= 10)
            permille += (uint64_t)(*text - '0') * scale;
    }
    if (*text != '\0')
        return RC_INVALID;
    if (rc != RC_OK || __builtin_mul_overflow(value, UINT64_C(1000), &value) ||
        __builtin_add_overflow(value, permille, &value))
        return RC_TOO_LARGE;
    *out_permille = value;
    return RC_OK;
}

/* The unit of exactly `len` bytes at `text`, or NULL. `compare` is strncmp or strncasecmp. */
static const struct units_unit *units_find(const struct units_unit *units, size_t num_units,
                                           const char *text, size_t len,
                                           int (*compare)(const char *, const char *, size_t))
{
    for (size_t i = 0; i < num_units; i++) {
        if (strlen(units[i].name) == len && compare(units[i].name, text, len) == 0)
            return &units[i];
    }
    return NULL;
}

enum rc units_parse_duration(const char *text, uint64_t *out_ms)
{
    CHECK(text != NULL && out_ms != NULL);
    if (strcmp(text, "0") == 0) {
        *out_ms = 0;
        return RC_OK;
    }
    uint64_t sum = 0;
    bool overflow = false;
    const struct units_unit *last = NULL;
    do {
        uint64_t value = 0;
        enum rc rc = units_take_digits(&text, &value);
        if (rc == RC_INVALID)
            return RC_INVALID;
        size_t len = strspn(text, "dhms");
        const struct units_unit *unit = units_find(units_durations, ARRAY_LEN(units_durations),
                                                   text, len, strncmp);
        if (unit == NULL || (last != NULL && unit->scale >= last->scale))
            return RC_INVALID;
        overflow |= rc != RC_OK || __builtin_mul_overflow(value, unit->scale, &value) ||
                    __builtin_add_overflow(sum, value, &sum);
        last = unit;
        text += len;
    } while (*text != '\0');
    if (overflow)
        return RC_TOO_LARGE;
    *out_ms = sum;
    return RC_OK;
}

/* A size of `text` up to the byte `end`. */
static enum rc units_take_size(const char *text, const char *end, uint64_t *out_bytes)
{
    uint64_t value = 0;
    enum rc rc = units_take_digits(&text, &value);
    if (rc == RC_INVALID)
        return RC_INVALID;
    uint64_t scale = 1;
    if (text != end) {
        const struct units_unit *unit = units_find(units_sizes, ARRAY_LEN(units_sizes), text,
                                                   (size_t)(end - text), strncasecmp);
        if (unit == NULL)
            return RC_INVALID;
        scale = unit->scale;
    }
    if (rc != RC_OK || __builtin_mul_overflow(value, scale, &value))
        return RC_TOO_LARGE;
    *out_bytes = value;
    return RC_OK;
}

enum rc units_parse_size(const char *text, uint64_t *out_bytes)
{
    CHECK(text != NULL && out_bytes != NULL);
    return units_take_size(text, text + strlen(text), out_bytes);
}

enum rc units_parse_rate(const char *text, struct units_rate *out_rate)
{
    CHECK(text != NULL && out_rate != NULL);
    const char *slash = strchr(text, '/');
    if (slash == NULL)
        return RC_INVALID;
    uint64_t amount = 0;
    enum rc amount_rc = units_take_size(text, slash, &amount);
    if (amount_rc == RC_INVALID)
        return RC_INVALID;
    const char *period = slash + 1;
    uint64_t period_ms = 0;
    const struct units_unit *unit = units_find(units_durations, ARRAY_LEN(units_durations), period,
                                               strlen(period), strncmp);
    enum rc period_rc = RC_OK;
    if (unit != NULL)
        period_ms = unit->scale;
    else
        period_rc = units_parse_duration(period, &period_ms);
    if (period_rc == RC_INVALID || (period_rc == RC_OK && period_ms == 0))
        return RC_INVALID;
    if (amount_rc != RC_OK || period_rc != RC_OK)
        return RC_TOO_LARGE;
    *out_rate = (struct units_rate){.amount = amount, .period_ms = period_ms};
    return RC_OK;
}

const char *units_format_count(uint64_t count, char *out)
{
    CHECK(out != NULL);
    snprintf(out, UNITS_TEXT_LEN_MAX + 1, "%" PRIu64, count);
    return out;
}

const char *units_format_factor(uint64_t permille, char *out)
{
    CHECK(out != NULL);
    int len = snprintf(out, UNITS_TEXT_LEN_MAX + 1, "%" PRIu64 ".%03" PRIu64, permille / 1000,
                       permille % 1000);
    while (out[len - 1] == '0')
        out[--len] = '\0';
    if (out[len - 1] == '.')
        out[len - 1] = '\0';
    return out;
}

/* Writes `value` in the first unit that divides it; the last unit's scale is 1. */
static const char *units_format(uint64_t value, const struct units_unit *units, size_t num_units,
                                const char *zero, char *out)
{
    CHECK(out != NULL);
    if (value == 0) {
        snprintf(out, UNITS_TEXT_LEN_MAX + 1, "%s", zero);
        return out;
    }
    for (size_t i = 0; i < num_units; i++) {
        if (value % units[i].scale == 0) {
            snprintf(out, UNITS_TEXT_LEN_MAX + 1, "%" PRIu64 "%s", value / units[i].scale,
                     units[i].name);
            return out;
        }
    }
    UNREACHABLE();
}

const char *units_format_duration(uint64_t duration_ms, char *out)
{
    return units_format(duration_ms, units_durations, ARRAY_LEN(units_durations), "0s", out);
}

const char *units_format_size(uint64_t size_bytes, char *out)
{
    return units_format(size_bytes, units_sizes, ARRAY_LEN(units_sizes), "0", out);
}

const char *units_format_rate(const struct units_rate *rate, bool in_bytes, char *out)
{
    CHECK(rate != NULL && rate->period_ms > 0);
    char period[UNITS_TEXT_LEN_MAX + 1];
    if (in_bytes)
        units_format_size(rate->amount, out);
    else
        units_format_count(rate->amount, out);
    units_format_duration(rate->period_ms, period);
    /* The 1 of 1s is left out, as one says it. */
    const char *shown = period[0] == '1' && (period[1] < '0' || period[1] > '9') ? period + 1
                                                                                 : period;
    size_t len = strlen(out);
    snprintf(out + len, UNITS_RATE_LEN_MAX + 1 - len, "/%s", shown);
    return out;
}
