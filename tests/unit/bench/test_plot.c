/*
 * test_plot.c -- axes of the drawings in a report (bench/load/plot.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "plot.h"

static void plain(double value, char *out, size_t out_len)
{
    snprintf(out, out_len, "%g", value);
}

static void assert_near(double got, double wanted)
{
    assert_true(got > wanted - 1e-9 && got < wanted + 1e-9);
}

static void a_linear_axis_has_round_ticks(void **state)
{
    (void)state;
    struct plot_axis axis = {.low = 0, .high = 4.2, .text = plain};
    double ticks[PLOT_TICKS_MAX];
    assert_int_equal(plot_ticks(&axis, ticks), 5);
    for (unsigned i = 0; i < 5; i++)
        assert_near(ticks[i], i);
    assert_near(plot_share(&axis, 2.1), 0.5);
    assert_near(plot_share(&axis, -1), 0);
    assert_near(plot_share(&axis, 99), 1);
}

static void a_logarithmic_axis_has_powers(void **state)
{
    (void)state;
    struct plot_axis wide = {.low = 3, .high = 30000000, .is_log = true, .text = plain};
    struct plot_axis narrow = {.low = 3, .high = 60, .is_log = true, .text = plain};
    double ticks[PLOT_TICKS_MAX];
    assert_int_equal(plot_ticks(&wide, ticks), 7);
    assert_near(ticks[0], 10);
    assert_near(ticks[6], 10000000);
    assert_int_equal(plot_ticks(&narrow, ticks), 4);
    assert_near(ticks[0], 5);
    assert_near(ticks[3], 50);
    assert_near(plot_share(&wide, 3e4), 4.0 / 7);
}

static void whatever_the_range_ticks_are_few_and_inside(void **state)
{
    (void)state;
    double ticks[PLOT_TICKS_MAX];
    for (int is_log = 0; is_log < 2; is_log++) {
        for (double low = 0.001; low < 1e7; low *= 3.7) {
            for (double ratio = 1.3; ratio < 1e12; ratio *= 4.1) {
                struct plot_axis axis = {
                    .low = low, .high = low * ratio, .is_log = is_log == 1, .text = plain};
                unsigned num = plot_ticks(&axis, ticks);
                assert_in_range(num, is_log ? 0 : 2, PLOT_TICKS_MAX);
                for (unsigned i = 0; i < num; i++)
                    assert_true(ticks[i] >= low * 0.999999 && ticks[i] <= axis.high * 1.000001);
            }
        }
    }
}

static void a_drawing_is_closed_and_within_its_box(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    struct plot_axis x = {.high = 10, .text = plain};
    struct plot_axis y = {.high = 1, .text = plain};
    struct plot plot;
    const struct plot_point points[] = {{0, 0}, {10, 1}, {1e9, -5}};
    plot_begin(&plot, file, "name", &x, &y);
    plot_line(&plot, 2, points, 3);
    plot_bar(&plot, 1, 2, 0, "nothing");
    plot_mark(&plot, 10, "here", 1);
    plot_end(&plot);
    fclose(file);
    assert_non_null(strstr(text, "<polyline class=\"line-2\" points=\"70.0,272.0 904.0,12.0 "
                                 "904.0,272.0\"/>"));
    assert_non_null(strstr(text, "height=\"1.0\"><title>nothing</title>"));
    assert_non_null(strstr(text, "text-anchor=\"end\">here</text>"));
    assert_string_equal(text + len - 7, "</svg>\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_linear_axis_has_round_ticks),
        cmocka_unit_test(a_logarithmic_axis_has_powers),
        cmocka_unit_test(whatever_the_range_ticks_are_few_and_inside),
        cmocka_unit_test(a_drawing_is_closed_and_within_its_box),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
