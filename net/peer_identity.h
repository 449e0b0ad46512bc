/*
 * peer_identity.h -- who the peer is, as its transport has proven it.
 *
 * Filled from a client certificate that was verified, from the identity of a pre-shared key, or
 * from what a trusted proxy says about the TLS connection that it ended. Texts are UTF-8 without
 * U+0000, and empty where there is none. One allocation holds everything.
 *
 * Threads: the shard that owns the connection; moves with the hand-over.
 */
#ifndef SLUICE_PEER_IDENTITY_H
#define SLUICE_PEER_IDENTITY_H

#include "bytes.h"

#define PEER_FINGERPRINT_HEX_LEN 64 /* SHA-256 of the DER, lower-case hexadecimal */

/* What becomes the user name or the client identifier. X(constant, text) */
#define PEER_NAME_TABLE(X)                                                                         \
    X(PEER_NAME_NONE, "disabled")                                                                  \
    X(PEER_NAME_CN, "cn")                                                                          \
    X(PEER_NAME_DN, "dn")                                                                          \
    X(PEER_NAME_SAN, "san")                                                                        \
    X(PEER_NAME_FINGERPRINT, "fingerprint")

#define PEER_NAME_ENUM(constant, text) constant,
enum peer_name { PEER_NAME_TABLE(PEER_NAME_ENUM) };
#undef PEER_NAME_ENUM

struct peer_identity {
    struct bytes common_name; /* of the certificate's subject; or the identity of the key */
    struct bytes subject;     /* the whole distinguished name, RFC 2253 */
    struct bytes alt_name;    /* the first subject alternative name: DNS, e-mail, URI or address */
    struct bytes fingerprint; /* PEER_FINGERPRINT_HEX_LEN bytes */
    bool has_certificate;
    uint8_t texts[]; /* what the views show */
};

/*
 * Copies of the views of `from`, which may lie anywhere. NULL without memory. mem_free releases it.
 */
MUST_USE struct peer_identity *peer_identity_create(const struct peer_identity *from);

/* The part of `identity` (may be NULL) that `name` asks for; empty if there is none. */
struct bytes peer_identity_name(const struct peer_identity *identity, enum peer_name name);

#endif
