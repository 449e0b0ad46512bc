/*
 * listen.c -- see listen.h.
 * Threads: see listen.h.
 */
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "listen_socket.h"
#include "net.h"
#include "source_rate.h"
#include "transport.h"

#define LISTEN_AGAIN_MS     100
#define LISTEN_REFUSALS_MAX 64

static const struct listen_policy listen_policy_plain;

void listen_describe(struct net_shared *shared, unsigned slot, const struct listen_options *options)
{
    CHECK(slot <= shared->listeners_num && slot < LISTENERS_MAX);
    struct listener *listener = &shared->listeners[slot];
    CHECK(slot == shared->listeners_num || listen_is_vacant(shared, slot));
    snprintf(listener->name, sizeof(listener->name), "%s", options->name);
    listener->connections_max = options->connections_max;
    listener->layers = options->layers;
    listener->tls = options->tls;
    listener->policy = options->policy != NULL ? options->policy : &listen_policy_plain;
    listener->state = LISTEN_CLOSED;
    memset(&listener->address, 0, sizeof(listener->address));
    for (unsigned i = 0; i < SHARDS_MAX; i++)
        listener->fds[i] = -1;
    if (slot == shared->listeners_num)
        __atomic_store_n(&shared->listeners_num, slot + 1, __ATOMIC_RELEASE);
}

void listen_begin(struct net_shared *shared, unsigned slot, const struct sockaddr_storage *address,
                  const int *fds)
{
    struct listener *listener = &shared->listeners[slot];
    CHECK(slot < shared->listeners_num && listener->state != LISTEN_ACCEPTS);
    listener->address = *address;
    memcpy(listener->fds, fds, shared->shards * sizeof(fds[0]));
    __atomic_store_n(&listener->state, LISTEN_ACCEPTS, __ATOMIC_RELEASE);
}

void listen_end(struct net_shared *shared, unsigned slot, bool ends)
{
    CHECK(slot < shared->listeners_num);
    __atomic_store_n(&shared->listeners[slot].state, ends ? LISTEN_ENDED : LISTEN_CLOSED,
                     __ATOMIC_RELEASE);
}

enum rc listen_open(struct net_shared *shared, const struct listen_options *options,
                    unsigned *out_port, int *out_error)
{
    int fds[SHARDS_MAX];
    *out_port = 0;
    if (!options->disabled) {
        enum rc rc = listen_sockets_open(options, fds, shared->shards, out_port, out_error);
        if (rc != RC_OK)
            return rc;
    }
    unsigned slot = shared->listeners_num;
    listen_describe(shared, slot, options);
    if (!options->disabled)
        listen_begin(shared, slot, &options->address, fds);
    return RC_OK;
}

void listen_policy_set(struct net_shared *shared, unsigned listener,
                       const struct listen_policy *policy)
{
    CHECK(listener < shared->listeners_num && policy != NULL);
    __atomic_store_n(&shared->listeners[listener].policy, policy, __ATOMIC_RELEASE);
}

enum rc listen_adjust(struct net_shared *shared, unsigned listener,
                      const struct listen_options *options)
{
    CHECK(listener < shared->listeners_num);
    struct listener *adjusted = &shared->listeners[listener];
    __atomic_store_n(&adjusted->connections_max, options->connections_max, __ATOMIC_RELAXED);
    return listen_sockets_adjust(options, adjusted->fds, shared->shards);
}

void listen_shut(struct net_shared *shared)
{
    for (unsigned i = 0; i < shared->listeners_num; i++) {
        for (unsigned shard = 0; shard < shared->shards; shard++) {
            if (shared->listeners[i].fds[shard] >= 0)
                close(shared->listeners[i].fds[shard]);
            shared->listeners[i].fds[shard] = -1;
        }
        listen_sockets_unlink(&shared->listeners[i].address);
    }
}

