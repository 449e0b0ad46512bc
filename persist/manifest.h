/*
 * manifest.h -- which logs make up the state: <data>/log/MANIFEST and the directories beside it.
 *
 *     <data>/log/MANIFEST                          three lines of text:
 *                                                      sluice-log 1
 *                                                      generation 7
 *                                                      shards 4
 *     <data>/log/<generation>/<shard>/<number>.wal
 *
 * The number of shards of a generation never changes. To go on with another number, a broker reads
 * all logs of the present generation, writes a checkpoint of everything, bodies included, into logs
 * of generation + 1, commits them, replaces MANIFEST (written beside it, synced, renamed, directory
 * synced) and removes the old generation. A crash before the rename leaves the old generation in
 * force and a half-made directory, which the next start removes (manifest_sweep).
 *
 * The first line is the version of everything below it. A newer one is refused.
 *
 * Threads: main, before the shards start. All functions block.
 */
#ifndef SLUICE_MANIFEST_H
#define SLUICE_MANIFEST_H

#include "check.h"
#include "rc.h"

#define MANIFEST_VERSION  1
#define MANIFEST_PATH_MAX 4352 /* a data directory's path of 4096 bytes, and what is below it */

/* A value. */
struct manifest {
    uint32_t generation;
    uint32_t shards;
};

/*
 * RC_NOT_FOUND: there is none, the directory is fresh. RC_UNSUPPORTED: of a newer version.
 * RC_INVALID: not a manifest. RC_IO. All but the first put one line into `out_reason`.
 */
MUST_USE enum rc manifest_load(const char *log_dir, struct manifest *out, char *out_reason,
                               size_t reason_size);

/* Replaces the manifest; makes `log_dir` if needed. When it returns RC_OK, it is on the disk. */
MUST_USE enum rc manifest_store(const char *log_dir, const struct manifest *manifest,
                                char *out_reason, size_t reason_size);

/* Removes the directories of all generations but `keep`. */
MUST_USE enum rc manifest_sweep(const char *log_dir, uint32_t keep, char *out_reason,
                                size_t reason_size);

/* The directory of one log. False if it is longer than `size`. */
MUST_USE bool manifest_log_path(char *out, size_t size, const char *log_dir, uint32_t generation,
                                uint32_t shard);

#endif
