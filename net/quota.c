/*
 * quota.c -- see quota.h.
 * Threads: see quota.h.
 */
#include "quota.h"

#include <string.h>

#include "input.h"
#include "net.h"

/* The longest time without looking again: the rate may have been changed meanwhile. */
#define QUOTA_WAIT_MS_MAX 60000

struct quota {
    struct conn *conn;
    struct timer timer;
    struct bucket messages;
    struct bucket bytes;
};

static const struct listener_limits *quota_limits(const struct conn *conn)
{
    return &conn->net->settings->listeners[conn->listener];
}

static void quota_on_timer(struct timer_wheel *wheel, struct timer *timer, uint64_t now_ms)
{
    (void)wheel;
    struct conn *conn = CONTAINER_OF(timer, struct quota, timer)->conn;
    conn_assert_state(conn);
    const struct listener_limits *limits = quota_limits(conn);
    uint64_t wait_ms = bucket_wait_ms(&conn->quota->messages, &limits->messages, now_ms);
    uint64_t bytes_wait_ms = bucket_wait_ms(&conn->quota->bytes, &limits->bytes, now_ms);
    if (wait_ms < bytes_wait_ms)
        wait_ms = bytes_wait_ms;
    if (wait_ms == 0) {
        input_go_on(conn);
        return;
    }
    timer_set(&conn->net->shard->timers, timer,
              now_ms + (wait_ms < QUOTA_WAIT_MS_MAX ? wait_ms : QUOTA_WAIT_MS_MAX));
}

static struct quota *quota_of(struct conn *conn)
{
    if (conn->quota != NULL)
        return conn->quota;
    struct quota *quota = mem_alloc(sizeof(*quota));
    if (quota == NULL)
        return NULL;
    memset(quota, 0, sizeof(*quota));
    quota->conn = conn;
    timer_init(&quota->timer, quota_on_timer);
    conn->quota = quota;
    return quota;
}

bool quota_waits(const struct conn *conn)
{
    return conn->quota != NULL && timer_pending(&conn->quota->timer) &&
           list_is_linked(&conn->waiting);
}

void quota_free(struct conn *conn)
{
    if (conn->quota == NULL)
        return;
    if (timer_pending(&conn->quota->timer))
        timer_cancel(&conn->net->shard->timers, &conn->quota->timer);
    mem_free(conn->quota);
    conn->quota = NULL;
}

/* The client is over a rate: it waits for `wait_ms`, or goes. */
static void quota_exceeded(struct conn *conn, const struct listener_limits *limits,
                           uint64_t wait_ms, enum reason reason, unsigned stat)
{
    struct net *net = conn->net;
    if (limits->over_rate_disconnects) {
        conn_close(conn, CAUSE_RATE, reason);
        return;
    }
    if (list_is_linked(&conn->waiting))
        return; /* it is not read from already, and will be looked at when it is again */
    net_count(net, stat, 1);
    input_throttle(conn);
    uint64_t now_ms = net->shard->now_ms;
    timer_set(&net->shard->timers, &conn->quota->timer,
              now_ms + (wait_ms < QUOTA_WAIT_MS_MAX ? wait_ms : QUOTA_WAIT_MS_MAX));
}

bool quota_admits(struct conn *conn, const struct frame *frame)
{
    const struct listener_limits *limits = quota_limits(conn);
    if (!bucket_rate_limits(&limits->messages) || conn->state != CONN_OPEN ||
        frame_type(frame) != PACKET_PUBLISH)
        return true;
    uint64_t now_ms = conn->net->shard->now_ms;
    struct quota *quota = quota_of(conn);
    if (quota == NULL) {
        conn_close(conn, CAUSE_NO_MEMORY, REASON_SERVER_BUSY);
        return false;
    }
    if (bucket_take(&quota->messages, &limits->messages, now_ms, 1))
        return true;
    quota_exceeded(conn, limits, bucket_wait_ms(&quota->messages, &limits->messages, now_ms),
                   REASON_MESSAGE_RATE_TOO_HIGH, STAT_RATE_PAUSES_MESSAGES);
    return false;
}

void quota_bytes(struct conn *conn, uint32_t len)
{
    const struct listener_limits *limits = quota_limits(conn);
    if (!bucket_rate_limits(&limits->bytes) || conn->state != CONN_OPEN)
        return;
    uint64_t now_ms = conn->net->shard->now_ms;
    struct quota *quota = quota_of(conn);
    if (quota == NULL) {
        conn_close(conn, CAUSE_NO_MEMORY, REASON_SERVER_BUSY);
        return;
    }
    bucket_charge(&quota->bytes, &limits->bytes, now_ms, len);
    if (quota->bytes.level >= 0)
        return;
    quota_exceeded(conn, limits, bucket_wait_ms(&quota->bytes, &limits->bytes, now_ms),
                   REASON_QUOTA_EXCEEDED, STAT_RATE_PAUSES_BYTES);
}
