/*
 * worker.c -- the loop of one thread; see worker.h.
 *
 * Threads: the worker's own, except worker_start, worker_join, worker_poke and worker_usage.
 */
#include "worker.h"

#include "heap.h"
#include "stopwatch.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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
    if (client->state != CLIENT_BROKEN)
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
    for (uint32_t i = 0; i < worker->num_opened; i++)
        if (worker->clients[i]->role == CLIENT_PUBLISHER)
            worker_mark(worker, worker->clients[i]);
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
    }
    atomic_store_explicit(&worker->num_unfinished, num, memory_order_release);
}

static void worker_tick(struct worker *worker)
{
    uint64_t now_ns = stopwatch_now_ns();
    if (now_ns - worker->ticked_ns < WORKER_TICK_NS)
        return;
    worker->ticked_ns = now_ns;
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
static void worker_wait(struct worker *worker)
{
    atomic_store(&worker->is_asleep, true);
    bool has_work = worker->num_dirty > 0 || atomic_load(&worker->is_poked);
    poller_wait(&worker->poller, has_work ? 0 : WORKER_TICK_NS);
    atomic_store(&worker->is_asleep, false);
    if (atomic_exchange(&worker->is_poked, false))
        worker_mark_publishers(worker);
}

static void worker_turn(struct worker *worker, enum control_phase phase)
{
    bool was_publishing = worker->is_publishing;
    worker->is_publishing = phase == CONTROL_RUN;
    worker->is_recording = atomic_load_explicit(&worker->control->is_recording,
                                                memory_order_relaxed);
    if (worker->is_publishing && !was_publishing)
        worker_mark_publishers(worker);
    if (phase == CONTROL_CONNECT)
        worker_connect(worker);
    worker_flush(worker);
    worker_poke_others(worker, (uint32_t)worker->options->workers);
    worker_wait(worker);
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
    stream_pool_init(&worker->pool, (uint32_t)worker->options->payload + UINT16_MAX);
    if (poller_open(&worker->poller, (enum options_io)worker->options->io, &worker_sink,
                    &worker->pool) != RC_OK) {
        control_fail(worker->control, "--io %s does not work here",
                     options_io_name((enum options_io)worker->options->io));
        return NULL;
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
    worker->latency = heap_zeroed(1, sizeof(*worker->latency));
    histogram_init(worker->latency);
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