static void listen_again(struct net *net, unsigned listener, uint64_t at_ms)
{
    net->accept_again |= UINT64_C(1) << listener;
    if (!timer_pending(&net->accept_timer) || at_ms < net->accept_timer.at_ms)
        timer_set(&net->shard->timers, &net->accept_timer, at_ms);
}

/*
 * How long the listener must not accept, after what all shards have accepted is charged. 0 without
 * a rate.
 */
static uint64_t listen_rate_wait_ms(struct net *net, unsigned listener)
{
    const struct bucket_rate *rate = &net->settings->listeners[listener].accepts;
    struct listen_rate *state = &net->accepts[listener];
    if (!bucket_rate_limits(rate))
        return 0;
    uint64_t now_ms = net->shard->now_ms;
    uint64_t sum = 0;
    for (unsigned i = 0; i < net->shared->shards; i++) {
        const struct net *other = __atomic_load_n(
            (struct net *const *)&net->shared->runtime->shards[i].net, __ATOMIC_ACQUIRE);
        if (other != NULL)
            sum += __atomic_load_n(&other->accepts_by_listener[listener], __ATOMIC_RELAXED);
    }
    if (state->bucket.at_ms != 0 && sum > state->seen)
        bucket_charge(&state->bucket, rate, now_ms, sum - state->seen);
    state->seen = sum;
    return bucket_wait_ms(&state->bucket, rate, now_ms);
}

static void listen_accept(struct net *net, unsigned listener)
{
    int fd = net->shared->listeners[listener].fds[net->shard->id];
    if (fd < 0)
        return;
    bool has_rate = bucket_rate_limits(&net->settings->listeners[listener].accepts);
    uint64_t wait_ms = listen_rate_wait_ms(net, listener);
    if (wait_ms > 0) {
        net_count(net, STAT_ACCEPT_PAUSES, 1);
        listen_again(net, listener, net->shard->now_ms + wait_ms);
        return;
    }
    ring_accept(net->shard->ring, op_token(OP_ACCEPT, listener, 0), fd, !has_rate);
}

static void listen_go_on(struct net *net)
{
    uint64_t again = net->accept_again;
    net->accept_again = 0;
    for (; again != 0; again &= again - 1)
        listen_accept(net, (unsigned)__builtin_ctzll(again));
}

static void listen_on_timer(struct timer_wheel *wheel, struct timer *timer, uint64_t now_ms)
{
    (void)wheel;
    (void)now_ms;
    struct net *net = CONTAINER_OF(timer, struct net, accept_timer);
    CHECK_OBJ(net, NET_MAGIC);
    listen_go_on(net);
}

/* Closes this shard's socket of a listener. Its last completions find the bit gone. */
static void listen_close(struct net *net, unsigned listener)
{
    int *fd = &net->shared->listeners[listener].fds[net->shard->id];
    net->accepting &= ~(UINT64_C(1) << listener);
    net->accept_again &= ~(UINT64_C(1) << listener);
    if (*fd < 0)
        return;
    shutdown(*fd, SHUT_RDWR);
    close(*fd);
    __atomic_store_n(fd, -1, __ATOMIC_RELAXED);
}

/* Begins, or ends, to accept where the ops thread wants it. */
static void listen_look(struct net *net)
{
    unsigned num = __atomic_load_n(&net->shared->listeners_num, __ATOMIC_ACQUIRE);
    for (unsigned i = 0; i < num && !net->draining; i++) {
        uint64_t bit = UINT64_C(1) << i;
        uint8_t state = __atomic_load_n(&net->shared->listeners[i].state, __ATOMIC_ACQUIRE);
        if (state == LISTEN_ACCEPTS && (net->accepting & bit) == 0) {
            net->accepting |= bit;
            listen_accept(net, i);
        } else if (state != LISTEN_ACCEPTS && (net->accepting & bit) != 0) {
            listen_close(net, i);
        }
        if (state == LISTEN_ENDED)
            net->ending |= bit;
        else
            net->ending &= ~bit;
    }
    net->ending_cursor = 0;
}

