/*
 * plot.h -- lines and bars as inline SVG.
 *
 * A plot has two axes, each linear or logarithmic, of which it draws the ticks and a grid; then
 * lines and bars are put into it. Colours are classes (`line-1`, `bar-1`...), for the page's style
 * sheet to say, so that one drawing serves light and dark. Everything is text written to a file;
 * nothing is kept.
 *
 *     plot_begin(&plot, file, "latency over time", &x, &y);
 *     plot_line(&plot, 1, points, num);
 *     plot_end(&plot);
 *
 * Threads: any, one file each.
 */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

#include "check.h"

#include <stdio.h>

#define PLOT_WIDTH         920
#define PLOT_HEIGHT        300
#define PLOT_TICKS_MAX     16
#define PLOT_TICK_TEXT_LEN 32

struct plot_axis {
    double low;
    double high; /* above low; both above 0 if is_log */
    bool is_log;
    /* Writes a tick's text. */
    void (*text)(double value, char *out, size_t out_len);
};

struct plot {
    FILE *file; /* borrowed */
    const struct plot_axis *x;
    const struct plot_axis *y;
};

struct plot_point {
    double x;
    double y;
};

/* The values at which an axis has ticks, at most PLOT_TICKS_MAX; returns how many. */
unsigned plot_ticks(const struct plot_axis *axis, double *out);

/* The place of a value: 0 at the low end, 1 at the high end, where also the values beyond are. */
double plot_share(const struct plot_axis *axis, double value);

/* Draws the frame, the grid and the ticks. The axes stay the caller's until plot_end. */
void plot_begin(struct plot *out, FILE *file, const char *name, const struct plot_axis *x,
                const struct plot_axis *y);

/* A line through the points, in colour class 1 to 3. */
void plot_line(const struct plot *plot, unsigned colour, const struct plot_point *points,
               unsigned num);

/* A bar from the bottom, between two places of the x axis; `text` shows under the pointer. */
void plot_bar(const struct plot *plot, double x_from, double x_to, double y, const char *text);

/* A vertical line with a word at its top, `row` lines below the edge. */
void plot_mark(const struct plot *plot, double x, const char *text, unsigned row);

void plot_end(struct plot *plot);

#endif
