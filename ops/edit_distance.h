/*
 * edit_distance.h -- how far one name is from another, for "did you mean".
 *
 * The optimal string alignment distance: insertions, deletions, replacements and exchanges of two
 * neighbours each cost one. Names longer than EDIT_NAME_LEN_MAX are never near anything, so that
 * the cost of a question is bounded whatever an operator wrote.
 *
 * Threads: pure, any.
 */
#ifndef SLUICE_EDIT_DISTANCE_H
#define SLUICE_EDIT_DISTANCE_H

#include <stdbool.h>
#include <stdint.h>

#define EDIT_NAME_LEN_MAX 64

/* The distance, or UINT32_MAX if either name is longer than EDIT_NAME_LEN_MAX. */
uint32_t edit_distance(const char *a, const char *b);

/*
 * True if `name` may well be a slip of `known`: the distance is at most a third of the longer
 * name's length and at least 1 is always allowed. The distance goes to *out_distance.
 */
bool edit_distance_is_near(const char *name, const char *known, uint32_t *out_distance);

#endif
