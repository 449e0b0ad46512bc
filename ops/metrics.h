/*
 * metrics.h -- what the broker tells about itself at /metrics.
 *
 * One table says for each counter of the three floors under which name and label it goes out; what
 * is not a counter (retained messages, filters, allocator, process) is read where it lies. A scrape
 * reads relaxed and asks no shard for anything, so that it costs the shards nothing but cache
 * misses; figures of one scrape may be a little apart from each other.
 *
 * Names follow Prometheus' conventions: prefix sluice_, base units, `_total` for counters, a label
 * where one thing has kinds. What the operating system knows of the process has the names that all
 * of Prometheus' client libraries use (process_*).
 *
 * Threads: the ops thread.
 */
#ifndef SLUICE_METRICS_H
#define SLUICE_METRICS_H

#include "alarms.h"
#include "authn_http.h"
#include "exposition.h"
#include "filter_index.h"
#include "latency.h"
#include "mail.h"
#include "mem.h"
#include "process_figures.h"
#include "stat.h"

/* A certificate or a revocation list in use, a value; texts are borrowed. */
struct metrics_expiry {
    const char *listener;
    const char *file;
    int64_t at_s; /* since 1970 */
};

/* Where the figures come from, a value; what it points to is borrowed for the call. */
struct metrics_sources {
    const char *version;
    const struct stats *const *shard_stats; /* one per shard, as the next three */
    const struct latency *const *turn_times;
    const struct latency *const *delivery_times;
    const struct latency *const *commit_times;
    unsigned shards;
    const struct stats *ops_stats; /* NULL: none */
    const struct mesh *mesh;       /* NULL: there are no rings to look at */
    uint64_t log_lost;             /* lines lost beside those that the blocks have counted */
    struct filter_index_figures filters;
    uint64_t retained_messages;
    uint64_t retained_bytes;
    const struct mem_figures *allocator;   /* NULL: the allocator does not tell */
    const struct process_figures *process; /* NULL: the kernel does not tell */
    uint64_t reloads_applied;
    uint64_t reloads_refused;
    uint64_t reload_applied_at_s; /* since 1970 */
    const struct metrics_expiry *expiries;
    uint32_t num_expiries;
    uint64_t bans;
    uint64_t builtin_users;
    struct authn_http_figures authn_http;
    struct connector_figures helper;
    const struct alarms *alarms; /* NULL: none was ever raised */
    uint64_t overload_level;
    bool is_ready;
};

/* One counter or gauge of the floors and where it goes, a value. */
struct metrics_row {
    const char *family;
    unsigned index; /* of the block of counters */
    enum stat_kind kind;
    const char *label; /* NULL: none */
    const char *value; /* of the label */
};

/* Writes all families but not the end. */
void metrics_write(struct exposition *out, const struct metrics_sources *sources);

/* Calls `visit` once for each counter that metrics_write sums, in the order of the table. */
void metrics_rows(void (*visit)(void *context, const struct metrics_row *row), void *context);

#endif
