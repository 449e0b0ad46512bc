/*
 * test_config_value.c -- values of every type: the limits of every key, the words, and that what is
 * printed reads back.
 */
#include "config_list.h"
#include "config_try.h"
#include "config_value.h"
#include "units.h"

static const struct config_report report = {.errors = &try_errors, .place = "place"};

static int setup(void **state)
{
    (void)state;
    config_try_reset();
    return config_try(NULL) == RC_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    config_try_reset();
    return 0;
}

static bool set(const char *path, const char *text)
{
    const struct config_key *key = config_key_find_path(path);
    assert_non_null(key);
    error_list_init(&try_errors);
    bool right = config_value_set(key, &try_config, text, &report);
    assert_int_equal(try_errors.num, right ? 0 : 1);
    return right;
}

static void refuses(const char *path, const char *text, const char *expected)
{
    if (set(path, text))
        fail_msg("%s takes %s", path, text);
    config_try_says(0, expected);
}

/* The value of a key as text, which the caller frees. */
static char *printed(const struct config_key *key)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    config_value_print(key, &try_config, out);
    fclose(out);
    return text;
}

/* A number in the key's own unit, as text. */
static const char *number(const struct config_key *key, uint64_t value, char *out)
{
    const char *unit = key->type == CONFIG_TYPE_DURATION  ? "ms"
                       : key->type == CONFIG_TYPE_SECONDS ? "s"
                                                          : "";
    if (key->type == CONFIG_TYPE_FACTOR)
        snprintf(out, 40, "%llu.%03llu", (unsigned long long)value / 1000,
                 (unsigned long long)value % 1000);
    else
        snprintf(out, 40, "%llu%s", (unsigned long long)value, unit);
    return out;
}

static void every_range_is_enforced(void **state)
{
    (void)state;
    uint32_t num = 0;
    uint32_t num_numbers = 0;
    const struct config_key *keys = config_keys(&num);
    for (uint32_t i = 0; i < num; i++) {
        const struct config_key *key = &keys[i];
        char text[40];
        if (key->type != CONFIG_TYPE_COUNT && key->type != CONFIG_TYPE_SIZE &&
            key->type != CONFIG_TYPE_DURATION && key->type != CONFIG_TYPE_SECONDS &&
            key->type != CONFIG_TYPE_FACTOR)
            continue;
        num_numbers++;
        assert_true(set(key->path, number(key, key->min, text)));
        assert_true(set(key->path, number(key, key->max, text)));
        if (set(key->path, number(key, key->max + 1, text)))
            fail_msg("%s takes %s", key->path, text);
        bool below = key->min > 0 && !(key->min == 1 && key->words == CONFIG_WORDS_ZERO_INFINITE);
        if (below && set(key->path, number(key, key->min - 1, text)))
            fail_msg("%s takes %s", key->path, text);
    }
    assert_true(num_numbers > 25);
}

/* Keys of a listener. */
static bool rate_is(const char *name, const char *text, uint64_t amount, uint64_t period_ms)
{
    const struct config_key *key = config_key_find(CONFIG_SECTION_LISTENERS, name);
    struct config_listener listener;
    memset(&listener, 0, sizeof(listener));
    error_list_init(&try_errors);
    assert_non_null(key);
    if (!config_value_set(key, &listener, text, &report))
        return false;
    const struct units_rate *rate = config_key_field(key, &listener);
    assert_true(rate->amount == amount);
    assert_int_equal(rate->period_ms, period_ms);
    char *again = config_value_text(key, &listener);
    assert_string_equal(again, text);
    free(again);
    return true;
}

