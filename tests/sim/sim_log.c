/*
 * sim_log.c -- one log on the false disk: crashes at every write, and an account of every record.
 *
 *   sim_log [seed [count]]
 *
 * makes `count` runs with the seeds from `seed` on. A run is a few lives of a log; each ends when
 * the disk dies within some write, or by an orderly end, and then the machine loses power or only
 * the process is gone. Beside the log a twin remembers what was appended. After each life:
 *
 *   durable   every record that was called committed is there (with `os` and `interval`: if only
 *             the process died; else what is there is the beginning of what was appended)
 *   exact     what is replayed is what was appended, in order, from a checkpoint on or from the
 *             start; a group is there as a whole or not at all; nothing is there that was not
 *             appended
 *   bodies    every record with a reference is readable at its location; the reference ends with a
 *             record that says so, and counts until that record is there
 *   no alarm  a crash is never taken for damage
 *   recovery  when the disk is well and has room, so is the log
 *
 * Meanwhile writes and syncs fail, the disk is full for a time, also when a life begins, direct
 * writes are refused; records are read back and compared; space stays within bounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../shard_stub.h"
#include "disk.h"
#include "mem.h"
#include "sim_base.h"
#include "sim_disk.h"
#include "sim_ring.h"
#include "sim_seeds.h"
#include "wal_replay.h"

#define LOG_DIR         "d/log"
#define LOG_RECORDS_MAX 20000
#define LOG_COUNT_USUAL 2000
#define LOG_LIVES_MAX   5
#define LOG_STEPS_MAX   120
#define LOG_TYPE_BODY   1 /* keeps a reference until a record of the next type names it */
#define LOG_TYPE_DONE   2
#define LOG_TYPE_OTHER  3

struct twin_record {
    uint64_t seed; /* of its body */
    uint64_t pos;
    uint64_t done_lsn; /* the record that ends its reference; 0: none */
    uint32_t len;
    uint32_t group; /* 0: by itself */
    uint8_t type;
};

static struct twin_record twin[LOG_RECORDS_MAX + 1]; /* by lsn */
static uint64_t twin_last;
static uint64_t twin_committed;
static uint32_t twin_groups;
static uint64_t twin_begins[LOG_RECORDS_MAX]; /* first lsn of each checkpoint that was begun */
static unsigned twin_begins_num;

static struct shard_stub stub;
static struct wal *wal;
static struct wal_image *image;
static enum wal_mode mode;
static bool has_failed; /* failed() was called, recovered() not yet */
static bool had_power_cut;

/* ---- bodies ---- */

static void body_make(uint64_t seed, uint32_t len, uint8_t *out)
{
    uint64_t z = seed;
    for (uint32_t i = 0; i < len; i++) {
        z = z * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        out[i] = (uint8_t)(z >> 56);
    }
}

static void body_check(uint64_t lsn, struct bytes body)
{
    static uint8_t expected[1 << 17];
    const struct twin_record *record = &twin[lsn];
    SIM_CHECK(body.len == record->len, "record %llu has %u bytes instead of %u",
              (unsigned long long)lsn, body.len, record->len);
    body_make(record->seed, record->len, expected);
    SIM_CHECK(record->len == 0 || memcmp(body.ptr, expected, body.len) == 0,
              "record %llu has another body", (unsigned long long)lsn);
}

/* ---- what the log says ---- */

static void on_committed(void *context, uint64_t lsn)
{
    (void)context;
    SIM_CHECK(lsn > twin_committed && lsn <= twin_last, "lsn %llu committed after %llu of %llu",
              (unsigned long long)lsn, (unsigned long long)twin_committed,
              (unsigned long long)twin_last);
    twin_committed = lsn;
}

static void on_failed(void *context, int error)
{
    (void)context;
    SIM_CHECK(!has_failed && error > 0, "failed twice, or without a reason");
    has_failed = true;
}

static void on_recovered(void *context)
{
    (void)context;
    SIM_CHECK(has_failed, "recovered without having failed");
    has_failed = false;
}

static void on_read(void *context, uint64_t tag, enum rc rc, struct bytes body)
{
    (void)context;
    if (rc == RC_IO && (sim_disk_is_dead() || sim_disk_mood.read_error > 0))
        return;
    SIM_CHECK(rc == RC_OK, "record %llu cannot be read: %s", (unsigned long long)tag, rc_text(rc));
    body_check(tag, body);
}

/* ---- steps ---- */

