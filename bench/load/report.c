/*
 * report.c -- the text; see report.h. The JSON is in report_json.c.
 *
 * The drawing gathers the histogram's slots into rows of equal ratio between the 0.1 % quantile and
 * the maximum, so that a tail a thousand times longer than the median is still on the page.
 *
 * Threads: the main thread.
 */
#include "report.h"

#include "text.h"

#include <math.h>
#include <string.h>

#define REPORT_ROWS      16
#define REPORT_BAR_WIDTH 50

/* Above this the generator itself may be what was measured. */
#define REPORT_BUSY_LIMIT 0.95

/* Above this others took part in what was measured. */
#define REPORT_DELAYED_LIMIT 0.05

struct report_words {
    const char *events;  /* what is counted */
    const char *latency; /* from when to when */
};

static const struct report_words report_words[] = {
    [RUN_MESSAGES] = {"deliveries", "publish to delivery"},
    [RUN_CONNECTIONS] = {"connections", "wish to connect to CONNACK (or SUBACK)"},
    [RUN_RETAINED] = {"deliveries", "SUBSCRIBE to delivery"},
};

const char *report_latency_text(const struct run_result *result)
{
    return report_words[result->kind].latency;
}

static double report_seconds(uint64_t duration_ns)
{
    return (double)duration_ns / 1e9;
}

/* Which loop it was, and with it what the latencies mean. */
static void report_loop(FILE *file, const struct run_result *result)
{
    const struct options *options = result->options;
    struct text_number rate;
    if (result->kind == RUN_RETAINED)
        fprintf(file, "  retained     %s topics, asked for by all subscribers at once\n",
                text_grouped(&rate, options->topics));
    else if (result->kind == RUN_CONNECTIONS && options->connect_rate > 0)
        fprintf(file, "  open loop    %s connections a second when they are due\n",
                text_grouped(&rate, options->connect_rate));
    else if (result->kind == RUN_CONNECTIONS)
        fprintf(file, "  open loop    all want to connect at once; waits for each other count\n");
    else if (options->rate > 0)
        fprintf(file,
                "  open loop    %s messages a second when they are due; latency from then on\n",
                text_grouped(&rate, options->rate));
    else
        fprintf(file, "  closed loop  a message when another has arrived; latency is mostly window "
                      "by rate\n");
}

static void report_clients(FILE *file, const struct run_result *result)
{
    const struct options *options = result->options;
    struct text_number window;
    if (result->kind == RUN_CONNECTIONS) {
        fprintf(file, "  clients      %u, cut off %u times, %u handshakes at once per worker\n",
                result->num_subscribers, (unsigned)options->rounds,
                (unsigned)options->connect_batch);
        return;
    }
    fprintf(file, "  clients      %u publishers -> %u subscribers, connected in %.2f s\n",
            result->num_publishers, result->num_subscribers, report_seconds(result->connect_ns));
    if (options->slow > 0)
        fprintf(file, "  slow         %u more subscribers, which never read\n",
                (unsigned)options->slow);
    fprintf(file, "  messages     %u bytes of payload", (unsigned)options->payload);
    if (result->kind == RUN_MESSAGES)
        fprintf(file, ", window %s per publisher", text_grouped(&window, options->window));
    if (options->qos > 0)
        fprintf(file, ", at most %u unacknowledged", (unsigned)options->inflight);
    fputc('\n', file);
}

static void report_parameters(FILE *file, const struct run_result *result)
{
    const struct options *options = result->options;
    fprintf(file, "sluice-bench %s: %s\n", options->title,
            options->text != NULL ? options->text : result->scenario->text);
    report_loop(file, result);
    fprintf(file, "  broker       %s:%u, %s, MQTT %s", options->host, (unsigned)options->port,
            options_transport_name(options), options->version == 5 ? "5.0" : "3.1.1");
    if (result->kind != RUN_CONNECTIONS)
        fprintf(file, ", QoS %u", (unsigned)options->qos);
    fputc('\n', file);
    report_clients(file, result);
    if (result->kind == RUN_MESSAGES)
        fprintf(file, "  time         %.1f s warm-up, %.2f s measured\n",
                report_seconds(options->warmup_ns), report_seconds(result->measured_ns));
    fprintf(file, "  generator    %u worker%s, %s; cores used (and wanted in vain)",
            (unsigned)options->workers, options->workers > 1 ? "s" : "", result->io);
    for (uint32_t i = 0; i < options->workers; i++)
        fprintf(file, "%s %.0f %% (%.0f %%)", i > 0 ? "," : "", 100 * result->busy[i],
                100 * result->delayed[i]);
    fputc('\n', file);
}

