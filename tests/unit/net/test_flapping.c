/*
 * test_flapping.c -- who comes and goes too often is found, others are not, in bounded memory
 * (net/flapping.h).
 */
#include "flapping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct hash_key key = {.words = {7, 11}};
static const struct flapping_limits three = {.count = 3, .window_ms = 60000};
static struct flapping *flapping;

static int set_up(void **state)
{
    (void)state;
    flapping = flapping_create(&key);
    return flapping == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    flapping_destroy(flapping);
    return 0;
}

static bool note(const char *client_id, uint64_t now_ms)
{
    return flapping_note(flapping, &three, bytes_of_text(client_id), now_ms);
}

static void the_third_end_in_a_window_is_one_too_many(void **state)
{
    (void)state;
    assert_false(note("a", 1000));
    assert_false(note("b", 1000));
    assert_false(note("a", 20000));
    assert_false(note("b", 20000));
    assert_true(note("a", 60000));
    /* And then it begins anew. */
    assert_false(note("a", 60000));
    assert_false(note("a", 60000));
    assert_true(note("a", 60000));
}

static void a_window_ends(void **state)
{
    (void)state;
    assert_false(note("a", 1000));
    assert_false(note("a", 2000));
    assert_false(note("a", 61000));
    assert_false(note("a", 62000));
    assert_true(note("a", 63000));
}

static void it_can_be_off(void **state)
{
    (void)state;
    const struct flapping_limits off = {.count = 0, .window_ms = 60000};
    for (unsigned i = 0; i < 100; i++)
        assert_false(flapping_note(flapping, &off, bytes_of_text("a"), 1000));
}

static void many_others_do_not_hide_one(void **state)
{
    (void)state;
    char name[16];
    unsigned found = 0;
    for (unsigned i = 0; i < 300000; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        found += note(name, 1000 + i / 100);
        if (i % 1000 == 0)
            found += note("flapper", 1000 + i / 100) ? 1000 : 0;
    }
    /* Its place may be taken by others from time to time, but not for three ends in a row. */
    assert_true(found >= 1000);
    assert_int_equal(found % 1000, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_third_end_in_a_window_is_one_too_many, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_window_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_can_be_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_others_do_not_hide_one, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
