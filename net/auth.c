/*
 * auth.c -- see auth.h.
 * Threads: see auth.h.
 */
#include "auth.h"

#include <string.h>

#include "authn.h"
#include "input.h"
#include "net.h"
#include "on_packet.h"
#include "transport.h"

#define AUTH_MAGIC 0x41555448u

struct auth {
    uint32_t magic;
    uint32_t packet_len; /* 0: CONNECT is done with */
    struct authn_job *job;
    uint32_t method_len;
    uint8_t bytes[]; /* the method, then CONNECT */
};

/* The connection's own part of what a client says of itself. */
static void auth_ask(const struct conn *conn, const struct connect_view *view,
                     struct bytes client_id, struct authn_asked *out)
{
    const struct listener *listener = &conn->net->shared->listeners[conn->listener];
    STATIC_CHECK(LISTENERS_MAX <= AUTHN_LISTENERS_MAX, "each listener may have a chain");
    *out = (struct authn_asked){.client_id = client_id,
                                .username = view->username,
                                .password = view->password,
                                .method = view->auth_method,
                                .data = view->auth_data,
                                .listener = bytes_of_text(listener->name),
                                .listener_index = conn->listener,
                                .port = conn->peer_port,
                                .version = (uint8_t)view->version};
    memcpy(out->address, &conn->peer, sizeof(out->address));
    const struct peer_identity *peer = conn_identity(conn);
    if (peer != NULL && peer->common_name.len > 0)
        out->cert_common_name = peer->common_name;
    if (peer != NULL && peer->subject.len > 0)
        out->cert_subject = peer->subject;
    /* Where the listener takes the name from there, what CONNECT says is nothing. */
    (void)conn_identity_user_name(conn, &out->username);
}

struct bytes auth_method(const struct conn *conn)
{
    const struct auth *auth = conn->auth;
    if (auth == NULL || auth->method_len == 0)
        return bytes_of(NULL, 0);
    CHECK_OBJ(auth, AUTH_MAGIC);
    return bytes_of(auth->bytes, auth->method_len);
}

static bool auth_create(struct conn *conn, struct bytes method, struct bytes packet)
{
    CHECK(conn->auth == NULL);
    struct auth *auth = mem_alloc(sizeof(*auth) + method.len + packet.len);
    if (auth == NULL)
        return false;
    memset(auth, 0, sizeof(*auth));
    auth->magic = AUTH_MAGIC;
    auth->method_len = method.len;
    auth->packet_len = packet.len;
    if (method.len > 0)
        memcpy(auth->bytes, method.ptr, method.len);
    memcpy(auth->bytes + method.len, packet.ptr, packet.len);
    conn->auth = auth;
    return true;
}

void auth_forget(struct conn *conn)
{
    struct auth *auth = conn->auth;
    if (auth == NULL)
        return;
    CHECK_OBJ(auth, AUTH_MAGIC);
    authn_drop(auth->job);
    explicit_bzero(auth->bytes + auth->method_len, auth->packet_len);
    auth->magic = 0;
    mem_free(auth);
    conn->auth = NULL;
    conn->auth_waits = false;
}

/* AUTH from us: another word is needed, or re-authentication is done. */
static bool auth_send(struct conn *conn, enum reason reason, struct bytes data)
{
    struct auth_view view = {.reason = reason,
                             .auth_method = auth_method(conn),
                             .auth_data = data.len > 0 ? data : bytes_of(NULL, 0)};
    uint32_t size = encode_auth_size(&view, conn->packet_size_max);
    if (size == 0) {
        conn_abort(conn, CAUSE_LIMIT); /* the client takes no packet as large as this */
        return false;
    }
    uint8_t *at = on_reserve(conn, PACKET_AUTH, size);
    if (at == NULL)
        return false;
    encode_auth(&view, conn->packet_size_max, at);
    return true;
}

/* The session's identity is new, or none (the outcome of a chain that allows all). */
static bool auth_repeated(struct conn *conn, const struct authn_outcome *outcome)
{
    struct net *net = conn->net;
    session_identify(net->router, conn->session, outcome->identity);
    conn_identity_changed(conn);
    return auth_send(conn, REASON_SUCCESS, outcome->answer);
}

