/*
 * test_wal.c -- the log on the machine's own file system (persist/wal.h, persist/wal_replay.h).
 *
 * What a single log does when all goes well, and what it refuses; crashes, errors and full disks
 * are the false disk's (tests/sim).
 */
#include "../../shard_stub.h"
#include "crc32c.h"
#include "disk.h"
#include "le.h"
#include "mem.h"
#include "persist_stats.h"
#include "wal_format.h"
#include "wal_replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define RECORDS_MAX 100000

static struct shard_stub stub;
static struct wal *wal;
static struct wal_image *image;
static char dir[256];
static uint64_t committed;

/* What replay handed over. */
static struct {
    uint64_t lsn;
    struct wal_loc loc;
    uint32_t len;
    uint8_t type;
    uint8_t first;
} seen[RECORDS_MAX];
static uint64_t num_seen;

static void on_committed(void *context, uint64_t lsn)
{
    (void)context;
    assert_true(lsn > committed);
    committed = lsn;
}

static enum rc on_record(void *context, const struct wal_record *record)
{
    (void)context;
    assert_true(num_seen < RECORDS_MAX);
    seen[num_seen].lsn = record->lsn;
    seen[num_seen].loc = record->loc;
    seen[num_seen].len = record->body.len;
    seen[num_seen].type = record->type;
    seen[num_seen].first = record->body.len > 0 ? record->body.ptr[0] : 0;
    num_seen++;
    return RC_OK;
}

static struct wal_options options_of(enum wal_mode mode)
{
    return (struct wal_options){.path = dir,
                                .mode = mode,
                                .interval_ms = 5,
                                .segment_bytes_first = 65536,
                                .segment_bytes_max = 262144,
                                .events = {.committed = on_committed}};
}

static void open_log(enum wal_mode mode)
{
    char reason[512];
    struct wal_options options = options_of(mode);
    shard_stub_open(&stub);
    enum rc rc = wal_open(&wal, &stub.shard, &options, image, reason, sizeof(reason));
    if (rc != RC_OK)
        fail_msg("%s", reason);
}

static void close_log(void)
{
    wal_close(wal);
    wal = NULL;
    shard_stub_close(&stub);
}

static enum rc replay(void)
{
    char reason[512];
    struct wal_replay_options options = {.path = dir, .record = on_record};
    num_seen = 0;
    wal_image_destroy(image);
    image = NULL;
    enum rc rc = wal_replay(&options, &image, reason, sizeof(reason));
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        printf("%s\n", reason);
    return rc;
}

static void append(uint8_t type, uint8_t fill, uint32_t len, uint64_t *out_lsn,
                   struct wal_loc *out_loc)
{
    uint8_t *body = malloc(len + 1);
    memset(body, fill, len + 1);
    struct bytes parts[2] = {bytes_of(body, len / 2), bytes_of(body, len - len / 2)};
    assert_int_equal(wal_append(wal, type, parts, 2, out_lsn, out_loc), RC_OK);
    free(body);
}

static void until_committed(void)
{
    for (unsigned i = 0; committed < wal_last(wal); i++) {
        assert_true(i < 1000);
        shard_stub_turn(&stub, i == 0 ? 0 : 100000000);
    }
}

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "wal-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
    committed = 0;
    return 0;
}

static void remove_entry(void *context, const char *name)
{
    (void)context;
    char path[600];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(disk_remove(path), RC_OK);
}

static int teardown(void **state)
{
    (void)state;
    wal_image_destroy(image);
    image = NULL;
    assert_int_equal(disk_list(dir, NULL, remove_entry), RC_OK);
    assert_int_equal(disk_remove_dir(dir), RC_OK);
    return 0;
}

