/*
 * sim_world.c -- see sim_world.h.
 */
#include "sim_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "clock.h"
#include "durability.h"
#include "listen.h"
#include "logger.h"
#include "quota.h"
#include "router.h"
#include "sim_audit.h"
#include "sim_base.h"
#include "sim_chaos.h"
#include "sim_client.h"
#include "sim_disk.h"
#include "sim_oracle.h"
#include "sim_power.h"
#include "sim_ring.h"
#include "store_reshard.h"
#include "timer.h"
#include "will.h"

#define SIM_SHARDS_MAX   4
#define SIM_CHAOS_MAX    4
#define SIM_CALM_STEPS   200000
#define SIM_MS_IN_NS     UINT64_C(1000000)
#define SIM_QUIET_CHECKS 3
/* Lingering ends after 2 s; the storm leaps up to 20 s in time, and may do so twice in a row. */
#define SIM_DRAIN_MS_MOST 60000
#define SIM_DATA_DIR      "d"
#define SIM_SEGMENT_BYTES (UINT64_C(32) * 1024)

struct sim_world {
    struct broker broker;
    struct config config;
    char text[2048]; /* of the configuration, but for the number of shards */
    bool durable;
    bool tiny;            /* small segments, many checkpoints */
    bool reshards;        /* lives differ in their number of shards */
    unsigned num_opened;  /* shards of the present life that have a ring, */
    unsigned num_started; /* and those that have started */
    unsigned shards;
    unsigned clients_num;
    unsigned chaos_num;
    bool asleep[SIM_SHARDS_MAX];
    uint64_t sleeps_until_ms[SIM_SHARDS_MAX];
    struct sim_client clients[SIM_CLIENTS_MAX];
    struct sim_chaos chaos[SIM_CHAOS_MAX];
};

static struct sim_world world;

/* ---- construction ---- */

static void sim_world_kernel(void)
{
    bool rough = sim_chance(700);
    sim_kernel = (struct sim_kernel){
        .progress = 100 + sim_below(900),
        .receive_most = sim_chance(300) ? 1 + sim_below(20) : 4096,
        .send_most = sim_chance(300) ? 1 + sim_below(20) : 65536,
        .receive_end = sim_below(200),
        .no_buffers = rough ? sim_below(100) : 0,
        .buffer_full = sim_below(300),
        .interrupt = rough ? sim_below(50) : 0,
        .send_error = rough ? sim_below(3) : 0,
        .accept_error = rough ? sim_below(100) : 0,
        .wake_error = rough ? sim_below(300) : 0,
    };
}

static void sim_world_calm_kernel(void)
{
    sim_kernel = (struct sim_kernel){.progress = 1000,
                                     .receive_most = 4096,
                                     .send_most = 65536,
                                     .receive_end = 100,
                                     .wake_error = 200};
}

static void sim_world_config(char *out, size_t size)
{
    static const char *const strategies[] = {"random",    "round_robin", "round_robin_per_group",
                                             "sticky",    "local",       "hash_clientid",
                                             "hash_topic"};
    sim_lossless = sim_chance(700);
    sim_scarce = !sim_lossless && !world.durable && sim_chance(500);
    sim_mixed_groups = sim_chance(500);
    char queue[80] = "max_mqueue_len: infinity, max_mqueue_bytes: infinity";
    if (!sim_lossless)
        snprintf(queue, sizeof(queue), "max_mqueue_len: %u, max_mqueue_bytes: 20KB",
                 1 + sim_below(20));
    char rates[80] = "";
    if (sim_chance(250))
        snprintf(rates, sizeof(rates),
                 ", messages_rate: %u/s, bytes_rate: %uKB/s, bytes_burst: 1KB",
                 50 + sim_below(2000), 2 + sim_below(200));
    char quota[40] = "infinity";
    if (sim_chance(500))
        snprintf(quota, sizeof(quota), "%uKB", sim_lossless ? 1000000 : 1 + sim_below(60));
    snprintf(out, size,
             "data_dir: %s\n"
             "durability: {mode: %s}\n"
             "listeners: [{bind: tcp://127.0.0.1:1883%s}]\n"
             "log: {level: debug}\n"
             "quotas: {queued_bytes: %s}\n"
             "mqtt: {max_inflight: %u, receive_maximum: %u, max_awaiting_rel: %u,\n"
             "  await_rel_timeout: infinity, session_expiry_interval: infinity, %s,\n"
             "  mqueue_store_qos0: %s, shared_subscription_strategy: %s,\n"
             "  connect_timeout: %us, max_topic_alias_out: %u, max_packet_size: 64KB}\n"
             "limits: {connection_output_bytes: %uKB, mail_overflow_bytes: 64KB,\n"
             "  send_timeout: %us}\n",
             world.durable ? SIM_DATA_DIR : "none", world.durable ? sim_power_mode() : "commit",
             rates, quota, 1 + sim_size(40), 1 + sim_size(40), SIM_WINDOW_MAX + sim_below(20),
             queue, sim_chance(500) ? "true" : "false", strategies[sim_below(7)], 1 + sim_below(10),
             sim_below(20), 4 + sim_size(60), 1 + sim_below(15));
}

