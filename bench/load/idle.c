/*
 * idle.c -- see idle.h.
 *
 * Threads: the main thread.
 */
#include "idle.h"

#include "fleet.h"
#include "heap.h"
#include "interrupt.h"
#include "process_usage.h"
#include "progress.h"
#include "stopwatch.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>

#define IDLE_POLL_NS          UINT64_C(5000000)
#define IDLE_SETTLE_NS        UINT64_C(500000000)
#define IDLE_CONNECT_STALL_NS (30 * STOPWATCH_SECOND_NS)

struct idle_sample {
    uint64_t num_clients;
    uint64_t resident; /* bytes */
};

struct idle {
    const struct options *options;
    struct fleet fleet;
    struct control control;
    struct idle_sample *samples; /* owned */
    uint32_t num_samples;
    uint64_t connect_ns; /* spent on connecting, without the pauses */
};

/* The next count behind `num` at which to pause. */
static uint64_t idle_next_stop(const struct options *options, uint64_t num)
{
    uint64_t stop = (num / IDLE_STEP + 1) * IDLE_STEP;
    for (unsigned i = 0; i < 2; i++)
        if (options->slope[i] > num && options->slope[i] < stop)
            stop = options->slope[i];
    return stop < options->clients ? stop : options->clients;
}

static bool idle_must_end(struct idle *idle)
{
    return interrupt_came() || control_has_failed(&idle->control);
}

/* Waits until `num` clients are ready. */
static bool idle_connect(struct idle *idle, uint64_t num)
{
    uint64_t start_ns = stopwatch_now_ns();
    uint64_t moved_ns = start_ns;
    uint64_t num_before = 0;
    fleet_allow(&idle->fleet, num);
    for (;;) {
        uint64_t num_ready = fleet_num_ready(&idle->fleet);
        uint64_t now_ns = stopwatch_now_ns();
        if (num_ready >= num) {
            idle->connect_ns += now_ns - start_ns;
            return true;
        }
        if (num_ready != num_before)
            moved_ns = now_ns;
        num_before = num_ready;
        if (now_ns - moved_ns > IDLE_CONNECT_STALL_NS)
            control_fail(&idle->control, "no answer to CONNECT or SUBSCRIBE; %llu ready",
                         (unsigned long long)num_ready);
        if (idle_must_end(idle))
            return false;
        progress_show("connecting: %llu of %llu", (unsigned long long)num_ready,
                      (unsigned long long)idle->options->clients);
        stopwatch_sleep_ns(IDLE_POLL_NS);
    }
}

static void idle_sample(struct idle *idle, uint64_t num)
{
    struct text_number clients, resident;
    progress_clear();
    if (idle->options->pid == 0) {
        printf("%12s clients\n", text_grouped(&clients, num));
        return;
    }
    stopwatch_sleep_ns(IDLE_SETTLE_NS);
    struct idle_sample sample = {.num_clients = num};
    if (process_usage_resident(idle->options->pid, &sample.resident) != RC_OK) {
        control_fail(&idle->control, "cannot read the memory of process %llu",
                     (unsigned long long)idle->options->pid);
        return;
    }
    idle->samples[idle->num_samples++] = sample;
    printf("%12s clients  %14s bytes resident\n", text_grouped(&clients, num),
           text_grouped(&resident, sample.resident));
    fflush(stdout);
}

static const struct idle_sample *idle_find(const struct idle *idle, uint64_t num)
{
    for (uint32_t i = 0; i < idle->num_samples; i++)
        if (idle->samples[i].num_clients == num)
            return &idle->samples[i];
    return NULL;
}

/* Between the counts asked for, or the first and the last; NULLs if there are not two. */
static void idle_slope_ends(const struct idle *idle, const struct idle_sample **out_from,
                            const struct idle_sample **out_to)
{
    const struct options *options = idle->options;
    *out_from = NULL;
    *out_to = NULL;
    if (idle->num_samples < 2)
        return;
    bool is_given = options->slope[1] > 0;
    *out_from = is_given ? idle_find(idle, options->slope[0]) : &idle->samples[0];
    *out_to = is_given ? idle_find(idle, options->slope[1]) : &idle->samples[idle->num_samples - 1];
}

static double idle_slope(const struct idle_sample *from, const struct idle_sample *to)
{
    CHECK(from->num_clients < to->num_clients);
    return ((double)to->resident - (double)from->resident) /
           (double)(to->num_clients - from->num_clients);
}

static void idle_print_slope(const struct idle *idle)
{
    const struct idle_sample *from, *to;
    idle_slope_ends(idle, &from, &to);
    if (from != NULL && to != NULL)
        printf("slope %llu to %llu clients: %.0f bytes per client\n",
               (unsigned long long)from->num_clients, (unsigned long long)to->num_clients,
               idle_slope(from, to));
}

