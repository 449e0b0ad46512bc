/*
 * crc32c.h -- the checksum of everything in the log: CRC-32C (Castagnoli), as in iSCSI and ext4.
 *
 * With SSE4.2, which is looked for at run time, 8 bytes cost about 3 cycles; without it a table of
 * 16 entries does half a byte a step: right, but slow, for processors older than 2008.
 *
 * A sum is continued from a state, so that it can be made piece by piece:
 *     state = crc32c_update(crc32c_seed(...), a, ...); state = crc32c_update(state, b, ...);
 * The state with seed CRC32C_START, its bits inverted, is the published CRC-32C of the bytes.
 *
 * Threads: pure functions, any.
 */
#ifndef SLUICE_CRC32C_H
#define SLUICE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

#define CRC32C_START UINT32_MAX

uint32_t crc32c_update(uint32_t state, const void *bytes, size_t len);

/* A state to begin with that differs for each pair of words. */
uint32_t crc32c_seed(uint64_t a, uint64_t b);

/* The portable way, for the test that compares both. */
uint32_t crc32c_update_portable(uint32_t state, const void *bytes, size_t len);

#endif
