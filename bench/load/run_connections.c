/*
 * run_connections.c -- the measurement of connecting; see run.h.
 *
 * Every round begins with the moment at which clients begin to want a connection. Those that have a
 * rate are let go when they are due, two milliseconds apart at most; their latency counts from the
 * exact time. Between rounds all sockets are shut down without DISCONNECT, as when the power fails
 * at a site, and the next round begins when the last end has been seen.
 *
 * Threads: the main thread.
 */
#include "run.h"

#include "interrupt.h"
#include "process_usage.h"
#include "progress.h"
#include "stopwatch.h"

#include <string.h>

#define RUN_CONNECTIONS_POLL_NS  UINT64_C(2000000)
#define RUN_CONNECTIONS_STALL_NS (30 * STOPWATCH_SECOND_NS)

static const struct scenario run_connections_scenario = {
    .name = "connect",
    .text = "clients connect, and come again after they were cut off",
};

/* How many clients may be connecting or connected so long after the start of a round. */
static uint64_t run_connections_allowed(const struct options *options, uint64_t elapsed_ns)
{
    if (options->connect_rate == 0)
        return UINT64_MAX;
    return (uint64_t)((unsigned __int128)elapsed_ns * options->connect_rate / STOPWATCH_SECOND_NS) +
           1;
}

/* Waits until all are ready, or none is; false if that does not come. */
static bool run_connections_wait(struct fleet *fleet, struct run_result *out, uint64_t start_ns,
                                 uint64_t wanted)
{
    uint64_t before = UINT64_MAX;
    uint64_t moved_ns = stopwatch_now_ns();
    for (;;) {
        uint64_t num = fleet_num_ready(fleet);
        uint64_t now_ns = stopwatch_now_ns();
        run_mark(fleet, &out->series, now_ns - out->series_start_ns);
        if (num == wanted)
            return true;
        if (wanted > 0)
            fleet_allow(fleet, run_connections_allowed(fleet->options, now_ns - start_ns));
        if (num != before)
            moved_ns = now_ns;
        before = num;
        if (now_ns - moved_ns > RUN_CONNECTIONS_STALL_NS)
            control_fail(fleet->control, "nothing happens any more; %llu of %u clients ready",
                         (unsigned long long)num, fleet->num_clients);
        if (run_must_end(fleet))
            return false;
        progress_show("%s: %llu of %u", wanted > 0 ? "connecting" : "cutting off",
                      (unsigned long long)num, fleet->num_clients);
        stopwatch_sleep_ns(RUN_CONNECTIONS_POLL_NS);
    }
}

static bool run_connections_round(struct fleet *fleet, struct run_result *out)
{
    uint64_t start_ns = stopwatch_now_ns();
    atomic_store(&fleet->control->asked_from_ns, start_ns);
    fleet_enter(fleet, CONTROL_CONNECT);
    bool is_done = run_connections_wait(fleet, out, start_ns, fleet->num_clients);
    out->measured_ns += stopwatch_now_ns() - start_ns;
    return is_done;
}

static bool run_connections_cut(struct fleet *fleet, struct run_result *out)
{
    fleet_allow(fleet, 0);
    fleet_enter(fleet, CONTROL_CUT);
    return run_connections_wait(fleet, out, 0, 0);
}

static void run_connections_hold(struct fleet *fleet)
{
    uint64_t start_ns = stopwatch_now_ns();
    while (!run_must_end(fleet) && stopwatch_now_ns() - start_ns < fleet->options->hold_ns) {
        progress_show("holding %llu clients", (unsigned long long)fleet_num_ready(fleet));
        stopwatch_sleep_ns(10 * RUN_CONNECTIONS_POLL_NS);
    }
}

static void run_connections_phases(struct fleet *fleet, struct run_result *out)
{
    const struct options *options = fleet->options;
    uint64_t cpu_before_ns = 0, cpu_ns = 0;
    out->series_start_ns = stopwatch_now_ns();
    atomic_store(&fleet->control->measure_from_ns, out->series_start_ns);
    atomic_store(&fleet->control->is_recording, true);
    if (options->pid != 0 && process_usage_cpu(options->pid, &cpu_before_ns) != RC_OK)
        cpu_before_ns = 0;
    bool is_on = run_connections_round(fleet, out);
    for (uint64_t i = 0; i < options->rounds && is_on; i++)
        is_on = run_connections_cut(fleet, out) && run_connections_round(fleet, out);
    out->measured = fleet_counters(fleet);
    if (options->pid != 0 && process_usage_cpu(options->pid, &cpu_ns) == RC_OK)
        out->broker_cpu_ns = cpu_ns - cpu_before_ns;
    if (options->pid != 0 && process_usage_resident(options->pid, &out->broker_resident) != RC_OK)
        out->broker_resident = 0;
    if (is_on)
        run_connections_hold(fleet);
    progress_clear();
}

void run_connections(const struct options *options, const struct endpoint *endpoint,
                     struct run_result *out)
{
    struct control control;
    struct fleet fleet;
    run_result_init(out, options, &run_connections_scenario, &control);
    out->kind = RUN_CONNECTIONS;
    out->expected = options->clients * (options->rounds + 1);
    fleet_init_idle(&fleet, options, endpoint, &control);
    out->num_subscribers = fleet.num_clients;
    memcpy(out->run_id, fleet.run_id, sizeof(out->run_id));
    if (fleet_start(&fleet) == RC_OK) {
        run_connections_phases(&fleet, out);
        fleet_stop(&fleet);
    } else {
        control_fail(&control, "cannot start a thread");
    }
    run_collect(&fleet, out);
    fleet_fini(&fleet);
    control_fini(&control);
}
