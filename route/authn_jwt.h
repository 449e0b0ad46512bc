/*
 * authn_jwt.h -- the step that verifies a token (jwt.h) in the password or the user name.
 *
 * No token, or one that no key of the step has signed: IGNORE, it may be for another step. A token
 * with the right signature is this step's: expired, not yet in force, with a claim that does not
 * fit or is not understood it is DENY, else ALLOW, with what claims.h makes of its claims. If the
 * connection is to end with the token, its identity expires at `exp`.
 *
 * Where the token is the user name, the client's user name is its claim `sub`, or empty.
 *
 * Threads: workers; a step is immutable.
 */
#ifndef SLUICE_AUTHN_JWT_H
#define SLUICE_AUTHN_JWT_H

#include "authn.h"
#include "jwt_key.h"

#define AUTHN_JWT_CLAIMS_MAX 32

/* A claim that must have a value; `value` may have ${clientid} and ${username} in it. A value. */
struct authn_jwt_claim {
    struct bytes name;
    struct bytes value;
};

/* How a step verifies, a value; its views are copied. */
struct authn_jwt_options {
    bool from_username; /* else from the password */
    bool disconnect_after_expire;
    int only; /* enum jwt_alg, or -1: whatever fits a key */
    uint32_t leeway_s;
    struct bytes acl_name; /* of the claim with permissions */
    struct bytes url;      /* of the JWK set, for who refreshes it; empty: none */
    struct bytes ca_file;  /* for its server's certificate; empty: those of the system */
    bool insecure;         /* that certificate is not verified */
    uint32_t refresh_s;
    const struct authn_jwt_claim *claims;
    uint32_t claims_num;
};

/*
 * Takes over a reference to the keys; NULL: there are none yet, and every token is ignored. NULL
 * without memory: the keys are still the caller's.
 */
MUST_USE struct authn_step *authn_jwt_create(const struct authn_jwt_options *options,
                                             struct jwt_keys *keys);

/* The same step with other keys, of which a reference is taken over. NULL without memory. */
MUST_USE struct authn_step *authn_jwt_with(const struct authn_step *step, struct jwt_keys *keys);

/* The keys of a step, borrowed; NULL: it has none yet, or is of another kind. */
struct jwt_keys *authn_jwt_keys(const struct authn_step *step);

/* The options of a step, or NULL if it is of another kind. */
const struct authn_jwt_options *authn_jwt_options_of(const struct authn_step *step);

#endif
