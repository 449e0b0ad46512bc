/*
 * test_confirm.c -- confirmations owed to other shards (route/confirm.h).
 */
#include "confirm.h"
#include "router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define HEARD_MAX 256

static struct shard shard;
static struct router router;
static struct sink sink;

static struct {
    struct hold_ticket ticket;
    uint32_t count;
    bool ok;
} heard[HEARD_MAX];
static unsigned heard_num;

static void hear(struct shard *self, const struct hold_ticket *ticket, uint32_t count, bool ok)
{
    assert_ptr_equal(self, &shard);
    assert_true(heard_num < HEARD_MAX);
    heard[heard_num].ticket = *ticket;
    heard[heard_num].count = count;
    heard[heard_num++].ok = ok;
}

static int set_up(void **state)
{
    (void)state;
    memset(&shard, 0, sizeof(shard));
    memset(&router, 0, sizeof(router));
    sink.confirmed = hear;
    router.magic = ROUTER_MAGIC;
    router.shard = &shard;
    router.sink = &sink;
    shard.route = &router;
    heard_num = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)mem_fail_after(UINT64_MAX);
    confirm_fini(&router);
    return 0;
}

static struct hold_ticket ticket_of(uint32_t slot, uint32_t number)
{
    return (struct hold_ticket){.conn = {.slot = slot, .generation = 1}, .gate_number = number};
}

static void owe(uint32_t slot, uint32_t number, uint64_t lsn)
{
    struct hold_ticket ticket = ticket_of(slot, number);
    confirm_owe(&router, &ticket, lsn);
}

static void nobody_is_told_before_the_commit(void **state)
{
    (void)state;
    owe(1, 1, 4);
    confirm_run(&router);
    assert_int_equal(heard_num, 0);
    router.log_committed = 4;
    confirm_run(&router);
    assert_int_equal(heard_num, 1);
    assert_true(heard[0].ok);
    assert_int_equal(heard[0].ticket.gate_number, 1);
    confirm_run(&router);
    assert_int_equal(heard_num, 1);
}

static void one_ticket_after_the_other_is_one_answer(void **state)
{
    (void)state;
    owe(1, 1, 4);
    owe(1, 1, 0);
    owe(1, 1, 6);
    owe(2, 1, 7);
    router.log_committed = 5;
    confirm_run(&router);
    assert_int_equal(heard_num, 0);
    router.log_committed = 7;
    confirm_run(&router);
    assert_int_equal(heard_num, 2);
    assert_int_equal(heard[0].count, 3);
    assert_int_equal(heard[1].count, 1);
}

static void nobody_waits_with_no_ticket(void **state)
{
    (void)state;
    struct hold_ticket none = {.conn = HANDLE_NONE};
    confirm_owe(&router, &none, 0);
    confirm_refuse(&router, &none);
    confirm_run(&router);
    assert_int_equal(heard_num, 0);
}

static void a_failure_refuses_what_is_not_committed(void **state)
{
    (void)state;
    owe(1, 1, 3);
    owe(2, 1, 4);
    router.log_committed = 3;
    confirm_fail(&router);
    assert_int_equal(heard_num, 2);
    assert_true(heard[0].ok);
    assert_false(heard[1].ok);
}

static void without_memory_the_answer_is_no(void **state)
{
    (void)state;
    assert_true(mem_fail_after(0));
    owe(1, 1, 3);
    assert_int_equal(heard_num, 1);
    assert_false(heard[0].ok);
}

static void order_holds_while_it_grows(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 40; i++)
        owe(i, 1, i + 1);
    router.log_committed = 30;
    confirm_run(&router);
    for (uint32_t i = 40; i < 200; i++)
        owe(i, 1, i + 1);
    router.log_committed = 200;
    confirm_run(&router);
    assert_int_equal(heard_num, 200);
    for (uint32_t i = 0; i < 200; i++)
        assert_int_equal(heard[i].ticket.conn.slot, i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CONFIRM_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CONFIRM_TEST(nobody_is_told_before_the_commit),
        CONFIRM_TEST(one_ticket_after_the_other_is_one_answer),
        CONFIRM_TEST(nobody_waits_with_no_ticket),
        CONFIRM_TEST(a_failure_refuses_what_is_not_committed),
        CONFIRM_TEST(without_memory_the_answer_is_no),
        CONFIRM_TEST(order_holds_while_it_grows),
#undef CONFIRM_TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
