/*
 * sim_store.c -- the records of the store against a twin that knows only what they mean, on a false
 * disk that dies at any write.
 *
 *   sim_store [seed [count]]
 *
 * A run is a few lives of one to three logs of a data directory. In each, random operations write
 * the records that route would write for them (route/store_record.h), all kinds of them: sessions,
 * subscriptions, deliveries through queue and window, QoS 2 of both sides, wills, retained
 * messages, rows, handovers; and meanwhile checkpoints in slices, as store_checkpoint.c makes them,
 * and messages that are copied forward. Then the disk dies within a write, or all ends between two,
 * and the image of what is left must be the twin (sim_twin.h) of the last record that is there:
 * at least the last one that was committed. Now and then the data moves to another number of logs
 * (route/store_rewrite.h), which may be interrupted, too.
 *
 * At the end of many runs every kind of the table must have been written, and read back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "manifest.h"
#include "sim_base.h"
#include "sim_disk.h"
#include "sim_ring.h"
#include "sim_seeds.h"
#include "sim_store.h"
#include "store_rewrite.h"

#define STORE_DIR       "d/log"
#define STORE_COUNT     200
#define STORE_LIVES_MAX 5
#define STORE_STEPS_MAX 400

static const struct image_clock moment = {.wall_ms = TWIN_WALL_MS, .mono_ms = TWIN_MONO_MS};
static uint32_t generation;
static enum wal_mode mode;
static bool had_power_cut;
static uint64_t read_back[STORE_TYPE_END];

/* ---- logs ---- */

static void path_of(char *out, size_t size, uint32_t of, unsigned number)
{
    snprintf(out, size, "%s/%u/%u", STORE_DIR, of, number);
}

static void on_committed(void *context, uint64_t lsn)
{
    ((struct log *)context)->committed = lsn;
}

static void on_event(void *context)
{
    (void)context;
}

static void on_failed(void *context, int error)
{
    (void)context;
    (void)error;
}

static enum rc on_record(void *context, const struct wal_record *record)
{
    struct log *log = context;
    enum rc rc = image_apply(log->image, record->type, record->body, record->loc.word);
    SIM_CHECK(rc == RC_OK, "record %llu: %s", (unsigned long long)record->lsn, rc_text(rc));
    read_back[record->type]++;
    return RC_OK;
}

/* Reads a log; the lsn of its last record. */
static uint64_t log_replay(struct log *log, uint32_t of, unsigned number)
{
    char path[64];
    char reason[512];
    struct wal_image_figures figures = {0};
    path_of(path, sizeof(path), of, number);
    struct wal_replay_options options = {.path = path, .context = log, .record = on_record};
    log->image = image_create(&twin_key, moment);
    SIM_CHECK(log->image != NULL, "out of memory");
    enum rc rc = wal_replay(&options, &log->found, reason, sizeof(reason));
    SIM_CHECK(rc == RC_OK || rc == RC_NOT_FOUND, "log %u: %s", number, reason);
    rc = image_finish(log->image);
    SIM_CHECK(rc == RC_OK, "%s", rc_text(rc));
    if (log->found != NULL)
        wal_image_figures_read(log->found, &figures);
    struct image_figures counted;
    image_figures_read(log->image, &counted);
    SIM_CHECK(counted.anomalies == 0, "log %u: records that make no sense", number);
    log->number_next = counted.number_last + 1;
    return figures.lsn_last;
}

static void log_forget(struct log *log)
{
    wal_image_destroy(log->found);
    image_destroy(log->image);
    log->found = NULL;
    log->image = NULL;
}

static bool log_open(struct log *log, uint32_t of, unsigned number)
{
    char path[64];
    char reason[512];
    path_of(path, sizeof(path), of, number);
    struct wal_options options = {
        .path = path,
        .mode = mode,
        .interval_ms = 20,
        .segment_bytes_first = 16384,
        .segment_bytes_max = 32768,
        .events = {
            .context = log, .committed = on_committed, .failed = on_failed, .recovered = on_event}};
    shard_stub_open(&log->stub);
    log->stub.shard.id = 0;
    enum rc rc = wal_open(&log->wal, &log->stub.shard, &options, log->found, reason,
                          sizeof(reason));
    if (rc == RC_OK)
        return true;
    SIM_CHECK(sim_disk_is_dead(), "%s", reason);
    shard_stub_close(&log->stub);
    log->wal = NULL;
    return false;
}

static void log_close(struct log *log)
{
    shard_become(&log->stub.shard);
    if (log->wal != NULL) {
        wal_close(log->wal);
        shard_stub_close(&log->stub);
    }
    log->wal = NULL;
}

