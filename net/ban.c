/*
 * ban.c -- see ban.h.
 * Threads: see ban.h.
 */
#include "ban.h"

#include <string.h>

#include "ban_set.h"
#include "net.h"

/* With the most ranges and expressions a look at one connection takes some 100 us. */
#define BAN_SWEEP_PER_TURN 64

bool ban_holds(const struct conn *conn, struct bytes client_id, struct bytes user_name)
{
    const struct net *net = conn->net;
    if (LIKELY(net->bans == NULL))
        return false;
    struct ban_subject subject = {
        .client_id = client_id, .user_name = user_name, .address = &conn->peer};
    return ban_set_holds(net->bans, &subject, net->shard->now_ms);
}

bool ban_sweep(struct net *net)
{
    struct conn *conn = NULL;
    for (unsigned i = 0; i < BAN_SWEEP_PER_TURN; i++) {
        conn = slot_table_next(&net->conns, &net->ban_cursor);
        if (conn == NULL)
            break;
        if (conn->state != CONN_OPEN)
            continue;
        struct client_identity client;
        session_identity(net->router, conn->session, &client);
        if (ban_holds(conn, client.client_id, client.username))
            conn_close(conn, CAUSE_BANNED, REASON_ADMINISTRATIVE_ACTION);
    }
    net->ban_sweeping = conn != NULL;
    return net->ban_sweeping;
}

void ban_on_mail(struct shard *shard, const struct mail *mail)
{
    struct net *net = net_of(shard);
    net->bans = __atomic_load_n(&net->shared->bans, __ATOMIC_ACQUIRE);
    if (mail->count != 0) {
        net->ban_sweeping = true;
        net->ban_cursor = 0;
    }
    struct mail answer = {.kind = MAIL_BANS_TAKEN};
    shard_mail(shard, mail->from, MAIL_CONFIRM, &answer);
}

static void ban_want(struct net *net, struct bytes client_id)
{
    struct ban_wanted *wanted = mem_alloc(sizeof(*wanted) + client_id.len + 1);
    if (wanted == NULL)
        return; /* it will flap again */
    wanted->magic = BAN_WANTED_MAGIC;
    wanted->len = client_id.len;
    memcpy(wanted->client_id, client_id.ptr, client_id.len);
    wanted->client_id[client_id.len] = '\0';
    struct mail mail = {.kind = MAIL_BAN_WANTED, .ptr = wanted, .weight = client_id.len};
    shard_mail(net->shard, net->shared->ops, MAIL_CONTROL, &mail);
}

void ban_note_end(struct conn *conn, enum conn_cause cause)
{
    struct net *net = conn->net;
    const struct flapping_limits *limits = &conn_settings(conn)->flapping;
    if (LIKELY(limits->count == 0) || cause == CAUSE_SHUTDOWN || cause == CAUSE_BANNED ||
        conn->session == NULL)
        return;
    if (net->flapping == NULL)
        net->flapping = flapping_create(&net->router->shared->home_key);
    struct bytes client_id = session_id(conn->session);
    if (net->flapping != NULL &&
        flapping_note(net->flapping, limits, client_id, net->shard->now_ms)) {
        net_count(net, STAT_FLAPPING, 1);
        ban_want(net, client_id);
    }
}

void ban_wanted_drop(const struct mail *mail)
{
    struct ban_wanted *wanted = mail->ptr;
    CHECK_OBJ(wanted, BAN_WANTED_MAGIC);
    wanted->magic = 0;
    mem_free(wanted);
}