static bool step_append(uint8_t type, uint32_t len, uint32_t group)
{
    static uint8_t body[1 << 17];
    if (twin_last == LOG_RECORDS_MAX)
        return false;
    struct twin_record *record = &twin[twin_last + 1];
    *record = (struct twin_record){.seed = sim_random(), .len = len, .group = group, .type = type};
    body_make(record->seed, len, body);
    uint32_t cut = sim_below(len + 1);
    struct bytes parts[2] = {bytes_of(body, cut), bytes_of(body + cut, len - cut)};
    uint64_t lsn = 0;
    struct wal_loc loc = WAL_LOC_NONE;
    enum rc rc = wal_append(wal, type, parts, 2, &lsn, &loc);
    if (rc != RC_OK) {
        SIM_CHECK(rc == RC_IO && has_failed, "an append was refused: %s", rc_text(rc));
        return false;
    }
    twin_last++;
    SIM_CHECK(lsn == twin_last && lsn == wal_last(wal), "lsn %llu instead of %llu",
              (unsigned long long)lsn, (unsigned long long)twin_last);
    SIM_CHECK(loc.word > twin[lsn - 1].pos, "locations do not rise");
    record->pos = loc.word;
    if (type == LOG_TYPE_BODY)
        SIM_CHECK(wal_ref(wal, loc, len), "a fresh record has no place");
    return true;
}

static uint32_t step_len(void)
{
    return sim_chance(20) ? sim_below(100000) : sim_chance(200) ? sim_below(6000) : sim_below(200);
}

static void step_group(void)
{
    uint64_t before = twin_last;
    uint32_t group = ++twin_groups;
    bool whole = true;
    wal_group_begin(wal);
    for (uint32_t i = 1 + sim_below(5); i > 0 && whole; i--)
        whole = step_append(LOG_TYPE_OTHER, step_len(), group);
    if (whole && !sim_chance(300)) {
        wal_group_end(wal);
        return;
    }
    wal_group_abort(wal);
    twin_last = before;
    SIM_CHECK(wal_last(wal) == before, "a group was not taken back");
}

/* Ends the reference of some record, before or after the record that says so. */
static void step_done(void)
{
    if (twin_last == 0)
        return;
    uint64_t lsn = 1 + sim_random() % twin_last;
    struct twin_record *record = &twin[lsn];
    if (record->type != LOG_TYPE_BODY || record->done_lsn != 0)
        return;
    bool is_first = sim_chance(500);
    if (is_first && has_failed)
        return;
    if (is_first)
        wal_unref(wal, (struct wal_loc){record->pos}, record->len);
    if (!step_append(LOG_TYPE_DONE, 8, 0)) {
        SIM_CHECK(!is_first || twin_last == LOG_RECORDS_MAX, "the end of a reference is lost");
        if (is_first)
            SIM_CHECK(wal_ref(wal, (struct wal_loc){record->pos}, record->len), "no place");
        return;
    }
    record->done_lsn = twin_last;
    if (!is_first)
        wal_unref(wal, (struct wal_loc){record->pos}, record->len);
}

static void step_read(void)
{
    for (uint32_t i = 1 + sim_below(8); i > 0 && twin_last > 0; i--) {
        uint64_t lsn = 1 + sim_random() % twin_last;
        if (twin[lsn].type != LOG_TYPE_BODY || twin[lsn].done_lsn != 0)
            continue;
        enum rc rc = wal_read(wal, (struct wal_loc){twin[lsn].pos}, on_read, NULL, lsn);
        SIM_CHECK(rc == RC_OK, "a read was refused: %s", rc_text(rc));
        /* A reference must not end while its record is read. */
        for (unsigned turns = 0; turns < 3; turns++)
            shard_stub_turn(&stub, 0);
    }
}

static void step_checkpoint(void)
{
    if (twin_begins_num == LOG_RECORDS_MAX)
        return;
    wal_checkpoint_begin(wal);
    twin_begins[twin_begins_num++] = twin_last + 1;
    for (uint32_t i = sim_below(6); i > 0; i--) {
        if (!step_append(LOG_TYPE_OTHER, step_len(), 0))
            return;
        if (sim_chance(300))
            shard_stub_turn(&stub, 0);
    }
    wal_checkpoint_end(wal);
}

static void step_mood(void)
{
    bool is_bad = sim_chance(300);
    sim_disk_mood.write_error = is_bad && sim_chance(500) ? sim_below(300) : 0;
    sim_disk_mood.sync_error = is_bad && sim_chance(300) ? sim_below(300) : 0;
    sim_disk_mood.read_error = is_bad && sim_chance(200) ? sim_below(100) : 0;
    sim_disk_mood.interrupt = sim_chance(300) ? sim_below(200) : 0;
    sim_disk_mood.capacity = is_bad && sim_chance(400) ? sim_disk_used() + sim_below(60000) : 0;
}

