/*
 * tls_identity.h -- what a client's certificate says about it.
 *
 * Threads: any.
 */
#ifndef SLUICE_TLS_IDENTITY_H
#define SLUICE_TLS_IDENTITY_H

#include <openssl/base.h>

#include "peer_identity.h"

/*
 * From the certificate that the library has verified, or from the identity of the pre-shared key.
 * *out is NULL if the client has shown neither. False without memory.
 */
MUST_USE bool tls_identity_read(const SSL *ssl, struct peer_identity **out);

/*
 * Does the chain that the client has shown lead to an authority in `store`, with at most `depth`
 * others between? X509_V_OK, or why not.
 */
long tls_identity_verify(const SSL *ssl, X509_STORE *store, unsigned depth);

/* Is the certificate that came with a resumed session still valid by its own dates? */
MUST_USE bool tls_identity_is_current(const SSL *ssl);

#endif
