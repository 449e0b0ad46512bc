/*
 * test_conn_cause.c -- the table of reasons why connections end (net/conn_cause.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "conn_cause.h"
#include "net_stats.h"

#define CAUSE_WILL(id, name, will, text) will,
static const bool wills[] = {CONN_CAUSE_TABLE(CAUSE_WILL)};
#undef CAUSE_WILL

static void causes_have_names_of_their_own(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CONN_CAUSE_COUNT; i++) {
        const char *name = conn_cause_name((enum conn_cause)i);
        assert_true(strlen(name) > 0);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        assert_true(strlen(conn_cause_text((enum conn_cause)i)) > 0);
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(name, conn_cause_name((enum conn_cause)j));
    }
    assert_string_equal(conn_cause_name(CAUSE_TAKEN_OVER), "taken_over");
    assert_string_equal(conn_cause_text(CAUSE_KEEP_ALIVE), "keep alive timeout");
}

/*
 * Only DISCONNECT with reason 0x00 deletes the will unpublished (MQTT 5.0 section 3.1.2.5), and a
 * CONNECT that is refused after all.
 */
static void only_a_plain_disconnect_takes_the_will_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CONN_CAUSE_COUNT; i++)
        assert_int_equal(wills[i], i != CAUSE_CLIENT_DISCONNECT && i != CAUSE_SESSION_NOT_STORED);
}

static void each_cause_has_a_counter(void **state)
{
    (void)state;
    assert_int_equal(STAT_NET_END - STAT_CLOSED, CONN_CAUSE_COUNT);
    assert_true((int)STAT_NET_END <= (int)STAT_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(causes_have_names_of_their_own),
        cmocka_unit_test(only_a_plain_disconnect_takes_the_will_back),
        cmocka_unit_test(each_cause_has_a_counter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