static void report_rate(FILE *file, const char *what, uint64_t num, uint64_t num_bytes,
                        uint64_t duration_ns)
{
    struct text_number rate;
    double seconds = report_seconds(duration_ns);
    fprintf(file, "  %-4s %12s msg/s  %9.2f MB/s\n", what,
            text_grouped(&rate, (uint64_t)((double)num / seconds)),
            (double)num_bytes / 1e6 / seconds);
}

static void report_connections(FILE *file, const struct run_result *result)
{
    struct text_number rate, num;
    double seconds = report_seconds(result->measured_ns);
    fprintf(file, "\n%s connections in %.2f s, %s per second\n",
            text_grouped(&num, run_delivered(&result->measured)), seconds,
            text_grouped(&rate, (uint64_t)((double)run_delivered(&result->measured) / seconds)));
}

static void report_rates(FILE *file, const struct run_result *result)
{
    if (result->kind == RUN_CONNECTIONS) {
        report_connections(file, result);
        return;
    }
    const struct counters *measured = &result->measured;
    fprintf(file, "\nrates (into and out of the broker)\n");
    if (result->kind == RUN_MESSAGES)
        report_rate(file, "in", measured->published, measured->bytes_out, result->measured_ns);
    report_rate(file, "out", run_delivered(measured), measured->bytes_in, result->measured_ns);
    if (result->receives > 0)
        fprintf(file, "  %.1f deliveries per receive of the generator\n",
                (double)run_delivered(&result->whole) / (double)result->receives);
}

/* What the broker paid: a rate per core does not depend on who else had the core. */
static void report_broker(FILE *file, const struct run_result *result)
{
    struct text_number rate, resident;
    if (result->broker_cpu_ns == 0)
        return;
    double cpu_s = report_seconds(result->broker_cpu_ns);
    fprintf(file, "  broker: %.2f cores, %s %s per core and second, %s bytes resident\n",
            cpu_s / report_seconds(result->measured_ns),
            text_grouped(&rate, (uint64_t)((double)run_delivered(&result->measured) / cpu_s)),
            report_words[result->kind].events, text_grouped(&resident, result->broker_resident));
}

static void report_count(FILE *file, const char *what, uint64_t num, bool is_always)
{
    struct text_number text;
    if (num > 0 || is_always)
        fprintf(file, "  %-14s %14s\n", what, text_grouped(&text, num));
}

static void report_accounting(FILE *file, const struct run_result *result)
{
    const struct counters *whole = &result->whole;
    bool has_acks = result->options->qos > 0;
    const struct options *options = result->options;
    if (result->kind == RUN_CONNECTIONS)
        return;
    fprintf(file, "\naccounting (whole run)\n");
    report_count(file, "published", whole->published, true);
    report_count(file, "acknowledged", whole->acknowledged, has_acks);
    report_count(file, "expected", result->expected, true);
    report_count(file, "delivered", run_delivered(whole), true);
    report_count(file, "lost", run_lost(result), true);
    report_count(file, "duplicated", whole->duplicate, true);
    report_count(file, "out of order", whole->out_of_order, true);
    report_count(file, "filters asked", options->filters + options->storm, false);
    report_count(file, "filters acked", whole->subscribed, false);
    report_count(file, "due, not sent", result->unsent, false);
    report_count(file, "given up, late", whole->late, false);
    report_count(file, "stalls", whole->stalls, false);
    report_count(file, "rejected", whole->rejected, false);
    report_count(file, "misrouted", whole->misrouted, false);
    report_count(file, "protocol err.", whole->protocol_errors, false);
    report_count(file, "unfinished", result->unfinished, false);
}

static void report_quantiles(FILE *file, const struct run_result *result)
{
    const struct histogram *latency = &result->latency;
    static const struct {
        const char *name;
        double fraction;
    } rows[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1.0}};
    struct text_number text;
    fprintf(file, "\nlatency, %s (%s %s measured)\n", report_words[result->kind].latency,
            text_grouped(&text, latency->num), report_words[result->kind].events);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        fprintf(file, "  %-6s %10s\n", rows[i].name,
                text_duration(&text, histogram_quantile_ns(latency, rows[i].fraction)));
    fprintf(file, "  %-6s %10s\n", "mean", text_duration(&text, histogram_mean_ns(latency)));
    if (latency->num_over > 0)
        fprintf(file, "  beyond the range: %s\n", text_grouped(&text, latency->num_over));
}

