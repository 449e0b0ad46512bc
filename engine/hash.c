/*
 * hash.c -- SipHash-2-4, written from its paper.
 *
 * Four words of state, begun from the key and four constants ("somepseudorandomlygeneratedbytes").
 * Each 8-byte little-endian word m of the input: v3 ^= m, two rounds, v0 ^= m. The last word holds
 * the bytes left and, in its top byte, the length modulo 256. Then v2 ^= 0xff, four rounds, and the
 * xor of the four words. A round is the ARX network of hash_sip_rounds below.
 *
 * Threads: pure functions, any.
 */
#include "hash.h"

struct hash_sip {
    uint64_t v0;
    uint64_t v1;
    uint64_t v2;
    uint64_t v3;
};

static inline uint64_t hash_rotate(uint64_t word, unsigned bits)
{
    return (word << bits) | (word >> (64 - bits));
}

static inline void hash_sip_rounds(struct hash_sip *s, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = hash_rotate(s->v1, 13) ^ s->v0;
        s->v3 = hash_rotate(s->v3, 16) ^ s->v2;
        s->v0 = hash_rotate(s->v0, 32);
        s->v2 += s->v1;
        s->v0 += s->v3;
        s->v1 = hash_rotate(s->v1, 17) ^ s->v2;
        s->v3 = hash_rotate(s->v3, 21) ^ s->v0;
        s->v2 = hash_rotate(s->v2, 32);
    }
}

static inline void hash_sip_word(struct hash_sip *s, uint64_t word)
{
    s->v3 ^= word;
    hash_sip_rounds(s, 2);
    s->v0 ^= word;
}

uint64_t hash_keyed(const struct hash_key *key, struct bytes data)
{
    CHECK(key != NULL);
    CHECK(data.len == 0 || data.ptr != NULL);
    struct hash_sip s = {
        .v0 = key->words[0] ^ UINT64_C(0x736f6d6570736575),
        .v1 = key->words[1] ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key->words[0] ^ UINT64_C(0x6c7967656e657261),
        .v3 = key->words[1] ^ UINT64_C(0x7465646279746573),
    };
    uint32_t whole = data.len & ~UINT32_C(7);
    for (uint32_t i = 0; i < whole; i += 8) {
        uint64_t word = 0;
        for (unsigned b = 0; b < 8; b++)
            word |= (uint64_t)data.ptr[i + b] << (8 * b);
        hash_sip_word(&s, word);
    }
    uint64_t last = (uint64_t)(data.len & 0xff) << 56;
    for (uint32_t b = 0; b < (data.len & 7); b++)
        last |= (uint64_t)data.ptr[whole + b] << (8 * b);
    hash_sip_word(&s, last);
    s.v2 ^= 0xff;
    hash_sip_rounds(&s, 4);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
