/*
 * runtime.c -- construction of the shards, their threads, and the way back down.
 *
 * The main thread builds what is shared (mesh, epoch, eventfds) and the plain parts of each shard;
 * each shard's thread then builds what must belong to it (its ring: SINGLE_ISSUER binds a ring to
 * the thread that made it), runs the upper floors' start and reports. Destruction is the exact
 * reverse.
 *
 * Threads: see shard.h.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "shard.h"
#include "time_slice.h"

#define RUNTIME_MAGIC 0x52554e54u

static void *shard_memory(size_t count, size_t size)
{
    void *memory = aligned_alloc(64, (count * size + 63) / 64 * 64);
    if (memory != NULL)
        memset(memory, 0, count * size);
    return memory;
}

static enum rc runtime_shard_init(struct runtime *runtime, shard_id id)
{
    struct shard *shard = &runtime->shards[id];
    shard->id = id;
    shard->runtime = runtime;
    shard->ring_fd = -1;
    spin_init(&shard->spin, runtime->options.spin_max_ns);
    shard->stats = shard_memory(1, sizeof(struct stats));
    shard->latencies = shard_memory(SHARD_LATENCY_COUNT, sizeof(struct latency));
    shard->log = log_ring_create(id);
    if (shard->stats == NULL || shard->latencies == NULL || shard->log == NULL)
        return RC_NO_MEMORY;
    shard->magic = SHARD_MAGIC;
    return RC_OK;
}

enum rc runtime_create(struct runtime **out, const struct runtime_options *options,
                       const struct shard_tables *tables, void *user)
{
    CHECK(options->shards >= 1 && options->shards <= SHARDS_MAX && options->helpers >= 1);
    CHECK(options->shards + options->helpers <= MAIL_ENDPOINTS_MAX);
    struct runtime *runtime = shard_memory(1, sizeof(*runtime));
    if (runtime == NULL)
        return RC_NO_MEMORY;
    runtime->magic = RUNTIME_MAGIC;
    runtime->options = *options;
    runtime->tables = *tables;
    runtime->user = user;
    unsigned endpoints = options->shards + options->helpers;
    for (unsigned i = 0; i < MAIL_ENDPOINTS_MAX; i++)
        runtime->event_fds[i] = -1;
    runtime->mesh = mesh_create(endpoints);
    runtime->epoch = epoch_create();
    runtime->shards = shard_memory(options->shards, sizeof(struct shard));
    enum rc rc = RC_OK;
    if (runtime->mesh == NULL || runtime->epoch == NULL || runtime->shards == NULL)
        rc = RC_NO_MEMORY;
    for (unsigned i = 0; rc == RC_OK && i < endpoints; i++) {
        runtime->event_fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (runtime->event_fds[i] < 0)
            rc = RC_IO;
    }
    for (unsigned i = 0; rc == RC_OK && i < options->shards; i++)
        rc = runtime_shard_init(runtime, (shard_id)i);
    if (rc != RC_OK) {
        runtime_destroy(runtime);
        return rc;
    }
    *out = runtime;
    return RC_OK;
}

static void runtime_drop_mail(void *context, const struct mail *mail)
{
    const struct runtime *runtime = context;
    CHECK(mail->kind < SHARD_MAIL_KINDS_MAX);
    if (runtime->tables.drops[mail->kind] != NULL)
        runtime->tables.drops[mail->kind](mail);
}

void runtime_destroy(struct runtime *runtime)
{
    if (runtime == NULL)
        return;
    CHECK_OBJ(runtime, RUNTIME_MAGIC);
    for (unsigned i = 0; runtime->shards != NULL && i < runtime->options.shards; i++) {
        struct shard *shard = &runtime->shards[i];
        CHECK(shard->ring == NULL);
        log_ring_destroy(shard->log);
        free(shard->stats);
        free(shard->latencies);
    }
    for (unsigned i = 0; i < MAIL_ENDPOINTS_MAX; i++)
        if (runtime->event_fds[i] >= 0)
            close(runtime->event_fds[i]);
    free(runtime->shards);
    if (runtime->epoch != NULL)
        epoch_destroy(runtime->epoch);
    if (runtime->mesh != NULL)
        mesh_empty(runtime->mesh, runtime_drop_mail, runtime);
    mesh_destroy(runtime->mesh);
    runtime->magic = 0;
    free(runtime);
}

void runtime_wake(struct runtime *runtime, shard_id target)
{
    CHECK_OBJ(runtime, RUNTIME_MAGIC);
    CHECK(target < mesh_endpoints(runtime->mesh));
    uint64_t one = 1;
    ssize_t done = write(runtime->event_fds[target], &one, sizeof(one));
    /* EAGAIN means that the counter is full, so the target is awake already. */
    CHECK(done == (ssize_t)sizeof(one) || errno == EAGAIN);
}

