/*
 * test_exposition.c -- both formats to the byte, escaping, and which format a request gets.
 */
#include "exposition.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct exposition text;

static void begin(enum exposition_format format)
{
    exposition_fini(&text);
    exposition_init(&text, format);
}

static int teardown(void **state)
{
    (void)state;
    exposition_fini(&text);
    return 0;
}

static void ends_as(const char *expected)
{
    assert_true(exposition_end(&text));
    if (text.len != strlen(expected) || memcmp(text.text, expected, text.len) != 0)
        fail_msg("got\n%.*s\nexpected\n%s", (int)text.len, text.text, expected);
}

static const struct exposition_family counter = {
    .name = "x_seen", .type = EXPOSITION_COUNTER, .help = "Things seen."};
static const struct exposition_family seconds = {
    .name = "x_busy_seconds", .type = EXPOSITION_GAUGE, .unit = "seconds", .help = "Busy."};
static const struct exposition_family build = {
    .name = "x_build", .type = EXPOSITION_INFO, .help = "Build."};
static const struct exposition_family times = {
    .name = "x_time_seconds", .type = EXPOSITION_HISTOGRAM, .unit = "seconds", .help = "Times."};

static void write_all(void)
{
    struct exposition_label labels[] = {{"qos", "1"}, {"type", "a"}};
    static const char *const limits[] = {"0.001", "1.0"};
    static const uint64_t counts[] = {2, 5};
    struct exposition_buckets buckets = {
        .limits = limits, .counts = counts, .num = 2, .count = 6, .sum = 1.5};
    exposition_open(&text, &counter);
    exposition_whole(&text, labels, 2, UINT64_MAX);
    exposition_whole(&text, labels, 1, 0);
    exposition_open(&text, &seconds);
    exposition_real(&text, NULL, 0, 0.25);
    exposition_open(&text, &build);
    exposition_whole(&text, &labels[1], 1, 1);
    exposition_open(&text, &times);
    exposition_histogram(&text, &buckets);
}

static void the_text_format(void **state)
{
    (void)state;
    begin(EXPOSITION_TEXT);
    write_all();
    ends_as("# HELP x_seen_total Things seen.\n"
            "# TYPE x_seen_total counter\n"
            "x_seen_total{qos=\"1\",type=\"a\"} 18446744073709551615\n"
            "x_seen_total{qos=\"1\"} 0\n"
            "# HELP x_busy_seconds Busy.\n"
            "# TYPE x_busy_seconds gauge\n"
            "x_busy_seconds 0.25\n"
            "# HELP x_build_info Build.\n"
            "# TYPE x_build_info gauge\n"
            "x_build_info{type=\"a\"} 1\n"
            "# HELP x_time_seconds Times.\n"
            "# TYPE x_time_seconds histogram\n"
            "x_time_seconds_bucket{le=\"0.001\"} 2\n"
            "x_time_seconds_bucket{le=\"1.0\"} 5\n"
            "x_time_seconds_bucket{le=\"+Inf\"} 6\n"
            "x_time_seconds_count 6\n"
            "x_time_seconds_sum 1.5\n");
    assert_string_equal(exposition_content_type(EXPOSITION_TEXT),
                        "text/plain; version=0.0.4; charset=utf-8");
}