static void rates_have_an_amount_and_a_time(void **state)
{
    (void)state;
    assert_true(rate_is("messages_rate", "infinity", CONFIG_INFINITY_64, 1000));
    assert_true(rate_is("messages_rate", "1024/s", 1024, 1000));
    assert_true(rate_is("messages_rate", "7/10s", 7, 10000));
    assert_true(rate_is("bytes_rate", "1MB/10s", 1048576, 10000));
    assert_true(rate_is("bytes_rate", "64GB/d", BUCKET_AMOUNT_MAX, 86400000));
    assert_false(rate_is("messages_rate", "100", 0, 0));
    config_try_says(0, "place: \"100\" is not `infinity` or a rate such as 1000/s or 50/10s");
    assert_false(rate_is("messages_rate", "0/s", 0, 0));
    config_try_says(0, "place: 0/s is out of range, it should be from 1 to 68719476736 in "
                       "at most 1d");
    assert_false(rate_is("bytes_rate", "1/2d", 0, 0));
    config_try_says(0, "place: 1/2d is out of range, it should be from 1 to 64GB in at most 1d");
    assert_false(rate_is("bytes_rate", "65GB/s", 0, 0));
    assert_false(rate_is("max_conn_rate_per_address", "10001/s", 0, 0));
}

static void words_are_the_highest_value(void **state)
{
    (void)state;
    assert_true(set("mqtt.max_mqueue_len", "infinity"));
    assert_int_equal(try_config.mqtt.max_mqueue_len, CONFIG_INFINITY_32);
    assert_true(set("mqtt.max_mqueue_len", "1"));
    assert_int_equal(try_config.mqtt.max_mqueue_len, 1);
    assert_true(set("mqtt.max_mqueue_len", "0"));
    assert_int_equal(try_config.mqtt.max_mqueue_len, CONFIG_INFINITY_32);
    assert_true(set("mqtt.max_mqueue_bytes", "infinity"));
    assert_true(try_config.mqtt.max_mqueue_bytes == CONFIG_INFINITY_64);
    assert_true(set("limits.send_timeout", "0s"));
    assert_true(try_config.limits.send_timeout_ms == CONFIG_INFINITY_64);
    assert_true(set("mqtt.session_expiry_interval", "0s"));
    assert_int_equal(try_config.mqtt.session_expiry_interval_s, 0);
    assert_true(set("mqtt.session_expiry_interval", "infinity"));
    assert_int_equal(try_config.mqtt.session_expiry_interval_s, UINT32_MAX);
    assert_true(set("mqtt.server_keepalive", "0s"));
    assert_int_equal(try_config.mqtt.server_keepalive_s, 0);
    assert_true(set("mqtt.server_keepalive", "disabled"));
    assert_int_equal(try_config.mqtt.server_keepalive_s, CONFIG_DISABLED_32);
    refuses("mqtt.max_inflight", "infinity", "place: \"infinity\" is not a whole number");
    refuses("mqtt.server_keepalive", "infinity",
            "place: \"infinity\" is not a duration of whole seconds such as 15s, 5m, 2h or 1d, "
            "nor disabled");
}

static void wrong_values_change_nothing(void **state)
{
    (void)state;
    refuses("mqtt.max_inflight", "70000",
            "place: 70000 is out of range, it should be from 1 to 65535");
    refuses("mqtt.max_inflight", "99999999999999999999",
            "place: 99999999999999999999 is out of range, it should be from 1 to 65535");
    refuses("mqtt.max_inflight", "", "place: \"\" is not a whole number");
    assert_int_equal(try_config.mqtt.max_inflight, 1024);
    refuses("mqtt.connect_timeout", "15",
            "place: \"15\" is not a duration such as 250ms, 15s, 5m, 2h or 1d");
    refuses("mqtt.connect_timeout", "2h",
            "place: 2h is out of range, it should be from 100ms to 1h");
    refuses("mqtt.session_expiry_interval", "1500ms",
            "place: \"1500ms\" is not a duration of whole seconds such as 15s, 5m, 2h or 1d, nor "
            "infinity");
    refuses("mqtt.max_packet_size", "1KiBi",
            "place: \"1KiBi\" is not a size such as 512, 64KB or 1MB");
    refuses("mqtt.keepalive_multiplier", "0.9",
            "place: 0.9 is out of range, it should be from 1 to 10");
    refuses("mqtt.upgrade_qos", "yes", "place: \"yes\" is not true or false");
    refuses("log.level", "verbose", "place: \"verbose\" is not one of error, warning, info, debug");
    assert_int_equal(try_config.log.level, LOG_INFO);
}

