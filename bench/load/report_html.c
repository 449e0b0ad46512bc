/*
 * report_html.c -- the result of a run as one page for a browser; see report.h.
 *
 * The page needs nothing beside itself: style and drawings are in it, there is no script. It is
 * light or dark as the reader's system is.
 *
 * Threads: the main thread.
 */
#include "plot.h"
#include "report.h"
#include "text.h"

#include <math.h>
#include <string.h>

#define REPORT_HTML_BARS 60

static const char report_html_style[] =
    "<style>\n"
    ":root{color-scheme:light dark;--page:#fcfcfb;--ink:#0b0b0b;--soft:#52514e;--grid:#e4e3df;"
    "--axis:#a3a29c;--one:#2a78d6;--two:#c2410c;--three:#8a8984}\n"
    "@media (prefers-color-scheme:dark){:root{--page:#1a1a19;--ink:#f4f3ef;--soft:#c3c2b7;"
    "--grid:#33332f;--axis:#6d6c66;--one:#5b9bea;--two:#f08a4b;--three:#8f8e87}}\n"
    "body{background:var(--page);color:var(--ink);font:15px/1.45 system-ui,sans-serif;"
    "max-width:960px;margin:2em auto;padding:0 1em}\n"
    "h1{font-size:1.5em;margin:0}h2{font-size:1.1em;margin:2em 0 .3em}\n"
    "p{color:var(--soft);margin:.3em 0}svg{width:100%;height:auto;display:block}\n"
    "svg text{fill:var(--soft);font-size:12px}svg .word{fill:var(--ink);"
    "paint-order:stroke;stroke:var(--page);stroke-width:4px}\n"
    ".grid{stroke:var(--grid)}.axis,.tick{stroke:var(--axis)}\n"
    ".mark{stroke:var(--ink);stroke-dasharray:3 3;opacity:.6}\n"
    ".bar{fill:var(--one)}.bar:hover{fill:var(--two)}\n"
    "polyline{fill:none;stroke-width:2;stroke-linejoin:round}\n"
    ".line-1{stroke:var(--one)}.line-2{stroke:var(--two)}.line-3{stroke:var(--three);"
    "stroke-width:1.5;stroke-dasharray:5 3}\n"
    ".key{display:inline-block;margin-right:1.4em;color:var(--soft)}\n"
    ".key i{display:inline-block;width:1.3em;height:3px;margin-right:.4em;vertical-align:middle}\n"
    ".tiles{display:flex;flex-wrap:wrap;gap:.4em 2em;margin:1.2em 0}\n"
    ".tiles div{min-width:7em}.tiles b{display:block;font-size:1.5em;font-weight:600}\n"
    ".tiles span{color:var(--soft);font-size:.9em}.bad{color:var(--two);font-weight:600}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
    "td,th{text-align:left;padding:.15em 1.2em .15em 0;border-bottom:1px solid var(--grid)}\n"
    "td:last-child{text-align:right}summary{cursor:pointer;margin-top:1.5em}\n"
    "</style>\n";

static void report_html_escaped(FILE *file, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<')
            fputs("&lt;", file);
        else if (*text == '&')
            fputs("&amp;", file);
        else
            fputc(*text, file);
    }
}

static void report_html_us(double value, char *out, size_t out_len)
{
    struct text_number text;
    snprintf(out, out_len, "%s", text_duration(&text, (uint64_t)llround(value * 1e3)));
}

static void report_html_seconds(double value, char *out, size_t out_len)
{
    snprintf(out, out_len, "%.4g s", value);
}

static void report_html_rate(double value, char *out, size_t out_len)
{
    if (value >= 1e6)
        snprintf(out, out_len, "%.4g M/s", value / 1e6);
    else if (value >= 1e3)
        snprintf(out, out_len, "%.4g k/s", value / 1e3);
    else
        snprintf(out, out_len, "%.4g /s", value);
}

static void report_html_percent(double value, char *out, size_t out_len)
{
    snprintf(out, out_len, "%.3g %%", value);
}

