/*
 * sink_net.c -- the table that route calls (route/sink.h): PUBLISH, PUBREL and close on a
 * connection.
 *
 * Fan-out: the first subscriber of a class (version, QoS, RETAIN) has the packet encoded into its
 * output; the next of the same class copy those bytes from there and patch the packet identifier.
 * The bytes stay where they are for the rest of the fan-out, because chunks are only released by
 * completions, which no fan-out lets run. Connections with outgoing aliases and deliveries with
 * subscription identifiers are encoded each for itself.
 *
 * Threads: the owner shard.
 */
#include "alias.h"
#include "encode.h"
#include "gate.h"
#include "mount.h"
#include "net.h"
#include "on_packet.h"

static void sink_count(struct conn *conn, const struct delivery *delivery, uint64_t bytes)
{
    struct stats *stats = conn->net->stats;
    const unsigned qos = delivery->qos;
    stat_add(stats, STAT_DELIVERED_QOS0 + qos, 1);
    stat_add(stats, STAT_PUBLISH_BYTES_OUT_QOS0 + qos, bytes);
    conn_mark_dirty(conn);
}

static struct fan_out_cache *sink_class(struct conn *conn, const struct delivery *delivery)
{
    unsigned version = conn->version == MQTT_50 ? 1 : 0;
    unsigned class = (version * 3 + delivery->qos) * 2 + (delivery->retain ? 1 : 0);
    CHECK(class < FAN_OUT_CLASSES);
    return &conn->net->fan_out[class];
}

static bool sink_can_share(const struct conn *conn, const struct delivery *delivery)
{
    return delivery->sub_ids_count == 0 && !delivery->dup && conn->alias_out_max == 0 &&
           !conn->mounted && delivery->pub->payload.len <= OUTPUT_COPY_MAX;
}

/*
 * Nothing would tell route when there is memory again, and its session would wait for that. So the
 * connection ends, and the session goes on with the next one.
 */
static enum rc sink_no_memory(struct conn *conn)
{
    conn_break(conn, CAUSE_NO_MEMORY);
    return RC_FULL;
}

static enum rc sink_publish_copy(struct conn *conn, const struct delivery *delivery,
                                 const struct fan_out_cache *cache)
{
    if (cache->len > conn->packet_size_max)
        return RC_TOO_LARGE;
    uint8_t *at = output_reserve(&conn->output, &conn->net->pool, cache->len);
    if (at == NULL)
        return sink_no_memory(conn);
    memcpy(at, cache->bytes, cache->len);
    if (cache->packet_id_offset != 0) {
        at[cache->packet_id_offset] = (uint8_t)(delivery->packet_id >> 8);
        at[cache->packet_id_offset + 1] = (uint8_t)delivery->packet_id;
    }
    sink_count(conn, delivery, cache->len);
    return RC_OK;
}

/* What is left of the Message Expiry Interval [MQTT-3.3.2-6], rounded up so that 0 means gone. */
static uint32_t sink_expiry_s(const struct conn *conn, const struct pub *pub)
{
    /* Another shard may have received it in a turn that began later than this one. */
    uint64_t now_ms = conn->net->shard->now_ms;
    if (now_ms < pub->received_ns / 1000000)
        now_ms = pub->received_ns / 1000000;
    uint64_t left_ms = pub->expires_at_ms > now_ms ? pub->expires_at_ms - now_ms : 0;
    return (uint32_t)((left_ms + 999) / 1000);
}

static void sink_publish_head(struct conn *conn, const struct delivery *delivery,
                              struct publish_out *out, bool *out_alias_known)
{
    const struct pub *pub = delivery->pub;
    *out = (struct publish_out){.topic = mount_strip(conn, pub->topic),
                                .props = pub->props,
                                .sub_ids = delivery->sub_ids,
                                .sub_ids_num = delivery->sub_ids_count,
                                .payload_len = pub->payload.len,
                                .packet_id = delivery->packet_id,
                                .qos = delivery->qos,
                                .dup = delivery->dup,
                                .retain = delivery->retain};
    *out_alias_known = true;
    if (pub->expires_at_ms != 0) {
        out->has_expiry = true;
        out->expiry_s = sink_expiry_s(conn, pub);
    }
    if (conn->alias_out_max == 0)
        return;
    out->alias = alias_out_find(conn, pub->topic, pub->topic_hash, out_alias_known);
    if (out->alias == 0)
        *out_alias_known = true;
    else if (*out_alias_known)
        out->topic.len = 0;
}

/* A payload that is not copied with the head: by reference if there is a message to refer to. */
static bool sink_payload(struct conn *conn, const struct pub *pub)
{
    struct output_pool *pool = &conn->net->pool;
    return pub->msg != NULL ? output_refer(&conn->output, pool, pub->msg)
                            : output_copy(&conn->output, pool, pub->payload);
}

/* A packet in a form that copies can share: the next of the same fan-out take it from there. */
static void sink_share(struct fan_out_cache *cache, const struct delivery *delivery, uint8_t *at,
                       uint32_t len)
{
    *cache = (struct fan_out_cache){
        .id = delivery->fan_out_id,
        .bytes = at,
        .len = len,
        .packet_id_offset = delivery->qos > 0 ? encode_publish_packet_id_offset(at) : 0};
}