/* The row of a value, of REPORT_ROWS between low and high in equal ratios. */
static unsigned report_row(double value, double low, double high)
{
    if (value <= low)
        return 0;
    double at = log(value / low) / log(high / low) * REPORT_ROWS;
    return at >= REPORT_ROWS ? REPORT_ROWS - 1 : (unsigned)at;
}

static void report_drawing(FILE *file, const struct histogram *latency)
{
    double low = (double)histogram_quantile_ns(latency, 0.001);
    double high = (double)latency->max_ns;
    uint64_t rows[REPORT_ROWS] = {0};
    uint64_t highest = 0;
    if (latency->num == 0 || low < 1 || high < 1.1 * low)
        return;
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
        if (latency->counts[i] == 0)
            continue;
        unsigned row = report_row((double)histogram_slot_low_ns(i), low, high);
        rows[row] += latency->counts[i];
        if (rows[row] > highest)
            highest = rows[row];
    }
    char bar[REPORT_BAR_WIDTH + 1];
    memset(bar, '#', REPORT_BAR_WIDTH);
    bar[REPORT_BAR_WIDTH] = '\0';
    fputc('\n', file);
    for (unsigned i = 0; i < REPORT_ROWS; i++) {
        struct text_number from;
        double start_ns = low * pow(high / low, (double)i / REPORT_ROWS);
        double share = (double)rows[i] / (double)latency->num;
        int width = (int)ceil((double)rows[i] * REPORT_BAR_WIDTH / (double)highest);
        fprintf(file, "  %8s  %6.2f %%  %.*s\n", text_duration(&from, (uint64_t)start_ns),
                100 * share, width, bar);
    }
}

/* An open loop's latencies have in them how late the generator itself was. */
static void report_lateness(FILE *file, const struct run_result *result)
{
    struct text_number p50, p99, most;
    if (result->options->rate == 0)
        return;
    fprintf(file, "\nof this, from due to written: p50 %s, p99 %s, max %s\n",
            text_duration(&p50, histogram_quantile_ns(&result->lateness, 0.5)),
            text_duration(&p99, histogram_quantile_ns(&result->lateness, 0.99)),
            text_duration(&most, histogram_quantile_ns(&result->lateness, 1.0)));
}

/* What the publisher waits for, at QoS 1 and 2. */
static void report_acks(FILE *file, const struct run_result *result)
{
    struct text_number p50, p99, most;
    if (result->acks.num == 0)
        return;
    fprintf(file, "\nfrom %s to %s: p50 %s, p99 %s, max %s\n",
            result->options->rate > 0 ? "due" : "written",
            result->options->qos == 1 ? "PUBACK" : "PUBCOMP",
            text_duration(&p50, histogram_quantile_ns(&result->acks, 0.5)),
            text_duration(&p99, histogram_quantile_ns(&result->acks, 0.99)),
            text_duration(&most, histogram_quantile_ns(&result->acks, 1.0)));
}

static void report_verdict(FILE *file, const struct run_result *result)
{
    struct text_number unsent;
    bool is_limit = false;
    bool is_disturbed = false;
    for (uint32_t i = 0; i < result->options->workers; i++) {
        is_limit |= !result->options->spin &&
                    result->busy[i] + result->delayed[i] > REPORT_BUSY_LIMIT;
        is_disturbed |= result->delayed[i] > REPORT_DELAYED_LIMIT;
    }
    if (is_limit)
        fprintf(file, "\nnote: a worker never rested; the generator may be the limit, give it more "
                      "workers or cores of its own\n");
    if (is_disturbed)
        fprintf(file, "\nnote: others used the generator's cores; latencies contain their time\n");
    if (result->failure[0] != '\0')
        fprintf(file, "\nFAILED: %s\n", result->failure);
    else if (!run_kept_up(result))
        fprintf(file, "\nFAILED: the rate was not kept, %s messages could not be sent\n",
                text_grouped(&unsent, result->unsent));
    else if (!run_is_correct(result))
        fprintf(file, "\nFAILED: the accounting shows what MQTT does not allow at QoS %u\n",
                (unsigned)result->options->qos);
    else
        fprintf(file, "\nok\n");
}

void report_text(FILE *file, const struct run_result *result)
{
    report_parameters(file, result);
    if (result->measured_ns > 0) {
        report_rates(file, result);
        report_broker(file, result);
        report_accounting(file, result);
        report_quantiles(file, result);
        report_drawing(file, &result->latency);
        report_lateness(file, result);
        report_acks(file, result);
    }
    report_verdict(file, result);
}
