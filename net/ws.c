/*
 * ws.c -- see ws.h.
 * Threads: see ws.h.
 */
#include "ws.h"

#include "listen.h"
#include "listen_policy.h"
#include "net.h"
#include "transport.h"
#include "ws_frame.h"
#include "ws_upgrade.h"

#define WS_MAGIC         0x57454253u
#define WS_REQUEST_FIRST 512

struct ws {
    struct transport layer;
    uint32_t magic;
    uint16_t close_code; /* enum ws_code, or the peer's; 0: nothing was said yet */
    struct ws_reader reader;
    uint8_t *request; /* before the upgrade */
    uint32_t request_len;
    uint32_t request_capacity;
    uint32_t scanned;
};

static struct ws *ws_of(struct transport *layer)
{
    struct ws *ws = CONTAINER_OF(layer, struct ws, layer);
    CHECK_OBJ(ws, WS_MAGIC);
    return ws;
}

static bool ws_put(struct conn *conn, struct ws *ws, const void *bytes, uint32_t len)
{
    uint8_t *at = output_reserve(&ws->layer.out, &conn->net->pool, len);
    if (at == NULL)
        return false;
    memcpy(at, bytes, len);
    conn_mark_dirty(conn);
    return true;
}

/* ---- frames ---- */

/* False without memory. */
static bool ws_on_control(struct conn *conn, struct ws *ws)
{
    const struct ws_reader *reader = &ws->reader;
    uint8_t frame[2 + WS_CONTROL_LEN_MAX];
    uint32_t len;
    switch (reader->opcode) {
    case WS_PING:
        if (ws->layer.out.bytes > WS_PONGS_BYTES_MAX)
            return true;
        len = ws_header_write(frame, WS_PONG, reader->control_len);
        memcpy(frame + len, reader->control, reader->control_len);
        return ws_put(conn, ws, frame, len + reader->control_len);
    case WS_CLOSE:
        ws->close_code = reader->code;
        transport_end(conn, CAUSE_CLIENT_CLOSED);
        return true;
    default:
        return true; /* a pong that nobody asked for is allowed */
    }
}

/*
 * One step of the reader: moves data behind the `*inout_data` bytes that are at the front of `base`
 * already. False: there is no memory.
 */
static bool ws_step(struct conn *conn, struct ws *ws, uint8_t *base, uint32_t *inout_data,
                    uint32_t *inout_used, uint32_t len, enum ws_result *out_result)
{
    uint8_t *in = base + *inout_used;
    uint32_t part = len - *inout_used;
    uint32_t used;
    enum ws_result result = ws_reader_run(&ws->reader, in, &part, &used);
    if (part > 0 && base + *inout_data != in)
        memmove(base + *inout_data, in, part);
    *inout_data += part;
    *inout_used += used;
    *out_result = result;
    if (result == WS_ROOM)
        return (ws->reader.control = mem_alloc(WS_CONTROL_LEN_MAX)) != NULL;
    if (result == WS_CONTROL)
        return ws_on_control(conn, ws);
    if (result == WS_FAULT) {
        ws->close_code = ws->reader.code;
        transport_end(conn, CAUSE_WEBSOCKET_ERROR);
    }
    return true;
}

static void ws_read_frames(struct conn *conn, struct ws *ws, uint8_t *ptr, uint32_t len)
{
    uint32_t data = 0;
    uint32_t used = 0;
    enum ws_result result = WS_ROOM;
    while (result == WS_ROOM || result == WS_CONTROL) {
        if (ws_step(conn, ws, ptr, &data, &used, len, &result))
            continue;
        conn_abort(conn, CAUSE_NO_MEMORY);
        return;
    }
    if (ws->reader.control != NULL && ws_reader_room_is_free(&ws->reader)) {
        mem_free(ws->reader.control);
        ws->reader.control = NULL;
    }
    if (data > 0)
        transport_up(conn, ws->layer.above, ptr, data);
}

/* ---- the upgrade ---- */

static bool ws_request_keep(struct ws *ws, const uint8_t *ptr, uint32_t len)
{
    uint32_t need = ws->request_len + len;
    if (need > ws->request_capacity) {
        uint32_t capacity = ws->request_capacity == 0 ? WS_REQUEST_FIRST : ws->request_capacity;
        while (capacity < need)
            capacity *= 2;
        uint8_t *request = mem_alloc(capacity);
        if (request == NULL)
            return false;
        if (ws->request_len > 0)
            memcpy(request, ws->request, ws->request_len);
        mem_free(ws->request);
        ws->request = request;
        ws->request_capacity = capacity;
    }
    memcpy(ws->request + ws->request_len, ptr, len);
    ws->request_len = need;
    return true;
}

/*
 * The client's own address, and whether it may come in: WS_SWITCH, or the answer. WS_STATUS_COUNT:
 * the connection has been aborted.
 */
static enum ws_status ws_admit(struct conn *conn, const struct listen_policy *policy,
                               const struct ws_request *request)
{
    /* A header of the PROXY protocol has said where the client is; or the peer is the client. */
    if (policy->proxy || !listen_policy_trusts(policy, &conn->peer))
        return WS_SWITCH;
    if (request->has_forwarded)
        transport_set_peer(conn, &request->forwarded, request->forwarded_port);
    if (!listen_policy_allows(policy, &conn->peer)) {
        net_count(conn->net, STAT_REFUSED_ACCESS, 1);
        return WS_BAD_ADDRESS;
    }
    return listen_peer_ok(conn) ? WS_SWITCH : WS_STATUS_COUNT;
}

