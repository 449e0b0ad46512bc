/*
 * input.c -- see input.h.
 * Threads: see input.h.
 */
#include "input.h"

#include <errno.h>
#include <string.h>

#include "engine_stats.h"
#include "net.h"
#include "quota.h"
#include "transport.h"

#define STASH_FREE  4096 /* what a connection may have though all together have too much */
#define STASH_FIRST 128

/* A connection goes back to small buffers after so many receives in a row of less than so much. */
#define INPUT_MEAGRE_MAX 8
#define INPUT_MEAGRE_LEN 2048

static bool input_wanted(const struct conn *conn)
{
    return conn->state <= CONN_OPEN;
}

/* A fault that shows in the fixed header. */
static void input_bad_frame(struct conn *conn, enum frame_result result)
{
    if (conn->state <= CONN_AUTH) {
        conn_abort(conn, CAUSE_MALFORMED); /* not MQTT, or nothing that could be answered */
        return;
    }
    if (result == FRAME_TOO_LARGE)
        conn_close(conn, CAUSE_LIMIT, REASON_PACKET_TOO_LARGE);
    else
        conn_close(conn, CAUSE_MALFORMED, REASON_MALFORMED_PACKET);
}

/*
 * The size of a stash that is to hold `need` bytes. It doubles; where that would not be enough for
 * the packet at `begin`, but twice as much is, it is the packet's: the last step of a packet that
 * comes in two or three parts is not copied.
 */
static uint32_t stash_fit(const struct conn *conn, struct bytes begin, uint32_t need)
{
    uint32_t capacity = conn->stash_capacity == 0 ? STASH_FIRST : conn->stash_capacity * 2;
    while (capacity < need)
        capacity *= 2;
    struct frame frame;
    enum frame_result result = frame_read(begin, conn_settings(conn)->packet_size_max,
                                          (enum mqtt_version)conn->version, &frame);
    bool is_near = result == FRAME_MORE && frame.len >= need && frame.len <= capacity * 2;
    return is_near ? frame.len : capacity;
}

/* RC_NO_MEMORY; RC_FULL: all connections together have too much that is not whole. */
static enum rc stash_append(struct conn *conn, const uint8_t *ptr, uint32_t len)
{
    struct net *net = conn->net;
    uint32_t need = conn->stash_len + len;
    if (need > conn->stash_capacity) {
        struct bytes begin = conn->stash_len > 0 ? bytes_of(conn->stash, conn->stash_len)
                                                 : bytes_of(ptr, len);
        uint32_t capacity = stash_fit(conn, begin, need);
        if (UNLIKELY(net->unfinished_over) && need > STASH_FREE)
            return RC_FULL;
        uint8_t *stash = mem_alloc(capacity);
        if (stash == NULL)
            return RC_NO_MEMORY;
        if (conn->stash_len > 0)
            memcpy(stash, conn->stash, conn->stash_len);
        mem_free(conn->stash);
        net_count(net, STAT_UNFINISHED_BYTES, (uint64_t)capacity - conn->stash_capacity);
        conn->stash = stash;
        conn->stash_capacity = capacity;
    }
    if (conn->stash_len == 0)
        conn_packet_begins(conn);
    memcpy(conn->stash + conn->stash_len, ptr, len);
    conn->stash_len = need;
    return RC_OK;
}

static bool input_stash(struct conn *conn, const uint8_t *ptr, uint32_t len)
{
    enum rc rc = stash_append(conn, ptr, len);
    if (LIKELY(rc == RC_OK))
        return true;
    if (rc == RC_FULL)
        conn_close(conn, CAUSE_UNFINISHED, REASON_QUOTA_EXCEEDED);
    else
        conn_abort(conn, CAUSE_NO_MEMORY);
    return false;
}

static void input_keep(struct conn *conn, struct bytes data)
{
    if (data.len > 0)
        (void)input_stash(conn, data.ptr, data.len);
}

/*
 * Packets in a row with the same first byte, which are counted together when another comes or the
 * input ends: a busy publisher sends hundreds of one kind in one receive.
 */
struct input_row {
    uint8_t head;
    uint8_t next; /* the head of one that belongs to it; 0: none does */
    uint32_t packets;
    uint32_t from; /* where the first of them begins */
};

