/*
 * tls_server.h -- the TLS side of one listener: certificates, authorities, keys for tickets.
 *
 * Made from files named by struct tls_settings. All files are read and judged before anything
 * changes, so a broken set is refused as a whole and the listener keeps what it has. New settings
 * apply to connections accepted afterwards; those that are open keep the context they began with,
 * which is freed with the last of them.
 *
 * Several certificates: the first is the listener's, each other is used when the client names (SNI)
 * a host that the certificate is for.
 *
 * Tickets are sealed with keys of the listener that all shards share. They are renewed by time, and
 * thrown away when the authorities or the revocation lists change: a client whose certificate was
 * revoked meanwhile cannot resume its way round the new list.
 *
 * Threads: create, prepare, commit, expiry and destroy by the ops thread (or main); shards take
 * contexts by tls_server_take (tls_context.h) at any time.
 */
#ifndef SLUICE_TLS_SERVER_H
#define SLUICE_TLS_SERVER_H

#include "check.h"
#include "peer_identity.h"
#include "rc.h"

#define TLS_CERTIFICATES_MAX 64
#define TLS_REASON_LEN_MAX   512

/* X(constant, text) */
#define TLS_VERIFY_TABLE(X)                                                                        \
    X(TLS_VERIFY_NONE, "none")                                                                     \
    X(TLS_VERIFY_OPTIONAL, "optional")                                                             \
    X(TLS_VERIFY_REQUIRED, "required")

#define TLS_VERSION_TABLE(X)                                                                       \
    X(TLS_VERSION_12, "1.2")                                                                       \
    X(TLS_VERSION_13, "1.3")

#define TLS_ENUM(constant, text) constant,
enum tls_verify { TLS_VERIFY_TABLE(TLS_ENUM) };
enum tls_version { TLS_VERSION_TABLE(TLS_ENUM) };
#undef TLS_ENUM

/*
 * Values of an operator. Texts are borrowed for the call and never NULL; lists are files with
 * commas between them, the n-th key and response belonging to the n-th certificate.
 */
struct tls_settings {
    const char *name;         /* of the listener: tickets of one are nothing to another */
    const char *certificates; /* PEM, each with its chain behind it */
    const char *keys;         /* PEM, without a pass phrase; "" is the certificate's own file */
    const char *ocsp;         /* DER responses to staple, or "" */
    const char *ca;           /* PEM, whose clients are trusted, or "" */
    const char *crl;          /* PEM, for each authority in a client's chain one, or "" */
    const char *psk_file;     /* lines of identity:hexadecimal key, or "" */
    const char *psk_hint;
    const char *ciphers; /* of TLS 1.2, as OpenSSL writes them; "": TLS_CIPHERS_DEFAULT */
    enum tls_verify verify;
    enum tls_version version_min;
    unsigned verify_depth;
    bool ed25519;
    bool http;                  /* WebSocket: ALPN is http/1.1, not mqtt */
    uint64_t session_timeout_s; /* how long a ticket is good; 0: no tickets */
    uint64_t
        ticket_rotation_ms; /* a key seals tickets for this long, and opens them as long again */
    uint64_t handshake_timeout_ms;
    enum peer_name user_name; /* what the identity is used as */
    enum peer_name client_id;
};

struct tls_context;
struct tls_server;

/* RC_INVALID, RC_NO_MEMORY: `out_reason` (TLS_REASON_LEN_MAX bytes) says which file and why. */
MUST_USE enum rc tls_server_create(const struct tls_settings *settings, struct tls_server **out,
                                   char *out_reason);

/*
 * Reads all files again for a new context; nothing has changed yet. Tickets stay good unless what
 * `ca`, `crl` and `psk_file` hold, or how clients are verified, has changed.
 */
MUST_USE enum rc tls_server_prepare(const struct tls_server *server,
                                    const struct tls_settings *settings, struct tls_context **out,
                                    char *out_reason);

/* The context serves from now on. Returns what it replaced, for tls_context_unref. */
struct tls_context *tls_server_commit(struct tls_server *server, struct tls_context *fresh);

/* Also for a context that was prepared and is not wanted. */
void tls_context_unref(struct tls_context *context);

/* NULL is allowed. Connections may go on. */
void tls_server_destroy(struct tls_server *server);

/* When something ends by itself, in seconds since 1970. */
struct tls_expiry {
    char file[256]; /* the certificate's or the revocation lists' */
    int64_t at_s;
};

/* The i-th certificate, or, after them, the revocation list that ends first; false: no more. */
bool tls_server_expiry(struct tls_server *server, unsigned i, struct tls_expiry *out);

#endif
