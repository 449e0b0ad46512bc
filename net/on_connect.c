/*
 * on_connect.c -- CONNECT (MQTT 5.0 section 3.1): checks, hand-over to the home shard, session,
 * CONNACK.
 *
 * The shard that accepted only looks at the packet far enough to know the session's home. If that
 * is another shard the connection goes there with all bytes received, and CONNECT is handled from
 * its beginning there, so that nothing of a session is touched anywhere but at its home.
 *
 * Threads: the owner shard.
 */
#include <stdio.h>

#include "auth.h"
#include "authn.h"
#include "ban.h"
#include "handover.h"
#include "mount.h"
#include "on_packet.h"
#include "props.h"
#include "topic.h"
#include "transport.h"
#include "utf8.h"
#include "will.h"

/* Names made by the broker: prefix and 64 random bits. */
#define ASSIGNED_ID_LEN 23

static bool on_connect_answer(struct conn *conn, enum mqtt_version version,
                              const struct connack_view *connack)
{
    uint32_t size = encode_connack_size(version, connack, conn->packet_size_max);
    if (size == 0)
        return false;
    uint8_t *at = on_reserve(conn, PACKET_CONNACK, size);
    if (at == NULL)
        return false;
    encode_connack(version, connack, conn->packet_size_max, at);
    return true;
}

bool on_connect_refuse(struct conn *conn, enum mqtt_version version, enum reason reason)
{
    struct connack_view connack = CONNACK_VIEW_DEFAULT;
    connack.reason = reason;
    connack.reason_string = bytes_of_text(reason_text(reason));
    if (reason == REASON_USE_ANOTHER_SERVER)
        connack.server_reference = conn_settings(conn)->server_reference;
    net_count(conn->net, STAT_CONNECT_REFUSED, 1);
    /* 3.x: a CONNECT that is not well-formed gets no answer [MQTT-3.1.4-1]. */
    bool silent = version == MQTT_NONE ||
                  (version < MQTT_50 &&
                   (reason == REASON_MALFORMED_PACKET || reason == REASON_PROTOCOL_ERROR ||
                    reason == REASON_TOPIC_NAME_INVALID));
    if (silent || !on_connect_answer(conn, version, &connack))
        conn_abort(conn, CAUSE_REFUSED);
    else
        conn_close(conn, CAUSE_REFUSED, reason);
    return false;
}

void on_connect_fail(struct conn *conn, enum reason reason)
{
    struct connack_view connack = CONNACK_VIEW_DEFAULT;
    connack.reason = reason;
    connack.reason_string = bytes_of_text(reason_text(reason));
    net_count(conn->net, STAT_CONNECT_REFUSED, 1);
    if (on_connect_answer(conn, (enum mqtt_version)conn->version, &connack))
        conn_close_quietly(conn, CAUSE_SESSION_NOT_STORED);
    else
        conn_abort(conn, CAUSE_SESSION_NOT_STORED);
}

static enum reason on_connect_check(const struct conn *conn, const struct connect_view *view)
{
    const struct net_settings *settings = conn_settings(conn);
    if (view->client_id.len > settings->client_id_len_max)
        return REASON_CLIENT_ID_NOT_VALID;
    if (!view->has_will)
        return REASON_SUCCESS;
    if (view->will.qos > settings->qos_max)
        return REASON_QOS_NOT_SUPPORTED; /* [MQTT-3.2.2-12] */
    if (view->will.retain && !settings->retain_available)
        return REASON_RETAIN_NOT_SUPPORTED; /* [MQTT-3.2.2-13] */
    if (topic_name_check(view->will.topic, settings->topic_levels_max) != TOPIC_OK)
        return REASON_TOPIC_NAME_INVALID;
    if (view->will.payload_is_text && settings->payload_format_check &&
        !utf8_check_data(view->will.payload.ptr, view->will.payload.len))
        return REASON_PAYLOAD_FORMAT_INVALID;
    return REASON_SUCCESS;
}

/* A client id for a client without one, whose home is this shard. */
static struct bytes on_connect_assign(struct net *net, char *out)
{
    struct bytes id = {.ptr = (const uint8_t *)out, .len = ASSIGNED_ID_LEN};
    do {
        uint64_t word = hash_mix(net->shard->now_ns + net->shard->id, ++net->assigned_next);
        word = hash_keyed(&net->router->shared->home_key, bytes_of(&word, sizeof(word)));
        snprintf(out, ASSIGNED_ID_LEN + 1, "sluice-%016llx", (unsigned long long)word);
    } while (session_home(net->router, id) != net->shard->id ||
             session_find(net->router, id) != NULL);
    return id;
}

