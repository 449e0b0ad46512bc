/*
 * test_metrics.c -- every counter of the floors goes out exactly once, under a name that follows
 * the conventions, with the value that the shards have counted.
 */
#include "engine_stats.h"
#include "metrics.h"
#include "net_stats.h"
#include "packet_table.h"
#include "persist_stats.h"
#include "route_stats.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the table ---- */

struct seen {
    unsigned times[STAT_COUNT];
    enum stat_kind kinds[STAT_COUNT];
};

static void see(void *context, const struct metrics_row *row)
{
    struct seen *seen = context;
    assert_true(row->index < STAT_COUNT);
    seen->times[row->index]++;
    seen->kinds[row->index] = row->kind;
}

static void seen_once(const struct seen *seen, unsigned index, enum stat_kind kind,
                      const char *name)
{
    if (seen->times[index] != 1)
        fail_msg("%s goes out %u times", name, seen->times[index]);
    if (seen->kinds[index] != kind)
        fail_msg("%s is of the other kind", name);
}

#define SEEN_ONCE(id, kind, name, help) seen_once(&seen, id, STAT_##kind, #id);

static void every_counter_goes_out_once(void **state)
{
    (void)state;
    static struct seen seen;
    memset(&seen, 0, sizeof(seen));
    metrics_rows(see, &seen);
    ENGINE_STATS(SEEN_ONCE)
    PERSIST_STATS(SEEN_ONCE)
    ROUTE_STATS(SEEN_ONCE)
    NET_STATS(SEEN_ONCE)
    for (unsigned type = 1; type < PACKET_TYPE_COUNT; type++) {
        seen_once(&seen, STAT_PACKETS_IN + type, STAT_COUNTER, "a packet type in");
        seen_once(&seen, STAT_PACKETS_OUT + type, STAT_COUNTER, "a packet type out");
    }
    for (unsigned cause = 0; cause < CONN_CAUSE_COUNT; cause++)
        seen_once(&seen, STAT_CLOSED + cause, STAT_COUNTER, "a cause");
    /* And nothing else does: there is no packet type 0, and the ranges have room left. */
    unsigned expected = (STAT_ENGINE_END - STAT_ENGINE_FIRST) +
                        (STAT_PERSIST_END - STAT_PERSIST_FIRST) +
                        (STAT_ROUTE_END - STAT_ROUTE_FIRST) + (STAT_NET_END - STAT_NET_FIRST) - 2;
    unsigned rows = 0;
    for (unsigned i = 0; i < STAT_COUNT; i++)
        rows += seen.times[i];
    assert_int_equal(rows, expected);
}

/* ---- what is written ---- */

#define SHARDS 3

static struct stats blocks[SHARDS + 1];
static struct latency turn_times[SHARDS];
static struct latency delivery_times[SHARDS];
static struct exposition text;

static struct metrics_sources sources_of_three(void)
{
    static const struct stats *stats[SHARDS];
    static const struct latency *turns[SHARDS];
    static const struct latency *deliveries[SHARDS];
    for (unsigned i = 0; i < SHARDS; i++) {
        stats[i] = &blocks[i];
        turns[i] = &turn_times[i];
        deliveries[i] = &delivery_times[i];
    }
    return (struct metrics_sources){.version = "1.2.3",
                                    .shard_stats = stats,
                                    .turn_times = turns,
                                    .delivery_times = deliveries,
                                    .commit_times = turns,
                                    .shards = SHARDS,
                                    .ops_stats = &blocks[SHARDS]};
}

/* Writes and returns the text, terminated. */
static const char *written(enum exposition_format format, const struct metrics_sources *sources)
{
    static char copy[1 << 20];
    exposition_init(&text, format);
    metrics_write(&text, sources);
    assert_true(exposition_end(&text));
    assert_true(text.len < sizeof(copy));
    memcpy(copy, text.text, text.len);
    copy[text.len] = '\0';
    exposition_fini(&text);
    return copy;
}

