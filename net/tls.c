/*
 * tls.c -- see tls.h.
 * Threads: see tls.h.
 */
#include "tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "clock.h"
#include "net.h"
#include "send.h"
#include "tls_context.h"
#include "tls_identity.h"
#include "transport.h"

#define TLS_MAGIC 0x544c5321u

/* More than a receive can bring (64 KiB) with what waited in the library (less than a record). */
#define TLS_SCRATCH_LEN (128 * 1024)

#define TLS_PLAIN_LEN_MAX 16384 /* of a record, RFC 8446 5.1 */

struct tls {
    struct transport layer;
    uint32_t magic;
    SSL *ssl;
    struct tls_context *context;
    /* Good while the library is called. */
    struct net *net;
    const uint8_t *in;
    uint32_t in_len;
    /* While the handshake is under way. */
    bool is_counted; /* in net->tls_handshakes */
    struct handle conn;
    struct list_node place; /* in net->tls_idle, or in net->tls_waiting with what has come */
    uint8_t *kept;
    uint32_t kept_len;
    uint64_t kept_ns; /* since the turn of that time */
};

static struct tls *tls_of(struct transport *layer)
{
    struct tls *tls = CONTAINER_OF(layer, struct tls, layer);
    CHECK_OBJ(tls, TLS_MAGIC);
    return tls;
}

struct tls_context *tls_layer_context(struct tls *tls)
{
    CHECK_OBJ(tls, TLS_MAGIC);
    return tls->context;
}

uint64_t tls_layer_now_ms(const struct tls *tls)
{
    CHECK_OBJ(tls, TLS_MAGIC);
    return tls->net->shard->now_ms;
}

/* ---- the library's way to the bytes ---- */

static int tls_bio_read(BIO *bio, char *out, int len)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->in_len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    uint32_t take = (uint32_t)len < tls->in_len ? (uint32_t)len : tls->in_len;
    memcpy(out, tls->in, take);
    tls->in += take;
    tls->in_len -= take;
    return (int)take;
}

static int tls_bio_write(BIO *bio, const char *in, int len)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (len <= 0)
        return 0;
    uint8_t *at = output_reserve(&tls->layer.out, &tls->net->pool, (uint32_t)len);
    if (at == NULL)
        return -1;
    memcpy(at, in, (size_t)len);
    return len;
}

static long tls_bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

struct bio_method_st *tls_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(0, "ring");
    if (method == NULL)
        return NULL;
    BIO_meth_set_read(method, tls_bio_read);
    BIO_meth_set_write(method, tls_bio_write);
    BIO_meth_set_ctrl(method, tls_bio_control);
    return method;
}

/* ---- the layer's rows ---- */

static void tls_log_failure(struct conn *conn, const char *what)
{
    struct net *net = conn->net;
    uint32_t error = ERR_peek_error();
    const char *why = error != 0 ? ERR_reason_error_string(error) : NULL;
    char peer[CONN_PEER_LEN_MAX];
    if (log_level_enabled(LOG_DEBUG) || log_limit(&net->log_tls_ms, net->shard->now_ms))
        LOG(LOG_INFO, "%s: %s: %s", conn_peer(conn, peer), what, why != NULL ? why : "no memory");
    ERR_clear_error();
}

/* The handshake is over, one way or the other. */
static void tls_leave(struct tls *tls)
{
    if (list_is_linked(&tls->place))
        list_remove(&tls->place);
    if (!tls->is_counted)
        return;
    tls->is_counted = false;
    tls->net->tls_handshakes--;
    stat_sub(tls->net->stats, STAT_TLS_UNDER_WAY, 1);
}

/* Into the state in which bytes pass. False: the peer's certificate will not do. */
static bool tls_establish(struct conn *conn, struct tls *tls)
{
    struct net *net = conn->net;
    struct conn_cold *cold = conn->cold;
    bool resumed = SSL_session_reused(tls->ssl) == 1;
    if (resumed && !tls_identity_is_current(tls->ssl)) {
        SSL_send_fatal_alert(tls->ssl, SSL_AD_CERTIFICATE_EXPIRED);
        return false;
    }
    struct peer_identity *identity;
    if (!tls_identity_read(tls->ssl, &identity))
        return false;
    if (identity != NULL) {
        mem_free(cold->identity);
        cold->identity = identity;
        cold->user_name = tls->context->user_name;
        cold->client_id = tls->context->client_id;
    }
    net_count(net, STAT_TLS_HANDSHAKES, 1);
    if (resumed)
        net_count(net, STAT_TLS_RESUMED, 1);
    tls_leave(tls);
    cold->ready_until_ms = 0;
    tls->layer.ready = true;
    return true;
}