/*
 * Takes the request up with what has come behind it. Returns the first byte of frames and their
 * number in *out_len; NULL: there are none, or the connection ends.
 */
static uint8_t *ws_upgrade(struct conn *conn, struct ws *ws, uint32_t *out_len)
{
    struct net *net = conn->net;
    const struct listen_policy *policy = listener_policy(net, conn->listener);
    struct ws_request request;
    enum ws_status status;
    uint32_t request_len;
    *out_len = 0;
    if (ws_upgrade_read(bytes_of(ws->request, ws->request_len), &ws->scanned, &policy->ws, &status,
                        &request, &request_len) == RC_MORE)
        return NULL;
    if (status == WS_SWITCH)
        status = ws_admit(conn, policy, &request);
    if (status == WS_STATUS_COUNT)
        return NULL;
    char response[WS_RESPONSE_LEN_MAX];
    uint32_t response_len = ws_upgrade_response(status, &request, response);
    if (!ws_put(conn, ws, response, response_len)) {
        conn_abort(conn, CAUSE_NO_MEMORY);
        return NULL;
    }
    if (status != WS_SWITCH) {
        transport_end(conn, CAUSE_WEBSOCKET_REFUSED);
        return NULL;
    }
    net_count(net, STAT_WEBSOCKET_UPGRADES, 1);
    ws_reader_init(&ws->reader, policy->ws_frame_max);
    ws->layer.ready = true;
    *out_len = ws->request_len - request_len;
    return *out_len > 0 ? ws->request + request_len : NULL;
}

/* ---- the layer's rows ---- */

static void ws_receive(struct conn *conn, struct transport *layer, uint8_t *ptr, uint32_t len)
{
    struct ws *ws = ws_of(layer);
    if (LIKELY(layer->ready)) {
        ws_read_frames(conn, ws, ptr, len);
        return;
    }
    if (!ws_request_keep(ws, ptr, len)) {
        conn_abort(conn, CAUSE_NO_MEMORY);
        return;
    }
    uint32_t frames_len;
    uint8_t *frames = ws_upgrade(conn, ws, &frames_len);
    if (!layer->ready)
        return;
    /* The layer may be gone when its frames have been read. */
    uint8_t *request = ws->request;
    ws->request = NULL;
    ws->request_len = 0;
    ws->request_capacity = 0;
    if (frames != NULL)
        ws_read_frames(conn, ws, frames, frames_len);
    mem_free(request);
}

/* One frame of what may leave; 0 without memory. */
static uint32_t ws_send_frame(struct conn *conn, struct ws *ws, struct output *from)
{
    struct output_pool *pool = &conn->net->pool;
    struct iovec iov[OUTPUT_IOV_MAX];
    uint32_t count = output_gather(from, iov, WS_FRAME_OUT_MAX);
    uint32_t len = 0;
    for (uint32_t i = 0; i < count; i++)
        len += (uint32_t)iov[i].iov_len;
    uint8_t header[WS_HEADER_LEN_OUT_MAX];
    uint32_t header_len = ws_header_write(header, WS_BINARY, len);
    uint8_t *at = output_reserve(&ws->layer.out, pool, header_len + len);
    if (at == NULL)
        return 0;
    memcpy(at, header, header_len);
    at += header_len;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    output_consume(from, pool, len);
    return len;
}

static bool ws_send(struct conn *conn, struct transport *layer, struct output *from)
{
    struct ws *ws = ws_of(layer);
    if (!layer->ready)
        return true;
    while (output_ready(from) > 0 && layer->out.bytes < TRANSPORT_OUT_MAX) {
        if (ws_send_frame(conn, ws, from) == 0)
            return false;
    }
    return true;
}

static void ws_finish(struct conn *conn, struct transport *layer)
{
    struct ws *ws = ws_of(layer);
    uint8_t frame[2 + WS_CONTROL_LEN_MAX];
    if (!layer->ready)
        return;
    uint16_t code = ws->close_code;
    if (code == 0)
        code = conn->net->draining ? WS_CODE_GOING_AWAY : WS_CODE_NORMAL;
    uint32_t len = ws_close_write(frame, code);
    /* Without memory for it the connection ends without a word, as TCP allows. */
    (void)ws_put(conn, ws, frame, len);
}

static void ws_destroy(struct transport *layer)
{
    struct ws *ws = ws_of(layer);
    mem_free(ws->request);
    mem_free(ws->reader.control);
    ws->magic = 0;
    mem_free(ws);
}

static const struct transport_type ws_type = {
    .name = "websocket",
    .receive = ws_receive,
    .send = ws_send,
    .finish = ws_finish,
    .destroy = ws_destroy,
};

enum rc ws_open(struct conn *conn)
{
    struct ws *ws = mem_alloc(sizeof(*ws));
    if (ws == NULL)
        return RC_NO_MEMORY;
    memset(ws, 0, sizeof(*ws));
    ws->magic = WS_MAGIC;
    ws->layer.type = &ws_type;
    enum rc rc = transport_push(conn, &ws->layer);
    if (rc != RC_OK)
        ws_destroy(&ws->layer);
    return rc;
}
