/*
 * test_report.c -- reports in files: percentiles and the page (bench/load/report.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "report.h"

static struct run_result result;
static struct options options;
static const struct scenario scenario = {.name = "pairs", .text = "some & <others>"};

/* What `report` writes; to be freed. */
static char *written(void (*report)(FILE *, const struct run_result *))
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    report(file, &result);
    fclose(file);
    return text;
}

static void report_percentiles(FILE *file, const struct run_result *of)
{
    report_hdr(file, &of->latency);
}

static int setup(void **state)
{
    (void)state;
    options = (struct options){.command = "pairs", .title = "<title>", .host = "h", .rate = 1000};
    memset(&result, 0, sizeof(result));
    result.options = &options;
    result.scenario = &scenario;
    result.io = "none";
    result.measured_ns = 2000000000;
    result.measured.fresh = 1000;
    histogram_init(&result.latency);
    histogram_init(&result.lateness);
    histogram_init(&result.acks);
    series_init(&result.series, result.measured_ns);
    for (uint32_t i = 0; i <= 10; i++)
        series_add(&result.series, i * result.series.slice_ns, i * 90, i * 100);
    for (uint32_t i = 0; i < 10; i++)
        result.series.latency[i] = (struct series_latency){100, 5000 + i, 9000, 10000};
    /* 1 to 1,000 us. */
    for (uint64_t us = 1; us <= 1000; us++)
        histogram_record(&result.latency, us * 1000);
    return 0;
}

static void percentiles_ascend_and_end_at_the_maximum(void **state)
{
    (void)state;
    char *text = written(report_percentiles);
    double value_before = 0, fraction_before = -1;
    unsigned num = 0;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '#';) {
        char *end;
        double value = strtod(line, &end);
        if (end == line)
            continue;
        double fraction = strtod(end, &end);
        unsigned long long count = strtoull(end, &end, 10);
        assert_true(value >= value_before && fraction > fraction_before);
        assert_true(value <= 1.0);
        /* What is said to be below is below: 1,000 values, a slot is at most 0.8 % wide. */
        assert_true((double)count >= 1000 * fraction);
        assert_true(value <= (double)count / 1000 * 1.008 + 1e-9);
        value_before = value;
        fraction_before = fraction;
        num++;
    }
    assert_true(num > 30);
    assert_true(value_before == 1.0 && fraction_before == 1.0);
    assert_non_null(strstr(rest, "Total count    =         1000]"));
    free(text);
}

/* The end of a slot may be more than anything that was measured. */
static void no_percentile_is_beyond_the_maximum(void **state)
{
    (void)state;
    histogram_init(&result.latency);
    histogram_record(&result.latency, 1000001);
    char *text = written(report_percentiles);
    assert_non_null(strstr(text, "    1.000001 0.000000000000          1           1.00\n"));
    free(text);
}

static void no_values_make_an_empty_table(void **state)
{
    (void)state;
    histogram_init(&result.latency);
    char *text = written(report_percentiles);
    assert_non_null(strstr(text, "1/(1-Percentile)\n\n#[Mean"));
    free(text);
}

static void a_page_needs_nothing_else_and_escapes(void **state)
{
    (void)state;
    char *text = written(report_html);
    assert_null(strstr(text, "://"));
    assert_null(strstr(text, "<script"));
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf\""));
    assert_non_null(strstr(text, "<h1>&lt;title></h1>"));
    assert_non_null(strstr(text, "some &amp; &lt;others>"));
    assert_non_null(strstr(text, "Open loop"));
    assert_non_null(strstr(text, "prefers-color-scheme:dark"));
    unsigned num = 0;
    for (const char *at = text; (at = strstr(at, "<svg")) != NULL; at++)
        num++;
    assert_int_equal(num, 4);
    assert_non_null(strstr(text, "</html>\n"));
    free(text);
}

static void a_failure_is_on_the_page(void **state)
{
    (void)state;
    result.unsent = 1;
    char *text = written(report_html);
    assert_non_null(strstr(text, "Failed: the rate was not kept"));
    free(text);
}

static void every_report_says_which_loop_it_was(void **state)
{
    (void)state;
    char *text = written(report_text);
    assert_non_null(strstr(text, "open loop    1,000 messages a second"));
    free(text);
    options.rate = 0;
    text = written(report_text);
    assert_non_null(strstr(text, "closed loop"));
    assert_null(strstr(text, "open loop"));
    free(text);
    text = written(report_json);
    assert_non_null(strstr(text, "\"loop\": \"closed\""));
    free(text);
    text = written(report_html);
    assert_non_null(strstr(text, "Closed loop"));
    free(text);
}

/* A run that never came to its measurement. */
static void a_run_without_results_is_reported(void **state)
{
    (void)state;
    result.measured_ns = 0;
    result.series.num_marks = 0;
    histogram_init(&result.latency);
    snprintf(result.failure, sizeof(result.failure), "no <broker>");
    char *text = written(report_html);
    assert_non_null(strstr(text, "Failed: no &lt;broker>"));
    assert_null(strstr(text, "<svg"));
    free(text);
    text = written(report_text);
    assert_non_null(strstr(text, "FAILED: no <broker>"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(percentiles_ascend_and_end_at_the_maximum, setup),
        cmocka_unit_test_setup(no_percentile_is_beyond_the_maximum, setup),
        cmocka_unit_test_setup(no_values_make_an_empty_table, setup),
        cmocka_unit_test_setup(a_page_needs_nothing_else_and_escapes, setup),
        cmocka_unit_test_setup(a_failure_is_on_the_page, setup),
        cmocka_unit_test_setup(every_report_says_which_loop_it_was, setup),
        cmocka_unit_test_setup(a_run_without_results_is_reported, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
