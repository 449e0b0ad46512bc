/*
 * worker_thread.c -- see worker_thread.h.
 *
 * The thread blocks on the eventfd of its endpoint, as the ops thread does. Linux keeps scheduling
 * policies by thread. SCHED_IDLE is more than a high nice value: a thread of any other policy that
 * wakes takes the core at once, whereas beside one that is merely nicer it may wait for the end of
 * a slice, 4 ms.
 *
 * Raising a thread from SCHED_IDLE asks for the same right as raising its nice value does, so the
 * worker tries that first: from 19 to WORKER_NICE. If it may not, it stays at 19 and never idles,
 * because nobody could fetch it back. Another thread has to fetch it, since a worker without a core
 * cannot help itself; it goes back on its own, after a record that got most of the time it took.
 *
 * Threads: see worker_thread.h.
 */
#include "worker_thread.h"

#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"

#define WORKER_SLEEP_MS   1000
#define WORKER_NICE_LEAST 19

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

static void worker_set_policy(struct worker *worker, int tid, enum worker_policy policy)
{
    const struct sched_param param = {.sched_priority = 0};
    if (sched_setscheduler(tid, policy == WORKER_YIELDS ? SCHED_IDLE : SCHED_BATCH, &param) == 0)
        __atomic_store_n(&worker->policy, policy, __ATOMIC_RELAXED);
}

/* The policy with which it begins; see the head of the file. */
static void worker_settle(struct worker *worker)
{
    int tid = (int)syscall(SYS_gettid);
    bool may_return = setpriority(PRIO_PROCESS, (id_t)tid, WORKER_NICE_LEAST) == 0 &&
                      setpriority(PRIO_PROCESS, (id_t)tid, WORKER_NICE) == 0;
    worker_set_policy(worker, tid, may_return ? WORKER_YIELDS : WORKER_COMPETES);
    __atomic_store_n(&worker->tid, tid, __ATOMIC_RELEASE);
}

static void worker_on_mail(void *context, const struct mail *mail)
{
    struct worker *worker = context;
    uint64_t began_ns = clock_mono_ns();
    uint64_t began_cpu_ns = clock_cpu_ns(pthread_self());
    __atomic_fetch_add(&worker->done, 1, __ATOMIC_RELAXED);
    worker->fn(worker->port, mail);
    __atomic_fetch_add(&worker->done, 1, __ATOMIC_RELAXED);
    uint64_t took_ns = clock_mono_ns() - began_ns;
    uint64_t computed_ns = clock_cpu_ns(pthread_self()) - began_cpu_ns;
    if (__atomic_load_n(&worker->policy, __ATOMIC_RELAXED) == WORKER_HURRIES &&
        computed_ns > took_ns / 2)
        worker_set_policy(worker, 0, WORKER_YIELDS);
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    CHECK_OBJ(worker, WORKER_MAGIC);
    worker_settle(worker);
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

void worker_look(struct worker *worker, uint64_t now_ns)
{
    CHECK_OBJ(worker, WORKER_MAGIC);
    int tid = __atomic_load_n(&worker->tid, __ATOMIC_ACQUIRE);
    uint32_t done = __atomic_load_n(&worker->done, __ATOMIC_RELAXED);
    if (tid == 0 || (done & 1) == 0)
        return;
    uint64_t cpu_ns = clock_cpu_ns(worker->thread);
    if (done != worker->seen) {
        worker->seen = done;
        worker->seen_ns = now_ns;
        worker->seen_cpu_ns = cpu_ns;
        return;
    }
    uint64_t waited_ns = now_ns - worker->seen_ns;
    if (waited_ns >= WORKER_STARVED_MS * UINT64_C(1000000) &&
        cpu_ns - worker->seen_cpu_ns < waited_ns / 2 &&
        __atomic_load_n(&worker->policy, __ATOMIC_RELAXED) != WORKER_COMPETES)
        worker_set_policy(worker, tid, WORKER_HURRIES);
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
