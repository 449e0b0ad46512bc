/*
 * micro_text.c -- what every topic goes through: checks and hashes.
 *
 * Threads: one.
 */
#include "hash.h"
#include "micro.h"
#include "topic.h"
#include "utf8.h"

#include <stdlib.h>

#define TEXT_LEVELS_MAX 128

static const struct hash_key text_key = {{0x0123456789abcdef, 0xfedcba9876543211}};

/* A topic of about `len` bytes, levels of eight. */
static void *text_setup(int64_t len)
{
    static const char pattern[] = "building/";
    struct bytes *text = malloc(sizeof(*text));
    uint8_t *ptr = malloc((size_t)len);
    CHECK(text != NULL && ptr != NULL);
    for (int64_t i = 0; i < len; i++)
        ptr[i] = (uint8_t)pattern[i % (int64_t)(sizeof(pattern) - 1)];
    *text = bytes_of(ptr, (size_t)len);
    return text;
}

static void text_teardown(void *context)
{
    struct bytes *text = context;
    free((void *)(uintptr_t)text->ptr);
    free(text);
}

/* The compiler must not move the work out of the loop. */
static struct bytes text_again(const void *context)
{
    micro_keep((uintptr_t)context);
    return *(const struct bytes *)context;
}

static void text_hash_fast(void *context, uint64_t num)
{
    for (uint64_t i = 0; i < num; i++)
        micro_keep(hash_fast(&text_key, text_again(context)));
}

static void text_hash_keyed(void *context, uint64_t num)
{
    for (uint64_t i = 0; i < num; i++)
        micro_keep(hash_keyed(&text_key, text_again(context)));
}

static void text_utf8(void *context, uint64_t num)
{
    for (uint64_t i = 0; i < num; i++) {
        struct bytes text = text_again(context);
        micro_keep(utf8_check(text.ptr, text.len));
    }
}

static void text_name(void *context, uint64_t num)
{
    for (uint64_t i = 0; i < num; i++)
        micro_keep((uint64_t)topic_name_check(text_again(context), TEXT_LEVELS_MAX));
}

static void text_filter(void *context, uint64_t num)
{
    for (uint64_t i = 0; i < num; i++)
        micro_keep((uint64_t)topic_filter_check(text_again(context), TEXT_LEVELS_MAX));
}

#define TEXT_CASE(case_name, function)                                                             \
    {                                                                                              \
        .name = case_name, .setup = text_setup, .run = function, .teardown = text_teardown,        \
        .arguments = {10, 30, 200}, .num_arguments = 3                                             \
    }

static const struct micro_case text_cases[] = {
    TEXT_CASE("hash_fast", text_hash_fast),       TEXT_CASE("hash_keyed", text_hash_keyed),
    TEXT_CASE("utf8_check", text_utf8),           TEXT_CASE("topic_name_check", text_name),
    TEXT_CASE("topic_filter_check", text_filter),
};

const struct micro_suite micro_text = {text_cases, ARRAY_LEN(text_cases)};
