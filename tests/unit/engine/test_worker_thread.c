/*
 * test_worker_thread.c -- workers take what is left of the cores, and are not starved of it
 * (engine/worker_thread.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sched.h>
#include <string.h>

#include "clock.h"
#include "worker_thread.h"

#define OPS      1
#define WORKER   2
#define PATIENCE UINT64_C(30000000000) /* ns until a test gives up */

static struct runtime *runtime;
static struct mail_port *port;
static struct stats *stats;
static uint32_t began;
static uint32_t ended;
static uint32_t hold;

static void work(struct mail_port *from, const struct mail *mail)
{
    (void)from;
    (void)mail;
    __atomic_add_fetch(&began, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&hold, __ATOMIC_ACQUIRE) != 0)
        ;
    __atomic_add_fetch(&ended, 1, __ATOMIC_ACQ_REL);
}

static void wake(void *context, shard_id target)
{
    (void)context;
    runtime_wake(runtime, target);
}

static void give(void)
{
    struct mail mail = {.kind = 0};
    mail_send(port, WORKER, MAIL_DATA, &mail);
    mail_flush(port, wake, NULL);
}

static uint32_t value(const uint32_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static int set_up(void **state)
{
    (void)state;
    static struct shard_tables tables;
    static const struct runtime_options options = {
        .shards = 1, .helpers = 2, .recv_buffers = {8, 4096, 2, 4096}};
    began = ended = hold = 0;
    assert_int_equal(runtime_create(&runtime, &options, &tables, NULL), RC_OK);
    stats = aligned_alloc(64, sizeof(*stats));
    assert_non_null(stats);
    memset(stats, 0, sizeof(*stats));
    port = mail_port_create(runtime->mesh, OPS, stats);
    assert_non_null(port);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mail_port_destroy(port);
    runtime_destroy(runtime);
    free(stats);
    return 0;
}

static void records_are_handled_one_after_the_other(void **state)
{
    (void)state;
    struct worker worker;
    assert_int_equal(worker_start(&worker, runtime, WORKER, work), RC_OK);
    for (unsigned i = 0; i < 100; i++)
        give();
    uint64_t until_ns = clock_mono_ns() + PATIENCE;
    while (value(&ended) < 100 && clock_mono_ns() < until_ns)
        sched_yield();
    assert_int_equal(value(&ended), 100);
    worker_stop(&worker);
}

/* Beside a thread that never lets go of the only core. */
static void a_starved_worker_competes_until_there_is_room_again(void **state)
{
    (void)state;
    cpu_set_t all;
    cpu_set_t one;
    struct worker worker;
    assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
    unsigned cpu = 0;
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(worker_start(&worker, runtime, WORKER, work), RC_OK);
    uint64_t until_ns = clock_mono_ns() + PATIENCE;
    while (__atomic_load_n(&worker.tid, __ATOMIC_ACQUIRE) == 0 && clock_mono_ns() < until_ns)
        sched_yield();
    uint32_t begins_as = value(&worker.policy);
    if (begins_as == WORKER_YIELDS) {
        __atomic_store_n(&hold, 1, __ATOMIC_RELEASE);
        give();
        while (value(&worker.policy) == WORKER_YIELDS && clock_mono_ns() < until_ns)
            worker_look(&worker, clock_mono_ns());
        assert_int_equal(value(&worker.policy), WORKER_HURRIES);
        __atomic_store_n(&hold, 0, __ATOMIC_RELEASE);
    }
    assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
    worker_stop(&worker);
}

static void a_worker_without_work_is_let_alone(void **state)
{
    (void)state;
    struct worker worker;
    assert_int_equal(worker_start(&worker, runtime, WORKER, work), RC_OK);
    uint64_t now_ns = clock_mono_ns();
    worker_look(&worker, now_ns);
    worker_look(&worker, now_ns + WORKER_STARVED_MS * UINT64_C(2000000));
    assert_int_not_equal(value(&worker.policy), WORKER_HURRIES);
    worker_stop(&worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_are_handled_one_after_the_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_starved_worker_competes_until_there_is_room_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_worker_without_work_is_let_alone, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
