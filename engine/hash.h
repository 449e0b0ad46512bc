/*
 * hash.h -- the two hash functions of the process, both keyed.
 *
 * hash_keyed is SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF"), checked
 * against the vectors of that paper. It is for values that outlive the process or decide where
 * something lives (the home shard of a client id): without the key nobody can aim.
 *
 * hash_fast is a folded-multiply hash: 16 bytes a step, each half xored with a secret word, the
 * 128-bit product folded to 64 bits. About 2 ns for a topic of 30 bytes. It is for tables in memory
 * that die with the process. The words of the key take the place of the published constants of such
 * hashes, because with known constants an input that makes one factor zero can be written down.
 * The result differs between runs and must never be stored or sent.
 *
 * hash_mix combines two hashes; the order of its arguments matters.
 *
 * Threads: pure functions, any.
 */
#ifndef SLUICE_HASH_H
#define SLUICE_HASH_H

#include "bytes.h"

struct hash_key {
    uint64_t words[2]; /* [I] random; neither word may be zero */
};

/* SipHash-2-4 of `data` under `key`; the same on every machine. */
uint64_t hash_keyed(const struct hash_key *key, struct bytes data);

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    return hash_fold(a ^ UINT64_C(0x9e3779b97f4a7c15), (b << 1) ^ UINT64_C(0xd6e8feb86659fd93));
}

static inline uint64_t hash_load64(const uint8_t *ptr)
{
    uint64_t word;
    memcpy(&word, ptr, sizeof word);
    return word;
}

static inline uint64_t hash_load32(const uint8_t *ptr)
{
    uint32_t word;
    memcpy(&word, ptr, sizeof word);
    return word;
}

/* A fast hash of `data` under `key`, good only inside this process. */
static inline uint64_t hash_fast(const struct hash_key *key, struct bytes data)
{
    const uint8_t *at = data.ptr;
    uint32_t len = data.len;
    uint64_t state = key->words[0];
    uint64_t a = 0;
    uint64_t b = 0;
    if (len > 16) {
        uint32_t left = len;
        while (left > 16) {
            state = hash_fold(hash_load64(at) ^ key->words[1], hash_load64(at + 8) ^ state);
            at += 16;
            left -= 16;
        }
        /* The last 16 bytes, overlapping what was read: no loop for the rest. */
        a = hash_load64(data.ptr + len - 16);
        b = hash_load64(data.ptr + len - 8);
    } else if (len >= 8) {
        a = hash_load64(at);
        b = hash_load64(at + len - 8);
    } else if (len >= 4) {
        a = hash_load32(at);
        b = hash_load32(at + len - 4);
    } else if (len > 0) {
        a = ((uint64_t)at[0] << 16) | ((uint64_t)at[len / 2] << 8) | at[len - 1];
    }
    uint64_t folded = hash_fold(a ^ key->words[1], b ^ state);
    return hash_fold(folded ^ UINT64_C(0x9e3779b97f4a7c15), key->words[1] ^ len);
}

#endif
