/*
 * on_publish.c -- PUBLISH from a client (MQTT 5.0 section 3.3).
 *
 * Order of checks: form (decode), capabilities announced in CONNACK, alias, topic name, payload
 * format. A fault of the connection closes it; a message that is merely not accepted is answered in
 * PUBACK or PUBREC. A publication by alias or by a topic seen before costs no topic check: what the
 * match cache holds was valid when it came in.
 *
 * Threads: the owner shard.
 */
#include <string.h>

#include "alias.h"
#include "input.h"
#include "mount.h"
#include "on_packet.h"
#include "props.h"
#include "publish.h"
#include "topic.h"
#include "utf8.h"
#include "zone.h"

/* A property block to be filtered is copied here, or to the heap if it is larger. */
#define ON_PUBLISH_PROPS_INLINE 1024

static bool on_publish_refuse(struct conn *conn, const struct publish_view *view,
                              enum reason reason)
{
    net_count(conn->net, STAT_PUBLISH_REFUSED, 1);
    if (view->qos == 0 || conn->version != MQTT_50)
        return on_fault(conn, reason);
    return on_answer(conn, view->qos == 1 ? PACKET_PUBACK : PACKET_PUBREC, view->packet_id, reason);
}

static bool on_publish_knows(const struct conn *conn, struct bytes topic)
{
    const struct topic_known *known = &conn->net->known;
    return topic.len == known->len && known->settings == conn_settings(conn) &&
           memcmp(topic.ptr, known->bytes, topic.len) == 0;
}

static void on_publish_learn(const struct conn *conn, struct bytes topic, uint64_t hash)
{
    struct topic_known *known = &conn->net->known;
    if (topic.len > TOPIC_KNOWN_LEN_MAX)
        return;
    known->settings = conn_settings(conn);
    known->hash = hash;
    known->number++;
    known->len = topic.len;
    memcpy(known->bytes, topic.ptr, topic.len);
}

/* The topic of the publication, by name or by alias; a failure is the connection's. */
static enum reason on_publish_topic(struct conn *conn, const struct publish_view *view,
                                    struct pub *pub)
{
    struct net *net = conn->net;
    const struct filter_index *filters = net->router->shared->filters;
    if (view->alias > conn_settings(conn)->alias_in_max)
        return REASON_TOPIC_ALIAS_INVALID;
    if (view->topic.len == 0)
        return alias_in_get(conn, view->alias, &pub->topic, &pub->topic_hash)
                   ? REASON_SUCCESS
                   : REASON_PROTOCOL_ERROR;
    bool is_plain = view->alias == 0 && !conn->mounted;
    if (is_plain && on_publish_knows(conn, view->topic)) {
        pub->topic = view->topic;
        pub->topic_hash = net->known.hash;
        pub->topic_number = net->known.number;
        return REASON_SUCCESS;
    }
    if (topic_name_check(view->topic, conn_settings(conn)->topic_levels_max) != TOPIC_OK)
        return REASON_TOPIC_NAME_INVALID;
    pub->topic = mount_add(conn, view->topic);
    if (pub->topic.ptr == NULL)
        return REASON_TOPIC_NAME_INVALID;
    pub->topic_hash = filter_index_hash(filters, pub->topic);
    if (is_plain)
        on_publish_learn(conn, pub->topic, pub->topic_hash);
    if (view->alias == 0)
        return REASON_SUCCESS;
    switch (alias_in_set(conn, view->alias, pub->topic, pub->topic_hash)) {
    case RC_OK:
        return REASON_SUCCESS;
    case RC_FULL:
        return REASON_QUOTA_EXCEEDED;
    default:
        return REASON_UNSPECIFIED_ERROR;
    }
}

static enum reason on_publish_allowed(const struct conn *conn, const struct publish_view *view)
{
    const struct net_settings *settings = conn_settings(conn);
    if (view->qos > settings->qos_max)
        return REASON_QOS_NOT_SUPPORTED; /* [MQTT-3.2.2-11] */
    if (view->retain && !settings->retain_available)
        return REASON_RETAIN_NOT_SUPPORTED; /* [MQTT-3.2.2-14] */
    return REASON_SUCCESS;
}

