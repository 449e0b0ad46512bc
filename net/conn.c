/*
 * conn.c -- connections from descriptor to release; conn.h has the state diagram.
 * Threads: see conn.h.
 */
#include "conn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "alias.h"
#include "auth.h"
#include "ban.h"
#include "clock.h"
#include "encode.h"
#include "gate.h"
#include "ip_address.h"
#include "net.h"
#include "outbound.h"
#include "quota.h"
#include "send.h"
#include "transport.h"

#define CONNS_LINGER_MS 2000

static const char *const conn_cause_names[] = {
#define CONN_CAUSE_ROW(id, name, will, text) [id] = name,
    CONN_CAUSE_TABLE(CONN_CAUSE_ROW)
#undef CONN_CAUSE_ROW
};

static const char *const conn_cause_texts[] = {
#define CONN_CAUSE_ROW(id, name, will, text) [id] = text,
    CONN_CAUSE_TABLE(CONN_CAUSE_ROW)
#undef CONN_CAUSE_ROW
};

static const bool conn_cause_wills[] = {
#define CONN_CAUSE_ROW(id, name, will, text) [id] = will,
    CONN_CAUSE_TABLE(CONN_CAUSE_ROW)
#undef CONN_CAUSE_ROW
};

const char *conn_cause_name(enum conn_cause cause)
{
    CHECK((unsigned)cause < CONN_CAUSE_COUNT);
    return conn_cause_names[cause];
}

const char *conn_cause_text(enum conn_cause cause)
{
    CHECK((unsigned)cause < CONN_CAUSE_COUNT);
    return conn_cause_texts[cause];
}

void conn_assert_state(const struct conn *conn)
{
    CHECK_OBJ(conn, CONN_MAGIC);
    CHECK(conn->net->shard == shard_self);
    CHECK((conn->session != NULL) == (conn->state == CONN_OPEN));
    CHECK(conn->fd >= 0);
}

const char *conn_peer(const struct conn *conn, char *out)
{
    char address[INET6_ADDRSTRLEN];
    struct ucred unix_peer;
    socklen_t len = sizeof(unix_peer);
    if (IN6_IS_ADDR_UNSPECIFIED(&conn->peer) &&
        getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &unix_peer, &len) == 0) {
        snprintf(out, CONN_PEER_LEN_MAX, "unix:pid=%d,uid=%u", (int)unix_peer.pid,
                 (unsigned)unix_peer.uid);
    } else {
        bool is_v4 = IN6_IS_ADDR_V4MAPPED(&conn->peer);
        snprintf(out, CONN_PEER_LEN_MAX, is_v4 ? "%s:%u" : "[%s]:%u",
                 ip_address_text(&conn->peer, address), conn->peer_port);
    }
    return out;
}

bool conn_is_reset(const struct conn *conn)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    return getpeername(conn->fd, (struct sockaddr *)&peer, &len) != 0 && errno == ENOTCONN;
}

static void conn_find_peer(struct conn *conn)
{
    struct sockaddr_storage storage;
    socklen_t len = sizeof(storage);
    memset(&storage, 0, sizeof(storage));
    if (getpeername(conn->fd, (struct sockaddr *)&storage, &len) != 0)
        return; /* gone already: the first receive will say so */
    if (storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&storage;
        conn->peer = in6->sin6_addr;
        conn->peer_port = ntohs(in6->sin6_port);
    } else if (storage.ss_family == AF_INET) {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)&storage;
        conn->peer = ip_address_of_v4(&in4->sin_addr);
        conn->peer_port = ntohs(in4->sin_port);
    }
}

/* When what the client has shown of itself expires, on the shard's clock; UINT64_MAX: never. */
static uint64_t conn_expires_ms(const struct conn *conn)
{
    const struct identity *identity = conn->session->identity;
    if (identity == NULL || identity->is.expires_s == 0)
        return UINT64_MAX;
    uint64_t now_ms = conn->net->shard->now_ms;
    uint64_t wall_ms = clock_wall_ms();
    uint64_t left_ms = 0;
    if (identity->is.expires_s > (UINT64_MAX - now_ms) / 1000)
        return UINT64_MAX;
    if (identity->is.expires_s * 1000 > wall_ms)
        left_ms = identity->is.expires_s * 1000 - wall_ms;
    return now_ms + left_ms;
}