static struct sim_file *sim_world_listener(void)
{
    const struct listener *listener = &world.broker.net.listeners[0];
    int fd = listener->fds[sim_below(world.shards)];
    return fd < 0 ? NULL : sim_fd_file(fd);
}

static struct shard *sim_shard(unsigned index)
{
    return &world.broker.runtime->shards[index];
}

/* From here on the thread is that shard. */
static void sim_shard_enter(unsigned index)
{
    SIM_CHECK(shard_self == NULL, "two shards at once");
    shard_become(sim_shard(index));
    log_attach(shard_self->log);
}

static void sim_shard_leave(void)
{
    shard_become(NULL);
    log_attach(NULL);
}

/* What is the same in all lives of the run. */
static void sim_world_choose(const struct sim_options *options)
{
    world.durable = options->durable;
    world.shards = 1 + sim_below(SIM_SHARDS_MAX);
    world.clients_num = 2 + sim_below(SIM_CLIENTS_MAX - 1);
    world.chaos_num = sim_chance(250) ? 0 : 1 + sim_below(SIM_CHAOS_MAX);
    sim_power_start(options->durable, options->steps);
    world.tiny = sim_chance(700);
    world.reshards = world.durable && sim_chance(300);
    sim_world_config(world.text, sizeof(world.text));
    SIM_TRACE("%s", world.text);
    for (unsigned i = 0; i < world.clients_num; i++)
        sim_client_init(&world.clients[i], i);
}

static void sim_world_down(void)
{
    for (unsigned i = 0; i < world.num_opened; i++) {
        sim_shard_enter(i);
        if (i < world.num_started)
            world.broker.runtime->tables.stop(sim_shard(i));
        shard_close(sim_shard(i));
    }
    if (world.num_opened > 0)
        broker_turn(&world.broker);
    broker_destroy(&world.broker);
    config_fini(&world.config);
    world.num_opened = world.num_started = 0;
    sim_client_listener = NULL;
    SIM_CHECK(sim_fd_count() == 0, "%u descriptors are still open", sim_fd_count());
    SIM_CHECK(sim_ring_count() == 0, "%u rings are left", sim_ring_count());
}

/* The logs are written anew if there were more or fewer before, each step by all shards. */
static bool sim_world_reshard(void)
{
    struct broker *broker = &world.broker;
    for (unsigned step = 0; broker->reshard != NULL && step < STORE_RESHARD_STEPS; step++) {
        for (unsigned i = 0; i < world.shards; i++) {
            sim_shard_enter(i);
            enum rc rc = store_reshard_step(sim_shard(i), broker->reshard, step);
            sim_shard_leave();
            SIM_CHECK(rc == RC_OK || sim_disk_is_dead(), "step %u of shard %u: %s", step, i,
                      rc_text(rc));
            if (rc != RC_OK)
                return false;
        }
    }
    durability_settle(broker, true);
    return true;
}

static bool sim_world_start(unsigned index)
{
    sim_shard_enter(index);
    bool started = world.broker.runtime->tables.start(sim_shard(index));
    if (sim_tracing)
        logger_drain(shard_self->log, false);
    sim_shard_leave();
    world.num_started += started ? 1 : 0;
    SIM_CHECK(started || sim_disk_is_dead(), "shard %u does not start", index);
    return started;
}

