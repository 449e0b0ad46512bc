/*
 * jwt_key.h -- keys that verify signatures of tokens (RFC 7515, 7517, 7518, 8037).
 *
 *   HS256 HS384 HS512   HMAC under a shared secret
 *   RS256 RS384 RS512   RSASSA-PKCS1-v1_5, keys of 2048 bits and more
 *   ES256 ES384 ES512   ECDSA with P-256, P-384, P-521
 *   EdDSA               Ed25519
 *
 * A key verifies the algorithms of its own family and no other, whatever a token says of itself: a
 * public key is never the secret of an HMAC, and there is no "none". A set is immutable and
 * counted.
 *
 * Bounds: JWT_KEYS_MAX keys in a set. Keys of a set that are for something else (encryption, other
 * curves) are passed over; a set with no key that can be used is refused.
 *
 * Threads: any; the counts are atomic.
 */
#ifndef SLUICE_JWT_KEY_H
#define SLUICE_JWT_KEY_H

#include "bytes.h"
#include "rc.h"

#define JWT_KEYS_MAX 64

/* X(constant, name in a token) */
#define JWT_ALG_TABLE(X)                                                                           \
    X(JWT_HS256, "HS256")                                                                          \
    X(JWT_HS384, "HS384")                                                                          \
    X(JWT_HS512, "HS512")                                                                          \
    X(JWT_RS256, "RS256")                                                                          \
    X(JWT_RS384, "RS384")                                                                          \
    X(JWT_RS512, "RS512")                                                                          \
    X(JWT_ES256, "ES256")                                                                          \
    X(JWT_ES384, "ES384")                                                                          \
    X(JWT_ES512, "ES512")                                                                          \
    X(JWT_EDDSA, "EdDSA")

#define JWT_ALG_ENUM(constant, name) constant,
enum jwt_alg { JWT_ALG_TABLE(JWT_ALG_ENUM) JWT_ALG_COUNT };
#undef JWT_ALG_ENUM

struct jwt_keys;

/* False: no algorithm that is known. */
bool jwt_alg_find(struct bytes name, enum jwt_alg *out);

/* A set of one shared secret (at least one byte). NULL without memory. */
MUST_USE struct jwt_keys *jwt_keys_of_secret(struct bytes secret);

/* Of one public key or certificate in PEM. RC_INVALID: no such key, or one not listed above. */
MUST_USE enum rc jwt_keys_of_pem(struct bytes text, struct jwt_keys **out);

/* Of a JWK set in JSON. RC_INVALID: not of that form, or no key of it can be used. */
MUST_USE enum rc jwt_keys_of_jwks(struct bytes text, struct jwt_keys **out);

struct jwt_keys *jwt_keys_ref(struct jwt_keys *keys);

/* NULL is allowed. */
void jwt_keys_unref(struct jwt_keys *keys);

uint32_t jwt_keys_count(const struct jwt_keys *keys);

/*
 * Has a key of the set signed `text`? With a `kid` (ptr not NULL) only the keys of that name and
 * those without one are tried.
 */
MUST_USE bool jwt_keys_verify(const struct jwt_keys *keys, enum jwt_alg alg, struct bytes kid,
                              struct bytes text, struct bytes signature);

#endif