/* 10 is 90 %, 100 is 99 %. */
static void report_html_nines(double value, char *out, size_t out_len)
{
    snprintf(out, out_len, "%.6g %%", 100 - 100 / value);
}

static void report_html_tile(FILE *file, const char *what, const char *value)
{
    fprintf(file, "<div><b>%s</b><span>%s</span></div>\n", value, what);
}

static void report_html_tiles(FILE *file, const struct run_result *result)
{
    static const struct {
        const char *name;
        double fraction;
    } quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1.0}};
    struct text_number text;
    char rate[PLOT_TICK_TEXT_LEN];
    double seconds = result->measured_ns > 0 ? (double)result->measured_ns / 1e9 : 1;
    fprintf(file, "<div class=\"tiles\">\n");
    report_html_rate((double)run_delivered(&result->measured) / seconds, rate, sizeof(rate));
    report_html_tile(file, result->kind == RUN_CONNECTIONS ? "connections" : "deliveries", rate);
    for (unsigned i = 0; i < ARRAY_LEN(quantiles); i++)
        report_html_tile(
            file, quantiles[i].name,
            text_duration(&text, histogram_quantile_ns(&result->latency, quantiles[i].fraction)));
    if (result->kind != RUN_CONNECTIONS)
        report_html_tile(file, "lost", text_grouped(&text, run_lost(result)));
    fprintf(file, "</div>\n");
}

/* Bars of equal ratio between the fastest and the slowest. */
static void report_html_distribution(FILE *file, const struct histogram *latency)
{
    static const struct {
        const char *name;
        double fraction;
    } marks[] = {{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}};
    double shares[REPORT_HTML_BARS] = {0};
    double highest = 0;
    struct plot_axis x = {.is_log = true, .text = report_html_us};
    x.low = (double)(latency->min_ns > 0 ? latency->min_ns : 1) / 1e3;
    x.high = (double)latency->max_ns / 1e3;
    if (x.high < x.low * 2)
        x.high = x.low * 2;
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
        double middle = ((double)histogram_slot_low_ns(i) + (double)histogram_slot_high_ns(i)) / 2;
        unsigned bar = (unsigned)(plot_share(&x, middle / 1e3) * REPORT_HTML_BARS);
        bar = bar < REPORT_HTML_BARS ? bar : REPORT_HTML_BARS - 1;
        shares[bar] += 100 * (double)latency->counts[i] / (double)latency->num;
        highest = shares[bar] > highest ? shares[bar] : highest;
    }
    struct plot_axis y = {.high = highest * 1.05, .text = report_html_percent};
    struct plot plot;
    plot_begin(&plot, file, "latency distribution", &x, &y);
    for (unsigned i = 0; i < REPORT_HTML_BARS; i++) {
        char text[96], from[PLOT_TICK_TEXT_LEN], to[PLOT_TICK_TEXT_LEN];
        double low = x.low * pow(x.high / x.low, (double)i / REPORT_HTML_BARS);
        double high = x.low * pow(x.high / x.low, (i + 1.0) / REPORT_HTML_BARS);
        report_html_us(low, from, sizeof(from));
        report_html_us(high, to, sizeof(to));
        snprintf(text, sizeof(text), "%s to %s: %.3g %%", from, to, shares[i]);
        if (shares[i] > 0)
            plot_bar(&plot, low, high, shares[i], text);
    }
    for (unsigned i = 0; i < ARRAY_LEN(marks); i++) {
        char text[64], value[PLOT_TICK_TEXT_LEN];
        double at_us = (double)histogram_quantile_ns(latency, marks[i].fraction) / 1e3;
        report_html_us(at_us, value, sizeof(value));
        snprintf(text, sizeof(text), "%s %s", marks[i].name, value);
        plot_mark(&plot, at_us, text, i);
    }
    plot_end(&plot);
}