/* A life begins. False: the disk died before the broker was up. */
static bool sim_world_up(void)
{
    char reason[512];
    struct error_list errors;
    const struct config_sources none = {.file = NULL};
    char text[sizeof(world.text) + 40];
    error_list_init(&errors);
    snprintf(text, sizeof(text), "%sshards: {count: %u}\n", world.text, world.shards);
    enum rc rc = config_load_text(&world.config, "sim", text, strlen(text), &none, &errors);
    SIM_CHECK(rc == RC_OK, "%s", errors.texts[0]);
    log_level_set(LOG_WARNING);
    rc = broker_create(&world.broker, &world.config, reason, sizeof(reason));
    SIM_CHECK(rc == RC_OK || sim_disk_is_dead(), "%s", reason);
    if (rc != RC_OK)
        return false;
    log_level_set(LOG_DEBUG); /* formatted always, shown in a trace */
    world.broker.store.segment_bytes_first = SIM_SEGMENT_BYTES;
    world.broker.store.segment_bytes_max = world.tiny ? SIM_SEGMENT_BYTES : 8 * SIM_SEGMENT_BYTES;
    world.broker.store.checkpoint_bytes_min = world.tiny ? SIM_SEGMENT_BYTES : 0;
    memset(world.asleep, 0, sizeof(world.asleep));
    for (unsigned i = 0; i < world.shards; i++) {
        rc = shard_open(sim_shard(i));
        SIM_CHECK(rc == RC_OK, "shard %u does not open", i);
        world.num_opened++;
        sim_shard_leave();
    }
    if (!sim_world_reshard())
        return false;
    for (unsigned i = 0; i < world.shards; i++)
        if (!sim_world_start(i))
            return false;
    for (unsigned i = 0; i < world.shards; i++) {
        sim_shard_enter(i);
        SIM_CHECK(world.broker.runtime->tables.begin(sim_shard(i)), "shard %u does not begin", i);
        sim_shard_leave();
    }
    sim_client_listener = sim_world_listener;
    return true;
}

/* ---- time and turns ---- */

static bool sim_shard_can_turn(unsigned index)
{
    return !world.asleep[index] || sim_ring_has_work(sim_shard(index)->ring) ||
           world.sleeps_until_ms[index] <= clock_mono_ns() / SIM_MS_IN_NS;
}

/* What would be forgotten if the shard slept now. */
static void sim_shard_check_rest(const struct shard *shard)
{
    const struct net *net = shard->net;
    const struct router *router = shard->route;
    uint32_t cursor = 0;
    const struct conn *conn;
    SIM_CHECK(list_is_empty(&net->dirty), "shard %u sleeps and has output", shard->id);
    SIM_CHECK(list_is_empty(&net->paused), "shard %u sleeps and has input", shard->id);
    SIM_CHECK(list_is_empty(&net->starved), "shard %u sleeps and starves", shard->id);
    SIM_CHECK(list_is_empty(&router->wills.due) || !wills_can_run(router),
              "shard %u sleeps and has wills", shard->id);
    while ((conn = slot_table_next(&net->conns, &cursor)) != NULL) {
        if (conn->state == CONN_CLOSED)
            continue;
        SIM_CHECK(conn->output.bytes == 0 || conn->send_armed || conn->gates != NULL,
                  "shard %u goes to sleep with output of fd %d", shard->id, conn->fd);
        SIM_CHECK(conn->recv_armed || quota_waits(conn), "shard %u goes to sleep deaf to fd %d",
                  shard->id, conn->fd);
        const struct net_settings *settings = net->settings;
        SIM_CHECK(conn->output.bytes <=
                      2 * settings->output_bytes_max + settings->packet_size_max + 4096,
                  "shard %u has %llu bytes of output for fd %d", shard->id,
                  (unsigned long long)conn->output.bytes, conn->fd);
        const struct session *session = conn->session;
        SIM_CHECK(session == NULL || conn->starving || session->resend_count > 0 ||
                      session->load != NULL || (router->store != NULL && sim_ailing) ||
                      mqueue_count(&session->queue) == 0 || inflight_is_full(&session->inflight),
                  "shard %u goes to sleep with messages that fd %d has room for", shard->id,
                  conn->fd);
    }
}