static uint64_t on_publish_expiry(const struct conn *conn, const struct publish_view *view)
{
    uint32_t cap_s = conn_settings(conn)->message_expiry_max_s;
    if (!view->has_expiry && cap_s == UINT32_MAX)
        return 0;
    uint32_t expiry_s = view->has_expiry && view->expiry_s < cap_s ? view->expiry_s : cap_s;
    return conn->net->shard->now_ms + expiry_s * UINT64_C(1000);
}

/*
 * Rules deny it. Nothing tells a 3.x client: it gets its acknowledgement and the message is dropped
 * (MQTT 3.1.1 section 3.3.5), unless the configuration says that it is to be disconnected.
 */
static bool on_publish_denied(struct conn *conn, const struct publish_view *view)
{
    net_count(conn->net, STAT_PUBLISH_REFUSED, 1);
    if (router_settings_of(conn->net->router, conn->session)->deny_disconnects)
        return on_fault(conn, REASON_NOT_AUTHORIZED);
    if (view->qos == 0)
        return true;
    enum reason reason = conn->version == MQTT_50 ? REASON_NOT_AUTHORIZED : REASON_SUCCESS;
    return on_answer(conn, view->qos == 1 ? PACKET_PUBACK : PACKET_PUBREC, view->packet_id, reason);
}

static bool on_publish_done(struct conn *conn, const struct publish_view *view, enum reason reason)
{
    struct net *net = conn->net;
    bool go_on = true;
    if (UNLIKELY(reason == REASON_NOT_AUTHORIZED))
        return on_publish_denied(conn, view);
    if (UNLIKELY(reason == REASON_RECEIVE_MAX_EXCEEDED)) {
        if (conn->version == MQTT_50)
            return on_fault(conn, reason);
        net_count(net, STAT_DROP_AWAITING_REL, 1);
        return true;
    }
    /* 3.x has no word for "not accepted": an acknowledgement would claim what is not true. */
    if (UNLIKELY(reason_is_failure(reason)) && conn->version != MQTT_50 && view->qos > 0) {
        net_count(net, STAT_PUBLISH_REFUSED, 1);
        return on_fault(conn, reason);
    }
    if (view->qos == 1)
        go_on = on_answer(conn, PACKET_PUBACK, view->packet_id, reason);
    else if (view->qos == 2)
        go_on = on_answer(conn, PACKET_PUBREC, view->packet_id, reason);
    if (UNLIKELY(net->router->pressed) && go_on) {
        net->router->pressed = false;
        input_pause(conn);
        return false;
    }
    return go_on;
}

bool on_publish(struct conn *conn, const struct frame *frame)
{
    struct net *net = conn->net;
    struct publish_view view;
    enum reason reason = decode_publish((enum mqtt_version)conn->version, frame, &view);
    if (UNLIKELY(reason != REASON_SUCCESS))
        return on_fault(conn, reason);
    struct pub pub = {.payload = view.payload,
                      .qos = view.qos,
                      .retain = view.retain,
                      .received_ns = net->shard->now_ns};
    reason = on_publish_allowed(conn, &view);
    if (LIKELY(reason == REASON_SUCCESS))
        reason = on_publish_topic(conn, &view, &pub);
    if (UNLIKELY(reason != REASON_SUCCESS))
        return on_fault(conn, reason);
    /* Only here: a topic alias that it defines has to be remembered. */
    if (UNLIKELY(net->overload >= NET_SHED) && view.qos == 0 && net_sheds(net)) {
        net_count(net, STAT_DROP_OVERLOAD, 1);
        return true;
    }
    if (view.payload_is_text && conn_settings(conn)->payload_format_check &&
        !utf8_check_data(view.payload.ptr, view.payload.len))
        return on_publish_refuse(conn, &view, REASON_PAYLOAD_FORMAT_INVALID);
    pub.expires_at_ms = on_publish_expiry(conn, &view);
    pub.props = view.props;
    uint8_t few[ON_PUBLISH_PROPS_INLINE];
    uint8_t *props = few;
    if (!view.props_plain && view.props.len > 0) {
        if (view.props.len > sizeof(few)) {
            props = mem_alloc(view.props.len);
            if (props == NULL)
                return on_publish_refuse(conn, &view, REASON_QUOTA_EXCEEDED);
        }
        pub.props.len = props_copy_forwardable(view.props, props);
        pub.props.ptr = props;
    }
    reason = publish_inbound(net->router, conn->session, &pub, view.packet_id);
    if (props != few)
        mem_free(props);
    return on_publish_done(conn, &view, reason);
}