static void what_was_committed_is_replayed(void **state)
{
    (void)state;
    uint64_t lsn;
    struct wal_loc loc;
    assert_int_equal(replay(), RC_NOT_FOUND);
    open_log(WAL_COMMIT);
    for (unsigned i = 1; i <= 300; i++) {
        append((uint8_t)(i % 7), (uint8_t)i, i * 3, &lsn, &loc);
        assert_int_equal(lsn, i);
        if (i % 10 == 0)
            until_committed();
    }
    assert_int_equal(wal_committed(wal), 300);
    close_log();
    assert_int_equal(replay(), RC_OK);
    assert_int_equal(num_seen, 300);
    for (unsigned i = 1; i <= 300; i++) {
        assert_int_equal(seen[i - 1].lsn, i);
        assert_int_equal(seen[i - 1].len, i * 3);
        assert_int_equal(seen[i - 1].type, i % 7);
        assert_int_equal(seen[i - 1].first, (uint8_t)i);
    }
    assert_int_equal(seen[299].loc.word, loc.word);
}

static void a_log_goes_on_after_a_restart(void **state)
{
    (void)state;
    enum wal_mode modes[] = {WAL_COMMIT, WAL_OS, WAL_INTERVAL};
    for (unsigned round = 0; round < 6; round++) {
        (void)replay();
        open_log(modes[round % 3]);
        for (unsigned i = 0; i < 200; i++)
            append(1, (uint8_t)round, 1000, NULL, NULL);
        until_committed();
        close_log();
    }
    assert_int_equal(replay(), RC_OK);
    assert_int_equal(num_seen, 1200);
    for (unsigned i = 0; i < 1200; i++)
        assert_int_equal(seen[i].first, i / 200);
}

static void a_record_larger_than_a_segment_fits(void **state)
{
    (void)state;
    open_log(WAL_COMMIT);
    append(1, 1, 10, NULL, NULL);
    append(2, 2, 3000000, NULL, NULL);
    append(3, 3, 10, NULL, NULL);
    until_committed();
    append(4, 4, 700000, NULL, NULL);
    until_committed();
    close_log();
    assert_int_equal(replay(), RC_OK);
    assert_int_equal(num_seen, 4);
    assert_int_equal(seen[1].len, 3000000);
    assert_int_equal(seen[3].len, 700000);
}

static void a_group_can_be_taken_back(void **state)
{
    (void)state;
    open_log(WAL_COMMIT);
    append(1, 1, 10, NULL, NULL);
    wal_group_begin(wal);
    append(2, 2, 100000, NULL, NULL);
    append(2, 2, 10, NULL, NULL);
    wal_group_abort(wal);
    assert_int_equal(wal_last(wal), 1);
    wal_group_begin(wal);
    append(3, 3, 10, NULL, NULL);
    wal_group_end(wal);
    until_committed();
    close_log();
    assert_int_equal(replay(), RC_OK);
    assert_int_equal(num_seen, 2);
    assert_int_equal(seen[1].type, 3);
}

/* The first segment says that it is of this version. */
static void set_version(uint32_t version)
{
    uint8_t head[WAL_HEAD_LEN];
    char path[600];
    snprintf(path, sizeof(path), "%s/0000000001.wal", dir);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fread(head, 1, sizeof(head), file), sizeof(head));
    le_put32(head + 8, version);
    uint32_t crc = crc32c_update(CRC32C_START, head, 12);
    le_put32(head + 12, crc32c_update(crc, head + 16, sizeof(head) - 16));
    rewind(file);
    assert_int_equal(fwrite(head, 1, sizeof(head), file), sizeof(head));
    assert_int_equal(fclose(file), 0);
}

static void older_versions_are_read_and_newer_ones_refused(void **state)
{
    (void)state;
    open_log(WAL_COMMIT);
    append(1, 1, 10, NULL, NULL);
    until_committed();
    close_log();
    for (uint32_t version = 1; version <= WAL_VERSION; version++) {
        set_version(version);
        assert_int_equal(replay(), RC_OK);
        assert_int_equal(num_seen, 1);
    }
    set_version(WAL_VERSION + 1);
    assert_int_equal(replay(), RC_UNSUPPORTED);
    set_version(0);
    assert_int_not_equal(replay(), RC_OK);
}