/* Every delivery keeps its message, as at the start of a shard. */
static void log_refer(struct log *log)
{
    for (unsigned client = 0; client < TWIN_CLIENTS; client++) {
        const struct twin_session *session = &log->now.sessions[client];
        for (unsigned i = 0; i < session->queue_count + session->window_count; i++) {
            const struct twin_entry *entry = i < session->queue_count
                                                 ? &session->queue[i]
                                                 : &session->window[i - session->queue_count];
            if (entry->state != STORE_WAIT_PUBCOMP)
                SIM_CHECK(wal_ref(log->wal, (struct wal_loc){entry->location}, entry->bytes),
                          "delivery %llu has no place", (unsigned long long)entry->number);
        }
    }
}

/* ---- after a life ---- */

static void states_drop(struct log *log)
{
    for (unsigned i = 0; i < log->states_num; i++)
        free(log->states[i].twin);
    log->states_num = 0;
}

/* The twin of the last record that is there becomes the present. */
static void log_check(struct log *log, unsigned number)
{
    uint64_t last = log_replay(log, generation, number);
    bool is_sure = mode == WAL_COMMIT || !had_power_cut;
    SIM_CHECK(!is_sure || last >= log->committed, "log %u: committed %llu, there %llu", number,
              (unsigned long long)log->committed, (unsigned long long)last);
    unsigned i = log->states_num;
    while (i > 0 && log->states[i - 1].lsn > last)
        i--;
    /* Records of which no twin was kept are not whole operations. */
    SIM_CHECK(i > 0, "log %u: nothing was like this", number);
    log->now = *log->states[i - 1].twin;
    SIM_TRACE("log %u: %llu of %llu records", number, (unsigned long long)last,
              (unsigned long long)log->states[log->states_num - 1].lsn);
    twin_compare(&log->now, (struct twin_place){number, store_logs_num}, log->image, log->found);
    states_drop(log);
}

/* ---- another number of logs ---- */

static void move_session(struct twin *from, struct twin *to, unsigned client, unsigned old,
                         struct log *new, uint64_t alive_ms)
{
    struct twin_session *session = &to->sessions[client];
    *session = from->sessions[client];
    struct image_session *found = image_session_first(new->image);
    while (found != NULL &&
           !bytes_equal(bytes_of(found->id, found->id_len), twin_client_id(client)))
        found = image_session_next(new->image, found);
    SIM_CHECK(found != NULL, "client %u: its session is gone", client);
    if (session->wall_ms == 0)
        session->wall_ms = alive_ms;
    /* What another log had taken over is only there. */
    for (unsigned i = 0; i < session->queue_count;) {
        bool is_taken = false;
        for (unsigned l = 0; l < store_logs_num; l++)
            for (unsigned t = 0; t < TWIN_TAKEN; t++) {
                const struct twin_taken *taken = &store_logs[l].now.taken[t];
                is_taken |= taken->session == session->number && taken->home == old &&
                            taken->entry == session->queue[i].number &&
                            session->queue[i].filter != 0;
            }
        if (!is_taken) {
            i++;
            continue;
        }
        session->queue_count--;
        memmove(&session->queue[i], &session->queue[i + 1],
                (session->queue_count - i) * sizeof(session->queue[0]));
    }
    session->number = found->number;
}

/* Wills go with their sessions; their numbers are found by their messages. */
static enum rc on_moved_will(void *context, struct image_will *got)
{
    struct twin *to = context;
    for (unsigned l = 0; l < store_logs_num; l++)
        for (unsigned i = 0; i < TWIN_WILLS; i++) {
            const struct twin_will *will = &store_logs[l].now.wills[i];
            if (will->number == 0 ||
                !bytes_equal(got->msg->pub.payload, twin_message(will->message).payload))
                continue;
            unsigned slot = 0;
            while (to->wills[slot].number != 0)
                SIM_CHECK(++slot < TWIN_WILLS, "too many wills");
            to->wills[slot] = *will;
            to->wills[slot].number = got->number;
            to->wills[slot].session = got->session;
            return RC_OK;
        }
    SIM_FAIL("will %llu comes from nowhere", (unsigned long long)got->number);
}

static enum rc on_moved_seen(void *context, struct image_seen *got)
{
    struct twin_seen *seen = context;
    seen->rows |= got->session == seen->number && got->packet_id == seen->clients;
    return RC_OK;
}

