/*
 * wal_image.h -- what replay found out about a log, for wal_replay.c and wal.c.
 *
 * Segments that belong to the log, by rising base: the stores of bodies before the checkpoint as
 * well as those that were replayed. Files in the directory that are none of these are left-overs,
 * which wal_open removes.
 *
 * Threads: a value of the caller's.
 */
#ifndef SLUICE_WAL_IMAGE_H
#define SLUICE_WAL_IMAGE_H

#include "manifest.h"
#include "wal_format.h"
#include "wal_replay.h"

#define WAL_IMAGE_MAGIC 0x57494d47u

/* A value. */
struct wal_image_segment {
    struct wal_head head;
    uint64_t end;       /* position behind its last commit; for a store: where the next begins */
    uint64_t file_size; /* bytes */
};

struct wal_image {
    uint32_t magic;
    uint32_t num_segments;
    struct wal_image_segment *segments;
    uint64_t number_max; /* of all files in the directory */
    uint64_t log_id;
    uint64_t pos_end; /* where the next commit begins */
    uint64_t checkpoint_pos;
    uint64_t checkpoint_lsn;
    struct wal_image_figures figures;
    /* for wal_image_read: the file that is open, -1: none, and what of it is in memory */
    int fd;
    uint64_t fd_number;
    uint8_t *window;
    uint64_t window_pos;
    uint32_t window_len;
    char path[MANIFEST_PATH_MAX];
};

#endif