static void step(void)
{
    sim_step++;
    sim_clock_advance(sim_below(2000000));
    uint32_t what = sim_below(1000);
    if (what < 350)
        step_append(sim_chance(500) ? LOG_TYPE_BODY : LOG_TYPE_OTHER, step_len(), 0);
    else if (what < 420)
        step_group();
    else if (what < 560)
        step_done();
    else if (what < 590)
        step_read();
    else if (what < 610)
        step_checkpoint();
    else if (what < 620)
        step_mood();
    else if (what < 625)
        sim_clock_advance(UINT64_C(1000000) * sim_below(1500));
    else
        shard_stub_turn(&stub, 0);
}

/* ---- lives ---- */

static void life_options(struct wal_options *out)
{
    *out = (struct wal_options){
        .path = LOG_DIR,
        .mode = mode,
        .interval_ms = 1 + sim_below(50),
        .segment_bytes_first = 16384,
        .segment_bytes_max = 16384u << sim_below(3),
        .events = {.committed = on_committed, .failed = on_failed, .recovered = on_recovered}};
}

static bool is_live(const struct twin_record *record)
{
    return record->type == LOG_TYPE_BODY && record->done_lsn == 0;
}

/* False: the disk died before the log was open. */
static bool life_begin(void)
{
    char reason[512];
    struct wal_options options;
    shard_stub_open(&stub);
    life_options(&options);
    has_failed = false;
    enum rc rc = wal_open(&wal, &stub.shard, &options, image, reason, sizeof(reason));
    if (rc != RC_OK) {
        SIM_CHECK(sim_disk_is_dead(), "%s", reason);
        shard_stub_close(&stub);
        return false;
    }
    SIM_CHECK(wal_last(wal) == twin_last && wal_committed(wal) == twin_last, "the log goes back");
    has_failed = wal_is_failed(wal);
    SIM_CHECK(!has_failed || sim_disk_mood.capacity != 0, "it has failed, with room on the disk");
    for (uint64_t lsn = 1; lsn <= twin_last; lsn++) {
        if (!is_live(&twin[lsn]) || wal_ref(wal, (struct wal_loc){twin[lsn].pos}, twin[lsn].len))
            continue;
        SIM_CHECK(had_power_cut && mode != WAL_COMMIT, "record %llu has lost its segment",
                  (unsigned long long)lsn);
        twin[lsn].done_lsn = lsn;
    }
    return true;
}

static void life_end(void)
{
    bool is_orderly = !sim_disk_is_dead() && sim_chance(700);
    if (is_orderly) {
        /* What can be written is written; the disk is well again by then. */
        memset(&sim_disk_mood, 0, sizeof(sim_disk_mood));
        sim_clock_advance(UINT64_C(2000000000));
        shard_stub_turn(&stub, 0);
        for (unsigned turns = 0; has_failed && !sim_disk_is_dead(); turns++) {
            SIM_CHECK(turns < 1000, "the disk is well, the log is not");
            sim_clock_advance(UINT64_C(100000000));
            shard_stub_turn(&stub, 0);
        }
    } else if (!sim_disk_is_dead()) {
        sim_disk_stop_after(1);
        sim_disk_mood.write_error = 1000;
    }
    if (!is_orderly)
        sim_ring_tear();
    wal_close(wal);
    wal = NULL;
    shard_stub_close(&stub);
}

/* ---- after a life ---- */

static uint64_t next_lsn;

static enum rc on_record(void *context, const struct wal_record *record)
{
    (void)context;
    if (next_lsn == 0)
        next_lsn = record->lsn;
    SIM_CHECK(record->lsn == next_lsn, "record %llu where %llu belongs",
              (unsigned long long)record->lsn, (unsigned long long)next_lsn);
    next_lsn++;
    SIM_CHECK(record->lsn <= twin_last, "record %llu was invented",
              (unsigned long long)record->lsn);
    const struct twin_record *expected = &twin[record->lsn];
    SIM_CHECK(record->type == expected->type && record->loc.word == expected->pos,
              "record %llu is another", (unsigned long long)record->lsn);
    body_check(record->lsn, record->body);
    return RC_OK;
}

static void check_begin(const struct wal_image_figures *figures)
{
    bool is_known = figures->lsn_checkpoint == 1;
    for (unsigned i = 0; i < twin_begins_num; i++)
        is_known |= twin_begins[i] == figures->lsn_checkpoint;
    SIM_CHECK(is_known, "replay starts at %llu, where no checkpoint began",
              (unsigned long long)figures->lsn_checkpoint);
    SIM_CHECK(next_lsn == 0 || next_lsn == figures->lsn_last + 1, "the last lsn is wrong");
}

