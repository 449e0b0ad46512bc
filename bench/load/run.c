/*
 * run.c -- the phases of a measurement; see run.h.
 *
 * Threads: the main thread.
 */
#include "run.h"

#include "interrupt.h"
#include "process_usage.h"
#include "progress.h"
#include "stopwatch.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

#define RUN_POLL_NS UINT64_C(2000000)

/* Without a single new client for so long, connecting has failed. */
#define RUN_CONNECT_STALL_NS (30 * STOPWATCH_SECOND_NS)

bool run_must_end(struct fleet *fleet)
{
    return interrupt_came() || control_has_failed(fleet->control);
}

/* Returns whether all clients are ready. */
static bool run_connect(struct fleet *fleet)
{
    uint64_t moved_before = 0;
    uint64_t moved_ns = stopwatch_now_ns();
    fleet_allow(fleet, UINT64_MAX);
    for (;;) {
        uint64_t num = fleet_num_ready(fleet);
        uint64_t now_ns = stopwatch_now_ns();
        if (num == fleet->num_clients)
            return true;
        if (run_must_end(fleet))
            return false;
        /* A million filters take their time, and are one client. */
        uint64_t moved = num + fleet_counters(fleet).subscribed;
        if (moved != moved_before)
            moved_ns = now_ns;
        moved_before = moved;
        if (now_ns - moved_ns > RUN_CONNECT_STALL_NS) {
            control_fail(fleet->control, "no answer to CONNECT or SUBSCRIBE; %llu of %u ready",
                         (unsigned long long)num, fleet->num_clients);
            return false;
        }
        progress_show("connecting: %llu of %u", (unsigned long long)num, fleet->num_clients);
        stopwatch_sleep_ns(RUN_POLL_NS);
    }
}

void run_mark(struct fleet *fleet, struct series *series, uint64_t elapsed_ns)
{
    if (series == NULL || elapsed_ns < series->num_marks * series->slice_ns)
        return;
    struct counters now = fleet_counters(fleet);
    series_add(series, elapsed_ns, now.published, run_delivered(&now));
}

/*
 * Sleeps until start_ns + duration_ns, with a line of progress each second; notes the counters at
 * the borders of slices if there is a series.
 */
static void run_for(struct fleet *fleet, const char *what, uint64_t start_ns, uint64_t duration_ns,
                    struct series *series)
{
    uint64_t shown_ns = start_ns;
    struct counters shown = fleet_counters(fleet);
    for (;;) {
        uint64_t now_ns = stopwatch_now_ns();
        uint64_t elapsed_ns = now_ns > start_ns ? now_ns - start_ns : 0;
        if (elapsed_ns >= duration_ns || run_must_end(fleet))
            return;
        run_mark(fleet, series, elapsed_ns);
        if (now_ns - shown_ns >= STOPWATCH_SECOND_NS) {
            struct counters now = fleet_counters(fleet);
            double seconds = (double)(now_ns - shown_ns) / 1e9;
            struct text_number in, out;
            progress_show(
                "%s: %.0f s, in %s/s, out %s/s, given up %llu", what, (double)elapsed_ns / 1e9,
                text_grouped(&in, (uint64_t)((double)(now.published - shown.published) / seconds)),
                text_grouped(
                    &out,
                    (uint64_t)((double)(run_delivered(&now) - run_delivered(&shown)) / seconds)),
                (unsigned long long)now.given_up);
            shown = now;
            shown_ns = now_ns;
        }
        uint64_t left_ns = duration_ns - elapsed_ns;
        if (series != NULL && series->num_marks * series->slice_ns - elapsed_ns < left_ns)
            left_ns = series->num_marks * series->slice_ns - elapsed_ns;
        stopwatch_sleep_ns(left_ns < 20 * RUN_POLL_NS ? left_ns : 20 * RUN_POLL_NS);
    }
}

