/*
 * config_try.h -- loading a configuration in a test: from texts, and what it says when it will not.
 *
 * Each helper fails the test by itself. One configuration and one list of errors are enough for a
 * test program; config_try_reset frees what the last one left.
 */
#ifndef SLUICE_CONFIG_TRY_H
#define SLUICE_CONFIG_TRY_H

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct config try_config;
static struct error_list try_errors;

static inline void config_try_reset(void)
{
    config_fini(&try_config);
    error_list_init(&try_errors);
}

static inline enum rc config_try_sources(const char *text, const struct config_sources *sources)
{
    config_try_reset();
    return config_load_text(&try_config, "t.yaml", text, text == NULL ? 0 : strlen(text), sources,
                            &try_errors);
}

static inline enum rc config_try(const char *text)
{
    const struct config_sources none = {.file = NULL};
    return config_try_sources(text, &none);
}

/* The configuration loads. */
static inline void config_try_ok(const char *text)
{
    if (config_try(text) != RC_OK)
        fail_msg("%s\n-> %s", text, try_errors.texts[0]);
    assert_int_equal(try_errors.num, 0);
}

/* Message `index` is exactly `expected`. */
static inline void config_try_says(uint32_t index, const char *expected)
{
    assert_in_range(index, 0, ERROR_LIST_MAX - 1);
    if (index >= try_errors.num)
        fail_msg("there are only %u messages, not \"%s\"", try_errors.num, expected);
    assert_string_equal(try_errors.texts[index], expected);
}

/* It does not load, and the one message is exactly `expected`. */
static inline void config_try_refuses(const char *text, const char *expected)
{
    static const struct config zero;
    if (config_try(text) != RC_INVALID)
        fail_msg("%s\nloads, but should say \"%s\"", text, expected);
    config_try_says(0, expected);
    if (try_errors.num != 1)
        fail_msg("%s\nsays also \"%s\"", text, try_errors.texts[1]);
    assert_memory_equal(&try_config, &zero, sizeof(zero));
}

#endif