static bool on_connect_will(struct conn *conn, const struct connect_view *view,
                            struct bytes client_id, struct will **out)
{
    struct net *net = conn->net;
    *out = NULL;
    if (!view->has_will)
        return true;
    const struct will_view *will = &view->will;
    struct bytes topic = mount_add(conn, will->topic);
    if (topic.ptr == NULL)
        return false;
    uint8_t *props = NULL;
    struct pub pub = {.topic = topic,
                      .payload = will->payload,
                      .qos = will->qos,
                      .retain = will->retain,
                      .publisher_hash = session_id_hash(net->router, client_id),
                      .topic_hash = filter_index_hash(net->router->shared->filters, topic)};
    if (will->props.len > 0) {
        props = mem_alloc(will->props.len);
        if (props == NULL)
            return false;
        pub.props = bytes_of(props, props_copy_forwardable(will->props, props));
    }
    uint32_t cap_s = conn_settings(conn)->message_expiry_max_s;
    uint32_t expiry_s = will->has_expiry ? will->expiry_s : 0;
    if (cap_s != UINT32_MAX && (expiry_s == 0 || expiry_s > cap_s))
        expiry_s = cap_s;
    *out = will_create(&pub, will->delay_s, expiry_s, net->shard->id);
    mem_free(props);
    return *out != NULL;
}

/* What the broker can do and what this client has to know. */
static void on_connect_capabilities(const struct conn *conn, const struct connect_view *view,
                                    uint32_t expiry_s, struct connack_view *connack)
{
    const struct net_settings *settings = conn_settings(conn);
    connack->receive_max = settings->receive_max;
    connack->qos_max = settings->qos_max;
    connack->retain_available = settings->retain_available;
    connack->wildcard_available = settings->wildcard_available;
    connack->sub_id_available = settings->sub_id_available;
    connack->shared_available = settings->shared_available;
    connack->packet_size_max = settings->packet_size_max;
    connack->topic_alias_max = settings->alias_in_max;
    connack->has_session_expiry = expiry_s != view->session_expiry_s;
    connack->session_expiry_s = expiry_s;
    connack->has_server_keep_alive = settings->has_server_keep_alive;
    connack->server_keep_alive_s = settings->server_keep_alive_s;
    if (view->request_response_info && settings->response_info.len > 0)
        connack->response_info = settings->response_info;
}

static uint32_t on_connect_expiry_s(const struct conn *conn, const struct connect_view *view)
{
    const struct net_settings *settings = conn_settings(conn);
    if (view->version < MQTT_50)
        return view->clean_start ? 0 : settings->session_expiry_v3_s;
    return view->session_expiry_s < settings->session_expiry_max_s ? view->session_expiry_s
                                                                   : settings->session_expiry_max_s;
}

/* The reason for which a session was not attached. */
static enum reason on_connect_why(enum rc rc, enum mqtt_version version)
{
    if (rc == RC_DENIED)
        return REASON_NOT_AUTHORIZED;
    return (rc == RC_IO || rc == RC_FULL) && version == MQTT_50 ? REASON_QUOTA_EXCEEDED
                                                                : REASON_SERVER_BUSY;
}

/* The list may be another one than when CONNECT came, and the name another one, too. */
static bool on_connect_banned_meanwhile(struct conn *conn, const struct connect_view *view,
                                        struct bytes client_id, const struct authn_outcome *outcome)
{
    if (LIKELY(conn->net->bans == NULL) ||
        !ban_holds(conn, client_id,
                   outcome->identity == NULL ? view->username : outcome->identity->is.username))
        return false;
    net_count(conn->net, STAT_CONNECT_BANNED, 1);
    return true;
}

/*
 * Shards read when they get to it, each for itself. A connection that is reset by now may be older
 * than the one that has the session, which it must not end.
 */
static bool on_connect_is_late(const struct conn *conn, struct bytes client_id)
{
    const struct session *session = session_find(conn->net->router, client_id);
    return session != NULL && session->conn != NULL && conn_is_reset(conn);
}

