/*
 * gate.c -- see gate.h.
 *
 * Gates are a small ring; `at` counts bytes of the output since the connection was made. One that
 * opens in the middle of the ring waits for those before it.
 *
 * Threads: see gate.h.
 */
#include "gate.h"

#include <string.h>

#include "net.h"
#include "on_packet.h"

#define GATES_MAGIC 0x47415445u

struct gate {
    uint64_t at;      /* the first byte that is held */
    uint64_t lsn;     /* of the shard's log; 0: none */
    uint64_t turn_ns; /* of the turn that made it */
    uint32_t number;
    uint32_t waits;  /* confirmations that are missing */
    bool is_connack; /* CONNACK is the first thing behind it */
};

struct gates {
    uint32_t magic;
    uint32_t capacity; /* a power of two */
    uint32_t head;     /* free-running; the oldest gate */
    uint32_t tail;     /* free-running; tail - head gates */
    struct conn *conn;
    struct list_node node; /* in net->gated */
    struct gate *ring;
    struct gate few[GATES_FIRST];
};

static struct gate *gate_at(const struct gates *gates, uint32_t index)
{
    CHECK(index - gates->head < gates->tail - gates->head);
    return &gates->ring[index & (gates->capacity - 1)];
}

static bool gate_is_open(const struct net *net, const struct gate *gate)
{
    return gate->waits == 0 && gate->lsn <= net->committed;
}

static struct gates *gates_create(struct conn *conn)
{
    struct gates *gates = mem_alloc(sizeof(*gates));
    if (gates == NULL)
        return NULL;
    memset(gates, 0, sizeof(*gates));
    gates->magic = GATES_MAGIC;
    gates->conn = conn;
    gates->capacity = GATES_FIRST;
    gates->ring = gates->few;
    list_push_back(&conn->net->gated, &gates->node);
    conn->gates = gates;
    return gates;
}

void gate_free(struct conn *conn)
{
    struct gates *gates = conn->gates;
    if (gates == NULL)
        return;
    CHECK_OBJ(gates, GATES_MAGIC);
    list_remove(&gates->node);
    if (gates->ring != gates->few)
        mem_free(gates->ring);
    gates->magic = 0;
    mem_free(gates);
    conn->gates = NULL;
    conn->output.open_to = 0;
}

static bool gates_grow(struct gates *gates)
{
    uint32_t count = gates->tail - gates->head;
    struct gate *ring = mem_alloc(2 * gates->capacity * sizeof(*ring));
    if (ring == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++)
        ring[i] = *gate_at(gates, gates->head + i);
    if (gates->ring != gates->few)
        mem_free(gates->ring);
    gates->ring = ring;
    gates->capacity *= 2;
    gates->head = 0;
    gates->tail = count;
    return true;
}

/* The output learns where its first closed gate is. */
static void gate_show(struct conn *conn)
{
    const struct gates *gates = conn->gates;
    if (gates == NULL || gates->head == gates->tail)
        conn->output.open_to = 0;
    else
        conn->output.open_to = gate_at(gates, gates->head)->at + 1;
}

/*
 * The gate at the end of the output that holds of this turn go to. The last one serves if it is of
 * this turn, or if there is no room for another.
 */
static struct gate *gate_last(struct conn *conn)
{
    struct net *net = conn->net;
    struct gates *gates = conn->gates;
    if (gates == NULL && (gates = gates_create(conn)) == NULL)
        return NULL;
    CHECK_OBJ(gates, GATES_MAGIC);
    uint32_t count = gates->tail - gates->head;
    if (count > 0) {
        struct gate *last = gate_at(gates, gates->tail - 1);
        if (last->turn_ns == net->shard->now_ns)
            return last;
        if (count == gates->capacity && (count >= GATES_MAX || !gates_grow(gates)))
            return last;
    }
    gates->tail++;
    struct gate *gate = gate_at(gates, gates->tail - 1);
    *gate = (struct gate){.at = conn->output.sent + conn->output.bytes,
                          .turn_ns = net->shard->now_ns,
                          .number = ++conn->net->gate_number & ~HOLD_WILL,
                          .is_connack = conn->state < CONN_OPEN};
    if (gates->tail - gates->head == 1)
        gate_show(conn);
    return gate;
}

