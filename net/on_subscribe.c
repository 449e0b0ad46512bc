/*
 * on_subscribe.c -- SUBSCRIBE and UNSUBSCRIBE (MQTT 5.0 sections 3.8 to 3.11).
 *
 * Each filter is handled as if it had come alone and has one code in the answer, in order
 * [MQTT-3.8.4-5, MQTT-3.9.3-1]. Retained messages follow after SUBACK, because the feeds that carry
 * them run at the end of the turn.
 *
 * Threads: the owner shard.
 */
#include "mount.h"
#include "on_packet.h"
#include "subscribe.h"
#include "zone.h"

/* Codes of a usual SUBSCRIBE; more go to the heap. */
#define ON_SUBSCRIBE_CODES 256

static enum reason on_subscribe_form(const struct net_settings *settings,
                                     const struct subscribe_item *item, uint32_t sub_id,
                                     struct topic_filter_parts *out_parts)
{
    if (topic_filter_split(item->filter, out_parts) != TOPIC_OK ||
        topic_filter_check(out_parts->filter, settings->topic_levels_max) != TOPIC_OK)
        return REASON_TOPIC_FILTER_INVALID;
    if (out_parts->is_shared && !settings->shared_available)
        return REASON_SHARED_SUBSCRIPTIONS_NOT_SUPPORTED;
    if (!settings->wildcard_available && topic_filter_has_wildcard(out_parts->filter))
        return REASON_WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED;
    if (sub_id != 0 && !settings->sub_id_available)
        return REASON_SUBSCRIPTION_IDS_NOT_SUPPORTED;
    return REASON_SUCCESS;
}

static enum reason on_subscribe_one(struct conn *conn, const struct subscribe_item *item,
                                    uint32_t sub_id)
{
    const struct net_settings *settings = conn_settings(conn);
    struct subscribe_request request = {
        .sub_id = sub_id,
        .qos = item->qos < settings->qos_max ? item->qos : settings->qos_max,
        .no_local = item->no_local,
        .retain_as_published = item->retain_as_published,
        .retain_handling = item->retain_handling,
    };
    enum reason reason = on_subscribe_form(settings, item, sub_id, &request.parts);
    if (reason != REASON_SUCCESS)
        return reason;
    request.parts.filter = mount_add(conn, request.parts.filter);
    if (request.parts.filter.ptr == NULL)
        return REASON_TOPIC_FILTER_INVALID;
    return subscribe_add(conn->net->router, conn->session, &request);
}

/* SUBACK or UNSUBACK. A client whose limit is below it cannot be answered. */
static bool on_subscribe_answer(struct conn *conn, enum packet_type type, uint16_t packet_id,
                                struct bytes codes)
{
    struct suback_view view = {.packet_id = packet_id, .codes = codes};
    enum mqtt_version version = (enum mqtt_version)conn->version;
    uint32_t size = encode_suback_size(version, type, &view, conn->packet_size_max);
    if (size == 0)
        return on_fault(conn, REASON_PACKET_TOO_LARGE);
    uint8_t *at = on_reserve(conn, type, size);
    if (at == NULL)
        return false;
    encode_suback(version, type, &view, conn->packet_size_max, at);
    return true;
}

bool on_subscribe(struct conn *conn, const struct frame *frame)
{
    struct subscribe_view view;
    enum reason reason = decode_subscribe((enum mqtt_version)conn->version, frame, &view);
    if (reason != REASON_SUCCESS)
        return on_fault(conn, reason);
    uint8_t few[ON_SUBSCRIBE_CODES];
    uint8_t *codes = few;
    if (view.filters_num > sizeof(few) && (codes = mem_alloc(view.filters_num)) == NULL)
        return on_fault(conn, REASON_QUOTA_EXCEEDED);
    struct subscribe_item item;
    uint32_t count = 0;
    bool is_denied = false;
    while (subscribe_next(&view, &item)) {
        CHECK(count < view.filters_num);
        codes[count] = (uint8_t)on_subscribe_one(conn, &item, view.sub_id);
        is_denied |= codes[count++] == REASON_NOT_AUTHORIZED;
    }
    bool go_on = on_subscribe_answer(conn, PACKET_SUBACK, view.packet_id, bytes_of(codes, count));
    if (go_on && is_denied &&
        router_settings_of(conn->net->router, conn->session)->deny_disconnects)
        go_on = on_fault(conn, REASON_NOT_AUTHORIZED);
    if (codes != few)
        mem_free(codes);
    return go_on;
}

bool on_unsubscribe(struct conn *conn, const struct frame *frame)
{
    struct unsubscribe_view view;
    enum reason reason = decode_unsubscribe((enum mqtt_version)conn->version, frame, &view);
    if (reason != REASON_SUCCESS)
        return on_fault(conn, reason);
    uint8_t few[ON_SUBSCRIBE_CODES];
    uint8_t *codes = few;
    if (view.filters_num > sizeof(few) && (codes = mem_alloc(view.filters_num)) == NULL)
        return on_fault(conn, REASON_QUOTA_EXCEEDED);
    struct bytes filter;
    uint32_t count = 0;
    bool refused = false;
    while (unsubscribe_next(&view, &filter)) {
        CHECK(count < view.filters_num);
        struct topic_filter_parts parts;
        reason = REASON_TOPIC_FILTER_INVALID;
        if (topic_filter_split(filter, &parts) == TOPIC_OK &&
            topic_filter_check(parts.filter, TOPIC_LEVELS_MAX) == TOPIC_OK &&
            (parts.filter = mount_add(conn, parts.filter)).ptr != NULL)
            reason = subscribe_remove(conn->net->router, conn->session, &parts);
        codes[count++] = (uint8_t)reason;
        refused |= reason == REASON_IMPLEMENTATION_SPECIFIC_ERROR;
    }
    /* UNSUBACK of 3.x has no codes and would claim that all of it was done. */
    bool go_on = refused && conn->version != MQTT_50
                     ? on_fault(conn, REASON_IMPLEMENTATION_SPECIFIC_ERROR)
                     : on_subscribe_answer(conn, PACKET_UNSUBACK, view.packet_id,
                                           bytes_of(codes, count));
    if (codes != few)
        mem_free(codes);
    return go_on;
}