enum rc shard_open(struct shard *shard)
{
    CHECK(shard->magic == SHARD_MAGIC && shard_self == NULL);
    struct runtime *runtime = shard->runtime;
    shard_become(shard);
    log_attach(shard->log);
    shard->now_ns = clock_mono_ns();
    shard->now_ms = shard->now_ns / 1000000;
    shard->busy = true; /* the start may have left work for the first turn */
    shard->port = mail_port_create(runtime->mesh, shard->id, shard->stats);
    timer_wheel_init(&shard->timers, shard, shard->now_ms);
    shard->epoch = epoch_register(runtime->epoch);
    if (shard->port == NULL || shard->epoch == NULL)
        return RC_NO_MEMORY;
    enum rc rc = ring_create(&shard->ring, &runtime->options.recv_buffers);
    if (rc != RC_OK)
        return rc;
    ring_poll(shard->ring, op_token(OP_EVENT, 0, 0), runtime->event_fds[shard->id]);
    __atomic_store_n(&shard->ring_fd, ring_fd(shard->ring), __ATOMIC_RELEASE);
    return RC_OK;
}

void shard_close(struct shard *shard)
{
    CHECK(shard == shard_self);
    __atomic_store_n(&shard->ring_fd, -1, __ATOMIC_RELEASE);
    ring_destroy(shard->ring);
    shard->ring = NULL;
    if (shard->port != NULL)
        mail_port_empty(shard->port, runtime_drop_mail, shard->runtime);
    mail_port_destroy(shard->port);
    shard->port = NULL;
    timer_wheel_fini(&shard->timers);
    if (shard->epoch != NULL)
        epoch_unregister(shard->epoch);
    shard->epoch = NULL;
    log_attach(NULL);
    shard_become(NULL);
}

static void shard_pin(const struct shard *shard)
{
    const struct runtime *runtime = shard->runtime;
    if (runtime->options.cpus == NULL)
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(runtime->options.cpus[shard->id], &set);
    int error = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
    if (error != 0)
        LOG(LOG_WARNING, "cannot be pinned to CPU %u: %s", runtime->options.cpus[shard->id],
            strerror(error));
}

static void *shard_main(void *argument)
{
    struct shard *shard = argument;
    struct runtime *runtime = shard->runtime;
    enum rc rc = shard_open(shard);
    shard_pin(shard);
    (void)time_slice_shorten();
    const struct shard_tables *tables = &runtime->tables;
    bool up = rc == RC_OK && tables->start(shard) &&
              (tables->begin == NULL || tables->begin(shard));
    if (rc != RC_OK)
        LOG(LOG_ERROR, "shard %u could not start: %s", shard->id, rc_text(rc));
    if (!up)
        __atomic_fetch_add(&runtime->failed, 1, __ATOMIC_RELEASE);
    __atomic_fetch_add(&runtime->started, 1, __ATOMIC_RELEASE);
    while (up && !__atomic_load_n(&shard->stopping, __ATOMIC_ACQUIRE))
        shard_turn(shard, true);
    if (up)
        runtime->tables.stop(shard);
    shard_close(shard);
    return NULL;
}

enum rc runtime_start(struct runtime *runtime)
{
    CHECK_OBJ(runtime, RUNTIME_MAGIC);
    unsigned threads = 0;
    runtime->threaded = true;
    for (; threads < runtime->options.shards; threads++) {
        struct shard *shard = &runtime->shards[threads];
        if (pthread_create(&shard->thread, NULL, shard_main, shard) != 0)
            break;
    }
    if (threads < runtime->options.shards)
        __atomic_fetch_add(&runtime->failed, 1, __ATOMIC_RELEASE); /* nobody waits for the rest */
    while (__atomic_load_n(&runtime->started, __ATOMIC_ACQUIRE) < threads)
        usleep(200);
    if (threads == runtime->options.shards &&
        __atomic_load_n(&runtime->failed, __ATOMIC_ACQUIRE) == 0)
        return RC_OK;
    for (unsigned i = 0; i < threads; i++) {
        __atomic_store_n(&runtime->shards[i].stopping, 1, __ATOMIC_RELEASE);
        runtime_wake(runtime, (shard_id)i);
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(runtime->shards[i].thread, NULL);
    return RC_IO;
}

bool runtime_meet(struct runtime *runtime)
{
    CHECK_OBJ(runtime, RUNTIME_MAGIC);
    uint32_t shards = runtime->options.shards;
    uint32_t met = __atomic_add_fetch(&runtime->met, 1, __ATOMIC_ACQ_REL);
    /* Nobody comes to the next meeting before all have come to this one. */
    uint32_t wanted = (met + shards - 1) / shards * shards;
    while (runtime->threaded && met < wanted) {
        if (__atomic_load_n(&runtime->failed, __ATOMIC_ACQUIRE) > 0)
            return false;
        usleep(200);
        met = __atomic_load_n(&runtime->met, __ATOMIC_ACQUIRE);
    }
    return true;
}

void runtime_stop(struct runtime *runtime)
{
    CHECK_OBJ(runtime, RUNTIME_MAGIC);
    for (unsigned i = 0; i < runtime->options.shards; i++) {
        __atomic_store_n(&runtime->shards[i].stopping, 1, __ATOMIC_RELEASE);
        runtime_wake(runtime, (shard_id)i);
    }
    for (unsigned i = 0; i < runtime->options.shards; i++)
        pthread_join(runtime->shards[i].thread, NULL);
}
