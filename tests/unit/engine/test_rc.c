/*
 * test_rc.c -- every result code has a text and a culprit (engine/rc.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "rc.h"

static void each_code_has_a_text(void **state)
{
    (void)state;
    for (unsigned code = 0; code < RC_COUNT; code++) {
        assert_non_null(rc_text((enum rc)code));
        assert_true(strlen(rc_text((enum rc)code)) > 0);
    }
}

static void success_is_nobodys_fault(void **state)
{
    (void)state;
    assert_int_equal(rc_fault(RC_OK), RC_FAULT_NONE);
    assert_int_equal(rc_fault(RC_IO), RC_FAULT_MACHINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_code_has_a_text),
        cmocka_unit_test(success_is_nobodys_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
