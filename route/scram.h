/*
 * scram.h -- the server's side of SCRAM (RFC 5802, RFC 7677), as a function of bytes.
 *
 *   client-first   n,,n=user,r=nonce                       scram_first_read, scram_begin
 *   server-first   r=nonce+ours,s=salt,i=rounds
 *   client-final   c=biws,r=nonce+ours,p=proof             scram_finish
 *   server-final   v=signature
 *
 * No channel binding: a client that demands one (p=) is refused, one that could (y) is not. A
 * server that does not know the user plays on with keys of nobody; scram_finish then says no, as it
 * does to a wrong proof, and after the same work.
 *
 * Bounds: client-first SCRAM_FIRST_LEN_MAX bytes, its nonce SCRAM_NONCE_LEN_MAX.
 *
 * Threads: pure functions on a struct scram, a value of its owner.
 */
#ifndef SLUICE_SCRAM_H
#define SLUICE_SCRAM_H

#include "scram_keys.h"

#define SCRAM_FIRST_LEN_MAX  1536
#define SCRAM_NONCE_LEN_MAX  256
#define SCRAM_OUR_NONCE_LEN  24 /* 18 random bytes in base64 */
#define SCRAM_SERVER_LEN_MAX 512
#define SCRAM_USER_LEN_MAX   1024

/* client-first in its parts, views into it; a value. */
struct scram_first {
    struct bytes header; /* the GS2 header with its last comma */
    struct bytes bare;   /* what stands behind it */
    struct bytes authz;  /* whom the client wants to be, escaped; empty: itself */
    struct bytes user;   /* escaped, as it stands there */
    struct bytes nonce;
};

/* An exchange between its two halves, a value. */
struct scram {
    enum scram_mechanism mechanism;
    struct scram_keys keys;
    uint32_t header_len;
    uint32_t bare_len;
    uint32_t server_len;
    uint8_t first[SCRAM_FIRST_LEN_MAX]; /* the client's: header and bare */
    char server[SCRAM_SERVER_LEN_MAX];  /* server-first */
    uint32_t nonce_len;                 /* of both, at the beginning of server-first behind r= */
};

/* False: not such a message, or over the bounds. */
MUST_USE bool scram_first_read(struct bytes message, struct scram_first *out);

/*
 * A name with =2C and =3D resolved into `out` (SCRAM_USER_LEN_MAX bytes); false if it is empty, has
 * another `=`, or is too long.
 */
MUST_USE bool scram_name_read(struct bytes escaped, uint8_t *out, uint32_t *out_len);

/* Makes server-first, scram->server. `nonce` is ours: SCRAM_OUR_NONCE_LEN printable characters. */
void scram_begin(struct scram *scram, enum scram_mechanism mechanism, const struct scram_keys *keys,
                 const struct scram_first *first, const char *nonce);

/*
 * client-final has come. True: the client has the password, and server-final stands in `out`
 * (SCRAM_SERVER_LEN_MAX bytes).
 */
MUST_USE bool scram_finish(const struct scram *scram, struct bytes message, char *out,
                           uint32_t *out_len);

#endif