static void has_line(const char *all, const char *line)
{
    size_t len = strlen(line);
    for (const char *at = all; (at = strstr(at, line)) != NULL; at++) {
        if ((at == all || at[-1] == '\n') && at[len] == '\n')
            return;
    }
    fail_msg("there is no line %s", line);
}

static int clear(void **state)
{
    (void)state;
    memset(blocks, 0, sizeof(blocks));
    memset(turn_times, 0, sizeof(turn_times));
    memset(delivery_times, 0, sizeof(delivery_times));
    return 0;
}

static void rings_of_mail_are_told_by_shard_and_class(void **state)
{
    (void)state;
    struct mesh *mesh = mesh_create(SHARDS + 1);
    struct mail_port *port = mail_port_create(mesh, SHARDS, &blocks[SHARDS]);
    assert_true(mesh != NULL && port != NULL);
    struct mail mail = {.kind = 1};
    for (unsigned i = 0; i < 21; i++)
        mail_send(port, 1, MAIL_CONTROL, &mail);
    struct metrics_sources sources = sources_of_three();
    sources.mesh = mesh;
    const char *all = written(EXPOSITION_OPENMETRICS, &sources);
    has_line(all, "sluice_mail_ring_records{shard=\"1\",class=\"control\"} 21");
    has_line(all, "sluice_mail_ring_records{shard=\"1\",class=\"data\"} 0");
    has_line(all, "sluice_mail_ring_records{shard=\"2\",class=\"control\"} 0");
    /* 63 fit. */
    assert_non_null(
        strstr(all, "sluice_mail_ring_fill_ratio{shard=\"1\",class=\"control\"} 0.333"));
    has_line(all, "# UNIT sluice_mail_ring_fill_ratio ratio");
    mail_port_destroy(port);
    mesh_destroy(mesh);
}

static void counters_of_all_threads_are_summed(void **state)
{
    (void)state;
    stat_add(&blocks[0], STAT_PUBLISH_IN_QOS1, 5);
    stat_add(&blocks[2], STAT_PUBLISH_IN_QOS1, 7);
    stat_add(&blocks[1], STAT_PACKETS_IN + PACKET_PUBLISH, 3);
    stat_add(&blocks[1], STAT_DELIVERED_QOS0, 20);
    stat_add(&blocks[2], STAT_DELIVERED_QOS2, 1);
    stat_add(&blocks[1], STAT_CLOSED + CAUSE_KEEP_ALIVE, 2);
    stat_add(&blocks[SHARDS], STAT_MAIL_SENT, 9);
    stat_add(&blocks[0], STAT_DROP_QUEUE_FULL, 4);
    stat_add(&blocks[0], STAT_LOG_LOST, 1);
    struct metrics_sources sources = sources_of_three();
    sources.log_lost = 10;
    const char *all = written(EXPOSITION_TEXT, &sources);
    has_line(all, "sluice_messages_received_total{qos=\"1\"} 12");
    has_line(all, "sluice_messages_received_total{qos=\"0\"} 0");
    has_line(all, "sluice_packets_received_total{type=\"publish\"} 3");
    has_line(all, "sluice_messages_sent_total{qos=\"2\"} 1");
    has_line(all, "sluice_packets_sent_total{type=\"publish\"} 21");
    has_line(all, "sluice_connections_closed_total{cause=\"keep_alive_timeout\"} 2");
    has_line(all, "sluice_mail_sent_total 9");
    has_line(all, "sluice_messages_dropped_total{reason=\"queue_full\"} 4");
    has_line(all, "sluice_log_lines_lost_total 11");
    has_line(all, "sluice_build_info{version=\"1.2.3\",compiler=\"" __VERSION__ "\"} 1");
    has_line(all, "sluice_shards 3");
    has_line(all, "sluice_ready 0");
}

static void gauges_may_wrap_in_a_block_but_not_in_the_sum(void **state)
{
    (void)state;
    stat_add(&blocks[0], STAT_CONNECTIONS, 5);
    stat_sub(&blocks[1], STAT_CONNECTIONS, 2);
    stat_sub(&blocks[1], STAT_SESSIONS, 1); /* the other block is read a moment later */
    struct metrics_sources sources = sources_of_three();
    const char *all = written(EXPOSITION_TEXT, &sources);
    has_line(all, "sluice_connections 3");
    has_line(all, "sluice_sessions 0");
}

