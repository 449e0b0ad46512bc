/*
 * tls_load.h -- certificates, keys and lists from files, with a reason when they are not right.
 *
 * Every function answers false (or NULL) after writing one sentence to `out_reason`
 * (TLS_REASON_LEN_MAX bytes), which begins with the file's name. Files are read whole, at most
 * TLS_FILE_LEN_MAX bytes of them.
 *
 * Threads: any; may wait for the disk.
 */
#ifndef SLUICE_TLS_LOAD_H
#define SLUICE_TLS_LOAD_H

#include <openssl/x509.h>

#include "bytes.h"
#include "tls_server.h"

#define TLS_FILE_LEN_MAX  (64u << 20) /* a revocation list of a large authority has some MiB */
#define TLS_CHAIN_LEN_MAX 16

/* Writes "file: what" to out_reason and returns false. */
bool __attribute__((format(printf, 3, 4)))
tls_load_refuse(char *out_reason, const char *file, const char *format, ...);

/* The bytes of a file; mem_free releases out->ptr. */
MUST_USE bool tls_load_file(const char *file, struct bytes *out, char *out_reason);

/* The certificate, and the chain behind it, in order; sk_X509_pop_free(*out, X509_free). */
MUST_USE bool tls_load_chain(const char *file, STACK_OF(X509) * *out, char *out_reason);

/* Puts the chain and its private key, from `file`, into `ctx`, and compares the two. */
MUST_USE bool tls_load_key(SSL_CTX *ctx, const STACK_OF(X509) * chain, const char *file,
                           char *out_reason);

/* Puts the OCSP response to staple into `ctx`. */
MUST_USE bool tls_load_ocsp(SSL_CTX *ctx, const char *file, char *out_reason);

/* Puts every certificate of the file into `store`, and its name (DER) into `names`. */
MUST_USE bool tls_load_authorities(X509_STORE *store, STACK_OF(CRYPTO_BUFFER) * names,
                                   const char *file, char *out_reason);

/* Puts every revocation list of the file into `store`; *out_expires_s: when the first one ends. */
MUST_USE bool tls_load_revoked(X509_STORE *store, const char *file, int64_t *out_expires_s,
                               char *out_reason);

/* Seconds since 1970, or INT64_MAX if the time cannot be read. */
int64_t tls_load_time(const ASN1_TIME *at);

/*
 * The i-th of the names in a list with commas between them, without spaces around it; false: there
 * is no i-th, or it is longer than `out_size` allows.
 */
bool tls_load_item(const char *list, unsigned i, char *out, size_t out_size);

#endif
