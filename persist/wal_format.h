/*
 * wal_format.h -- how the log looks on the disk.
 *
 * A log is a directory of segments, <number>.wal, ten decimal digits, numbers rising. A segment is
 * a header block and commits behind it; everything is aligned to blocks of 4096 bytes and all
 * integers are little-endian:
 *
 *     0        4096                                                        size of the file
 *     | header | commit | commit | commit |  not used yet: zeroes, or what  |
 *              ^ base   ^ base + length   ^  the file held before           |
 *
 * Positions. The log is one sequence of bytes that begins at WAL_POS_FIRST and of which each
 * segment holds a range: what lies at `offset` in a file has position base + offset - 4096. A
 * commit begins where the one before it ended, rounded up to a block, across segments too. The
 * position of a record is its location and never changes, in whatever segment it ends up.
 *
 * Segment header, 128 bytes, the rest of the block is zero:
 *
 *      0  8  "SluiceWL"          48  8  salt, random
 *      8  4  version             56  8  log id, random, the same in all segments of a log
 *     12  4  CRC of the others   64  8  number of the segment before it in this log, 0: none
 *     16  8  number              72  8  checkpoint: position of the commit with which replay starts
 *     24  8  base                80  8  checkpoint: first lsn to be replayed; 0: from the start
 *     32  8  lsn of the first    88  8  wall clock, ms
 *            record that follows 96  8  size of the file when the segment began
 *     40  8  durable position   104     zero
 *
 * Commit, a header of 88 bytes and records:
 *
 *      0  4  "SWLc"              40  8  durable position: all that lies before it was on the disk
 *      4  4  CRC of 8 to 88             when this commit was written
 *      8  4  length of records   48  8  checkpoint position   } as in the segment's header; valid
 *     12  4  number of records   56  8  checkpoint first lsn  } if this commit is
 *     16  8  number of segment   64  8  wall clock, ms
 *     24  8  position            72  4  CRC of the record headers
 *     32  8  lsn of the first    76  4  zero
 *                                80  8  salt of the segment
 *
 * Record, a header of 9 bytes and the body, without gaps:
 *
 *      0  4  CRC of 4 to the end of the body      4  4  length of the body      8  1  type
 *
 * CRCs are CRC-32C states (crc32c.h). The segment header's starts with CRC32C_START; the commit
 * header's with crc32c_seed(salt, number), so that nothing an older life of the file left behind,
 * and nothing that a client puts into a payload, is taken for a commit; a record's with
 * crc32c_seed(log id, position); that of the record headers with CRC32C_START over their 9 bytes
 * each, in order. A commit is valid if its header is and, by these sums, all its records are.
 * A commit without records is allowed: it carries a checkpoint.
 *
 * Which files make up the log. Files are renamed and made ahead, so one counts only if its header
 * is valid and names the number that the file's name does. The valid one with the largest number is
 * the last; each says which came before it. Others are left-overs. A segment's range ends where the
 * next one's base is: what lies there is a write that failed and was repeated in the next segment.
 *
 * The end of the log. One write is in flight at a time, so only the last commit can be torn. A
 * place that is not valid is the end of the log, unless a later commit of the same file is valid
 * and its durable position, or the next segment's, lies behind that place: then the log is damaged.
 * So it is if the header of a file is not valid, but its first commit, by its own salt, and a later
 * one are. With durability `os` or `interval`, where later bytes may reach the disk before
 * earlier ones, that proof is missing and the log is cut at the first place that is not valid.
 *
 * Versions. 2: messages may name their owner (route/store_record.h), which version 1 does not read.
 * Logs of version 1 are read, and go on in segments of version 2. A newer version is refused, so
 * that no older program takes for damage what it does not know.
 *
 * Threads: pure functions, any.
 */
#ifndef SLUICE_WAL_FORMAT_H
#define SLUICE_WAL_FORMAT_H

#include "bytes.h"
#include "rc.h"

#define WAL_VERSION     2
#define WAL_BLOCK       4096
#define WAL_HEAD_LEN    128
#define WAL_COMMIT_LEN  88
#define WAL_RECORD_HEAD 9
#define WAL_POS_FIRST   4096                /* 0 means none */
#define WAL_POS_MAX     (UINT64_C(1) << 60) /* 36 years at a GB a second */
#define WAL_NAME_LEN    14                  /* 0000000001.wal */
#define WAL_NUMBER_MAX  UINT64_C(9999999999)

/* The header of a segment, a value. */
struct wal_head {
    uint64_t number;
    uint64_t base;
    uint64_t lsn_first;
    uint64_t pos_durable;
    uint64_t salt;
    uint64_t log_id;
    uint64_t before;
    uint64_t checkpoint_pos;
    uint64_t checkpoint_lsn;
    uint64_t wall_ms;
    uint64_t size;
};

/* The header of a commit, a value. */
struct wal_commit {
    uint64_t number;
    uint64_t pos;
    uint64_t lsn_first;
    uint64_t pos_durable;
    uint64_t checkpoint_pos;
    uint64_t checkpoint_lsn;
    uint64_t wall_ms;
    uint32_t len;
    uint32_t count;
    uint32_t heads_crc;
};

static inline uint64_t wal_round(uint64_t bytes)
{
    return (bytes + WAL_BLOCK - 1) / WAL_BLOCK * WAL_BLOCK;
}

/* Fills WAL_HEAD_LEN bytes. */
void wal_head_encode(const struct wal_head *head, uint8_t *out);

/* RC_INVALID: not a header; RC_UNSUPPORTED: a newer version's, of which nothing is read. */
MUST_USE enum rc wal_head_decode(const uint8_t *in, struct wal_head *out);

/* Fills WAL_COMMIT_LEN bytes. */
void wal_commit_encode(const struct wal_commit *commit, uint64_t salt, uint8_t *out);

/* The salt that what may be the header of a commit claims to have. */
uint64_t wal_commit_salt(const uint8_t *in);

/* False: this is not the header of a commit of segment `number` with this salt. */
MUST_USE bool wal_commit_decode(const uint8_t *in, uint64_t number, uint64_t salt,
                                struct wal_commit *out);

/* Fills WAL_RECORD_HEAD bytes; the body's parts follow it on the disk. */
void wal_record_encode(uint64_t log_id, uint64_t pos, uint8_t type, const struct bytes *parts,
                       unsigned parts_num, uint32_t body_len, uint8_t *out);

/* The length of the body by the header alone. */
uint32_t wal_record_body_len(const uint8_t *head);

/* Whether header and body (which follows it in memory) are whole and lie at this position. */
MUST_USE bool wal_record_is_valid(uint64_t log_id, uint64_t pos, const uint8_t *head);

/* The name of a segment's file, WAL_NAME_LEN characters and a zero. */
void wal_name_format(uint64_t number, char *out);

/* False: not the name of a segment. */
MUST_USE bool wal_name_parse(const char *name, uint64_t *out_number);

#endif
