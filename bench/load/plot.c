/*
 * plot.c -- see plot.h. The drawing area leaves PLOT_LEFT for the y axis's texts and PLOT_BOTTOM
 * for those of the x axis.
 *
 * Threads: any.
 */
#include "plot.h"

#include <math.h>

#define PLOT_LEFT   70
#define PLOT_RIGHT  16
#define PLOT_TOP    12
#define PLOT_BOTTOM 28

double plot_share(const struct plot_axis *axis, double value)
{
    CHECK(axis->low < axis->high && (!axis->is_log || axis->low > 0));
    if (value <= axis->low)
        return 0;
    if (value >= axis->high)
        return 1;
    if (axis->is_log)
        return log(value / axis->low) / log(axis->high / axis->low);
    return (value - axis->low) / (axis->high - axis->low);
}

static double plot_x(const struct plot *plot, double value)
{
    return PLOT_LEFT + plot_share(plot->x, value) * (PLOT_WIDTH - PLOT_LEFT - PLOT_RIGHT);
}

static double plot_y(const struct plot *plot, double value)
{
    const double height = PLOT_HEIGHT - PLOT_TOP - PLOT_BOTTOM;
    return PLOT_TOP + (1 - plot_share(plot->y, value)) * height;
}

/* Powers of ten, and 2 and 5 times these if there are few. */
static unsigned plot_ticks_log(const struct plot_axis *axis, double *out)
{
    static const double steps[] = {1, 2, 5};
    unsigned num = 0;
    double decades = log10(axis->high / axis->low);
    double decade = pow(10, floor(log10(axis->low)));
    for (; decade <= axis->high; decade *= 10) {
        for (unsigned i = 0; i < (decades > 3 ? 1 : ARRAY_LEN(steps)); i++) {
            double value = decade * steps[i];
            if (value >= axis->low && value <= axis->high && num < PLOT_TICKS_MAX)
                out[num++] = value;
        }
    }
    return num;
}

unsigned plot_ticks(const struct plot_axis *axis, double *out)
{
    if (axis->is_log)
        return plot_ticks_log(axis, out);
    /* About six, at 1, 2 or 5 times a power of ten. */
    double rough = (axis->high - axis->low) / 6;
    double step = pow(10, floor(log10(rough)));
    if (rough / step > 5)
        step *= 10;
    else if (rough / step > 2)
        step *= 5;
    else if (rough / step > 1)
        step *= 2;
    unsigned num = 0;
    for (double at = ceil(axis->low / step); at * step <= axis->high; at++)
        if (num < PLOT_TICKS_MAX)
            out[num++] = at * step;
    return num;
}

void plot_begin(struct plot *out, FILE *file, const char *name, const struct plot_axis *x,
                const struct plot_axis *y)
{
    double ticks[PLOT_TICKS_MAX];
    char text[PLOT_TICK_TEXT_LEN];
    *out = (struct plot){.file = file, .x = x, .y = y};
    fprintf(file, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", PLOT_WIDTH,
            PLOT_HEIGHT, name);
    unsigned num = plot_ticks(y, ticks);
    for (unsigned i = 0; i < num; i++) {
        double at = plot_y(out, ticks[i]);
        y->text(ticks[i], text, sizeof(text));
        fprintf(file,
                "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                PLOT_LEFT, PLOT_WIDTH - PLOT_RIGHT, at, at, PLOT_LEFT - 8, at + 4, text);
    }
    num = plot_ticks(x, ticks);
    for (unsigned i = 0; i < num; i++) {
        double at = plot_x(out, ticks[i]);
        x->text(ticks[i], text, sizeof(text));
        fprintf(file,
                "<line class=\"tick\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>"
                "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                at, at, PLOT_HEIGHT - PLOT_BOTTOM, PLOT_HEIGHT - PLOT_BOTTOM + 5, at,
                PLOT_HEIGHT - 6, text);
    }
    fprintf(file, "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n", PLOT_LEFT,
            PLOT_WIDTH - PLOT_RIGHT, PLOT_HEIGHT - PLOT_BOTTOM, PLOT_HEIGHT - PLOT_BOTTOM);
}

void plot_line(const struct plot *plot, unsigned colour, const struct plot_point *points,
               unsigned num)
{
    CHECK(colour >= 1 && colour <= 3);
    fprintf(plot->file, "<polyline class=\"line-%u\" points=\"", colour);
    for (unsigned i = 0; i < num; i++)
        fprintf(plot->file, "%s%.1f,%.1f", i > 0 ? " " : "", plot_x(plot, points[i].x),
                plot_y(plot, points[i].y));
    fprintf(plot->file, "\"/>\n");
}

void plot_bar(const struct plot *plot, double x_from, double x_to, double y, const char *text)
{
    const double bottom = PLOT_HEIGHT - PLOT_BOTTOM;
    double left = plot_x(plot, x_from);
    double width = plot_x(plot, x_to) - left;
    double top = plot_y(plot, y);
    /* Something is never nothing: one pixel at least. */
    if (bottom - top < 1)
        top = bottom - 1;
    fprintf(plot->file,
            "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">"
            "<title>%s</title></rect>\n",
            left, top, width > 2 ? width - 1 : width, bottom - top, text);
}

void plot_mark(const struct plot *plot, double x, const char *text, unsigned row)
{
    double at = plot_x(plot, x);
    bool is_far_right = at > PLOT_WIDTH - 150;
    fprintf(plot->file,
            "<line class=\"mark\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>"
            "<text class=\"word\" x=\"%.1f\" y=\"%u\" text-anchor=\"%s\">%s</text>\n",
            at, at, PLOT_TOP, PLOT_HEIGHT - PLOT_BOTTOM, is_far_right ? at - 5 : at + 5,
            PLOT_TOP + 10 + 15 * row, is_far_right ? "end" : "start", text);
}

void plot_end(struct plot *plot)
{
    fprintf(plot->file, "</svg>\n");
    plot->file = NULL;
}
