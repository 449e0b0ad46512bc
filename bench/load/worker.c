/*
 * worker.c -- the loop of one thread; see worker.h.
 *
 * Threads: the worker's own, except worker_start, worker_join, worker_poke and worker_usage.
 */
#include "worker.h"

#include "heap.h"
#include "stopwatch.h"
#include "time_slice.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Shorter sleeps are over before they have begun. */
#define WORKER_SLEEP_NS_MIN 5000

static void worker_sink_input(struct stream *stream, const uint8_t *data, size_t len)
{
    client_input((struct client *)stream, data, len);
}

static void worker_sink_drained(struct stream *stream)
{
    struct client *client = (struct client *)stream;
    if (client->role == CLIENT_PUBLISHER)
        worker_mark(client->worker, client);
}

static void worker_sink_broken(struct stream *stream, int error)
{
    struct client *client = (struct client *)stream;
    if (client->is_cut)
        client_was_cut(client);
    else if (client->state != CLIENT_BROKEN)
        client_fail(client, "%s",
                    error == 0 ? "the broker closed the connection" : strerror(error));
}

static const struct poller_sink worker_sink = {
    .input = worker_sink_input,
    .drained = worker_sink_drained,
    .broken = worker_sink_broken,
};

static void worker_mark_publishers(struct worker *worker)
{
    for (uint32_t i = worker->first_publisher; i < worker->num_opened; i++)
        worker_mark(worker, worker->clients[i]);
}

static uint64_t worker_due_ns(const struct worker *worker)
{
    const struct client *client = worker->clients[worker->due_client];
    return schedule_time_ns(&worker->control->schedule, client->publisher.number,
                            worker->due_number);
}

/*
 * Marks the publishers that have something due; returns how long until the next has, in ns. After a
 * whole round all are marked, and the cursor goes to the present.
 */
static uint64_t worker_mark_due(struct worker *worker)
{
    const struct schedule *schedule = &worker->control->schedule;
    uint64_t now_ns = stopwatch_now_ns();
    uint32_t num_publishers = worker->num_clients - worker->first_publisher;
    if (num_publishers == 0 || now_ns >= schedule_end_ns(schedule))
        return UINT64_MAX;
    for (uint32_t i = 0; i < num_publishers; i++) {
        uint64_t due_ns = worker_due_ns(worker);
        if (due_ns > now_ns)
            return due_ns - now_ns;
        worker_mark(worker, worker->clients[worker->due_client]);
        if (++worker->due_client < worker->num_clients)
            continue;
        worker->due_client = worker->first_publisher;
        worker->due_number++;
    }
    uint64_t due = schedule_due(schedule, worker->clients[worker->due_client]->publisher.number,
                                now_ns);
    if (due > worker->due_number)
        worker->due_number = due;
    uint64_t due_ns = worker_due_ns(worker);
    return due_ns > now_ns ? due_ns - now_ns : 0;
}

/* Opens further clients while they are allowed and not too many handshakes are under way. */
static void worker_connect(struct worker *worker)
{
    uint64_t allowed = atomic_load_explicit(&worker->control->clients_allowed,
                                            memory_order_acquire);
    while (worker->num_opened < worker->num_clients) {
        struct client *client = worker->clients[worker->num_opened];
        uint32_t num_ready = atomic_load_explicit(&worker->num_ready, memory_order_relaxed);
        if (client->number >= allowed || control_has_failed(worker->control) ||
            worker->num_opened - num_ready >= worker->options->connect_batch)
            return;
        worker->num_opened++;
        client_open(client);
    }
}

/* Looks at the tallies of one publisher for what is missing; all of it is given up at the end. */
static void worker_tick_lane(struct worker *worker, struct tally_lane *lane, bool is_end)
{
    struct publisher *publisher = &lane->publisher->publisher;
    uint64_t next = atomic_load_explicit(&publisher->next, memory_order_acquire);
    /* What takes retained messages back is numbered on, and expected nowhere. */
    if (publisher->topics > 0 && next > publisher->topics)
        next = publisher->topics;
    for (uint32_t i = 0; i < lane->num; i++) {
        struct tally *tally = lane->tallies[i];
        bool has_moved;
        uint64_t num = is_end ? tally_give_up(tally, next, &has_moved)
                              : tally_tick(tally, next, worker->ticked_ns,
                                           worker->options->stall_ns, &has_moved);
        if (num > 0) {
            counters_add(&worker->counters.given_up, num);
            counters_add(&worker->counters.stalls, is_end ? 0 : 1);
        }
        if (has_moved)
            worker_credit(worker, lane->publisher);
    }
}

static void worker_tick_lanes(struct worker *worker, bool is_end)
{
    for (uint32_t i = 0; i < worker->num_lanes; i++) {
        struct tally_lane *lane = worker->lanes[i];
        if (worker->is_lane_locked)
            tally_group_lock(lane);
        worker_tick_lane(worker, lane, is_end);
        if (worker->is_lane_locked)
            tally_group_unlock(lane);
    }
}

