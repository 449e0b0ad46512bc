/*
 * rc.c -- the texts and culprits of the result codes.
 *
 * Both arrays are expanded from the table in rc.h, so that a code without a text cannot exist.
 *
 * Threads: pure functions, any.
 */
#include "rc.h"

#include "check.h"

static const char *const rc_texts[] = {
#define RC_ROW(name, fault, text) [name] = text,
    RC_TABLE(RC_ROW)
#undef RC_ROW
};

static const enum rc_fault rc_faults[] = {
#define RC_ROW(name, fault, text) [name] = RC_FAULT_##fault,
    RC_TABLE(RC_ROW)
#undef RC_ROW
};

STATIC_CHECK(ARRAY_LEN(rc_texts) == RC_COUNT, "each result code has a text");

const char *rc_text(enum rc code)
{
    CHECK((unsigned)code < RC_COUNT);
    return rc_texts[code];
}

enum rc_fault rc_fault(enum rc code)
{
    CHECK((unsigned)code < RC_COUNT);
    return rc_faults[code];
}
