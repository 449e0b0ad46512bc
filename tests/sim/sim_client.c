/*
 * sim_client.c -- see sim_client.h: connections, and what a client does next.
 */
#include "sim_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "packet_table.h"
#include "sim_base.h"
#include "sim_power.h"

#define SIM_S_IN_NS UINT64_C(1000000000)

struct sim_file *(*sim_client_listener)(void);
bool sim_calm;
bool sim_draining;
unsigned sim_goodbyes;

void sim_client_init(struct sim_client *client, unsigned index)
{
    static const enum mqtt_version versions[] = {MQTT_50,  MQTT_311, MQTT_50,
                                                 MQTT_311, MQTT_50,  MQTT_31};
    memset(client, 0, sizeof(*client));
    client->index = index;
    snprintf(client->id, sizeof(client->id), "client-%u", index);
    client->version = versions[index == SIM_WITNESS ? 0 : sim_below(6)];
    client->lasting = index == SIM_WITNESS || sim_chance(700);
    client->steady = client->lasting && (index == SIM_WITNESS || sim_chance(600));
    client->session = SIM_SESSION_NONE;
    client->id_next = (uint16_t)(1 + sim_below(65535));
    sim_views[index].v5 = client->version == MQTT_50;
    sim_views[index].lasting = client->lasting;
    sim_views[index].steady = client->steady;
}

void sim_client_fini(struct sim_client *client)
{
    if (client->socket != NULL)
        sim_socket_close(client->socket, true);
    for (unsigned i = 0; i < client->strays_num; i++) {
        sim_socket_close(client->strays[i], true);
    }
    free(client->in.bytes);
    free(client->out.bytes);
    memset(client, 0, sizeof(*client));
}

/* ---- strays ---- */

/* The broker and its rings have let go of it. */
static bool sim_stray_is_gone(const struct sim_file *socket)
{
    return socket->refs == 1;
}

static void sim_strays_step(struct sim_client *client)
{
    for (unsigned i = 0; i < client->strays_num;) {
        struct sim_file *socket = client->strays[i];
        if (!sim_stray_is_gone(socket)) {
            if (!socket->client_closed && sim_chance(sim_calm ? 500 : 50)) {
                /* As sim_socket_close, but the file is kept in sight. */
                sim_file_ref(socket);
                sim_socket_close(socket, sim_chance(500));
            }
            i++;
            continue;
        }
        if (!socket->client_closed)
            sim_socket_close(socket, false);
        else
            sim_file_unref(socket);
        client->strays_num--;
        client->strays[i] = client->strays[client->strays_num];
        client->stray_was_new[i] = client->stray_was_new[client->strays_num];
    }
}

bool sim_has_new_stray(const struct sim_client *client)
{
    for (unsigned i = 0; i < client->strays_num; i++)
        if (client->stray_was_new[i])
            return true;
    return false;
}

/* ---- the ends of a connection ---- */

static void sim_will_resolve(struct sim_client *client, bool confirmed)
{
    if (client->will == 0)
        return;
    struct sim_message *will = sim_message_at(client->will);
    client->will = 0;
    /* `acked`: the witness was there when it was made. */
    bool is_lost = client->severed && !will->lasts; /* with the memory of the broker */
    /* The broker may have ended it before it read DISCONNECT, of which MQTT 3 says nothing. */
    bool was_first = client->disconnect_seen || (sim_ailing && client->version < MQTT_50);
    if (client->state == SIM_ON)
        will->will = client->will_delayed || !will->acked || is_lost ? SIM_WILL_UNKNOWN
                                                                     : SIM_WILL_ONCE;
    else if (client->state == SIM_LEAVING && confirmed && !client->doubt && !was_first &&
             !client->socket->injured && !sim_has_new_stray(client))
        will->will = SIM_WILL_NEVER;
    SIM_TRACE("client %u: will %u is to come %s", client->index, will->number,
              will->will == SIM_WILL_ONCE ? "once"
                                          : (will->will == SIM_WILL_NEVER ? "never" : "or not"));
}

void sim_client_ended(struct sim_client *client, bool confirmed)
{
    SIM_TRACE("client %u: connection ended in state %u", client->index, client->state);
    sim_will_resolve(client, confirmed);
    sim_oracle_cut(client->index);
    if (client->state == SIM_CONNECTING && client->session == SIM_SESSION_NONE)
        client->session = SIM_SESSION_UNKNOWN;
    client->must_clean = client->state == SIM_CONNECTING && client->clean_asked;
    if (!client->lasting || client->brief) {
        sim_oracle_session_ended(client->index);
        sim_session_forget(client);
    }
    for (unsigned i = 0; i < client->window_len; i++)
        client->window[i].here = false;
    memset(client->requests, 0, sizeof(client->requests));
    client->acks_len = 0;
    client->pings = 0;
    client->unfinished = 0;
    client->out.len = client->out.head = 0;
    client->in.len = client->in.head = 0;
    client->state = SIM_OFF;
    client->socket = NULL;
    client->disconnect_seen = false;
    client->doubt = client->severed = false;
    client->quiet_until_ns = client->deaf_until_ns = 0;
    if (sim_ailing)
        client->backs_off_ns = clock_mono_ns() + sim_below(200) * UINT64_C(1000000);
    if (!sim_calm && sim_chance(300))
        client->quiet_until_ns = clock_mono_ns() + sim_below(4000) * UINT64_C(1000000);
}