/* 0 if it is not asked for or cannot be told. */
static uint64_t run_broker_cpu_ns(const struct options *options)
{
    uint64_t cpu_ns;
    if (options->pid == 0 || process_usage_cpu(options->pid, &cpu_ns) != RC_OK)
        return 0;
    return cpu_ns;
}

/* An open loop begins before: what is measured is said by the times in the messages. */
static void run_record_from(struct fleet *fleet, uint64_t measure_from_ns)
{
    atomic_store(&fleet->control->measure_from_ns, measure_from_ns);
    atomic_store(&fleet->control->is_recording, true);
}

static void run_measure(struct fleet *fleet, struct run_result *out)
{
    struct worker_usage usage[OPTIONS_WORKERS_MAX];
    for (uint32_t i = 0; i < fleet->num_workers; i++)
        usage[i] = worker_usage(&fleet->workers[i]);
    struct counters before = fleet_counters(fleet);
    uint64_t start_ns = stopwatch_now_ns();
    if (fleet->options->rate == 0)
        run_record_from(fleet, start_ns);
    uint64_t broker_cpu_ns = run_broker_cpu_ns(fleet->options);
    run_for(fleet, "measuring", start_ns, fleet->options->duration_ns, &out->series);
    out->broker_cpu_ns = run_broker_cpu_ns(fleet->options) - broker_cpu_ns;
    out->measured = fleet_counters(fleet);
    out->measured_ns = stopwatch_now_ns() - start_ns;
    for (uint32_t i = 0; i < fleet->num_workers; i++) {
        struct worker_usage now = worker_usage(&fleet->workers[i]);
        double measured_ns = (double)out->measured_ns;
        out->busy[i] = (double)(now.cpu_ns - usage[i].cpu_ns) / measured_ns;
        out->delayed[i] = (double)(now.delayed_ns - usage[i].delayed_ns) / measured_ns;
    }
    /* Before the subtraction, as the other marks. */
    series_add(&out->series, out->measured_ns, out->measured.published,
               run_delivered(&out->measured));
    /* An open loop measures what was due until now, though it may arrive later. */
    if (fleet->options->rate == 0)
        atomic_store(&fleet->control->is_recording, false);
    counters_subtract(&out->measured, &before);
    if (fleet->options->pid != 0 &&
        process_usage_resident(fleet->options->pid, &out->broker_resident) != RC_OK)
        out->broker_resident = 0;
}

/*
 * Waits for the rest. Tallies give up by themselves, handshakes do not: without any movement for
 * longer than a stall, what is open stays open. An interrupt does not shorten this, it would make
 * losses of what is only under way. Returns when the last movement was.
 */
static uint64_t run_drain(struct fleet *fleet, struct series *series)
{
    const uint64_t start_ns = stopwatch_now_ns();
    /* Workers see the new phase, and count open handshakes, within one tick. */
    const uint64_t settled_ns = 2 * WORKER_TICK_NS;
    struct counters before = fleet_counters(fleet);
    uint64_t unfinished_before = UINT64_MAX;
    uint64_t moved_ns = start_ns;
    while (!control_has_failed(fleet->control)) {
        struct counters now = fleet_counters(fleet);
        run_mark(fleet, series, stopwatch_now_ns() - start_ns);
        uint64_t unfinished = fleet_num_unfinished(fleet);
        uint64_t expected = now.published * fleet->num_destinations;
        uint64_t now_ns = stopwatch_now_ns();
        bool has_moved = memcmp(&now, &before, offsetof(struct counters, turns)) != 0 ||
                         unfinished != unfinished_before;
        if (has_moved)
            moved_ns = now_ns;
        /* What was given up may still come: that is worth waiting for. */
        bool is_complete = run_delivered(&now) == expected && unfinished == 0;
        uint64_t patience_ns = 2 * fleet->options->stall_ns + settled_ns;
        if (now_ns - moved_ns > (is_complete ? settled_ns : patience_ns))
            break;
        before = now;
        unfinished_before = unfinished;
        progress_show("draining: %llu deliveries to come",
                      (unsigned long long)(expected - run_delivered(&now)));
        stopwatch_sleep_ns(RUN_POLL_NS);
    }
    return moved_ns;
}