/* The same as a curve over the percentiles, each nine as wide as the one before. */
static void report_html_percentiles(FILE *file, const struct histogram *latency)
{
    struct plot_point points[512];
    unsigned num = 0;
    double nines_max = (double)latency->num < 100 ? 100 : (double)latency->num;
    struct plot_axis x = {.low = 1, .high = nines_max, .is_log = true, .text = report_html_nines};
    struct plot_axis y = {.is_log = true, .text = report_html_us};
    for (; num < 400; num++) {
        double nines = pow(nines_max, num / 399.0);
        points[num].x = nines;
        points[num].y = (double)histogram_quantile_ns(latency, 1 - 1 / nines) / 1e3;
    }
    y.low = points[0].y > 0.001 ? points[0].y * 0.8 : 0.001;
    y.high = points[num - 1].y > 2 * y.low ? points[num - 1].y * 1.2 : 2 * y.low;
    struct plot plot;
    plot_begin(&plot, file, "latency by percentile", &x, &y);
    plot_line(&plot, 1, points, num);
    plot_end(&plot);
}

static void report_html_key(FILE *file, unsigned colour, const char *text)
{
    static const char *const names[] = {"one", "two", "three"};
    fprintf(file, "<span class=\"key\"><i style=\"background:var(--%s)\"></i>%s</span>\n",
            names[colour - 1], text);
}

static double report_html_end_s(const struct series *series)
{
    CHECK(series->num_marks > 1);
    double end_s = (double)series->marks[series->num_marks - 1].at_ns / 1e9;
    return end_s > 0 ? end_s : 1;
}

static void report_html_over_time(FILE *file, const struct series *series)
{
    struct plot_point lines[3][SERIES_SLICES];
    double low = INFINITY, high = 0;
    unsigned num = 0;
    for (uint32_t i = 0; i + 1 < series->num_marks && i < SERIES_SLICES; i++) {
        const struct series_latency *latency = &series->latency[i];
        const uint64_t values_ns[3] = {latency->p50_ns, latency->p99_ns, latency->max_ns};
        for (unsigned line = 0; line < 3 && latency->num > 0; line++) {
            double us = (double)values_ns[line] / 1e3;
            lines[line][num] = (struct plot_point){(double)(i * series->slice_ns) / 1e9, us};
            low = us < low ? us : low;
            high = us > high ? us : high;
        }
        num += latency->num > 0;
    }
    /* One point is no line. */
    if (num < 2)
        return;
    struct plot_axis x = {.high = report_html_end_s(series), .text = report_html_seconds};
    struct plot_axis y = {
        .low = low > 0.002 ? low * 0.8 : 0.001, .is_log = true, .text = report_html_us};
    y.high = high > y.low ? high * 1.2 : y.low * 2;
    fprintf(file, "<h2>Latency over time</h2>\n<p>");
    report_html_key(file, 1, "p50");
    report_html_key(file, 2, "p99");
    report_html_key(file, 3, "max");
    fprintf(file, " of what arrived in slices of %.3g s</p>\n", (double)series->slice_ns / 1e9);
    struct plot plot;
    plot_begin(&plot, file, "latency over time", &x, &y);
    for (unsigned line = 3; line > 0; line--)
        plot_line(&plot, line, lines[line - 1], num);
    plot_end(&plot);
}

static void report_html_throughput(FILE *file, const struct run_result *result)
{
    const struct series *series = &result->series;
    struct plot_point lines[2][SERIES_SLICES];
    double high = 1;
    unsigned num = 0;
    for (uint32_t i = 0; i + 1 < series->num_marks && i < SERIES_SLICES; i++) {
        const struct series_mark *from = &series->marks[i], *to = from + 1;
        double seconds = (double)(to->at_ns - from->at_ns) / 1e9;
        /* In a part of a slice, at the end, the sending has ended before the slice has. */
        if (seconds < 0.75 * (double)series->slice_ns / 1e9)
            continue;
        double at = (double)from->at_ns / 1e9 + seconds / 2;
        lines[0][num] = (struct plot_point){at,
                                            (double)(to->delivered - from->delivered) / seconds};
        lines[1][num] = (struct plot_point){at,
                                            (double)(to->published - from->published) / seconds};
        for (unsigned line = 0; line < 2; line++)
            high = lines[line][num].y > high ? lines[line][num].y : high;
        num++;
    }
    if (num < 2)
        return;
    struct plot_axis x = {.high = report_html_end_s(series), .text = report_html_seconds};
    struct plot_axis y = {.high = high * 1.1, .text = report_html_rate};
    fprintf(file, "<h2>Throughput over time</h2>\n<p>");
    report_html_key(file, 1, result->kind == RUN_CONNECTIONS ? "connections" : "deliveries");
    if (result->kind == RUN_MESSAGES)
        report_html_key(file, 2, "published");
    fprintf(file, "</p>\n");
    struct plot plot;
    plot_begin(&plot, file, "throughput over time", &x, &y);
    if (result->kind == RUN_MESSAGES)
        plot_line(&plot, 2, lines[1], num);
    plot_line(&plot, 1, lines[0], num);
    plot_end(&plot);
}

