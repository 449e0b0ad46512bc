/*
 * net.c -- net's part of a shard: construction, the end of the turn, draining.
 *
 * Draining (SIGTERM): stop accepting, tell each v5 client 0x8B (or 0x9C with a server reference),
 * close every connection once its output has left, and report to the ops thread when none is left.
 * Connections are closed a slice per turn, because closing may publish wills.
 *
 * Threads: see net.h.
 */
#include "net.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "auth.h"
#include "ban.h"
#include "handover.h"
#include "input.h"
#include "listen.h"
#include "send.h"
#include "tls.h"

#define NET_CONNS_MAX      (1u << 24)
#define NET_DRAIN_PER_TURN 512
#define NET_OUTPUT_LOOK_MS 10
#define NET_OUTPUT_LEAST   (64 * 1024)

static bool net_drain_slice(struct net *net)
{
    uint32_t cursor = 0;
    unsigned count = 0;
    struct conn *conn;
    while (count < NET_DRAIN_PER_TURN && (conn = slot_table_next(&net->conns, &cursor)) != NULL) {
        if (conn->state <= CONN_AUTH) {
            conn_abort(conn, CAUSE_SHUTDOWN);
            count++;
        } else if (conn->state == CONN_OPEN) {
            conn_close(conn, CAUSE_SHUTDOWN,
                       conn_settings(conn)->server_reference.len > 0 ? REASON_USE_ANOTHER_SERVER
                                                                     : REASON_SERVER_SHUTTING_DOWN);
            count++;
        }
    }
    return count > 0;
}

/* The same for the connections of listeners that were removed. True: there may be more. */
static bool net_end_slice(struct net *net)
{
    unsigned count = 0;
    struct conn *conn = NULL;
    while (count++ < NET_DRAIN_PER_TURN &&
           (conn = slot_table_next(&net->conns, &net->ending_cursor)) != NULL) {
        if (!listen_ends_connections(net, conn))
            continue;
        if (conn->state <= CONN_AUTH)
            conn_abort(conn, CAUSE_REMOVED);
        else if (conn->state == CONN_OPEN)
            conn_close(conn, CAUSE_REMOVED, REASON_ADMINISTRATIVE_ACTION);
    }
    if (conn == NULL)
        net->ending = 0;
    return conn != NULL;
}

static void net_drain_report(struct net *net)
{
    /* Wills that a log has refused stay in the log for the next start, if that goes on. */
    const struct wills *wills = &net->router->wills;
    if (net->conns.num_live > 0 || (wills->due_count > 0 && net->shard->now_ms >= wills->next_ms))
        return;
    net->drained = true;
    struct mail mail = {.kind = MAIL_DRAINED};
    shard_mail(net->shard, net->shared->ops, MAIL_CONFIRM, &mail);
}

/* Over the limit of the process every connection may only have a little output waiting. */
static void net_unfinished_look(struct net *net)
{
    uint64_t most = net->settings->unfinished_bytes_max;
    uint64_t sum = 0;
    for (unsigned i = 0; i < net->shared->shards && most != UINT64_MAX; i++)
        sum += stat_read(net->shared->runtime->shards[i].stats, STAT_UNFINISHED_BYTES);
    net->unfinished_over = (int64_t)sum > 0 && sum > most;
}

static void net_output_look(struct net *net)
{
    net_unfinished_look(net);
    const struct net_settings *settings = net->settings;
    net->output_next_ms = net->shard->now_ms + NET_OUTPUT_LOOK_MS;
    net->output_limit = settings->output_bytes_max;
    if (settings->output_bytes_total_max == UINT64_MAX)
        return;
    uint64_t sum = 0;
    for (unsigned i = 0; i < net->shared->shards; i++)
        sum += net_stats_output_bytes(net->shared->runtime->shards[i].stats);
    if ((int64_t)sum > 0 && sum > settings->output_bytes_total_max &&
        net->output_limit > NET_OUTPUT_LEAST)
        net->output_limit = NET_OUTPUT_LEAST;
}