/* Lets go of the socket in one of three ways: FIN, reset, or not at all. */
static void sim_client_let_go(struct sim_client *client, bool stays_open)
{
    struct sim_file *socket = client->socket;
    bool was_new = client->state == SIM_CONNECTING;
    sim_client_ended(client, false);
    SIM_CHECK(client->strays_num < SIM_STRAYS_MAX, "too many strays");
    client->strays[client->strays_num] = socket;
    client->stray_was_new[client->strays_num++] = was_new;
    if (stays_open)
        return;
    sim_file_ref(socket);
    sim_socket_close(socket, sim_chance(500));
}

void sim_client_sever(struct sim_client *client)
{
    if (client->socket != NULL) {
        client->socket->injured = client->severed = true;
        sim_socket_break(client->socket);
    }
    for (unsigned i = 0; i < client->strays_num; i++)
        sim_socket_break(client->strays[i]);
}

void sim_client_doubt(struct sim_client *client)
{
    if (client->state != SIM_OFF)
        client->doubt = true;
}

/* ---- what a client does ---- */

static void sim_client_connect(struct sim_client *client)
{
    if (client->strays_num >= SIM_STRAYS_MAX - 1 || clock_mono_ns() < client->backs_off_ns)
        return;
    /* What a stray still says about a session must not hit one that was begun after it. */
    bool clean = !client->lasting || client->must_clean ||
                 (!client->steady && client->version > MQTT_31 && !sim_calm &&
                  client->strays_num == 0 && sim_chance(100));
    if (!client->lasting && client->strays_num > 0 && !sim_chance(200))
        return;
    if (client->lasting && clean && client->strays_num > 0)
        return;
    struct sim_file *listener = sim_client_listener();
    if (listener == NULL)
        return;
    client->socket = sim_socket_connect(listener, 1 + sim_size(16384));
    if (client->socket == NULL)
        return;
    client->state = SIM_CONNECTING;
    /* Before MQTT 5 a session that begins anew also ends with its connection. */
    client->brief = clean && client->lasting && (client->version < MQTT_50 || sim_chance(300));
    SIM_TRACE("client %u: connects, %s%s", client->index, clean ? "anew" : "as before",
              client->brief ? ", briefly" : "");
    sim_send_connect(client, clean);
}

static void sim_client_write(struct sim_client *client)
{
    uint8_t bytes[4096];
    if (client->out.len == 0 || client->socket->client_fin)
        return;
    uint32_t most = sim_calm ? sizeof(bytes) : sim_size(sizeof(bytes));
    size_t len = sim_pipe_take(&client->out, bytes, most);
    sim_socket_write(client->socket, bytes, len);
    client->wrote_ns = clock_mono_ns();
}

static void sim_client_read(struct sim_client *client)
{
    uint8_t bytes[4096];
    uint32_t most = sim_calm ? sizeof(bytes) : sim_size(sizeof(bytes));
    if (sim_calm && client->socket->window < sizeof(bytes))
        client->socket->window = sizeof(bytes);
    size_t len = sim_socket_read(client->socket, bytes, most);
    sim_pipe_put(&client->in, bytes, len);
    if (len > 0)
        sim_receive(client);
    if (client->state == SIM_OFF || !sim_socket_ended(client->socket))
        return;
    SIM_CHECK(client->in.len == 0 || client->socket->reset || client->socket->injured ||
                  client->doubt || sim_scarce || sim_draining,
              "client %u: the broker closed in the middle of a packet", client->index);
    struct sim_file *socket = client->socket;
    sim_client_ended(client, !socket->reset);
    SIM_CHECK(client->strays_num < SIM_STRAYS_MAX, "too many strays");
    client->stray_was_new[client->strays_num] = false;
    client->strays[client->strays_num++] = socket;
    sim_file_ref(socket);
    sim_socket_close(socket, false);
}

