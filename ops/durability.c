/*
 * durability.c -- see durability.h.
 * Threads: see durability.h.
 */
#include "durability.h"

#include <stdio.h>

#include "manifest.h"
#include "route_stats.h"
#include "store_reshard.h"

static enum wal_mode durability_mode(const struct config *config)
{
    switch (config->durability.mode) {
    case CONFIG_DURABILITY_OS:
        return WAL_OS;
    case CONFIG_DURABILITY_INTERVAL:
        return WAL_INTERVAL;
    default:
        return WAL_COMMIT;
    }
}

enum rc durability_prepare(struct broker *broker, unsigned shards, char *out_reason,
                           size_t reason_size)
{
    const struct config_durability *config = &broker->config->durability;
    struct store_config *store = &broker->store;
    if (broker->dir.path[0] == '\0')
        return RC_OK;
    *store = (struct store_config){.mode = durability_mode(broker->config),
                                   .interval_ms = (uint32_t)config->interval_ms,
                                   .skip_damaged = config->recovery ==
                                                   CONFIG_RECOVERY_SKIP_DAMAGED};
    if (config->max_disk_bytes != CONFIG_INFINITY_64)
        store->disk_bytes_max = config->max_disk_bytes;
    STATIC_CHECK(sizeof(store->log_dir) >= sizeof(broker->dir.path) + 8, "the path and /log");
    snprintf(store->log_dir, sizeof(store->log_dir), "%s/log", broker->dir.path);
    struct manifest manifest;
    enum rc rc = manifest_load(store->log_dir, &manifest, out_reason, reason_size);
    if (rc == RC_NOT_FOUND) {
        manifest = (struct manifest){.generation = 1, .shards = shards};
        rc = manifest_store(store->log_dir, &manifest, out_reason, reason_size);
    }
    if (rc != RC_OK)
        return rc;
    store->generation = manifest.generation;
    store->shards_before = manifest.shards;
    broker->route.store = store;
    rc = manifest_sweep(store->log_dir, manifest.generation, out_reason, reason_size);
    if (rc != RC_OK || manifest.shards == shards)
        return rc;
    broker->reshard = store_reshard_create(store, shards, &broker->route.home_key);
    if (broker->reshard != NULL)
        return RC_OK;
    snprintf(out_reason, reason_size, "%s", rc_text(RC_NO_MEMORY));
    return RC_NO_MEMORY;
}

void durability_settle(struct broker *broker, bool started)
{
    if (broker->reshard == NULL)
        return;
    if (!started)
        store_reshard_undo(broker->reshard);
    store_reshard_destroy(broker->reshard);
    broker->reshard = NULL;
}

void durability_turn(struct broker *broker)
{
    if (broker->route.store == NULL || !broker->started)
        return;
    uint64_t refusing = 0;
    for (unsigned i = 0; i < broker->net.shards; i++)
        refusing += stat_read(broker->runtime->shards[i].stats, STAT_LOG_REFUSING);
    char why[64];
    snprintf(why, sizeof(why), "%llu of %u logs", (unsigned long long)refusing, broker->net.shards);
    alarms_set(&broker->alarms, ALARM_LOG_FAILING, refusing > 0, why);
}
