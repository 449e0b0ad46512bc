/*
 * test_config_change.c -- what differs between two configurations, and what the new one may say
 * (ops/config_change.h).
 */
#include "config_change.h"
#include "config_try.h"
#include "config_value.h"

#include <stdio.h>

static struct config current;
static struct config next;
static char told[4096];

static int tear_down(void **state)
{
    (void)state;
    config_fini(&current);
    config_fini(&next);
    config_try_reset();
    return 0;
}

static struct config load(const char *text)
{
    config_try_ok(text);
    struct config loaded = try_config;
    memset(&try_config, 0, sizeof(try_config));
    return loaded;
}

static void tell(void *context, const struct config_change *change)
{
    size_t len = strlen(told);
    assert_ptr_equal(context, told);
    snprintf(told + len, sizeof(told) - len, "%s: %s > %s%s\n", change->path,
             change->from == NULL ? "-" : change->from, change->to == NULL ? "-" : change->to,
             change->reloadable ? "" : " restart");
}

static void says(const char *expected)
{
    told[0] = '\0';
    config_changes(&current, &next, tell, told);
    assert_string_equal(told, expected);
}

static void the_same_text_differs_in_nothing(void **state)
{
    (void)state;
    static const char text[] = "data_dir: none\n"
                               "mqtt: {max_qos: 1, response_information: x, mqueue_priorities: "
                               "{a: 1}}\n"
                               "shards: {cpus: '0-1'}\n"
                               "listeners: [{bind: 'tcp://:1883', tcp_keepalive: '1s,1s,1'}]\n";
    current = load(text);
    next = load(text);
    says("");
}

static void each_difference_is_told_once(void **state)
{
    (void)state;
    current = load("listeners: [{name: a, bind: 'tcp://:1'}, {name: b, bind: 'tcp://:2'}]\n");
    next = load("data_dir: none\n"
                "mqtt: {max_qos: 1, server_reference: other, mqueue_priorities: {t: 3}}\n"
                "shards: {count: 3}\n"
                "admin: {listen: none}\n"
                "listeners: [{name: c, bind: 'tcp://:2'},\n"
                "  {name: a, bind: 'tcp://:1', max_connections: 5, backlog: 6}]\n");
    says("data_dir: \"\" > \"none\" restart\n"
         "mqtt.max_qos: 2 > 1\n"
         "mqtt.mqueue_priorities: disabled > t=3\n"
         "mqtt.server_reference: \"\" > \"other\"\n"
         "shards.count: 0 > 3 restart\n"
         "admin.listen: tcp://127.0.0.1:18083 > none restart\n"
         "listeners.a.max_connections: infinity > 5\n"
         "listeners.a.backlog: 1024 > 6 restart\n"
         "listeners.b: tcp://:2 > -\n"
         "listeners.c: - > tcp://:2\n");
}

static void long_texts_are_compared_whole(void **state)
{
    (void)state;
    char text[600];
    snprintf(text, sizeof(text), "mqtt: {server_reference: %0400d}\n", 1);
    current = load(text);
    snprintf(text, sizeof(text), "mqtt: {server_reference: %0400d}\n", 2);
    next = load(text);
    says("mqtt.server_reference: (400 bytes) > (400 bytes)\n");
}

static void align(uint64_t vacant)
{
    static struct error_list errors;
    error_list_init(&errors);
    assert_true(config_align(&current, &next, vacant, &errors));
}

static void a_vacant_place_is_taken_again(void **state)
{
    (void)state;
    current = load("listeners: [{name: a, bind: 'tcp://:1'}, {name: b, bind: 'tcp://:2'}]\n");
    next = load("listeners: [{name: b, bind: 'tcp://:2'}]\n");
    align(0);
    config_keep(&current, &next);
    config_fini(&current);
    current = next;
    next = load("listeners: [{name: c, bind: 'tcp://:3'}, {name: b, bind: 'tcp://:2'}]\n");
    align(1);
    assert_int_equal(next.num_listeners, 2);
    assert_ptr_equal(config_listener_find(&next, "c"), &next.listeners[0]);
    assert_ptr_equal(config_listener_find(&next, "b"), &next.listeners[1]);
}

static void what_needs_a_restart_is_kept(void **state)
{
    (void)state;
    current = load("data_dir: /one\nmqtt: {max_qos: 1}\n"
                   "listeners: [{name: a, bind: 'tcp://:1', backlog: 7}, {name: b, bind: "
                   "'tcp://:2'}]\n");
    next = load("data_dir: /two\nmqtt: {max_qos: 0, server_reference: other}\n"
                "shards: {count: 3, cpus: '1'}\n"
                "listeners: [{name: c, bind: 'tcp://:3'},\n"
                "  {name: a, bind: 'tcp://:4', max_connections: 5, nodelay: false}]\n");
    align(0);
    config_keep(&current, &next);
    assert_string_equal(next.data_dir, "/one");
    assert_int_equal(next.mqtt.max_qos, 0);
    assert_string_equal(next.mqtt.server_reference, "other");
    assert_int_equal(next.shards.count, 0);
    assert_int_equal(next.shards.cpus.num, 0);
    assert_int_equal(next.num_listeners, 3);
    const struct config_listener *a = config_listener_find(&next, "a");
    assert_non_null(a);
    assert_int_equal(a->bind.port, 1);
    assert_int_equal(a->backlog, 7);
    assert_int_equal(a->max_connections, 5);
    assert_false(a->nodelay);
    /* A known listener keeps its place, the place of one that is gone stays, a new one is last. */
    assert_ptr_equal(a, &next.listeners[0]);
    assert_true(next.listeners[1].removed);
    assert_null(config_listener_find(&next, "b"));
    assert_ptr_equal(config_listener_find(&next, "c"), &next.listeners[2]);
}

static void listeners_by_default_go(void **state)
{
    (void)state;
    current = load("");
    next = load("listeners: [{bind: 'tcp://:1'}]\n");
    align(0);
    config_keep(&current, &next);
    assert_false(next.listeners_are_default);
    assert_int_equal(next.num_listeners, 3);
    assert_true(next.listeners[0].removed && next.listeners[1].removed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_same_text_differs_in_nothing, tear_down),
        cmocka_unit_test_teardown(each_difference_is_told_once, tear_down),
        cmocka_unit_test_teardown(long_texts_are_compared_whole, tear_down),
        cmocka_unit_test_teardown(a_vacant_place_is_taken_again, tear_down),
        cmocka_unit_test_teardown(what_needs_a_restart_is_kept, tear_down),
        cmocka_unit_test_teardown(listeners_by_default_go, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
