/*
 * tls_load.c -- see tls_load.h.
 * Threads: see tls_load.h.
 */
#include "tls_load.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>

#include "mem.h"

bool tls_load_refuse(char *out_reason, const char *file, const char *format, ...)
{
    char what[TLS_REASON_LEN_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    snprintf(out_reason, TLS_REASON_LEN_MAX, "%.255s: %.200s", file, what);
    return false;
}

/* The same with what the library says. */
static bool tls_load_refuse_ssl(char *out_reason, const char *file, const char *what)
{
    uint32_t error = ERR_peek_last_error();
    const char *detail = error != 0 ? ERR_reason_error_string(error) : NULL;
    tls_load_refuse(out_reason, file, "%s%s%s", what, detail != NULL ? ": " : "",
                    detail != NULL ? detail : "");
    ERR_clear_error();
    return false;
}

bool tls_load_file(const char *file, struct bytes *out, char *out_reason)
{
    FILE *in = fopen(file, "rbe");
    if (in == NULL)
        return tls_load_refuse(out_reason, file, "%s", strerror(errno));
    size_t capacity = 64 * 1024;
    size_t len = 0;
    uint8_t *bytes = mem_alloc(capacity);
    while (bytes != NULL) {
        size_t got = fread(bytes + len, 1, capacity - len, in);
        len += got;
        if (len < capacity || capacity >= TLS_FILE_LEN_MAX)
            break;
        uint8_t *more = mem_alloc(capacity * 2);
        if (more != NULL)
            memcpy(more, bytes, len);
        mem_free(bytes);
        bytes = more;
        capacity *= 2;
    }
    int error = ferror(in) != 0 ? errno : 0;
    bool too_long = bytes != NULL && len == TLS_FILE_LEN_MAX;
    fclose(in);
    if (bytes != NULL && error == 0 && !too_long) {
        *out = bytes_of(bytes, len);
        return true;
    }
    mem_free(bytes);
    if (too_long)
        return tls_load_refuse(out_reason, file, "it is longer than %u MiB",
                               TLS_FILE_LEN_MAX >> 20);
    return tls_load_refuse(out_reason, file, "%s",
                           error != 0 ? strerror(error) : rc_text(RC_NO_MEMORY));
}

/* The file as a source for the PEM reader. *out_bytes is to be freed after it. */
static BIO *tls_load_bio(const char *file, struct bytes *out_bytes, char *out_reason)
{
    ERR_clear_error();
    if (!tls_load_file(file, out_bytes, out_reason))
        return NULL;
    BIO *bio = BIO_new_mem_buf(out_bytes->ptr, (int)out_bytes->len);
    if (bio == NULL) {
        tls_load_refuse(out_reason, file, "%s", rc_text(RC_NO_MEMORY));
        mem_free((void *)(uintptr_t)out_bytes->ptr);
    }
    return bio;
}

static void tls_load_bio_free(BIO *bio, struct bytes bytes)
{
    BIO_free(bio);
    /* It may have held a private key. */
    OPENSSL_cleanse((void *)(uintptr_t)bytes.ptr, bytes.len);
    mem_free((void *)(uintptr_t)bytes.ptr);
}

/* A key with a pass phrase is refused rather than asked for. */
static int tls_load_no_phrase(char *buf, int size, int rwflag, void *user)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)user;
    return 0;
}

/* Did the reader stop because there is no further block, rather than at a bad one? */
static bool tls_load_at_end(void)
{
    uint32_t error = ERR_peek_last_error();
    return error == 0 ||
           (ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE);
}

bool tls_load_chain(const char *file, STACK_OF(X509) * *out, char *out_reason)
{
    struct bytes bytes;
    BIO *bio = tls_load_bio(file, &bytes, out_reason);
    if (bio == NULL)
        return false;
    STACK_OF(X509) *chain = sk_X509_new_null();
    bool right = chain != NULL || tls_load_refuse(out_reason, file, "%s", rc_text(RC_NO_MEMORY));
    X509 *next;
    while (right && (next = PEM_read_bio_X509(bio, NULL, tls_load_no_phrase, NULL)) != NULL) {
        right = sk_X509_num(chain) <= TLS_CHAIN_LEN_MAX && sk_X509_push(chain, next) != 0;
        if (right)
            continue;
        X509_free(next);
        tls_load_refuse(out_reason, file, "the chain has more than %d certificates",
                        TLS_CHAIN_LEN_MAX);
    }
    if (right && (sk_X509_num(chain) == 0 || !tls_load_at_end()))
        right = tls_load_refuse_ssl(out_reason, file,
                                    sk_X509_num(chain) == 0 ? "there is no certificate in it"
                                                            : "the chain cannot be read");
    ERR_clear_error();
    tls_load_bio_free(bio, bytes);
    if (right)
        *out = chain;
    else
        sk_X509_pop_free(chain, X509_free);
    return right;
}

/* The bytes of all certificates, in `out`. Returns how many there are; 0 without memory. */
static size_t tls_load_buffers(const STACK_OF(X509) * chain, CRYPTO_BUFFER **out)
{
    for (size_t i = 0; i < sk_X509_num(chain); i++) {
        uint8_t *der = NULL;
        int len = i2d_X509(sk_X509_value(chain, i), &der);
        out[i] = len > 0 ? CRYPTO_BUFFER_new(der, (size_t)len, NULL) : NULL;
        OPENSSL_free(der);
        if (out[i] != NULL)
            continue;
        while (i-- > 0)
            CRYPTO_BUFFER_free(out[i]);
        return 0;
    }
    return sk_X509_num(chain);
}

