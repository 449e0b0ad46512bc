/*
 * test_spin.c -- how long a shard spins (engine/spin.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spin.h"

#define MAX_NS UINT64_C(100000)

static struct spin spin;

static int set_up(void **state)
{
    (void)state;
    spin_init(&spin, MAX_NS);
    return 0;
}

static void nobody_spins_before_it_has_paid(void **state)
{
    (void)state;
    assert_int_equal(spin_length_ns(&spin, 0), 0);
}

static void short_waits_make_it_longer_up_to_the_most(void **state)
{
    (void)state;
    spin_learn(&spin, MAX_NS);
    assert_int_equal(spin_length_ns(&spin, 1), SPIN_FIRST_NS);
    spin_learn(&spin, 1);
    assert_int_equal(spin_length_ns(&spin, 1), 2 * SPIN_FIRST_NS);
    for (unsigned i = 0; i < 70; i++)
        spin_learn(&spin, 1);
    assert_int_equal(spin_length_ns(&spin, 1), MAX_NS);
}

static void long_waits_end_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 70; i++)
        spin_learn(&spin, 1);
    spin_learn(&spin, MAX_NS + 1);
    assert_int_equal(spin_length_ns(&spin, 1), MAX_NS / 2);
    for (unsigned i = 0; i < 4; i++)
        spin_learn(&spin, UINT64_C(1000000000));
    assert_int_equal(spin_length_ns(&spin, 1), 0);
}

static void who_may_not_spin_never_does(void **state)
{
    (void)state;
    spin_init(&spin, 0);
    for (unsigned i = 0; i < 10; i++)
        spin_learn(&spin, i % 2);
    assert_int_equal(spin_length_ns(&spin, 1), 0);
}

static void the_most_may_be_less_than_the_first(void **state)
{
    (void)state;
    spin_init(&spin, 1000);
    spin_learn(&spin, 1000);
    assert_int_equal(spin_length_ns(&spin, 1), 1000);
    spin_learn(&spin, 1001);
    assert_int_equal(spin_length_ns(&spin, 1), 0);
}

static void who_loses_the_core_rests(void **state)
{
    (void)state;
    uint64_t at_ns = UINT64_C(5000000000);
    spin_learn(&spin, 1);
    assert_false(spin_jumped(&spin, at_ns, at_ns + SPIN_JUMP_NS - 1));
    assert_int_equal(spin_length_ns(&spin, at_ns), SPIN_FIRST_NS);
    assert_true(spin_jumped(&spin, at_ns - SPIN_JUMP_NS, at_ns));
    for (unsigned i = 0; i < 10; i++)
        spin_learn(&spin, 1);
    assert_int_equal(spin_length_ns(&spin, at_ns + SPIN_REST_NS - 1), 0);
    assert_true(spin_length_ns(&spin, at_ns + SPIN_REST_NS) > 0);
}

static void after_bulk_there_is_none_for_a_while(void **state)
{
    (void)state;
    uint64_t at_ns = UINT64_C(5000000000);
    spin_learn(&spin, 1);
    spin_worked(&spin, SPIN_BULK_BYTES - 1, at_ns);
    assert_true(spin_length_ns(&spin, at_ns) > 0);
    spin_worked(&spin, SPIN_BULK_BYTES, at_ns);
    assert_int_equal(spin_length_ns(&spin, at_ns + SPIN_BULK_NS - 1), 0);
    assert_true(spin_length_ns(&spin, at_ns + SPIN_BULK_NS) > 0);
    spin_jumped(&spin, at_ns - SPIN_JUMP_NS, at_ns);
    spin_worked(&spin, SPIN_BULK_BYTES, at_ns);
    assert_int_equal(spin_length_ns(&spin, at_ns + SPIN_REST_NS - 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nobody_spins_before_it_has_paid, set_up),
        cmocka_unit_test_setup(short_waits_make_it_longer_up_to_the_most, set_up),
        cmocka_unit_test_setup(long_waits_end_it, set_up),
        cmocka_unit_test_setup(who_may_not_spin_never_does, set_up),
        cmocka_unit_test_setup(the_most_may_be_less_than_the_first, set_up),
        cmocka_unit_test_setup(who_loses_the_core_rests, set_up),
        cmocka_unit_test_setup(after_bulk_there_is_none_for_a_while, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
