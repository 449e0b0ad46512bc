/*
 * test_gate.c -- output that is held until the log has committed (net/gate.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gate.h"
#include "net.h"

static struct shard shard;
static struct stats stats;
static struct net net;
static struct conn *conn;

static void turn(void)
{
    shard.now_ns += 1000;
}

static int set_up(void **state)
{
    (void)state;
    memset(&shard, 0, sizeof(shard));
    memset(&stats, 0, sizeof(stats));
    memset(&net, 0, sizeof(net));
    shard.magic = SHARD_MAGIC;
    shard.now_ns = 1;
    shard.stats = &stats;
    shard.net = &net;
    shard_become(&shard);
    net.magic = NET_MAGIC;
    net.shard = &shard;
    net.stats = &stats;
    list_init(&net.gated);
    list_init(&net.dirty);
    slot_table_init(&net.conns, 0, 256);
    conn = mem_alloc(sizeof(*conn));
    assert_non_null(conn);
    memset(conn, 0, sizeof(*conn));
    conn->magic = CONN_MAGIC;
    conn->state = CONN_LAST_WORDS;
    conn->net = &net;
    assert_int_equal(slot_table_add(&net.conns, conn, &conn->handle), RC_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)mem_fail_after(UINT64_MAX);
    gate_free(conn);
    if (list_is_linked(&conn->dirty))
        list_remove(&conn->dirty);
    output_clear(&conn->output, &net.pool);
    output_pool_fini(&net.pool);
    slot_table_remove(&net.conns, conn->handle);
    slot_table_fini(&net.conns);
    mem_free(conn);
    shard_become(NULL);
    return 0;
}

static void append(uint32_t len)
{
    uint8_t *at = output_reserve(&conn->output, &net.pool, len);
    assert_non_null(at);
    memset(at, 'x', len);
    stat_add(&stats, STAT_OUTPUT_BYTES, len);
}

/* How many bytes may leave, as told and as gathered. */
static uint64_t allowance(void)
{
    struct iovec iov[OUTPUT_IOV_MAX];
    uint32_t count = output_gather(&conn->output, iov, UINT64_MAX);
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += iov[i].iov_len;
    assert_int_equal(total, output_ready(&conn->output));
    return total;
}

/* The kernel takes `len` bytes of what may leave. */
static void leave(uint64_t len)
{
    assert_true(len <= allowance());
    output_consume(&conn->output, &net.pool, len);
}

static void nothing_is_held_without_a_gate(void **state)
{
    (void)state;
    append(10);
    assert_true(output_held(&conn->output) == 0);
    gate_hold(conn, 0);
    assert_true(output_held(&conn->output) == 0);
    assert_null(conn->gates);
}

static void what_is_behind_a_gate_waits_for_the_commit(void **state)
{
    (void)state;
    append(10);
    gate_hold(conn, 5);
    append(20);
    assert_int_equal(allowance(), 10);
    leave(4);
    assert_int_equal(allowance(), 6);
    gate_committed(&net, 4);
    assert_int_equal(allowance(), 6);
    assert_false(list_is_linked(&conn->dirty));
    gate_committed(&net, 5);
    assert_true(output_held(&conn->output) == 0);
    assert_true(list_is_linked(&conn->dirty));
    assert_null(conn->gates);
}

static void a_record_that_is_committed_already_holds_nothing(void **state)
{
    (void)state;
    gate_committed(&net, 7);
    gate_hold(conn, 7);
    assert_null(conn->gates);
    gate_hold(conn, 8);
    assert_non_null(conn->gates);
}

static void holds_of_one_turn_share_a_gate(void **state)
{
    (void)state;
    gate_hold(conn, 5);
    append(10);
    gate_hold(conn, 6);
    append(10);
    gate_committed(&net, 5);
    assert_int_equal(allowance(), 0);
    gate_committed(&net, 6);
    assert_true(output_held(&conn->output) == 0);
}

