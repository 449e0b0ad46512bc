/*
 * source_rate.c -- see source_rate.h.
 * Threads: see source_rate.h.
 */
#include "source_rate.h"

#include <string.h>

#include "mem.h"

#define SOURCE_RATE_MAGIC     0x53524154u
#define SOURCE_RATE_SET       8
#define SOURCE_RATE_TIME_BITS 42
#define SOURCE_RATE_UNIT_LOG2 14 /* 16.4 us */
#define SOURCE_RATE_TIME_MASK ((UINT64_C(1) << SOURCE_RATE_TIME_BITS) - 1)

/* Times ahead of now are less than half of what the bits can hold: 208 days. */
#define SOURCE_RATE_AHEAD_MAX (INT64_C(1) << (SOURCE_RATE_TIME_BITS - 2))

/* Another shard may change the word between look and swap, rarely more than once. */
#define SOURCE_RATE_TRIES 8

struct source_rates {
    uint32_t magic;
    struct hash_key key;
    uint64_t words[SOURCE_RATE_WORDS] __attribute__((aligned(64))); /* [A] */
};

struct source_rates *source_rates_create(const struct hash_key *key)
{
    struct source_rates *rates = mem_alloc_aligned(64, sizeof(*rates));
    if (rates == NULL)
        return NULL;
    memset(rates, 0, sizeof(*rates));
    rates->magic = SOURCE_RATE_MAGIC;
    rates->key = *key;
    return rates;
}

void source_rates_destroy(struct source_rates *rates)
{
    if (rates == NULL)
        return;
    CHECK_OBJ(rates, SOURCE_RATE_MAGIC);
    rates->magic = 0;
    mem_free(rates);
}

static uint64_t source_rate_hash(const struct source_rates *rates, const struct in6_addr *address,
                                 uint32_t listener)
{
    uint8_t key[16 + sizeof(listener)];
    memcpy(key, address->s6_addr, 16);
    if (!IN6_IS_ADDR_V4MAPPED(address))
        memset(key + 8, 0, 8);
    memcpy(key + 16, &listener, sizeof(listener));
    return hash_keyed(&rates->key, bytes_of(key, sizeof(key)));
}

/* How far the word's time is ahead of now; below 0: it has passed. */
static int64_t source_rate_ahead(uint64_t word, uint64_t now)
{
    uint64_t ahead = (word - now) & SOURCE_RATE_TIME_MASK;
    return ahead < (UINT64_C(1) << (SOURCE_RATE_TIME_BITS - 1))
               ? (int64_t)ahead
               : (int64_t)ahead - (INT64_C(1) << SOURCE_RATE_TIME_BITS);
}

/* The word of the tag in the set, or else the one that gives way. */
static uint64_t *source_rate_find(uint64_t *set, uint64_t tag, uint64_t now, uint64_t *out_word)
{
    uint64_t *least = NULL;
    int64_t least_ahead = INT64_MAX;
    for (unsigned i = 0; i < SOURCE_RATE_SET; i++) {
        uint64_t word = __atomic_load_n(&set[i], __ATOMIC_RELAXED);
        if (word >> SOURCE_RATE_TIME_BITS == tag) {
            *out_word = word;
            return &set[i];
        }
        int64_t ahead = word == 0 ? INT64_MIN : source_rate_ahead(word, now);
        if (least == NULL || ahead < least_ahead) {
            least = &set[i];
            least_ahead = ahead;
            *out_word = word;
        }
    }
    return least;
}

bool source_rate_take(struct source_rates *rates, const struct in6_addr *address, uint32_t listener,
                      const struct bucket_rate *rate, uint64_t now_ns)
{
    CHECK_OBJ(rates, SOURCE_RATE_MAGIC);
    if (!bucket_rate_limits(rate))
        return true;
    uint64_t now = now_ns >> SOURCE_RATE_UNIT_LOG2;
    int64_t cost = (int64_t)(rate->period_ms * UINT64_C(1000000) / rate->amount >>
                             SOURCE_RATE_UNIT_LOG2);
    if (cost == 0)
        cost = 1;
    int64_t most = SOURCE_RATE_AHEAD_MAX;
    if (rate->burst - 1 < (uint64_t)(SOURCE_RATE_AHEAD_MAX / cost))
        most = (int64_t)(rate->burst - 1) * cost;
    uint64_t hash = source_rate_hash(rates, address, listener);
    uint64_t tag = hash >> SOURCE_RATE_TIME_BITS;
    if (tag == 0)
        tag = 1; /* a word of zeroes is empty */
    uint64_t *set = &rates->words[hash % (SOURCE_RATE_WORDS / SOURCE_RATE_SET) * SOURCE_RATE_SET];
    for (unsigned i = 0; i < SOURCE_RATE_TRIES; i++) {
        uint64_t word = 0;
        uint64_t *at = source_rate_find(set, tag, now, &word);
        int64_t ahead = 0;
        if (word >> SOURCE_RATE_TIME_BITS == tag)
            ahead = source_rate_ahead(word, now);
        /* Passed, or left by a rate that has been changed since. */
        if (ahead < 0 || ahead > most + cost)
            ahead = 0;
        if (ahead > most)
            return false;
        uint64_t time = (now + (uint64_t)(ahead + cost)) & SOURCE_RATE_TIME_MASK;
        uint64_t next = tag << SOURCE_RATE_TIME_BITS | time;
        if (__atomic_compare_exchange_n(at, &word, next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return true;
    }
    return false; /* so many at the same moment that the set does not keep still */
}
