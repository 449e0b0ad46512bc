/*
 * test_config_yaml.c -- configuration files: every section, every kind of slip with its place, and
 * files that are meant to hurt.
 */
#include "config_try.h"
#include "config_yaml.h"

static int teardown(void **state)
{
    (void)state;
    config_try_reset();
    return 0;
}

static void a_whole_file(void **state)
{
    (void)state;
    config_try_ok("# a comment\n"
                  "data_dir: \"/var/lib/sluice\"\n"
                  "listeners:\n"
                  "  - bind: tcp://:1883\n"
                  "  - name: inside\n"
                  "    bind: '127.0.0.1:11883'\n"
                  "    max_connections: 100\n"
                  "    tcp_keepalive: 300s,30s,3\n"
                  "    nodelay: false\n"
                  "mqtt:\n"
                  "  max_inflight: 64\n"
                  "  max_packet_size: 256MB\n"
                  "  mqueue_priorities:\n"
                  "    alarms/fire: 10\n"
                  "    \"news\": '2'\n"
                  "retained: {max_messages: 5, stop_publish_clear_msg: true}\n"
                  "limits:\n"
                  "shards: {count: 2, cpus: [3, 5-6]}\n"
                  "log: {level: debug}\n"
                  "shutdown: {drain_timeout: 1s}\n");
    assert_string_equal(try_config.data_dir, "/var/lib/sluice");
    assert_true(config_has_data_dir(&try_config));
    assert_int_equal(try_config.num_listeners, 2);
    assert_string_equal(try_config.listeners[0].name, "tcp://:1883");
    assert_string_equal(try_config.listeners[1].name, "inside");
    assert_int_equal(try_config.listeners[1].bind.port, 11883);
    assert_int_equal(try_config.listeners[1].max_connections, 100);
    assert_int_equal(try_config.listeners[1].tcp_keepalive.interval_s, 30);
    assert_false(try_config.listeners[1].nodelay);
    assert_true(try_config.listeners[0].nodelay);
    assert_int_equal(try_config.mqtt.max_inflight, 64);
    assert_int_equal(try_config.mqtt.max_packet_size, PACKET_LEN_MAX);
    assert_int_equal(try_config.mqtt.mqueue_priorities.num, 2);
    assert_string_equal(try_config.mqtt.mqueue_priorities.items[1].topic, "news");
    assert_int_equal(try_config.mqtt.mqueue_priorities.items[1].priority, 2);
    assert_int_equal(try_config.retained.max_messages, 5);
    assert_true(try_config.retained.stop_publish_clear_msg);
    assert_int_equal(try_config.shards.count, 2);
    assert_int_equal(try_config.shards.cpus.num, 3);
    assert_int_equal(try_config.shards.cpus.ids[2], 6);
    assert_int_equal(try_config.log.level, LOG_DEBUG);
    assert_int_equal(try_config.shutdown.drain_timeout_ms, 1000);
    assert_int_equal(try_config.mqtt.max_awaiting_rel, 1024);
}

static void empty_files_are_the_defaults(void **state)
{
    (void)state;
    static const char *const empty[] = {
        "",   "\n",      "# nothing\n",  "---\n",           "---\n...\n",
        "{}", "mqtt:\n", "listeners:\n", "listeners: []\n", "\xEF\xBB\xBFmqtt:\n"};
    for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
        config_try_ok(empty[i]);
        assert_int_equal(try_config.mqtt.max_inflight, 1024);
        assert_true(try_config.listeners_are_default);
    }
}