static void openmetrics(void **state)
{
    (void)state;
    begin(EXPOSITION_OPENMETRICS);
    write_all();
    ends_as("# HELP x_seen Things seen.\n"
            "# TYPE x_seen counter\n"
            "x_seen_total{qos=\"1\",type=\"a\"} 18446744073709551615\n"
            "x_seen_total{qos=\"1\"} 0\n"
            "# HELP x_busy_seconds Busy.\n"
            "# TYPE x_busy_seconds gauge\n"
            "# UNIT x_busy_seconds seconds\n"
            "x_busy_seconds 0.25\n"
            "# HELP x_build Build.\n"
            "# TYPE x_build info\n"
            "x_build_info{type=\"a\"} 1\n"
            "# HELP x_time_seconds Times.\n"
            "# TYPE x_time_seconds histogram\n"
            "# UNIT x_time_seconds seconds\n"
            "x_time_seconds_bucket{le=\"0.001\"} 2\n"
            "x_time_seconds_bucket{le=\"1.0\"} 5\n"
            "x_time_seconds_bucket{le=\"+Inf\"} 6\n"
            "x_time_seconds_count 6\n"
            "x_time_seconds_sum 1.5\n"
            "# EOF\n");
    assert_string_equal(exposition_content_type(EXPOSITION_OPENMETRICS),
                        "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

static void what_would_break_the_text_is_escaped(void **state)
{
    (void)state;
    struct exposition_label label = {.name = "v", .value = "a\"b\\c\nd"};
    struct exposition_family family = {
        .name = "x", .type = EXPOSITION_GAUGE, .help = "Say \"a\\b\"\nthen."};
    begin(EXPOSITION_TEXT);
    exposition_open(&text, &family);
    exposition_whole(&text, &label, 1, 1);
    ends_as("# HELP x Say \"a\\\\b\"\\nthen.\n"
            "# TYPE x gauge\n"
            "x{v=\"a\\\"b\\\\c\\nd\"} 1\n");
    begin(EXPOSITION_OPENMETRICS);
    exposition_open(&text, &family);
    ends_as("# HELP x Say \\\"a\\\\b\\\"\\nthen.\n# TYPE x gauge\n# EOF\n");
}

static void numbers(void **state)
{
    (void)state;
    static const struct exposition_family family = {
        .name = "x", .type = EXPOSITION_GAUGE, .help = "X."};
    static const struct {
        double value;
        const char *expected;
    } rows[] = {{0, "0"},
                {1795231745.01, "1795231745.01"},
                {123456.789012345, "123456.789012345"},
                {NAN, "NaN"},
                {INFINITY, "+Inf"},
                {-INFINITY, "-Inf"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char expected[128];
        snprintf(expected, sizeof(expected), "# HELP x X.\n# TYPE x gauge\nx %s\n",
                 rows[i].expected);
        begin(EXPOSITION_TEXT);
        exposition_open(&text, &family);
        exposition_real(&text, NULL, 0, rows[i].value);
        ends_as(expected);
    }
}

static void long_texts_are_whole(void **state)
{
    (void)state;
    static const struct exposition_family family = {
        .name = "x", .type = EXPOSITION_GAUGE, .help = "X."};
    begin(EXPOSITION_TEXT);
    exposition_open(&text, &family);
    size_t head = text.len;
    for (unsigned i = 0; i < 20000; i++)
        exposition_whole(&text, NULL, 0, 12345);
    assert_true(exposition_end(&text));
    assert_int_equal(text.len, head + 20000 * strlen("x 12345\n"));
    assert_memory_equal(text.text + text.len - 8, "x 12345\n", 8);
}

static void an_empty_text_is_only_its_end(void **state)
{
    (void)state;
    begin(EXPOSITION_OPENMETRICS);
    ends_as("# EOF\n");
}

static void the_format_follows_the_request(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        enum exposition_format expected;
    } rows[] = {
        {NULL, EXPOSITION_TEXT},
        {"", EXPOSITION_TEXT},
        {"*/*", EXPOSITION_TEXT},
        {"text/plain", EXPOSITION_TEXT},
        {"text/html,application/xhtml+xml,*/*;q=0.8", EXPOSITION_TEXT},
        {"application/openmetrics-text", EXPOSITION_OPENMETRICS},
        {"Application/OpenMetrics-Text; Version=1.0.0", EXPOSITION_OPENMETRICS},
        {"application/openmetrics-text; version=1.0.0; charset=utf-8", EXPOSITION_OPENMETRICS},
        {"application/openmetrics-text;version=0.0.1", EXPOSITION_TEXT},
        {"application/openmetrics-text;version=0.0.1,*/*;q=0.1", EXPOSITION_TEXT},
        /* Prometheus 2 and 3 */
        {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
         "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         EXPOSITION_OPENMETRICS},
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
         "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,*/*;q=0.2",
         EXPOSITION_OPENMETRICS},
        {"text/plain;q=0.5 , application/openmetrics-text ; q=0.49", EXPOSITION_TEXT},
        {"text/plain;q=0.5,application/openmetrics-text;q=0.5", EXPOSITION_OPENMETRICS},
        {"application/openmetrics-text;q=0,*/*", EXPOSITION_TEXT},
        {"application/openmetrics-text;q=0.000", EXPOSITION_TEXT},
        {"application/openmetrics-text;q=0.001", EXPOSITION_OPENMETRICS},
        {"*/*;q=1,text/plain;q=0.1,application/openmetrics-text;q=0.2", EXPOSITION_OPENMETRICS},
        {"text/plain;q=0.1,*/*;q=1,application/openmetrics-text;q=0.2", EXPOSITION_OPENMETRICS},
        {"text/*;q=0.9,application/openmetrics-text;q=0.8", EXPOSITION_TEXT},
        /* what cannot be read */
        {",,;;q=,application/openmetrics-text;q=abc", EXPOSITION_OPENMETRICS},
        {";;;,", EXPOSITION_TEXT},
        {"application/openmetrics-textual", EXPOSITION_TEXT},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (exposition_negotiate(rows[i].accept) != rows[i].expected)
            fail_msg("%s", rows[i].accept);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_text_format, teardown),
        cmocka_unit_test_teardown(openmetrics, teardown),
        cmocka_unit_test_teardown(what_would_break_the_text_is_escaped, teardown),
        cmocka_unit_test_teardown(numbers, teardown),
        cmocka_unit_test_teardown(long_texts_are_whole, teardown),
        cmocka_unit_test_teardown(an_empty_text_is_only_its_end, teardown),
        cmocka_unit_test(the_format_follows_the_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