static void choices(void **state)
{
    (void)state;
    assert_true(set("mqtt.shared_subscription_strategy", "hash"));
    assert_int_equal(try_config.mqtt.shared_subscription_strategy, CONFIG_SHARE_HASH_CLIENTID);
    char *text = printed(config_key_find("mqtt", "shared_subscription_strategy"));
    assert_string_equal(text, "hash_clientid");
    free(text);
    assert_true(set("mqtt.shared_subscription_strategy", "sticky"));
    assert_int_equal(try_config.mqtt.shared_subscription_strategy, CONFIG_SHARE_STICKY);
    assert_true(set("log.format", "json"));
    assert_int_equal(try_config.log.format, CONFIG_LOG_JSON);
    assert_true(set("mqtt.upgrade_qos", "true"));
    assert_true(try_config.mqtt.upgrade_qos);
}

static void texts(void **state)
{
    (void)state;
    assert_true(set("mqtt.response_information", "a/\xC3\xA4"));
    assert_string_equal(try_config.mqtt.response_information, "a/\xC3\xA4");
    refuses("mqtt.response_information", "a\xC3", "place: the text is not UTF-8");
    refuses("mqtt.response_information", "a\tb", "place: the text has a control character in it");
    assert_string_equal(try_config.mqtt.response_information, "a/\xC3\xA4");
    char *text = malloc(STRING_LEN_MAX + 2);
    assert_non_null(text);
    memset(text, 'a', STRING_LEN_MAX + 1);
    text[STRING_LEN_MAX + 1] = '\0';
    assert_false(set("mqtt.server_reference", text));
    text[STRING_LEN_MAX] = '\0';
    assert_true(set("mqtt.server_reference", text));
    assert_string_equal(try_config.mqtt.server_reference, text);
    free(text);
    text = printed(config_key_find("mqtt", "server_reference"));
    assert_string_equal(text, "(65535 bytes)");
    free(text);
}