bool on_connect_admit(struct conn *conn, const struct connect_view *view, struct bytes client_id,
                      struct authn_outcome *outcome)
{
    struct net *net = conn->net;
    uint32_t expiry_s = on_connect_expiry_s(conn, view);
    struct attach_request request = {.client_id = client_id,
                                     .conn = conn,
                                     .version = (uint8_t)view->version,
                                     .clean_start = view->clean_start,
                                     .is_bridge = view->bridge,
                                     .zone = conn_settings(conn)->zone,
                                     .expiry_s = expiry_s,
                                     .receive_max = view->receive_max,
                                     .identity = outcome->identity};
    struct attach_result result;
    if (on_connect_banned_meanwhile(conn, view, client_id, outcome)) {
        identity_destroy(outcome->identity);
        return on_connect_refuse(conn, view->version, REASON_BANNED);
    }
    if (on_connect_is_late(conn, client_id)) {
        identity_destroy(outcome->identity);
        conn_abort(conn, CAUSE_NETWORK_ERROR);
        return false;
    }
    struct bytes username = view->username;
    (void)conn_identity_user_name(conn, &username);
    enum reason reason = mount_open(conn, client_id, username);
    if (reason != REASON_SUCCESS) {
        identity_destroy(outcome->identity);
        return on_connect_refuse(conn, view->version, reason);
    }
    request.is_mounted = conn->mounted;
    if (!on_connect_will(conn, view, client_id, &request.will)) {
        identity_destroy(outcome->identity);
        return on_connect_refuse(conn, view->version, REASON_SERVER_BUSY);
    }
    enum rc rc = session_attach(net->router, &request, &result);
    if (rc != RC_OK) {
        will_free(request.will, net->shard->id);
        identity_destroy(outcome->identity);
        return on_connect_refuse(conn, view->version, on_connect_why(rc, view->version));
    }
    struct session *session = result.session;
    /* Towards v5 the limit is the Receive Maximum that we announce. */
    conn->session = session;
    conn->state = CONN_OPEN;
    struct connack_view connack = CONNACK_VIEW_DEFAULT;
    connack.session_present = result.session_present && view->version > MQTT_31;
    if (view->version == MQTT_50) {
        on_connect_capabilities(conn, view, expiry_s, &connack);
        if (view->client_id.len == 0)
            connack.assigned_client_id = client_id; /* [MQTT-3.2.2-16] */
        awaiting_rel_set_max(&session->awaiting, conn_settings(conn)->receive_max);
        connack.auth_method = auth_method(conn); /* 3.2.2.3.17 */
        if (outcome->answer.len > 0)
            connack.auth_data = outcome->answer;
    }
    if (!on_connect_answer(conn, view->version, &connack)) {
        conn_abort(conn, CAUSE_LIMIT); /* no CONNACK fits the client's maximum packet size */
        return false;
    }
    net_count(net, STAT_CONNECTED, 1);
    uint16_t keep_alive_s = view->keep_alive_s;
    if (view->version == MQTT_50 && conn_settings(conn)->has_server_keep_alive)
        keep_alive_s = conn_settings(conn)->server_keep_alive_s;
    conn_established(conn, keep_alive_s);
    session_start(net->router, session);
    return true;
}

static bool on_connect_overloaded(struct conn *conn, const struct connect_view *view)
{
    bool elsewhere = conn_settings(conn)->server_reference.len > 0;
    net_count(conn->net, STAT_CONNECT_OVERLOAD, 1);
    return on_connect_refuse(conn, view->version,
                             elsewhere ? REASON_USE_ANOTHER_SERVER : REASON_SERVER_BUSY);
}

/* By what CONNECT and the client's certificate say, before anybody else hears of it. */
static bool on_connect_banned(struct conn *conn, const struct connect_view *view,
                              struct bytes client_id)
{
    if (LIKELY(conn->net->bans == NULL))
        return false;
    struct bytes user_name = view->username;
    if (conn->cold != NULL)
        (void)conn_identity_user_name(conn, &user_name);
    if (!ban_holds(conn, client_id, user_name))
        return false;
    net_count(conn->net, STAT_CONNECT_BANNED, 1);
    return true;
}

bool on_connect(struct conn *conn, const struct frame *frame, struct bytes packet,
                struct bytes rest)
{
    struct net *net = conn->net;
    struct connect_view view;
    enum reason reason = decode_connect(frame, &view);
    if (view.version == MQTT_50)
        conn->packet_size_max = view.packet_size_max;
    if (reason == REASON_SUCCESS)
        reason = on_connect_check(conn, &view);
    if (reason != REASON_SUCCESS)
        return on_connect_refuse(conn, view.version, reason);
    if (UNLIKELY(__atomic_load_n(&net->shared->overload, __ATOMIC_RELAXED) >= NET_REFUSE))
        return on_connect_overloaded(conn, &view);
    if (net->draining)
        return on_connect_refuse(conn, view.version,
                                 view.version == MQTT_50 ? REASON_SERVER_BUSY
                                                         : REASON_SERVER_UNAVAILABLE);
    char assigned[ASSIGNED_ID_LEN + 1];
    struct bytes client_id = view.client_id;
    if (UNLIKELY(conn->cold != NULL) && conn_identity_client_id(conn, &client_id) &&
        (client_id.len == 0 || client_id.len > conn_settings(conn)->client_id_len_max))
        return on_connect_refuse(conn, view.version, REASON_CLIENT_ID_NOT_VALID);
    if (on_connect_banned(conn, &view, client_id))
        return on_connect_refuse(conn, view.version, REASON_BANNED);
    if (client_id.len == 0)
        client_id = on_connect_assign(net, assigned);
    shard_id home = session_home(net->router, client_id);
    if (home != net->shard->id) {
        handover_send(conn, home, packet, rest);
        return false;
    }
    conn->version = (uint8_t)view.version;
    conn->problem_info = view.request_problem_info;
    conn->alias_out_max = view.topic_alias_max < conn_settings(conn)->alias_out_max
                              ? view.topic_alias_max
                              : conn_settings(conn)->alias_out_max;
    return auth_connect(conn, &view, client_id, packet);
}
