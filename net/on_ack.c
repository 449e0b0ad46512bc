/*
 * on_ack.c -- PUBACK, PUBREC, PUBREL and PUBCOMP from a client (MQTT 5.0 sections 3.4 to 3.7).
 * Threads: the owner shard.
 */
#include "on_packet.h"
#include "outbound.h"
#include "publish.h"

static enum reason on_ack_decode(struct conn *conn, const struct frame *frame, struct ack_view *out)
{
    return decode_ack((enum mqtt_version)conn->version, frame, out);
}

bool on_puback(struct conn *conn, const struct frame *frame)
{
    struct ack_view ack;
    enum reason reason = on_ack_decode(conn, frame, &ack);
    if (UNLIKELY(reason != REASON_SUCCESS))
        return on_fault(conn, reason);
    outbound_puback(conn->net->router, conn->session, ack.packet_id, ack.reason);
    return true;
}

bool on_pubrec(struct conn *conn, const struct frame *frame)
{
    struct ack_view ack;
    enum reason reason = on_ack_decode(conn, frame, &ack);
    if (UNLIKELY(reason != REASON_SUCCESS))
        return on_fault(conn, reason);
    outbound_pubrec(conn->net->router, conn->session, ack.packet_id, ack.reason);
    return conn->state == CONN_OPEN;
}

bool on_pubrel(struct conn *conn, const struct frame *frame)
{
    struct ack_view ack;
    enum reason reason = on_ack_decode(conn, frame, &ack);
    if (UNLIKELY(reason != REASON_SUCCESS))
        return on_fault(conn, reason);
    reason = publish_released(conn->net->router, conn->session, ack.packet_id);
    if (UNLIKELY(reason == REASON_QUOTA_EXCEEDED))
        return on_fault(conn, reason);
    return on_answer(conn, PACKET_PUBCOMP, ack.packet_id, reason);
}

bool on_pubcomp(struct conn *conn, const struct frame *frame)
{
    struct ack_view ack;
    enum reason reason = on_ack_decode(conn, frame, &ack);
    if (UNLIKELY(reason != REASON_SUCCESS))
        return on_fault(conn, reason);
    outbound_pubcomp(conn->net->router, conn->session, ack.packet_id);
    return true;
}