/* When what is in the stash has to be a whole packet. */
static uint64_t conn_packet_until_ms(const struct conn *conn)
{
    uint64_t timeout_ms = conn_settings(conn)->packet_timeout_ms;
    uint64_t now_ms = conn->net->shard->now_ms;
    if (conn->stash_len == 0 || timeout_ms == UINT64_MAX)
        return UINT64_MAX;
    return now_ms - (uint32_t)((uint32_t)now_ms - conn->packet_since_ms) + timeout_ms;
}

void conn_packet_begins(struct conn *conn)
{
    struct net *net = conn->net;
    conn->packet_since_ms = (uint32_t)net->shard->now_ms;
    if (conn->state != CONN_OPEN || conn_settings(conn)->packet_timeout_ms == UINT64_MAX)
        return; /* before CONNECT other times run */
    /* The timer comes early rather than late, and then finds out the time (timer.h). */
    uint64_t at_ms = net->shard->now_ms + conn_settings(conn)->packet_timeout_ms;
    if (!timer_pending(&conn->timer) || conn->timer.at_ms > at_ms)
        timer_set(&net->shard->timers, &conn->timer, at_ms);
}

void conn_stash_drop(struct conn *conn)
{
    stat_sub(conn->net->stats, STAT_UNFINISHED_BYTES, conn->stash_capacity);
    mem_free(conn->stash);
    conn->stash = NULL;
    conn->stash_len = 0;
    conn->stash_capacity = 0;
}

/* Keep alive and send time-out share the timer; both move on lazily (timer.h). */
static void conn_open_timer(struct conn *conn)
{
    struct net *net = conn->net;
    uint64_t at_ms = UINT64_MAX;
    uint64_t now_ms = net->shard->now_ms;
    if (conn->keep_alive_ms != 0)
        at_ms = conn->last_in_ms + conn->keep_alive_ms;
    uint64_t timeout_ms = conn_settings(conn)->send_timeout_ms;
    if (conn->last_out_ms != 0 && timeout_ms != UINT64_MAX &&
        conn->last_out_ms + timeout_ms < at_ms)
        at_ms = conn->last_out_ms + timeout_ms;
    uint64_t expires_ms = conn_expires_ms(conn);
    if (expires_ms < at_ms)
        at_ms = expires_ms;
    uint64_t packet_ms = conn_packet_until_ms(conn);
    if (packet_ms < at_ms)
        at_ms = packet_ms;
    if (at_ms == UINT64_MAX) {
        if (timer_pending(&conn->timer))
            timer_cancel(&net->shard->timers, &conn->timer);
        return;
    }
    timer_set(&net->shard->timers, &conn->timer, at_ms > now_ms ? at_ms : now_ms);
}

static void conn_on_open_timer(struct conn *conn, uint64_t now_ms)
{
    struct net *net = conn->net;
    uint64_t timeout_ms = conn_settings(conn)->send_timeout_ms;
    if (conn->last_out_ms != 0 && timeout_ms != UINT64_MAX &&
        now_ms >= conn->last_out_ms + timeout_ms) {
        conn_abort(conn, CAUSE_SEND_TIMEOUT);
        return;
    }
    if (conn_expires_ms(conn) <= now_ms) {
        router_count(net->router, STAT_AUTHN_EXPIRED, 1);
        conn_close(conn, CAUSE_AUTH_EXPIRED, REASON_MAXIMUM_CONNECT_TIME);
        return;
    }
    /* A connection that we do not read from cannot show that it is alive. */
    if (list_is_linked(&conn->waiting)) {
        conn->last_in_ms = now_ms;
        conn->packet_since_ms = (uint32_t)now_ms;
    }
    if (conn_packet_until_ms(conn) <= now_ms) {
        conn_close(conn, CAUSE_PACKET_TIMEOUT, REASON_QUOTA_EXCEEDED);
        return;
    }
    if (conn->keep_alive_ms != 0 && now_ms >= conn->last_in_ms + conn->keep_alive_ms) {
        conn_close(conn, CAUSE_KEEP_ALIVE, REASON_KEEP_ALIVE_TIMEOUT);
        return;
    }
    if (conn->output.bytes == 0)
        session_trim(conn->session);
    conn_open_timer(conn);
}

