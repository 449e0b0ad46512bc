/*
 * persist_stats.h -- what the log counts. One row each: identifier, kind, name, help.
 *
 * Threads: constants, any.
 */
#ifndef SLUICE_PERSIST_STATS_H
#define SLUICE_PERSIST_STATS_H

#include "stat.h"

#define PERSIST_STATS(X)                                                                           \
    X(STAT_WAL_RECORDS, COUNTER, "wal_records", "Records appended to the log.")                    \
    X(STAT_WAL_COMMITS, COUNTER, "wal_commits", "Commits written to the log.")                     \
    X(STAT_WAL_BYTES, COUNTER, "wal_bytes", "Bytes written to the log, padding included.")         \
    X(STAT_WAL_RECORD_BYTES, COUNTER, "wal_record_bytes", "Bytes of records in these.")            \
    X(STAT_WAL_STALLS, COUNTER, "wal_stalls",                                                      \
      "Commits that waited because the next segment was not ready.")                               \
    X(STAT_WAL_ERRORS, COUNTER, "wal_errors", "Requests of the log that failed.")                  \
    X(STAT_WAL_REFUSED, COUNTER, "wal_refused", "Records that the log did not take.")              \
    X(STAT_WAL_READS, COUNTER, "wal_reads", "Records read back from the log.")                     \
    X(STAT_WAL_READ_REQUESTS, COUNTER, "wal_read_requests",                                        \
      "Requests to the disk that these needed.")                                                   \
    X(STAT_WAL_CHECKPOINTS, COUNTER, "wal_checkpoints", "Checkpoints that became valid.")          \
    X(STAT_WAL_SEGMENTS_MADE, COUNTER, "wal_segments_made", "Segments made anew.")                 \
    X(STAT_WAL_SEGMENTS_RECYCLED, COUNTER, "wal_segments_recycled",                                \
      "Segments made from ones that were free.")                                                   \
    X(STAT_WAL_SEGMENTS_REMOVED, COUNTER, "wal_segments_removed", "Segments removed.")             \
    X(STAT_WAL_DISK_BYTES, GAUGE, "wal_disk_bytes", "Size of all files of the log.")               \
    X(STAT_WAL_LIVE_BYTES, GAUGE, "wal_live_bytes",                                                \
      "Bytes of records in the log that are still needed.")                                        \
    X(STAT_WAL_PENDING_BYTES, GAUGE, "wal_pending_bytes",                                          \
      "Bytes of records that are not committed yet.")                                              \
    X(STAT_WAL_FAILING, GAUGE, "wal_failing", "Logs that take nothing because the disk fails.")

#define PERSIST_STAT_ENUM(id, kind, name, help) id,
enum persist_stat {
    STAT_PERSIST_BEFORE = STAT_PERSIST_FIRST - 1,
    PERSIST_STATS(PERSIST_STAT_ENUM) STAT_PERSIST_END
};
#undef PERSIST_STAT_ENUM

STATIC_CHECK((int)STAT_PERSIST_END <= (int)STAT_ROUTE_FIRST, "the log's counters fit their range");

#endif