static void input_row_count(struct net *net, const struct input_row *row, uint32_t end)
{
    if (row->packets == 0)
        return;
    unsigned type = row->head >> 4;
    unsigned qos = (row->head >> 1) & 3;
    net_count(net, STAT_PACKETS_IN + type, row->packets);
    if (type != PACKET_PUBLISH || qos > MQTT_QOS_2)
        return;
    net_count(net, STAT_PUBLISH_IN_QOS0 + qos, row->packets);
    net_count(net, STAT_PUBLISH_BYTES_IN_QOS0 + qos, end - row->from);
}

/* The beginning of a packet that must not come first [MQTT-3.1.0-1]: ends the connection. */
static bool input_is_no_connect(struct conn *conn, const struct frame *frame)
{
    if (LIKELY(conn->state != CONN_NEW) || frame_type(frame) == PACKET_CONNECT)
        return false;
    conn_abort(conn, CAUSE_PROTOCOL_ERROR);
    return true;
}

/*
 * Handles whole packets at the start of `data`. Returns how many bytes were used up; the connection
 * may be gone (handed over) if *out_stop is set, and must not be touched before its state is known
 * by handle.
 */
static uint32_t input_run(struct conn *conn, struct bytes data, bool *out_stop)
{
    struct net *net = conn->net;
    struct input_row row = {0};
    const uint32_t packet_size_max = conn_settings(conn)->packet_size_max;
    uint32_t at = 0;
    *out_stop = false;
    while (at < data.len && !*out_stop) {
        struct bytes left = {.ptr = data.ptr + at, .len = data.len - at};
        struct frame frame;
        enum frame_result result = frame_read(left, packet_size_max,
                                              (enum mqtt_version)conn->version, &frame);
        if (result == FRAME_MORE) {
            /* Another protocol may look like a long packet; it is none that may come first. */
            *out_stop = input_is_no_connect(conn, &frame);
            break;
        }
        if (result != FRAME_OK) {
            input_bad_frame(conn, result);
            *out_stop = true;
            break;
        }
        if (UNLIKELY(frame.head != row.next)) {
            input_row_count(net, &row, at);
            row = (struct input_row){.head = frame.head, .next = frame.head, .from = at};
            if (UNLIKELY(net->limited)) {
                row.next = 0; /* the next one has to ask too */
                if (!quota_admits(conn, &frame)) {
                    *out_stop = true;
                    return at;
                }
            }
        }
        row.packets++;
        at += frame.len;
        *out_stop = !input_packet(conn, &frame, left);
    }
    input_row_count(net, &row, at);
    return at;
}

/* How many bytes of `data` the packet in the stash still lacks; 0: it is whole, or bad. */
static uint32_t stash_lacks(const struct conn *conn, uint32_t have)
{
    struct bytes stash = {.ptr = conn->stash, .len = conn->stash_len};
    struct frame frame;
    enum frame_result result = frame_read(stash, conn_settings(conn)->packet_size_max,
                                          (enum mqtt_version)conn->version, &frame);
    if (result != FRAME_MORE)
        return 0;
    uint32_t lack = frame.len == 0 ? 1 : frame.len - conn->stash_len;
    return lack < have ? lack : have;
}

/* Takes over the stash so that packets can be handled from it while the connection stashes anew. */
static void input_run_stash(struct conn *conn, struct handle handle)
{
    struct net *net = conn->net;
    uint8_t *stash = conn->stash;
    struct bytes data = {.ptr = stash, .len = conn->stash_len};
    uint32_t capacity = conn->stash_capacity;
    conn->stash = NULL;
    conn->stash_len = 0;
    conn->stash_capacity = 0;
    bool stop;
    uint32_t used = input_run(conn, data, &stop);
    conn = slot_table_get(&net->conns, handle);
    if (conn != NULL && input_wanted(conn))
        input_keep(conn, (struct bytes){.ptr = stash + used, .len = data.len - used});
    stat_sub(net->stats, STAT_UNFINISHED_BYTES, capacity);
    mem_free(stash);
}

