/*
 * worker_thread.c -- see worker_thread.h.
 *
 * The thread blocks on the eventfd of its endpoint, as the ops thread does. Linux keeps scheduling
 * policies by thread. SCHED_IDLE is more than a high nice value: a thread of any other policy that
 * wakes takes the core at once, whereas beside one that is merely nicer it may wait for the end of
 * a slice, 4 ms. That the policy may not be changed is no reason not to work.
 *
 * Threads: see worker_thread.h.
 */
#include "worker_thread.h"

#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKER_SLEEP_MS 1000

static void worker_on_mail(void *context, const struct mail *mail)
{
    struct worker *worker = context;
    worker->fn(worker->port, mail);
}

static void worker_wake(void *context, shard_id target)
{
    struct worker *worker = context;
    runtime_wake(worker->runtime, target);
}

static void worker_sleep(struct worker *worker)
{
    struct pollfd fd = {.fd = worker->runtime->event_fds[worker->endpoint], .events = POLLIN};
    bool sleeps = mail_sleep(worker->port);
    int ready = poll(&fd, 1, sleeps ? WORKER_SLEEP_MS : 0);
    mail_awake(worker->port);
    uint64_t value;
    if (ready > 0 && read(fd.fd, &value, sizeof(value)) < 0)
        return; /* somebody else's wake-up was read before */
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    CHECK_OBJ(worker, WORKER_MAGIC);
    const struct sched_param param = {.sched_priority = 0};
    sched_setscheduler(0, SCHED_IDLE, &param);
    while (!__atomic_load_n(&worker->stopping, __ATOMIC_ACQUIRE)) {
        bool more = mail_drain(worker->port, 1, worker_on_mail, worker);
        mail_flush(worker->port, worker_wake, worker);
        if (!more && !mail_has_overflow(worker->port))
            worker_sleep(worker);
    }
    return NULL;
}

enum rc worker_start(struct worker *worker, struct runtime *runtime, shard_id endpoint,
                     worker_fn fn)
{
    CHECK(endpoint < mesh_endpoints(runtime->mesh) && fn != NULL);
    memset(worker, 0, sizeof(*worker));
    worker->stats = aligned_alloc(64, sizeof(struct stats));
    if (worker->stats == NULL)
        return RC_NO_MEMORY;
    memset(worker->stats, 0, sizeof(struct stats));
    worker->port = mail_port_create(runtime->mesh, endpoint, worker->stats);
    worker->runtime = runtime;
    worker->endpoint = endpoint;
    worker->fn = fn;
    worker->magic = WORKER_MAGIC;
    enum rc rc = worker->port == NULL ? RC_NO_MEMORY : RC_OK;
    if (rc == RC_OK && pthread_create(&worker->thread, NULL, worker_main, worker) != 0)
        rc = RC_IO;
    if (rc != RC_OK) {
        mail_port_destroy(worker->port);
        free(worker->stats);
        worker->magic = 0;
    }
    return rc;
}

static void worker_drop(void *context, const struct mail *mail)
{
    const struct worker *worker = context;
    shard_drop_fn drop = worker->runtime->tables.drops[mail->kind];
    if (drop != NULL)
        drop(mail);
}

void worker_stop(struct worker *worker)
{
    CHECK_OBJ(worker, WORKER_MAGIC);
    __atomic_store_n(&worker->stopping, 1, __ATOMIC_RELEASE);
    runtime_wake(worker->runtime, worker->endpoint);
    pthread_join(worker->thread, NULL);
    mail_port_empty(worker->port, worker_drop, worker);
    mail_port_destroy(worker->port);
    free(worker->stats);
    worker->magic = 0;
}