/* As shard_wait_ns in engine/shard.c decides it, without the sleep itself. */
static bool sim_shard_sleeps(unsigned index)
{
    struct shard *shard = sim_shard(index);
    uint64_t next_ms = timers_next_ms(&shard->timers);
    if (shard->busy || next_ms <= clock_mono_ns() / SIM_MS_IN_NS ||
        mail_has_overflow(shard->port) || !mail_sleep(shard->port))
        return false;
    if (!sim_scarce)
        sim_shard_check_rest(shard);
    world.asleep[index] = true;
    world.sleeps_until_ms[index] = next_ms;
    return true;
}

static void sim_shard_turn(unsigned index)
{
    sim_shard_enter(index);
    struct shard *shard = sim_shard(index);
    if (world.asleep[index]) {
        mail_awake(shard->port);
        world.asleep[index] = false;
    } else if (sim_shard_sleeps(index)) {
        sim_shard_leave();
        return;
    }
    if (sim_scarce && !sim_calm && sim_chance(200))
        (void)mem_fail_after(sim_below(12));
    shard_turn(shard, false);
    (void)mem_fail_after(UINT64_MAX);
    if (sim_tracing)
        logger_drain(shard->log, false);
    SIM_CHECK(stat_read(shard->stats, STAT_DROP_LOG_READ) == 0,
              "shard %u: the body of a message cannot be read from the log", index);
    sim_shard_leave();
}

/* Every shard sleeps and nothing would wake one: then nothing may be left to do. */
static void sim_world_check_rest(void)
{
    bool throttles = false; /* a client over its rate waits for a timer */
    for (unsigned i = 0; i < world.shards; i++) {
        const struct net *net = sim_shard(i)->net;
        SIM_CHECK(!mail_has_news(sim_shard(i)->port), "shard %u sleeps and has mail", i);
        throttles |= !list_is_empty(&net->throttled);
    }
    for (unsigned i = 0; i < world.clients_num && !throttles; i++)
        SIM_CHECK(!sim_client_is_forgotten(&world.clients[i]), "client %u is not read from", i);
}

/* A random shard that has reason to turn; false if none has. */
static bool sim_world_turn(void)
{
    unsigned first = sim_below(world.shards);
    for (unsigned i = 0; i < world.shards; i++) {
        unsigned index = (first + i) % world.shards;
        if (!sim_shard_can_turn(index))
            continue;
        sim_shard_turn(index);
        return true;
    }
    sim_world_check_rest();
    return false;
}

static void sim_world_leap(void)
{
    uint64_t ms = sim_chance(700) ? sim_below(500) : sim_below(20000);
    SIM_TRACE("time leaps by %llu ms", (unsigned long long)ms);
    sim_clock_advance(ms * SIM_MS_IN_NS);
    for (unsigned i = 0; i < world.clients_num; i++)
        sim_client_doubt(&world.clients[i]);
}

static void sim_world_cut(void);

static void sim_world_storm_step(void)
{
    sim_step++;
    sim_clock_advance(sim_below(20000));
    uint32_t what = sim_below(1000);
    if (what < 400)
        sim_world_turn();
    else if (what < 850 || world.chaos_num == 0)
        sim_client_step(&world.clients[sim_below(world.clients_num)]);
    else
        sim_chaos_step(&world.chaos[sim_below(world.chaos_num)]);
    if (sim_chance(3))
        sim_world_leap();
    if (sim_chance(7))
        broker_turn(&world.broker);
    if (!sim_draining && sim_power_step())
        sim_world_cut();
}

/* ---- the end of the storm ---- */

static bool sim_world_is_settled(void)
{
    for (unsigned i = 0; i < world.shards; i++)
        if (sim_shard_can_turn(i))
            return false;
    for (unsigned i = 0; i < world.clients_num; i++)
        if (!sim_client_is_settled(&world.clients[i]))
            return false;
    return true;
}

static void sim_world_describe_log(const struct router *router)
{
    struct wal_figures figures;
    if (router->store == NULL)
        return;
    wal_figures_read(router->store->wal, &figures);
    printf("  log: error %d, %u segments, %llu bytes of them live, %llu pending, %llu since a "
           "checkpoint, which had %llu\n",
           figures.error, figures.segments, (unsigned long long)figures.live_bytes,
           (unsigned long long)figures.pending_bytes,
           (unsigned long long)wal_checkpoint_bytes(router->store->wal),
           (unsigned long long)router->store->checkpoint_bytes);
}