/* What publishers' messages were seen, and whether the new log says so with rows. */
static void move_seen(struct twin *to, struct twin_place place, struct log *new,
                      const struct log *news)
{
    for (unsigned publisher = 0; publisher < TWIN_CLIENTS; publisher++)
        for (unsigned id = 0; id < TWIN_IDS; id++) {
            unsigned was = twin_home(twin_client_id(publisher), store_logs_num);
            unsigned is = twin_home(twin_client_id(publisher), place.logs);
            const struct twin_session *session = &store_logs[was].now.sessions[publisher];
            /* What was released may still have rows, which nobody asks for. */
            if (session->number == 0 || !session->inbound[id])
                continue;
            struct twin_seen *seen = &to->seen[publisher][id];
            *seen = (struct twin_seen){.number = news[is].now.sessions[publisher].number,
                                       .clients = id + 1};
            enum rc rc = image_seen_walk(new->image, seen, on_moved_seen);
            SIM_CHECK(rc == RC_OK, "%s", rc_text(rc));
            seen->clients = 0;
            for (unsigned client = 0; client < TWIN_CLIENTS; client++) {
                unsigned log = twin_home(twin_client_id(client), store_logs_num);
                const struct twin *old = &store_logs[log].now;
                bool same = old->seen[publisher][id].number == session->number;
                if (same &&
                    twin_has(old, (struct twin_place){log, store_logs_num}, publisher, id, client))
                    seen->clients |= 1u << client;
            }
        }
}

static void move_twins(struct log *news, unsigned num, const struct rewrite_from *from)
{
    unsigned wills = 0;
    for (unsigned l = 0; l < store_logs_num; l++)
        for (unsigned i = 0; i < TWIN_WILLS; i++)
            wills += store_logs[l].now.wills[i].number != 0;
    for (unsigned l = 0; l < num; l++) {
        struct twin *to = &news[l].now;
        for (unsigned client = 0; client < TWIN_CLIENTS; client++) {
            unsigned old = twin_home(twin_client_id(client), store_logs_num);
            if (twin_home(twin_client_id(client), num) == l &&
                store_logs[old].now.sessions[client].number != 0)
                move_session(&store_logs[old].now, to, client, old, &news[l],
                             from[old].alive_wall_ms);
        }
        enum rc rc = image_wills_walk(news[l].image, to, on_moved_will);
        SIM_CHECK(rc == RC_OK, "%s", rc_text(rc));
        for (unsigned i = 0; i < TWIN_WILLS; i++)
            wills -= to->wills[i].number != 0;
        for (unsigned i = 0; i < TWIN_TOPICS; i++)
            if (twin_home(twin_topic(i), num) == l)
                to->topics[i] = store_logs[twin_home(twin_topic(i), store_logs_num)].now.topics[i];
    }
    SIM_CHECK(wills == 0, "%u wills are gone", wills);
    memcpy(news[0].now.rows, store_logs[0].now.rows, sizeof(news[0].now.rows));
    for (unsigned l = 0; l < num; l++)
        move_seen(&news[l].now, (struct twin_place){l, num}, &news[l], news);
}

/* Writes the new logs. False: the disk died. */
static bool move_write(const struct rewrite_plan *plan, struct log *news)
{
    bool done = true;
    for (unsigned l = 0; done && l < plan->to_num; l++) {
        struct rewrite_figures figures;
        done = log_open(&news[l], generation + 1, l);
        enum rc rc = done ? store_rewrite(plan, (shard_id)l, news[l].wal, &figures) : RC_IO;
        SIM_CHECK(rc == RC_OK || sim_disk_is_dead(), "log %u: %s", l, rc_text(rc));
        done = rc == RC_OK;
        log_close(&news[l]);
    }
    return done;
}

static void move_sweep(uint32_t keep)
{
    char reason[512];
    enum rc rc = manifest_sweep(STORE_DIR, keep, reason, sizeof(reason));
    SIM_CHECK(rc == RC_OK, "%s", reason);
    sim_disk_crash(true);
}

/* All logs are read, none is open. */
static void move(void)
{
    static struct log news[TWIN_LOGS];
    static struct rewrite_from from[TWIN_LOGS];
    struct rewrite_plan plan = {.from = from,
                                .from_num = store_logs_num,
                                .to_num = 1 + sim_below(TWIN_LOGS),
                                .home_key = twin_key,
                                .clock = moment};
    uint64_t wills = 0;
    memset(news, 0, sizeof(news));
    for (unsigned l = 0; l < store_logs_num; l++) {
        struct log *log = &store_logs[l];
        struct image_figures figures;
        struct wal_image_figures found = {0};
        enum rc rc = image_rank(log->image);
        SIM_CHECK(rc == RC_OK, "%s", rc_text(rc));
        image_figures_read(log->image, &figures);
        if (log->found != NULL)
            wal_image_figures_read(log->found, &found);
        from[l] = (struct rewrite_from){.image = log->image,
                                        .log = log->found,
                                        .alive_wall_ms = found.wall_ms_last,
                                        .sessions_before = plan.sessions_all,
                                        .wills_before = wills};
        plan.sessions_all += figures.sessions;
        wills += figures.wills;
    }
    sim_disk_stop_after(sim_chance(300) ? 1 + sim_below(40) : 0);
    bool done = move_write(&plan, news);
    for (unsigned l = 0; l < store_logs_num; l++)
        log_forget(&store_logs[l]);
    sim_disk_crash(!done || mode != WAL_COMMIT);
    move_sweep(done ? generation + 1 : generation);
    SIM_TRACE("from %u to %u logs: %s", store_logs_num, plan.to_num, done ? "done" : "died");
    for (unsigned l = 0; !done && l < store_logs_num; l++)
        log_replay(&store_logs[l], generation, l);
    if (!done)
        return;
    generation++;
    for (unsigned l = 0; l < plan.to_num; l++)
        log_replay(&news[l], generation, l);
    move_twins(news, plan.to_num, from);
    for (unsigned l = 0; l < TWIN_LOGS; l++) {
        free(store_logs[l].states);
        store_logs[l] = news[l];
    }
    store_logs_num = plan.to_num;
    for (unsigned l = 0; l < store_logs_num; l++)
        twin_compare(&store_logs[l].now, (struct twin_place){l, store_logs_num},
                     store_logs[l].image, store_logs[l].found);
}

