/*
 * transport.c -- see transport.h.
 * Threads: see transport.h.
 */
#include "transport.h"

#include <string.h>

#include "input.h"
#include "listen.h"
#include "net.h"
#include "proxy.h"
#include "tls.h"
#include "ws.h"

struct conn_cold *transport_cold(struct conn *conn)
{
    if (conn->cold == NULL) {
        conn->cold = mem_alloc(sizeof(*conn->cold));
        if (conn->cold != NULL)
            memset(conn->cold, 0, sizeof(*conn->cold));
    }
    return conn->cold;
}

enum rc transport_push(struct conn *conn, struct transport *layer)
{
    conn_assert_state(conn);
    CHECK(conn->state == CONN_NEW && !conn->recv_armed);
    struct conn_cold *cold = transport_cold(conn);
    if (cold == NULL)
        return RC_NO_MEMORY;
    layer->above = NULL;
    layer->below = cold->top;
    if (cold->top != NULL)
        cold->top->above = layer;
    else
        cold->bottom = layer;
    cold->top = layer;
    conn->layered = true;
    return RC_OK;
}

void transport_remove(struct conn *conn, struct transport *layer)
{
    struct conn_cold *cold = conn->cold;
    CHECK(layer->out.bytes == 0);
    if (layer->above != NULL)
        layer->above->below = layer->below;
    else
        cold->top = layer->below;
    if (layer->below != NULL)
        layer->below->above = layer->above;
    else
        cold->bottom = layer->above;
    conn->layered = cold->top != NULL;
    output_clear(&layer->out, &conn->net->pool);
    layer->type->destroy(layer);
}

enum rc transport_open(struct conn *conn)
{
    const struct listener *listener = &conn->net->shared->listeners[conn->listener];
    enum rc rc = proxy_open(conn);
    if (rc == RC_OK && (listener->layers & LISTEN_LAYER_TLS) != 0)
        rc = tls_open(conn, listener->tls);
    if (rc == RC_OK && (listener->layers & LISTEN_LAYER_WEBSOCKET) != 0)
        rc = ws_open(conn);
    return rc;
}

void transport_up(struct conn *conn, struct transport *above, uint8_t *ptr, uint32_t len)
{
    if (above != NULL)
        above->type->receive(conn, above, ptr, len);
    else
        input_feed(conn, bytes_of(ptr, len));
}

void transport_end(struct conn *conn, enum conn_cause cause)
{
    struct conn_cold *cold = conn->cold;
    if (cold->ending)
        return;
    cold->ending = true;
    cold->end_cause = (uint8_t)cause;
}

void transport_receive(struct conn *conn, uint8_t *ptr, uint32_t len)
{
    CHECK(conn->cold->bottom != NULL);
    transport_enter(conn, conn->cold->bottom, ptr, len);
}

void transport_enter(struct conn *conn, struct transport *layer, uint8_t *ptr, uint32_t len)
{
    struct net *net = conn->net;
    struct handle handle = conn->handle;
    CHECK(len > 0);
    if (!conn->cold->ending)
        layer->type->receive(conn, layer, ptr, len);
    conn = slot_table_get(&net->conns, handle);
    if (conn != NULL)
        transport_look_end(conn);
}

void transport_look_end(struct conn *conn)
{
    if (conn->cold == NULL || !conn->cold->ending)
        return;
    /* What came before the end is still to be handled. */
    if (list_is_linked(&conn->waiting) && conn->stash_len > 0)
        conn->ended = true;
    else
        conn_close_quietly(conn, (enum conn_cause)conn->cold->end_cause);
}

void transport_set_peer(struct conn *conn, const struct in6_addr *peer, uint16_t port)
{
    struct conn_cold *cold = conn->cold;
    cold->peer = *peer;
    cold->peer_port = port;
    cold->has_peer = true;
    conn->peer = *peer;
    conn->peer_port = port;
}

