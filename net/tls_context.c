/*
 * tls_context.c -- see tls_context.h.
 *
 * What the library decides by itself and we rely on: a server never renegotiates, there is no
 * compression, no SSL 3, no RC4, no export suite; session ids are not cached here, so resumption is
 * by ticket only.
 *
 * Threads: see tls_context.h.
 */
#include "tls_context.h"

#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pool.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "mem.h"
#include "tls.h"
#include "tls_identity.h"
#include "tls_load.h"

#define TLS_CONTEXT_MAGIC 0x544c5358u

static const uint16_t tls_context_signatures[] = {
    SSL_SIGN_ED25519,          SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA256,
    SSL_SIGN_RSA_PKCS1_SHA256, SSL_SIGN_ECDSA_SECP384R1_SHA384, SSL_SIGN_RSA_PSS_RSAE_SHA384,
    SSL_SIGN_RSA_PKCS1_SHA384, SSL_SIGN_ECDSA_SECP521R1_SHA512, SSL_SIGN_RSA_PSS_RSAE_SHA512,
    SSL_SIGN_RSA_PKCS1_SHA512,
};

/* ---- callbacks of the handshake, on a shard ---- */

static struct tls_context *tls_context_of(const SSL *ssl)
{
    struct tls_context *context = tls_layer_context(SSL_get_app_data(ssl));
    CHECK_OBJ(context, TLS_CONTEXT_MAGIC);
    return context;
}

/* The certificate that is for the host which the client names; the first one otherwise. */
static enum ssl_select_cert_result_t tls_context_on_hello(const SSL_CLIENT_HELLO *hello)
{
    const struct tls_context *context = tls_context_of(hello->ssl);
    const char *host = SSL_get_servername(hello->ssl, TLSEXT_NAMETYPE_host_name);
    if (host == NULL)
        return ssl_select_cert_success;
    for (unsigned i = 0; i < context->num_certificates; i++) {
        const struct tls_certificate *certificate = &context->certificates[i];
        if (certificate->leaf == NULL ||
            X509_check_host(certificate->leaf, host, strlen(host), 0, NULL) != 1)
            continue;
        if (i > 0 && SSL_set_SSL_CTX(hello->ssl, certificate->ctx) == NULL)
            return ssl_select_cert_error;
        break;
    }
    return ssl_select_cert_success;
}

/* RFC 7301: a client that offers protocols and not ours is refused. */
static int tls_context_on_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                               unsigned in_len, void *user)
{
    (void)user;
    static const char mqtt[] = "mqtt";
    static const char http[] = "http/1.1";
    const char *wanted = tls_context_of(ssl)->http ? http : mqtt;
    size_t wanted_len = strlen(wanted);
    for (unsigned at = 0; at < in_len; at += in[at] + 1u) {
        if (in[at] == wanted_len && at + 1 + wanted_len <= in_len &&
            memcmp(in + at + 1, wanted, wanted_len) == 0) {
            *out = in + at + 1;
            *out_len = (uint8_t)wanted_len;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* SSL_CTX_set_tlsext_ticket_key_cb: -1 error, 0 not ours, 1 good, 2 good and due for renewal. */
static int tls_context_on_ticket(SSL *ssl, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher,
                                 HMAC_CTX *mac, int encrypt)
{
    struct tls_ticket_key key;
    struct tls_tickets *tickets = tls_context_of(ssl)->tickets;
    uint64_t now_ms = tls_layer_now_ms(SSL_get_app_data(ssl));
    bool renew = false;
    int result = 1;
    if (encrypt) {
        tls_tickets_seal(tickets, now_ms, &key);
        memcpy(name, key.name, sizeof(key.name));
        RAND_bytes(iv, EVP_MAX_IV_LENGTH);
        if (EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher_key, iv) != 1)
            result = -1;
    } else if (!tls_tickets_open(tickets, now_ms, name, &key, &renew)) {
        return 0;
    } else if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher_key, iv) != 1) {
        result = -1;
    }
    if (HMAC_Init_ex(mac, key.mac_key, sizeof(key.mac_key), EVP_sha256(), NULL) != 1)
        result = -1;
    OPENSSL_cleanse(&key, sizeof(key));
    return result == 1 && renew ? 2 : result;
}

/* Only what clients show is asked here; a resumed session's ticket is ours. */
static enum ssl_verify_result_t tls_context_on_client(SSL *ssl, uint8_t *out_alert)
{
    const struct tls_context *context = tls_context_of(ssl);
    long result = tls_identity_verify(ssl, context->store, context->verify_depth);
    if (result == X509_V_OK)
        return ssl_verify_ok;
    *out_alert = (uint8_t)SSL_alert_from_verify_result(result);
    return ssl_verify_invalid;
}

