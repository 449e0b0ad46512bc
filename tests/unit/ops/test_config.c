/*
 * test_config.c -- the whole configuration: defaults, precedence of the sources, files on disk, and
 * what --check-config prints.
 */
#include "config.h"
#include "config_try.h"

#include <unistd.h>

static int teardown(void **state)
{
    (void)state;
    config_try_reset();
    return 0;
}

static void defaults(void **state)
{
    (void)state;
    config_try_ok("");
    const struct config_mqtt *mqtt = &try_config.mqtt;
    assert_int_equal(mqtt->connect_timeout_ms, 15000);
    assert_int_equal(mqtt->max_packet_size, 1048576);
    assert_int_equal(mqtt->max_clientid_len, 65535);
    assert_int_equal(mqtt->max_topic_levels, 128);
    assert_int_equal(mqtt->max_topic_alias, 65535);
    assert_int_equal(mqtt->max_topic_alias_out, 16);
    assert_int_equal(mqtt->max_qos, 2);
    assert_true(mqtt->retain_available && mqtt->wildcard_subscription);
    assert_true(mqtt->shared_subscription && mqtt->subscription_identifiers);
    assert_int_equal(mqtt->shared_subscription_strategy, CONFIG_SHARE_ROUND_ROBIN);
    assert_false(mqtt->ignore_loop_deliver || mqtt->upgrade_qos || mqtt->payload_format_check);
    assert_string_equal(mqtt->response_information, "");
    assert_int_equal(mqtt->server_keepalive_s, CONFIG_DISABLED_32);
    assert_int_equal(mqtt->keepalive_multiplier_permille, 1500);
    assert_int_equal(mqtt->max_inflight, 1024);
    assert_int_equal(mqtt->receive_maximum, 1024);
    assert_int_equal(mqtt->max_awaiting_rel, 1024);
    assert_int_equal(mqtt->await_rel_timeout_ms, 300000);
    assert_int_equal(mqtt->max_mqueue_len, 1000);
    assert_int_equal(mqtt->max_mqueue_bytes, 67108864);
    assert_int_equal(mqtt->mqueue_priorities.num, 0);
    assert_int_equal(mqtt->mqueue_default_priority, CONFIG_PRIORITY_LOWEST);
    assert_true(mqtt->mqueue_store_qos0);
    assert_int_equal(mqtt->max_subscriptions, CONFIG_INFINITY_32);
    assert_int_equal(mqtt->session_expiry_interval_s, 7200);
    assert_int_equal(mqtt->max_session_expiry_interval_s, CONFIG_INFINITY_32);
    assert_int_equal(mqtt->message_expiry_interval_s, CONFIG_INFINITY_32);
    assert_int_equal(try_config.retained.max_messages, CONFIG_INFINITY_32);
    assert_int_equal(try_config.retained.max_payload_size, 1048576);
    assert_int_equal(try_config.retained.msg_expiry_interval_s, CONFIG_INFINITY_32);
    assert_int_equal(try_config.limits.max_connections, CONFIG_INFINITY_32);
    assert_int_equal(try_config.limits.connection_output_bytes, 16777216);
    assert_int_equal(try_config.limits.send_timeout_ms, 15000);
    assert_int_equal(try_config.shards.count, 0);
    assert_int_equal(try_config.shards.cpus.num, 0);
    assert_int_equal(try_config.log.level, LOG_INFO);
    assert_int_equal(try_config.log.format, CONFIG_LOG_TEXT);
    assert_int_equal(try_config.shutdown.drain_timeout_ms, 5000);
    assert_string_equal(try_config.data_dir, "");
    assert_true(config_has_data_dir(&try_config));
    assert_int_equal(try_config.num_listeners, 2);
    assert_true(try_config.listeners_are_default);
    assert_string_equal(try_config.listeners[0].name, "tcp://127.0.0.1:1883");
    assert_string_equal(try_config.listeners[1].name, "tcp://[::1]:1883");
    assert_int_equal(try_config.listeners[0].backlog, 1024);
    assert_int_equal(try_config.listeners[0].tcp_keepalive.idle_s, 0);
}

static void the_command_line_wins(void **state)
{
    (void)state;
    char *environment[] = {(char *)"SLUICE_SHARDS__COUNT=3", (char *)"SLUICE_LOG__LEVEL=debug",
                           (char *)"SLUICE_LISTENERS__2__BIND=:5", NULL};
    const struct config_override overrides[] = {{"--shards", "shards.count", "4"},
                                                {"--data", "data_dir", "/here"}};
    const char *const listen[] = {"tcp://[::1]:7", "8"};
    struct config_sources sources = {.environment = environment,
                                     .overrides = overrides,
                                     .num_overrides = 2,
                                     .listen = listen,
                                     .num_listen = 2};
    const char *text = "shards: {count: 2}\nlog: {level: error, format: json}\n"
                       "listeners:\n  - bind: 1\n";
    assert_int_equal(config_try_sources(text, &sources), RC_OK);
    assert_false(try_config.listeners_are_default);
    assert_int_equal(try_config.shards.count, 4);
    assert_string_equal(try_config.data_dir, "/here");
    assert_int_equal(try_config.log.level, LOG_DEBUG);
    assert_int_equal(try_config.log.format, CONFIG_LOG_JSON);
    assert_int_equal(try_config.num_listeners, 2);
    assert_string_equal(try_config.listeners[0].bind.host, "::1");
    assert_int_equal(try_config.listeners[1].bind.port, 8);
    sources.num_overrides = 0;
    sources.num_listen = 0;
    assert_int_equal(config_try_sources(text, &sources), RC_OK);
    assert_int_equal(try_config.shards.count, 3);
    assert_int_equal(try_config.num_listeners, 2);
}

