/*
 * jwt.h -- JSON Web Tokens in their compact form (RFC 7519, RFC 7515).
 *
 *     base64url(header) . base64url(claims) . base64url(signature)
 *
 * jwt_read takes a token apart, as a function of bytes; jwt_check verifies it with a set of keys.
 * What the claims say is for the caller.
 *
 * Bounds: JWT_LEN_MAX bytes. Members that are repeated make a token wrong, and so do header
 * parameters that have to be understood (`crit`).
 *
 * Threads: pure functions, any.
 */
#ifndef SLUICE_JWT_H
#define SLUICE_JWT_H

#include "jwt_key.h"

#include <jansson.h>

#define JWT_LEN_MAX (64 * 1024)

/* A token that was taken apart; owned by the caller, who ends it with jwt_fini. A value. */
struct jwt {
    json_t *header;
    json_t *claims;
    enum jwt_alg alg;
    struct bytes kid;  /* ptr NULL: none; points into `header` */
    struct bytes text; /* what is signed; points into the token */
    uint32_t signature_len;
    uint8_t signature[2048];
};

/* RC_INVALID: no token, or one of an algorithm that is not known. RC_NO_MEMORY. */
MUST_USE enum rc jwt_read(struct bytes token, struct jwt *out);
void jwt_fini(struct jwt *jwt);

/* Is it signed with a key of the set? */
MUST_USE bool jwt_check(const struct jwt *jwt, const struct jwt_keys *keys);

/* What is wrong with the times of a token, if anything: X(constant, text). */
#define JWT_TIME_TABLE(X)                                                                          \
    X(JWT_TIME_OK, "in force")                                                                     \
    X(JWT_TIME_EXPIRED, "expired")                                                                 \
    X(JWT_TIME_EARLY, "not yet in force")                                                          \
    X(JWT_TIME_FUTURE, "issued in the future")                                                     \
    X(JWT_TIME_WRONG, "a time is not a number")

#define JWT_TIME_ENUM(constant, text) constant,
enum jwt_time { JWT_TIME_TABLE(JWT_TIME_ENUM) JWT_TIME_COUNT };
#undef JWT_TIME_ENUM

/* exp, nbf and iat against `now_s`, each with so much leeway; what is absent is right. */
enum jwt_time jwt_time_check(const struct jwt *jwt, uint64_t now_s, uint64_t leeway_s);

#endif
