/*
 * report_hdr.c -- the latencies as HdrHistogram prints them; see report.h.
 *
 * The format (.hgrm) is a table of four columns, value, percentile as a fraction, number of values
 * so far and 1 / (1 - percentile), followed by lines that begin with a hash sign. The steps halve:
 * between each percentile and 100 % there are REPORT_HDR_TICKS steps to the middle, then as many to
 * the middle of what is left, until the last value is reached. Values are milliseconds.
 *
 * Threads: the main thread.
 */
#include "report.h"

#include <math.h>

#define REPORT_HDR_TICKS 5

static double report_hdr_deviation_ms(const struct histogram *latency)
{
    double mean = (double)histogram_mean_ns(latency);
    double sum = 0;
    if (latency->num == 0)
        return 0;
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
        if (latency->counts[i] == 0)
            continue;
        double middle = ((double)histogram_slot_low_ns(i) + (double)histogram_slot_high_ns(i)) / 2;
        sum += (double)latency->counts[i] * (middle - mean) * (middle - mean);
    }
    return sqrt(sum / (double)latency->num) / 1e6;
}

/* The step behind `fraction`. */
static double report_hdr_next(double fraction)
{
    double halvings = floor(log2(1 / (1 - fraction))) + 1;
    return fraction + 1 / (REPORT_HDR_TICKS * pow(2, halvings));
}

void report_hdr(FILE *file, const struct histogram *latency)
{
    fprintf(file, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
            "1/(1-Percentile)");
    double fraction = 0;
    uint64_t passed = 0;
    for (unsigned i = 0; i < HISTOGRAM_SLOTS && passed < latency->num; i++) {
        passed += latency->counts[i];
        double share = (double)passed / (double)latency->num;
        uint64_t high_ns = histogram_slot_high_ns(i);
        double value_ms = (double)(high_ns < latency->max_ns ? high_ns : latency->max_ns) / 1e6;
        while (latency->counts[i] > 0 && fraction <= share && fraction < 1) {
            /* All are in: what remains would be the same value over and over. */
            if (passed == latency->num && fraction > 0)
                break;
            fprintf(file, "%12.6f %2.12f %10llu %14.2f\n", value_ms, fraction,
                    (unsigned long long)passed, 1 / (1 - fraction));
            fraction = report_hdr_next(fraction);
        }
    }
    if (latency->num > 0)
        fprintf(file, "%12.6f %2.12f %10llu\n", (double)latency->max_ns / 1e6, 1.0,
                (unsigned long long)latency->num);
    fprintf(file, "#[Mean    = %12.6f, StdDeviation   = %12.6f]\n",
            (double)histogram_mean_ns(latency) / 1e6, report_hdr_deviation_ms(latency));
    fprintf(file, "#[Max     = %12.6f, Total count    = %12llu]\n", (double)latency->max_ns / 1e6,
            (unsigned long long)latency->num);
    fprintf(file, "#[Buckets = %12u, SubBuckets     = %12u]\n",
            HISTOGRAM_SLOTS / HISTOGRAM_SUBS - 1, 2 * HISTOGRAM_SUBS);
}