static void gates_of_several_turns_open_from_the_front(void **state)
{
    (void)state;
    gate_hold(conn, 5);
    struct hold_ticket ticket = gate_ticket(conn);
    append(10);
    turn();
    gate_hold(conn, 6);
    append(20);
    turn();
    gate_hold(conn, 9);
    append(30);
    gate_committed(&net, 6);
    assert_int_equal(allowance(), 0); /* the first waits for its confirmation */
    gate_confirmed(&net, &ticket, 1, true);
    assert_int_equal(allowance(), 30);
    leave(30);
    assert_int_equal(allowance(), 0);
    gate_committed(&net, 9);
    assert_int_equal(allowance() > 0, 1);
}

static void every_ticket_has_to_come_back(void **state)
{
    (void)state;
    struct hold_ticket first = gate_ticket(conn);
    struct hold_ticket second = gate_ticket(conn);
    assert_int_equal(first.gate_number, second.gate_number);
    append(1);
    turn();
    struct hold_ticket third = gate_ticket(conn);
    assert_int_not_equal(first.gate_number, third.gate_number);
    append(1);
    gate_confirmed(&net, &third, 1, true);
    assert_int_equal(allowance(), 0);
    gate_confirmed(&net, &first, 2, true);
    assert_null(conn->gates);
}

static void a_refusal_throws_away_what_was_held_and_nothing_else(void **state)
{
    (void)state;
    append(700);
    struct hold_ticket ticket = gate_ticket(conn);
    append(50);
    append(9000);
    gate_confirmed(&net, &ticket, 1, false);
    assert_int_equal(conn->output.bytes, 700);
    assert_int_equal(stat_read(&stats, STAT_OUTPUT_BYTES), 700);
    assert_int_equal(stat_read(&stats, STAT_UNACKNOWLEDGED), 1);
    assert_null(conn->gates);
    struct iovec iov[OUTPUT_IOV_MAX];
    assert_int_equal(output_gather(&conn->output, iov, UINT64_MAX), 1);
    assert_int_equal(iov[0].iov_len, 700);
    append(3);
    assert_int_equal(conn->output.bytes, 703);
}

static void a_failing_log_ends_those_who_wait_for_it(void **state)
{
    (void)state;
    struct hold_ticket ticket = gate_ticket(conn);
    append(5);
    gate_log_failed(&net);
    assert_non_null(conn->gates); /* it waits for another shard */
    turn();
    gate_confirmed(&net, &ticket, 1, true);
    gate_hold(conn, 4);
    append(5);
    gate_log_failed(&net);
    assert_null(conn->gates);
    assert_int_equal(conn->output.bytes, 5);
}

static void strange_tickets_are_ignored(void **state)
{
    (void)state;
    struct hold_ticket ticket = gate_ticket(conn);
    append(5);
    struct hold_ticket other = ticket;
    other.gate_number++;
    gate_confirmed(&net, &other, 1, true);
    other = ticket;
    other.conn.generation++;
    gate_confirmed(&net, &other, 1, false);
    assert_int_equal(allowance(), 0);
    gate_confirmed(&net, &ticket, 1, true);
    assert_null(conn->gates);
}

static void more_turns_than_gates_share_the_last(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 2 * GATES_MAX; i++) {
        gate_hold(conn, i);
        append(1);
        turn();
    }
    for (unsigned i = 1; i < GATES_MAX; i++) {
        gate_committed(&net, i);
        assert_int_equal(allowance(), i);
    }
    gate_committed(&net, 2 * GATES_MAX - 1);
    assert_int_equal(allowance(), GATES_MAX - 1);
    gate_committed(&net, 2 * GATES_MAX);
    assert_null(conn->gates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define GATE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        GATE_TEST(nothing_is_held_without_a_gate),
        GATE_TEST(what_is_behind_a_gate_waits_for_the_commit),
        GATE_TEST(a_record_that_is_committed_already_holds_nothing),
        GATE_TEST(holds_of_one_turn_share_a_gate),
        GATE_TEST(gates_of_several_turns_open_from_the_front),
        GATE_TEST(every_ticket_has_to_come_back),
        GATE_TEST(a_refusal_throws_away_what_was_held_and_nothing_else),
        GATE_TEST(a_failing_log_ends_those_who_wait_for_it),
        GATE_TEST(strange_tickets_are_ignored),
        GATE_TEST(more_turns_than_gates_share_the_last),
#undef GATE_TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