static void worker_count_unfinished(struct worker *worker)
{
    uint32_t num = 0;
    for (uint32_t i = 0; i < worker->num_opened; i++) {
        const struct client *client = worker->clients[i];
        if (client->role == CLIENT_PUBLISHER)
            num += client->publisher.num_inflight;
        else if (client->role == CLIENT_SUBSCRIBER)
            num += client->subscriber.num_ids;
        else if (client->role == CLIENT_GATHERER)
            worker_mark(worker, worker->clients[i]);
    }
    atomic_store_explicit(&worker->num_unfinished, num, memory_order_release);
}

static void worker_tick(struct worker *worker)
{
    uint64_t now_ns = stopwatch_now_ns();
    if (now_ns - worker->ticked_ns < WORKER_TICK_NS)
        return;
    worker->ticked_ns = now_ns;
    /* What is retained is not missing before it is asked for. */
    if (worker->options->topics == 0 || worker->is_recording)
        worker_tick_lanes(worker, false);
    worker_count_unfinished(worker);
}

/*
 * Fills and sends. A send may end at once and mark its client again: that goes to the other list,
 * so that one with much to say does not keep the loop from its input.
 */
static void worker_flush(struct worker *worker)
{
    struct client **list = worker->dirty;
    uint32_t num = worker->num_dirty;
    worker->dirty = worker->dirty_spare;
    worker->dirty_spare = list;
    worker->num_dirty = 0;
    for (uint32_t i = 0; i < num; i++) {
        struct client *client = list[i];
        CHECK(client->is_dirty && client->worker == worker);
        client->is_dirty = false;
        if (client->role == CLIENT_PUBLISHER)
            publisher_fill(client);
        else if (client->role == CLIENT_GATHERER)
            gatherer_fill(client);
        poller_send(&worker->poller, &client->stream);
    }
}

static void worker_poke_others(struct worker *worker, uint32_t num_workers)
{
    for (uint32_t i = 0; i < num_workers; i++) {
        if (worker->pokes[i])
            worker_poke(&worker->workers[i]);
        worker->pokes[i] = false;
    }
}

/* Says that it sleeps before it looks for a last time whether it may. */
static void worker_wait(struct worker *worker, uint64_t wait_ns)
{
    atomic_store(&worker->is_asleep, true);
    bool has_work = worker->num_dirty > 0 || atomic_load(&worker->is_poked) ||
                    worker->options->spin || wait_ns < WORKER_SLEEP_NS_MIN;
    if (wait_ns > WORKER_TICK_NS)
        wait_ns = WORKER_TICK_NS;
    poller_wait(&worker->poller, has_work ? 0 : wait_ns);
    atomic_store(&worker->is_asleep, false);
    if (atomic_exchange(&worker->is_poked, false))
        worker_mark_publishers(worker);
}

/* Latencies go to the slice of the series that the present is in. */
static void worker_turn_recording(struct worker *worker)
{
    worker->is_recording = atomic_load_explicit(&worker->control->is_recording,
                                                memory_order_acquire);
    if (!worker->is_recording)
        return;
    uint64_t from_ns = atomic_load_explicit(&worker->control->measure_from_ns,
                                            memory_order_relaxed);
    uint64_t now_ns = stopwatch_now_ns();
    worker->is_storming = now_ns >= from_ns && control_phase(worker->control) <= CONTROL_DRAIN;
    series_part_turn(&worker->latency, worker->control->slice_ns,
                     now_ns > from_ns ? now_ns - from_ns : 0);
}

/* For one stall after its end, what was due before the end of a schedule is still sent. */
static bool worker_is_catching_up(const struct worker *worker, enum control_phase phase)
{
    return phase == CONTROL_DRAIN &&
           stopwatch_now_ns() <
               schedule_end_ns(&worker->control->schedule) + worker->options->stall_ns;
}

uint64_t worker_asked_ns(const struct worker *worker, uint64_t client_number)
{
    uint64_t from_ns = atomic_load_explicit(&worker->control->asked_from_ns, memory_order_relaxed);
    uint64_t rate = worker->options->connect_rate;
    return rate == 0 ? from_ns : from_ns + client_number * STOPWATCH_SECOND_NS / rate;
}

/* Once in a phase: cuts all clients off, or asks for what is retained. */
static void worker_turn_phase(struct worker *worker, enum control_phase phase)
{
    bool is_cut = phase == CONTROL_CUT;
    bool is_asking = phase == CONTROL_DRAIN && worker->options->topics > 0;
    bool was_done = worker->has_cut;
    worker->has_cut = is_cut || is_asking;
    if (was_done || !worker->has_cut)
        return;
    for (uint32_t i = 0; i < worker->num_opened; i++) {
        struct client *client = worker->clients[i];
        if (is_cut)
            client_cut(client);
        else if (client->role == CLIENT_SUBSCRIBER)
            client_subscribe(client);
    }
    if (is_cut)
        worker->num_opened = 0;
}

