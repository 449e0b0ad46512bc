/*
 * load_main.c -- sluice-bench: a load generator for MQTT brokers.
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
    fprintf(file, "  %-8s %s\n\noptions\n", "idle",
            "many connections that do nothing; their memory in the broker");
    options_help(file);
    fprintf(file, "\nexit code: 0 ok, 1 failure or messages lost, repeated or out of order, "
                  "2 bad arguments\n");
}

static int load_usage(const char *error)
{
    fprintf(stderr, "sluice-bench: %s\ntry: sluice-bench --help\n", error);
    return LOAD_EXIT_USAGE;
}

/* Whether that many clients can be had; else writes a sentence. */
static bool load_fits(const struct options *options, uint64_t num_clients, char *error,
                      size_t error_len)
{
    uint64_t needed = num_clients + LOAD_DESCRIPTORS_OWN + 4 * options->workers;
    uint64_t available = endpoint_descriptors_max();
    if (needed <= available)
        return true;
    snprintf(error, error_len, "%llu clients need %llu descriptors, this process may have %llu",
             (unsigned long long)num_clients, (unsigned long long)needed,
             (unsigned long long)available);
    return false;
}

static int load_write_json(const struct run_result *result)
{
    FILE *file = fopen(result->options->json, "we");
    if (file != NULL) {
        report_json(file, result);
        if (fclose(file) == 0)
            return 0;
    }
    fprintf(stderr, "sluice-bench: cannot write %s\n", result->options->json);
    return LOAD_EXIT_FAILED;
}

static int load_scenario(const struct options *options, const struct endpoint *endpoint,
                         const struct scenario *scenario)
{
    struct run_result *result = malloc(sizeof(*result));
    if (result == NULL)
        return LOAD_EXIT_FAILED;
    run_load(options, endpoint, scenario, result);
    report_text(stdout, result);
    int code = 0;
    if (options->json != NULL)
        code = load_write_json(result);
    if (!run_is_ok(result))
        code = LOAD_EXIT_FAILED;
    free(result);
    return code;
}

int main(int argc, char *argv[])
{
    struct options options;
    struct endpoint endpoint;
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
    enum options_outcome outcome = options_parse(argc, argv, &options, error, sizeof(error));
    if (outcome == OPTIONS_HELP) {
        load_help(stdout);
        return 0;
    }
    if (outcome == OPTIONS_BAD)
        return load_usage(error);
    bool is_idle = strcmp(options.command, "idle") == 0;
    const struct scenario *scenario = is_idle ? NULL : scenario_find(options.command);
    uint64_t num_clients = options.clients;
    if (!is_idle) {
        uint32_t num_publishers, num_subscribers;
        if (scenario == NULL)
            return load_usage("no such scenario");
        if (!fleet_size(&options, scenario, &num_publishers, &num_subscribers))
            return load_usage("these numbers of publishers and subscribers do not go together");
        num_clients = (uint64_t)num_publishers + num_subscribers;
        if (options.window == 0)
            options.window = schedule_window(options.rate, num_publishers);
    }
    if (!load_fits(&options, num_clients, error, sizeof(error)) ||
        endpoint_resolve(&endpoint, options.host, options.port, options.sources, num_clients, error,
                         sizeof(error)) != RC_OK)
        return load_usage(error);
    interrupt_install();
    progress_init(options.quiet);
    return is_idle ? idle_run(&options, &endpoint) : load_scenario(&options, &endpoint, scenario);
}
