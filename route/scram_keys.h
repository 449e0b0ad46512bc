/*
 * scram_keys.h -- what a server keeps of a user's password for SCRAM (RFC 5802, 7677, 5803).
 *
 * Of the password only two derived keys are kept, with which a client's proof can be checked and
 * the server's given. As text, as RFC 5803 writes it:
 *
 *   SCRAM-SHA-256$4096:salt$StoredKey:ServerKey       (the last three in base64)
 *
 * Bounds: salts of at most SCRAM_SALT_LEN_MAX bytes, SCRAM_ROUNDS_MIN to _MAX iterations.
 *
 * Threads: pure functions, any. Making keys is slow: command line and workers.
 */
#ifndef SLUICE_SCRAM_KEYS_H
#define SLUICE_SCRAM_KEYS_H

#include "digest.h"
#include "rc.h"

#define SCRAM_SALT_LEN_MAX 64
#define SCRAM_ROUNDS       4096 /* RFC 7677 section 4: at least; clients pay them on each login */
#define SCRAM_ROUNDS_MIN   4096
#define SCRAM_ROUNDS_MAX   1000000
#define SCRAM_TEXT_LEN_MAX 383

/* X(constant, the mechanism's name, digest) */
#define SCRAM_TABLE(X)                                                                             \
    X(SCRAM_SHA256, "SCRAM-SHA-256", DIGEST_SHA256)                                                \
    X(SCRAM_SHA512, "SCRAM-SHA-512", DIGEST_SHA512)

#define SCRAM_ENUM(constant, name, digest) constant,
enum scram_mechanism { SCRAM_TABLE(SCRAM_ENUM) SCRAM_COUNT };
#undef SCRAM_ENUM

/* A value. */
struct scram_keys {
    uint32_t rounds;
    uint32_t salt_len;
    uint8_t salt[SCRAM_SALT_LEN_MAX];
    uint8_t stored[DIGEST_LEN_MAX];
    uint8_t server[DIGEST_LEN_MAX];
};

const char *scram_name(enum scram_mechanism mechanism);
enum digest scram_digest(enum scram_mechanism mechanism);

/* False: no mechanism of that name. */
bool scram_find(struct bytes name, enum scram_mechanism *out);

/* Keys of a password with a fresh salt. RC_NO_MEMORY. */
MUST_USE enum rc scram_keys_make(enum scram_mechanism mechanism, struct bytes password,
                                 uint32_t rounds, struct scram_keys *out);

/* The mechanism whose keys `text` says it has; false if it says none. */
bool scram_keys_kind(const char *text, enum scram_mechanism *out);

/* RC_INVALID: not such a text, or over the bounds. */
MUST_USE enum rc scram_keys_read(const char *text, enum scram_mechanism mechanism,
                                 struct scram_keys *out);

/* The text of the keys into `out` of SCRAM_TEXT_LEN_MAX + 1 bytes. */
void scram_keys_write(enum scram_mechanism mechanism, const struct scram_keys *keys, char *out);

#endif