/* ---- reading ---- */

static unsigned num_read;

static void on_read(void *context, uint64_t tag, enum rc rc, struct bytes body)
{
    assert_ptr_equal(context, &num_read);
    assert_int_equal(rc, RC_OK);
    assert_int_equal(body.len, tag * 37 % 20000);
    for (uint32_t i = 0; i < body.len; i++)
        assert_int_equal(body.ptr[i], (uint8_t)tag);
    num_read++;
}

static void records_are_read_back(void **state)
{
    (void)state;
    static struct wal_loc locs[1000];
    open_log(WAL_COMMIT);
    num_read = 0;
    for (unsigned i = 0; i < 1000; i++) {
        append(1, (uint8_t)i, i * 37 % 20000, NULL, &locs[i]);
        /* From memory, most of them. */
        assert_int_equal(wal_read(wal, locs[i], on_read, &num_read, i), RC_OK);
        if (i % 50 == 0)
            shard_stub_turn(&stub, 0);
    }
    until_committed();
    while (num_read < 1000)
        shard_stub_turn(&stub, 1000000);
    /* From the disk, in a senseless order. */
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(wal_read(wal, locs[i * 7 % 1000], on_read, &num_read, i * 7 % 1000),
                         RC_OK);
    while (num_read < 2000)
        shard_stub_turn(&stub, 1000000);
    assert_int_equal(wal_read(wal, locs[5], on_read, &num_read, 4), RC_OK);
    wal_read_cancel(wal, &num_read);
    for (unsigned i = 0; i < 5; i++)
        shard_stub_turn(&stub, 1000000);
    assert_int_equal(num_read, 2000);
    close_log();
    /* And without a log. */
    assert_int_equal(replay(), RC_OK);
    for (unsigned i = 0; i < 1000; i++) {
        void *buffer;
        struct bytes body;
        assert_int_equal(wal_image_read(image, locs[i], &buffer, &body), RC_OK);
        on_read(&num_read, i, RC_OK, body);
        mem_free(buffer);
    }
    /* And by a view, after the image itself is gone. */
    struct wal_image *view;
    assert_int_equal(wal_image_view(image, &view), RC_OK);
    wal_image_destroy(image);
    image = view;
    for (unsigned i = 0; i < 1000; i += 3) {
        void *buffer;
        struct bytes body;
        assert_int_equal(wal_image_read(image, locs[i], &buffer, &body), RC_OK);
        on_read(&num_read, i, RC_OK, body);
        mem_free(buffer);
    }
}

/* ---- space ---- */

static uint64_t disk_bytes(void)
{
    struct wal_figures figures;
    wal_figures_read(wal, &figures);
    return figures.disk_bytes;
}

static void a_checkpoint_sets_space_free(void **state)
{
    (void)state;
    struct wal_loc kept;
    open_log(WAL_COMMIT);
    append(9, 9, 500, NULL, &kept);
    assert_true(wal_ref(wal, kept, 500));
    for (unsigned round = 0; round < 50; round++) {
        wal_checkpoint_begin(wal);
        append(8, (uint8_t)round, 100, NULL, NULL);
        wal_checkpoint_end(wal);
        for (unsigned i = 0; i < 40; i++) {
            append(1, (uint8_t)round, 2000, NULL, NULL);
            if (i % 4 == 0)
                until_committed();
        }
        until_committed();
        for (unsigned i = 0; i < 10; i++)
            shard_stub_turn(&stub, 0);
    }
    /* 4 MB were written into segments of 256 KiB. */
    assert_true(disk_bytes() < 1800000);
    assert_true(stat_read(stub.shard.stats, STAT_WAL_SEGMENTS_RECYCLED) > 0);
    num_read = 0;
    close_log();
    assert_int_equal(replay(), RC_OK);
    assert_int_equal(num_seen, 41);
    assert_int_equal(seen[0].type, 8);
    assert_int_equal(seen[0].first, 49);
    /* The record with a reference is still there. */
    open_log(WAL_COMMIT);
    assert_true(wal_ref(wal, kept, 500));
    struct wal_sparse sparse;
    assert_int_equal(wal_sparse_take(wal, 50, 499, &sparse, 1), 0);
    assert_int_equal(wal_sparse_take(wal, 50, 500, &sparse, 1), 1);
    assert_true(kept.word >= sparse.first.word && kept.word < sparse.end.word);
    assert_int_equal(sparse.live_bytes, 500);
    assert_false(wal_sparse_give(wal, &sparse, false));
    wal_unref(wal, kept, 500);
    append(1, 1, 10, NULL, NULL);
    until_committed();
    for (unsigned i = 0; i < 10; i++)
        shard_stub_turn(&stub, 1000000);
    assert_false(wal_ref(wal, kept, 500));
    close_log();
}

