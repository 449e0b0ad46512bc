/*
 * shard_stub.h -- a shard of which only the parts exist that the log uses: ring, timers, counters.
 *
 * The thread that makes it is the shard's. shard_stub_turn does what a turn does for the log:
 * completions, timers, wal_turn_end.
 */
#ifndef SLUICE_SHARD_STUB_H
#define SLUICE_SHARD_STUB_H

#include "clock.h"
#include "wal.h"

#include <stdlib.h>
#include <string.h>

struct shard_stub {
    struct shard shard;
    struct shard_tables tables;
};

static inline void shard_stub_open(struct shard_stub *stub)
{
    memset(stub, 0, sizeof(*stub));
    struct shard *shard = &stub->shard;
    shard->magic = SHARD_MAGIC;
    shard->now_ns = clock_mono_ns();
    shard->now_ms = shard->now_ns / 1000000;
    shard->stats = aligned_alloc(64, sizeof(struct stats));
    size_t latencies = SHARD_LATENCY_COUNT * sizeof(struct latency);
    shard->latencies = aligned_alloc(64, latencies);
    CHECK(shard->stats != NULL && shard->latencies != NULL);
    memset(shard->stats, 0, sizeof(struct stats));
    memset(shard->latencies, 0, latencies);
    timer_wheel_init(&shard->timers, shard, shard->now_ms);
    shard_become(shard);
    static const struct ring_buffers buffers = {8, 4096, 2, 4096};
    enum rc rc = ring_create(&shard->ring, &buffers);
    CHECK(rc == RC_OK);
    wal_tables_fill(&stub->tables);
}

static inline void shard_stub_close(struct shard_stub *stub)
{
    CHECK(stub->shard.wal == NULL);
    ring_destroy(stub->shard.ring);
    timer_wheel_fini(&stub->shard.timers);
    free(stub->shard.stats);
    free(stub->shard.latencies);
    shard_become(NULL);
}

static inline void shard_stub_turn(struct shard_stub *stub, uint64_t wait_ns)
{
    struct shard *shard = &stub->shard;
    struct completion completion;
    enum rc rc = ring_enter(shard->ring, wait_ns);
    CHECK(rc == RC_OK);
    shard->now_ns = clock_mono_ns();
    shard->now_ms = shard->now_ns / 1000000;
    while (ring_next(shard->ring, &completion))
        stub->tables.ops[op_token_kind(completion.token)](shard, &completion);
    timers_run(&shard->timers, shard->now_ms, 64);
    if (shard->wal != NULL)
        wal_turn_end(shard->wal);
}

#endif