void listen_settings_changed(struct net *net)
{
    for (unsigned i = 0; i < LISTENERS_MAX; i++) {
        /* A bucket without a rate is not charged, so it must not be believed later. */
        if (!bucket_rate_limits(&net->settings->listeners[i].accepts))
            net->accepts[i] = (struct listen_rate){.seen = 0};
        else if (!net->draining) /* what accepts many at once; it begins again one by one */
            ring_cancel(net->shard->ring, op_token(OP_CANCEL, 0, 0), op_token(OP_ACCEPT, i, 0));
    }
    listen_look(net);
    if (net->draining || !timer_pending(&net->accept_timer))
        return;
    timer_cancel(&net->shard->timers, &net->accept_timer);
    listen_go_on(net);
}

void listen_start(struct net *net)
{
    STATIC_CHECK(LISTENERS_MAX <= 64, "accept_again has a bit for each listener");
    timer_init(&net->accept_timer, listen_on_timer);
    listen_look(net);
}

void listen_stop(struct net *net)
{
    if (timer_pending(&net->accept_timer))
        timer_cancel(&net->shard->timers, &net->accept_timer);
    for (unsigned i = 0; i < net->shared->listeners_num; i++)
        listen_close(net, i);
}

bool listen_ends_connections(const struct net *net, const struct conn *conn)
{
    return (net->ending >> conn->listener) & 1;
}

/* Connections of the process at one listener. */
static uint64_t listen_connections(const struct net_shared *shared, unsigned listener)
{
    const struct runtime *runtime = shared->runtime;
    uint64_t sum = 0;
    for (unsigned i = 0; i < shared->shards; i++) {
        const struct net *other = __atomic_load_n((struct net *const *)&runtime->shards[i].net,
                                                  __ATOMIC_ACQUIRE);
        if (other != NULL)
            sum += __atomic_load_n(&other->conns_by_listener[listener], __ATOMIC_RELAXED);
    }
    return sum;
}

bool listen_is_vacant(const struct net_shared *shared, unsigned slot)
{
    const struct listener *listener = &shared->listeners[slot];
    CHECK(slot < shared->listeners_num);
    for (unsigned i = 0; i < shared->shards; i++) {
        if (__atomic_load_n(&listener->fds[i], __ATOMIC_RELAXED) >= 0)
            return false;
    }
    return listener->state != LISTEN_ACCEPTS && listen_connections(shared, slot) == 0;
}

static bool listen_over_limit(const struct net *net, unsigned listener)
{
    uint32_t limit = __atomic_load_n(&net->shared->listeners[listener].connections_max,
                                     __ATOMIC_RELAXED);
    if (limit != UINT32_MAX && listen_connections(net->shared, listener) >= limit)
        return true;
    limit = net->settings->connections_max;
    if (limit == UINT32_MAX)
        return false;
    uint64_t sum = 0;
    for (unsigned i = 0; i < net->shared->listeners_num; i++)
        sum += listen_connections(net->shared, i);
    return sum >= limit;
}

