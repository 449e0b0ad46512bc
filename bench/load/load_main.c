/*
 * load_main.c -- sluice-bench: a load generator for MQTT brokers, and a relay to compare them with.
 *
 * Exit codes: 0 all was well; 1 the broker (or the machine) failed, or something was lost, repeated
 * or out of order that must not be; 2 the arguments make no sense.
 *
 * Threads: the main thread.
 */
#include "endpoint.h"
#include "idle.h"
#include "interrupt.h"
#include "library.h"
#include "options.h"
#include "progress.h"
#include "relay.h"
#include "report.h"

#include <stdlib.h>
#include <string.h>

#define LOAD_EXIT_FAILED 1
#define LOAD_EXIT_USAGE  2

/* Standard streams, rings, wake-ups, the JSON file. */
#define LOAD_DESCRIPTORS_OWN 32

static void load_help(FILE *file)
{
    fprintf(file, "usage: sluice-bench SCENARIO [OPTION]...\n\n");
    const struct scenario *scenario;
    for (unsigned i = 0; (scenario = scenario_at(i)) != NULL; i++)
        fprintf(file, "  %-8s %s\n", scenario->name, scenario->text);
    fprintf(file, "  %-8s %s\n", "connect", "clients connect, and come again after a cut");
    fprintf(file, "  %-8s %s\n\n", "idle",
            "many connections that do nothing; their memory in the broker");
    fprintf(file, "  run FILE|NAME   a scenario from a file, or one that is built in\n"
                  "  --list          what is built in\n"
                  "  relay           no broker, but a server that only copies, to compare with\n"
                  "  compare         Sluice and other brokers side by side (compare --help)\n"
                  "\noptions\n");
    options_help(file);
    fprintf(file, "\nexit code: 0 ok, 1 failure or messages lost, repeated or out of order, "
                  "2 bad arguments\n");
}

static int load_usage(const char *error)
{
    fprintf(stderr, "sluice-bench: %s\ntry: sluice-bench --help\n", error);
    return LOAD_EXIT_USAGE;
}

/* Which options make it fewer clients, and keep what each of them does. */
static const char *load_fewer(const struct options *options)
{
    bool is_clients = strcmp(options->command, "idle") == 0 ||
                      strcmp(options->command, "connect") == 0;
    if (is_clients)
        return "--clients";
    return options->rate > 0 ? "--publishers, --subscribers and --rate"
                             : "--publishers and --subscribers";
}

/* Whether that many clients can be had; else writes a sentence. */
static bool load_fits(const struct options *options, uint64_t num_clients, char *error,
                      size_t error_len)
{
    uint64_t needed = num_clients + LOAD_DESCRIPTORS_OWN + 4 * options->workers;
    uint64_t available = endpoint_descriptors_max();
    if (needed <= available)
        return true;
    snprintf(error, error_len,
             "%llu clients need %llu descriptors, this process may have %llu: raise the limit "
             "(ulimit -Hn, as root), or ask for fewer (%s)",
             (unsigned long long)num_clients, (unsigned long long)needed,
             (unsigned long long)available, load_fewer(options));
    return false;
}

static void load_hdr(FILE *file, const struct run_result *result)
{
    report_hdr(file, &result->latency);
}

/* Writes a report to `path`, unless that is NULL. */
static int load_write(const char *path, void (*report)(FILE *, const struct run_result *),
                      const struct run_result *result)
{
    if (path == NULL)
        return 0;
    FILE *file = fopen(path, "we");
    if (file != NULL) {
        report(file, result);
        bool is_written = !ferror(file);
        if (fclose(file) == 0 && is_written)
            return 0;
    }
    fprintf(stderr, "sluice-bench: cannot write %s\n", path);
    return LOAD_EXIT_FAILED;
}

/* scenario: NULL for connections. */
static int load_scenario(const struct options *options, const struct endpoint *endpoint,
                         const struct scenario *scenario)
{
    struct run_result *result = malloc(sizeof(*result));
    if (result == NULL)
        return LOAD_EXIT_FAILED;
    if (scenario == NULL)
        run_connections(options, endpoint, result);
    else
        run_load(options, endpoint, scenario, result);
    report_text(stdout, result);
    int code = load_write(options->json, report_json, result) |
               load_write(options->html, report_html, result) |
               load_write(options->hdr, load_hdr, result);
    if (!run_is_ok(result))
        code = LOAD_EXIT_FAILED;
    free(result);
    return code;
}

/* What the options ask for. Returns the exit code. */
static int load_run(struct options *options)
{
    struct endpoint endpoint;
    char error[512];
    bool is_idle = strcmp(options->command, "idle") == 0;
    bool is_relay = strcmp(options->command, "relay") == 0;
    bool is_clients = is_idle || is_relay || strcmp(options->command, "connect") == 0;
    const struct scenario *scenario = is_clients ? NULL : scenario_find(options->command);
    uint64_t num_clients = options->clients;
    if (!is_clients) {
        uint32_t num_publishers, num_subscribers;
        if (scenario == NULL)
            return load_usage("no such scenario");
        if (!fleet_size(options, scenario, &num_publishers, &num_subscribers))
            return load_usage("these numbers of publishers and subscribers do not go together");
        num_clients = (uint64_t)num_publishers + num_subscribers + fleet_extras(options);
        if (options->window == 0)
            options->window = schedule_window(options->rate, num_publishers);
    }
    if (!load_fits(options, num_clients, error, sizeof(error)) ||
        endpoint_resolve(&endpoint, options->host, options->port, options->sources, num_clients,
                         error, sizeof(error)) != RC_OK)
        return load_usage(error);
    interrupt_install();
    if (is_relay)
        return relay_run(options, &endpoint);
    progress_init(options->quiet);
    return is_idle ? idle_run(options, &endpoint) : load_scenario(options, &endpoint, scenario);
}

int main(int argc, char *argv[])
{
    struct options options;
    char error[512];
    if (argc > 1 && (strcmp(argv[1], "list") == 0 || strcmp(argv[1], "--list") == 0)) {
        library_list(stdout);
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "compare") == 0) {
        library_compare_exec(argv);
        fprintf(stderr, "sluice-bench: compare needs python3\n");
        return LOAD_EXIT_FAILED;
    }
    int code;
    switch (options_parse(argc, argv, &options, error, sizeof(error))) {
    case OPTIONS_HELP:
        load_help(stdout);
        code = 0;
        break;
    case OPTIONS_BAD:
        code = load_usage(error);
        break;
    default:
        code = load_run(&options);
    }
    options_fini(&options);
    return code;
}