/* One step of the handshake with what has come. False: nothing is left to do until more comes. */
static bool tls_handshake(struct conn *conn, struct tls *tls)
{
    int result = SSL_do_handshake(tls->ssl);
    if (tls->layer.out.bytes > 0)
        conn_mark_dirty(conn);
    if (result == 1 && tls_establish(conn, tls))
        return true;
    if (result != 1 && SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ)
        return false;
    net_count(conn->net, STAT_TLS_HANDSHAKES_FAILED, 1);
    tls_log_failure(conn, "no TLS connection");
    transport_end(conn, CAUSE_HANDSHAKE_FAILED);
    return false;
}

/* Decrypts all that has come. Returns how many bytes stand in the shard's buffer. */
static uint32_t tls_decrypt(struct conn *conn, struct tls *tls)
{
    struct net *net = conn->net;
    uint32_t len = 0;
    int got;
    while ((got = SSL_read(tls->ssl, net->tls_scratch + len, (int)(TLS_SCRATCH_LEN - len))) > 0) {
        len += (uint32_t)got;
        if (len == TLS_SCRATCH_LEN) {
            transport_end(conn, CAUSE_LIMIT);
            return len;
        }
    }
    switch (SSL_get_error(tls->ssl, got)) {
    case SSL_ERROR_WANT_READ:
        break;
    case SSL_ERROR_ZERO_RETURN:
        transport_end(conn, CAUSE_CLIENT_CLOSED);
        break;
    default:
        tls_log_failure(conn, "TLS connection failed");
        transport_end(conn, CAUSE_TLS_ERROR);
    }
    if (tls->layer.out.bytes > 0)
        conn_mark_dirty(conn);
    return len;
}

/* The step waits for the end of the turn: its bytes are kept, and nothing more is received. */
static void tls_wait(struct conn *conn, struct tls *tls, const uint8_t *ptr, uint32_t len)
{
    struct net *net = conn->net;
    tls->kept = mem_alloc(len);
    if (tls->kept == NULL) {
        conn_abort(conn, CAUSE_NO_MEMORY);
        return;
    }
    memcpy(tls->kept, ptr, len);
    tls->kept_len = len;
    tls->kept_ns = net->shard->now_ns;
    conn->cold->held = true;
    list_remove(&tls->place);
    list_push_back(&net->tls_waiting, &tls->place);
}

static void tls_receive(struct conn *conn, struct transport *layer, uint8_t *ptr, uint32_t len)
{
    struct tls *tls = tls_of(layer);
    struct net *net = conn->net;
    if (!layer->ready && !net->tls_taking) {
        tls_wait(conn, tls, ptr, len);
        return;
    }
    tls->net = net;
    tls->in = ptr;
    tls->in_len = len;
    ERR_clear_error();
    if (!layer->ready && !tls_handshake(conn, tls))
        return;
    uint32_t plain_len = tls_decrypt(conn, tls);
    if (plain_len > 0)
        transport_up(conn, layer->above, net->tls_scratch, plain_len);
}

static bool tls_send(struct conn *conn, struct transport *layer, struct output *from)
{
    struct tls *tls = tls_of(layer);
    struct net *net = conn->net;
    if (!layer->ready)
        return true;
    tls->net = net;
    while (output_ready(from) > 0 && layer->out.bytes < TRANSPORT_OUT_MAX) {
        struct iovec iov[OUTPUT_IOV_MAX];
        uint32_t count = output_gather(from, iov, TLS_PLAIN_LEN_MAX);
        const uint8_t *plain = iov[0].iov_base;
        uint32_t len = (uint32_t)iov[0].iov_len;
        if (count > 1) {
            len = 0;
            for (uint32_t i = 0; i < count; i++) {
                memcpy(net->tls_scratch + len, iov[i].iov_base, iov[i].iov_len);
                len += (uint32_t)iov[i].iov_len;
            }
            plain = net->tls_scratch;
        }
        ERR_clear_error();
        if (SSL_write(tls->ssl, plain, (int)len) != (int)len)
            return false;
        output_consume(from, &net->pool, len);
    }
    return true;
}

static void tls_finish(struct conn *conn, struct transport *layer)
{
    struct tls *tls = tls_of(layer);
    if (!layer->ready)
        return;
    tls->net = conn->net;
    ERR_clear_error();
    SSL_shutdown(tls->ssl); /* close_notify; the answer is not waited for */
    ERR_clear_error();
}

static void tls_destroy(struct transport *layer)
{
    struct tls *tls = tls_of(layer);
    tls_leave(tls);
    mem_free(tls->kept);
    SSL_free(tls->ssl);
    tls_context_unref(tls->context);
    tls->magic = 0;
    mem_free(tls);
}