static unsigned tls_context_on_psk(SSL *ssl, const char *identity, uint8_t *out, unsigned out_size)
{
    return tls_psk_find(tls_context_of(ssl)->psk, identity, out, out_size);
}

/* ---- building ---- */

static bool tls_context_ciphers(SSL_CTX *ctx, const struct tls_settings *settings, char *out_reason)
{
    char list[2048];
    const char *usual = settings->certificates[0] != '\0' ? TLS_CIPHERS_DEFAULT ":" : "";
    if (settings->ciphers[0] != '\0')
        snprintf(list, sizeof(list), "%s", settings->ciphers);
    else
        snprintf(list, sizeof(list), "%s%s",
                 settings->psk_file[0] != '\0' ? TLS_CIPHERS_PSK ":" : "", usual);
    if (list[0] != '\0' && list[strlen(list) - 1] == ':')
        list[strlen(list) - 1] = '\0';
    if (strlen(settings->ciphers) < sizeof(list) && SSL_CTX_set_strict_cipher_list(ctx, list) == 1)
        return true;
    snprintf(out_reason, TLS_REASON_LEN_MAX,
             "the list of ciphers has one that is not known, or none that can be used: %.300s",
             list);
    ERR_clear_error();
    return false;
}

static bool tls_context_sessions(SSL_CTX *ctx, const struct tls_settings *settings)
{
    uint8_t id[SHA256_DIGEST_LENGTH];
    SHA256((const uint8_t *)settings->name, strlen(settings->name), id);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (settings->session_timeout_s == 0) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ctx, 0);
        return true;
    }
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_timeout(ctx, (uint32_t)settings->session_timeout_s);
    SSL_CTX_set_session_psk_dhe_timeout(ctx, (uint32_t)settings->session_timeout_s);
    return SSL_CTX_set_session_id_context(ctx, id, sizeof(id)) == 1 &&
           SSL_CTX_set_tlsext_ticket_key_cb(ctx, tls_context_on_ticket) == 1;
}