static bool net_turn_end(struct shard *shard)
{
    struct net *net = net_of(shard);
    if (shard->now_ms >= net->output_next_ms)
        net_output_look(net);
    net->overload = (uint8_t)__atomic_load_n(&net->shared->overload, __ATOMIC_RELAXED);
    net->limited = net->has_rates || net->overload >= NET_PAUSE;
    bool more = false;
    if (!list_is_empty(&net->starved) || !list_is_empty(&net->paused))
        more = input_resume_all(net);
    if (net->draining && !net->drained)
        more |= net_drain_slice(net);
    if (UNLIKELY(net->ban_sweeping))
        more |= ban_sweep(net);
    if (UNLIKELY(net->ending != 0))
        more |= net_end_slice(net);
    more |= tls_turn(net);
    send_flush(net);
    if (net->draining && !net->drained)
        net_drain_report(net);
    return more;
}

static void net_on_drain(struct shard *shard, const struct mail *mail)
{
    (void)mail;
    struct net *net = net_of(shard);
    if (net->draining)
        return;
    net->draining = true;
    listen_stop(net);
}

static void net_settings_take(struct net *net)
{
    net->settings = __atomic_load_n(&net->shared->settings, __ATOMIC_ACQUIRE);
    net->has_rates = false;
    for (unsigned i = 0; i < LISTENERS_MAX; i++) {
        const struct listener_limits *limits = &net->settings->listeners[i];
        net->has_rates |= bucket_rate_limits(&limits->messages) ||
                          bucket_rate_limits(&limits->bytes);
    }
    net->limited = net->has_rates || net->overload >= NET_PAUSE;
}

/* What a shard keeps from turn to turn of the old settings is renewed here, and nowhere else. */
static void net_on_reload(struct shard *shard, const struct mail *mail)
{
    struct net *net = net_of(shard);
    router_settings_take(net->router);
    net_settings_take(net);
    net_output_look(net);
    listen_settings_changed(net);
    struct mail answer = {.kind = MAIL_RELOADED};
    shard_mail(shard, mail->from, MAIL_CONFIRM, &answer);
}

void net_tables_fill(struct shard_tables *tables)
{
    tables->ops[OP_ACCEPT] = listen_on_completion;
    tables->ops[OP_RECV] = input_on_completion;
    tables->ops[OP_SEND] = send_on_completion;
    tables->mails[MAIL_HANDOVER] = handover_on_mail;
    tables->mails[MAIL_DRAIN] = net_on_drain;
    tables->mails[MAIL_RELOAD] = net_on_reload;
    STATIC_CHECK(MAIL_BAN_WANTED < SHARD_MAIL_KINDS_MAX, "a row for the last kind of mail");
    tables->mails[MAIL_BANS] = ban_on_mail;
    tables->mails[MAIL_AUTHN_DONE] = auth_on_mail;
    tables->drops[MAIL_HANDOVER] = handover_drop;
    tables->drops[MAIL_BAN_WANTED] = ban_wanted_drop;
    tables->turn_end[1] = net_turn_end;
}

enum rc net_open(struct shard *shard, struct net_shared *shared)
{
    SHARD_CHECK(shard);
    CHECK(shard->net == NULL && shard->route != NULL);
    struct net *net = mem_alloc(sizeof(*net));
    if (net == NULL)
        return RC_NO_MEMORY;
    memset(net, 0, sizeof(*net));
    if (!tls_net_init(net)) {
        mem_free(net);
        return RC_NO_MEMORY;
    }
    net->magic = NET_MAGIC;
    net->shard = shard;
    net->stats = shard->stats;
    net->router = router_of(shard);
    net->shared = shared;
    net_settings_take(net);
    net->bans = shared->bans;
    net->output_limit = shared->settings->output_bytes_max;
    net->pool.self = shard->id;
    slot_table_init(&net->conns, shard->id, NET_CONNS_MAX);
    list_init(&net->dirty);
    list_init(&net->paused);
    list_init(&net->throttled);
    list_init(&net->starved);
    list_init(&net->gated);
    net->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    __atomic_store_n((struct net **)&shard->net, net, __ATOMIC_RELEASE);
    listen_start(net);
    return RC_OK;
}

void net_close(struct shard *shard)
{
    struct net *net = net_of(shard);
    SHARD_CHECK(shard);
    listen_stop(net);
    uint32_t cursor = 0;
    struct conn *conn;
    while ((conn = slot_table_next(&net->conns, &cursor)) != NULL)
        conn_destroy(conn);
    slot_table_fini(&net->conns);
    flapping_destroy(net->flapping);
    output_pool_fini(&net->pool);
    send_pool_fini(net);
    tls_net_fini(net);
    mem_free(net->mount_scratch);
    if (net->spare_fd >= 0)
        close(net->spare_fd);
    net->magic = 0;
    mem_free(net);
    shard->net = NULL;
}