static void what_waits_in_outputs_is_put_together_from_what_went_in(void **state)
{
    (void)state;
    stat_add(&blocks[0], STAT_PUBLISH_BYTES_OUT_QOS0, 100);
    stat_add(&blocks[1], STAT_PUBLISH_BYTES_OUT_QOS2, 50);
    stat_add(&blocks[1], STAT_PACKETS_OUT + PACKET_PUBACK, 3);
    stat_add(&blocks[2], STAT_PACKETS_OUT + PACKET_PUBCOMP, 1);
    stat_add(&blocks[0], STAT_OUTPUT_BYTES, 7);
    stat_sub(&blocks[0], STAT_OUTPUT_BYTES, 20);
    struct metrics_sources sources = sources_of_three();
    has_line(written(EXPOSITION_TEXT, &sources), "sluice_output_bytes 153");
}

static void loops_are_told_by_shard_and_in_seconds(void **state)
{
    (void)state;
    stat_add(&blocks[0], STAT_TURN_NS, 1500000000);
    stat_add(&blocks[2], STAT_TURN_NS, 1);
    stat_add(&blocks[2], STAT_TURNS, 42);
    struct metrics_sources sources = sources_of_three();
    const char *all = written(EXPOSITION_TEXT, &sources);
    has_line(all, "sluice_loop_busy_seconds_total{shard=\"0\"} 1.5");
    has_line(all, "sluice_loop_busy_seconds_total{shard=\"1\"} 0");
    has_line(all, "sluice_loop_busy_seconds_total{shard=\"2\"} 1e-09");
    has_line(all, "sluice_loop_turns_total{shard=\"2\"} 42");
}

static void histograms_are_cumulative_and_gathered(void **state)
{
    (void)state;
    latency_record(&delivery_times[0], 5000, 10);
    latency_record(&delivery_times[1], 300000, 3);
    latency_record(&delivery_times[2], UINT64_C(100000000000), 1);
    latency_record(&turn_times[1], 20000, 1);
    struct metrics_sources sources = sources_of_three();
    const char *all = written(EXPOSITION_TEXT, &sources);
    has_line(all, "sluice_publish_to_deliver_seconds_bucket{le=\"1e-05\"} 10");
    has_line(all, "sluice_publish_to_deliver_seconds_bucket{le=\"0.00025\"} 10");
    has_line(all, "sluice_publish_to_deliver_seconds_bucket{le=\"0.0005\"} 13");
    has_line(all, "sluice_publish_to_deliver_seconds_bucket{le=\"60.0\"} 13");
    has_line(all, "sluice_publish_to_deliver_seconds_bucket{le=\"+Inf\"} 14");
    has_line(all, "sluice_publish_to_deliver_seconds_count 14");
    has_line(all, "sluice_publish_to_deliver_seconds_sum 100.00095");
    has_line(all, "sluice_loop_turn_seconds_bucket{le=\"2.5e-05\"} 1");
    has_line(all, "sluice_loop_turn_seconds_count 1");
}

static void what_nobody_tells_is_left_out(void **state)
{
    (void)state;
    struct metrics_sources sources = sources_of_three();
    const char *all = written(EXPOSITION_TEXT, &sources);
    assert_null(strstr(all, "sluice_allocator"));
    assert_null(strstr(all, "process_"));
    struct mem_figures allocator = {.allocated_bytes = 11, .mapped_bytes = 14};
    struct process_figures process = {.resident_bytes = 21, .cpu_seconds = 0.5, .open_fds = 22};
    sources.allocator = &allocator;
    sources.process = &process;
    sources.retained_messages = 31;
    sources.filters.members = 32;
    sources.is_ready = true;
    all = written(EXPOSITION_TEXT, &sources);
    has_line(all, "sluice_allocator_allocated_bytes 11");
    has_line(all, "sluice_allocator_mapped_bytes 14");
    has_line(all, "process_resident_memory_bytes 21");
    has_line(all, "process_cpu_seconds_total 0.5");
    has_line(all, "process_open_fds 22");
    has_line(all, "sluice_retained_messages 31");
    has_line(all, "sluice_shared_members 32");
    has_line(all, "sluice_ready 1");
}