uint64_t transport_pending(const struct conn *conn)
{
    uint64_t sum = 0;
    for (const struct transport *layer = conn->cold->top; layer != NULL; layer = layer->below)
        sum += layer->out.bytes;
    return sum;
}

bool transport_is_quiet(const struct conn *conn)
{
    return !conn->send_armed && conn->output.bytes == 0 && transport_pending(conn) == 0;
}

bool transport_is_ready(const struct conn *conn)
{
    for (const struct transport *layer = conn->cold->top; layer != NULL; layer = layer->below) {
        if (!layer->ready)
            return false;
    }
    return true;
}

/* Brings the gauge up to what the layers hold now. */
static void transport_count(struct conn *conn)
{
    struct conn_cold *cold = conn->cold;
    uint64_t now = transport_pending(conn);
    if (now >= cold->counted)
        net_count(conn->net, STAT_OUTPUT_BYTES, now - cold->counted);
    else
        stat_sub(conn->net->stats, STAT_OUTPUT_BYTES, cold->counted - now);
    cold->counted = now;
}

static bool transport_run(struct conn *conn)
{
    struct output *from = &conn->output;
    for (struct transport *layer = conn->cold->top; layer != NULL; layer = layer->below) {
        if (!layer->type->send(conn, layer, from))
            return false;
        from = &layer->out;
    }
    return true;
}

/* Each layer's last bytes go through the layers below it, which are still open then. */
static bool transport_finish(struct conn *conn)
{
    for (struct transport *layer = conn->cold->top; layer != NULL; layer = layer->below) {
        layer->type->finish(conn, layer);
        struct transport *below = layer->below;
        if (below != NULL && !below->type->send(conn, below, &layer->out))
            return false;
    }
    return true;
}

struct output *transport_flush(struct conn *conn)
{
    struct conn_cold *cold = conn->cold;
    CHECK(cold != NULL && cold->bottom != NULL && !conn->send_armed);
    uint64_t plain = conn->output.bytes;
    bool ok = transport_run(conn);
    if (ok && conn->state == CONN_LAST_WORDS && !cold->finished && conn->output.bytes == 0 &&
        transport_pending(conn) == 0) {
        cold->finished = true;
        ok = transport_finish(conn);
    }
    stat_sub(conn->net->stats, STAT_OUTPUT_BYTES, plain - conn->output.bytes);
    transport_count(conn);
    if (ok)
        return &cold->bottom->out;
    conn_abort(conn, CAUSE_NO_MEMORY);
    return NULL;
}

void transport_consume(struct conn *conn, uint64_t sent)
{
    struct conn_cold *cold = conn->cold;
    output_consume(&cold->bottom->out, &conn->net->pool, sent);
    transport_count(conn);
}

void transport_drop(struct conn_cold *cold, struct output_pool *pool)
{
    while (cold->top != NULL) {
        struct transport *layer = cold->top;
        cold->top = layer->below;
        output_clear(&layer->out, pool);
        layer->type->destroy(layer);
    }
    mem_free(cold->mount);
    mem_free(cold->identity);
    mem_free(cold);
}

void transport_close(struct conn *conn)
{
    struct conn_cold *cold = transport_detach(conn);
    if (cold != NULL)
        transport_drop(cold, &conn->net->pool);
}

struct conn_cold *transport_detach(struct conn *conn)
{
    struct conn_cold *cold = conn->cold;
    if (cold == NULL)
        return NULL;
    stat_sub(conn->net->stats, STAT_OUTPUT_BYTES, cold->counted);
    cold->counted = 0;
    conn->cold = NULL;
    conn->layered = false;
    return cold;
}

void transport_attach(struct conn *conn, struct conn_cold *cold)
{
    if (cold == NULL)
        return;
    CHECK(conn->cold == NULL);
    conn->cold = cold;
    conn->layered = cold->top != NULL;
    if (cold->has_peer)
        transport_set_peer(conn, &cold->peer, cold->peer_port);
    if (!conn->layered)
        return;
    transport_count(conn);
    conn_mark_dirty(conn);
}