static const struct transport_type tls_type = {
    .name = "tls",
    .receive = tls_receive,
    .send = tls_send,
    .finish = tls_finish,
    .destroy = tls_destroy,
};

/* ---- making one, and the turn ---- */

static bool tls_prepare(struct tls *tls)
{
    tls->ssl = SSL_new(tls->context->certificates[0].ctx);
    BIO *bio = BIO_new(tls->context->bio_method);
    if (tls->ssl == NULL || bio == NULL) {
        BIO_free(bio);
        return false;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    BIO_up_ref(bio);
    SSL_set0_rbio(tls->ssl, bio);
    SSL_set0_wbio(tls->ssl, bio);
    SSL_set_app_data(tls->ssl, tls);
    SSL_set_accept_state(tls->ssl);
    SSL_set_shed_handshake_config(tls->ssl, 1);
    return true;
}

/*
 * There are as many handshakes as may be: the one that has waited longest for its client makes
 * room, so that clients that never go on cannot keep others out. False: none waits for its client.
 */
static bool tls_make_room(struct net *net)
{
    struct list_node *node = list_first(&net->tls_idle);
    if (node == NULL)
        return false;
    struct tls *tls = CONTAINER_OF(node, struct tls, place);
    CHECK_OBJ(tls, TLS_MAGIC);
    struct conn *conn = slot_table_get(&net->conns, tls->conn);
    CHECK(conn != NULL);
    tls_leave(tls);
    conn_abort(conn, CAUSE_HANDSHAKE_CROWDED);
    return true;
}

enum rc tls_open(struct conn *conn, struct tls_server *server)
{
    struct net *net = conn->net;
    CHECK(server != NULL);
    if (net->tls_handshakes >= net->settings->tls_handshakes_max && !tls_make_room(net))
        return RC_FULL;
    struct tls *tls = mem_alloc(sizeof(*tls));
    if (tls == NULL)
        return RC_NO_MEMORY;
    memset(tls, 0, sizeof(*tls));
    tls->magic = TLS_MAGIC;
    tls->layer.type = &tls_type;
    tls->context = tls_server_take(server);
    if (!tls_prepare(tls) || transport_push(conn, &tls->layer) != RC_OK) {
        ERR_clear_error();
        tls_destroy(&tls->layer);
        return RC_NO_MEMORY;
    }
    tls->net = net;
    tls->conn = conn->handle;
    tls->is_counted = true;
    net->tls_handshakes++;
    net_count(net, STAT_TLS_UNDER_WAY, 1);
    list_push_back(&net->tls_idle, &tls->place);
    uint64_t until_ms = conn->opened_ms + tls->context->handshake_timeout_ms;
    conn->cold->ready_until_ms = until_ms;
    if (until_ms < conn->timer.at_ms)
        timer_set(&net->shard->timers, &conn->timer, until_ms);
    return RC_OK;
}

static void tls_step(struct net *net, struct tls *tls)
{
    CHECK_OBJ(tls, TLS_MAGIC);
    struct handle handle = tls->conn;
    struct conn *conn = slot_table_get(&net->conns, handle);
    CHECK(conn != NULL && conn->cold != NULL);
    uint8_t *kept = tls->kept;
    uint32_t len = tls->kept_len;
    tls->kept = NULL;
    conn->cold->held = false;
    if (tls->kept_ns != net->shard->now_ns)
        net_count(net, STAT_TLS_HANDSHAKES_WAITED, 1);
    list_push_back(&net->tls_idle, &tls->place);
    net->tls_taking = true;
    if (conn->state == CONN_NEW)
        transport_enter(conn, &tls->layer, kept, len);
    net->tls_taking = false;
    mem_free(kept);
    conn = slot_table_get(&net->conns, handle);
    if (conn != NULL && conn->state != CONN_CLOSED)
        conn_receive(conn);
}

bool tls_turn(struct net *net)
{
    if (LIKELY(list_is_empty(&net->tls_waiting)))
        return false;
    send_flush(net);
    shard_push(net->shard);
    uint64_t until_ns = clock_mono_ns() + TLS_NS_PER_TURN;
    struct list_node *node;
    while ((node = list_pop_front(&net->tls_waiting)) != NULL) {
        tls_step(net, CONTAINER_OF(node, struct tls, place));
        if (clock_mono_ns() >= until_ns)
            break;
    }
    return true;
}

bool tls_net_init(struct net *net)
{
    list_init(&net->tls_idle);
    list_init(&net->tls_waiting);
    /* Costs address space, until a connection with TLS comes. */
    net->tls_scratch = mem_alloc(TLS_SCRATCH_LEN);
    return net->tls_scratch != NULL;
}

void tls_net_fini(struct net *net)
{
    mem_free(net->tls_scratch);
    net->tls_scratch = NULL;
}