static void worker_turn(struct worker *worker, enum control_phase phase)
{
    const bool is_open = worker->options->rate > 0;
    bool was_publishing = worker->is_publishing;
    uint64_t wait_ns = UINT64_MAX;
    worker->is_publishing = phase == CONTROL_RUN ||
                            (is_open && worker_is_catching_up(worker, phase));
    worker->is_publishing |= phase == CONTROL_CLEAN;
    worker_turn_recording(worker);
    worker_turn_phase(worker, phase);
    if (worker->is_publishing && !was_publishing)
        worker_mark_publishers(worker);
    if (phase == CONTROL_CONNECT)
        worker_connect(worker);
    if (is_open && phase == CONTROL_RUN)
        wait_ns = worker_mark_due(worker);
    worker_flush(worker);
    worker_poke_others(worker, (uint32_t)worker->options->workers);
    worker_wait(worker, wait_ns);
    worker_tick(worker);
    counters_add(&worker->counters.turns, 1);
}

static void worker_pin(const struct worker *worker)
{
    if (worker->cpu < 0)
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)worker->cpu, &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0)
        control_fail(worker->control, "cannot pin a worker to core %d", worker->cpu);
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    atomic_store(&worker->thread_id, (int)gettid());
    worker_pin(worker);
    /* Wake up when a message is due, not up to 50 us later. */
    (void)prctl(PR_SET_TIMERSLACK, 1);
    (void)time_slice_shorten();
    stream_pool_init(&worker->pool, (uint32_t)worker->options->payload + UINT16_MAX);
    if (poller_open(&worker->poller, (enum options_io)worker->options->io, worker->options->tls,
                    &worker_sink, &worker->pool) != RC_OK) {
        control_fail(worker->control, "--io %s does not work here",
                     options_io_name((enum options_io)worker->options->io));
        return NULL;
    }
    if (worker->options->tls) {
        worker->secure = secure_worker_open(worker->options->tls_ca, worker->options->tls_resume);
        if (worker->secure == NULL) {
            control_fail(worker->control, "--tls-ca %s: no certificates in it",
                         worker->options->tls_ca);
            poller_close(&worker->poller);
            return NULL;
        }
    }
    worker->is_open = true;
    enum control_phase phase;
    while ((phase = control_phase(worker->control)) != CONTROL_STOP)
        worker_turn(worker, phase);
    worker_tick_lanes(worker, true);
    worker_count_unfinished(worker);
    return NULL;
}

enum rc worker_start(struct worker *worker)
{
    CHECK(worker->options != NULL && worker->control != NULL);
    worker->lateness = heap_zeroed(1, sizeof(*worker->lateness));
    histogram_init(worker->lateness);
    worker->acks = heap_zeroed(1, sizeof(*worker->acks));
    histogram_init(worker->acks);
    worker->dirty = heap_zeroed(worker->num_clients, sizeof(struct client *));
    worker->dirty_spare = heap_zeroed(worker->num_clients, sizeof(struct client *));
    worker->pokes = heap_zeroed(worker->options->workers, sizeof(bool));
    return pthread_create(&worker->thread, NULL, worker_main, worker) == 0 ? RC_OK : RC_IO;
}

void worker_join(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
    /* Not by the thread itself: up to its end others may wake it by the poller's descriptor. */
    if (worker->is_open)
        poller_close(&worker->poller);
    for (uint32_t i = 0; i < worker->num_opened; i++)
        client_close(worker->clients[i]);
    stream_pool_fini(&worker->pool);
    secure_worker_close(worker->secure);
    free(worker->dirty);
    free(worker->dirty_spare);
    free(worker->pokes);
    worker->dirty = NULL;
    worker->dirty_spare = NULL;
    worker->pokes = NULL;
}

void worker_poke(struct worker *worker)
{
    atomic_store(&worker->is_poked, true);
    if (atomic_load(&worker->is_asleep))
        poller_wake(&worker->poller);
}

struct worker_usage worker_usage(const struct worker *worker)
{
    struct worker_usage usage = {.cpu_ns = 0};
    clockid_t clock;
    struct timespec used;
    if (pthread_getcpuclockid(worker->thread, &clock) == 0 && clock_gettime(clock, &used) == 0)
        usage.cpu_ns = (uint64_t)used.tv_sec * STOPWATCH_SECOND_NS + (uint64_t)used.tv_nsec;
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", worker->thread_id);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return usage;
    unsigned long long delayed_ns;
    /* Time on a core, time waiting for one, number of slices. */
    if (fscanf(file, "%*u %llu", &delayed_ns) == 1)
        usage.delayed_ns = delayed_ns;
    fclose(file);
    return usage;
}
