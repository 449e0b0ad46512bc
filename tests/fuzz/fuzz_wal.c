/*
 * fuzz_wal.c -- replay on directories that no log has written (persist/wal_replay.h).
 *
 * The input is a list of edits of a right log of two segments: {file, offset, byte}; then, so that
 * what lies behind the sums is reached, the sums are made right again, all or by choice some. The
 * files are on the false disk. Invariants:
 *   - replay ends, with and without skipping, and nothing outside the file is looked at;
 *   - records come with rising lsn and rising locations;
 *   - a log that was replayed can be asked for bodies at any location.
 */
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "disk.h"
#include "le.h"
#include "mem.h"
#include "sim_base.h"
#include "sim_disk.h"
#include "wal_format.h"
#include "wal_replay.h"

#define FUZZ_FILES  2
#define FUZZ_BLOCKS 5
#define FUZZ_LEN    (FUZZ_BLOCKS * WAL_BLOCK)
#define FUZZ_DIR    "d"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint8_t files[FUZZ_FILES][FUZZ_LEN];

/* ---- a right log ---- */

static void fuzz_commit(uint8_t *at, uint64_t number, uint64_t pos, uint64_t *lsn)
{
    uint8_t *record = at + WAL_COMMIT_LEN;
    struct wal_commit commit = {.number = number,
                                .pos = pos,
                                .lsn_first = *lsn,
                                .pos_durable = pos,
                                .wall_ms = 1000 + *lsn,
                                .count = 3,
                                .heads_crc = CRC32C_START};
    for (uint32_t i = 0; i < commit.count; i++) {
        uint32_t body_len = 20 + i * 50;
        memset(record + WAL_RECORD_HEAD, (int)(*lsn + i), body_len);
        struct bytes body = {.ptr = record + WAL_RECORD_HEAD, .len = body_len};
        wal_record_encode(7, pos + (uint64_t)(record - at), (uint8_t)i, &body, 1, body_len, record);
        commit.heads_crc = crc32c_update(commit.heads_crc, record, WAL_RECORD_HEAD);
        record += WAL_RECORD_HEAD + body_len;
    }
    commit.len = (uint32_t)(record - at) - WAL_COMMIT_LEN;
    wal_commit_encode(&commit, 99, at);
    *lsn += commit.count;
}

static void fuzz_build(void)
{
    uint64_t lsn = 1;
    uint64_t pos = WAL_POS_FIRST;
    memset(files, 0, sizeof(files));
    for (unsigned f = 0; f < FUZZ_FILES; f++) {
        struct wal_head head = {.number = f + 1,
                                .base = pos,
                                .lsn_first = lsn,
                                .pos_durable = pos,
                                .salt = 99,
                                .log_id = 7,
                                .before = f,
                                .size = FUZZ_LEN};
        wal_head_encode(&head, files[f]);
        for (unsigned block = 1; block < FUZZ_BLOCKS; block++, pos += WAL_BLOCK)
            fuzz_commit(files[f] + block * WAL_BLOCK, f + 1, pos, &lsn);
    }
}

/* ---- sums that fit what the edits have made ---- */

static void fuzz_mend_commit(uint8_t *at, uint64_t pos)
{
    uint32_t left = WAL_BLOCK - WAL_COMMIT_LEN;
    uint32_t crc = CRC32C_START;
    uint8_t *record = at + WAL_COMMIT_LEN;
    for (uint32_t i = 0; i < le_get32(at + 12) && left >= WAL_RECORD_HEAD; i++) {
        uint32_t body_len = wal_record_body_len(record);
        if (body_len > left - WAL_RECORD_HEAD)
            break;
        struct bytes body = {.ptr = record + WAL_RECORD_HEAD, .len = body_len};
        wal_record_encode(7, pos + (uint64_t)(record - at), record[8], &body, 1, body_len, record);
        crc = crc32c_update(crc, record, WAL_RECORD_HEAD);
        record += WAL_RECORD_HEAD + body_len;
        left -= WAL_RECORD_HEAD + body_len;
    }
    le_put32(at + 72, crc);
    le_put32(at + 4, crc32c_update(crc32c_seed(99, le_get64(at + 16)), at + 8, WAL_COMMIT_LEN - 8));
}

static void fuzz_mend(uint8_t *file)
{
    uint64_t base = le_get64(file + 24);
    uint32_t crc = crc32c_update(CRC32C_START, file, 12);
    le_put32(file + 12, crc32c_update(crc, file + 16, WAL_HEAD_LEN - 16));
    for (unsigned block = 1; block < FUZZ_BLOCKS; block++)
        fuzz_mend_commit(file + block * WAL_BLOCK, base + (block - 1) * WAL_BLOCK);
}

/* ---- replay ---- */

struct fuzz_seen {
    uint64_t lsn;
    uint64_t pos;
};

static enum rc fuzz_record(void *context, const struct wal_record *record)
{
    struct fuzz_seen *seen = context;
    CHECK(record->lsn > seen->lsn && record->loc.word > seen->pos);
    seen->lsn = record->lsn;
    seen->pos = record->loc.word;
    uint8_t sum = record->type;
    for (uint32_t i = 0; i < record->body.len; i++)
        sum ^= record->body.ptr[i];
    __asm__ volatile("" : : "r"(sum));
    return RC_OK;
}

static void fuzz_replay(bool skips, bool from_start)
{
    char reason[256];
    struct fuzz_seen seen = {0};
    struct wal_image *image = NULL;
    struct wal_replay_options options = {.path = FUZZ_DIR,
                                         .skip_damaged = skips,
                                         .from_start = from_start,
                                         .context = &seen,
                                         .record = fuzz_record};
    if (wal_replay(&options, &image, reason, sizeof(reason)) != RC_OK)
        return;
    for (uint64_t pos = 1; pos < 3 * FUZZ_LEN; pos += 311) {
        void *buffer;
        struct bytes body;
        if (wal_image_read(image, (struct wal_loc){pos}, &buffer, &body) == RC_OK)
            mem_free(buffer);
    }
    wal_image_destroy(image);
}

static void fuzz_store(void)
{
    static const char *const names[FUZZ_FILES] = {FUZZ_DIR "/0000000001.wal",
                                                  FUZZ_DIR "/0000000002.wal"};
    for (unsigned f = 0; f < FUZZ_FILES; f++) {
        int fd;
        CHECK(disk_open(names[f], DISK_WRITE | DISK_CREATE, &fd) == RC_OK);
        CHECK(disk_write(fd, files[f], FUZZ_LEN, 0) == RC_OK);
        disk_close(fd);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 1)
        return 0;
    uint8_t flags = data[0];
    fuzz_build();
    for (size_t at = 1; at + 4 <= len; at += 4) {
        uint32_t offset = (uint32_t)(data[at] & 0x7f) << 8 | data[at + 1];
        /* Most edits fall into headers. */
        if ((data[at + 2] & 1) != 0)
            offset = offset % FUZZ_BLOCKS * WAL_BLOCK + offset / FUZZ_BLOCKS % 128;
        files[data[at] >> 7][offset % FUZZ_LEN] = data[at + 3];
    }
    for (unsigned f = 0; f < FUZZ_FILES; f++)
        if ((flags & (1u << f)) != 0)
            fuzz_mend(files[f]);
    sim_random_start(flags);
    sim_disk_start();
    CHECK(disk_make_dir(FUZZ_DIR) == RC_OK);
    fuzz_store();
    fuzz_replay((flags & 4) != 0, (flags & 8) != 0);
    sim_disk_fini();
    return 0;
}
