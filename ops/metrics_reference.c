/*
 * metrics_reference.c -- see metrics_reference.h.
 *
 * The metrics of a broker with one shard in which nothing has happened are written in the text
 * format and read line by line: HELP and TYPE give a row of the table, the samples behind them its
 * labels. A label's values are listed where they are fixed; the number of a shard, a limit of a
 * histogram and versions are not.
 */
#include "metrics_reference.h"

#include "metrics.h"

#include <stdlib.h>
#include <string.h>

static const char metrics_reference_introduction[] =
    "# Metrics\n"
    "\n"
    "This page is made from what the broker answers; a test fails when it is stale.\n"
    "\n"
    "The broker has an HTTP endpoint for operators, by default at `127.0.0.1:18083` "
    "(`--admin URI`, `--admin none`, `admin.listen` in the [configuration](configuration.md)):\n"
    "\n"
    "| path | answer |\n"
    "| --- | --- |\n"
    "| `/metrics` | the metrics below, as Prometheus text, or as OpenMetrics to whom asks for it "
    "|\n"
    "| `/livez` | 200 while the process is alive and its main loop turns |\n"
    "| `/readyz` | 200 while the broker takes clients; else 503 with one line that says why |\n"
    "\n"
    "GET and HEAD only. There is no encryption and no password: whoever reaches the address can "
    "read it. It serves 32 connections at a time and drops those that send or read nothing for 30 "
    "seconds.\n"
    "\n"
    "A scrape reads what the shards count for themselves and asks them for nothing. It runs on the "
    "thread that also writes the log. The figures of one answer are read one after the other, and "
    "so may be a few events apart.\n"
    "\n"
    "## Prometheus\n"
    "\n"
    "```yaml\n"
    "scrape_configs:\n"
    "  - job_name: sluice\n"
    "    static_configs:\n"
    "      - targets: ['127.0.0.1:18083']\n"
    "```\n"
    "\n"
    "Some questions and their expressions:\n"
    "\n"
    "| question | expression |\n"
    "| --- | --- |\n"
    "| messages in and out per second | `sum(rate(sluice_messages_received_total[1m]))`, "
    "`sum(rate(sluice_messages_sent_total[1m]))` |\n"
    "| how long does a message take inside the broker (p99)? | `histogram_quantile(0.99, "
    "rate(sluice_publish_to_deliver_seconds_bucket[1m]))` |\n"
    "| what is lost, and why? | `sum by (reason) (rate(sluice_messages_dropped_total[5m])) > 0` |\n"
    "| how busy is each shard? (1: always) | `rate(sluice_loop_busy_seconds_total[1m])` |\n"
    "| why do clients go? | `sum by (cause) (rate(sluice_connections_closed_total[5m]))` |\n"
    "\n"
    "A histogram's bucket counts what is surely at or below its limit: times are kept with a "
    "precision of 3 %, and one that may be above a limit is counted above it.\n"
    "\n"
    "## All metrics\n"
    "\n"
    "| name | type | labels | meaning |\n"
    "| --- | --- | --- | --- |\n";

/* What is known of the family whose lines are being read. */
struct metrics_reference_row {
    char name[96];
    char type[16];
    char help[512];
    char labels[1024];
};

static void metrics_reference_end_row(const struct metrics_reference_row *row, FILE *out)
{
    CHECK(strchr(row->help, '|') == NULL);
    if (row->name[0] != '\0')
        fprintf(out, "| `%s` | %s | %s | %s |\n", row->name, row->type, row->labels, row->help);
}

/*
 * Adds the labels of a sample `name{label="value",...} 0`: the name of each with the first sample,
 * then the values.
 */
static void metrics_reference_label(struct metrics_reference_row *row, const char *label)
{
    char name[32];
    char value[64];
    for (; label != NULL; label = strchr(label, ',')) {
        label += *label == ',' ? 1 : 0;
        if (sscanf(label, "%31[a-z_]=\"%63[^\"]\"", name, value) != 2)
            return;
        size_t used = strlen(row->labels);
        char *to = row->labels + used;
        const size_t room = sizeof(row->labels) - used;
        char known[40];
        snprintf(known, sizeof(known), "`%s`", name);
        const bool is_known = strstr(row->labels, known) != NULL;
        const bool is_open = strcmp(name, "shard") == 0 || strcmp(name, "le") == 0 ||
                             strcmp(name, "version") == 0 || strcmp(name, "compiler") == 0;
        const char *comma = used == 0 ? "" : ", ";
        if (!is_open && is_known)
            snprintf(to, room, ", `%s`", value);
        else if (!is_known)
            snprintf(to, room, is_open ? "%s`%s`" : "%s`%s`: `%s`", comma, name, value);
    }
}

static void metrics_reference_line(struct metrics_reference_row *row, const char *line, FILE *out)
{
    static const char help[] = "# HELP ";
    static const char type[] = "# TYPE ";
    if (strncmp(line, help, sizeof(help) - 1) == 0) {
        metrics_reference_end_row(row, out);
        memset(row, 0, sizeof(*row));
        const char *name = line + sizeof(help) - 1;
        size_t len = strcspn(name, " ");
        snprintf(row->name, sizeof(row->name), "%.*s", (int)len, name);
        snprintf(row->help, sizeof(row->help), "%s", name + len + 1);
    } else if (strncmp(line, type, sizeof(type) - 1) == 0) {
        snprintf(row->type, sizeof(row->type), "%s", strrchr(line, ' ') + 1);
    } else if (strchr(line, '{') != NULL) {
        metrics_reference_label(row, strchr(line, '{') + 1);
    }
}

void metrics_reference_print(FILE *out)
{
    CHECK(out != NULL);
    static const struct stats stats;
    static const struct latency latency;
    static const struct mem_figures allocator;
    static const struct process_figures process;
    const struct stats *shard_stats[] = {&stats};
    const struct latency *latencies[] = {&latency};
    struct metrics_sources sources = {.version = "0",
                                      .shard_stats = shard_stats,
                                      .turn_times = latencies,
                                      .delivery_times = latencies,
                                      .commit_times = latencies,
                                      .shards = 1,
                                      .allocator = &allocator,
                                      .process = &process};
    struct exposition text;
    exposition_init(&text, EXPOSITION_TEXT);
    metrics_write(&text, &sources);
    if (exposition_end(&text)) {
        struct metrics_reference_row row = {.name = ""};
        fputs(metrics_reference_introduction, out);
        for (char *line = text.text; line < text.text + text.len;) {
            char *end = memchr(line, '\n', (size_t)(text.text + text.len - line));
            CHECK(end != NULL);
            *end = '\0';
            metrics_reference_line(&row, line, out);
            line = end + 1;
        }
        metrics_reference_end_row(&row, out);
    }
    exposition_fini(&text);
}
