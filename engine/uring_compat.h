/*
 * uring_compat.h -- what liburing 2.3 lacks, in one place.
 *
 * Helpers that later liburing versions bring themselves are written here against the kernel's own
 * interface, under names that cannot clash.
 *
 * Threads: that of the ring.
 */
#ifndef SLUICE_URING_COMPAT_H
#define SLUICE_URING_COMPAT_H

#include <errno.h>
#include <liburing.h>
#include <string.h>
#include <sys/mman.h>

STATIC_CHECK(RING_MORE == IORING_CQE_F_MORE, "completion flags are passed on as they are");

/*
 * Maps and registers a ring of `entries` provided-buffer descriptors. NULL: `*out_error` is an
 * errno. The caller unmaps entries * sizeof(struct io_uring_buf) bytes after the ring is gone.
 */
static inline struct io_uring_buf_ring *io_uring_setup_buf_ring_compat(struct io_uring *uring,
                                                                       uint32_t entries,
                                                                       uint16_t group,
                                                                       int *out_error)
{
    size_t size = entries * sizeof(struct io_uring_buf);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        *out_error = errno;
        return NULL;
    }
    struct io_uring_buf_reg reg;
    memset(&reg, 0, sizeof(reg));
    reg.ring_addr = (unsigned long)memory;
    reg.ring_entries = entries;
    reg.bgid = group;
    int result = io_uring_register_buf_ring(uring, &reg, 0);
    if (result != 0) {
        munmap(memory, size);
        *out_error = -result;
        return NULL;
    }
    struct io_uring_buf_ring *buffers = (struct io_uring_buf_ring *)memory;
    io_uring_buf_ring_init(buffers);
    return buffers;
}

#endif