void input_feed(struct conn *conn, struct bytes data)
{
    struct net *net = conn->net;
    struct handle handle = conn->handle;
    /* A paused connection holds several packets: everything goes behind them. */
    if (list_is_linked(&conn->waiting) && conn->stash_len > 0) {
        input_keep(conn, data);
        return;
    }
    while (conn->stash_len > 0 && data.len > 0) {
        uint32_t lack = stash_lacks(conn, data.len);
        if (lack == 0)
            break;
        if (!input_stash(conn, data.ptr, lack))
            return;
        data.ptr += lack;
        data.len -= lack;
    }
    if (conn->stash_len > 0) {
        if (stash_lacks(conn, 1) != 0)
            return;
        /* CONNECT is handed over with what follows it, so the rest has to stand behind it. */
        if (conn->state == CONN_NEW) {
            input_keep(conn, data);
            data.len = 0;
        }
        input_run_stash(conn, handle);
        conn = slot_table_get(&net->conns, handle);
        if (conn == NULL || !input_wanted(conn))
            return;
        if (conn->stash_len > 0) {
            input_keep(conn, data);
            return;
        }
    }
    if (list_is_linked(&conn->waiting)) {
        input_keep(conn, data);
        return;
    }
    bool stop;
    uint32_t used = input_run(conn, data, &stop);
    conn = slot_table_get(&net->conns, handle);
    if (conn != NULL && input_wanted(conn))
        input_keep(conn, (struct bytes){.ptr = data.ptr + used, .len = data.len - used});
}

/* Ends the receive that is with the kernel, if there is one. */
static void input_stop(struct conn *conn)
{
    if (conn->recv_armed)
        ring_cancel(conn->net->shard->ring, op_token(OP_CANCEL, 0, 0),
                    op_token(OP_RECV, conn->handle.slot, conn->handle.generation));
}

void input_pause(struct conn *conn)
{
    if (list_is_linked(&conn->waiting))
        return;
    net_count(conn->net, STAT_PAUSES, 1);
    list_push_back(&conn->net->paused, &conn->waiting);
    input_stop(conn);
}

void input_throttle(struct conn *conn)
{
    CHECK(!list_is_linked(&conn->waiting) && conn->state == CONN_OPEN);
    list_push_back(&conn->net->throttled, &conn->waiting);
    input_stop(conn);
}

static void input_resume(struct net *net, struct conn *conn)
{
    list_remove(&conn->waiting);
    conn->last_in_ms = net->shard->now_ms;
    struct handle handle = conn->handle;
    if (conn->stash_len > 0)
        input_run_stash(conn, handle);
    conn = slot_table_get(&net->conns, handle);
    if (conn == NULL || conn->state == CONN_CLOSED || list_is_linked(&conn->waiting))
        return;
    if (conn->ended && conn->layered && conn->cold->ending)
        conn_close_quietly(conn, (enum conn_cause)conn->cold->end_cause);
    else if (conn->ended)
        conn_abort(conn, CAUSE_CLIENT_CLOSED);
    else
        conn_receive(conn);
}

void input_continue(struct conn *conn)
{
    struct net *net = conn->net;
    struct handle handle = conn->handle;
    CHECK(!conn->auth_waits);
    if (list_is_linked(&conn->waiting))
        return;
    if (conn->stash_len > 0)
        input_run_stash(conn, handle);
    conn = slot_table_get(&net->conns, handle);
    if (conn != NULL)
        conn_receive(conn);
}

/* Those that got nothing ask first, so that one that has much to send leaves room for them. */
static void input_feed_starved(struct net *net)
{
    struct list_node waiting;
    struct list_node fed;
    struct list_node *node;
    list_init(&waiting);
    list_init(&fed);
    list_splice_back(&waiting, &net->starved);
    while ((node = list_pop_front(&waiting)) != NULL) {
        struct conn *conn = CONTAINER_OF(node, struct conn, waiting);
        if (conn->recv_fed)
            list_push_back(&fed, node);
        else
            conn_receive(conn);
    }
    while ((node = list_pop_front(&fed)) != NULL)
        conn_receive(CONTAINER_OF(node, struct conn, waiting));
}

