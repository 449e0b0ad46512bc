/*
 * wal_scan.h -- one segment's file in memory, and the commits in it.
 *
 * What the bytes say is believed only as far as sums prove it; nothing outside the file is looked
 * at, whatever they say.
 *
 * Threads: any; the caller's value.
 */
#ifndef SLUICE_WAL_SCAN_H
#define SLUICE_WAL_SCAN_H

#include "wal_format.h"

/* A value: the file's bytes are borrowed, its header was decoded. */
struct wal_scan {
    struct wal_head head;
    const uint8_t *bytes;
    uint64_t len;   /* of the file */
    uint64_t limit; /* position at which the segment's range ends at the latest */
};

/* Whether a whole commit lies at position `pos`, records included; `out_records` is its first. */
MUST_USE bool wal_scan_commit(const struct wal_scan *scan, uint64_t pos, struct wal_commit *out,
                              const uint8_t **out_records);

/* The first whole commit at or behind `pos`. */
MUST_USE bool wal_scan_find(const struct wal_scan *scan, uint64_t pos, struct wal_commit *out);

/* Whether a whole commit at or behind `pos` proves that what lies before `proved` was durable. */
MUST_USE bool wal_scan_proves(const struct wal_scan *scan, uint64_t pos, uint64_t proved);

/*
 * Of a file without a valid header: whether commits in it prove that it had one. The first commit
 * itself says which segment it is of; the sums of records are not looked at.
 */
MUST_USE bool wal_scan_headless(const uint8_t *bytes, uint64_t len, uint64_t number);

/* Position behind a commit. */
static inline uint64_t wal_commit_end(const struct wal_commit *commit)
{
    return commit->pos + wal_round(WAL_COMMIT_LEN + (uint64_t)commit->len);
}

#endif
