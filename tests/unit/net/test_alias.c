/*
 * test_alias.c -- topic aliases of one connection, in both directions (net/alias.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "alias.h"
#include "mem.h"

static struct conn conn;

static int set_up(void **state)
{
    (void)state;
    memset(&conn, 0, sizeof(conn));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)mem_fail_after(UINT64_MAX);
    aliases_free(&conn);
    assert_null(conn.aliases_in);
    assert_null(conn.aliases_out);
    return 0;
}

static enum rc set(uint16_t alias, const char *topic, uint64_t hash)
{
    return alias_in_set(&conn, alias, bytes_of_text(topic), hash);
}

static void expect(uint16_t alias, const char *topic, uint64_t hash)
{
    struct bytes found;
    uint64_t found_hash;
    assert_true(alias_in_get(&conn, alias, &found, &found_hash));
    assert_true(bytes_equal(found, bytes_of_text(topic)));
    assert_int_equal(found_hash, hash);
}

static bool is_bound(uint16_t alias)
{
    struct bytes topic;
    uint64_t hash;
    return alias_in_get(&conn, alias, &topic, &hash);
}

static void aliases_begin_unbound_and_without_memory(void **state)
{
    (void)state;
    assert_false(is_bound(0));
    assert_false(is_bound(1));
    assert_false(is_bound(65535));
    bool known = true;
    assert_int_equal(alias_out_find(&conn, bytes_of_text("t"), 5, &known), 0);
    assert_false(known);
    assert_null(conn.aliases_in);
    assert_null(conn.aliases_out);
}

static void the_client_binds_and_binds_again(void **state)
{
    (void)state;
    char topic[] = "a/b";
    assert_int_equal(set(3, topic, 33), RC_OK);
    topic[0] = 'X'; /* a copy was kept */
    expect(3, "a/b", 33);
    assert_false(is_bound(2));
    assert_false(is_bound(4));
    assert_int_equal(set(3, "a/b", 33), RC_OK);
    assert_int_equal(set(3, "other", 44), RC_OK);
    expect(3, "other", 44);
    assert_int_equal(set(1, "x", 1), RC_OK);
    assert_int_equal(set(65535, "last", 2), RC_OK);
    expect(1, "x", 1);
    expect(3, "other", 44);
    expect(65535, "last", 2);
    assert_false(is_bound(65534));
}

static void the_topics_of_a_client_are_bounded_in_bytes(void **state)
{
    (void)state;
    uint32_t len = 65535;
    uint8_t *topic = malloc(len);
    assert_non_null(topic);
    memset(topic, 'a', len);
    uint16_t alias = 1;
    while (alias_in_set(&conn, alias, bytes_of(topic, len), alias) == RC_OK)
        alias++;
    assert_int_equal(alias - 1, ALIAS_IN_BYTES_MAX / len);
    assert_int_equal(alias_in_set(&conn, alias, bytes_of(topic, len), alias), RC_FULL);
    assert_false(is_bound(alias));
    /* What is replaced makes room for what replaces it. */
    assert_int_equal(alias_in_set(&conn, 1, bytes_of(topic, len - 1), 7), RC_OK);
    assert_int_equal(alias_in_set(&conn, 1, bytes_of(topic, len), 8), RC_OK);
    assert_int_equal(set(1, "short", 9), RC_OK);
    assert_int_equal(alias_in_set(&conn, alias, bytes_of(topic, len - 5), 1), RC_OK);
    expect(1, "short", 9);
    free(topic);
}

static void without_memory_the_old_binding_stays(void **state)
{
    (void)state;
    if (!mem_fail_after(0))
        skip();
    assert_int_equal(set(1, "a", 1), RC_NO_MEMORY);
    for (uint64_t good = 0; good < 3; good++) {
        (void)mem_fail_after(good);
        (void)(set(1, "a", 1) == RC_OK);
    }
    (void)mem_fail_after(UINT64_MAX);
    assert_int_equal(set(1, "a", 1), RC_OK);
    (void)mem_fail_after(0);
    assert_int_equal(set(1, "b", 2), RC_NO_MEMORY);
    expect(1, "a", 1);
    (void)mem_fail_after(0);
    assert_int_equal(set(100, "c", 2), RC_NO_MEMORY);
    assert_false(is_bound(100));
    expect(1, "a", 1);
}

