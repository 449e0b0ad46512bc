/*
 * test_units.c -- numbers as operators write them: what is read, what is refused, and that every
 * value that is written reads back as itself.
 */
#include "units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef enum rc (*parser)(const char *, uint64_t *);

#define UNTOUCHED UINT64_C(0x5A5A5A5A)

static void reads_as(parser parse, const char *text, uint64_t expected)
{
    uint64_t value = UNTOUCHED;
    if (parse(text, &value) != RC_OK || value != expected)
        fail_msg("\"%s\" gave %llu", text, (unsigned long long)value);
}

static void is_refused(parser parse, const char *text, enum rc expected)
{
    uint64_t value = UNTOUCHED;
    enum rc rc = parse(text, &value);
    if (rc != expected || value != UNTOUCHED)
        fail_msg("\"%s\" gave %s", text, rc_text(rc));
}

static void counts_are_digits(void **state)
{
    (void)state;
    reads_as(units_parse_count, "0", 0);
    reads_as(units_parse_count, "65535", 65535);
    reads_as(units_parse_count, "18446744073709551615", UINT64_MAX);
    is_refused(units_parse_count, "18446744073709551616", RC_TOO_LARGE);
    is_refused(units_parse_count, "99999999999999999999999", RC_TOO_LARGE);
    static const char *const wrong[] = {"", " 1", "1 ", "-1", "+1", "1.0", "0x10", "1e3", "ten"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        is_refused(units_parse_count, wrong[i], RC_INVALID);
}

static void factors_are_thousandths(void **state)
{
    (void)state;
    reads_as(units_parse_factor, "1.5", 1500);
    reads_as(units_parse_factor, "2", 2000);
    reads_as(units_parse_factor, "0.075", 75);
    reads_as(units_parse_factor, "1.005", 1005);
    is_refused(units_parse_factor, "99999999999999999999.5", RC_TOO_LARGE);
    is_refused(units_parse_factor, "18446744073709551.999", RC_TOO_LARGE);
    static const char *const wrong[] = {"", ".5", "1.", "1.0005", "1,5", "1.5x", "1.5.5", "-1.5"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        is_refused(units_parse_factor, wrong[i], RC_INVALID);
}

static void durations_have_units(void **state)
{
    (void)state;
    reads_as(units_parse_duration, "0", 0);
    reads_as(units_parse_duration, "0s", 0);
    reads_as(units_parse_duration, "250ms", 250);
    reads_as(units_parse_duration, "15s", 15000);
    reads_as(units_parse_duration, "5m", 300000);
    reads_as(units_parse_duration, "2h", 7200000);
    reads_as(units_parse_duration, "1d", 86400000);
    reads_as(units_parse_duration, "1h30m", 5400000);
    reads_as(units_parse_duration, "1d2h3m4s5ms", 93784005);
    is_refused(units_parse_duration, "213503982335d", RC_TOO_LARGE);
    is_refused(units_parse_duration, "18446744073709551615ms1ms", RC_INVALID);
    is_refused(units_parse_duration, "18446744073709552s", RC_TOO_LARGE);
    static const char *const wrong[] = {"",     "15",   "s",    "15S", "15 s", "1.5s", "-1s",
                                        "1m1h", "1s1s", "15sx", "1w",  "1hm",  "00"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        is_refused(units_parse_duration, wrong[i], RC_INVALID);
}

static void sizes_are_binary(void **state)
{
    (void)state;
    reads_as(units_parse_size, "0", 0);
    reads_as(units_parse_size, "512", 512);
    reads_as(units_parse_size, "512B", 512);
    reads_as(units_parse_size, "64KB", 65536);
    reads_as(units_parse_size, "64kb", 65536);
    reads_as(units_parse_size, "1MB", 1048576);
    reads_as(units_parse_size, "1MiB", 1048576);
    reads_as(units_parse_size, "2GB", UINT64_C(2147483648));
    reads_as(units_parse_size, "16777215TB", UINT64_C(16777215) << 40);
    is_refused(units_parse_size, "16777216TB", RC_TOO_LARGE);
    static const char *const wrong[] = {"", "MB", "1 MB", "1M", "1.5MB", "-1MB", "1MBs", "1KBMB"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        is_refused(units_parse_size, wrong[i], RC_INVALID);
}

static void rates_are_amounts_per_period(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t amount;
        uint64_t period_ms;
    } right[] = {{"1000/s", 1000, 1000}, {"1MB/10s", 1048576, 10000}, {"5/m", 5, 60000},
                 {"0/1h", 0, 3600000},   {"7/250ms", 7, 250},         {"100KB/d", 102400, 86400000},
                 {"3/1m30s", 3, 90000}};
    for (size_t i = 0; i < ARRAY_LEN(right); i++) {
        struct units_rate rate = {.amount = 0, .period_ms = 0};
        assert_int_equal(units_parse_rate(right[i].text, &rate), RC_OK);
        assert_int_equal(rate.amount, right[i].amount);
        assert_int_equal(rate.period_ms, right[i].period_ms);
        /* And it reads back as the same from what is written. */
        for (int in_bytes = 0; in_bytes <= 1; in_bytes++) {
            char text[UNITS_RATE_LEN_MAX + 1];
            struct units_rate again = {.amount = 1, .period_ms = 1};
            units_format_rate(&rate, in_bytes != 0, text);
            assert_int_equal(units_parse_rate(text, &again), RC_OK);
            assert_int_equal(again.amount, rate.amount);
            assert_int_equal(again.period_ms, rate.period_ms);
        }
    }
    char text[UNITS_RATE_LEN_MAX + 1];
    assert_string_equal(
        units_format_rate(&(struct units_rate){.amount = 1024, .period_ms = 1000}, false, text),
        "1024/s");
    assert_string_equal(
        units_format_rate(&(struct units_rate){.amount = 1048576, .period_ms = 10000}, true, text),
        "1MB/10s");
    static const char *const wrong[] = {"",        "1000",  "/s",  "1000/", "1000/0",
                                        "1000/0s", "1/s/s", "x/s", "1/x",   "1MBx/s"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct units_rate rate = {.amount = 1, .period_ms = 1};
        assert_int_equal(units_parse_rate(wrong[i], &rate), RC_INVALID);
        assert_int_equal(rate.period_ms, 1);
    }
    struct units_rate rate = {.amount = 1, .period_ms = 1};
    assert_int_equal(units_parse_rate("99999999999999999999/s", &rate), RC_TOO_LARGE);
    assert_int_equal(units_parse_rate("1/99999999999999999999s", &rate), RC_TOO_LARGE);
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    static const uint64_t values[] = {0,       1,       999,        1000,      1001,    1024,
                                      1500,    60000,   86400000,   5400000,   1048576, 65537,
                                      1 << 30, 1000000, UINT32_MAX, UINT64_MAX};
    static const struct {
        const char *(*format)(uint64_t, char *);
        parser parse;
    } kinds[] = {{units_format_count, units_parse_count},
                 {units_format_factor, units_parse_factor},
                 {units_format_duration, units_parse_duration},
                 {units_format_size, units_parse_size}};
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        for (size_t i = 0; i < ARRAY_LEN(values); i++) {
            char text[UNITS_TEXT_LEN_MAX + 1];
            reads_as(kinds[k].parse, kinds[k].format(values[i], text), values[i]);
        }
    }
}

static void the_shortest_text_is_written(void **state)
{
    (void)state;
    char text[UNITS_TEXT_LEN_MAX + 1];
    assert_string_equal(units_format_duration(7200000, text), "2h");
    assert_string_equal(units_format_duration(90000, text), "90s");
    assert_string_equal(units_format_duration(0, text), "0s");
    assert_string_equal(units_format_size(1048576, text), "1MB");
    assert_string_equal(units_format_size(0, text), "0");
    assert_string_equal(units_format_factor(1500, text), "1.5");
    assert_string_equal(units_format_factor(2000, text), "2");
    assert_string_equal(units_format_factor(10, text), "0.01");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_digits),
        cmocka_unit_test(factors_are_thousandths),
        cmocka_unit_test(durations_have_units),
        cmocka_unit_test(sizes_are_binary),
        cmocka_unit_test(rates_are_amounts_per_period),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(the_shortest_text_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