static void report_html_option(void *arg, const char *name, const char *json_value)
{
    fprintf(arg, "<tr><td>%s</td><td>", name);
    report_html_escaped(arg, json_value);
    fprintf(arg, "</td></tr>\n");
}

static void report_html_head(FILE *file, const struct run_result *result)
{
    const struct options *options = result->options;
    fprintf(file, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    report_html_escaped(file, options->title);
    fprintf(file, " - sluice-bench</title>\n%s</head><body>\n<h1>", report_html_style);
    report_html_escaped(file, options->title);
    fprintf(file, "</h1>\n<p>");
    report_html_escaped(file, options->text != NULL ? options->text : result->scenario->text);
    fprintf(file, "</p>\n<p>");
    report_html_escaped(file, options->host);
    fprintf(file, ":%u, %s, MQTT %s; ", (unsigned)options->port, options_transport_name(options),
            options->version == 5 ? "5.0" : "3.1.1");
    if (result->kind == RUN_MESSAGES)
        fprintf(file, "%s loop, %u publishers, %u subscribers, QoS %u, %u bytes; ",
                options->rate > 0 ? "Open" : "Closed", result->num_publishers,
                result->num_subscribers, (unsigned)options->qos, (unsigned)options->payload);
    else if (result->kind == RUN_CONNECTIONS)
        fprintf(file, "%u clients, cut off %u times; ", result->num_subscribers,
                (unsigned)options->rounds);
    else
        fprintf(file, "%llu topics, %u subscribers, QoS %u; ", (unsigned long long)options->topics,
                result->num_subscribers, (unsigned)options->qos);
    fprintf(file, "latency: %s; %.2f s measured</p>\n", report_latency_text(result),
            (double)result->measured_ns / 1e9);
    if (!run_is_ok(result)) {
        fprintf(file, "<p class=\"bad\">Failed: ");
        report_html_escaped(file, result->failure[0] != '\0' ? result->failure
                                  : !run_kept_up(result)
                                      ? "the rate was not kept"
                                      : "the accounting shows what MQTT does not allow");
        fprintf(file, "</p>\n");
    }
}

void report_html(FILE *file, const struct run_result *result)
{
    report_html_head(file, result);
    if (result->measured_ns > 0)
        report_html_tiles(file, result);
    if (result->latency.num > 0) {
        fprintf(file, "<h2>Latency distribution</h2>\n");
        report_html_distribution(file, &result->latency);
        fprintf(file, "<h2>Latency by percentile</h2>\n");
        report_html_percentiles(file, &result->latency);
    }
    if (result->series.num_marks > 1) {
        report_html_over_time(file, &result->series);
        report_html_throughput(file, result);
    }
    fprintf(file, "<details><summary>Parameters and accounting</summary>\n<table>\n");
    options_each(result->options, report_html_option, file);
#define REPORT_HTML_COUNTER(name, text)                                                            \
    fprintf(file, "<tr><td>" text "</td><td>%llu</td></tr>\n",                                     \
            (unsigned long long)result->whole.name);
    COUNTERS_TABLE(REPORT_HTML_COUNTER)
#undef REPORT_HTML_COUNTER
    fprintf(file, "</table></details>\n</body></html>\n");
}