static void errors_name_the_option(void **state)
{
    (void)state;
    const struct config_override overrides[] = {{"--shards", "shards.count", "many"},
                                                {"--log-level", "log.level", ""}};
    const char *const listen[] = {"http://:8083", ":1", "tcp://:1"};
    const struct config_sources sources = {
        .overrides = overrides, .num_overrides = 2, .listen = listen, .num_listen = 3};
    assert_int_equal(config_try_sources("", &sources), RC_INVALID);
    assert_int_equal(try_errors.num, 4);
    config_try_says(0, "--shards: \"many\" is not a whole number");
    config_try_says(1, "--log-level: \"\" is not one of error, warning, info, debug");
    config_try_says(2, "--listen: \"http://:8083\" is not a listener address: the scheme is not "
                       "known; it should be tcp, tls, ws, wss or unix");
    config_try_says(3, "--listen: the address tcp://:1 is taken by the listener at --listen");
}

/* A file of `len` bytes of `text` over and over; its path goes to `path`. */
static void make_file(char *path, const char *text, size_t len)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    for (size_t i = 0; i < len; i++)
        putc(text[i % strlen(text)], file);
    fclose(file);
}

static void files_on_disk(void **state)
{
    (void)state;
    char path[] = "/tmp/sluice-test-config-XXXXXX";
    struct config_sources sources = {.file = path};
    const char *text = "mqtt: {max_qos: 1}\n";
    make_file(path, text, strlen(text));
    config_try_reset();
    assert_int_equal(config_load(&try_config, &sources, &try_errors), RC_OK);
    assert_int_equal(try_config.mqtt.max_qos, 1);
    unlink(path);

    char expected[200];
    config_try_reset();
    assert_int_equal(config_load(&try_config, &sources, &try_errors), RC_INVALID);
    snprintf(expected, sizeof(expected), "%s: cannot read the file: No such file or directory",
             path);
    config_try_says(0, expected);
    assert_int_equal(try_errors.num, 1);

    config_try_reset();
    sources.file = "/";
    assert_int_equal(config_load(&try_config, &sources, &try_errors), RC_INVALID);
    config_try_says(0, "/: cannot read the file: Is a directory");
}

static void the_largest_file(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        char path[] = "/tmp/sluice-test-config-XXXXXX";
        const struct config_sources sources = {.file = path};
        make_file(path, "#\n", CONFIG_FILE_LEN_MAX + (size_t)over);
        config_try_reset();
        assert_int_equal(config_load(&try_config, &sources, &try_errors),
                         over ? RC_INVALID : RC_OK);
        if (over)
            assert_non_null(strstr(try_errors.texts[0], "has more than 1048576 bytes"));
        unlink(path);
    }
}

static void check_config_prints_what_differs(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    config_try_ok("data_dir: /d\n"
                  "mqtt: {max_inflight: 1024, max_qos: 1, connect_timeout: 60s}\n"
                  "shards: {cpus: [1, 3]}\n"
                  "log: {level: debug}\n"
                  "listeners:\n  - {bind: 1883, backlog: 1024}\n"
                  "  - {bind: 1884, name: b, tcp_keepalive: '60,10,3'}\n");
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    config_print(&try_config, out);
    fclose(out);
    assert_string_equal(text, "configuration ok\n"
                              "data_dir = \"/d\"\n"
                              "mqtt.connect_timeout = 1m\n"
                              "mqtt.max_qos = 1\n"
                              "shards.cpus = 1,3\n"
                              "log.level = debug\n"
                              "listeners.1.name = \"tcp://:1883\"\n"
                              "listeners.1.bind = tcp://:1883\n"
                              "listeners.2.name = \"b\"\n"
                              "listeners.2.bind = tcp://:1884\n"
                              "listeners.2.tcp_keepalive = 60s,10s,3\n");
    free(text);
}

static void fini_may_be_repeated(void **state)
{
    (void)state;
    static const struct config zero;
    config_try_ok("data_dir: none\nmqtt: {mqueue_priorities: {a: 1}}");
    assert_false(config_has_data_dir(&try_config));
    config_fini(&try_config);
    assert_memory_equal(&try_config, &zero, sizeof(zero));
    config_fini(&try_config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(defaults, teardown),
        cmocka_unit_test_teardown(the_command_line_wins, teardown),
        cmocka_unit_test_teardown(errors_name_the_option, teardown),
        cmocka_unit_test_teardown(files_on_disk, teardown),
        cmocka_unit_test_teardown(the_largest_file, teardown),
        cmocka_unit_test_teardown(check_config_prints_what_differs, teardown),
        cmocka_unit_test_teardown(fini_may_be_repeated, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
