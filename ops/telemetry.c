/*
 * telemetry.c -- see telemetry.h.
 *
 * A scrape gathers pointers to what the shards write and hands them to metrics.c. The figures of
 * the allocator are refreshed at most once a second: that walks its arenas, under their locks.
 */
#include "telemetry.h"

#include "admin.h"
#include "clock.h"
#include "metrics.h"
#include "tls_listeners.h"
#include "version.h"

#include <stdio.h>

#define TELEMETRY_ALLOCATOR_MS 1000
#define TELEMETRY_EXPIRIES_MAX 256 /* files of certificates and revocation lists */

static const char *telemetry_not_ready(void *context)
{
    const struct broker *broker = context;
    if (broker->draining)
        return "stopping: clients are being told to go";
    return broker->started ? NULL : "starting: the shards are not up yet";
}

static const struct mem_figures *telemetry_allocator(struct broker *broker)
{
    uint64_t now_ms = clock_mono_ns() / 1000000;
    if (now_ms >= broker->allocator_next_ms) {
        broker->allocator_next_ms = now_ms + TELEMETRY_ALLOCATOR_MS;
        broker->allocator_tells = mem_figures_read(&broker->allocator);
    }
    return broker->allocator_tells ? &broker->allocator : NULL;
}

static void telemetry_write(void *context, struct exposition *out)
{
    struct broker *broker = context;
    const struct stats *stats[SHARDS_MAX];
    const struct latency *turns[SHARDS_MAX];
    const struct latency *deliveries[SHARDS_MAX];
    const struct latency *commits[SHARDS_MAX];
    CHECK(broker->net.shards <= SHARDS_MAX);
    for (unsigned i = 0; i < broker->net.shards; i++) {
        const struct shard *shard = &broker->runtime->shards[i];
        stats[i] = shard->stats;
        turns[i] = &shard->latencies[SHARD_LATENCY_TURN];
        deliveries[i] = &shard->latencies[SHARD_LATENCY_DELIVERY];
        commits[i] = &shard->latencies[SHARD_LATENCY_COMMIT];
    }
    static struct tls_expiry files[TELEMETRY_EXPIRIES_MAX]; /* too large for a stack */
    static struct metrics_expiry expiries[TELEMETRY_EXPIRIES_MAX];
    struct process_figures process;
    bool kernel_tells = process_figures_read(&process);
    struct metrics_sources sources = {
        .version = SLUICE_VERSION,
        .shard_stats = stats,
        .turn_times = turns,
        .delivery_times = deliveries,
        .commit_times = commits,
        .shards = broker->net.shards,
        .ops_stats = broker->stats,
        .mesh = broker->runtime->mesh,
        .log_lost = broker->log_lost,
        .retained_messages = retained_count(broker->route.retained),
        .retained_bytes = retained_bytes(broker->route.retained),
        .allocator = telemetry_allocator(broker),
        .process = kernel_tells ? &process : NULL,
        .bans = bans_count(broker),
        .builtin_users = userdb_count(&broker->userdb),
        .alarms = &broker->alarms,
        .overload_level = broker->net.overload,
        .reloads_applied = broker->reload.applied,
        .reloads_refused = broker->reload.refused,
        .reload_applied_at_s = broker->reload.applied_at_s,
        .expiries = expiries,
        .num_expiries = tls_listeners_expiries(broker, expiries, files, TELEMETRY_EXPIRIES_MAX),
        .is_ready = telemetry_not_ready(broker) == NULL,
    };
    authn_http_figures_read(&sources.authn_http);
    outside_figures(&broker->access.outside, &sources.helper);
    filter_index_figures(broker->route.filters, &sources.filters);
    metrics_write(out, &sources);
}

enum rc telemetry_open(struct broker *broker, char *out_reason, size_t reason_size)
{
    CHECK(broker->admin == NULL);
    const struct config_endpoint *endpoint = &broker->config->admin.listen;
    if (endpoint->is_off)
        return RC_OK;
    char address[LISTEN_URI_LEN_MAX + 1];
    char why[128];
    uint16_t port = 0;
    struct admin_hooks hooks = {
        .context = broker, .write = telemetry_write, .not_ready = telemetry_not_ready};
    listen_uri_format(&endpoint->uri, address);
    enum rc rc = admin_open(&broker->admin, &endpoint->uri, &hooks, &port, why, sizeof(why));
    if (rc == RC_OK) {
        LOG(LOG_INFO, "metrics and health at %s%s%.0u", address,
            endpoint->uri.port == 0 ? ", port " : "", endpoint->uri.port == 0 ? port : 0);
        return RC_OK;
    }
    if (rc == RC_EXISTS && endpoint->is_default) {
        LOG(LOG_WARNING, "no metrics: %s is in use; choose another with --admin, or --admin none",
            address);
        return RC_OK;
    }
    snprintf(out_reason, reason_size, "admin.listen: cannot listen at %s: %s", address, why);
    return rc;
}

void telemetry_run(struct broker *broker, uint64_t now_ms)
{
    if (broker->admin != NULL)
        admin_run(broker->admin, now_ms);
}

void telemetry_close(struct broker *broker)
{
    admin_close(broker->admin);
    broker->admin = NULL;
}

int telemetry_fd(const struct broker *broker)
{
    return broker->admin == NULL ? -1 : admin_fd(broker->admin);
}

int telemetry_timeout_ms(const struct broker *broker, int most_ms)
{
    return broker->admin == NULL ? most_ms : admin_timeout_ms(broker->admin, most_ms);
}
