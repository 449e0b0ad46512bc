/*
 * fuzz_jwt.c -- tokens and sets of keys of any bytes, and what a token says.
 *
 * The input is cut at its first line feed: a token, and a JWK set or a PEM. Invariants, beside
 * those that the code asserts:
 *
 *   - a token that is read has claims, and is checked against any set without a crash;
 *   - nobody has signed it: the secret of the set is not in the corpus;
 *   - a set that is read has a key.
 */
#include "claims.h"
#include "jwt.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fuzz_jwt_token(struct bytes token, const struct jwt_keys *keys)
{
    static struct jwt jwt;
    static struct claims claims;
    if (jwt_read(token, &jwt) != RC_OK)
        return;
    CHECK(jwt.claims != NULL && jwt.text.len < token.len);
    bool signed_by_us = jwt_check(&jwt, keys);
    CHECK(!signed_by_us);
    CHECK(jwt_time_check(&jwt, 1000, 10) < JWT_TIME_COUNT);
    enum rc rc = claims_read(jwt.claims, "acl", "exp", &claims);
    CHECK(rc == RC_OK || rc == RC_INVALID || rc == RC_FULL);
    if (rc == RC_OK)
        identity_destroy(identity_create(&claims.draft));
    jwt_fini(&jwt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const uint8_t *cut = len == 0 ? NULL : memchr(data, '\n', len);
    size_t token_len = cut == NULL ? len : (size_t)(cut - data);
    struct bytes rest = cut == NULL ? bytes_of(NULL, 0) : bytes_of(cut + 1, len - token_len - 1);
    struct jwt_keys *secret = jwt_keys_of_secret(bytes_of_text("nobody has this"));
    CHECK(secret != NULL);
    struct jwt_keys *keys = NULL;
    if (jwt_keys_of_jwks(rest, &keys) == RC_OK) {
        CHECK(jwt_keys_count(keys) > 0);
        jwt_keys_unref(keys);
    }
    keys = NULL;
    if (jwt_keys_of_pem(rest, &keys) == RC_OK)
        jwt_keys_unref(keys);
    fuzz_jwt_token(bytes_of(data, token_len), secret);
    jwt_keys_unref(secret);
    return 0;
}
