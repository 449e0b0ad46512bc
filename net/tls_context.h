/*
 * tls_context.h -- one loaded set of certificates and settings, ready to make connections of.
 *
 * Immutable once built, counted by reference: a listener holds the newest, every connection the one
 * that it began with. For each certificate there is an SSL_CTX, alike but for the certificate; the
 * first makes the connections, and the client's server name may switch to another before anything
 * is decided (select_certificate_cb).
 *
 * Only the tls_*.c files include this header.
 *
 * Threads: built by the ops thread, used by all shards; the count is atomic.
 */
#ifndef SLUICE_TLS_CONTEXT_H
#define SLUICE_TLS_CONTEXT_H

#include <openssl/base.h>
#include <openssl/bio.h>
#include <openssl/sha.h>

#include "tls_psk.h"
#include "tls_server.h"
#include "tls_tickets.h"

/* Forward secrecy and authenticated encryption; TLS 1.3 brings its own. */
#define TLS_CIPHERS_DEFAULT                                                                        \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

/* Those of the library; TLS 1.3 knows no such keys here. */
#define TLS_CIPHERS_PSK                                                                            \
    "ECDHE-PSK-CHACHA20-POLY1305:ECDHE-PSK-AES128-CBC-SHA:ECDHE-PSK-AES256-CBC-SHA:"               \
    "PSK-AES128-CBC-SHA:PSK-AES256-CBC-SHA"

struct tls_certificate {
    SSL_CTX *ctx;
    X509 *leaf; /* NULL: only pre-shared keys */
    char file[256];
};

struct tls_context {
    uint32_t magic;
    uint32_t refs; /* [A] */
    struct tls_tickets *tickets;
    struct tls_psk *psk; /* NULL: none */
    BIO_METHOD *bio_method;
    struct tls_certificate *certificates;
    unsigned num_certificates;
    X509_STORE *store; /* who may vouch for clients */
    unsigned verify_depth;
    bool http;
    uint8_t user_name; /* enum peer_name */
    uint8_t client_id; /* enum peer_name */
    uint64_t handshake_timeout_ms;
    uint64_t ticket_rotation_ms;
    char crl_file[256];
    int64_t crl_expires_s;               /* INT64_MAX: none */
    uint8_t trust[SHA256_DIGEST_LENGTH]; /* of what decides which clients are trusted */
};

/*
 * Reads everything. RC_INVALID, RC_NO_MEMORY: *out is untouched and `out_reason`
 * (TLS_REASON_LEN_MAX) says why. Takes a reference on `tickets`.
 */
MUST_USE enum rc tls_context_create(const struct tls_settings *settings,
                                    struct tls_tickets *tickets, struct tls_context **out,
                                    char *out_reason);

/* The newest context of the listener, with a reference for the caller. Any thread. */
struct tls_context *tls_server_take(struct tls_server *server);

#endif