static void sim_world_standstill(void)
{
    for (unsigned i = 0; i < world.clients_num; i++)
        sim_client_describe(&world.clients[i]);
    for (unsigned i = 0; i < world.shards; i++) {
        const struct shard *shard = sim_shard(i);
        const struct net *net = shard->net;
        printf("shard %u: %s, mail %d, pressed %d, overflow %d, paused %d, starved %d\n", i,
               world.asleep[i] ? "asleep" : "awake", mail_has_news(shard->port),
               mail_pressed_any(shard->port), mail_has_overflow(shard->port),
               !list_is_empty(&net->paused), !list_is_empty(&net->starved));
        sim_world_describe_log(shard->route);
    }
    SIM_FAIL("the broker and its clients do not come to rest");
}

static void sim_world_calm(uint32_t storm_steps)
{
    sim_calm = true;
    sim_world_calm_kernel();
    for (unsigned i = 0; i < world.chaos_num; i++)
        sim_chaos_fini(&world.chaos[i]);
    unsigned quiet = 0;
    for (uint32_t step = 0; quiet < SIM_QUIET_CHECKS; step++) {
        /* The longer the storm was, the more has gathered. */
        if (step / 16 >= SIM_CALM_STEPS / 16 + storm_steps)
            sim_world_standstill();
        sim_step++;
        sim_clock_advance(sim_below(20000));
        bool turned = sim_world_turn();
        sim_client_step(&world.clients[step % world.clients_num]);
        if (step % 64 == 0)
            broker_turn(&world.broker);
        if (turned || !sim_world_is_settled()) {
            /* Nothing moves: what is left waits for a timer, lingering connections for instance. */
            if (!turned)
                sim_clock_advance(5 * SIM_MS_IN_NS);
            continue;
        }
        /* Delayed wills, expiries and lingering connections get their time. */
        quiet++;
        for (unsigned i = 0; i < 10; i++) {
            sim_clock_advance(1000 * SIM_MS_IN_NS);
            while (sim_world_turn())
                ;
            for (unsigned j = 0; j < world.clients_num; j++)
                sim_client_step(&world.clients[j]);
        }
    }
}

/* Each gauge must be back where the clients say it is. */
static void sim_world_check_gauges(void)
{
    uint64_t connections = 0;
    uint64_t connected = 0;
    uint64_t output = 0;
    uint64_t faults = 0;
    for (unsigned i = 0; i < world.shards; i++) {
        const struct stats *stats = sim_shard(i)->stats;
        connections += stat_read(stats, STAT_CONNECTIONS);
        connected += stat_read(stats, STAT_SESSIONS_CONNECTED);
        output += net_stats_output_bytes(stats);
        faults += stat_read(stats, STAT_CLOSED + CAUSE_MALFORMED);
        faults += stat_read(stats, STAT_CLOSED + CAUSE_PROTOCOL_ERROR);
    }
    SIM_CHECK(connections == world.clients_num && connected == world.clients_num,
              "%llu connections and %llu connected sessions of %u clients",
              (unsigned long long)connections, (unsigned long long)connected, world.clients_num);
    SIM_CHECK(output == 0, "%llu bytes of output, but everything was sent",
              (unsigned long long)output);
    SIM_CHECK(faults == 0 || world.chaos_num > 0 || sim_scarce,
              "a well-behaved client was found at fault");
}

/* From rest: everybody is told, and nothing is lost on the way. */
static void sim_world_drain(void)
{
    unsigned owed = 0;
    sim_goodbyes = 0;
    for (unsigned i = 0; i < world.clients_num; i++)
        owed += world.clients[i].version == MQTT_50 ? 1 : 0;
    sim_draining = true;
    broker_drain(&world.broker);
    for (uint32_t step = 0; !broker_turn(&world.broker); step++) {
        SIM_CHECK(step < SIM_CALM_STEPS, "the broker does not drain");
        sim_step++;
        if (!sim_world_turn())
            sim_clock_advance(5 * SIM_MS_IN_NS);
        sim_client_step(&world.clients[step % world.clients_num]);
    }
    for (unsigned i = 0; i < world.clients_num; i++)
        sim_client_step(&world.clients[i]);
    SIM_CHECK(sim_goodbyes == owed, "%u of %u clients were told that the broker stops",
              sim_goodbyes, owed);
}