/* Ends of an open connection, each in its own way. */
static void sim_client_leave(struct sim_client *client)
{
    switch (sim_below(5)) {
    case 0:
        sim_send_disconnect(client);
        client->state = SIM_LEAVING;
        break;
    case 1:
        /* Nothing more comes; the broker has to find out by keep alive, or by a second one. */
        client->quiet_until_ns = clock_mono_ns() + (5 + sim_below(30)) * SIM_S_IN_NS;
        client->doubt = true;
        break;
    case 2:
        if (client->strays_num < SIM_STRAYS_MAX - 2)
            sim_client_let_go(client, true);
        break;
    default:
        if (client->strays_num < SIM_STRAYS_MAX - 2)
            sim_client_let_go(client, false);
    }
}

static void sim_client_act(struct sim_client *client)
{
    uint32_t what = sim_below(1000);
    if (what < 300)
        sim_send_acks(client, 1 + sim_below(8));
    else if (what < 600)
        sim_send_publish(client);
    else if (what < 640)
        sim_send_subscribe(client);
    else if (what < 650)
        sim_send_unsubscribe(client);
    else if (what < 660)
        sim_send_ping(client);
    else if (what < 664) {
        client->deaf_until_ns = clock_mono_ns() + sim_below(3000) * UINT64_C(1000000);
        client->doubt = true;
    } else if (what < 672)
        sim_client_leave(client);
}

static void sim_client_keep_alive(struct sim_client *client)
{
    if (client->keep_alive_s != 0 && client->state == SIM_ON &&
        clock_mono_ns() - client->wrote_ns > client->keep_alive_s * SIM_S_IN_NS / 2)
        sim_send_ping(client);
}

/* A silent client comes back to life: what it had is not worth anything. */
static bool sim_client_is_quiet(struct sim_client *client)
{
    if (client->quiet_until_ns == 0)
        return false;
    if (clock_mono_ns() < client->quiet_until_ns && !sim_calm)
        return true;
    client->quiet_until_ns = 0;
    if (client->state != SIM_OFF && client->strays_num < SIM_STRAYS_MAX - 2)
        sim_client_let_go(client, sim_chance(500));
    return false;
}

void sim_client_step(struct sim_client *client)
{
    sim_strays_step(client);
    if (sim_client_is_quiet(client))
        return;
    if (client->state == SIM_OFF) {
        if (sim_calm ? client->strays_num == 0 : sim_chance(200))
            sim_client_connect(client);
        return;
    }
    sim_client_keep_alive(client);
    sim_client_write(client);
    if (sim_calm || clock_mono_ns() >= client->deaf_until_ns)
        sim_client_read(client);
    if (client->state == SIM_CONNECTING && !sim_calm && !client->clean_asked && sim_chance(2) &&
        client->strays_num < SIM_STRAYS_MAX - 2)
        sim_client_let_go(client, sim_chance(300));
    /* What does not depend on CONNACK need not wait for it (3.1.4). */
    if (client->state == SIM_CONNECTING && client->strays_num == 0 && sim_chance(5)) {
        if (sim_chance(500))
            sim_send_ping(client);
        else
            sim_send_subscribe(client);
    }
    if (client->state != SIM_ON)
        return;
    if (!sim_calm)
        sim_client_act(client);
    else
        sim_send_acks(client, SIM_ACKS_MAX);
}

bool sim_client_is_forgotten(const struct sim_client *client)
{
    const struct sim_file *socket = client->socket;
    return client->state != SIM_OFF && socket->fd >= 0 && socket->in.len > 0 && !socket->reset &&
           !socket->broker_deaf;
}

bool sim_client_is_settled(const struct sim_client *client)
{
    if (client->state != SIM_ON || client->out.len > 0 || client->in.len > 0 ||
        client->socket->in.len > 0 || client->socket->out.len > 0 || client->window_len > 0 ||
        client->acks_len > 0 || client->strays_num > 0 || client->received_num > 0 ||
        client->pings > 0)
        return false;
    for (unsigned i = 0; i < SIM_REQUESTS_MAX; i++)
        if (client->requests[i].packet_id != 0)
            return false;
    return true;
}

void sim_client_describe(const struct sim_client *client)
{
    static const char *const states[] = {"off", "connecting", "on", "leaving"};
    printf("client %u: MQTT %u, %s, %s, window %u, acks %u, strays %u, unfinished %u",
           client->index, client->version, client->lasting ? "lasting" : "clean",
           states[client->state], client->window_len, client->acks_len, client->strays_num,
           client->unfinished);
    if (client->socket != NULL)
        printf(", fd %d, to write %zu, unread by the broker %zu, by the client %zu + %zu",
               client->socket->fd, client->out.len, client->socket->in.len, client->socket->out.len,
               client->in.len);
    for (unsigned id = 0; id <= UINT16_MAX && client->received_num > 0; id++)
        if ((client->received[id / 8] >> (id % 8) & 1) != 0)
            printf(", id %u not released", id);
    for (unsigned i = 0; i < client->window_len; i++)
        printf(", message %u awaits %u", client->window[i].number, client->window[i].awaits);
    putchar('\n');
}
