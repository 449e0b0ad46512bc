/*
 * source_rate.h -- how often each source address may connect: a bounded table for all shards.
 *
 * Connections of one address come to every shard, so the table is shared. It is one array of words,
 * eight to a cache line, which is a set; an address belongs to one set and is found there by the
 * upper bits of its hash. A word holds those 22 bits and, in 42 bits, the time up to which the
 * address has used up its rate (the "theoretical arrival time" of the generic cell rate algorithm,
 * ITU-T I.371), in units of 16 us. So a decision is one compare-and-swap, and there is nothing to
 * sweep: a word whose time has passed is as good as empty. In a full set the word that has used up
 * least gives way, so that who is over the rate is not forgotten because many others come.
 *
 * IPv4 addresses count each for itself, IPv6 by their first 64 bits: whoever has one such address
 * has them all. The listener is part of the key. Two addresses of one set are taken for the same
 * once in four million.
 *
 * Bounds: SOURCE_RATE_WORDS words, 512 KiB.
 *
 * Threads: create and destroy: one, when no other can see the table; source_rate_take: any.
 */
#ifndef SLUICE_SOURCE_RATE_H
#define SLUICE_SOURCE_RATE_H

#include <netinet/in.h>

#include "bucket.h"
#include "hash.h"

#define SOURCE_RATE_WORDS 65536 /* addresses that can be over their rates at the same time */

struct source_rates;

/* NULL without memory. */
struct source_rates *source_rates_create(const struct hash_key *key);
void source_rates_destroy(struct source_rates *rates);

/* One connection of `address` (IPv4 mapped): false if that is over the rate. */
MUST_USE bool source_rate_take(struct source_rates *rates, const struct in6_addr *address,
                               uint32_t listener, const struct bucket_rate *rate, uint64_t now_ns);

#endif