void gate_hold(struct conn *conn, uint64_t lsn)
{
    conn_assert_state(conn);
    if (lsn <= conn->net->committed || conn->broken)
        return;
    struct gate *gate = gate_last(conn);
    if (gate == NULL) {
        conn_break(conn, CAUSE_NO_MEMORY);
        return;
    }
    if (lsn > gate->lsn)
        gate->lsn = lsn;
}

struct hold_ticket gate_ticket(struct conn *conn)
{
    conn_assert_state(conn);
    struct hold_ticket none = {.conn = HANDLE_NONE};
    if (conn->broken)
        return none;
    struct gate *gate = gate_last(conn);
    if (gate == NULL) {
        conn_break(conn, CAUSE_NO_MEMORY);
        return none;
    }
    gate->waits++;
    return (struct hold_ticket){.conn = conn->handle, .gate_number = gate->number};
}

/* Opens what can be opened, from the front. */
static void gate_advance(struct conn *conn)
{
    struct gates *gates = conn->gates;
    uint32_t before = gates->head;
    while (gates->head != gates->tail && gate_is_open(conn->net, gate_at(gates, gates->head)))
        gates->head++;
    if (gates->head == before)
        return;
    if (gates->head == gates->tail)
        gate_free(conn);
    else
        gate_show(conn);
    conn_mark_dirty(conn);
}

/*
 * What is held will not become true: it is thrown away, the connection ends. One that says its last
 * words anyway goes on to do so. Nothing may come before CONNACK [MQTT-3.2.0-1], so when that was
 * held another one says why.
 */
static void gate_fail(struct conn *conn, enum reason reason)
{
    struct net *net = conn->net;
    const struct gates *gates = conn->gates;
    bool is_connack = gate_at(gates, gates->head)->is_connack;
    uint64_t keep = output_ready(&conn->output);
    stat_sub(net->shard->stats, STAT_OUTPUT_BYTES, conn->output.bytes - keep);
    output_truncate(&conn->output, &net->pool, keep);
    gate_free(conn);
    net_count(net, STAT_UNACKNOWLEDGED, 1);
    if (conn->state == CONN_OPEN && is_connack)
        on_connect_fail(conn, reason);
    else if (conn->state == CONN_OPEN)
        conn_close(conn, CAUSE_NOT_STORED, reason);
    else
        conn_mark_dirty(conn);
}

void gate_committed(struct net *net, uint64_t lsn)
{
    SHARD_CHECK(net->shard);
    CHECK(lsn >= net->committed);
    net->committed = lsn;
    struct list_node *node = list_first(&net->gated);
    while (node != NULL) {
        struct list_node *next = list_after(&net->gated, node);
        gate_advance(CONTAINER_OF(node, struct gates, node)->conn);
        node = next;
    }
}

void gate_confirmed(struct net *net, const struct hold_ticket *ticket, uint32_t count, bool ok)
{
    SHARD_CHECK(net->shard);
    struct conn *conn = slot_table_get(&net->conns, ticket->conn);
    if (conn == NULL || conn->gates == NULL)
        return;
    struct gates *gates = conn->gates;
    for (uint32_t i = gates->head; i != gates->tail; i++) {
        struct gate *gate = gate_at(gates, i);
        if (gate->number != ticket->gate_number)
            continue;
        if (!ok) {
            gate_fail(conn, REASON_QUOTA_EXCEEDED);
            return;
        }
        CHECK(gate->waits >= count);
        gate->waits -= count;
        gate_advance(conn);
        return;
    }
}

void gate_log_failed(struct net *net)
{
    SHARD_CHECK(net->shard);
    struct list_node failed;
    struct list_node *node;
    list_init(&failed);
    list_splice_back(&failed, &net->gated);
    while ((node = list_first(&failed)) != NULL) {
        struct gates *gates = CONTAINER_OF(node, struct gates, node);
        const struct gate *first = gate_at(gates, gates->head);
        if (first->lsn > net->committed) {
            gate_fail(gates->conn, REASON_IMPLEMENTATION_SPECIFIC_ERROR);
            continue;
        }
        /* It waits for another shard: that one decides. */
        list_remove(&gates->node);
        list_push_back(&net->gated, &gates->node);
    }
}