/* ---- conventions ---- */

static bool ends_in(const char *text_at, size_t len, const char *suffix)
{
    size_t suffix_len = strlen(suffix);
    return len > suffix_len && memcmp(text_at + len - suffix_len, suffix, suffix_len) == 0;
}

/* One `# TYPE name type` line of the text format. */
static void follows_conventions(const char *name, size_t len, const char *type)
{
    static const char *const units[] = {"_ns", "_us", "_ms", "_milliseconds", "_kb", "_mb", "_kib"};
    bool is_counter = strncmp(type, "counter", 7) == 0;
    bool ours = strncmp(name, "sluice_", 7) == 0 || strncmp(name, "process_", 8) == 0;
    if (!ours || ends_in(name, len, "_total") != is_counter)
        fail_msg("%.*s is not named by convention", (int)len, name);
    for (size_t i = 0; i < len; i++)
        assert_true(islower((unsigned char)name[i]) || name[i] == '_');
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        assert_false(ends_in(name, len, units[i]));
    static const char *const reserved[] = {"_count", "_sum", "_bucket", "_created"};
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
        assert_false(ends_in(name, len, reserved[i]));
}

static void names_and_helps_follow_the_conventions(void **state)
{
    (void)state;
    struct mem_figures allocator = {0};
    struct process_figures process = {0};
    struct metrics_sources sources = sources_of_three();
    sources.allocator = &allocator;
    sources.process = &process;
    const char *all = written(EXPOSITION_TEXT, &sources);
    unsigned families = 0;
    for (const char *at = all; (at = strstr(at, "# TYPE ")) != NULL; at++, families++) {
        const char *name = at + strlen("# TYPE ");
        size_t len = strcspn(name, " ");
        follows_conventions(name, len, name + len + 1);
        /* Opened once: no second family of the name. */
        char line[128];
        snprintf(line, sizeof(line), "# TYPE %.*s ", (int)len, name);
        assert_null(strstr(name, line));
    }
    assert_true(families > 60);
    for (const char *at = all; (at = strstr(at, "# HELP ")) != NULL; at++)
        assert_int_equal(strchr(at, '\n')[-1], '.');
}

static void units_are_in_the_names(void **state)
{
    (void)state;
    struct metrics_sources sources = sources_of_three();
    const char *all = written(EXPOSITION_OPENMETRICS, &sources);
    unsigned units = 0;
    for (const char *at = all; (at = strstr(at, "# UNIT ")) != NULL; at++, units++) {
        char name[96];
        char unit[32];
        assert_int_equal(sscanf(at, "# UNIT %95s %31s", name, unit), 2);
        assert_true(ends_in(name, strlen(name), unit));
    }
    assert_true(units > 5);
    assert_string_equal(all + strlen(all) - strlen("\n# EOF\n"), "\n# EOF\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_counter_goes_out_once),
        cmocka_unit_test_setup(rings_of_mail_are_told_by_shard_and_class, clear),
        cmocka_unit_test_setup(counters_of_all_threads_are_summed, clear),
        cmocka_unit_test_setup(gauges_may_wrap_in_a_block_but_not_in_the_sum, clear),
        cmocka_unit_test_setup(what_waits_in_outputs_is_put_together_from_what_went_in, clear),
        cmocka_unit_test_setup(loops_are_told_by_shard_and_in_seconds, clear),
        cmocka_unit_test_setup(histograms_are_cumulative_and_gathered, clear),
        cmocka_unit_test_setup(what_nobody_tells_is_left_out, clear),
        cmocka_unit_test_setup(names_and_helps_follow_the_conventions, clear),
        cmocka_unit_test_setup(units_are_in_the_names, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
