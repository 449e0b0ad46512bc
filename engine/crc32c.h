/*
 * crc32c.h -- CRC-32C (Castagnoli), as in iSCSI and ext4: the checksum of the log and of the
 * PROXY protocol.
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

/* The portable way: what crc32c_update does without SSE4.2, and what it is compared with. */
uint32_t crc32c_update_portable(uint32_t state, const void *bytes, size_t len);

#endif