/* Waits until so many handshakes of a publisher of retained messages are complete. */
static bool run_retain(struct fleet *fleet, const char *what, uint64_t num)
{
    uint64_t before = 0;
    uint64_t moved_ns = stopwatch_now_ns();
    for (;;) {
        struct counters now = fleet_counters(fleet);
        uint64_t now_ns = stopwatch_now_ns();
        if (now.acknowledged + now.rejected >= num)
            return now.rejected == 0;
        if (now.acknowledged != before)
            moved_ns = now_ns;
        before = now.acknowledged;
        if (now_ns - moved_ns > RUN_CONNECT_STALL_NS)
            control_fail(fleet->control, "no acknowledgement after %llu retained messages",
                         (unsigned long long)before);
        if (run_must_end(fleet))
            return false;
        progress_show("%s: %llu of %llu", what, (unsigned long long)before,
                      (unsigned long long)num);
        stopwatch_sleep_ns(RUN_POLL_NS);
    }
}

/* Retain, ask for it, and take it back. */
static void run_retained_phases(struct fleet *fleet, struct run_result *out)
{
    const uint64_t topics = fleet->options->topics;
    fleet_enter(fleet, CONTROL_RUN);
    if (!run_retain(fleet, "retaining", topics))
        return;
    struct counters before = fleet_counters(fleet);
    uint64_t broker_cpu_ns = run_broker_cpu_ns(fleet->options);
    uint64_t start_ns = stopwatch_now_ns();
    run_record_from(fleet, start_ns);
    fleet_enter(fleet, CONTROL_DRAIN);
    uint64_t end_ns = run_drain(fleet, &out->series);
    out->measured_ns = end_ns - start_ns;
    out->broker_cpu_ns = run_broker_cpu_ns(fleet->options) - broker_cpu_ns;
    out->measured = fleet_counters(fleet);
    counters_subtract(&out->measured, &before);
    fleet_enter(fleet, CONTROL_CLEAN);
    run_retain(fleet, "taking back", 2 * topics);
    out->expected = topics * fleet->num_destinations;
}

/* The messages of an open loop that were due and never sent, each with its wait so far. */
static void run_collect_unsent(struct fleet *fleet, struct run_result *out)
{
    const struct schedule *schedule = &fleet->control->schedule;
    uint64_t now_ns = stopwatch_now_ns();
    if (schedule->start_ns == UINT64_MAX)
        return;
    for (uint32_t i = 0; i < fleet->num_publishers; i++) {
        uint64_t next = atomic_load(&fleet_publisher(fleet, i)->publisher.next);
        uint64_t due = schedule_due(schedule, i, now_ns);
        for (; next < due; next++) {
            uint64_t due_ns = schedule_time_ns(schedule, i, next);
            out->unsent++;
            if (schedule_is_measured(schedule, due_ns))
                histogram_record(&out->latency, now_ns - due_ns);
        }
    }
}

/* What can be read only when the workers have ended. */
void run_collect(struct fleet *fleet, struct run_result *out)
{
    out->whole = fleet_counters(fleet);
    if (out->kind == RUN_MESSAGES)
        out->expected = out->whole.published * fleet->num_destinations;
    out->unfinished = fleet_num_unfinished(fleet);
    for (uint32_t i = 0; i < fleet->num_workers; i++) {
        const struct worker *worker = &fleet->workers[i];
        series_part_merge(&out->latency, &worker->latency);
        histogram_merge(&out->lateness, worker->lateness);
        histogram_merge(&out->acks, worker->acks);
        if (!worker->is_open)
            continue;
        out->sends += worker->poller.num_sends;
        out->receives += worker->poller.num_receives;
        out->io = worker->poller.table->name;
    }
    for (uint32_t at = 0; at < SERIES_SLICES; at++)
        series_sum(&out->series, at, &fleet->workers->latency, sizeof(struct worker),
                   fleet->num_workers);
    if (fleet->options->rate > 0)
        run_collect_unsent(fleet, out);
    if (control_has_failed(fleet->control))
        memcpy(out->failure, fleet->control->failure, sizeof(out->failure));
}

