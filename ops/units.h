/*
 * units.h -- numbers as operators write them: counts, factors, durations, sizes, rates.
 *
 *   count     1000
 *   factor    1.5             at most three digits after the point; kept in thousandths
 *   duration  250ms 15s 5m 2h 1d, or several in falling order: 1h30m; 0 needs no unit
 *   size      512 512B 64KB 1MB 2GB 1TB, binary multiples (KB = 1024), letters of either case,
 *             KiB, MiB, GiB and TiB mean the same
 *   rate      1000/s 1MB/10s  an amount (count or size) per duration; the 1 of 1s may be left out
 *
 * No sign, no space inside, no separators between digits. Every parser answers RC_OK,
 * RC_INVALID (not of that form) or RC_TOO_LARGE (of that form, but beyond 64 bits) and touches
 * its result only on RC_OK. The formatters write the shortest text that reads back as the same
 * value and always fit in UNITS_TEXT_LEN_MAX bytes and the terminating zero.
 *
 * Threads: pure, any.
 */
#ifndef SLUICE_UNITS_H
#define SLUICE_UNITS_H

#include "check.h"
#include "rc.h"

#include <stdint.h>

#define UNITS_TEXT_LEN_MAX 31

/* `amount` in each `period_ms` milliseconds; period_ms is never 0. */
struct units_rate {
    uint64_t amount;
    uint64_t period_ms;
};

MUST_USE enum rc units_parse_count(const char *text, uint64_t *out_count);
MUST_USE enum rc units_parse_factor(const char *text, uint64_t *out_permille);
MUST_USE enum rc units_parse_duration(const char *text, uint64_t *out_ms);
MUST_USE enum rc units_parse_size(const char *text, uint64_t *out_bytes);
MUST_USE enum rc units_parse_rate(const char *text, struct units_rate *out_rate);

/* Each writes into `out` (at least UNITS_TEXT_LEN_MAX + 1 bytes) and returns `out`. */
const char *units_format_count(uint64_t count, char *out);
const char *units_format_factor(uint64_t permille, char *out);
const char *units_format_duration(uint64_t duration_ms, char *out);
const char *units_format_size(uint64_t size_bytes, char *out);

/* `in_bytes`: the amount is a size, not a count. Room for UNITS_RATE_LEN_MAX bytes and the zero. */
#define UNITS_RATE_LEN_MAX (2 * UNITS_TEXT_LEN_MAX + 1)
const char *units_format_rate(const struct units_rate *rate, bool in_bytes, char *out);

#endif
