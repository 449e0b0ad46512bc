/*
 * test_config_key.c -- the table of keys: every row is sound, and what is near to what.
 */
#include "config_key.h"
#include "config_try.h"

/* What must hold for every row. */
static void judge_row(const struct config_key *key, const struct config_key *before)
{
    if (key->name[0] == '\0' ||
        strspn(key->name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(key->name))
        fail_msg("%s: a name is lower case", key->path);
    if (key->min > key->max)
        fail_msg("%s: its range is empty", key->path);
    if (key->text[0] == '\0' || key->text[strlen(key->text) - 1] != '.')
        fail_msg("%s: its text is not a sentence", key->path);
    if ((key->type == CONFIG_TYPE_CHOICE) != (key->choices != NULL))
        fail_msg("%s: choices and type differ", key->path);
    for (; before < key; before++) {
        if (strcmp(before->path, key->path) == 0)
            fail_msg("%s: is there twice", key->path);
    }
}

static void each_row_is_sound(void **state)
{
    (void)state;
    uint32_t num = 0;
    const struct config_key *keys = config_keys(&num);
    assert_true(num > 40);
    for (uint32_t i = 0; i < num; i++) {
        judge_row(&keys[i], keys);
        assert_ptr_equal(config_key_find(keys[i].section, keys[i].name), &keys[i]);
        assert_ptr_equal(config_key_find_path(keys[i].path), &keys[i]);
        if (keys[i].section[0] != '\0') {
            size_t len = strlen(keys[i].section);
            assert_non_null(config_section_find(keys[i].section));
            assert_memory_equal(keys[i].path, keys[i].section, len);
            assert_int_equal(keys[i].path[len], '.');
            assert_string_equal(keys[i].path + len + 1, keys[i].name);
        }
    }
    keys = config_listener_keys(&num);
    for (uint32_t i = 0; i < num; i++) {
        judge_row(&keys[i], keys);
        assert_ptr_equal(config_key_find(keys[i].section, keys[i].name), &keys[i]);
        assert_ptr_equal(config_listener_key_find(keys[i].path), &keys[i]);
    }
}

static void fields_do_not_overlap(void **state)
{
    (void)state;
    uint32_t num = 0;
    const struct config_key *keys = config_keys(&num);
    for (uint32_t i = 1; i < num; i++) {
        if (keys[i].offset <= keys[i - 1].offset)
            fail_msg("%s: its field is not behind that of %s", keys[i].path, keys[i - 1].path);
    }
    assert_ptr_equal(config_key_field(config_key_find("log", "level"), &try_config),
                     &try_config.log.level);
    assert_ptr_equal(config_key_field(config_key_find("mqtt", "connect_timeout"), &try_config),
                     &try_config.mqtt.connect_timeout_ms);
    assert_ptr_equal(config_key_field(config_key_find("", "data_dir"), &try_config),
                     &try_config.data_dir);
}

static void unknown_names_are_not_found(void **state)
{
    (void)state;
    assert_null(config_key_find("mqtt", "level"));
    assert_null(config_key_find("", "level"));
    assert_null(config_key_find("log", ""));
    assert_null(config_key_find_path("mqtt"));
    assert_null(config_key_find_path("listeners.bind"));
    assert_null(config_section_find("mqt"));
    assert_null(config_section_find(""));
    assert_string_equal(config_section_find("listeners"), "listeners");
}

static void nearest_names(void **state)
{
    (void)state;
    static const struct {
        const char *section;
        const char *name;
        const char *nearest;
    } cases[] = {
        {"mqtt", "max_inflght", "max_inflight"},
        {"mqtt", "max_mqueue_length", "max_mqueue_len"},
        {"mqtt", "max_packetsize", "max_packet_size"},
        {"mqtt", "session_expiry_intervl", "session_expiry_interval"},
        {"listeners", "max_connection", "max_connections"},
        {"listeners", "bnid", "bind"},
        {"", "mqqt", "mqtt"},
        {"", "listener", "listeners"},
        {"", "datadir", "data_dir"},
        {"", "max_inflight", "mqtt.max_inflight"},
        {"", "mqtt.max_inflght", "mqtt.max_inflight"},
        {"mqtt", "drain_timeout", "shutdown.drain_timeout"},
        {"mqtt", "zzzzzzzzzzzz", NULL},
        {"", "", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *nearest = config_key_nearest(cases[i].section, cases[i].name);
        if (cases[i].nearest == NULL)
            assert_null(nearest);
        else if (nearest == NULL || strcmp(nearest, cases[i].nearest) != 0)
            fail_msg("%s is near to %s", cases[i].name, nearest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_sound),
        cmocka_unit_test(fields_do_not_overlap),
        cmocka_unit_test(unknown_names_are_not_found),
        cmocka_unit_test(nearest_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