/* Anything but a plain packet. Not in line: the plain one would share its registers. */
static __attribute__((noinline)) enum rc
sink_publish_full(struct conn *conn, const struct delivery *delivery, struct fan_out_cache *cache)
{
    struct net *net = conn->net;
    const struct pub *pub = delivery->pub;
    struct publish_out out;
    bool alias_known;
    sink_publish_head(conn, delivery, &out, &alias_known);
    enum mqtt_version version = (enum mqtt_version)conn->version;
    uint32_t head = encode_publish_head_size(version, &out);
    if (head == 0 || head + out.payload_len > conn->packet_size_max)
        return RC_TOO_LARGE;
    bool is_small = pub->payload.len <= OUTPUT_COPY_MAX;
    uint32_t len = head + (is_small ? out.payload_len : 0);
    uint64_t before = conn->output.bytes;
    uint8_t *at = output_reserve(&conn->output, &net->pool, len);
    if (at == NULL)
        return sink_no_memory(conn);
    encode_publish_head(version, &out, at);
    if (is_small && out.payload_len > 0)
        memcpy(at + head, pub->payload.ptr, out.payload_len);
    if (!is_small && !sink_payload(conn, pub)) {
        net_count(net, STAT_OUTPUT_BYTES, conn->output.bytes - before); /* it will not leave */
        return sink_no_memory(conn);
    }
    if (cache != NULL)
        sink_share(cache, delivery, at, len);
    if (!alias_known)
        alias_out_commit(conn, out.alias, pub->topic, pub->topic_hash);
    sink_count(conn, delivery, head + out.payload_len);
    return RC_OK;
}

/* Nothing about it needs more than the topic and the payload. */
static bool sink_is_plain(const struct conn *conn, const struct delivery *delivery)
{
    const struct pub *pub = delivery->pub;
    STATIC_CHECK(OUTPUT_COPY_MAX <= ENCODE_PLAIN_PAYLOAD_MAX, "what is copied is a plain payload");
    return LIKELY(conn->alias_out_max == 0) && LIKELY(!conn->mounted) &&
           LIKELY(pub->props.len == 0) && LIKELY(delivery->sub_ids_count == 0) &&
           LIKELY(pub->expires_at_ms == 0) && LIKELY(pub->payload.len <= OUTPUT_COPY_MAX);
}

static enum rc sink_publish(struct conn *conn, const struct delivery *delivery)
{
    struct net *net = conn->net;
    const struct pub *pub = delivery->pub;
    if (UNLIKELY(conn->output.bytes >= net->output_limit) || UNLIKELY(conn->broken)) {
        conn->starving = true;
        return RC_FULL;
    }
    struct fan_out_cache *cache = NULL;
    if (delivery->fan_out_id != 0 && sink_can_share(conn, delivery)) {
        cache = sink_class(conn, delivery);
        if (cache->id == delivery->fan_out_id)
            return sink_publish_copy(conn, delivery, cache);
    }
    if (UNLIKELY(!sink_is_plain(conn, delivery)))
        return sink_publish_full(conn, delivery, cache);
    bool v5 = conn->version == MQTT_50;
    uint32_t len = encode_publish_plain_size(v5, pub->topic, pub->payload, delivery->qos);
    if (UNLIKELY(len > conn->packet_size_max))
        return RC_TOO_LARGE;
    uint8_t *at = output_reserve(&conn->output, &net->pool, len);
    if (UNLIKELY(at == NULL))
        return sink_no_memory(conn);
    uint8_t head = (uint8_t)((PACKET_PUBLISH << 4) | (delivery->dup << 3) | (delivery->qos << 1) |
                             delivery->retain);
    encode_publish_plain(v5, head, pub->topic, pub->payload, delivery->packet_id, at);
    if (cache != NULL)
        sink_share(cache, delivery, at, len);
    sink_count(conn, delivery, len);
    return RC_OK;
}

static void sink_release(struct conn *conn, uint16_t packet_id, enum reason reason)
{
    on_answer_or_break(conn, PACKET_PUBREL, packet_id, reason);
}

static bool sink_has_room(struct conn *conn)
{
    if (conn->output.bytes < conn->net->output_limit / 2 && !conn->broken)
        return true;
    conn->starving = true;
    return false;
}

static void sink_address(const struct conn *conn, struct client_identity *out)
{
    const struct listener *listener = &conn->net->shared->listeners[conn->listener];
    STATIC_CHECK(sizeof(out->address) == sizeof(conn->peer), "both are an IPv6 address");
    memcpy(out->address, &conn->peer, sizeof(out->address));
    out->port = conn->peer_port;
    out->listener = bytes_of_text(listener->name);
    out->zone = listener_policy(conn->net, conn->listener)->zone;
    out->mount = mount_point(conn);
}

static void sink_close(struct conn *conn, enum reason reason)
{
    conn_close_detached(
        conn, reason == REASON_SESSION_TAKEN_OVER ? CAUSE_TAKEN_OVER : CAUSE_SHUTDOWN, reason);
}

static void sink_committed(struct shard *shard, uint64_t lsn)
{
    gate_committed(net_of(shard), lsn);
}

static void sink_confirmed(struct shard *shard, const struct hold_ticket *ticket, uint32_t count,
                           bool ok)
{
    gate_confirmed(net_of(shard), ticket, count, ok);
}

static void sink_log_failed(struct shard *shard)
{
    gate_log_failed(net_of(shard));
}

const struct sink *net_sink(void)
{
    static const struct sink sink = {.publish = sink_publish,
                                     .release = sink_release,
                                     .has_room = sink_has_room,
                                     .address = sink_address,
                                     .close = sink_close,
                                     .hold = gate_hold,
                                     .hold_ticket = gate_ticket,
                                     .committed = sink_committed,
                                     .confirmed = sink_confirmed,
                                     .log_failed = sink_log_failed};
    return &sink;
}