/* Reads CONNECT again, which was right when it came, and goes on with it. */
static bool auth_admit(struct conn *conn, struct bytes client_id, struct authn_outcome *outcome)
{
    struct auth *auth = conn->auth;
    struct bytes packet = bytes_of(auth->bytes + auth->method_len, auth->packet_len);
    struct frame frame;
    struct connect_view view;
    enum frame_result result = frame_read(packet, PACKET_SIZE_UNLIMITED, MQTT_NONE, &frame);
    CHECK(result == FRAME_OK);
    enum reason reason = decode_connect(&frame, &view);
    CHECK(reason == REASON_SUCCESS);
    conn->state = CONN_NEW;
    return on_connect_admit(conn, &view, client_id, outcome);
}

/* The outcome for a connection whose job is auth->job. */
static bool auth_done(struct conn *conn, struct authn_outcome *outcome)
{
    struct auth *auth = conn->auth;
    struct authn_job *job = auth->job;
    struct handle handle = conn->handle;
    struct net *net = conn->net;
    bool going = false;
    conn->auth_waits = false;
    auth->job = NULL;
    if (conn->state == CONN_AUTH && outcome->reason == REASON_SUCCESS) {
        going = auth_admit(conn, job->asked.client_id, outcome);
    } else if (conn->state == CONN_AUTH) {
        conn->state = CONN_NEW;
        going = on_connect_refuse(conn, (enum mqtt_version)conn->version, outcome->reason);
    } else if (outcome->reason == REASON_SUCCESS) {
        going = auth_repeated(conn, outcome);
    } else {
        /* [MQTT-4.12.1-2] */
        conn_close(conn, CAUSE_AUTH_FAILED,
                   outcome->reason == REASON_BAD_USERNAME_OR_PASSWORD ? REASON_NOT_AUTHORIZED
                                                                      : outcome->reason);
    }
    authn_drop(job);
    conn = slot_table_get(&net->conns, handle);
    if (conn != NULL && conn->auth != NULL) {
        explicit_bzero(conn->auth->bytes + conn->auth->method_len, conn->auth->packet_len);
        conn->auth->packet_len = 0;
        if (conn->auth->method_len == 0)
            auth_forget(conn);
    }
    return going;
}

/* What the chain has said of the job that stands in auth->job. */
static bool auth_go_on(struct conn *conn, enum authn_state state, struct authn_outcome *outcome)
{
    switch (state) {
    case AUTHN_DONE:
        return auth_done(conn, outcome);
    case AUTHN_AWAY:
        /* An open connection is read on meanwhile. */
        conn->auth_waits = conn->state == CONN_AUTH;
        return conn->state == CONN_OPEN;
    case AUTHN_ASKING:
        conn->auth_waits = false;
        return auth_send(conn, REASON_CONTINUE_AUTHENTICATION, outcome->answer);
    }
    UNREACHABLE();
}

bool auth_connect(struct conn *conn, const struct connect_view *view, struct bytes client_id,
                  struct bytes packet)
{
    struct net *net = conn->net;
    CHECK(conn->state == CONN_NEW && conn->auth == NULL);
    struct authn_asked asked;
    struct authn_outcome outcome;
    struct authn_job *job;
    auth_ask(conn, view, client_id, &asked);
    enum authn_state state = authn_begin(net->router, &asked, conn->handle, &job, &outcome);
    if (job == NULL) {
        CHECK(state == AUTHN_DONE);
        return outcome.reason == REASON_SUCCESS
                   ? on_connect_admit(conn, view, client_id, &outcome)
                   : on_connect_refuse(conn, view->version, outcome.reason);
    }
    if (!auth_create(conn, view->auth_method, packet)) {
        identity_destroy(state == AUTHN_DONE ? outcome.identity : NULL);
        authn_drop(job);
        return on_connect_refuse(conn, view->version, REASON_SERVER_BUSY);
    }
    conn->auth->job = job;
    conn->state = CONN_AUTH;
    timer_set(&net->shard->timers, &conn->timer,
              net->shard->now_ms + conn_settings(conn)->auth_timeout_ms);
    return auth_go_on(conn, state, &outcome);
}