static void check_bodies(void)
{
    for (uint64_t lsn = 1; lsn <= twin_last; lsn++) {
        void *buffer;
        struct bytes body;
        if (twin[lsn].done_lsn > twin_last)
            twin[lsn].done_lsn = 0;
        if (!is_live(&twin[lsn]))
            continue;
        enum rc rc = wal_image_read(image, (struct wal_loc){twin[lsn].pos}, &buffer, &body);
        if (rc == RC_OK) {
            body_check(lsn, body);
            mem_free(buffer);
            continue;
        }
        SIM_CHECK(had_power_cut && mode != WAL_COMMIT, "the body of %llu is lost: %s",
                  (unsigned long long)lsn, rc_text(rc));
        twin[lsn].done_lsn = lsn;
    }
}

static void life_check(void)
{
    char reason[512];
    struct wal_replay_options options = {.path = LOG_DIR, .record = on_record};
    struct wal_image_figures figures = {0};
    next_lsn = 0;
    enum rc rc = wal_replay(&options, &image, reason, sizeof(reason));
    SIM_CHECK(rc == RC_OK || rc == RC_NOT_FOUND, "%s", reason);
    if (rc == RC_OK) {
        wal_image_figures_read(image, &figures);
        check_begin(&figures);
    }
    SIM_CHECK(figures.lsn_last <= twin_last, "records were invented");
    if (mode == WAL_COMMIT || !had_power_cut)
        SIM_CHECK(figures.lsn_last >= twin_committed, "committed up to %llu, there up to %llu",
                  (unsigned long long)twin_committed, (unsigned long long)figures.lsn_last);
    uint64_t last = figures.lsn_last;
    SIM_CHECK(last == twin_last || last == 0 || twin[last].group == 0 ||
                  twin[last].group != twin[last + 1].group,
              "a group was torn");
    SIM_TRACE("%llu appended, %llu committed, %llu there", (unsigned long long)twin_last,
              (unsigned long long)twin_committed, (unsigned long long)last);
    twin_last = twin_committed = last;
    unsigned kept = 0;
    for (unsigned i = 0; i < twin_begins_num; i++)
        if (twin_begins[i] <= last + 1)
            twin_begins[kept++] = twin_begins[i];
    twin_begins_num = kept;
    if (image != NULL)
        check_bodies();
}

static void run(uint64_t seed, uint32_t steps_most)
{
    static const enum wal_mode modes[] = {WAL_COMMIT, WAL_COMMIT, WAL_OS, WAL_INTERVAL};
    (void)steps_most;
    sim_random_start(seed);
    sim_clock_start();
    sim_disk_start();
    sim_kernel = (struct sim_kernel){.progress = 100 + sim_below(900)};
    mode = modes[sim_below(4)];
    twin_last = twin_committed = twin_groups = twin_begins_num = 0;
    had_power_cut = false;
    image = NULL;
    enum rc rc = disk_make_dir("d");
    SIM_CHECK(rc == RC_OK && disk_sync_dir("d") == RC_OK, "no directory");
    sim_disk_crash(true);
    for (uint32_t lives = 1 + sim_below(LOG_LIVES_MAX); lives > 0; lives--) {
        sim_disk_mood.refuses_direct = sim_chance(200);
        sim_disk_mood.refuses_dsync = sim_chance(100);
        if (sim_chance(150))
            sim_disk_mood.capacity = sim_disk_used() + sim_below(40000);
        sim_disk_stop_after(sim_chance(800) ? 1 + sim_below(sim_chance(300) ? 20 : 300) : 0);
        bool is_open = life_begin();
        uint32_t steps = sim_below(LOG_STEPS_MAX);
        for (uint32_t i = 0; is_open && i < steps && !sim_disk_is_dead(); i++)
            step();
        if (is_open)
            life_end();
        wal_image_destroy(image);
        image = NULL;
        memset(&sim_disk_mood, 0, sizeof(sim_disk_mood));
        bool keeps_memory = sim_chance(250);
        had_power_cut |= !keeps_memory;
        SIM_TRACE("mode %d, %s", (int)mode, keeps_memory ? "the process died" : "power is cut");
        sim_disk_crash(keeps_memory);
        life_check();
    }
    wal_image_destroy(image);
    image = NULL;
    sim_disk_fini();
}

int main(int argc, char **argv)
{
    const struct sim_seeds seeds = {
        .program = "sim_log", .count = LOG_COUNT_USUAL, .run = run, .is_quiet = true};
    return sim_seeds_main(argc, argv, &seeds);
}
