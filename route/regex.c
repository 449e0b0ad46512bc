/*
 * regex.c -- see regex.h.
 *
 * The match context holds the limits and is only read by matches, so that all threads share it. The
 * match data, one pair of offsets, is made for each match: a few tens of nanoseconds beside the
 * match itself.
 *
 * Threads: see regex.h.
 */
#include "regex.h"

#include "mem.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define REGEX_MAGIC    0x52474558u
#define REGEX_NEST_MAX 50

struct regex {
    uint32_t magic;                /* [I] */
    pcre2_code *code;              /* [I] */
    pcre2_match_context *matching; /* [I] the limits */
};

static void regex_fault_set(struct regex_fault *fault, int error, size_t offset)
{
    fault->offset = (uint32_t)offset;
    if (pcre2_get_error_message(error, (PCRE2_UCHAR *)fault->text, sizeof(fault->text)) < 0 &&
        fault->text[0] == '\0')
        memcpy(fault->text, "not a regular expression", sizeof("not a regular expression"));
}

static pcre2_code *regex_code(struct bytes pattern, struct regex_fault *out_fault, enum rc *out_rc)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    *out_rc = RC_NO_MEMORY;
    if (context == NULL)
        return NULL;
    pcre2_set_max_pattern_length(context, REGEX_LEN_MAX);
    pcre2_set_parens_nest_limit(context, REGEX_NEST_MAX);
    int error = 0;
    size_t offset = 0;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len,
                                     PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &offset, context);
    pcre2_compile_context_free(context);
    if (code == NULL && error != PCRE2_ERROR_NOMEMORY) {
        *out_rc = RC_INVALID;
        regex_fault_set(out_fault, error, offset);
    }
    return code;
}

enum rc regex_compile(struct bytes pattern, struct regex **out, struct regex_fault *out_fault)
{
    CHECK(pattern.ptr != NULL && out != NULL && out_fault != NULL);
    enum rc rc;
    *out_fault = (struct regex_fault){0};
    pcre2_code *code = regex_code(pattern, out_fault, &rc);
    if (code == NULL)
        return rc;
    struct regex *regex = mem_alloc(sizeof(*regex));
    pcre2_match_context *matching = pcre2_match_context_create(NULL);
    if (regex == NULL || matching == NULL) {
        pcre2_match_context_free(matching);
        pcre2_code_free(code);
        mem_free(regex);
        return RC_NO_MEMORY;
    }
    pcre2_set_match_limit(matching, REGEX_STEPS_MAX);
    pcre2_set_heap_limit(matching, REGEX_HEAP_KB_MAX);
    *regex = (struct regex){.magic = REGEX_MAGIC, .code = code, .matching = matching};
    *out = regex;
    return RC_OK;
}

void regex_free(struct regex *regex)
{
    if (regex == NULL)
        return;
    CHECK_OBJ(regex, REGEX_MAGIC);
    pcre2_match_context_free(regex->matching);
    pcre2_code_free(regex->code);
    regex->magic = 0;
    mem_free(regex);
}

enum regex_answer regex_match(const struct regex *regex, struct bytes subject)
{
    CHECK_OBJ(regex, REGEX_MAGIC);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    if (data == NULL)
        return REGEX_UNKNOWN;
    static const uint8_t nothing[1];
    PCRE2_SPTR text = subject.len > 0 ? subject.ptr : nothing;
    int rc = pcre2_match(regex->code, text, subject.len, 0, 0, data, regex->matching);
    pcre2_match_data_free(data);
    if (rc >= 0)
        return REGEX_YES;
    return rc == PCRE2_ERROR_NOMATCH ? REGEX_NO : REGEX_UNKNOWN;
}