static void cpu_lists(void **state)
{
    (void)state;
    const struct config_cpus *cpus = &try_config.shards.cpus;
    assert_true(set("shards.cpus", "2-4,0,8-8"));
    static const uint16_t expected[] = {2, 3, 4, 0, 8};
    assert_int_equal(cpus->num, ARRAY_LEN(expected));
    assert_memory_equal(cpus->ids, expected, sizeof(expected));
    refuses("shards.cpus", "1,2,1", "place: CPU 1 is named twice");
    refuses("shards.cpus", "0-1023,5", "place: CPU 5 is named twice");
    refuses("shards.cpus", "1024", "place: CPU numbers go from 0 to 1023");
    refuses("shards.cpus", "0-99999999999999999999", "place: CPU numbers go from 0 to 1023");
    static const char *const wrong[] = {"a", "1,", ",1", "3-1", "1-", "-1", "1-2-3", "1 ,2"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_false(set("shards.cpus", wrong[i]));
    assert_int_equal(cpus->num, ARRAY_LEN(expected));
    assert_true(set("shards.cpus", "0-1023"));
    assert_int_equal(cpus->num, CONFIG_CPUS_MAX);
    assert_true(set("shards.cpus", ""));
    assert_int_equal(cpus->num, 0);
}

static void priority_lists(void **state)
{
    (void)state;
    const struct config_priorities *list = &try_config.mqtt.mqueue_priorities;
    assert_true(set("mqtt.mqueue_priorities", "a/b=10,c=d=255"));
    assert_int_equal(list->num, 2);
    assert_string_equal(list->items[0].topic, "a/b");
    assert_int_equal(list->items[0].priority, 10);
    assert_string_equal(list->items[1].topic, "c=d");
    assert_int_equal(list->items[1].priority, 255);
    refuses("mqtt.mqueue_priorities", "a=1,a=2", "place: topic \"a\" is named twice");
    refuses("mqtt.mqueue_priorities", "a=0", "place: \"0\" is not a priority from 1 to 255");
    refuses("mqtt.mqueue_priorities", "a=256", "place: \"256\" is not a priority from 1 to 255");
    refuses("mqtt.mqueue_priorities", "a/+=1",
            "place: \"a/+\": priorities are for topic names, without + and #");
    refuses("mqtt.mqueue_priorities", "=1", "place: \"\": a topic name has at least one character");
    refuses("mqtt.mqueue_priorities", "a=1,b",
            "place: \"b\" is not `disabled` or a list such as topic=10,other/topic=8");
    assert_int_equal(list->num, 2);
    struct config_priorities full = {.items = NULL, .num = 0};
    char topic[16];
    for (int i = 0; i < CONFIG_PRIORITIES_MAX; i++) {
        snprintf(topic, sizeof(topic), "t%d", i);
        assert_true(config_priorities_add(&full, topic, "7", &report));
    }
    assert_false(config_priorities_add(&full, "one/more", "7", &report));
    assert_int_equal(full.num, CONFIG_PRIORITIES_MAX);
    config_priorities_fini(&full);
    assert_true(set("mqtt.mqueue_priorities", "disabled"));
    assert_int_equal(list->num, 0);
}

static void tcp_keepalive(void **state)
{
    (void)state;
    const struct config_key *key = config_key_find(CONFIG_SECTION_LISTENERS, "tcp_keepalive");
    struct config_listener *listener = &try_config.listeners[0];
    assert_true(config_value_set(key, listener, "300s,30s,3", &report));
    assert_int_equal(listener->tcp_keepalive.idle_s, 300);
    assert_int_equal(listener->tcp_keepalive.interval_s, 30);
    assert_int_equal(listener->tcp_keepalive.probes, 3);
    assert_true(config_value_set(key, listener, "5m,30,127", &report));
    assert_int_equal(listener->tcp_keepalive.idle_s, 300);
    assert_int_equal(listener->tcp_keepalive.probes, 127);
    static const char *const wrong[] = {"",         "300s",         "300s,30s",     "300s,30s,3,",
                                        "0s,1s,1",  "1s,0s,1",      "1s,1s,0",      "1s,1s,128",
                                        ",,",       "1500ms,1s,1",  "32768s,1s,1",  "1s,1s,1s",
                                        "1s,1s,1x", "300s,30s,3,4", "none,none,no", "off"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_false(config_value_set(key, listener, wrong[i], &report));
    assert_int_equal(listener->tcp_keepalive.probes, 127);
    assert_true(config_value_set(key, listener, "none", &report));
    assert_int_equal(listener->tcp_keepalive.idle_s, 0);
}

/* For values other than the default: what is printed is what an operator can write. */
static void what_is_printed_reads_back(void **state)
{
    (void)state;
    assert_true(set("shards.cpus", "3,1-2"));
    assert_true(set("mqtt.mqueue_priorities", "x=3,y=4"));
    assert_true(set("mqtt.keepalive_multiplier", "2.25"));
    assert_true(set("mqtt.max_mqueue_bytes", "0"));
    assert_true(set("mqtt.connect_timeout", "1m1s"));
    uint32_t num = 0;
    const struct config_key *keys = config_keys(&num);
    for (uint32_t i = 0; i < num; i++) {
        if (keys[i].type == CONFIG_TYPE_TEXT || keys[i].type == CONFIG_TYPE_LIST)
            continue;
        char *before = printed(&keys[i]);
        if (!set(keys[i].path, before))
            fail_msg("%s: %s", keys[i].path, try_errors.texts[0]);
        char *after = printed(&keys[i]);
        assert_string_equal(before, after);
        free(before);
        free(after);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_range_is_enforced, setup, teardown),
        cmocka_unit_test_setup_teardown(rates_have_an_amount_and_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(words_are_the_highest_value, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_values_change_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(choices, setup, teardown),
        cmocka_unit_test_setup_teardown(texts, setup, teardown),
        cmocka_unit_test_setup_teardown(cpu_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(priority_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(tcp_keepalive, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_printed_reads_back, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
