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
    struct bucket greedy; /* while publishers are paused because of overload */
};

static const struct listener_limits *quota_limits(const struct conn *conn)
{
    return &conn->net->settings->listeners[conn->listener];
}

static uint64_t quota_later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void quota_on_timer(struct timer_wheel *wheel, struct timer *timer, uint64_t now_ms)
{
    (void)wheel;
    struct quota *quota = CONTAINER_OF(timer, struct quota, timer);
    struct conn *conn = quota->conn;
    conn_assert_state(conn);
    const struct listener_limits *limits = quota_limits(conn);
    uint64_t wait_ms = quota_later(bucket_wait_ms(&quota->messages, &limits->messages, now_ms),
                                   bucket_wait_ms(&quota->bytes, &limits->bytes, now_ms));
    if (conn->net->overload >= NET_PAUSE)
        wait_ms = quota_later(wait_ms,
                              bucket_wait_ms(&quota->greedy, &conn->net->settings->greedy, now_ms));
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

/* The client is not read from for `wait_ms`. */
static void quota_wait(struct conn *conn, uint64_t wait_ms, unsigned stat)
{
    struct net *net = conn->net;
    if (list_is_linked(&conn->waiting))
        return; /* it is not read from already, and will be looked at when it is again */
    net_count(net, stat, 1);
    input_throttle(conn);
    timer_set(&net->shard->timers, &conn->quota->timer,
              net->shard->now_ms + (wait_ms < QUOTA_WAIT_MS_MAX ? wait_ms : QUOTA_WAIT_MS_MAX));
}

/* The client is over a rate of its listener: it waits for `wait_ms`, or goes. */
static void quota_exceeded(struct conn *conn, const struct listener_limits *limits,
                           uint64_t wait_ms, enum reason reason, unsigned stat)
{
    if (limits->over_rate_disconnects)
        conn_close(conn, CAUSE_RATE, reason);
    else
        quota_wait(conn, wait_ms, stat);
}

bool quota_admits(struct conn *conn, const struct frame *frame)
{
    const struct net *net = conn->net;
    const struct listener_limits *limits = quota_limits(conn);
    bool is_paused = net->overload >= NET_PAUSE;
    if (frame_type(frame) != PACKET_PUBLISH || conn->state != CONN_OPEN ||
        (!is_paused && !bucket_rate_limits(&limits->messages)))
        return true;
    uint64_t now_ms = net->shard->now_ms;
    struct quota *quota = quota_of(conn);
    if (quota == NULL) {
        conn_close(conn, CAUSE_NO_MEMORY, REASON_SERVER_BUSY);
        return false;
    }
    const struct bucket_rate *greedy = &net->settings->greedy;
    if (is_paused && !bucket_take(&quota->greedy, greedy, now_ms, 1)) {
        quota_wait(conn, bucket_wait_ms(&quota->greedy, greedy, now_ms), STAT_GREEDY_PAUSES);
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
