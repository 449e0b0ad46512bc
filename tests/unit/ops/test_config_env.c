/*
 * test_config_env.c -- the environment as a source: names, listeners by number, whose variable it
 * is, and what errors say.
 */
#include "config_env.h"
#include "config_key.h"
#include "config_try.h"

static int teardown(void **state)
{
    (void)state;
    config_try_reset();
    return 0;
}

/* Loads `text` with one or two variables. */
static enum rc load(const char *text, const char *first, const char *second)
{
    char *environment[] = {(char *)"PATH=/bin", (char *)first, (char *)second, NULL};
    const struct config_sources sources = {.environment = environment};
    return config_try_sources(text, &sources);
}

static void refuses(const char *variable, const char *expected)
{
    if (load(NULL, variable, NULL) != RC_INVALID)
        fail_msg("%s is taken", variable);
    config_try_says(0, expected);
    assert_int_equal(try_errors.num, 1);
}

static void each_key_has_a_variable(void **state)
{
    (void)state;
    char name[128];
    assert_string_equal(config_env_name("mqtt.max_inflight", name, sizeof(name)),
                        "SLUICE_MQTT__MAX_INFLIGHT");
    assert_string_equal(config_env_name("data_dir", name, sizeof(name)), "SLUICE_DATA_DIR");
    uint32_t num = 0;
    const struct config_key *keys = config_keys(&num);
    for (uint32_t i = 0; i < num; i++) {
        char entry[256];
        /* No key takes this value, so each has to say so under its own name. */
        snprintf(entry, sizeof(entry), "%s=\x01",
                 config_env_name(keys[i].path, name, sizeof(name)));
        assert_int_equal(load(NULL, entry, NULL), RC_INVALID);
        if (strncmp(try_errors.texts[0], name, strlen(name)) != 0)
            fail_msg("%s: %s", name, try_errors.texts[0]);
    }
    /* A buffer too small is filled and ended, not overrun. */
    for (size_t size = 1; size < 20; size++) {
        char small[20];
        memset(small, 'x', sizeof(small));
        config_env_name("mqtt.max_inflight", small, size);
        assert_true(strlen(small) < size);
    }
}

static void variables_win_over_the_file(void **state)
{
    (void)state;
    assert_int_equal(load("mqtt: {max_inflight: 5, max_qos: 1}\nshards: {cpus: [1, 2]}\n",
                          "SLUICE_MQTT__MAX_INFLIGHT=6", "SLUICE_SHARDS__CPUS=3"),
                     RC_OK);
    assert_int_equal(try_config.mqtt.max_inflight, 6);
    assert_int_equal(try_config.mqtt.max_qos, 1);
    assert_int_equal(try_config.shards.cpus.num, 1);
    assert_int_equal(try_config.shards.cpus.ids[0], 3);
    assert_int_equal(load("mqtt: {mqueue_priorities: {a: 1}}", "SLUICE_DATA_DIR=/x=y",
                          "SLUICE_MQTT__MQUEUE_PRIORITIES=b=2"),
                     RC_OK);
    assert_string_equal(try_config.data_dir, "/x=y");
    assert_int_equal(try_config.mqtt.mqueue_priorities.num, 1);
    assert_string_equal(try_config.mqtt.mqueue_priorities.items[0].topic, "b");
}

static void errors_name_the_variable(void **state)
{
    (void)state;
    refuses("SLUICE_MQTT__MAX_QOS=3",
            "SLUICE_MQTT__MAX_QOS: 3 is out of range, it should be from 0 to 2");
    refuses("SLUICE_MQTT__MAX_QOS=", "SLUICE_MQTT__MAX_QOS: \"\" is not a whole number");
    refuses("SLUICE_MQTT__MAX_INFLGHT=3",
            "SLUICE_MQTT__MAX_INFLGHT: there is no such key, did you mean "
            "SLUICE_MQTT__MAX_INFLIGHT?");
    refuses("SLUICE_MQTT_MAX_INFLIGHT=3",
            "SLUICE_MQTT_MAX_INFLIGHT: there is no such key, did you mean "
            "SLUICE_MQTT__MAX_INFLIGHT?");
    refuses("SLUICE_DATADIR=x",
            "SLUICE_DATADIR: there is no such key, did you mean SLUICE_DATA_DIR?");
    refuses("SLUICE_NOTHING__LIKE_IT=3", "SLUICE_NOTHING__LIKE_IT: there is no such key");
    refuses("SLUICE_SHARDS=4", "SLUICE_SHARDS: this is a section; its keys are "
                               "SLUICE_SHARDS__...");
}