static void run_phases(struct fleet *fleet, struct run_result *out)
{
    uint64_t start_ns = stopwatch_now_ns();
    bool is_connected = run_connect(fleet);
    out->connect_ns = stopwatch_now_ns() - start_ns;
    if (is_connected && out->kind == RUN_RETAINED) {
        run_retained_phases(fleet, out);
    } else if (is_connected) {
        const struct options *options = fleet->options;
        struct schedule *schedule = &fleet->control->schedule;
        start_ns = stopwatch_now_ns();
        if (options->rate > 0) {
            schedule_start(schedule, start_ns, options->warmup_ns, options->duration_ns);
            run_record_from(fleet, schedule->measure_from_ns);
        }
        fleet_enter(fleet, CONTROL_RUN);
        run_for(fleet, "warming up", start_ns, options->warmup_ns, NULL);
        run_measure(fleet, out);
        if (options->rate > 0)
            schedule_cut(schedule, stopwatch_now_ns());
        fleet_enter(fleet, CONTROL_DRAIN);
        run_drain(fleet, NULL);
    }
    progress_clear();
}

void run_result_init(struct run_result *out, const struct options *options,
                     const struct scenario *scenario, struct control *control)
{
    *out = (struct run_result){.options = options, .scenario = scenario, .io = "none"};
    histogram_init(&out->latency);
    histogram_init(&out->lateness);
    histogram_init(&out->acks);
    series_init(&out->series, options->duration_ns);
    control_init(control);
    control->slice_ns = out->series.slice_ns;
}

void run_load(const struct options *options, const struct endpoint *endpoint,
              const struct scenario *scenario, struct run_result *out)
{
    struct control control;
    struct fleet fleet;
    run_result_init(out, options, scenario, &control);
    out->kind = options->topics > 0 ? RUN_RETAINED : RUN_MESSAGES;
    fleet_init(&fleet, options, endpoint, &control, scenario);
    if (options->rate > 0)
        schedule_init(&control.schedule, options->rate, fleet.num_publishers);
    memcpy(out->run_id, fleet.run_id, sizeof(out->run_id));
    out->num_publishers = fleet.num_publishers;
    out->num_subscribers = fleet.num_subscribers;
    out->num_destinations = fleet.num_destinations;
    if (fleet_start(&fleet) == RC_OK) {
        run_phases(&fleet, out);
        fleet_stop(&fleet);
    } else {
        control_fail(&control, "cannot start a thread");
    }
    run_collect(&fleet, out);
    fleet_fini(&fleet);
    control_fini(&control);
}

uint64_t run_delivered(const struct counters *counters)
{
    return counters->fresh + counters->late;
}

uint64_t run_lost(const struct run_result *result)
{
    return result->whole.given_up - result->whole.late;
}

bool run_kept_up(const struct run_result *result)
{
    return result->unsent == 0;
}

bool run_is_correct(const struct run_result *result)
{
    const struct counters *whole = &result->whole;
    const struct options *options = result->options;
    if (result->kind == RUN_CONNECTIONS)
        return run_delivered(whole) == result->expected && whole->protocol_errors == 0;
    bool may_lose = options->qos == 0 && !options->strict;
    bool may_repeat = options->qos == 1;
    return (run_lost(result) == 0 || may_lose) && (whole->duplicate == 0 || may_repeat) &&
           whole->out_of_order == 0 && whole->rejected == 0 && whole->misrouted == 0 &&
           whole->protocol_errors == 0 && result->unfinished == 0;
}

bool run_is_ok(const struct run_result *result)
{
    return result->failure[0] == '\0' && run_is_correct(result) && run_kept_up(result);
}
