/*
 * proxy.c -- see proxy.h.
 * Threads: see proxy.h.
 */
#include "proxy.h"

#include <string.h>

#include "listen.h"
#include "listen_policy.h"
#include "net.h"
#include "proxy_header.h"
#include "transport.h"

#define PROXY_MAGIC 0x50525859u
#define PROXY_FIRST 256

struct proxy {
    struct transport layer;
    uint32_t magic;
    bool believed;
    uint8_t *kept; /* the beginning of a header */
    uint32_t kept_len;
};

static struct proxy *proxy_of(struct transport *layer)
{
    struct proxy *proxy = CONTAINER_OF(layer, struct proxy, layer);
    CHECK_OBJ(proxy, PROXY_MAGIC);
    return proxy;
}

static void proxy_fail(struct conn *conn, const char *why)
{
    struct net *net = conn->net;
    char peer[CONN_PEER_LEN_MAX];
    net_count(net, STAT_PROXY_FAILED, 1);
    if (log_limit(&net->log_proxy_ms, net->shard->now_ms))
        LOG(LOG_WARNING, "listener %s: %s: %s", net->shared->listeners[conn->listener].name,
            conn_peer(conn, peer), why);
    conn_abort(conn, CAUSE_PROXY_ERROR);
}

/* What the proxy says of the client's certificate; false without memory. */
static bool proxy_identity(struct conn *conn, const struct proxy_header *header)
{
    struct conn_cold *cold = conn->cold;
    if (!header->tls || !header->verified || header->common_name.len == 0)
        return true;
    struct peer_identity told = {.common_name = header->common_name, .has_certificate = true};
    struct peer_identity *identity = peer_identity_create(&told);
    if (identity == NULL)
        return false;
    mem_free(cold->identity);
    cold->identity = identity;
    return true;
}

/* A whole header, or none that is needed. False: the connection has ended. */
static bool proxy_take(struct conn *conn, struct proxy *proxy, const struct proxy_header *header)
{
    struct net *net = conn->net;
    if (!proxy->believed)
        return true;
    net_count(net, STAT_PROXY_HEADERS, 1);
    if (!proxy_identity(conn, header)) {
        conn_abort(conn, CAUSE_NO_MEMORY);
        return false;
    }
    if (!header->has_address)
        return true;
    transport_set_peer(conn, &header->source, header->source_port);
    return listen_peer_ok(conn);
}

static bool proxy_keep(struct proxy *proxy, const uint8_t *ptr, uint32_t len)
{
    uint8_t *kept = mem_alloc(proxy->kept_len + len);
    if (kept == NULL)
        return false;
    if (proxy->kept_len > 0)
        memcpy(kept, proxy->kept, proxy->kept_len);
    memcpy(kept + proxy->kept_len, ptr, len);
    mem_free(proxy->kept);
    proxy->kept = kept;
    proxy->kept_len += len;
    return true;
}

/* The layer takes itself out and passes up what came behind the header. */
static void proxy_done(struct conn *conn, struct proxy *proxy, uint8_t *rest, uint32_t rest_len)
{
    struct transport *above = proxy->layer.above;
    uint8_t *kept = proxy->kept;
    proxy->kept = NULL;
    conn->cold->proxy_until_ms = 0;
    transport_remove(conn, &proxy->layer);
    if (rest_len > 0)
        transport_up(conn, above, rest, rest_len);
    mem_free(kept);
}

static void proxy_receive(struct conn *conn, struct transport *layer, uint8_t *ptr, uint32_t len)
{
    struct proxy *proxy = proxy_of(layer);
    if (proxy->kept_len > 0) {
        if (!proxy_keep(proxy, ptr, len)) {
            conn_abort(conn, CAUSE_NO_MEMORY);
            return;
        }
        ptr = proxy->kept;
        len = proxy->kept_len;
    }
    struct proxy_header header = {.len = 0};
    switch (proxy_header_read(bytes_of(ptr, len), &header)) {
    case PROXY_OK:
        break;
    case PROXY_NONE:
        if (proxy->believed) {
            proxy_fail(conn, "no PROXY header from a trusted proxy");
            return;
        }
        break;
    case PROXY_BAD:
        proxy_fail(conn, "a wrong PROXY header");
        return;
    case PROXY_MORE:
        if (proxy->kept_len == 0 && !proxy_keep(proxy, ptr, len))
            conn_abort(conn, CAUSE_NO_MEMORY);
        return;
    }
    if (proxy_take(conn, proxy, &header))
        proxy_done(conn, proxy, ptr + header.len, len - header.len);
}

static bool proxy_send(struct conn *conn, struct transport *layer, struct output *from)
{
    (void)conn;
    (void)layer;
    (void)from; /* nothing is said before the peer has said who is there */
    return true;
}

static void proxy_finish(struct conn *conn, struct transport *layer)
{
    (void)conn;
    (void)layer;
}

static void proxy_destroy(struct transport *layer)
{
    struct proxy *proxy = proxy_of(layer);
    mem_free(proxy->kept);
    proxy->magic = 0;
    mem_free(proxy);
}

static const struct transport_type proxy_type = {
    .name = "proxy",
    .receive = proxy_receive,
    .send = proxy_send,
    .finish = proxy_finish,
    .destroy = proxy_destroy,
};

enum rc proxy_open(struct conn *conn)
{
    const struct listen_policy *policy = listener_policy(conn->net, conn->listener);
    bool believed = listen_policy_trusts(policy, &conn->peer);
    if (!policy->proxy || (!believed && !policy->proxy_skip))
        return RC_OK;
    struct proxy *proxy = mem_alloc(sizeof(*proxy));
    if (proxy == NULL)
        return RC_NO_MEMORY;
    memset(proxy, 0, sizeof(*proxy));
    proxy->magic = PROXY_MAGIC;
    proxy->layer.type = &proxy_type;
    proxy->believed = believed;
    enum rc rc = transport_push(conn, &proxy->layer);
    if (rc != RC_OK) {
        proxy_destroy(&proxy->layer);
        return rc;
    }
    conn->cold->proxy_until_ms = conn->opened_ms + policy->proxy_timeout_ms;
    if (conn->cold->proxy_until_ms < conn->timer.at_ms)
        timer_set(&conn->net->shard->timers, &conn->timer, conn->cold->proxy_until_ms);
    return RC_OK;
}
