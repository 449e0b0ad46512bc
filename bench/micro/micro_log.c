/*
 * micro_log.c -- what it costs to put records into the log and to have them committed, by
 * durability and by how many records share a commit.
 *
 *   log_commit/B, log_os/B, log_interval/B    B records of LOG_RECORD_LEN bytes are appended, the
 *                                             commit is waited for, and then come the next B: the
 *                                             time is that of one record, p50_us and p99_us those
 *                                             of a commit from its first record to its end
 *
 * The log lies in a new directory of the working directory, whose disk is the one measured, and
 * which is removed afterwards. One commit is in flight at a time, as the broker has it; what is
 * left out is what a shard does meanwhile. Old segments are set free by checkpoints without
 * records.
 *
 * Threads: one, which is the log's shard.
 */
#include "micro.h"

#include "latency.h"
#include "shard_stub.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#define LOG_RECORD_LEN       200
#define LOG_INTERVAL_MS      100
#define LOG_CHECKPOINT_BYTES (128u * 1024 * 1024)
#define LOG_WAIT_NS          100000000

struct log_bench {
    struct shard_stub stub;
    struct wal *wal;
    uint64_t committed; /* lsn */
    uint64_t batch;     /* records a commit */
    uint64_t commits;
    struct latency latency;
    uint8_t record[LOG_RECORD_LEN];
    char path[32];
};

static void log_committed(void *context, uint64_t lsn)
{
    struct log_bench *bench = context;
    bench->committed = lsn;
}

static void *log_setup(int64_t batch, enum wal_mode mode)
{
    char reason[512];
    struct log_bench *bench = aligned_alloc(64, (sizeof(*bench) + 63) / 64 * 64);
    CHECK(bench != NULL && MICRO_BATCH % batch == 0);
    memset(bench, 0, sizeof(*bench));
    bench->batch = (uint64_t)batch;
    snprintf(bench->path, sizeof(bench->path), "sluice-micro-XXXXXX");
    CHECK(mkdtemp(bench->path) != NULL);
    shard_stub_open(&bench->stub);
    struct wal_options options = {.path = bench->path,
                                  .mode = mode,
                                  .interval_ms = LOG_INTERVAL_MS,
                                  .events = {.context = bench, .committed = log_committed}};
    CHECK(wal_open(&bench->wal, &bench->stub.shard, &options, NULL, reason, sizeof(reason)) ==
          RC_OK);
    return bench;
}

static void *log_setup_commit(int64_t batch)
{
    return log_setup(batch, WAL_COMMIT);
}

static void *log_setup_os(int64_t batch)
{
    return log_setup(batch, WAL_OS);
}

static void *log_setup_interval(int64_t batch)
{
    return log_setup(batch, WAL_INTERVAL);
}

/* The directory holds the log's files and nothing else. */
static void log_remove(const char *path)
{
    DIR *dir = opendir(path);
    CHECK(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] != '.')
            CHECK(unlinkat(dirfd(dir), entry->d_name, 0) == 0);
    }
    closedir(dir);
    CHECK(rmdir(path) == 0);
}

static void log_teardown(void *context)
{
    struct log_bench *bench = context;
    shard_become(&bench->stub.shard);
    wal_close(bench->wal);
    shard_stub_close(&bench->stub);
    log_remove(bench->path);
    free(bench);
}

static void log_append(void *context, uint64_t num)
{
    struct log_bench *bench = context;
    const struct bytes body = bytes_of(bench->record, sizeof(bench->record));
    struct wal_loc loc;
    uint64_t lsn = 0;
    /* Logs of other cases are there, too. */
    shard_become(&bench->stub.shard);
    for (uint64_t done = 0; done < num; done += bench->batch) {
        uint64_t begun_ns = clock_mono_ns();
        for (uint64_t i = 0; i < bench->batch; i++)
            CHECK(wal_append(bench->wal, 1, &body, 1, &lsn, &loc) == RC_OK);
        wal_turn_end(bench->wal);
        while (bench->committed < lsn)
            shard_stub_turn(&bench->stub, LOG_WAIT_NS);
        latency_record(&bench->latency, clock_mono_ns() - begun_ns, 1);
        bench->commits++;
        if (wal_checkpoint_bytes(bench->wal) < LOG_CHECKPOINT_BYTES ||
            wal_checkpoint_is_coming(bench->wal))
            continue;
        wal_checkpoint_begin(bench->wal);
        wal_checkpoint_end(bench->wal);
    }
}

/* In us; what is told is the end of a bucket, up to 3 % more. */
static double log_quantile_us(const struct log_bench *bench, double fraction)
{
    uint64_t below = 0;
    for (uint32_t i = 0; i < LATENCY_BUCKETS - 1; i++) {
        below += bench->latency.buckets[i];
        if ((double)below >= fraction * (double)bench->commits)
            return (double)latency_bucket_end_ns(i) / 1e3;
    }
    return (double)latency_bucket_end_ns(LATENCY_BUCKETS - 2) / 1e3;
}

static double log_figure(const void *context, unsigned number)
{
    return log_quantile_us(context, number == 0 ? 0.5 : 0.99);
}

#define LOG_CASE(case_name, function)                                                              \
    {                                                                                              \
        .name = case_name, .setup = function, .run = log_append, .teardown = log_teardown,         \
        .arguments = {1, 16, 64, 256}, .num_arguments = 4, .waits = 1,                             \
        .figures = {"p50_us", "p99_us"}, .figure = log_figure                                      \
    }

static const struct micro_case log_cases[] = {
    LOG_CASE("log_commit", log_setup_commit),
    LOG_CASE("log_os", log_setup_os),
    LOG_CASE("log_interval", log_setup_interval),
};

const struct micro_suite micro_log = {log_cases, ARRAY_LEN(log_cases)};