static bool tls_context_clients(SSL_CTX *ctx, const struct tls_settings *settings,
                                const STACK_OF(CRYPTO_BUFFER) * names)
{
    if (settings->verify == TLS_VERIFY_NONE)
        return true;
    int mode = SSL_VERIFY_PEER;
    if (settings->verify == TLS_VERIFY_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_custom_verify(ctx, mode, tls_context_on_client);
    STACK_OF(CRYPTO_BUFFER) *copy = sk_CRYPTO_BUFFER_new_null();
    for (size_t i = 0; copy != NULL && i < sk_CRYPTO_BUFFER_num(names); i++) {
        CRYPTO_BUFFER *name = sk_CRYPTO_BUFFER_value(names, i);
        if (sk_CRYPTO_BUFFER_push(copy, name) == 0) {
            sk_CRYPTO_BUFFER_pop_free(copy, CRYPTO_BUFFER_free);
            return false;
        }
        CRYPTO_BUFFER_up_ref(name);
    }
    if (copy != NULL)
        SSL_CTX_set0_client_CAs(ctx, copy);
    return copy != NULL;
}

/* What all certificates of the listener have in common. NULL after a reason. */
static SSL_CTX *tls_context_ctx(const struct tls_settings *settings,
                                const STACK_OF(CRYPTO_BUFFER) * names, char *out_reason)
{
    /* RFC 4279 keys end with TLS 1.2, and so does a listener without a certificate. */
    bool only_12 = settings->psk_file[0] != '\0' || settings->certificates[0] == '\0';
    uint16_t lowest = settings->version_min == TLS_VERSION_13 ? TLS1_3_VERSION : TLS1_2_VERSION;
    snprintf(out_reason, TLS_REASON_LEN_MAX, "%s", rc_text(RC_NO_MEMORY));
    SSL_CTX *ctx = SSL_CTX_new(TLS_with_buffers_method());
    if (ctx == NULL)
        return NULL;
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_select_certificate_cb(ctx, tls_context_on_hello);
    SSL_CTX_set_alpn_select_cb(ctx, tls_context_on_alpn, NULL);
    size_t skip = settings->ed25519 ? 0 : 1;
    bool right = SSL_CTX_set_min_proto_version(ctx, lowest) == 1 &&
                 SSL_CTX_set_max_proto_version(ctx, only_12 ? TLS1_2_VERSION : TLS1_3_VERSION) ==
                     1 &&
                 SSL_CTX_set_verify_algorithm_prefs(ctx, tls_context_signatures + skip,
                                                    ARRAY_LEN(tls_context_signatures) - skip) ==
                     1 &&
                 tls_context_sessions(ctx, settings) && tls_context_clients(ctx, settings, names) &&
                 tls_context_ciphers(ctx, settings, out_reason);
    if (right && settings->psk_file[0] != '\0') {
        SSL_CTX_set_psk_server_callback(ctx, tls_context_on_psk);
        right = settings->psk_hint[0] == '\0' ||
                SSL_CTX_use_psk_identity_hint(ctx, settings->psk_hint) == 1;
    }
    if (right)
        return ctx;
    SSL_CTX_free(ctx);
    ERR_clear_error();
    return NULL;
}

static bool tls_context_certificate(const struct tls_settings *settings, unsigned i,
                                    struct tls_certificate *out, char *out_reason)
{
    char key[256];
    char ocsp[256];
    STACK_OF(X509) * chain;
    if (!tls_load_chain(out->file, &chain, out_reason))
        return false;
    out->leaf = sk_X509_value(chain, 0);
    X509_up_ref(out->leaf);
    if (!tls_load_item(settings->keys, i, key, sizeof(key)))
        snprintf(key, sizeof(key), "%s", out->file);
    bool right = tls_load_key(out->ctx, chain, key, out_reason);
    sk_X509_pop_free(chain, X509_free);
    if (!right)
        return false;
    EVP_PKEY *public_key = X509_get_pubkey(out->leaf);
    bool is_ed25519 = public_key != NULL && EVP_PKEY_id(public_key) == EVP_PKEY_ED25519;
    EVP_PKEY_free(public_key);
    if (is_ed25519 && !settings->ed25519)
        return tls_load_refuse(out_reason, out->file,
                               "the certificate's key is Ed25519, which is switched off");
    if (is_ed25519) {
        static const uint16_t only[] = {SSL_SIGN_ED25519};
        if (SSL_CTX_set_signing_algorithm_prefs(out->ctx, only, 1) != 1)
            return tls_load_refuse(out_reason, out->file, "%s", rc_text(RC_NO_MEMORY));
    }
    return !tls_load_item(settings->ocsp, i, ocsp, sizeof(ocsp)) ||
           tls_load_ocsp(out->ctx, ocsp, out_reason);
}

static bool tls_context_certificates(struct tls_context *context,
                                     const struct tls_settings *settings,
                                     const STACK_OF(CRYPTO_BUFFER) * names, char *out_reason)
{
    char file[256];
    unsigned num = 0;
    while (num <= TLS_CERTIFICATES_MAX &&
           tls_load_item(settings->certificates, num, file, sizeof(file)))
        num++;
    if (num > TLS_CERTIFICATES_MAX)
        return tls_load_refuse(out_reason, file, "there are more than %d certificates",
                               TLS_CERTIFICATES_MAX);
    if (num == 0 && settings->psk_file[0] == '\0') {
        snprintf(out_reason, TLS_REASON_LEN_MAX,
                 "there is no certificate, and no file of pre-shared keys");
        return false;
    }
    if (tls_load_item(settings->keys, num == 0 ? 0 : num, file, sizeof(file)))
        return tls_load_refuse(out_reason, file, "there are more keys than certificates");
    unsigned places = num == 0 ? 1 : num;
    context->certificates = mem_alloc(places * sizeof(context->certificates[0]));
    if (context->certificates == NULL) {
        snprintf(out_reason, TLS_REASON_LEN_MAX, "%s", rc_text(RC_NO_MEMORY));
        return false;
    }
    for (unsigned i = 0; i < places; i++) {
        struct tls_certificate *certificate = &context->certificates[i];
        memset(certificate, 0, sizeof(*certificate));
        context->num_certificates++;
        certificate->ctx = tls_context_ctx(settings, names, out_reason);
        if (certificate->ctx == NULL)
            return false;
        if (num > 0 && (!tls_load_item(settings->certificates, i, certificate->file,
                                       sizeof(certificate->file)) ||
                        !tls_context_certificate(settings, i, certificate, out_reason)))
            return false;
    }
    return true;
}

static bool tls_context_psk(struct tls_context *context, const struct tls_settings *settings,
                            char *out_reason)
{
    if (settings->psk_file[0] == '\0')
        return true;
    if (settings->version_min == TLS_VERSION_13)
        return tls_load_refuse(out_reason, settings->psk_file,
                               "pre-shared keys need TLS 1.2, which min_version excludes");
    struct bytes text;
    char why[TLS_REASON_LEN_MAX];
    if (!tls_load_file(settings->psk_file, &text, out_reason))
        return false;
    enum rc rc = tls_psk_create(text, &context->psk, why, sizeof(why));
    OPENSSL_cleanse((void *)(uintptr_t)text.ptr, text.len);
    mem_free((void *)(uintptr_t)text.ptr);
    return rc == RC_OK || tls_load_refuse(out_reason, settings->psk_file, "%s", why);
}

/* What decides which clients are trusted, as one hash: tickets do not outlive a change of it. */
static bool tls_context_trust(struct tls_context *context, const struct tls_settings *settings,
                              char *out_reason)
{
    SHA256_CTX sha;
    SHA256_Init(&sha);
    SHA256_Update(&sha, &settings->verify, sizeof(settings->verify));
    SHA256_Update(&sha, &settings->verify_depth, sizeof(settings->verify_depth));
    const char *const files[] = {settings->ca, settings->crl, settings->psk_file};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct bytes bytes = {.ptr = NULL, .len = 0};
        if (files[i][0] != '\0' && !tls_load_file(files[i], &bytes, out_reason))
            return false;
        SHA256_Update(&sha, &bytes.len, sizeof(bytes.len));
        SHA256_Update(&sha, bytes.ptr, bytes.len);
        mem_free((void *)(uintptr_t)bytes.ptr);
    }
    SHA256_Final(context->trust, &sha);
    return true;
}