static void slips_name_their_place(void **state)
{
    (void)state;
    config_try_refuses("mqtt:\n  max_inflght: 3\n",
                       "t.yaml:2:3: mqtt: there is no key \"max_inflght\", did you mean "
                       "\"max_inflight\"?");
    config_try_refuses("mqtt:\n  max_connections: 3\n",
                       "t.yaml:2:3: mqtt: there is no key \"max_connections\", did you mean "
                       "\"limits.max_connections\"?");
    config_try_refuses("mqqt:\n  a: 3\n",
                       "t.yaml:1:1: there is no key \"mqqt\", did you mean \"mqtt\"?");
    config_try_refuses("zzzzzzzzz: 3\n", "t.yaml:1:1: there is no key \"zzzzzzzzz\"");
    config_try_refuses("mqtt:\n  max_qos: 1\n  max_inflight: 3\n  max_qos: 1\n",
                       "t.yaml:4:3: \"max_qos\" is repeated, it is in line 2 too");
    config_try_refuses("mqtt:\n  max_qos: 1\nlog:\nmqtt:\n  max_inflight: 3\n",
                       "t.yaml:4:1: \"mqtt\" is repeated, it is in line 1 too");
    config_try_refuses("data_dir: a\ndata_dir: a\n",
                       "t.yaml:2:1: \"data_dir\" is repeated, it is in line 1 too");
    config_try_refuses("mqtt:\n  max_inflight: 70000\n",
                       "t.yaml:2:17: mqtt.max_inflight: 70000 is out of range, it should be from "
                       "1 to 65535");
    config_try_refuses("mqtt:\n  max_inflight: many\n",
                       "t.yaml:2:17: mqtt.max_inflight: \"many\" is not a whole number");
    config_try_refuses("mqtt:\n  max_inflight:\n",
                       "t.yaml:2:16: mqtt.max_inflight: there is no value");
    config_try_refuses("mqtt:\n  max_inflight: [1]\n",
                       "t.yaml:2:17: mqtt.max_inflight: a sequence is not expected here");
    config_try_refuses("mqtt:\n  max_inflight: {a: 1}\n",
                       "t.yaml:2:17: mqtt.max_inflight: a map is not expected here");
    config_try_refuses("mqtt: 5\n",
                       "t.yaml:1:7: mqtt: a single value is not expected here, but a map of keys");
    config_try_refuses("mqtt: [a]\n",
                       "t.yaml:1:7: mqtt: a sequence is not expected here, but a map of keys");
    config_try_refuses("- mqtt\n",
                       "t.yaml:1:1: a sequence is not expected here, but a map of sections");
    config_try_refuses("mqtt:\n  ? [a]\n  : 3\n",
                       "t.yaml:2:5: mqtt: a sequence is not expected here");
    config_try_refuses("shards:\n  cpus: [1, 2, 1]\n",
                       "t.yaml:2:16: shards.cpus: CPU 1 is named twice");
    config_try_refuses("shards:\n  cpus: [1, [2]]\n",
                       "t.yaml:2:13: shards.cpus: a sequence is not expected here");
    config_try_refuses("mqtt:\n  mqueue_priorities:\n    a: 1\n    a: 2\n",
                       "t.yaml:4:5: mqtt.mqueue_priorities: topic \"a\" is named twice");
    config_try_refuses("data_dir: \"a\\0b\"\n",
                       "t.yaml:1:11: data_dir: the text has a U+0000 in it");
}

static void slips_of_listeners(void **state)
{
    (void)state;
    config_try_refuses("listeners:\n  bind: tcp://:1\n",
                       "t.yaml:2:3: listeners: a map is not expected here, but a sequence: lines "
                       "with `- bind: ...`");
    config_try_refuses("listeners:\n  - tcp://:1\n",
                       "t.yaml:2:5: listeners: a single value is not expected here, but a map: "
                       "`bind: ...`");
    config_try_refuses("listeners:\n  - name: a\n",
                       "t.yaml:2:5: the listener has no address, it needs `bind`");
    config_try_refuses("listeners:\n  - bind: quic://:8083\n",
                       "t.yaml:2:11: bind: \"quic://:8083\" is not a listener address: the scheme "
                       "is not known; it should be tcp, tls, ws, wss or unix");
    config_try_refuses("listeners:\n  - bind: :1\n    bind: :2\n",
                       "t.yaml:3:5: \"bind\" is repeated, it is in line 2 too");
    config_try_refuses("listeners:\n  - bind: :1\n    nodlay: true\n",
                       "t.yaml:3:5: listeners: there is no key \"nodlay\", did you mean "
                       "\"nodelay\"?");
    config_try_refuses("listeners:\n  - bind: :1\n  - bind: tcp://:1\n",
                       "t.yaml:3:5: the address tcp://:1 is taken by the listener at "
                       "t.yaml:2:5");
    config_try_refuses("listeners:\n  - {bind: 1, name: a}\n  - {bind: 2, name: a}\n",
                       "t.yaml:3:5: the name \"a\" is taken by the listener at "
                       "t.yaml:2:5");
    config_try_refuses("listeners:\n  - {bind: 1, name: a b}\n",
                       "t.yaml:2:5: the name \"a b\" has more than letters, digits "
                       "and _.:-");
    config_try_ok("listeners:\n  - bind: :0\n    name: a\n  - bind: :0\n    name: b\n");
    assert_int_equal(try_config.num_listeners, 2);
}

static void a_step_without_a_right_type(void **state)
{
    (void)state;
    static const char none[] = ": the step has no type, it needs `type`";
    char expected[128];
    snprintf(expected, sizeof(expected), "t.yaml:2:5%s", none);
    config_try_refuses("authentication:\n  - path: x\n", expected);
    config_try_refuses("authentication:\n  - type: none\n", expected);
    /* One message is enough for one slip. */
    config_try_refuses("authentication:\n  - type: jtw\n    path: x\n",
                       "t.yaml:2:11: type: \"jtw\" is not one of none, password_file, http, scram, "
                       "jwt, certificate, built_in_database");
    config_try_refuses("authentication:\n  - type:\n", "t.yaml:2:10: type: there is no value");
    config_try_refuses("authentication:\n  - type: [jwt]\n",
                       "t.yaml:2:11: type: a sequence is not expected here");
    /* What is wrong elsewhere in the step does not make up for a type. */
    assert_int_equal(config_try("authentication:\n  - leeway: x\n"), RC_INVALID);
    assert_int_equal(try_errors.num, 2);
    config_try_says(1, expected);
}

