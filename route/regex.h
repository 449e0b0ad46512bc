/*
 * regex.h -- regular expressions of an operator, matched against what clients say: the door to
 * PCRE2.
 *
 * An expression is found anywhere in the subject unless it is anchored with ^ and $. Subjects come
 * from strangers, so the work of one match is bounded (REGEX_STEPS_MAX, REGEX_HEAP_KB_MAX); a match
 * that would need more, or whose subject is not UTF-8, ends as REGEX_UNKNOWN, and whoever asked
 * decides what is the safe side. The interpreter is used, not the just-in-time compiler, because
 * the process wants no memory that is both writable and executable, and because decisions are
 * remembered by those who need them often.
 *
 * Bounds: patterns up to REGEX_LEN_MAX bytes; 50 parentheses deep.
 *
 * Threads: compile and free: one; match: any, at the same time.
 */
#ifndef SLUICE_REGEX_H
#define SLUICE_REGEX_H

#include "bytes.h"
#include "rc.h"

#define REGEX_LEN_MAX     4096
#define REGEX_STEPS_MAX   20000 /* some 200 us */
#define REGEX_HEAP_KB_MAX 256
#define REGEX_TEXT_MAX    128 /* of a message */

struct regex;

enum regex_answer { REGEX_NO, REGEX_YES, REGEX_UNKNOWN };

/* What is wrong with a pattern, a value: at which byte, and PCRE2's words for it. */
struct regex_fault {
    uint32_t offset;
    char text[REGEX_TEXT_MAX];
};

/* RC_OK: the caller owns *out. RC_INVALID: *out_fault says why. RC_NO_MEMORY. */
MUST_USE enum rc regex_compile(struct bytes pattern, struct regex **out,
                               struct regex_fault *out_fault);
void regex_free(struct regex *regex);

enum regex_answer regex_match(const struct regex *regex, struct bytes subject);

#endif