/* Handshakes of layers, and the header of a proxy, have limits of their own within CONNECT's. */
static void conn_on_new_timer(struct conn *conn, uint64_t now_ms)
{
    uint64_t until_ms = conn->opened_ms + conn_settings(conn)->connect_timeout_ms;
    if (now_ms >= until_ms) {
        conn_abort(conn, CAUSE_CONNECT_TIMEOUT);
        return;
    }
    if (conn->layered && conn->cold->proxy_until_ms != 0) {
        if (now_ms >= conn->cold->proxy_until_ms) {
            conn_abort(conn, CAUSE_PROXY_TIMEOUT);
            return;
        }
        until_ms = conn->cold->proxy_until_ms < until_ms ? conn->cold->proxy_until_ms : until_ms;
    }
    if (conn->layered && conn->cold->ready_until_ms != 0 && !transport_is_ready(conn)) {
        if (now_ms >= conn->cold->ready_until_ms) {
            conn_abort(conn, CAUSE_HANDSHAKE_TIMEOUT);
            return;
        }
        until_ms = conn->cold->ready_until_ms < until_ms ? conn->cold->ready_until_ms : until_ms;
    }
    timer_set(&conn->net->shard->timers, &conn->timer, until_ms);
}

static void conn_on_timer(struct timer_wheel *wheel, struct timer *timer, uint64_t now_ms)
{
    (void)wheel;
    struct conn *conn = CONTAINER_OF(timer, struct conn, timer);
    conn_assert_state(conn);
    switch ((enum conn_state)conn->state) {
    case CONN_NEW:
        conn_on_new_timer(conn, now_ms);
        return;
    case CONN_AUTH:
        auth_timeout(conn);
        return;
    case CONN_OPEN:
        conn_on_open_timer(conn, now_ms);
        return;
    case CONN_LAST_WORDS:
    case CONN_LINGER:
        conn_abort(conn, CAUSE_CLIENT_CLOSED);
        return;
    case CONN_CLOSED:
        return;
    }
}

enum rc conn_open(struct net *net, int fd, uint16_t listener, uint64_t opened_ms, struct conn **out)
{
    SHARD_CHECK(net->shard);
    CHECK(fd >= 0 && listener < net->shared->listeners_num);
    struct conn *conn = mem_alloc(sizeof(*conn));
    if (conn == NULL)
        return RC_NO_MEMORY;
    memset(conn, 0, sizeof(*conn));
    enum rc rc = slot_table_add(&net->conns, conn, &conn->handle);
    if (rc != RC_OK) {
        mem_free(conn);
        return rc;
    }
    conn->magic = CONN_MAGIC;
    conn->state = CONN_NEW;
    conn->net = net;
    conn->fd = fd;
    conn->listener = listener;
    conn->packet_size_max = PACKET_SIZE_UNLIMITED;
    conn->problem_info = true;
    conn->opened_ms = opened_ms;
    conn->last_in_ms = net->shard->now_ms;
    conn_find_peer(conn);
    timer_init(&conn->timer, conn_on_timer);
    timer_set(&net->shard->timers, &conn->timer,
              opened_ms + conn_settings(conn)->connect_timeout_ms);
    net_count(net, STAT_CONNECTIONS, 1);
    uint32_t *count = &net->conns_by_listener[listener];
    __atomic_store_n(count, *count + 1, __ATOMIC_RELAXED);
    *out = conn;
    return RC_OK;
}