/* So many segments with a record each that has a reference, all before a checkpoint. */
#define KEPT     40
#define KEPT_LEN 200000

static void keep_many(struct wal_loc *locs)
{
    for (unsigned i = 0; i < KEPT; i++) {
        append(9, (uint8_t)i, KEPT_LEN, NULL, &locs[i]);
        assert_true(wal_ref(wal, locs[i], 1000 + i));
        until_committed();
    }
    wal_checkpoint_begin(wal);
    append(8, 8, 200000, NULL, NULL);
    wal_checkpoint_end(wal);
    append(8, 8, 200000, NULL, NULL);
    until_committed();
}

static void settle(void)
{
    append(1, 1, 10, NULL, NULL);
    until_committed();
    for (unsigned i = 0; i < 10; i++)
        shard_stub_turn(&stub, 1000000);
}

/* What was not said of references keeps all segments, until a checkpoint has said it. */
static void a_gap_keeps_segments(void **state)
{
    (void)state;
    static struct wal_loc locs[KEPT];
    open_log(WAL_COMMIT);
    keep_many(locs);
    wal_checkpoint_begin(wal);
    append(8, 8, 10, NULL, NULL);
    wal_gap(wal);
    wal_unref(wal, locs[0], 1000);
    wal_checkpoint_end(wal);
    settle();
    assert_true(wal_ref(wal, locs[0], 1000));
    wal_unref(wal, locs[0], 1000);
    wal_checkpoint_begin(wal);
    append(8, 8, 10, NULL, NULL);
    wal_checkpoint_end(wal);
    settle();
    assert_false(wal_ref(wal, locs[0], 1000));
    assert_true(wal_ref(wal, locs[1], 1001));
    close_log();
}

static void on_read_kept(void *context, uint64_t tag, enum rc rc, struct bytes body)
{
    assert_ptr_equal(context, &num_read);
    assert_int_equal(rc, RC_OK);
    assert_int_equal(body.len, KEPT_LEN);
    assert_int_equal(body.ptr[KEPT_LEN - 1], (uint8_t)tag);
    num_read++;
}

/* More reads than are under way at once; the segments of the others must wait for them. */
static void a_read_keeps_its_segment(void **state)
{
    (void)state;
    static struct wal_loc locs[KEPT];
    open_log(WAL_COMMIT);
    keep_many(locs);
    num_read = 0;
    for (unsigned i = 0; i < KEPT; i++)
        assert_int_equal(wal_read(wal, locs[i], on_read_kept, &num_read, i), RC_OK);
    for (unsigned i = 0; i < KEPT; i++)
        wal_unref(wal, locs[i], 1000 + i);
    for (unsigned i = 0; num_read < KEPT; i++) {
        assert_true(i < 1000);
        shard_stub_turn(&stub, i == 0 ? 0 : 10000000);
    }
    for (unsigned i = 0; disk_bytes() > 2000000; i++) {
        assert_true(i < 1000);
        shard_stub_turn(&stub, 10000000);
    }
    close_log();
}