void auth_on_mail(struct shard *shard, const struct mail *mail)
{
    struct net *net = net_of(shard);
    struct authn_job *job = authn_take(net->router, mail);
    if (job == NULL)
        return;
    struct handle handle = job->conn;
    struct conn *conn = slot_table_get(&net->conns, handle);
    /* Who forgets a job cancels it, so that it does not come here. */
    CHECK(conn != NULL && conn->auth != NULL && conn->auth->job == job);
    struct authn_outcome outcome;
    enum authn_state state = authn_resume(net->router, job, &outcome);
    if (!auth_go_on(conn, state, &outcome))
        return;
    conn = slot_table_get(&net->conns, handle);
    if (conn != NULL)
        input_continue(conn);
}

void auth_timeout(struct conn *conn)
{
    CHECK(conn->state == CONN_AUTH);
    router_count(conn->net->router, STAT_AUTHN_TIMEOUT, 1);
    bool waits = conn->auth_waits;
    auth_forget(conn);
    conn->state = CONN_NEW;
    if (waits)
        on_connect_refuse(conn, (enum mqtt_version)conn->version, REASON_SERVER_BUSY);
    else
        conn_abort(conn, CAUSE_CONNECT_TIMEOUT);
}

/* Re-authentication begins: a new job for the client that is there. */
static bool auth_repeat(struct conn *conn, const struct auth_view *view)
{
    struct net *net = conn->net;
    struct auth *auth = conn->auth;
    if (auth->job != NULL)
        return on_fault(conn, REASON_PROTOCOL_ERROR); /* one is going on */
    struct client_identity client;
    struct authn_asked asked;
    struct authn_outcome outcome;
    struct authn_job *job;
    struct connect_view said = {
        .version = MQTT_50, .auth_method = view->auth_method, .auth_data = view->auth_data};
    session_identity(net->router, conn->session, &client);
    auth_ask(conn, &said, client.client_id, &asked);
    enum authn_state state = authn_begin(net->router, &asked, conn->handle, &job, &outcome);
    if (job == NULL) {
        /* A reload has taken the chain away. */
        conn_close(conn, CAUSE_AUTH_FAILED, REASON_BAD_AUTHENTICATION_METHOD);
        return false;
    }
    auth->job = job;
    return auth_go_on(conn, state, &outcome);
}

/* A fault of a client that has no session yet. */
static bool auth_fault(struct conn *conn, enum reason reason)
{
    auth_forget(conn);
    conn->state = CONN_NEW;
    return on_connect_refuse(conn, (enum mqtt_version)conn->version, reason);
}

bool on_auth(struct conn *conn, const struct frame *frame)
{
    struct auth_view view;
    bool is_open = conn->state == CONN_OPEN;
    enum reason reason = decode_auth((enum mqtt_version)conn->version, DECODE_FROM_CLIENT, frame,
                                     &view);
    /* [MQTT-4.12.0-7] and, since its method is none, [MQTT-4.12.0-5] */
    if (reason == REASON_SUCCESS && auth_method(conn).len == 0)
        reason = REASON_PROTOCOL_ERROR;
    if (reason == REASON_SUCCESS && !bytes_equal(auth_method(conn), view.auth_method))
        reason = is_open ? REASON_BAD_AUTHENTICATION_METHOD : REASON_PROTOCOL_ERROR;
    if (reason == REASON_SUCCESS && view.reason == REASON_REAUTHENTICATE)
        return is_open ? auth_repeat(conn, &view) : auth_fault(conn, REASON_PROTOCOL_ERROR);
    struct authn_job *job = conn->auth != NULL ? conn->auth->job : NULL;
    if (reason == REASON_SUCCESS && (job == NULL || job->is_away))
        reason = REASON_PROTOCOL_ERROR; /* nobody has asked */
    if (reason != REASON_SUCCESS)
        return is_open ? on_fault(conn, reason) : auth_fault(conn, reason);
    struct authn_outcome outcome;
    enum authn_state state = authn_reply(conn->net->router, job, view.auth_data, &outcome);
    return auth_go_on(conn, state, &outcome);
}
