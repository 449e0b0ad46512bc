/*
 * authn_cert.h -- the step that lets in who has shown a certificate.
 *
 * The listener has verified it before CONNECT was read. A client without one is ignored. With a
 * name to compare (the user name or the client id of CONNECT) a certificate whose common name is
 * another is DENY.
 *
 * Threads: shards; immutable.
 */
#ifndef SLUICE_AUTHN_CERT_H
#define SLUICE_AUTHN_CERT_H

#include "authn.h"

/* What the common name of the certificate has to be. */
enum authn_cert_is { AUTHN_CERT_IS_ANY, AUTHN_CERT_IS_USERNAME, AUTHN_CERT_IS_CLIENT_ID };

/* NULL without memory. */
MUST_USE struct authn_step *authn_cert_create(enum authn_cert_is is);

#endif