static bool tls_context_authorities(struct tls_context *context,
                                    const struct tls_settings *settings,
                                    STACK_OF(CRYPTO_BUFFER) * names, char *out_reason)
{
    if (settings->verify == TLS_VERIFY_NONE)
        return true;
    if (settings->ca[0] == '\0') {
        snprintf(out_reason, TLS_REASON_LEN_MAX,
                 "client certificates are asked for, and no file of authorities (ca) is given");
        return false;
    }
    if (!tls_load_authorities(context->store, names, settings->ca, out_reason))
        return false;
    if (settings->crl[0] == '\0')
        return true;
    X509_STORE_set_flags(context->store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    snprintf(context->crl_file, sizeof(context->crl_file), "%s", settings->crl);
    return tls_load_revoked(context->store, settings->crl, &context->crl_expires_s, out_reason);
}

static bool tls_context_build(struct tls_context *context, const struct tls_settings *settings,
                              char *out_reason)
{
    STACK_OF(CRYPTO_BUFFER) *names = sk_CRYPTO_BUFFER_new_null();
    context->store = X509_STORE_new();
    bool right = context->store != NULL && names != NULL;
    if (!right)
        snprintf(out_reason, TLS_REASON_LEN_MAX, "%s", rc_text(RC_NO_MEMORY));
    right = right && tls_context_authorities(context, settings, names, out_reason) &&
            tls_context_trust(context, settings, out_reason) &&
            tls_context_psk(context, settings, out_reason) &&
            tls_context_certificates(context, settings, names, out_reason);
    sk_CRYPTO_BUFFER_pop_free(names, CRYPTO_BUFFER_free);
    return right;
}

enum rc tls_context_create(const struct tls_settings *settings, struct tls_tickets *tickets,
                           struct tls_context **out, char *out_reason)
{
    struct tls_context *context = mem_alloc(sizeof(*context));
    if (context == NULL) {
        snprintf(out_reason, TLS_REASON_LEN_MAX, "%s", rc_text(RC_NO_MEMORY));
        return RC_NO_MEMORY;
    }
    memset(context, 0, sizeof(*context));
    context->magic = TLS_CONTEXT_MAGIC;
    context->refs = 1;
    context->tickets = tls_tickets_ref(tickets);
    context->verify_depth = settings->verify_depth;
    context->http = settings->http;
    context->user_name = (uint8_t)settings->user_name;
    context->client_id = (uint8_t)settings->client_id;
    context->handshake_timeout_ms = settings->handshake_timeout_ms;
    context->ticket_rotation_ms = settings->ticket_rotation_ms;
    context->crl_expires_s = INT64_MAX;
    context->bio_method = tls_bio_method();
    if (context->bio_method == NULL || !tls_context_build(context, settings, out_reason)) {
        tls_context_unref(context);
        return RC_INVALID;
    }
    *out = context;
    return RC_OK;
}

void tls_context_unref(struct tls_context *context)
{
    CHECK_OBJ(context, TLS_CONTEXT_MAGIC);
    if (__atomic_sub_fetch(&context->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (unsigned i = 0; i < context->num_certificates; i++) {
        X509_free(context->certificates[i].leaf);
        SSL_CTX_free(context->certificates[i].ctx);
    }
    mem_free(context->certificates);
    tls_psk_destroy(context->psk);
    X509_STORE_free(context->store);
    tls_tickets_unref(context->tickets);
    BIO_meth_free(context->bio_method);
    context->magic = 0;
    mem_free(context);
}