static void a_topic_has_the_alias_of_its_place(void **state)
{
    (void)state;
    conn.alias_out_max = 10;
    bool known;
    uint16_t alias = alias_out_find(&conn, bytes_of_text("t"), 25, &known);
    assert_int_equal(alias, 6);
    assert_false(known);
    /* Not known until the packet that says so is in the output. */
    assert_int_equal(alias_out_find(&conn, bytes_of_text("t"), 25, &known), 6);
    assert_false(known);
    alias_out_commit(&conn, alias, bytes_of_text("t"), 25);
    assert_int_equal(alias_out_find(&conn, bytes_of_text("t"), 25, &known), 6);
    assert_true(known);
    for (uint64_t hash = 0; hash < 100; hash++) {
        alias = alias_out_find(&conn, bytes_of_text("u"), hash, &known);
        assert_in_range(alias, 1, 10);
        assert_false(known);
    }
}

static void a_topic_takes_a_place_over(void **state)
{
    (void)state;
    conn.alias_out_max = 4;
    alias_out_commit(&conn, alias_out_find(&conn, bytes_of_text("t"), 8, &(bool){false}),
                     bytes_of_text("t"), 8);
    bool known;
    assert_int_equal(alias_out_find(&conn, bytes_of_text("u"), 12, &known), 1);
    assert_false(known);
    alias_out_commit(&conn, 1, bytes_of_text("u"), 12);
    assert_int_equal(alias_out_find(&conn, bytes_of_text("u"), 12, &known), 1);
    assert_true(known);
    alias_out_find(&conn, bytes_of_text("t"), 8, &known);
    assert_false(known);
}

/* Two topics with one hash must not pass for each other. */
static void a_hash_is_not_a_topic(void **state)
{
    (void)state;
    conn.alias_out_max = 4;
    bool known;
    alias_out_find(&conn, bytes_of_text("t"), 8, &known);
    alias_out_commit(&conn, 1, bytes_of_text("t"), 8);
    alias_out_find(&conn, bytes_of_text("x"), 8, &known);
    assert_false(known);
    alias_out_find(&conn, bytes_of_text("tt"), 8, &known);
    assert_false(known);
    assert_int_equal(set(1, "t", 8), RC_OK);
    assert_int_equal(set(1, "x", 8), RC_OK);
    expect(1, "x", 8);
}

static void without_memory_a_topic_goes_without_alias(void **state)
{
    (void)state;
    conn.alias_out_max = 4;
    bool known = true;
    if (!mem_fail_after(0))
        skip();
    assert_int_equal(alias_out_find(&conn, bytes_of_text("t"), 8, &known), 0);
    assert_false(known);
    alias_out_find(&conn, bytes_of_text("t"), 8, &known);
    alias_out_commit(&conn, 1, bytes_of_text("t"), 8);
    (void)mem_fail_after(0);
    alias_out_commit(&conn, 1, bytes_of_text("u"), 12);
    (void)mem_fail_after(UINT64_MAX);
    /* The client now thinks of "u"; neither may be sent by alias alone. */
    alias_out_find(&conn, bytes_of_text("t"), 8, &known);
    assert_false(known);
    alias_out_find(&conn, bytes_of_text("u"), 12, &known);
    assert_false(known);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(aliases_begin_unbound_and_without_memory),
        TEST(the_client_binds_and_binds_again),
        TEST(the_topics_of_a_client_are_bounded_in_bytes),
        TEST(without_memory_the_old_binding_stays),
        TEST(a_topic_has_the_alias_of_its_place),
        TEST(a_topic_takes_a_place_over),
        TEST(a_hash_is_not_a_topic),
        TEST(without_memory_a_topic_goes_without_alias),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
