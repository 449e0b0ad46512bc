/*
 * report_json.c -- the result of a run as one JSON object; see report.h.
 *
 * Threads: the main thread.
 */
#include "report.h"
#include "text.h"

struct report_json_list {
    FILE *file;
    bool has_any;
};

static void report_json_option(void *arg, const char *name, const char *json_value)
{
    struct report_json_list *list = arg;
    fprintf(list->file, "%s\n    \"%s\": %s", list->has_any ? "," : "", name, json_value);
    list->has_any = true;
}

static void report_json_counters(FILE *file, const struct counters *counters)
{
    const char *separator = "";
#define REPORT_JSON_COUNTER(name, text)                                                            \
    fprintf(file, "%s\n    \"" #name "\": %llu", separator, (unsigned long long)counters->name);   \
    separator = ",";
    COUNTERS_TABLE(REPORT_JSON_COUNTER)
#undef REPORT_JSON_COUNTER
}

static void report_json_shares(FILE *file, const char *name, const double *shares, uint64_t num)
{
    fprintf(file, "  \"%s\": [", name);
    for (uint64_t i = 0; i < num; i++)
        fprintf(file, "%s%.4f", i > 0 ? ", " : "", shares[i]);
    fprintf(file, "],\n");
}

static void report_json_rates(FILE *file, const struct run_result *result)
{
    double seconds = (double)result->measured_ns / 1e9;
    if (result->measured_ns == 0)
        seconds = 1;
    fprintf(file, "  \"measured_s\": %.6f,\n", (double)result->measured_ns / 1e9);
    fprintf(file, "  \"connect_s\": %.6f,\n", (double)result->connect_ns / 1e9);
    fprintf(file, "  \"in_msg_per_s\": %.1f,\n", (double)result->measured.published / seconds);
    fprintf(file, "  \"out_msg_per_s\": %.1f,\n",
            (double)run_delivered(&result->measured) / seconds);
    fprintf(file, "  \"in_bytes_per_s\": %.1f,\n", (double)result->measured.bytes_out / seconds);
    fprintf(file, "  \"out_bytes_per_s\": %.1f,\n", (double)result->measured.bytes_in / seconds);
    fprintf(file, "  \"broker_cpu_s\": %.3f,\n", (double)result->broker_cpu_ns / 1e9);
    fprintf(file, "  \"broker_resident_bytes\": %llu,\n",
            (unsigned long long)result->broker_resident);
    report_json_shares(file, "cores_used", result->busy, result->options->workers);
    report_json_shares(file, "cores_wanted_in_vain", result->delayed, result->options->workers);
}

static void report_json_latency(FILE *file, const char *name, const struct histogram *latency)
{
    static const struct {
        const char *name;
        double fraction;
    } rows[] = {{"p50", 0.5},  {"p75", 0.75},    {"p90", 0.9},       {"p95", 0.95},
                {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}, {"max", 1.0}};
    fprintf(file, "  \"%s_us\": {\n    \"num\": %llu,\n    \"beyond_range\": %llu", name,
            (unsigned long long)latency->num, (unsigned long long)latency->num_over);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        fprintf(file, ",\n    \"%s\": %.3f", rows[i].name,
                (double)histogram_quantile_ns(latency, rows[i].fraction) / 1e3);
    fprintf(file, ",\n    \"mean\": %.3f,\n    \"min\": %.3f\n  },\n",
            (double)histogram_mean_ns(latency) / 1e3,
            latency->num > 0 ? (double)latency->min_ns / 1e3 : 0.0);
}

static void report_json_histogram(FILE *file, const struct histogram *latency)
{
    /* Pairs of the slot's lower end and its count. */
    fprintf(file, "  \"histogram_us\": [");
    const char *separator = "";
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
        if (latency->counts[i] == 0)
            continue;
        fprintf(file, "%s[%.3f, %llu]", separator, (double)histogram_slot_low_ns(i) / 1e3,
                (unsigned long long)latency->counts[i]);
        separator = ", ";
    }
    fprintf(file, "],\n");
}

/* [start of the slice in s, in and out per second, latencies in us]. */
static void report_json_series(FILE *file, const struct series *series)
{
    fprintf(file, "  \"series\": [");
    for (uint32_t i = 0; i + 1 < series->num_marks; i++) {
        const struct series_mark *from = &series->marks[i];
        const struct series_mark *to = &series->marks[i + 1];
        const struct series_latency *latency = &series->latency[i];
        double seconds = (double)(to->at_ns - from->at_ns) / 1e9;
        if (seconds <= 0)
            continue;
        fprintf(file,
                "%s\n    {\"at_s\": %.3f, \"in_msg_per_s\": %.1f, \"out_msg_per_s\": %.1f, "
                "\"p50_us\": %.3f, \"p99_us\": %.3f, \"max_us\": %.3f}",
                i > 0 ? "," : "", (double)from->at_ns / 1e9,
                (double)(to->published - from->published) / seconds,
                (double)(to->delivered - from->delivered) / seconds, (double)latency->p50_ns / 1e3,
                (double)latency->p99_ns / 1e3, (double)latency->max_ns / 1e3);
    }
    fprintf(file, "\n  ],\n");
}

void report_json(FILE *file, const struct run_result *result)
{
    char text[2 * sizeof(result->failure)];
    struct report_json_list list = {.file = file};
    fprintf(file, "{\n  \"tool\": \"sluice-bench\",\n  \"scenario\": \"%s\",\n",
            result->scenario->name);
    fprintf(file, "  \"title\": %s,\n",
            text_json_string(text, sizeof(text), result->options->title));
    fprintf(file, "  \"loop\": \"%s\",\n  \"run\": \"%s\",\n  \"io\": \"%s\",\n",
            result->options->rate > 0 ? "open" : "closed", result->run_id, result->io);
    fprintf(file, "  \"num_publishers\": %u,\n  \"num_subscribers\": %u,\n", result->num_publishers,
            result->num_subscribers);
    fprintf(file, "  \"destinations_per_message\": %u,\n", result->num_destinations);
    fprintf(file, "  \"parameters\": {");
    options_each(result->options, report_json_option, &list);
    fprintf(file, "\n  },\n");
    report_json_rates(file, result);
    fprintf(file, "  \"measured\": {");
    report_json_counters(file, &result->measured);
    fprintf(file, "\n  },\n  \"whole_run\": {");
    report_json_counters(file, &result->whole);
    fprintf(file, "\n  },\n  \"expected\": %llu,\n  \"lost\": %llu,\n  \"unfinished\": %llu,\n",
            (unsigned long long)result->expected, (unsigned long long)run_lost(result),
            (unsigned long long)result->unfinished);
    fprintf(file, "  \"sends\": %llu,\n  \"receives\": %llu,\n", (unsigned long long)result->sends,
            (unsigned long long)result->receives);
    fprintf(file, "  \"unsent\": %llu,\n", (unsigned long long)result->unsent);
    report_json_latency(file, "latency", &result->latency);
    report_json_latency(file, "lateness", &result->lateness);
    report_json_latency(file, "acknowledged", &result->acks);
    report_json_histogram(file, &result->latency);
    report_json_series(file, &result->series);
    fprintf(file, "  \"failure\": %s,\n", text_json_string(text, sizeof(text), result->failure));
    fprintf(file, "  \"ok\": %s\n}\n", run_is_ok(result) ? "true" : "false");
}
