/*
 * dispatch.c -- from a packet's type to its handler, and what handlers share.
 *
 * Threads: the owner shard.
 */
#include "input.h"
#include "on_packet.h"

STATIC_CHECK(ENCODE_ACK_SHORT_SIZE == NET_STATS_ACK_SIZE, "the gauge of outputs counts by it");

typedef bool (*on_packet_fn)(struct conn *conn, const struct frame *frame);

/* Packets that only a server sends have no handler: receiving one is a protocol error. */
static const on_packet_fn on_packet_table[PACKET_TYPE_COUNT] = {
    [PACKET_PUBLISH] = on_publish,         [PACKET_PUBACK] = on_puback,
    [PACKET_PUBREC] = on_pubrec,           [PACKET_PUBREL] = on_pubrel,
    [PACKET_PUBCOMP] = on_pubcomp,         [PACKET_SUBSCRIBE] = on_subscribe,
    [PACKET_UNSUBSCRIBE] = on_unsubscribe, [PACKET_PINGREQ] = on_pingreq,
    [PACKET_DISCONNECT] = on_disconnect,   [PACKET_AUTH] = on_auth,
};

static bool input_before_session(struct conn *conn, const struct frame *frame, struct bytes input)
{
    enum packet_type type = frame_type(frame);
    if (conn->state == CONN_NEW && type == PACKET_CONNECT)
        return on_connect(conn, frame, bytes_of(input.ptr, frame->len),
                          bytes_of(input.ptr + frame->len, input.len - frame->len));
    if (conn->state == CONN_AUTH && type == PACKET_AUTH)
        return on_auth(conn, frame);
    /* [MQTT-3.1.0-1]; in CONN_AUTH only AUTH and DISCONNECT may come [MQTT-3.1.2-30] */
    bool leaves = conn->state == CONN_AUTH && type == PACKET_DISCONNECT;
    conn_abort(conn, leaves ? CAUSE_CLIENT_DISCONNECT : CAUSE_PROTOCOL_ERROR);
    return false;
}

bool input_packet(struct conn *conn, const struct frame *frame, struct bytes input)
{
    enum packet_type type = frame_type(frame);
    CHECK(type > PACKET_NONE && type < PACKET_TYPE_COUNT);
    conn->last_in_ms = conn->net->shard->now_ms; /* whole packets only [MQTT-3.1.2-22] */
    if (UNLIKELY(conn->state <= CONN_AUTH))
        return input_before_session(conn, frame, input);
    CHECK(conn->state == CONN_OPEN && conn->session != NULL);
    if (UNLIKELY(on_packet_table[type] == NULL))
        return on_fault(conn, REASON_PROTOCOL_ERROR); /* also a second CONNECT [MQTT-3.1.0-2] */
    return on_packet_table[type](conn, frame);
}

bool on_fault(struct conn *conn, enum reason reason)
{
    CHECK(reason_is_failure(reason));
    enum conn_cause cause = CAUSE_PROTOCOL_ERROR;
    if (reason == REASON_MALFORMED_PACKET)
        cause = CAUSE_MALFORMED;
    else if (reason == REASON_QUOTA_EXCEEDED || reason == REASON_PACKET_TOO_LARGE ||
             reason == REASON_RECEIVE_MAX_EXCEEDED)
        cause = CAUSE_LIMIT;
    else if (reason == REASON_NOT_AUTHORIZED)
        cause = CAUSE_NOT_AUTHORIZED;
    conn_close(conn, cause, reason);
    return false;
}

/*
 * Room for an answer; NULL and why the connection cannot go on. The caller counts its bytes, as far
 * as net_stats_output_bytes does not know them.
 */
static uint8_t *on_room(struct conn *conn, enum packet_type type, uint32_t len,
                        enum conn_cause *out_cause)
{
    struct net *net = conn->net;
    /*
     * A client that asks and never reads: answers cannot be dropped, so the connection is. The last
     * PUBLISH that found room may be as large as any packet; what is above that is answers.
     */
    uint64_t most = 2 * net->settings->output_bytes_max + conn_settings(conn)->packet_size_max;
    *out_cause = CAUSE_SEND_TIMEOUT;
    if (UNLIKELY(conn->output.bytes > most))
        return NULL;
    *out_cause = CAUSE_NO_MEMORY;
    uint8_t *at = output_reserve(&conn->output, &net->pool, len);
    if (UNLIKELY(at == NULL))
        return NULL;
    net_count(net, STAT_PACKETS_OUT + type, 1);
    conn_mark_dirty(conn);
    return at;
}

uint8_t *on_reserve(struct conn *conn, enum packet_type type, uint32_t len)
{
    enum conn_cause cause;
    uint8_t *at = on_room(conn, type, len, &cause);
    if (UNLIKELY(at == NULL))
        conn_abort(conn, cause);
    else
        net_count(conn->net, STAT_OUTPUT_BYTES, len);
    return at;
}

static bool on_answer_write(struct conn *conn, enum packet_type type, uint16_t packet_id,
                            enum reason reason, enum conn_cause *out_cause)
{
    uint8_t *at;
    if (LIKELY(reason == REASON_SUCCESS || conn->version != MQTT_50)) {
        at = on_room(conn, type, ENCODE_ACK_SHORT_SIZE, out_cause);
        if (at != NULL)
            encode_ack_short(type, packet_id, at);
        return at != NULL;
    }
    struct ack_view ack = {.packet_id = packet_id, .reason = reason};
    if (conn->problem_info && reason_is_failure(reason))
        ack.reason_string = bytes_of_text(reason_text(reason));
    uint32_t size = encode_ack_size(MQTT_50, type, &ack, conn->packet_size_max);
    if (size == 0)
        return true; /* smaller than any packet that could carry the reason: nothing to send */
    at = on_room(conn, type, size, out_cause);
    if (at == NULL)
        return false;
    encode_ack(MQTT_50, type, &ack, conn->packet_size_max, at);
    net_count(conn->net, STAT_OUTPUT_BYTES, size - ENCODE_ACK_SHORT_SIZE);
    return true;
}

bool on_answer(struct conn *conn, enum packet_type type, uint16_t packet_id, enum reason reason)
{
    enum conn_cause cause;
    if (LIKELY(on_answer_write(conn, type, packet_id, reason, &cause)))
        return true;
    conn_abort(conn, cause);
    return false;
}

void on_answer_or_break(struct conn *conn, enum packet_type type, uint16_t packet_id,
                        enum reason reason)
{
    enum conn_cause cause;
    if (!conn->broken && !on_answer_write(conn, type, packet_id, reason, &cause))
        conn_break(conn, cause);
}