bool tls_load_key(SSL_CTX *ctx, const STACK_OF(X509) * chain, const char *file, char *out_reason)
{
    struct bytes bytes;
    CRYPTO_BUFFER *buffers[TLS_CHAIN_LEN_MAX + 1];
    BIO *bio = tls_load_bio(file, &bytes, out_reason);
    if (bio == NULL)
        return false;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, tls_load_no_phrase, NULL);
    tls_load_bio_free(bio, bytes);
    if (key == NULL)
        return tls_load_refuse_ssl(out_reason, file,
                                   "there is no private key without a pass phrase in it");
    size_t num = tls_load_buffers(chain, buffers);
    bool right = num > 0 && SSL_CTX_set_chain_and_key(ctx, buffers, num, key, NULL) == 1;
    for (size_t i = 0; i < num; i++)
        CRYPTO_BUFFER_free(buffers[i]);
    EVP_PKEY_free(key);
    return right || tls_load_refuse_ssl(out_reason, file, "the key is not that of the certificate");
}

bool tls_load_ocsp(SSL_CTX *ctx, const char *file, char *out_reason)
{
    struct bytes bytes;
    if (!tls_load_file(file, &bytes, out_reason))
        return false;
    /* OCSPResponse: a SEQUENCE whose first element is the ENUMERATED status 0 (RFC 6960). */
    const uint8_t *at = bytes.ptr;
    long len = 0;
    int tag = 0;
    int class = 0;
    int form = ASN1_get_object(&at, &len, &tag, &class, (long)bytes.len);
    bool right = (form & 0x80) == 0 && tag == V_ASN1_SEQUENCE && len >= 3 &&
                 at + len == bytes.ptr + bytes.len && at[0] == V_ASN1_ENUMERATED && at[1] == 1;
    if (!right)
        tls_load_refuse(out_reason, file, "this is not an OCSP response in DER");
    else if (at[2] != 0)
        right = tls_load_refuse(out_reason, file, "the responder has answered with error %u",
                                at[2]);
    else if (SSL_CTX_set_ocsp_response(ctx, bytes.ptr, bytes.len) != 1)
        right = tls_load_refuse_ssl(out_reason, file, "the response cannot be used");
    ERR_clear_error();
    mem_free((void *)(uintptr_t)bytes.ptr);
    return right;
}

static bool tls_load_authority(X509_STORE *store, STACK_OF(CRYPTO_BUFFER) * names, X509 *ca)
{
    if (X509_STORE_add_cert(store, ca) != 1)
        return false;
    uint8_t *der = NULL;
    int len = i2d_X509_NAME(X509_get_subject_name(ca), &der);
    CRYPTO_BUFFER *name = len > 0 ? CRYPTO_BUFFER_new(der, (size_t)len, NULL) : NULL;
    OPENSSL_free(der);
    if (name != NULL && sk_CRYPTO_BUFFER_push(names, name) != 0)
        return true;
    CRYPTO_BUFFER_free(name);
    return false;
}

bool tls_load_authorities(X509_STORE *store, STACK_OF(CRYPTO_BUFFER) * names, const char *file,
                          char *out_reason)
{
    struct bytes bytes;
    BIO *bio = tls_load_bio(file, &bytes, out_reason);
    if (bio == NULL)
        return false;
    unsigned num = 0;
    bool right = true;
    X509 *ca;
    while (right && (ca = PEM_read_bio_X509(bio, NULL, tls_load_no_phrase, NULL)) != NULL) {
        right = tls_load_authority(store, names, ca) ||
                tls_load_refuse_ssl(out_reason, file, "a certificate cannot be used");
        X509_free(ca);
        num++;
    }
    if (right && (num == 0 || !tls_load_at_end()))
        right = tls_load_refuse_ssl(out_reason, file,
                                    num == 0 ? "there is no certificate in it"
                                             : "a certificate cannot be read");
    ERR_clear_error();
    tls_load_bio_free(bio, bytes);
    return right;
}

bool tls_load_revoked(X509_STORE *store, const char *file, int64_t *out_expires_s, char *out_reason)
{
    struct bytes bytes;
    BIO *bio = tls_load_bio(file, &bytes, out_reason);
    if (bio == NULL)
        return false;
    unsigned num = 0;
    bool right = true;
    X509_CRL *crl;
    *out_expires_s = INT64_MAX;
    while (right && (crl = PEM_read_bio_X509_CRL(bio, NULL, tls_load_no_phrase, NULL)) != NULL) {
        right = X509_STORE_add_crl(store, crl) == 1 ||
                tls_load_refuse_ssl(out_reason, file, "a revocation list cannot be used");
        const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
        int64_t at_s = next != NULL ? tls_load_time(next) : INT64_MAX;
        if (at_s < *out_expires_s)
            *out_expires_s = at_s;
        X509_CRL_free(crl);
        num++;
    }
    if (right && (num == 0 || !tls_load_at_end()))
        right = tls_load_refuse_ssl(out_reason, file,
                                    num == 0 ? "there is no revocation list in it"
                                             : "a revocation list cannot be read");
    ERR_clear_error();
    tls_load_bio_free(bio, bytes);
    return right;
}

int64_t tls_load_time(const ASN1_TIME *at)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0;
    int seconds = 0;
    bool known = epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, at) == 1;
    ASN1_TIME_free(epoch);
    ERR_clear_error();
    return known ? (int64_t)days * 86400 + seconds : INT64_MAX;
}

bool tls_load_item(const char *list, unsigned i, char *out, size_t out_size)
{
    while (i > 0) {
        list = strchr(list, ',');
        if (list == NULL)
            return false;
        list++;
        i--;
    }
    list += strspn(list, " ");
    size_t len = strcspn(list, ",");
    while (len > 0 && list[len - 1] == ' ')
        len--;
    if (len == 0 || len >= out_size)
        return false;
    memcpy(out, list, len);
    out[len] = '\0';
    return true;
}