void input_go_on(struct conn *conn)
{
    conn_assert_state(conn);
    if (list_is_linked(&conn->waiting))
        input_resume(conn->net, conn);
}

bool input_resume_all(struct net *net)
{
    struct list_node waiting;
    struct list_node *node;
    if (!list_is_empty(&net->starved))
        input_feed_starved(net);
    if (list_is_empty(&net->paused) || mail_pressed_any(net->shard->port))
        return false;
    list_init(&waiting);
    list_splice_back(&waiting, &net->paused);
    /* A connection that pauses again goes to net->paused, not to the list walked here. */
    while ((node = list_first(&waiting)) != NULL)
        input_resume(net, CONTAINER_OF(node, struct conn, waiting));
    return true;
}

/* The receive ended without data. */
static void input_on_end(struct net *net, struct conn *conn, int32_t result)
{
    switch (result) {
    case -ENOBUFS:
        /* Making the request again at once would fail again: wait for buffers to come back. */
        net_count(net, STAT_RECV_STARVED, 1);
        if (!list_is_linked(&conn->waiting))
            list_push_back(&net->starved, &conn->waiting);
        return;
    case -ECANCELED:
    case -EINTR:
    case -EAGAIN:
        conn_receive(conn);
        return;
    default:
        /* What it sent before it left is still to be handled, a DISCONNECT perhaps. */
        if (list_is_linked(&conn->waiting) && conn->stash_len > 0)
            conn->ended = true;
        else
            conn_abort(conn, result == 0 ? CAUSE_CLIENT_CLOSED : CAUSE_NETWORK_ERROR);
    }
}

/* The buffer is the ring's, and nobody else's until it goes back: layers may write to it. */
static void input_layered(struct conn *conn, struct bytes data)
{
    if (input_wanted(conn))
        transport_receive(conn, (uint8_t *)(uintptr_t)data.ptr, data.len);
}

/*
 * Whoever fills a small buffer gets large ones, until he hardly uses them. A receive that is under
 * way ends, and input_on_end makes the other.
 */
static void input_fit(struct conn *conn, const struct completion *completion)
{
    conn->recv_fed = true;
    if (conn->state != CONN_OPEN)
        return;
    if (LIKELY(conn->recv_large)) {
        conn->recv_meagre = completion->result < INPUT_MEAGRE_LEN ? conn->recv_meagre + 1 : 0;
        if (conn->recv_meagre < INPUT_MEAGRE_MAX)
            return;
    } else if (!ring_buffer_is_full(conn->net->shard->ring, completion)) {
        return;
    }
    conn->recv_meagre = 0;
    conn->recv_large = !conn->recv_large;
    input_stop(conn);
}

void input_on_completion(struct shard *shard, const struct completion *completion)
{
    struct net *net = net_of(shard);
    struct handle handle = {.slot = op_token_slot(completion->token),
                            .generation = op_token_generation(completion->token),
                            .shard = shard->id};
    struct conn *conn = slot_table_get(&net->conns, handle);
    CHECK(conn != NULL); /* a connection outlives its operations */
    conn_assert_state(conn);
    if ((completion->flags & RING_MORE) == 0)
        conn->recv_armed = false;
    if (completion->result > 0) {
        shard->work += (uint64_t)completion->result;
        net_count(net, STAT_BYTES_IN, (uint64_t)completion->result);
        net_count(net, STAT_RECEIVES, 1);
        struct bytes data = ring_buffer(shard->ring, completion);
        input_fit(conn, completion);
        if (UNLIKELY(conn->layered))
            input_layered(conn, data);
        else if (input_wanted(conn))
            input_feed(conn, data);
    }
    if (ring_has_buffer(completion))
        ring_buffer_return(shard->ring, completion);
    conn = slot_table_get(&net->conns, handle);
    if (conn == NULL)
        return; /* handed over */
    if (UNLIKELY(net->limited) && completion->result > 0)
        quota_bytes(conn, (uint32_t)completion->result);
    if (conn->state == CONN_CLOSED) {
        conn_mark_dirty(conn);
        return;
    }
    if (completion->result <= 0)
        input_on_end(net, conn, completion->result);
    else if (!conn->recv_armed)
        conn_receive(conn);
}