static void sparse_segments_are_taken_and_given(void **state)
{
    (void)state;
    static struct wal_loc locs[KEPT];
    struct wal_sparse taken[KEPT];
    struct wal_space space;
    open_log(WAL_COMMIT);
    keep_many(locs);
    wal_space_read(wal, &space);
    assert_true(space.old_bytes > 32 * UINT64_C(200000));
    assert_true(space.old_live_bytes > 32 * 1000 && space.old_live_bytes < 41 * 1040);
    assert_true(space.room_bytes == UINT64_MAX && !space.is_tight);
    /* The sparsest, so many as there may be bytes, in their order. */
    assert_int_equal(wal_sparse_take(wal, 50, 3500, taken, KEPT), 3);
    for (unsigned i = 1; i < 3; i++)
        assert_true(taken[i].first.word >= taken[i - 1].end.word);
    /* What is taken is not taken twice. */
    uint32_t others = wal_sparse_take(wal, 50, UINT64_MAX, taken + 3, KEPT - 3);
    assert_true(others > 20 && others <= KEPT - 3);
    for (unsigned i = 0; i < others; i++)
        assert_true(taken[3 + i].first.word != taken[0].first.word);
    for (unsigned i = 3; i < 3 + others; i++)
        assert_false(wal_sparse_give(wal, &taken[i], false));
    /* What was tried in vain is not taken again; what was not, is. */
    assert_false(wal_sparse_give(wal, &taken[0], true));
    assert_false(wal_sparse_give(wal, &taken[1], false));
    assert_false(wal_sparse_give(wal, &taken[2], false));
    uint64_t first = taken[0].first.word;
    uint32_t again = wal_sparse_take(wal, 50, UINT64_MAX, taken, KEPT);
    assert_int_equal(again, 2 + others);
    for (unsigned i = 0; i < again; i++)
        assert_true(taken[i].first.word != first);
    /* A taken segment stays without other references, and is free once it is given. */
    uint64_t before = disk_bytes();
    for (unsigned i = 0; i < KEPT; i++)
        if (locs[i].word >= taken[0].first.word && locs[i].word < taken[0].end.word)
            wal_unref(wal, locs[i], 1000 + i);
    for (unsigned i = 0; i < 5; i++)
        shard_stub_turn(&stub, 1000000);
    assert_int_equal(disk_bytes(), before);
    assert_true(wal_sparse_give(wal, &taken[0], true));
    for (unsigned i = 1; i < again; i++)
        assert_false(wal_sparse_give(wal, &taken[i], false));
    for (unsigned i = 0; i < 5; i++)
        shard_stub_turn(&stub, 1000000);
    assert_false(wal_ref(wal, taken[0].first, 1));
    close_log();
}

/* Where commits are not synced, a record is on the disk when a sync that was asked for has been. */
static void a_sync_can_be_asked_for(void **state)
{
    (void)state;
    struct wal_loc loc;
    open_log(WAL_OS);
    append(1, 1, 100, NULL, &loc);
    until_committed();
    for (unsigned i = 0; i < 5; i++)
        shard_stub_turn(&stub, 1000000);
    assert_false(wal_is_durable(wal, loc));
    for (unsigned i = 0; !wal_is_durable(wal, loc); i++) {
        assert_true(i < 100);
        wal_sync_soon(wal);
        shard_stub_turn(&stub, 10000000);
    }
    close_log();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_committed_is_replayed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_log_goes_on_after_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_larger_than_a_segment_fits, setup, teardown),
        cmocka_unit_test_setup_teardown(a_group_can_be_taken_back, setup, teardown),
        cmocka_unit_test_setup_teardown(older_versions_are_read_and_newer_ones_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(records_are_read_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_checkpoint_sets_space_free, setup, teardown),
        cmocka_unit_test_setup_teardown(a_gap_keeps_segments, setup, teardown),
        cmocka_unit_test_setup_teardown(a_read_keeps_its_segment, setup, teardown),
        cmocka_unit_test_setup_teardown(sparse_segments_are_taken_and_given, setup, teardown),
        cmocka_unit_test_setup_teardown(a_sync_can_be_asked_for, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
