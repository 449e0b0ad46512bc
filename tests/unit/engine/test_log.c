/*
 * test_log.c -- log lines through the ring of a thread (engine/log.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"

static struct log_ring *ring;

static int set_up(void **state)
{
    (void)state;
    ring = log_ring_create(5);
    log_attach(ring);
    log_level_set(LOG_INFO);
    return ring == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    log_attach(NULL);
    log_ring_destroy(ring);
    return 0;
}

static void a_line_comes_out_as_it_was_written(void **state)
{
    (void)state;
    uint64_t before_ms = clock_wall_ms();
    LOG(LOG_WARNING, "shard %u, %s", 3u, "tired");
    struct log_record record;
    assert_true(log_take(ring, &record));
    assert_string_equal(record.text, "shard 3, tired");
    assert_int_equal(record.text_len, strlen(record.text));
    assert_int_equal(record.level, LOG_WARNING);
    assert_int_equal(record.source, 5);
    assert_true(record.wall_ms >= before_ms && record.wall_ms <= clock_wall_ms());
    assert_false(log_take(ring, &record));
}

static void lines_above_the_level_are_not_formatted(void **state)
{
    (void)state;
    struct log_record record;
    unsigned formatted = 0;
    LOG(LOG_DEBUG, "%u", ++formatted);
    assert_int_equal(formatted, 0);
    assert_false(log_take(ring, &record));
    log_level_set(LOG_DEBUG);
    LOG(LOG_DEBUG, "%u", ++formatted);
    assert_int_equal(formatted, 1);
    assert_true(log_take(ring, &record));
    log_level_set(LOG_ERROR);
    assert_true(log_level_enabled(LOG_ERROR));
    assert_false(log_level_enabled(LOG_WARNING));
}

static void words_go_with_their_count(void **state)
{
    (void)state;
    assert_string_equal(log_noun(0, "ban", "bans"), "bans");
    assert_string_equal(log_noun(1, "ban", "bans"), "ban");
    assert_string_equal(log_noun(UINT64_C(1) << 32 | 1, "ban", "bans"), "bans");
}

static void a_long_line_is_cut(void **state)
{
    (void)state;
    char text[2 * LOG_TEXT_MAX];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    log_write(LOG_INFO, "%s", text);
    struct log_record record;
    assert_true(log_take(ring, &record));
    assert_int_equal(record.text_len, LOG_TEXT_MAX);
    assert_int_equal(strlen(record.text), LOG_TEXT_MAX);
    /* One that just fits is whole. */
    log_write(LOG_INFO, "%.*s", LOG_TEXT_MAX, text);
    assert_true(log_take(ring, &record));
    assert_int_equal(record.text_len, LOG_TEXT_MAX);
}

static void lines_keep_their_order(void **state)
{
    (void)state;
    struct log_record record;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 300; i++)
            log_write(LOG_INFO, "line %u", i);
        for (unsigned i = 0; i < 300; i++) {
            char expected[32];
            snprintf(expected, sizeof(expected), "line %u", i);
            assert_true(log_take(ring, &record));
            assert_string_equal(record.text, expected);
        }
    }
}

static void a_full_ring_drops_and_counts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LOG_RING_RECORDS + 100; i++)
        log_write(LOG_INFO, "line %u", i);
    struct log_record record;
    unsigned taken = 0;
    while (log_take(ring, &record))
        taken++;
    assert_true(taken > 0 && taken <= LOG_RING_RECORDS);
    assert_int_equal(log_lost_take(ring), LOG_RING_RECORDS + 100 - taken);
    assert_int_equal(log_lost_take(ring), 0);
    char last[32];
    snprintf(last, sizeof(last), "line %u", taken - 1);
    assert_string_equal(record.text, last); /* the oldest stay, the newest are lost */
    log_write(LOG_INFO, "again");
    assert_true(log_take(ring, &record));
}

static void levels_have_names(void **state)
{
    (void)state;
    assert_string_equal(log_level_name(LOG_ERROR), "error");
    assert_string_equal(log_level_name(LOG_WARNING), "warning");
    assert_string_equal(log_level_name(LOG_INFO), "info");
    assert_string_equal(log_level_name(LOG_DEBUG), "debug");
}

static void a_repeating_cause_is_limited_to_one_a_second(void **state)
{
    (void)state;
    uint64_t next_ms = 0;
    assert_true(log_limit(&next_ms, 5000));
    assert_false(log_limit(&next_ms, 5000));
    assert_false(log_limit(&next_ms, 5999));
    assert_true(log_limit(&next_ms, 6000));
    assert_false(log_limit(&next_ms, 6001));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_line_comes_out_as_it_was_written),
        TEST(lines_above_the_level_are_not_formatted),
        TEST(words_go_with_their_count),
        TEST(a_long_line_is_cut),
        TEST(lines_keep_their_order),
        TEST(a_full_ring_drops_and_counts),
        TEST(levels_have_names),
        TEST(a_repeating_cause_is_limited_to_one_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
