/*
 * sim_damage.c -- a small log, damaged at every place.
 *
 * A log of some commits in two segments, all of them durable, is kept as bytes. Then, for every
 * offset of every file, it is replayed with a bit turned and with the file cut off there:
 *
 *   - records that are handed over are right, and come in order, without a gap, from the beginning;
 *   - replay refuses, or all records are there but those of the last commit, which alone may be
 *     taken for torn; of the last file, cut off, those before the cut are there;
 *   - told to skip what is damaged it always ends, and every record that it hands over is right.
 *
 * The same for pairs of places by chance.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../shard_stub.h"
#include "disk.h"
#include "sim_base.h"
#include "sim_disk.h"
#include "sim_ring.h"
#include "wal_replay.h"

#define DAMAGE_DIR     "d/log"
#define DAMAGE_RECORDS 40
#define DAMAGE_FILES   2
#define DAMAGE_PAIRS   3000

static uint64_t committed;
static uint64_t last_commit_first; /* lsn of the first record of the last commit */
static uint64_t next_lsn;          /* of what is handed over */
static bool is_skipping;
static bool is_cut; /* the last file is */

static uint32_t body_len(uint64_t lsn)
{
    return (uint32_t)(lsn * 97 % 700);
}

static uint8_t body_byte(uint64_t lsn, uint32_t at)
{
    return (uint8_t)(lsn * 31 + at * 7);
}

static void on_committed(void *context, uint64_t lsn)
{
    (void)context;
    last_commit_first = committed + 1;
    committed = lsn;
}

static enum rc on_record(void *context, const struct wal_record *record)
{
    (void)context;
    SIM_CHECK(is_skipping ? record->lsn >= next_lsn : record->lsn == next_lsn,
              "record %llu where %llu belongs", (unsigned long long)record->lsn,
              (unsigned long long)next_lsn);
    SIM_CHECK(record->lsn <= DAMAGE_RECORDS && record->type == record->lsn % 5 &&
                  record->body.len == body_len(record->lsn),
              "record %llu is another", (unsigned long long)record->lsn);
    for (uint32_t i = 0; i < record->body.len; i++)
        SIM_CHECK(record->body.ptr[i] == body_byte(record->lsn, i), "another body");
    next_lsn = record->lsn + 1;
    return RC_OK;
}

static void replay_once(bool skips, const char *file, uint64_t at)
{
    char reason[512];
    struct wal_image *image = NULL;
    struct wal_replay_options options = {
        .path = DAMAGE_DIR, .record = on_record, .skip_damaged = skips};
    next_lsn = 1;
    is_skipping = skips;
    enum rc rc = wal_replay(&options, &image, reason, sizeof(reason));
    wal_image_destroy(image);
    if (skips) {
        SIM_CHECK(rc == RC_OK || rc == RC_NOT_FOUND || rc == RC_UNSUPPORTED,
                  "%s, byte %llu: skipping ends with %s", file, (unsigned long long)at,
                  rc_text(rc));
        return;
    }
    if (rc == RC_INVALID || rc == RC_UNSUPPORTED)
        return;
    SIM_CHECK(rc == RC_OK, "%s, byte %llu: %s", file, (unsigned long long)at, rc_text(rc));
    SIM_CHECK(next_lsn > DAMAGE_RECORDS || next_lsn == last_commit_first ||
                  (is_cut && next_lsn % 4 == 1),
              "%s, byte %llu: the log ends with record %llu and nobody says why", file,
              (unsigned long long)at, (unsigned long long)next_lsn - 1);
}

/* A log of which each commit has some records; the second segment has several commits. */
static void build(void)
{
    static struct shard_stub stub;
    struct wal *wal;
    char reason[512];
    struct wal_options options = {.path = DAMAGE_DIR,
                                  .segment_bytes_first = 24576,
                                  .segment_bytes_max = 24576,
                                  .events = {.committed = on_committed}};
    shard_stub_open(&stub);
    enum rc rc = wal_open(&wal, &stub.shard, &options, NULL, reason, sizeof(reason));
    SIM_CHECK(rc == RC_OK, "%s", reason);
    for (uint64_t lsn = 1; lsn <= DAMAGE_RECORDS; lsn++) {
        uint8_t body[700];
        for (uint32_t i = 0; i < body_len(lsn); i++)
            body[i] = body_byte(lsn, i);
        struct bytes part = bytes_of(body, body_len(lsn));
        rc = wal_append(wal, (uint8_t)(lsn % 5), &part, 1, NULL, NULL);
        SIM_CHECK(rc == RC_OK, "an append was refused");
        /* Within a turn: the spare segment must have been made. */
        for (unsigned turns = 0; lsn % 4 == 0 && (committed < lsn || turns < 40); turns++)
            shard_stub_turn(&stub, 0);
    }
    SIM_CHECK(committed == DAMAGE_RECORDS && last_commit_first > 1, "not committed");
    wal_close(wal);
    shard_stub_close(&stub);
}

static const char *const names[DAMAGE_FILES] = {DAMAGE_DIR "/0000000001.wal",
                                                DAMAGE_DIR "/0000000002.wal"};

/* Every byte that means something, and of the padding some. */
static uint64_t damage_step(const uint8_t *bytes, uint64_t at)
{
    return at % 512 > 128 && at % 512 < 500 && bytes[at] == 0 && bytes[at + 1] == 0 ? 7 : 1;
}

static void damage_each(void)
{
    for (unsigned i = 0; i < DAMAGE_FILES; i++) {
        uint64_t len;
        uint8_t *bytes = sim_disk_bytes(names[i], &len);
        SIM_CHECK(bytes != NULL, "%s is not there", names[i]);
        for (uint64_t at = 0; at < len; at += damage_step(bytes, at)) {
            uint8_t bit = (uint8_t)(1u << sim_below(8));
            bytes[at] ^= bit;
            replay_once(false, names[i], at);
            if (at % 16 == 0)
                replay_once(true, names[i], at);
            bytes[at] ^= bit;
        }
        for (uint64_t at = 0; at < len; at += 64) {
            sim_disk_cut(names[i], at);
            is_cut = i == DAMAGE_FILES - 1;
            replay_once(false, names[i], at);
            replay_once(true, names[i], at);
            sim_disk_cut(names[i], len);
            is_cut = false;
        }
    }
}

static void damage_pairs(void)
{
    for (unsigned round = 0; round < DAMAGE_PAIRS; round++) {
        uint8_t *places[2];
        uint8_t were[2];
        for (unsigned i = 0; i < 2; i++) {
            uint64_t len;
            uint8_t *bytes = sim_disk_bytes(names[sim_below(DAMAGE_FILES)], &len);
            places[i] = &bytes[sim_random() % len];
            were[i] = *places[i];
            *places[i] = (uint8_t)sim_random();
        }
        replay_once(true, "two places", round);
        *places[1] = were[1];
        *places[0] = were[0];
    }
}

int main(int argc, char **argv)
{
    sim_random_start(argc > 1 ? strtoull(argv[1], NULL, 0) : 1);
    sim_clock_start();
    sim_disk_start();
    sim_kernel = (struct sim_kernel){.progress = 1000};
    SIM_CHECK(disk_make_dir("d") == RC_OK, "no directory");
    build();
    replay_once(false, "nothing", 0);
    SIM_CHECK(next_lsn == DAMAGE_RECORDS + 1, "records are missing without damage");
    damage_each();
    damage_pairs();
    replay_once(false, "nothing", 0);
    SIM_CHECK(next_lsn == DAMAGE_RECORDS + 1, "the damage was not undone");
    sim_disk_fini();
    printf("every place: ok\n");
    return 0;
}
