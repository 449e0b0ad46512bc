/*
 * send.c -- see send.h.
 *
 * A send is at most SEND_BYTES_MAX long, so that one fast reader of a long output does not hold its
 * segments longer than needed and the kernel's socket buffer bounds the rest.
 *
 * Threads: see send.h.
 */
#include "send.h"

#include <errno.h>
#include <string.h>

#include "net.h"
#include "outbound.h"
#include "transport.h"

#define SEND_BYTES_MAX (1024 * 1024)
#define SENDS_FREE_MAX 256
#define SEND_MAGIC     0x53454e44u

/* A gathered send; the kernel reads it until the completion. */
struct output_send {
    uint32_t magic;
    struct output_send *next;
    struct msghdr header;
    struct iovec iov[OUTPUT_IOV_MAX];
};

static struct output_send *send_get(struct net *net)
{
    struct output_send *send = net->sends_free;
    if (send != NULL) {
        net->sends_free = send->next;
        net->sends_free_count--;
        return send;
    }
    send = mem_alloc(sizeof(*send));
    if (send != NULL)
        send->magic = SEND_MAGIC;
    return send;
}

static void send_put(struct net *net, struct output_send *send)
{
    CHECK_OBJ(send, SEND_MAGIC);
    if (net->sends_free_count >= SENDS_FREE_MAX) {
        send->magic = 0;
        mem_free(send);
        return;
    }
    send->next = net->sends_free;
    net->sends_free = send;
    net->sends_free_count++;
}

void send_pool_fini(struct net *net)
{
    while (net->sends_free != NULL) {
        struct output_send *send = net->sends_free;
        net->sends_free = send->next;
        mem_free(send);
    }
    net->sends_free_count = 0;
}

void send_forget(struct conn *conn)
{
    if (conn->send == NULL)
        return;
    send_put(conn->net, conn->send);
    conn->send = NULL;
}

/*
 * Output begins to wait: the connection's timer must look at the send time-out in time. It moves at
 * most once per time-out, because it stays where it is while it is early enough.
 */
static void send_watch(struct net *net, struct conn *conn)
{
    uint64_t now_ms = net->shard->now_ms;
    uint64_t timeout_ms = conn_settings(conn)->send_timeout_ms;
    conn->last_out_ms = now_ms;
    if (conn->state != CONN_OPEN || timeout_ms == UINT64_MAX)
        return;
    if (!timer_pending(&conn->timer) || conn->timer.at_ms > now_ms + timeout_ms)
        timer_set(&net->shard->timers, &conn->timer, now_ms + timeout_ms);
}

static void send_start(struct net *net, struct conn *conn, const struct output *from)
{
    uint64_t token = op_token(OP_SEND, conn->handle.slot, conn->handle.generation);
    struct iovec iov[OUTPUT_IOV_MAX];
    uint32_t count = output_gather(from, iov, SEND_BYTES_MAX);
    CHECK(count > 0);
    conn->send_armed = true;
    if (conn->last_out_ms == 0)
        send_watch(net, conn);
    if (count > 1) {
        struct output_send *send = send_get(net);
        if (send != NULL) {
            memcpy(send->iov, iov, count * sizeof(iov[0]));
            memset(&send->header, 0, sizeof(send->header));
            send->header.msg_iov = send->iov;
            send->header.msg_iovlen = count;
            conn->send = send;
            ring_sendmsg(net->shard->ring, token, conn->fd, &send->header);
            return;
        }
    }
    ring_send(net->shard->ring, token, conn->fd, bytes_of(iov[0].iov_base, iov[0].iov_len));
}

/* The output is empty and the state waits for that. */
static void send_drained(struct net *net, struct conn *conn)
{
    (void)net;
    if (conn->state == CONN_LAST_WORDS) {
        conn->state = CONN_LINGER;
        shutdown(conn->fd, SHUT_WR);
    } else if (conn->state <= CONN_AUTH) {
        conn_receive(conn);
    }
}

void send_flush(struct net *net)
{
    struct list_node *node;
    while ((node = list_pop_front(&net->dirty)) != NULL) {
        struct conn *conn = CONTAINER_OF(node, struct conn, dirty);
        conn_assert_state(conn);
        if (conn->state == CONN_CLOSED) {
            conn_release(conn);
            continue;
        }
        if (conn->send_armed)
            continue;
        const struct output *from = &conn->output;
        if (UNLIKELY(conn->layered) && (from = transport_flush(conn)) == NULL)
            continue;
        if (LIKELY(output_ready(from) > 0))
            send_start(net, conn, from);
        else if (conn->output.bytes == 0)
            send_drained(net, conn);
    }
}

static void send_progress(struct net *net, struct conn *conn, uint64_t sent)
{
    net_count(net, STAT_BYTES_OUT, sent);
    net_count(net, STAT_SENDS, 1);
    uint64_t waiting;
    if (UNLIKELY(conn->layered)) {
        transport_consume(conn, sent);
        waiting = conn->output.bytes + transport_pending(conn);
    } else {
        stat_sub(net->shard->stats, STAT_OUTPUT_BYTES, sent);
        output_consume(&conn->output, &net->pool, sent);
        waiting = conn->output.bytes;
    }
    /* A client is not charged for what we hold. */
    waiting -= output_held(&conn->output);
    conn->last_out_ms = waiting > 0 ? net->shard->now_ms : 0;
    if (conn->state == CONN_OPEN && conn->starving && conn->output.bytes < net->output_limit / 2) {
        conn->starving = false;
        outbound_pump(net->router, conn->session);
    }
    conn_mark_dirty(conn);
}

void send_on_completion(struct shard *shard, const struct completion *completion)
{
    struct net *net = net_of(shard);
    struct handle handle = {.slot = op_token_slot(completion->token),
                            .generation = op_token_generation(completion->token),
                            .shard = shard->id};
    struct conn *conn = slot_table_get(&net->conns, handle);
    /* A connection outlives its operations. */
    CHECK(conn != NULL);
    conn_assert_state(conn);
    CHECK(conn->send_armed);
    conn->send_armed = false;
    send_forget(conn);
    if (conn->state == CONN_CLOSED) {
        conn_release(conn);
        return;
    }
    if (completion->result >= 0) {
        send_progress(net, conn, (uint64_t)completion->result);
        return;
    }
    if (completion->result == -EINTR || completion->result == -EAGAIN) {
        conn_mark_dirty(conn);
        return;
    }
    conn_abort(conn, CAUSE_NETWORK_ERROR);
}
