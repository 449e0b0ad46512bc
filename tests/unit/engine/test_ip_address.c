/*
 * test_ip_address.c -- texts of addresses, both ways (ip_address.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "ip_address.h"

/* The usual text of what `text` says; "" if it says no address. */
static const char *usual(const char *text, size_t len)
{
    static char out[INET6_ADDRSTRLEN];
    struct in6_addr address;
    return ip_address_parse(text, len, &address) ? ip_address_text(&address, out) : "";
}

static const char *usual_text(const char *text)
{
    return usual(text, strlen(text));
}

static void rfc4291_both_families_have_one_form(void **state)
{
    (void)state;
    assert_string_equal(usual_text("192.168.0.7"), "192.168.0.7");
    assert_string_equal(usual_text("::ffff:192.168.0.7"), "192.168.0.7");
    assert_string_equal(usual_text("2001:DB8:0::1"), "2001:db8::1");
    assert_string_equal(usual_text("::"), "::");
    struct in6_addr four = ip_address_of_v4("\x7f\0\0\x01");
    assert_true(IN6_IS_ADDR_V4MAPPED(&four));
    char text[INET6_ADDRSTRLEN];
    assert_string_equal(ip_address_text(&four, text), "127.0.0.1");
}

static void only_the_bytes_given_count(void **state)
{
    (void)state;
    assert_string_equal(usual("10.0.0.1 and more", 8), "10.0.0.1");
    assert_string_equal(usual("10.0.0.1\0", 9), "");
}

static void what_is_no_address_leaves_the_place_untouched(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "01.2.3.4.x",
        "[::1]",
        "::1%lo",
        "12345::",
        "localhost",
        " 1.2.3.4",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct in6_addr address = ip_address_of_v4("\1\2\3\4");
        assert_false(ip_address_parse(wrong[i], strlen(wrong[i]), &address));
        assert_int_equal(address.s6_addr[15], 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc4291_both_families_have_one_form),
        cmocka_unit_test(only_the_bytes_given_count),
        cmocka_unit_test(what_is_no_address_leaves_the_place_untouched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
