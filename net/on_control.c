/*
 * on_control.c -- PINGREQ and DISCONNECT from a client (MQTT 5.0 sections 3.12, 3.14).
 *
 * Threads: the owner shard.
 */
#include "on_packet.h"
#include "session.h"

bool on_pingreq(struct conn *conn, const struct frame *frame)
{
    enum reason reason = decode_ping(frame);
    if (reason != REASON_SUCCESS)
        return on_fault(conn, reason);
    uint8_t *at = on_reserve(conn, PACKET_PINGRESP, ENCODE_PING_SIZE);
    if (at == NULL)
        return false;
    encode_ping(PACKET_PINGRESP, at);
    return true;
}

bool on_disconnect(struct conn *conn, const struct frame *frame)
{
    struct disconnect_view view;
    enum reason reason = decode_disconnect((enum mqtt_version)conn->version, DECODE_FROM_CLIENT,
                                           frame, &view);
    if (reason != REASON_SUCCESS)
        return on_fault(conn, reason);
    if (view.has_session_expiry) {
        /* A session that was to end with the connection cannot be kept now (3.14.2.2.2). */
        if (conn->session->expiry_s == 0 && view.session_expiry_s != 0)
            return on_fault(conn, REASON_PROTOCOL_ERROR);
        uint32_t cap_s = conn_settings(conn)->session_expiry_max_s;
        conn->session->expiry_s = view.session_expiry_s < cap_s ? view.session_expiry_s : cap_s;
    }
    bool keeps_will = conn->version == MQTT_50 && view.reason != REASON_SUCCESS;
    conn->version = MQTT_NONE; /* nothing may be sent after the client's DISCONNECT */
    conn_close(conn, keeps_will ? CAUSE_CLIENT_DISCONNECT_WILL : CAUSE_CLIENT_DISCONNECT,
               REASON_SUCCESS);
    return false;
}
