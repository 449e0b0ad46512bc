/*
 * handover.c -- see handover.h.
 * Threads: see handover.h.
 */
#include "handover.h"

#include <string.h>
#include <unistd.h>

#include "input.h"
#include "net.h"
#include "transport.h"

#define HANDOVER_MAGIC 0x48414e44u

struct handover {
    uint32_t magic;
    int fd;
    uint64_t opened_ms;
    uint32_t len;
    uint16_t listener;
    struct conn_cold *cold; /* layers of the transport, with what they hold; or NULL */
    uint8_t bytes[];
};

void handover_send(struct conn *conn, shard_id home, struct bytes packet, struct bytes rest)
{
    struct net *net = conn->net;
    CHECK(home != net->shard->id && conn->state == CONN_NEW);
    struct handover *handover = mem_alloc(sizeof(*handover) + packet.len + rest.len);
    if (handover == NULL) {
        conn_abort(conn, CAUSE_NO_MEMORY);
        return;
    }
    handover->magic = HANDOVER_MAGIC;
    handover->opened_ms = conn->opened_ms;
    handover->listener = conn->listener;
    handover->len = packet.len + rest.len;
    memcpy(handover->bytes, packet.ptr, packet.len);
    if (rest.len > 0)
        memcpy(handover->bytes + packet.len, rest.ptr, rest.len);
    struct shard *shard = net->shard;
    handover->cold = transport_detach(conn);
    handover->fd = conn_forget(conn);
    net_count(net, STAT_HANDED_OVER, 1);
    struct mail mail = {.kind = MAIL_HANDOVER, .ptr = handover, .weight = handover->len};
    shard_mail(shard, home, MAIL_CONTROL, &mail);
}

void handover_on_mail(struct shard *shard, const struct mail *mail)
{
    struct net *net = net_of(shard);
    struct handover *handover = mail->ptr;
    CHECK_OBJ(handover, HANDOVER_MAGIC);
    struct conn *conn;
    if (conn_open(net, handover->fd, handover->listener, handover->opened_ms, &conn) != RC_OK) {
        net_count(net, STAT_REFUSED_MEMORY, 1);
        handover_drop(mail);
        return;
    }
    transport_attach(conn, handover->cold);
    struct handle handle = conn->handle;
    input_feed(conn, bytes_of(handover->bytes, handover->len));
    conn = slot_table_get(&net->conns, handle);
    if (conn != NULL)
        transport_look_end(conn);
    /* The same key gave this shard as the home, so it was not handed on. */
    CHECK(conn != NULL);
    conn_receive(conn);
    handover->magic = 0;
    mem_free(handover);
}

void handover_drop(const struct mail *mail)
{
    struct handover *handover = mail->ptr;
    CHECK_OBJ(handover, HANDOVER_MAGIC);
    close(handover->fd);
    if (handover->cold != NULL) {
        struct output_pool none = {.self = SHARD_NONE};
        transport_drop(handover->cold, &none);
        output_pool_fini(&none);
    }
    handover->magic = 0;
    mem_free(handover);
}