/* Takes the connection out of every list and gives its memory back. */
static void conn_free(struct conn *conn)
{
    struct net *net = conn->net;
    CHECK(!conn->recv_armed && !conn->send_armed && conn->session == NULL);
    if (timer_pending(&conn->timer))
        timer_cancel(&net->shard->timers, &conn->timer);
    if (list_is_linked(&conn->dirty))
        list_remove(&conn->dirty);
    if (list_is_linked(&conn->waiting))
        list_remove(&conn->waiting);
    stat_sub(net->shard->stats, STAT_OUTPUT_BYTES, conn->output.bytes);
    output_clear(&conn->output, &net->pool);
    transport_close(conn);
    gate_free(conn);
    CHECK(conn->send == NULL);
    quota_free(conn);
    aliases_free(conn);
    auth_forget(conn);
    conn_stash_drop(conn);
    slot_table_remove(&net->conns, conn->handle);
    stat_sub(net->shard->stats, STAT_CONNECTIONS, 1);
    uint32_t *count = &net->conns_by_listener[conn->listener];
    __atomic_store_n(count, *count - 1, __ATOMIC_RELAXED);
    conn->magic = 0;
    mem_free(conn);
}

int conn_forget(struct conn *conn)
{
    conn_assert_state(conn);
    CHECK(conn->state == CONN_NEW && !conn->recv_armed && conn->output.bytes == 0);
    CHECK(conn->cold == NULL);
    int fd = conn->fd;
    conn_free(conn);
    return fd;
}

void conn_release(struct conn *conn)
{
    CHECK_OBJ(conn, CONN_MAGIC);
    if (conn->state != CONN_CLOSED || conn->recv_armed || conn->send_armed)
        return;
    int fd = conn->fd;
    conn_free(conn);
    close(fd);
}

void conn_destroy(struct conn *conn)
{
    CHECK_OBJ(conn, CONN_MAGIC);
    conn->session = NULL;
    conn->recv_armed = false;
    conn->send_armed = false;
    /* A send still in flight must not read what is freed here. */
    shutdown(conn->fd, SHUT_RDWR);
    send_forget(conn);
    int fd = conn->fd;
    conn_free(conn);
    close(fd);
}

/* Lets go of the session, if there is one, and counts the end of the connection. */
static void conn_unbind(struct conn *conn, enum conn_cause cause)
{
    struct net *net = conn->net;
    if (conn->state <= CONN_OPEN)
        net_count(net, STAT_CLOSED + cause, 1);
    if (log_level_enabled(LOG_DEBUG)) {
        char peer[CONN_PEER_LEN_MAX];
        log_write(LOG_DEBUG, "%s: closed: %s", conn_peer(conn, peer), conn_cause_text(cause));
    }
    struct session *session = conn->session;
    if (session == NULL)
        return;
    ban_note_end(conn, cause);
    conn->session = NULL;
    conn->state = CONN_LAST_WORDS;
    session_detach(net->router, session, conn_cause_wills[cause]);
}

static void conn_stop_input(struct conn *conn)
{
    if (list_is_linked(&conn->waiting))
        list_remove(&conn->waiting);
    auth_forget(conn);
    quota_free(conn);
    conn_stash_drop(conn);
}

void conn_abort(struct conn *conn, enum conn_cause cause)
{
    conn_assert_state(conn);
    if (conn->state == CONN_CLOSED)
        return;
    conn_unbind(conn, conn->broken ? (enum conn_cause)conn->broken_cause : cause);
    conn_stop_input(conn);
    conn->state = CONN_CLOSED;
    if (timer_pending(&conn->timer))
        timer_cancel(&conn->net->shard->timers, &conn->timer);
    /* Makes the kernel complete what it still has of this descriptor. */
    shutdown(conn->fd, SHUT_RDWR);
    /* Not from under the caller's feet: released at the end of the turn. */
    conn_mark_dirty(conn);
}

void conn_break(struct conn *conn, enum conn_cause cause)
{
    conn_assert_state(conn);
    CHECK(conn->state == CONN_OPEN);
    conn->broken = true;
    conn->broken_cause = (uint8_t)cause;
    shutdown(conn->fd, SHUT_RDWR);
}

