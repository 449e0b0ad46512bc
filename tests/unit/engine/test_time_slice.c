/*
 * test_time_slice.c -- short slices (engine/time_slice.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "time_slice.h"

/* Linux 6.12 came with them. */
static bool kernel_has_slices(void)
{
    struct utsname name;
    unsigned major = 0, minor = 0;
    if (uname(&name) != 0 || sscanf(name.release, "%u.%u", &major, &minor) != 2)
        return false;
    return major > 6 || (major == 6 && minor >= 12);
}

struct answer {
    bool done;
    uint64_t slice_ns;
};

static void *shorten(void *argument)
{
    struct answer *answer = argument;
    answer->done = time_slice_shorten();
    answer->slice_ns = time_slice_ns();
    return NULL;
}

static void a_thread_gets_shorter_slices_and_others_keep_theirs(void **state)
{
    (void)state;
    uint64_t before_ns = time_slice_ns();
    struct answer answer = {0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, shorten, &answer), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    if (kernel_has_slices() && answer.done)
        assert_int_equal(answer.slice_ns, TIME_SLICE_NS);
    assert_int_equal(time_slice_ns(), before_ns);
}

static void asking_twice_changes_nothing(void **state)
{
    (void)state;
    bool first = time_slice_shorten();
    uint64_t slice_ns = time_slice_ns();
    assert_int_equal(time_slice_shorten(), first);
    assert_int_equal(time_slice_ns(), slice_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_gets_shorter_slices_and_others_keep_theirs),
        cmocka_unit_test(asking_twice_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
