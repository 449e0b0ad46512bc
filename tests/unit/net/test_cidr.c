/*
 * test_cidr.c -- ranges of addresses and ordered rules.
 *
 * Held against addresses at both ends of each range, against IPv4 as it comes from IPv6 sockets,
 * and against what an operator may mistype.
 */
#include "cidr.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct in6_addr address_of(const char *text)
{
    struct in6_addr out;
    uint16_t port;
    assert_true(cidr_address_parse(text, (uint32_t)strlen(text), &out, &port));
    return out;
}

static bool range_holds(const char *range, const char *address)
{
    struct cidr cidr;
    const char *reason = NULL;
    assert_int_equal(cidr_parse(range, &cidr, &reason), RC_OK);
    struct in6_addr in6 = address_of(address);
    return cidr_holds(&cidr, &in6);
}

static void test_cidr_edges(void **state)
{
    (void)state;
    assert_true(range_holds("192.168.0.0/24", "192.168.0.0"));
    assert_true(range_holds("192.168.0.0/24", "192.168.0.255"));
    assert_false(range_holds("192.168.0.0/24", "192.168.1.0"));
    assert_false(range_holds("192.168.0.0/24", "192.167.255.255"));
    assert_true(range_holds("10.0.0.0/9", "10.127.255.255"));
    assert_false(range_holds("10.0.0.0/9", "10.128.0.0"));
    assert_true(range_holds("10.1.2.3", "10.1.2.3"));
    assert_false(range_holds("10.1.2.3", "10.1.2.2"));
    assert_true(range_holds("0.0.0.0/0", "255.255.255.255"));
    assert_true(range_holds("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(range_holds("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(range_holds("::1", "::1"));
    assert_false(range_holds("::1", "::2"));
    assert_true(range_holds("2001:db8::ff/124", "2001:db8::f0"));
}

static void test_cidr_bits_behind_the_length_are_ignored(void **state)
{
    (void)state;
    assert_true(range_holds("192.168.0.77/24", "192.168.0.1"));
    assert_true(range_holds("2001:db8::77/64", "2001:db8::1"));
}

static void test_cidr_families(void **state)
{
    (void)state;
    assert_true(range_holds("10.0.0.0/8", "::ffff:10.1.1.1"));
    assert_true(range_holds("::ffff:10.0.0.0/104", "10.1.1.1"));
    assert_false(range_holds("::/0", "10.1.1.1"));
    assert_true(range_holds("::/0", "2001:db8::1"));
    assert_false(range_holds("0.0.0.0/0", "2001:db8::1"));
    assert_true(range_holds("all", "10.1.1.1"));
    assert_true(range_holds("ALL", "2001:db8::1"));
}

static void test_cidr_refuses(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",          "x",           "1.2.3",       "1.2.3.4/33",
                                        "1.2.3.4/",  "1.2.3.4/-1",  "1.2.3.4/8x",  "::/129",
                                        "[::1]/128", "1.2.3.4 /24", "1.2.3.4/240", "all/3"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct cidr cidr = {.bits = 77};
        const char *reason = NULL;
        assert_int_equal(cidr_parse(wrong[i], &cidr, &reason), RC_INVALID);
        assert_non_null(reason);
        assert_int_equal(cidr.bits, 77);
    }
}

static void test_cidr_rules_first_decides(void **state)
{
    (void)state;
    static const char *const texts[] = {"deny 10.0.0.13", "allow 10.0.0.0/8", "deny all"};
    struct cidr_rule rules[ARRAY_LEN(texts)];
    const char *reason = NULL;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(cidr_rule_parse(texts[i], &rules[i], &reason), RC_OK);
    struct in6_addr bad = address_of("10.0.0.13");
    struct in6_addr good = address_of("10.0.0.14");
    struct in6_addr other = address_of("11.0.0.1");
    assert_false(cidr_rules_allow(rules, 3, &bad));
    assert_true(cidr_rules_allow(rules, 3, &good));
    assert_false(cidr_rules_allow(rules, 3, &other));
    /* Without the last rule it is the opposite of the last one that decides. */
    assert_false(cidr_rules_allow(rules, 2, &other));
    assert_true(cidr_rules_allow(rules, 1, &other));
    assert_true(cidr_rules_allow(rules, 0, &other));
}

static void test_cidr_rule_texts(void **state)
{
    (void)state;
    struct cidr_rule rule;
    const char *reason = NULL;
    assert_int_equal(cidr_rule_parse("Allow \t all", &rule, &reason), RC_OK);
    assert_true(rule.allow && rule.range.is_all);
    static const char *const wrong[] = {"",         "allow",          "permit all", "allow all x",
                                        "allowall", "deny 1.2.3.4/99"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        reason = NULL;
        assert_int_equal(cidr_rule_parse(wrong[i], &rule, &reason), RC_INVALID);
        assert_non_null(reason);
    }
}

static void test_cidr_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *address; /* NULL: refused */
        uint16_t port;
    } rows[] = {
        {"1.2.3.4", "1.2.3.4", 0},
        {"1.2.3.4:567", "1.2.3.4", 567},
        {"::1", "::1", 0},
        {"[::1]", "::1", 0},
        {"[::1]:65535", "::1", 65535},
        {"2001:db8::1:2", "2001:db8::1:2", 0},
        {"", NULL, 0},
        {"unknown", NULL, 0},
        {"1.2.3.4:", NULL, 0},
        {"1.2.3.4:65536", NULL, 0},
        {"1.2.3.4:123456", NULL, 0},
        {"[::1", NULL, 0},
        {"[::1]x", NULL, 0},
        {"[1.2.3.4]:5", NULL, 0},
        {"[::1]:", NULL, 0},
        {"1.2.3.4:5:6", NULL, 0},
        {"_hidden", NULL, 0},
        {":5", NULL, 0},
        {"[]:5", NULL, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct in6_addr out;
        uint16_t port = 7;
        bool is = cidr_address_parse(rows[i].text, (uint32_t)strlen(rows[i].text), &out, &port);
        assert_int_equal(is, rows[i].address != NULL);
        assert_int_equal(port, is ? rows[i].port : 7);
        if (is) {
            struct in6_addr want = address_of(rows[i].address);
            assert_memory_equal(&out, &want, sizeof(out));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cidr_edges),
        cmocka_unit_test(test_cidr_bits_behind_the_length_are_ignored),
        cmocka_unit_test(test_cidr_families),
        cmocka_unit_test(test_cidr_refuses),
        cmocka_unit_test(test_cidr_rules_first_decides),
        cmocka_unit_test(test_cidr_rule_texts),
        cmocka_unit_test(test_cidr_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