static void conn_say_goodbye(struct conn *conn, enum reason reason)
{
    struct net *net = conn->net;
    if (conn->version != MQTT_50 || !reason_is_legal(reason, REASON_IN_DISCONNECT_SERVER))
        return;
    struct disconnect_view view = {.reason = reason};
    if (reason_is_failure(reason))
        view.reason_string = bytes_of_text(reason_text(reason));
    if (reason == REASON_USE_ANOTHER_SERVER)
        view.server_reference = conn_settings(conn)->server_reference;
    uint32_t size = encode_disconnect_size(MQTT_50, &view, conn->packet_size_max);
    uint8_t *at = size == 0 ? NULL : output_reserve(&conn->output, &net->pool, size);
    if (at == NULL)
        return;
    encode_disconnect(MQTT_50, &view, conn->packet_size_max, at);
    net_count(net, STAT_OUTPUT_BYTES, size);
    net_count(net, STAT_PACKETS_OUT + PACKET_DISCONNECT, 1);
}

/* From CONN_NEW with a CONNACK in the output, or from CONN_OPEN: send what there is, then close. */
static void conn_last_words(struct conn *conn)
{
    struct net *net = conn->net;
    conn_stop_input(conn);
    conn->state = CONN_LAST_WORDS;
    timer_set(&net->shard->timers, &conn->timer, net->shard->now_ms + CONNS_LINGER_MS);
    conn_receive(conn);
    conn_mark_dirty(conn);
}

void conn_close(struct conn *conn, enum conn_cause cause, enum reason reason)
{
    conn_assert_state(conn);
    if (conn->state > CONN_OPEN)
        return;
    bool was_open = conn->state == CONN_OPEN;
    conn_unbind(conn, cause);
    if (was_open)
        conn_say_goodbye(conn, reason);
    conn_last_words(conn);
}

void conn_close_quietly(struct conn *conn, enum conn_cause cause)
{
    conn_assert_state(conn);
    if (conn->state > CONN_OPEN)
        return;
    conn_unbind(conn, cause);
    conn_last_words(conn);
}

void conn_close_detached(struct conn *conn, enum conn_cause cause, enum reason reason)
{
    conn_assert_state(conn);
    CHECK(conn->state == CONN_OPEN);
    net_count(conn->net, STAT_CLOSED + cause, 1);
    ban_note_end(conn, cause);
    conn->session = NULL;
    conn_say_goodbye(conn, reason);
    conn_last_words(conn);
}

void conn_mark_dirty(struct conn *conn)
{
    if (!list_is_linked(&conn->dirty))
        list_push_back(&conn->net->dirty, &conn->dirty);
}

void conn_receive(struct conn *conn)
{
    if (conn->recv_armed || conn->state == CONN_CLOSED || list_is_linked(&conn->waiting) ||
        conn->auth_waits)
        return;
    if (UNLIKELY(conn->layered)) {
        if (conn->cold->held)
            return;
        /* Half-duplex before CONNECT: send_flush asks when everything has left. */
        if (conn->state == CONN_NEW && !transport_is_quiet(conn)) {
            conn_mark_dirty(conn);
            return;
        }
    }
    enum ring_recv kind = conn->recv_large ? RING_RECV_LARGE : RING_RECV_SMALL;
    if (conn->state <= CONN_AUTH)
        kind = RING_RECV_ONCE;
    conn->recv_armed = true;
    conn->recv_fed = false;
    ring_recv(conn->net->shard->ring, op_token(OP_RECV, conn->handle.slot, conn->handle.generation),
              conn->fd, kind);
}

void conn_established(struct conn *conn, uint16_t keep_alive_s)
{
    struct net *net = conn->net;
    conn->keep_alive_ms = (uint32_t)(keep_alive_s * UINT64_C(1) *
                                     conn_settings(conn)->keep_alive_permille);
    conn->last_in_ms = net->shard->now_ms;
    conn_open_timer(conn);
}

void conn_identity_changed(struct conn *conn)
{
    conn_assert_state(conn);
    CHECK(conn->state == CONN_OPEN);
    conn_open_timer(conn);
}