/* In the middle of everything: it ends, whatever the clients do. */
static void sim_world_drain_storm(void)
{
    sim_draining = true;
    broker_drain(&world.broker);
    uint64_t began_ns = clock_mono_ns();
    while (!broker_turn(&world.broker)) {
        SIM_CHECK(clock_mono_ns() - began_ns < SIM_DRAIN_MS_MOST * SIM_MS_IN_NS,
                  "the broker has not drained after %u ms", SIM_DRAIN_MS_MOST);
        sim_world_storm_step();
        sim_clock_advance(sim_below(100000));
    }
}

/* ---- the ends of lives ---- */

/* The machine is gone: what was on its way to the clients may still arrive. */
static void sim_world_sever(void)
{
    for (unsigned i = 0; i < world.clients_num; i++)
        sim_client_sever(&world.clients[i]);
    for (unsigned i = 0; i < world.chaos_num; i++)
        if (world.chaos[i].socket != NULL)
            sim_socket_break(world.chaos[i].socket);
    sim_oracle_crashed();
}

/* One life ends, and the disk shows what is left of it. */
static void sim_world_end(enum sim_end end)
{
    SIM_TRACE("the life ends: %s, %s",
              end == SIM_END_STOP   ? "stop"
              : end == SIM_END_KILL ? "kill"
                                    : "power",
              sim_disk_is_dead() ? "within a write" : "between writes");
    if (end == SIM_END_STOP) {
        sim_world_drain_storm();
        sim_draining = false;
    }
    sim_world_sever();
    if (end != SIM_END_STOP) {
        sim_disk_die();
        sim_ring_tear();
    }
    sim_world_down();
    sim_disk_crash(end == SIM_END_KILL || (end == SIM_END_STOP && !sim_power_survives()));
}

static void sim_world_audit(void)
{
    for (unsigned i = 0; i < world.shards; i++) {
        sim_shard_enter(i);
        sim_audit(shard_self->route, world.clients, world.clients_num);
        sim_shard_leave();
    }
}

static void sim_world_cut(void)
{
    enum sim_end end = sim_power_end();
    do {
        sim_world_end(end);
        sim_clock_advance(sim_below(sim_chance(200) ? 20000 : 500) * SIM_MS_IN_NS);
        sim_power_plan();
        if (world.reshards && sim_chance(700))
            world.shards = 1 + sim_below(SIM_SHARDS_MAX);
        end = sim_power_end();
    } while (!sim_world_up());
    sim_world_audit();
}

static void sim_world_destroy(void)
{
    sim_world_down();
    for (unsigned i = 0; i < world.clients_num; i++)
        sim_client_fini(&world.clients[i]);
    for (unsigned i = 0; i < world.chaos_num; i++)
        sim_chaos_fini(&world.chaos[i]);
    if (world.durable) {
        sim_disk_crash(true);
        sim_disk_fini();
    }
}

void sim_world_run(uint64_t seed, const struct sim_options *options)
{
    sim_random_start(seed);
    sim_clock_start();
    sim_disk_start();
    sim_calm = sim_draining = false;
    memset(&world, 0, sizeof(world));
    sim_oracle_start();
    sim_world_choose(options);
    sim_world_kernel();
    sim_power_plan();
    if (!sim_world_up()) {
        sim_world_cut();
    }
    /* What takes many sessions to come and go shows only in long runs. */
    uint32_t steps = seed % 16 == 0 ? 8 * options->steps : options->steps;
    for (uint32_t i = 0; i < steps; i++)
        sim_world_storm_step();
    sim_power_calm();
    /* Some runs end in the middle of everything. */
    if (!sim_chance(150)) {
        sim_world_calm(steps);
        sim_world_check_gauges();
        sim_oracle_finish();
        sim_world_drain();
    } else if (sim_chance(500)) {
        sim_world_drain_storm();
    }
    sim_world_destroy();
    sim_oracle_stop();
}
