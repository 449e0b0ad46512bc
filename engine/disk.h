/*
 * disk.h -- files and directories by calls that block: for start-up, shutdown and tools.
 *
 * A running shard never calls these; it uses the file requests of ring.h on the same descriptors.
 * The simulator (tests/sim) links a false disk instead of both.
 *
 * Every function that can fail leaves the reason in errno and answers RC_NOT_FOUND (no such
 * file), RC_EXISTS, RC_FULL (no space, no quota, no descriptors), RC_DENIED (permission, read-only)
 * or RC_IO (anything else).
 *
 * Threads: any.
 */
#ifndef SLUICE_DISK_H
#define SLUICE_DISK_H

#include "check.h"
#include "rc.h"

enum disk_flags {
    DISK_READ = 0,   /* for reading only */
    DISK_WRITE = 1,  /* for reading and writing */
    DISK_CREATE = 2, /* made if it is not there */
    DISK_DIRECT = 4, /* past the page cache: memory, offsets and lengths in multiples of 4096 */
    DISK_DIR = 8,    /* a directory, to be synced */
    DISK_TRUNCATE = 16,
};

/* What direct requests must be aligned to; a file system that wants more gets none. */
#define DISK_ALIGNMENT 4096

/* What the file system of a directory can do, a value. */
struct disk_abilities {
    bool direct; /* O_DIRECT with RWF_DSYNC at DISK_ALIGNMENT */
    bool dsync;  /* RWF_DSYNC at all */
};

/* The same flags as open(2) wants them. */
int disk_open_flags(unsigned flags);

MUST_USE enum rc disk_open(const char *path, unsigned flags, int *out_fd);
void disk_close(int fd);

/* Reads up to `len` bytes; fewer only at the end of the file. */
MUST_USE enum rc disk_read(int fd, void *to, size_t len, uint64_t offset, size_t *out_len);
MUST_USE enum rc disk_write(int fd, const void *from, size_t len, uint64_t offset);
MUST_USE enum rc disk_size(int fd, uint64_t *out_size);

/* Gives the file blocks up to `len`, which read as zero. RC_UNSUPPORTED where it cannot be done. */
MUST_USE enum rc disk_allocate(int fd, uint64_t len);

/* Waits until what was written is on the disk; of a directory: its entries. */
MUST_USE enum rc disk_sync(int fd);
MUST_USE enum rc disk_sync_dir(const char *path);

/* RC_EXISTS if it is there already. */
MUST_USE enum rc disk_make_dir(const char *path);
MUST_USE enum rc disk_rename(const char *from, const char *to);
MUST_USE enum rc disk_remove(const char *path);
MUST_USE enum rc disk_remove_dir(const char *path);

/* Calls `entry` with each name in the directory but "." and "..", in any order. */
MUST_USE enum rc disk_list(const char *path, void *context,
                           void (*entry)(void *context, const char *name));

/* Bytes that files in the directory can still take. */
MUST_USE enum rc disk_room(const char *dir, uint64_t *out_bytes);

/*
 * Finds out by writing a file in `dir`, "probe". It stays, so that on a disk that is full by then
 * its block can be written again. RC_FULL: there was none, and there is no room for one.
 */
MUST_USE enum rc disk_probe(const char *dir, struct disk_abilities *out);

#endif
