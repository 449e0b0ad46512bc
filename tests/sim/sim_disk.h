/*
 * sim_disk.h -- a false disk behind engine/disk.h and the file requests of engine/ring.h.
 *
 * Files are bytes in memory, kept twice: as the process sees them, and as they are on the platter.
 * A write changes the first; a sync, or a write that asks to be durable when it completes, copies
 * to the second. What was not synced reaches the platter in a crash or not, each sector of 512
 * bytes for itself: lost, torn, reordered. Names (making, renaming, removing) are durable once
 * their directory is synced; of those since then a crash keeps the first few. Sizes likewise.
 *
 * Every request that changes something is an event. sim_disk_stop_after(n) lets the disk die within
 * the n-th: of that one some sectors arrive, and whatever is asked later fails. Then sim_disk_crash
 * makes what the next start will find.
 *
 * Requests fail as the mood says: EIO, ENOSPC, EINTR, short writes, syncs that fail and lose.
 * Everything follows from the run's seed.
 */
#ifndef SLUICE_SIM_DISK_H
#define SLUICE_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_DISK_FD_FIRST 100000

/* A value; chances per mille. */
struct sim_disk_mood {
    uint32_t write_error;
    uint32_t sync_error;
    uint32_t read_error;
    uint32_t interrupt;
    uint64_t capacity; /* bytes of all files; 0: no end */
    bool is_read_only;
    bool refuses_direct;
    bool refuses_dsync;
};

extern struct sim_disk_mood sim_disk_mood;

void sim_disk_start(void);

/* Frees everything. No descriptor may be open. */
void sim_disk_fini(void);

/* The disk dies within the n-th event from now on (1: the next); 0: never. */
void sim_disk_stop_after(uint64_t events);
bool sim_disk_is_dead(void);

/* The disk dies now, between two events. */
void sim_disk_die(void);

/* Events so far. */
uint64_t sim_disk_events(void);

/*
 * The machine has lost power (or, with `keeps_memory`, only the process died): what the platter
 * holds is what there is. The disk lives again. No descriptor may be open.
 */
void sim_disk_crash(bool keeps_memory);

unsigned sim_disk_open_files(void);
uint64_t sim_disk_used(void);

/* What the next read of a file will say, for tests that damage it: bytes and length; NULL: none. */
uint8_t *sim_disk_bytes(const char *path, uint64_t *out_len);

/* Makes a file shorter, or as long as it was: what was cut off is there again. */
void sim_disk_cut(const char *path, uint64_t len);

/* ---- the requests; results as io_uring gives them: >= 0, or -errno ---- */

bool sim_disk_is_file(int fd);
int32_t sim_disk_open(const char *path, unsigned flags);
int32_t sim_disk_close(int fd);
int32_t sim_disk_read(int fd, void *to, size_t len, uint64_t offset);
int32_t sim_disk_write(int fd, const void *from, size_t len, uint64_t offset, bool durable);
int32_t sim_disk_sync(int fd);
int32_t sim_disk_allocate(int fd, uint64_t len);
int32_t sim_disk_rename(const char *from, const char *to);
int32_t sim_disk_remove(const char *path);

/* A write that was under way when everything ended: any of its sectors may have arrived. */
void sim_disk_tear(int fd, const void *from, size_t len, uint64_t offset);

#endif
