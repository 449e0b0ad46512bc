/*
 * text.h -- numbers for human eyes, and strings for JSON.
 *
 * Every function writes into a caller's buffer, always ends it with a zero byte and returns the
 * buffer, so that calls can stand inside a printf.
 *
 * Threads: any.
 */
#ifndef BENCH_TEXT_H
#define BENCH_TEXT_H

#include "check.h"

/* Enough for any number, duration or rate written here. */
#define TEXT_NUMBER_LEN_MAX 48

struct text_number {
    char text[TEXT_NUMBER_LEN_MAX];
};

/* 1234567 -> "1,234,567" */
const char *text_grouped(struct text_number *out, uint64_t value);

/* Nanoseconds with three digits and the unit that fits: "12.3 us", "4.56 ms", "1.20 s". */
const char *text_duration(struct text_number *out, uint64_t value_ns);

/* Writes `text` with quotes and escapes; cut (but valid) when `out_len` is too small. */
const char *text_json_string(char *out, size_t out_len, const char *text);

#endif
