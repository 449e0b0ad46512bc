/*
 * le.h -- little-endian integers in bytes that go to the disk.
 *
 * What MQTT sends is big-endian (bytes.h); what the broker writes for itself is little-endian, at
 * any alignment. On this project's machines each is one instruction.
 *
 * Threads: pure functions, any.
 */
#ifndef SLUICE_LE_H
#define SLUICE_LE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void le_put32(uint8_t *to, uint32_t value)
{
    value = htole32(value);
    memcpy(to, &value, sizeof(value));
}

static inline void le_put64(uint8_t *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof(value));
}

static inline uint32_t le_get32(const uint8_t *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof(value));
    return le32toh(value);
}

static inline uint64_t le_get64(const uint8_t *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof(value));
    return le64toh(value);
}

#endif
