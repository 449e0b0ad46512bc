/*
 * test_identity.c -- what is kept of who a client is (route/identity.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "identity.h"
#include "mem.h"

static void a_client_with_nothing_is_plain(void **state)
{
    (void)state;
    struct identity_draft draft = {.username = {.ptr = NULL}};
    assert_true(identity_is_plain(&draft));
    draft.username = bytes_of_text("");
    assert_false(identity_is_plain(&draft));
    draft = (struct identity_draft){.has_rules = true};
    assert_false(identity_is_plain(&draft));
}

static void everything_is_copied(void **state)
{
    (void)state;
    char name[] = "user";
    char topic[] = "a/#";
    char key[] = "group";
    char value[] = "g1";
    struct identity_attr attrs[] = {{bytes_of_text(key), bytes_of_text(value)}};
    struct identity_rule rules[] = {{.allow = true, .qos = 7, .topic = bytes_of_text(topic)}};
    struct identity_draft draft = {.username = bytes_of_text(name),
                                   .attrs = attrs,
                                   .attrs_num = 1,
                                   .rules = rules,
                                   .rules_num = 1,
                                   .has_rules = true,
                                   .expires_s = 7};
    struct identity *identity = identity_create(&draft);
    assert_non_null(identity);
    memset(name, 'x', sizeof(name));
    memset(topic, 'x', sizeof(topic));
    memset(key, 'x', sizeof(key));
    memset(value, 'x', sizeof(value));
    memset(attrs, 0, sizeof(attrs));
    memset(rules, 0, sizeof(rules));
    assert_true(bytes_equal(identity->is.username, bytes_of_text("user")));
    assert_null(identity->is.cert_common_name.ptr);
    assert_true(bytes_equal(identity->is.rules[0].topic, bytes_of_text("a/#")));
    assert_true(identity->is.rules[0].allow);
    struct client_identity client = {.attrs = identity->is.attrs, .attrs_num = 1};
    assert_true(
        bytes_equal(identity_attr_find(&client, bytes_of_text("group")), bytes_of_text("g1")));
    assert_null(identity_attr_find(&client, bytes_of_text("other")).ptr);
    identity_destroy(identity);
    identity_destroy(NULL);
}

static void too_much_is_refused(void **state)
{
    (void)state;
    static struct identity_attr attrs[IDENTITY_ATTRS_MAX + 1];
    static uint8_t large[IDENTITY_BYTES_MAX];
    struct identity_draft draft = {.attrs = attrs, .attrs_num = ARRAY_LEN(attrs)};
    assert_null(identity_create(&draft));
    draft = (struct identity_draft){.username = bytes_of(large, sizeof(large))};
    assert_null(identity_create(&draft));
}

static void without_memory_there_is_none(void **state)
{
    (void)state;
    struct identity_draft draft = {.username = bytes_of_text("user")};
    if (!mem_fail_after(0))
        skip();
    assert_null(identity_create(&draft));
    mem_fail_after(UINT64_MAX);
}

static void what_is_local(void **state)
{
    (void)state;
    static const struct {
        uint8_t address[16];
        bool is_local;
    } rows[] = {
        {{[10] = 0xff, [11] = 0xff, 127, 0, 0, 1}, true},
        {{[10] = 0xff, [11] = 0xff, 127, 8, 8, 8}, true},
        {{[10] = 0xff, [11] = 0xff, 192, 168, 0, 1}, false},
        {{[15] = 1}, true},
        {{[15] = 2}, false},
        {{0}, true},
        {{0xfe, 0x80, [15] = 1}, false},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(identity_is_local(rows[i].address), rows[i].is_local);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_with_nothing_is_plain),
        cmocka_unit_test(everything_is_copied),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(without_memory_there_is_none),
        cmocka_unit_test(what_is_local),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
