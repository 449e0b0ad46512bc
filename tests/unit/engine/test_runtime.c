/*
 * test_runtime.c -- shards that start together (engine/shard.h): they meet as often as they want
 * to, and one that gives up stops all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "shard.h"

#define SHARDS 3
#define ROUNDS 200

static uint32_t arrived;   /* at all meetings together */
static uint32_t too_early; /* left a meeting before all had come */
static uint32_t refused;   /* were told that somebody had given up */
static uint32_t quitter;   /* the shard that gives up after half of the rounds; SHARDS: none */

static bool start(struct shard *shard)
{
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        if (shard->id == quitter && round == ROUNDS / 2)
            return false;
        __atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL);
        if (!runtime_meet(shard->runtime)) {
            __atomic_add_fetch(&refused, 1, __ATOMIC_ACQ_REL);
            return false;
        }
        if (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) < round * SHARDS)
            __atomic_add_fetch(&too_early, 1, __ATOMIC_ACQ_REL);
    }
    return true;
}

static void stop(struct shard *shard)
{
    (void)shard;
}

static void on_event(struct shard *shard, const struct completion *completion)
{
    (void)shard;
    (void)completion;
}

static enum rc run(uint32_t who_quits)
{
    static struct shard_tables tables;
    static const struct runtime_options options = {
        .shards = SHARDS, .helpers = 1, .recv_buffers = {8, 4096, 2, 4096}};
    struct runtime *runtime;
    arrived = too_early = refused = 0;
    quitter = who_quits;
    memset(&tables, 0, sizeof(tables));
    for (unsigned i = 0; i < OP_COUNT; i++)
        tables.ops[i] = on_event;
    tables.start = start;
    tables.stop = stop;
    assert_int_equal(runtime_create(&runtime, &options, &tables, NULL), RC_OK);
    enum rc rc = runtime_start(runtime);
    if (rc == RC_OK)
        runtime_stop(runtime);
    runtime_destroy(runtime);
    return rc;
}

static void shards_meet_again_and_again(void **state)
{
    (void)state;
    assert_int_equal(run(SHARDS), RC_OK);
    assert_int_equal(arrived, SHARDS * ROUNDS);
    assert_int_equal(too_early, 0);
}

static void nobody_waits_for_one_that_gave_up(void **state)
{
    (void)state;
    assert_int_equal(run(1), RC_IO);
    assert_int_equal(refused, SHARDS - 1);
    assert_int_equal(arrived, (ROUNDS / 2 - 1) * SHARDS + SHARDS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_meet_again_and_again),
        cmocka_unit_test(nobody_waits_for_one_that_gave_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
