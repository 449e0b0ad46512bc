/*
 * counters.c -- the counters of all floors by name, summed over the shards, written to the log.
 *
 * Operators ask for it with SIGUSR1: one line for each counter that is not zero.
 *
 * Threads: the ops thread; the shards' blocks are read relaxed.
 */
#include "broker.h"
#include "engine_stats.h"
#include "packet.h"
#include "persist_stats.h"

struct counter_row {
    unsigned index;
    enum stat_kind kind;
    const char *name;
};

#define COUNTER_ROW(id, kind, name, help) {id, STAT_##kind, name},

static const struct counter_row counter_rows[] = {ENGINE_STATS(COUNTER_ROW) PERSIST_STATS(
    COUNTER_ROW) ROUTE_STATS(COUNTER_ROW) NET_STATS(COUNTER_ROW)};

static uint64_t counter_sum(const struct broker *broker, unsigned index)
{
    uint64_t sum = net_stats_read(broker->stats, index);
    for (unsigned i = 0; i < broker->net.shards; i++)
        sum += net_stats_read(broker->runtime->shards[i].stats, index);
    return sum;
}

static void counter_log(const struct broker *broker, unsigned index, const char *prefix,
                        const char *name)
{
    uint64_t sum = counter_sum(broker, index);
    if (sum != 0)
        LOG(LOG_INFO, "counter %s%s %llu", prefix, name, (unsigned long long)sum);
}

void broker_log_counters(struct broker *broker)
{
    for (size_t i = 0; i < ARRAY_LEN(counter_rows); i++)
        counter_log(broker, counter_rows[i].index, "", counter_rows[i].name);
    for (unsigned type = 1; type < 16; type++) {
        counter_log(broker, STAT_PACKETS_IN + type, "packets_received_",
                    packet_text((enum packet_type)type));
        counter_log(broker, STAT_PACKETS_OUT + type, "packets_sent_",
                    packet_text((enum packet_type)type));
    }
    for (unsigned cause = 0; cause < CONN_CAUSE_COUNT; cause++)
        counter_log(broker, STAT_CLOSED + cause, "connections_closed_",
                    conn_cause_name((enum conn_cause)cause));
    if (broker->log_lost > 0)
        LOG(LOG_INFO, "counter log_lost %llu", (unsigned long long)broker->log_lost);
}
