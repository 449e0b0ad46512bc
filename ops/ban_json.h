/*
 * ban_json.h -- a ban as JSON: as users of the API know it, and as it lies in the log.
 *
 *   API   {"as": kind, "who": text, "by": text, "reason": text, "at": moment, "until": moment}
 *         moments are RFC 3339 texts or seconds since 1970; `until` may be "infinity". Coming in,
 *         `as` and `who` are needed; `at` is now otherwise, `until` infinity
 *   log   {"by": text, "reason": text, "at": seconds, "until": seconds}, without `until` for ever;
 *         kind and `who` are the row's table and key
 *
 * Threads: pure functions, any.
 */
#ifndef SLUICE_BAN_JSON_H
#define SLUICE_BAN_JSON_H

#include <jansson.h>

#include "ban_list.h"
#include "bytes.h"

/* NULL without memory. */
MUST_USE json_t *ban_json(const struct ban *ban);

/*
 * Reads a ban whose texts are borrowed from `from`. False: `out_why` (BAN_WHY_LEN_MAX + 1 bytes)
 * says what is wrong with its form; whether it makes sense says ban_check (ban_list.h).
 */
MUST_USE bool ban_json_read(const json_t *from, uint64_t now_s, const char *by, struct ban *out,
                            char *out_why);

/* The value of a ban's row, for the caller to free. NULL without memory. */
MUST_USE char *ban_row_text(const struct ban *ban);

/*
 * The value of a row into all of *out but kind and who. Its texts live as long as what is returned,
 * to be given back with json_decref. NULL: it is not such a value.
 */
MUST_USE json_t *ban_row_read(struct bytes value, struct ban *out);

#endif
