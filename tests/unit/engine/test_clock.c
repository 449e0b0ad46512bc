/*
 * test_clock.c -- the only reader of time (engine/clock.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#include "clock.h"

static void the_monotonic_clock_never_goes_back(void **state)
{
    (void)state;
    uint64_t before_ns = clock_mono_ns();
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t now_ns = clock_mono_ns();
        assert_true(now_ns >= before_ns);
        before_ns = now_ns;
    }
}

static void the_monotonic_clock_counts_nanoseconds(void **state)
{
    (void)state;
    uint64_t before_ns = clock_mono_ns();
    struct timespec pause = {.tv_nsec = 20000000};
    while (nanosleep(&pause, &pause) != 0)
        ;
    uint64_t passed_ns = clock_mono_ns() - before_ns;
    assert_true(passed_ns >= 20000000);
    assert_true(passed_ns < UINT64_C(20000000000)); /* loose, for a busy machine */
}

static void the_wall_clock_counts_milliseconds_since_1970(void **state)
{
    (void)state;
    uint64_t seconds = (uint64_t)time(NULL);
    uint64_t wall_ms = clock_wall_ms();
    assert_true(wall_ms / 1000 + 1 >= seconds && wall_ms / 1000 <= seconds + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_monotonic_clock_never_goes_back),
        cmocka_unit_test(the_monotonic_clock_counts_nanoseconds),
        cmocka_unit_test(the_wall_clock_counts_milliseconds_since_1970),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