/* Accepts what waits with the reserved descriptor and closes it. */
static void listen_refuse(struct net *net, unsigned listener)
{
    int fd = net->shared->listeners[listener].fds[net->shard->id];
    for (unsigned i = 0; i < LISTEN_REFUSALS_MAX && net->spare_fd >= 0; i++) {
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        if (poll(&waiting, 1, 0) != 1)
            return;
        close(net->spare_fd);
        int refused = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (refused >= 0) {
            net_count(net, STAT_REFUSED_DESCRIPTORS, 1);
            close(refused);
        }
        net->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
}

static void listen_failed(struct net *net, unsigned listener, int error)
{
    if (error == EMFILE || error == ENFILE) {
        if (log_limit(&net->log_descriptors_ms, net->shard->now_ms))
            LOG(LOG_WARNING,
                "out of descriptors: new connections are refused; raise the limit (ulimit -n)");
        listen_refuse(net, listener);
    }
    if (net->draining)
        return;
    listen_again(net, listener, net->shard->now_ms + (error == ECANCELED ? 0 : LISTEN_AGAIN_MS));
}

bool listen_admits(const struct conn *conn)
{
    const struct net *net = conn->net;
    const struct bucket_rate *rate = &net->settings->listeners[conn->listener].accepts_of_address;
    if (LIKELY(!bucket_rate_limits(rate)))
        return true;
    struct source_rates *sources = __atomic_load_n(&net->shared->sources, __ATOMIC_ACQUIRE);
    CHECK(sources != NULL);
    if (source_rate_take(sources, &conn->peer, conn->listener, rate, net->shard->now_ns))
        return true;
    net_count(conn->net, STAT_REFUSED_ADDRESS_RATE, 1);
    return false;
}

/* One more was accepted. */
static void listen_accepted(struct net *net, unsigned listener, bool more)
{
    uint64_t *count = &net->accepts_by_listener[listener];
    __atomic_store_n(count, *count + 1, __ATOMIC_RELAXED);
    if (!more && !net->draining)
        listen_accept(net, listener);
}

bool listen_peer_ok(struct conn *conn)
{
    enum conn_cause cause = CAUSE_RATE;
    if (!listen_policy_allows(listener_policy(conn->net, conn->listener), &conn->peer)) {
        net_count(conn->net, STAT_REFUSED_ACCESS, 1);
        cause = CAUSE_ACCESS;
    } else if (listen_admits(conn)) {
        return true;
    }
    conn_abort(conn, cause);
    return false;
}

/* Rules are about clients: a trusted proxy's own address is none, the client's comes later. */
static void listen_admit(struct net *net, struct conn *conn)
{
    const struct listener *listener = &net->shared->listeners[conn->listener];
    const struct listen_policy *policy = listener_policy(net, conn->listener);
    bool forwards = policy->proxy || (listener->layers & LISTEN_LAYER_WEBSOCKET) != 0;
    if (!(forwards && listen_policy_trusts(policy, &conn->peer)) && !listen_peer_ok(conn))
        return;
    enum rc rc = listener->layers != 0 || policy->proxy ? transport_open(conn) : RC_OK;
    if (rc == RC_OK)
        conn_receive(conn);
    else
        conn_abort(conn, rc == RC_FULL ? CAUSE_LIMIT : CAUSE_NO_MEMORY);
}

void listen_on_completion(struct shard *shard, const struct completion *completion)
{
    struct net *net = net_of(shard);
    unsigned listener = op_token_slot(completion->token);
    CHECK(listener < net->shared->listeners_num);
    int fd = completion->result;
    if (fd < 0) {
        if ((net->accepting >> listener & 1) != 0 && (completion->flags & RING_MORE) == 0)
            listen_failed(net, listener, -fd);
        return;
    }
    if ((net->accepting >> listener & 1) == 0 && !net->draining) {
        close(fd); /* it came in when the listener had just been closed */
        return;
    }
    listen_accepted(net, listener, (completion->flags & RING_MORE) != 0);
    if (net->draining || listen_over_limit(net, listener)) {
        net_count(net, STAT_REFUSED_LIMIT, 1);
        if (!net->draining && log_limit(&net->log_limit_ms, shard->now_ms))
            LOG(LOG_WARNING, "listener %s: the limit of connections is reached",
                net->shared->listeners[listener].name);
        close(fd);
        return;
    }
    struct conn *conn;
    if (conn_open(net, fd, (uint16_t)listener, shard->now_ms, &conn) != RC_OK) {
        net_count(net, STAT_REFUSED_MEMORY, 1);
        close(fd);
        return;
    }
    net_count(net, STAT_ACCEPTED, 1);
    listen_admit(net, conn);
}
