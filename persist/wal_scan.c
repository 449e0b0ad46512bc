/*
 * wal_scan.c -- see wal_scan.h.
 *
 * A commit is whole if its header is, if it lies where it says, and if its records fill its length
 * exactly, each with its own sum, all headers with theirs.
 *
 * Threads: see wal_scan.h.
 */
#include "wal_scan.h"

#include "crc32c.h"

/* Offset in the file of `pos`; false: not within. */
static bool wal_scan_offset(const struct wal_scan *scan, uint64_t pos, uint64_t *out_offset)
{
    CHECK(pos % WAL_BLOCK == 0 && scan->head.base >= WAL_POS_FIRST);
    if (pos < scan->head.base || pos >= scan->limit || scan->len < 2 * WAL_BLOCK)
        return false;
    uint64_t distance = pos - scan->head.base;
    if (distance > scan->len - 2 * WAL_BLOCK)
        return false;
    *out_offset = WAL_BLOCK + distance;
    return true;
}

static bool wal_scan_records(const struct wal_scan *scan, const struct wal_commit *commit,
                             const uint8_t *records)
{
    CHECK(records >= scan->bytes && records + commit->len <= scan->bytes + scan->len);
    uint32_t crc = CRC32C_START;
    uint64_t at = 0;
    for (uint32_t i = 0; i < commit->count; i++) {
        if (commit->len - at < WAL_RECORD_HEAD)
            return false;
        const uint8_t *head = records + at;
        uint64_t body_len = wal_record_body_len(head);
        if (body_len > commit->len - at - WAL_RECORD_HEAD)
            return false;
        if (!wal_record_is_valid(scan->head.log_id, commit->pos + WAL_COMMIT_LEN + at, head))
            return false;
        crc = crc32c_update(crc, head, WAL_RECORD_HEAD);
        at += WAL_RECORD_HEAD + body_len;
    }
    return at == commit->len && crc == commit->heads_crc;
}

bool wal_scan_commit(const struct wal_scan *scan, uint64_t pos, struct wal_commit *out,
                     const uint8_t **out_records)
{
    uint64_t offset;
    struct wal_commit commit;
    if (!wal_scan_offset(scan, pos, &offset) ||
        !wal_commit_decode(scan->bytes + offset, scan->head.number, scan->head.salt, &commit))
        return false;
    if (commit.pos != pos || commit.len > scan->len - offset - WAL_COMMIT_LEN ||
        commit.lsn_first + commit.count < commit.lsn_first)
        return false;
    const uint8_t *records = scan->bytes + offset + WAL_COMMIT_LEN;
    if (!wal_scan_records(scan, &commit, records))
        return false;
    *out = commit;
    *out_records = records;
    return true;
}

bool wal_scan_find(const struct wal_scan *scan, uint64_t pos, struct wal_commit *out)
{
    const uint8_t *records;
    uint64_t offset;
    for (; wal_scan_offset(scan, pos, &offset); pos += WAL_BLOCK)
        if (wal_scan_commit(scan, pos, out, &records))
            return true;
    return false;
}

bool wal_scan_proves(const struct wal_scan *scan, uint64_t pos, uint64_t proved)
{
    struct wal_commit commit;
    while (wal_scan_find(scan, pos, &commit)) {
        if (commit.pos_durable > proved)
            return true;
        pos = wal_commit_end(&commit);
    }
    return false;
}

bool wal_scan_headless(const uint8_t *bytes, uint64_t len, uint64_t number)
{
    CHECK(bytes != NULL || len == 0);
    if (len < 3 * WAL_BLOCK)
        return false;
    uint64_t salt = wal_commit_salt(bytes + WAL_BLOCK);
    struct wal_commit first;
    struct wal_commit later;
    if (!wal_commit_decode(bytes + WAL_BLOCK, number, salt, &first))
        return false;
    for (uint64_t offset = 2 * WAL_BLOCK; offset <= len - WAL_BLOCK; offset += WAL_BLOCK)
        if (wal_commit_decode(bytes + offset, number, salt, &later) &&
            later.pos_durable > first.pos && later.pos == first.pos + offset - WAL_BLOCK)
            return true;
    return false;
}