/* ---- lives ---- */

static bool life_begin(void)
{
    bool done = true;
    for (unsigned l = 0; l < store_logs_num; l++) {
        struct log *log = &store_logs[l];
        struct wal_image_figures figures = {0};
        memset(&log->snap, 0, sizeof(log->snap));
        if (log->found != NULL)
            wal_image_figures_read(log->found, &figures);
        store_mark(log, figures.lsn_last);
        done = done && log_open(log, generation, l);
        log->committed = 0;
        if (done) {
            log->committed = wal_committed(log->wal);
            log_refer(log);
        }
    }
    return done;
}

static void life_run(void)
{
    for (uint32_t left = sim_below(STORE_STEPS_MAX); left > 0 && !sim_disk_is_dead(); left--) {
        unsigned l = sim_below(store_logs_num);
        sim_step++;
        sim_clock_advance(sim_below(2000000));
        shard_become(&store_logs[l].stub.shard);
        if (sim_chance(300))
            shard_stub_turn(&store_logs[l].stub, 0);
        else
            store_step(l);
    }
}

static void life_end(bool keeps_memory)
{
    if (!sim_disk_is_dead() && sim_chance(800))
        sim_disk_die();
    if (sim_disk_is_dead())
        sim_ring_tear();
    for (unsigned l = 0; l < store_logs_num; l++)
        log_close(&store_logs[l]);
    for (unsigned l = 0; l < store_logs_num; l++)
        log_forget(&store_logs[l]);
    had_power_cut |= !keeps_memory;
    sim_disk_crash(keeps_memory);
}

static void run(uint64_t seed, uint32_t steps)
{
    static const enum wal_mode modes[] = {WAL_COMMIT, WAL_COMMIT, WAL_OS, WAL_INTERVAL};
    (void)steps;
    sim_random_start(seed);
    sim_clock_start();
    sim_disk_start();
    sim_kernel = (struct sim_kernel){.progress = 100 + sim_below(900)};
    memset(store_logs, 0, sizeof(store_logs));
    mode = modes[sim_below(4)];
    had_power_cut = false;
    generation = 1;
    store_logs_num = 1 + sim_below(TWIN_LOGS);
    SIM_CHECK(disk_make_dir("d") == RC_OK && disk_make_dir(STORE_DIR) == RC_OK, "no directory");
    sim_disk_crash(true);
    for (unsigned l = 0; l < store_logs_num; l++)
        log_replay(&store_logs[l], generation, l);
    for (uint32_t lives = 1 + sim_below(STORE_LIVES_MAX); lives > 0; lives--) {
        sim_disk_stop_after(sim_chance(800) ? 1 + sim_below(sim_chance(200) ? 20 : 200) : 0);
        if (life_begin())
            life_run();
        life_end(sim_chance(250));
        for (unsigned l = 0; l < store_logs_num; l++)
            log_check(&store_logs[l], l);
        if (sim_chance(300))
            move();
    }
    for (unsigned l = 0; l < TWIN_LOGS; l++) {
        log_forget(&store_logs[l]);
        states_drop(&store_logs[l]);
        free(store_logs[l].states);
    }
    sim_disk_fini();
}

int main(int argc, char **argv)
{
    const struct sim_seeds seeds = {
        .program = "sim_store", .count = STORE_COUNT, .run = run, .is_quiet = true};
    int status = sim_seeds_main(argc, argv, &seeds);
    for (unsigned type = 1; argc < 2 && type < STORE_TYPE_END; type++)
        SIM_CHECK(store_written[type] > 0 && read_back[type] > 0, "%s: %llu written, %llu read",
                  store_type_name((uint8_t)type), (unsigned long long)store_written[type],
                  (unsigned long long)read_back[type]);
    return status;
}