static void idle_json_option(void *arg, const char *name, const char *json_value)
{
    fprintf(arg, "    \"%s\": %s,\n", name, json_value);
}

static void idle_json(struct idle *idle, FILE *file)
{
    const struct idle_sample *from, *to;
    char text[2 * sizeof(idle->control.failure)];
    idle_slope_ends(idle, &from, &to);
    fprintf(file, "{\n  \"tool\": \"sluice-bench\",\n  \"scenario\": \"idle\",\n");
    fprintf(file, "  \"parameters\": {\n");
    options_each(idle->options, idle_json_option, file);
    fprintf(file, "    \"step\": %u\n  },\n  \"samples\": [", IDLE_STEP);
    for (uint32_t i = 0; i < idle->num_samples; i++)
        fprintf(file, "%s\n    {\"clients\": %llu, \"resident_bytes\": %llu}", i > 0 ? "," : "",
                (unsigned long long)idle->samples[i].num_clients,
                (unsigned long long)idle->samples[i].resident);
    fprintf(file, "\n  ],\n  \"connect_s\": %.3f,\n", (double)idle->connect_ns / 1e9);
    if (from != NULL && to != NULL)
        fprintf(file, "  \"bytes_per_client\": %.1f,\n", idle_slope(from, to));
    fprintf(file, "  \"failure\": %s,\n  \"ok\": %s\n}\n",
            text_json_string(text, sizeof(text), idle->control.failure),
            control_has_failed(&idle->control) ? "false" : "true");
}

static void idle_write_json(struct idle *idle)
{
    if (idle->options->json == NULL)
        return;
    FILE *file = fopen(idle->options->json, "we");
    if (file == NULL) {
        control_fail(&idle->control, "cannot write %s", idle->options->json);
        return;
    }
    idle_json(idle, file);
    if (fclose(file) != 0)
        control_fail(&idle->control, "cannot write %s", idle->options->json);
}

static void idle_hold(struct idle *idle)
{
    uint64_t start_ns = stopwatch_now_ns();
    const uint64_t hold_ns = idle->options->hold_ns;
    while (!idle_must_end(idle)) {
        uint64_t held_ns = stopwatch_now_ns() - start_ns;
        if (hold_ns > 0 && held_ns >= hold_ns)
            break;
        progress_show("holding %llu clients: %.0f s",
                      (unsigned long long)fleet_num_ready(&idle->fleet), (double)held_ns / 1e9);
        stopwatch_sleep_ns(20 * IDLE_POLL_NS);
    }
    progress_clear();
}

static void idle_steps(struct idle *idle)
{
    const uint64_t num_clients = idle->options->clients;
    uint64_t num = 0;
    while (num < num_clients && !idle_must_end(idle)) {
        num = idle_next_stop(idle->options, num);
        if (!idle_connect(idle, num))
            break;
        idle_sample(idle, num);
    }
    if (num == num_clients && !idle_must_end(idle)) {
        printf("connected in %.2f s, %.0f per second\n", (double)idle->connect_ns / 1e9,
               (double)num_clients * 1e9 / (double)idle->connect_ns);
        idle_print_slope(idle);
        fflush(stdout);
        /* Before the holding: whoever waits for the file need not wait for the end. */
        idle_write_json(idle);
        idle_hold(idle);
    }
}

int idle_run(const struct options *options, const struct endpoint *endpoint)
{
    struct idle idle = {.options = options};
    control_init(&idle.control);
    idle.samples = heap_zeroed(options->clients / IDLE_STEP + 4, sizeof(struct idle_sample));
    fleet_init_idle(&idle.fleet, options, endpoint, &idle.control);
    printf("sluice-bench idle: %s:%u, %s, MQTT %s, %llu clients%s\n", options->host,
           (unsigned)options->port, options_transport_name(options),
           options->version == 5 ? "5.0" : "3.1.1", (unsigned long long)options->clients,
           options->subscribe ? " with a subscription each" : "");
    if (fleet_start(&idle.fleet) == RC_OK) {
        idle_steps(&idle);
        fleet_stop(&idle.fleet);
    } else {
        control_fail(&idle.control, "cannot start a thread");
    }
    progress_clear();
    bool has_failed = control_has_failed(&idle.control);
    if (has_failed) {
        printf("FAILED: %s\n", idle.control.failure);
        idle_write_json(&idle);
    }
    free(idle.samples);
    fleet_fini(&idle.fleet);
    control_fini(&idle.control);
    return has_failed ? 1 : 0;
}
