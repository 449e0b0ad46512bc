/*
 * api_path.h -- the path of a request against the path of a route.
 *
 * Both are cut at slashes; a part of the route that is {} takes a part of the request, which is
 * decoded (%41 is A), so that a parameter may hold a slash itself. Neither a zero byte nor what is
 * not UTF-8 can come out of it. The other parts are compared as they stand.
 *
 * Threads: pure functions, any.
 */
#ifndef SLUICE_API_PATH_H
#define SLUICE_API_PATH_H

#include "check.h"

#include <stddef.h>

enum api_path_match {
    API_PATH_OTHER, /* it is not that route */
    API_PATH_IS,
    API_PATH_WRONG, /* it would be, but for its encoding, or a part that is empty or too long */
};

/* Decodes `len` bytes into `out` (len + 1 bytes), zero-terminated. False: not right. */
MUST_USE bool api_decode(const char *text, size_t len, char *out);

/*
 * Parameters stand one after the other in `text` (as long as the path and one byte for each
 * parameter); params[i] points there.
 */
MUST_USE enum api_path_match api_path_match(const char *route, const char *path, char *text,
                                            const char **params, unsigned params_max);

#endif
