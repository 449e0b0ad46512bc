/*
 * secure.c -- see secure.h.
 *
 * Threads: see secure.h.
 */
#include "secure.h"

#include "heap.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SECURE_RAW_LEN (256 * 1024)

struct secure_worker {
    SSL_CTX *ctx;
    BIO_METHOD *method;
    SSL_SESSION *session; /* the newest; NULL: none has come, or none is wanted */
    bool verifies;
    size_t at; /* of what was received and not yet taken */
    size_t len;
    uint8_t raw[SECURE_RAW_LEN];
};

struct secure {
    struct secure_worker *worker;
    SSL *ssl;
    int fd;
    int error; /* errno of the last call of the kernel, 0: none failed */
    bool waits_for_peer;
};

static int secure_bio_read(BIO *bio, char *out, int len)
{
    struct secure *secure = BIO_get_data(bio);
    struct secure_worker *worker = secure->worker;
    BIO_clear_retry_flags(bio);
    if (worker->at == worker->len) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t take = worker->len - worker->at;
    if (take > (size_t)len)
        take = (size_t)len;
    memcpy(out, worker->raw + worker->at, take);
    worker->at += take;
    return (int)take;
}

static int secure_bio_write(BIO *bio, const char *in, int len)
{
    struct secure *secure = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t taken = send(secure->fd, in, (size_t)len, MSG_NOSIGNAL);
    if (taken >= 0)
        return (int)taken;
    if (errno == EAGAIN || errno == EINTR)
        BIO_set_retry_write(bio);
    else
        secure->error = errno;
    return -1;
}

static long secure_bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

/* 1: the session is the worker's now. */
static int secure_on_session(SSL *ssl, SSL_SESSION *session)
{
    struct secure *secure = SSL_get_app_data(ssl);
    SSL_SESSION_free(secure->worker->session);
    secure->worker->session = session;
    return 1;
}

struct secure_worker *secure_worker_open(const char *ca, bool resumes)
{
    struct secure_worker *worker = heap_zeroed(1, sizeof(*worker));
    worker->ctx = SSL_CTX_new(TLS_method());
    worker->method = BIO_meth_new(0, "worker");
    CHECK(worker->ctx != NULL && worker->method != NULL);
    BIO_meth_set_read(worker->method, secure_bio_read);
    BIO_meth_set_write(worker->method, secure_bio_write);
    BIO_meth_set_ctrl(worker->method, secure_bio_control);
    SSL_CTX_set_mode(worker->ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (resumes) {
        SSL_CTX_set_session_cache_mode(worker->ctx,
                                       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(worker->ctx, secure_on_session);
    }
    worker->verifies = ca != NULL;
    if (ca == NULL)
        return worker;
    SSL_CTX_set_verify(worker->ctx, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_load_verify_locations(worker->ctx, ca, NULL) == 1)
        return worker;
    secure_worker_close(worker);
    return NULL;
}

void secure_worker_close(struct secure_worker *worker)
{
    if (worker == NULL)
        return;
    SSL_SESSION_free(worker->session);
    SSL_CTX_free(worker->ctx);
    BIO_meth_free(worker->method);
    free(worker);
}

struct secure *secure_open(struct secure_worker *worker, int fd, const char *host)
{
    struct secure *secure = heap_zeroed(1, sizeof(*secure));
    secure->worker = worker;
    secure->fd = fd;
    secure->ssl = SSL_new(worker->ctx);
    BIO *bio = BIO_new(worker->method);
    CHECK(secure->ssl != NULL && bio != NULL);
    BIO_set_data(bio, secure);
    BIO_set_init(bio, 1);
    SSL_set_bio(secure->ssl, bio, bio);
    SSL_set_app_data(secure->ssl, secure);
    SSL_set_connect_state(secure->ssl);
    SSL_set_shed_handshake_config(secure->ssl, 1);
    if (worker->verifies && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(secure->ssl), host) != 1)
        X509_VERIFY_PARAM_set1_host(SSL_get0_param(secure->ssl), host, strlen(host));
    if (worker->session != NULL)
        CHECK(SSL_set_session(secure->ssl, worker->session) == 1);
    ERR_clear_error();
    return secure;
}

void secure_close(struct secure *secure)
{
    if (secure == NULL)
        return;
    SSL_free(secure->ssl);
    free(secure);
}

/* -1 with errno for a result of the library that is not a count. */
static ssize_t secure_failed(struct secure *secure, int result)
{
    int why = SSL_get_error(secure->ssl, result);
    secure->waits_for_peer = why == SSL_ERROR_WANT_READ;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        errno = EAGAIN;
        return -1;
    }
    if (why == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = secure->error != 0 ? secure->error : EPROTO;
    return -1;
}

ssize_t secure_send(struct secure *secure, const uint8_t *data, size_t len)
{
    ERR_clear_error();
    /* What others have left in the buffer is not this connection's. */
    secure->worker->at = secure->worker->len;
    int done = SSL_write(secure->ssl, data, (int)len);
    return done > 0 ? done : secure_failed(secure, done);
}

ssize_t secure_recv(struct secure *secure, uint8_t *out, size_t size)
{
    struct secure_worker *worker = secure->worker;
    /* What it decrypts to, with a record that was waiting, fits into `out`. */
    size_t most = size / 2 < SECURE_RAW_LEN ? size / 2 : SECURE_RAW_LEN;
    ssize_t came = recv(secure->fd, worker->raw, most, 0);
    if (came <= 0)
        return came;
    worker->at = 0;
    worker->len = (size_t)came;
    ERR_clear_error();
    size_t len = 0;
    int got;
    while ((got = SSL_read(secure->ssl, out + len, (int)(size - len))) > 0)
        len += (size_t)got;
    ssize_t result = secure_failed(secure, got);
    return len > 0 ? (ssize_t)len : result;
}

bool secure_waits_for_peer(const struct secure *secure)
{
    return secure->waits_for_peer;
}
