/*
 * digest.h -- hashes, message authentication and key derivation: the door to BoringSSL's digests.
 *
 * Everything that route needs of cryptography without keys of its own kind: SHA-2, HMAC, PBKDF2,
 * comparison in constant time and wiping. Public keys are jwt_key.h's, slow password hashes
 * password.h's.
 *
 * Bounds: a digest has at most DIGEST_LEN_MAX bytes. Nothing here allocates on behalf of a caller.
 *
 * Threads: pure functions, any.
 */
#ifndef SLUICE_DIGEST_H
#define SLUICE_DIGEST_H

#include "bytes.h"

/* X(constant, bytes, the name that JOSE and SCRAM give it) */
#define DIGEST_TABLE(X)                                                                            \
    X(DIGEST_SHA256, 32, "256")                                                                    \
    X(DIGEST_SHA384, 48, "384")                                                                    \
    X(DIGEST_SHA512, 64, "512")

#define DIGEST_ENUM(name, len, text) name,
enum digest { DIGEST_TABLE(DIGEST_ENUM) DIGEST_COUNT };
#undef DIGEST_ENUM

#define DIGEST_LEN_MAX 64

/* Bytes of a digest. */
uint32_t digest_len(enum digest digest);

/* The digest of `first` followed by `second` (either may be empty) into `out`. */
void digest_of(enum digest digest, struct bytes first, struct bytes second, uint8_t *out);

/* HMAC (RFC 2104) of `data` under `key`. */
void digest_hmac(enum digest digest, struct bytes key, struct bytes data, uint8_t *out);

/* PBKDF2 (RFC 8018) with HMAC; `out_len` bytes. Slow: for workers. False without memory. */
MUST_USE bool digest_pbkdf2(enum digest digest, struct bytes password, struct bytes salt,
                            uint32_t iterations, uint8_t *out, uint32_t out_len);

/* Are they equal? Takes as long for any content; the lengths are not secret. */
bool digest_equal(struct bytes a, struct bytes b);

/* Overwrites a secret, also where a compiler sees that nobody reads it again. */
void digest_wipe(void *ptr, size_t len);

/* Random bytes for salts and nonces. */
void digest_random(void *out, size_t len);

/*
 * Base64 (RFC 4648) with padding, or of the URL form without any. Encoding writes a terminated text
 * of DIGEST_BASE64_LEN bytes at most. Decoding answers false for anything but the canonical form,
 * and for more than `size` bytes.
 */
#define DIGEST_BASE64_LEN(len) (((len) + 2) / 3 * 4 + 1)
void digest_base64(struct bytes in, char *out, size_t size);
MUST_USE bool digest_base64_read(struct bytes text, uint8_t *out, uint32_t size, uint32_t *out_len);
MUST_USE bool digest_base64url_read(struct bytes text, uint8_t *out, uint32_t size,
                                    uint32_t *out_len);

#endif
