/*
 * tls_identity.c -- see tls_identity.h.
 *
 * Texts of a certificate are made UTF-8 by the library. One with U+0000 in it is left out: what
 * would be compared and what would be shown could differ.
 *
 * Certificates are parsed when they are looked at and not kept: parsed, a chain takes some 8 KiB,
 * its bytes, which stay with the session for the ticket, some hundred.
 *
 * Threads: see tls_identity.h.
 */
#include "tls_identity.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/mem.h>
#include <openssl/pool.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "limits.h"

static struct bytes tls_identity_text(const ASN1_STRING *string)
{
    const uint8_t *ptr = ASN1_STRING_get0_data(string);
    int len = ASN1_STRING_length(string);
    if (len <= 0 || len > (int)STRING_LEN_MAX || memchr(ptr, '\0', (size_t)len) != NULL)
        return (struct bytes){.ptr = NULL, .len = 0};
    return bytes_of(ptr, (size_t)len);
}

/* Owned by the caller (OPENSSL_free), NULL if there is none. */
static uint8_t *tls_identity_common_name(X509 *leaf, struct bytes *out)
{
    X509_NAME *subject = X509_get_subject_name(leaf);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0)
        return NULL;
    uint8_t *text = NULL;
    int len = ASN1_STRING_to_UTF8(&text,
                                  X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (len <= 0)
        return text;
    if (len <= (int)STRING_LEN_MAX && memchr(text, '\0', (size_t)len) == NULL)
        *out = bytes_of(text, (size_t)len);
    return text;
}

/* The first name of a kind that is a text; an address is written to `out_address`. */
static struct bytes tls_identity_alt_name(const GENERAL_NAMES *names, char *out_address)
{
    static const struct bytes none = {.ptr = NULL, .len = 0};
    for (size_t i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS || name->type == GEN_EMAIL || name->type == GEN_URI)
            return tls_identity_text(name->d.ia5);
        if (name->type != GEN_IPADD)
            continue;
        int len = ASN1_STRING_length(name->d.iPAddress);
        const uint8_t *ptr = ASN1_STRING_get0_data(name->d.iPAddress);
        if ((len == 4 || len == 16) &&
            inet_ntop(len == 4 ? AF_INET : AF_INET6, ptr, out_address, INET6_ADDRSTRLEN) != NULL)
            return bytes_of_text(out_address);
    }
    return none;
}

static struct bytes tls_identity_fingerprint(X509 *leaf, char *out)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *der = NULL;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    int len = i2d_X509(leaf, &der);
    if (len <= 0)
        return (struct bytes){.ptr = NULL, .len = 0};
    SHA256(der, (size_t)len, digest);
    OPENSSL_free(der);
    for (size_t i = 0; i < sizeof(digest); i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    return bytes_of(out, PEER_FINGERPRINT_HEX_LEN);
}

static struct peer_identity *tls_identity_of_certificate(X509 *leaf)
{
    struct peer_identity view = {.has_certificate = true};
    char address[INET6_ADDRSTRLEN];
    char hex[PEER_FINGERPRINT_HEX_LEN];
    uint8_t *common_name = tls_identity_common_name(leaf, &view.common_name);
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    view.alt_name = tls_identity_alt_name(names, address);
    view.fingerprint = tls_identity_fingerprint(leaf, hex);
    BIO *bio = BIO_new(BIO_s_mem());
    const uint8_t *subject = NULL;
    size_t subject_len = 0;
    if (bio != NULL &&
        X509_NAME_print_ex(bio, X509_get_subject_name(leaf), 0,
                           XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0 &&
        BIO_mem_contents(bio, &subject, &subject_len) && subject_len <= STRING_LEN_MAX)
        view.subject = bytes_of(subject, subject_len);
    struct peer_identity *identity = peer_identity_create(&view);
    BIO_free(bio);
    GENERAL_NAMES_free(names);
    OPENSSL_free(common_name);
    return identity;
}

/* The i-th certificate of the client, for X509_free; NULL: there is none, or it is none. */
static X509 *tls_identity_certificate(const SSL *ssl, size_t i)
{
    const STACK_OF(CRYPTO_BUFFER) *shown = SSL_get0_peer_certificates(ssl);
    if (shown == NULL || i >= sk_CRYPTO_BUFFER_num(shown))
        return NULL;
    return X509_parse_from_buffer(sk_CRYPTO_BUFFER_value(shown, i));
}

long tls_identity_verify(const SSL *ssl, X509_STORE *store, unsigned depth)
{
    const STACK_OF(CRYPTO_BUFFER) *shown = SSL_get0_peer_certificates(ssl);
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *chain = sk_X509_new_null();
    bool right = ctx != NULL && chain != NULL && shown != NULL;
    for (size_t i = 0; right && i < sk_CRYPTO_BUFFER_num(shown); i++) {
        X509 *certificate = tls_identity_certificate(ssl, i);
        right = certificate != NULL && sk_X509_push(chain, certificate) != 0;
        if (!right)
            X509_free(certificate);
    }
    long result = X509_V_ERR_UNSPECIFIED;
    if (right && sk_X509_num(chain) > 0 &&
        X509_STORE_CTX_init(ctx, store, sk_X509_value(chain, 0), chain) == 1 &&
        X509_STORE_CTX_set_default(ctx, "ssl_client") == 1) {
        /* The library counts the trusted authority itself, too. */
        X509_STORE_CTX_set_depth(ctx, (int)depth + 1);
        result = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    }
    X509_STORE_CTX_free(ctx);
    sk_X509_pop_free(chain, X509_free);
    return result;
}

bool tls_identity_read(const SSL *ssl, struct peer_identity **out)
{
    *out = NULL;
    X509 *leaf = tls_identity_certificate(ssl, 0);
    if (leaf != NULL) {
        *out = tls_identity_of_certificate(leaf);
        X509_free(leaf);
        return *out != NULL;
    }
    const char *key_identity = SSL_get_psk_identity(ssl);
    if (key_identity == NULL || key_identity[0] == '\0')
        return true;
    struct peer_identity view = {.common_name = bytes_of_text(key_identity)};
    *out = peer_identity_create(&view);
    return *out != NULL;
}

bool tls_identity_is_current(const SSL *ssl)
{
    X509 *leaf = tls_identity_certificate(ssl, 0);
    if (leaf == NULL)
        return true;
    bool current = X509_cmp_current_time(X509_get0_notBefore(leaf)) < 0 &&
                   X509_cmp_current_time(X509_get0_notAfter(leaf)) > 0;
    X509_free(leaf);
    return current;
}