static void all_errors_are_reported(void **state)
{
    (void)state;
    assert_int_equal(config_try("mqtt:\n  max_qos: 3\n  max_inflght: 1\nlog: {level: loud}\n"
                                "listeners:\n  - name: x\n"),
                     RC_INVALID);
    assert_int_equal(try_errors.num, 4);
    config_try_says(0, "t.yaml:2:12: mqtt.max_qos: 3 is out of range, it should be from 0 to 2");
    config_try_says(3, "t.yaml:6:5: the listener has no address, it needs `bind`");
}

static void more_than_yaml_needs_is_refused(void **state)
{
    (void)state;
    config_try_refuses("mqtt: &a\n  max_qos: 1\n", "t.yaml:1:7: anchors are not allowed here");
    config_try_refuses("data_dir: &a x\n", "t.yaml:1:11: anchors are not allowed here");
    config_try_refuses("data_dir: !!str x\n", "t.yaml:1:11: tags are not allowed here");
    config_try_refuses("data_dir: *a\n", "t.yaml:1:11: aliases are not allowed here");
    config_try_refuses("data_dir: a\n---\ndata_dir: b\n",
                       "t.yaml:2:1: a second document is not allowed here");
    config_try_refuses("data_dir: a\n\tb: c\n",
                       "t.yaml:2:1: found a tab character that violates indentation");
    config_try_refuses("data_dir: [a\n", "t.yaml:2:1: did not find expected ',' or ']'");
    config_try_refuses("log:\n level: info\n\xFF", "t.yaml:3:1: invalid leading UTF-8 octet");
    static const char utf16[] = "\xFF\xFEl\0o\0g\0:\0";
    const struct config_sources none = {.file = NULL};
    config_try_reset();
    assert_int_equal(
        config_load_text(&try_config, "t.yaml", utf16, sizeof(utf16) - 1, &none, &try_errors),
        RC_INVALID);
    config_try_says(0, "t.yaml:1:1: invalid leading UTF-8 octet");
    config_try_refuses("log: a\x01", "t.yaml:1:7: control characters are not allowed");
}

/* `begin`, then `count` times `part`; the caller frees. */
static char *repeat(const char *begin, const char *part, size_t count)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    fputs(begin, out);
    for (size_t i = 0; i < count; i++)
        fputs(part, out);
    fclose(out);
    return text;
}

static void files_that_are_meant_to_hurt(void **state)
{
    (void)state;
    char *text = repeat("", "[", 100000);
    config_try_refuses(text, "t.yaml:1:17: this is nested too deep");
    free(text);
    text = repeat("", "{a: ", 100000);
    config_try_refuses(text, "t.yaml:1:65: this is nested too deep");
    free(text);
    text = repeat("", "- ", 100000);
    config_try_refuses(text, "t.yaml:1:33: this is nested too deep");
    free(text);
    text = repeat("", "- a\n", 100000);
    config_try_refuses(text, "t.yaml:16384:3: the file has too many values");
    free(text);
    /* Many errors: as many as fit are kept, the rest is counted. */
    text = repeat("", "unknown_key_name: 1\n", 4000);
    assert_int_equal(config_try(text), RC_INVALID);
    assert_int_equal(try_errors.num, ERROR_LIST_MAX);
    assert_int_equal(try_errors.extra, 4000 - ERROR_LIST_MAX);
    free(text);
    text = repeat("listeners:\n", "  - bind: :0\n", CONFIG_LISTENERS_MAX + 1);
    assert_int_equal(config_try(text), RC_INVALID);
    config_try_says(0, "t.yaml:66:5: there are more than 64 listeners");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_whole_file, teardown),
        cmocka_unit_test_teardown(empty_files_are_the_defaults, teardown),
        cmocka_unit_test_teardown(slips_name_their_place, teardown),
        cmocka_unit_test_teardown(slips_of_listeners, teardown),
        cmocka_unit_test_teardown(a_step_without_a_right_type, teardown),
        cmocka_unit_test_teardown(all_errors_are_reported, teardown),
        cmocka_unit_test_teardown(more_than_yaml_needs_is_refused, teardown),
        cmocka_unit_test_teardown(files_that_are_meant_to_hurt, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
