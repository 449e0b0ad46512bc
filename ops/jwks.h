/*
 * jwks.h -- JWK sets that come by HTTP, fetched and kept fresh on the thread outside.h.
 *
 * Steps are immutable: new keys make a new step, which takes the place of the old one in a new set
 * of chains. The ops thread is the one that replaces sets, so it gets the pair by mail:
 *
 *   MAIL_AUTHN_SET    ops -> outside    here is the set in use; look after its steps with a URL
 *   MAIL_AUTHN_STEP   outside -> ops    words[0], words[1]: the old step and the new one, a
 *                                       reference each
 *
 * A set is fetched at once, then every refresh interval; after a failure JWKS_RETRY_MS later, and
 * the keys that are there stay. A reload that names a URL which was there before goes on with its
 * keys.
 *
 * Bounds: a set has at most JWKS_BYTES_MAX bytes, one question for each step is under way.
 *
 * Threads: outside's; jwks_take the ops thread's.
 */
#ifndef SLUICE_JWKS_H
#define SLUICE_JWKS_H

#include "authn.h"
#include "authn_http.h"
#include "authn_jwt.h"

#define JWKS_RETRY_MS   10000
#define JWKS_AGAIN_MS   500 /* the helper is starting */
#define JWKS_TIMEOUT_MS 10000
#define JWKS_BYTES_MAX  (1024 * 1024)

struct jwks_entry {
    const struct authn_step *step; /* of `set` */
    uint64_t next_ms;
    bool under_way;
    uint8_t body[32]; /* SHA-256 of the set whose keys the step has; zeroes: it has none */
};

struct jwks {
    struct authn_set *set; /* counted; NULL: none yet */
    shard_id ops;          /* endpoint that replaces sets */
    uint64_t fetches;      /* names the questions of this set: answers to older ones are dropped */
    uint32_t num;
    struct jwks_entry entries[AUTHN_STEPS_MAX * (AUTHN_LISTENERS_MAX + 1)];
};

/* The set in use, of which a reference is taken over. */
void jwks_adopt(struct jwks *jwks, struct authn_set *set, struct authn_http_door *door);

/* Asks for what is due. */
void jwks_run(struct jwks *jwks, struct authn_http_door *door);

void jwks_fini(struct jwks *jwks);

/*
 * MAIL_AUTHN_STEP: `set` with the new step in the place of the old, or NULL: it is not there any
 * more, or there is no memory. The references that the mail brought are given back.
 */
struct authn_set *jwks_take(const struct authn_set *set, const struct mail *mail);
void jwks_drop(const struct mail *mail);

#endif
