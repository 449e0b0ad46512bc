/*
 * rfc3339.h -- moments as operators write them: 2026-01-31T12:34:56Z, with a fraction that is
 * dropped, with +02:00 in place of Z, or as seconds since 1970.
 *
 * Threads: pure functions, any.
 */
#ifndef SLUICE_RFC3339_H
#define SLUICE_RFC3339_H

#include <stdint.h>

#include "check.h"

#define RFC3339_LAST_S  UINT64_C(253402300799) /* the end of the year 9999 */
#define RFC3339_LEN_MAX 20                     /* as written here: 2026-01-31T12:34:56Z */

/* The years 1970 to 9999. False: it is no such text, and nothing is touched. */
MUST_USE bool rfc3339_parse(const char *text, uint64_t *out_s);

/* Writes into `out` (RFC3339_LEN_MAX + 1 bytes) and returns it. */
const char *rfc3339_format(uint64_t seconds, char *out);

#endif
