/*
 * disk_writer.h -- a thread that writes to the disk and waits until it is there, one at a time.
 *
 * A ring can do the same: an asynchronous O_DIRECT write with RWF_DSYNC. But the kernel completes
 * that in two rounds of a work queue, first the write, then the flush of the device's cache, whose
 * threads wait for a core behind whatever computes there: behind the shard itself when it is busy,
 * behind everybody else when the machine is. A thread that waits for its own write is woken by
 * the device's interrupts and nothing else, and it may say how urgently: it computes next to
 * nothing, so it is real-time where the process may have such threads, and has the shortest time
 * slice (time_slice.h) where not. One write of 4 KiB beside a compiler on each core: 2 to 5 ms by
 * the ring, 0.1 ms by this thread; on an idle machine they are alike.
 *
 *     shard      disk_writer_write ---eventfd--->  thread: pwritev2, O_DIRECT and RWF_DSYNC
 *     completion of the token <===MSG_RING======   result
 *
 * Bounds: one write at a time; a second one is refused, and the caller's ring does it.
 * Threads: that of the ring; the thread itself is in here.
 */
#ifndef SLUICE_DISK_WRITER_H
#define SLUICE_DISK_WRITER_H

#include "bytes.h"
#include "check.h"

struct disk_writer;

/* Completions go to the ring with this descriptor. NULL: there is no such thread to be had. */
struct disk_writer *disk_writer_create(int ring_fd);

/*
 * Writes and completes as ring_file_write, durable, does. `data` must stay until then. False: it
 * is at work; nothing happens.
 */
MUST_USE bool disk_writer_write(struct disk_writer *writer, uint64_t token, int fd,
                                struct bytes data, uint64_t offset);

/* Before the ring is closed. A write that the disk does not end is left alone, with its thread. */
void disk_writer_destroy(struct disk_writer *writer);

#endif
