/*
 * on_ack.c -- PUBACK, PUBREC, PUBREL and PUBCOMP from a client (MQTT 5.0 sections 3.4 to 3.7).
 * Threads: the owner shard.
 */
#include "on_packet.h"
#include "outbound.h"
#include "publish.h"

/*
 * Packet id and reason of an acknowledgement. The usual one is two bytes long and says success:
 * nothing of it goes through memory.
 */
static inline bool on_ack_read(struct conn *conn, const struct frame *frame, uint16_t *out_id,
                               enum reason *out_reason)
{
    struct bytes body = frame->body;
    *out_id = 0;
    *out_reason = REASON_SUCCESS;
    if (LIKELY(body.len == 2))
        *out_id = (uint16_t)((body.ptr[0] << 8) | body.ptr[1]);
    if (LIKELY(*out_id != 0))
        return true;
    struct ack_view ack;
    enum reason fault = decode_ack((enum mqtt_version)conn->version, frame, &ack);
    if (fault != REASON_SUCCESS)
        return on_fault(conn, fault);
    *out_id = ack.packet_id;
    *out_reason = ack.reason;
    return true;
}

bool on_puback(struct conn *conn, const struct frame *frame)
{
    uint16_t packet_id;
    enum reason reason;
    if (UNLIKELY(!on_ack_read(conn, frame, &packet_id, &reason)))
        return false;
    outbound_puback(conn->net->router, conn->session, packet_id, reason);
    return true;
}

bool on_pubrec(struct conn *conn, const struct frame *frame)
{
    uint16_t packet_id;
    enum reason reason;
    if (UNLIKELY(!on_ack_read(conn, frame, &packet_id, &reason)))
        return false;
    outbound_pubrec(conn->net->router, conn->session, packet_id, reason);
    return conn->state == CONN_OPEN;
}

bool on_pubrel(struct conn *conn, const struct frame *frame)
{
    uint16_t packet_id;
    enum reason reason;
    if (UNLIKELY(!on_ack_read(conn, frame, &packet_id, &reason)))
        return false;
    reason = publish_released(conn->net->router, conn->session, packet_id);
    if (UNLIKELY(reason == REASON_QUOTA_EXCEEDED))
        return on_fault(conn, reason);
    return on_answer(conn, PACKET_PUBCOMP, packet_id, reason);
}

bool on_pubcomp(struct conn *conn, const struct frame *frame)
{
    uint16_t packet_id;
    enum reason reason;
    if (UNLIKELY(!on_ack_read(conn, frame, &packet_id, &reason)))
        return false;
    outbound_pubcomp(conn->net->router, conn->session, packet_id);
    return true;
}
