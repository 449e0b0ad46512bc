/*
 * test_tally.c -- loss, repetition and order, told apart (bench/load/tally.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tally.h"

#define WINDOW   100
#define STALL_NS 1000

static struct tally_lane lane;
static struct tally tallies[3];
static bool has_moved;

static int setup(void **state)
{
    (void)state;
    tally_lane_init(&lane, NULL, 3);
    tally_init(&tallies[0], &lane, WINDOW);
    return 0;
}

static int setup_three(void **state)
{
    setup(state);
    tally_init(&tallies[1], &lane, WINDOW);
    tally_init(&tallies[2], &lane, WINDOW);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        tally_fini(&tallies[i]);
    tally_lane_fini(&lane);
    return 0;
}

static enum tally_outcome receive(unsigned at, uint64_t number)
{
    return tally_receive(&tallies[at], number, &has_moved);
}

static void in_order_moves_the_head(void **state)
{
    (void)state;
    for (uint64_t number = 0; number < 1000; number++) {
        assert_int_equal(receive(0, number), TALLY_FRESH);
        assert_true(has_moved);
        assert_int_equal(tally_lane_head(&lane), number + 1);
    }
}

static void a_gap_holds_the_head_until_it_closes(void **state)
{
    (void)state;
    assert_int_equal(receive(0, 1), TALLY_FRESH);
    assert_false(has_moved);
    assert_int_equal(receive(0, 2), TALLY_FRESH);
    assert_int_equal(tally_lane_head(&lane), 0);
    assert_int_equal(receive(0, 0), TALLY_OUT_OF_ORDER);
    assert_true(has_moved);
    assert_int_equal(tally_lane_head(&lane), 3);
    assert_int_equal(receive(0, 3), TALLY_FRESH);
}

static void the_second_time_is_a_duplicate(void **state)
{
    (void)state;
    assert_int_equal(receive(0, 0), TALLY_FRESH);
    assert_int_equal(receive(0, 0), TALLY_DUPLICATE);
    assert_int_equal(receive(0, 5), TALLY_FRESH);
    assert_int_equal(receive(0, 5), TALLY_DUPLICATE);
    assert_int_equal(tallies[0].receipts, 2);
    assert_false(has_moved);
}

static void numbers_far_ahead_were_never_sent(void **state)
{
    (void)state;
    assert_int_equal(receive(0, tallies[0].capacity), TALLY_ALIEN);
    assert_int_equal(receive(0, tallies[0].capacity - 1), TALLY_FRESH);
    assert_int_equal(receive(0, UINT64_MAX), TALLY_ALIEN);
}

static void the_head_of_a_lane_is_its_slowest(void **state)
{
    (void)state;
    receive(0, 0);
    assert_false(has_moved);
    receive(1, 0);
    receive(1, 1);
    assert_false(has_moved);
    receive(2, 0);
    assert_true(has_moved);
    assert_int_equal(tally_lane_head(&lane), 1);
    receive(0, 1);
    receive(0, 2);
    receive(1, 2);
    assert_int_equal(tally_lane_head(&lane), 1);
    receive(2, 2);
    receive(2, 1);
    assert_true(has_moved);
    assert_int_equal(tally_lane_head(&lane), 3);
}

static void nothing_is_given_up_while_something_arrives(void **state)
{
    (void)state;
    assert_int_equal(tally_tick(&tallies[0], 10, 0, STALL_NS, &has_moved), 0);
    for (uint64_t number = 1; number < 10; number++) {
        receive(0, number);
        assert_int_equal(tally_tick(&tallies[0], 10, number * STALL_NS, STALL_NS, &has_moved), 0);
    }
}

static void a_stall_gives_up_what_was_sent_before_it(void **state)
{
    (void)state;
    assert_int_equal(tally_tick(&tallies[0], 5, 0, STALL_NS, &has_moved), 0);
    receive(0, 0);
    receive(0, 3);
    /* Progress: the clock starts here, with 5 numbers sent. */
    assert_int_equal(tally_tick(&tallies[0], 5, 10, STALL_NS, &has_moved), 0);
    assert_int_equal(tally_tick(&tallies[0], 9, 9 + STALL_NS, STALL_NS, &has_moved), 0);
    assert_int_equal(tally_tick(&tallies[0], 9, 10 + STALL_NS, STALL_NS, &has_moved), 3);
    assert_true(has_moved);
    assert_int_equal(tally_lane_head(&lane), 5);
    /* Numbers 5 to 8 were sent later and get the full time. */
    assert_int_equal(tally_tick(&tallies[0], 9, 11 + STALL_NS, STALL_NS, &has_moved), 0);
    assert_int_equal(tally_tick(&tallies[0], 9, 10 + 2 * STALL_NS, STALL_NS, &has_moved), 4);
}

static void a_quiet_publisher_is_no_stall(void **state)
{
    (void)state;
    receive(0, 0);
    for (uint64_t now_ns = 0; now_ns < 10 * STALL_NS; now_ns += STALL_NS)
        assert_int_equal(tally_tick(&tallies[0], 1, now_ns, STALL_NS, &has_moved), 0);
}

static void what_comes_after_being_given_up_is_late_once(void **state)
{
    (void)state;
    receive(0, 4);
    assert_int_equal(tally_give_up(&tallies[0], 8, &has_moved), 7);
    assert_int_equal(tally_lane_head(&lane), 8);
    assert_int_equal(receive(0, 4), TALLY_DUPLICATE);
    const uint64_t late[] = {2, 0, 3, 1, 5, 7, 6};
    for (unsigned i = 0; i < ARRAY_LEN(late); i++) {
        bool is_behind = late[i] < 5 || late[i] == 6;
        assert_int_equal(receive(0, late[i]), is_behind ? TALLY_LATE_BEHIND : TALLY_LATE);
        assert_int_equal(receive(0, late[i]), TALLY_DUPLICATE);
    }
    assert_int_equal(tallies[0].lost_num, 0);
    assert_int_equal(receive(0, 8), TALLY_FRESH);
}

static void giving_up_runs_on_over_what_had_arrived(void **state)
{
    (void)state;
    receive(0, 1);
    receive(0, 2);
    assert_int_equal(tally_give_up(&tallies[0], 1, &has_moved), 1);
    assert_true(has_moved);
    assert_int_equal(tally_lane_head(&lane), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_order_moves_the_head, setup, teardown),
        cmocka_unit_test_setup_teardown(a_gap_holds_the_head_until_it_closes, setup, teardown),
        cmocka_unit_test_setup_teardown(the_second_time_is_a_duplicate, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_far_ahead_were_never_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(the_head_of_a_lane_is_its_slowest, setup_three, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_given_up_while_something_arrives, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_stall_gives_up_what_was_sent_before_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_quiet_publisher_is_no_stall, setup, teardown),
        cmocka_unit_test_setup_teardown(what_comes_after_being_given_up_is_late_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(giving_up_runs_on_over_what_had_arrived, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