static void variables_of_others_are_passed_over(void **state)
{
    (void)state;
    static const char *const others[] = {"SLUICE_PORT=tcp://10.0.0.1:1883",
                                         "SLUICE_SERVICE_HOST=10.0.0.1",
                                         "SLUICE_PORT_1883_TCP_ADDR=10.0.0.1",
                                         "SLUICE_SERVICE_PORT_MQTT=1883",
                                         "SLUICE=1",
                                         "SLUICEMQTT__MAX_QOS=9",
                                         "SLUICE_MQTT__MAX_QOS",
                                         "sluice_mqtt__max_qos=9",
                                         "="};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (load(NULL, others[i], NULL) != RC_OK)
            fail_msg("%s: %s", others[i], try_errors.texts[0]);
    }
    char longest[400];
    memset(longest, 'A', sizeof(longest));
    memcpy(longest, "SLUICE_", 7);
    memcpy(longest + sizeof(longest) - 3, "=1", 3);
    assert_int_equal(load(NULL, longest, NULL), RC_OK);
}

static void listeners_by_number(void **state)
{
    (void)state;
    /* The second variable comes first by its number. */
    assert_int_equal(load("listeners:\n  - {bind: 1883, name: a}\n",
                          "SLUICE_LISTENERS__3__BIND=tcp://:3", "SLUICE_LISTENERS__2__BIND=:2"),
                     RC_OK);
    assert_int_equal(try_config.num_listeners, 3);
    assert_string_equal(try_config.listeners[0].name, "a");
    assert_int_equal(try_config.listeners[1].bind.port, 2);
    assert_int_equal(try_config.listeners[2].bind.port, 3);
    assert_int_equal(load("listeners:\n  - {bind: 1883, name: a}\n", "SLUICE_LISTENERS__1__BIND=:9",
                          "SLUICE_LISTENERS__1__BACKLOG=7"),
                     RC_OK);
    assert_int_equal(try_config.num_listeners, 1);
    assert_int_equal(try_config.listeners[0].bind.port, 9);
    assert_int_equal(try_config.listeners[0].backlog, 7);
    assert_string_equal(try_config.listeners[0].name, "a");
    /* Without a file the first one takes the default's place. */
    assert_int_equal(load(NULL, "SLUICE_LISTENERS__1__BIND=:9", NULL), RC_OK);
    assert_int_equal(try_config.num_listeners, 1);
    assert_string_equal(try_config.listeners[0].name, "tcp://:9");
    refuses("SLUICE_LISTENERS__1__NAME=x",
            "SLUICE_LISTENERS__1__NAME: the listener has no address, it needs `bind`");
    refuses("SLUICE_LISTENERS__2__BIND=:9",
            "SLUICE_LISTENERS__2__BIND: there are only 0 listeners before it");
    assert_int_equal(load("listeners:\n  - bind: :1\n", "SLUICE_LISTENERS__3__BIND=:9", NULL),
                     RC_INVALID);
    config_try_says(0, "SLUICE_LISTENERS__3__BIND: there is only 1 listener before it");
    refuses("SLUICE_LISTENERS__0__BIND=:9",
            "SLUICE_LISTENERS__0__BIND: listeners count from 1 to 64");
    refuses("SLUICE_LISTENERS__65__BIND=:9",
            "SLUICE_LISTENERS__65__BIND: listeners count from 1 to 64");
    refuses("SLUICE_LISTENERS__1__BIND=:99999",
            "SLUICE_LISTENERS__1__BIND: \":99999\" is not a listener address: the port should be "
            "a number from 0 to 65535");
    assert_int_equal(load(NULL, "SLUICE_LISTENERS__1__BIND=:9", "SLUICE_LISTENERS__1__BIDN=:9"),
                     RC_INVALID);
    config_try_says(0, "SLUICE_LISTENERS__1__BIDN: listeners have no key \"bidn\", did you mean "
                       "\"bind\"?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_key_has_a_variable, teardown),
        cmocka_unit_test_teardown(variables_win_over_the_file, teardown),
        cmocka_unit_test_teardown(errors_name_the_variable, teardown),
        cmocka_unit_test_teardown(variables_of_others_are_passed_over, teardown),
        cmocka_unit_test_teardown(listeners_by_number, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
