/*
 * flapping.h -- clients that come and go too often.
 *
 * The home shard of a client id counts how often its connections end within a window, which begins
 * with the first end after a quiet time. At the configured number the ops thread is asked, by mail,
 * to ban the client id for a while. What the broker ends by itself for all (stopping) or because of
 * a ban does not count.
 *
 * The table has a fixed number of places, eight to a set; a client id is known by 64 bits of a
 * keyed hash. In a full set the one whose window began longest ago gives way. It is allocated when
 * the first connection ends while the detection is on.
 *
 * Bounds: FLAPPING_PLACES clients a shard, 128 KiB.
 *
 * Threads: the owner shard.
 */
#ifndef SLUICE_FLAPPING_H
#define SLUICE_FLAPPING_H

#include "bytes.h"
#include "hash.h"

#define FLAPPING_PLACES 8192

/* What an operator can set, a value. */
struct flapping_limits {
    uint32_t count; /* 0: the detection is off */
    uint64_t window_ms;
};

struct flapping;

/* NULL without memory. */
struct flapping *flapping_create(const struct hash_key *key);
void flapping_destroy(struct flapping *flapping);

/* A connection of that client has ended: true, once, if that was one too many. */
MUST_USE bool flapping_note(struct flapping *flapping, const struct flapping_limits *limits,
                            struct bytes client_id, uint64_t now_ms);

#endif
