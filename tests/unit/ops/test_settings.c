/*
 * test_settings.c -- from the operator's configuration to the settings of route and net
 * (ops/settings.h).
 */
#include "config_try.h"
#include "config_value.h"
#include "config_zone.h"
#include "packet.h"
#include "settings.h"

static struct settings *settings;

static int set_up(void **state)
{
    (void)state;
    settings = NULL;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    settings_destroy(settings);
    config_try_reset();
    return 0;
}

static void load(const char *text)
{
    settings_destroy(settings);
    config_try_ok(text);
    settings = settings_create(&try_config);
    assert_non_null(settings);
}

static void the_defaults_are_those_of_the_table(void **state)
{
    (void)state;
    load("");
    assert_int_equal(settings->route.max_inflight, 1024);
    assert_int_equal(settings->route.max_awaiting_rel, 1024);
    assert_int_equal(settings->route.await_rel_timeout_ms, 300000);
    assert_int_equal(settings->route.queue.len_max, 1000);
    assert_int_equal(settings->route.queue.bytes_max, 64 * 1024 * 1024);
    assert_true(settings->route.queue_store_qos0);
    assert_false(settings->route.upgrade_qos);
    assert_false(settings->route.no_local_v3);
    assert_int_equal(settings->route.max_subscriptions, UINT32_MAX);
    assert_int_equal(settings->net.message_expiry_max_s, UINT32_MAX);
    assert_int_equal(settings->route.retained_payload_max, 1024 * 1024);
    assert_int_equal(settings->route.retained_expiry_s, UINT32_MAX);
    assert_false(settings->route.retained_clear_stays);
    assert_int_equal(settings->route.priority_default, 0);
    assert_int_equal(settings->route.priorities_count, 0);
    assert_int_equal(settings->net.connect_timeout_ms, 15000);
    assert_int_equal(settings->net.send_timeout_ms, 15000);
    assert_int_equal(settings->net.packet_size_max, 1024 * 1024);
    assert_int_equal(settings->net.qos_max, 2);
    assert_true(settings->net.retain_available && settings->net.wildcard_available);
    assert_true(settings->net.shared_available && settings->net.sub_id_available);
    assert_int_equal(settings->net.receive_max, 1024);
    assert_int_equal(settings->net.alias_in_max, 65535);
    assert_int_equal(settings->net.alias_out_max, 16);
    assert_int_equal(settings->net.keep_alive_permille, 1500);
    assert_false(settings->net.has_server_keep_alive);
    assert_int_equal(settings->net.session_expiry_v3_s, 7200);
    assert_int_equal(settings->net.session_expiry_max_s, MQTT_EXPIRY_NEVER_S);
    assert_int_equal(settings->net.connections_max, UINT32_MAX);
    assert_int_equal(settings->net.response_info.len, 0);
    assert_int_equal(settings->net.server_reference.len, 0);
}

/* A value of its own for every key. */
static const char every_key[] = "mqtt:\n"
                                "  connect_timeout: 1s\n"
                                "  max_packet_size: 2KB\n"
                                "  max_clientid_len: 99\n"
                                "  max_topic_levels: 9\n"
                                "  max_topic_alias: 8\n"
                                "  max_topic_alias_out: 7\n"
                                "  max_qos: 1\n"
                                "  retain_available: false\n"
                                "  wildcard_subscription: false\n"
                                "  shared_subscription: false\n"
                                "  subscription_identifiers: false\n"
                                "  ignore_loop_deliver: true\n"
                                "  response_information: info\n"
                                "  server_keepalive: 60s\n"
                                "  keepalive_multiplier: 2\n"
                                "  max_inflight: 6\n"
                                "  receive_maximum: 5\n"
                                "  max_awaiting_rel: 50\n"
                                "  await_rel_timeout: 4s\n"
                                "  mqueue_store_qos0: false\n"
                                "  max_subscriptions: 3\n"
                                "  upgrade_qos: true\n"
                                "  session_expiry_interval: 11s\n"
                                "  max_session_expiry_interval: 12s\n"
                                "  message_expiry_interval: 13s\n"
                                "  server_reference: other\n"
                                "  payload_format_check: true\n"
                                "retained:\n"
                                "  max_payload_size: 14\n"
                                "  msg_expiry_interval: 15s\n"
                                "  stop_publish_clear_msg: true\n"
                                "limits:\n"
                                "  max_connections: 16\n"
                                "  connection_output_bytes: 17KB\n"
                                "  send_timeout: 18s\n"
                                "  output_bytes: 19MB\n"
                                "  message_bytes: 20MB\n";

static void every_key_arrives(void **state)
{
    (void)state;
    load(every_key);
    const struct net_settings *net = &settings->net;
    const struct route_settings *route = &settings->route;
    assert_int_equal(net->connect_timeout_ms, 1000);
    assert_int_equal(net->packet_size_max, 2048);
    assert_int_equal(net->client_id_len_max, 99);
    assert_int_equal(net->topic_levels_max, 9);
    assert_int_equal(net->alias_in_max, 8);
    assert_int_equal(net->alias_out_max, 7);
    assert_int_equal(net->qos_max, 1);
    assert_false(net->retain_available || net->wildcard_available);
    assert_false(net->shared_available || net->sub_id_available);
    assert_true(net->payload_format_check && net->has_server_keep_alive);
    assert_int_equal(net->server_keep_alive_s, 60);
    assert_int_equal(net->keep_alive_permille, 2000);
    assert_int_equal(net->receive_max, 5);
    assert_int_equal(net->session_expiry_v3_s, 11);
    assert_int_equal(net->session_expiry_max_s, 12);
    assert_int_equal(net->connections_max, 16);
    assert_int_equal(net->output_bytes_max, 17 * 1024);
    assert_int_equal(net->output_bytes_total_max, 19 * 1048576);
    assert_int_equal(route->message_bytes_max, 20 * 1048576);
    assert_int_equal(net->send_timeout_ms, 18000);
    assert_true(bytes_equal(net->response_info, bytes_of_text("info")));
    assert_true(bytes_equal(net->server_reference, bytes_of_text("other")));
    assert_true(route->no_local_v3 && route->upgrade_qos && route->retained_clear_stays);
    assert_int_equal(route->max_inflight, 6);
    assert_int_equal(route->max_awaiting_rel, 50);
    assert_int_equal(route->await_rel_timeout_ms, 4000);
    assert_false(route->queue_store_qos0);
    assert_int_equal(route->max_subscriptions, 3);
    assert_int_equal(net->message_expiry_max_s, 13);
    assert_int_equal(route->retained_payload_max, 14);
    assert_int_equal(route->retained_expiry_s, 15);
}

/* What a client may send without PUBREL cannot be more than the broker remembers. */
static void the_announced_receive_maximum_can_be_held(void **state)
{
    (void)state;
    load("mqtt: {receive_maximum: 100, max_awaiting_rel: 10}");
    assert_int_equal(settings->net.receive_max, 10);
    load("mqtt: {receive_maximum: 10, max_awaiting_rel: 100}");
    assert_int_equal(settings->net.receive_max, 10);
}

/* "No limit" is the highest value in the configuration and 0 in the queue. */
static void no_limit_is_translated_for_the_queue(void **state)
{
    (void)state;
    load("mqtt: {max_mqueue_len: infinity, max_mqueue_bytes: infinity}");
    assert_int_equal(settings->route.queue.len_max, 0);
    assert_int_equal(settings->route.queue.bytes_max, 0);
    load("mqtt: {max_mqueue_len: 5, max_mqueue_bytes: 6KB}");
    assert_int_equal(settings->route.queue.len_max, 5);
    assert_int_equal(settings->route.queue.bytes_max, 6144);
}

static void the_largest_packet_still_has_its_header(void **state)
{
    (void)state;
    load("mqtt: {max_packet_size: 256MB}");
    assert_int_equal(settings->net.packet_size_max, PACKET_SIZE_UNLIMITED);
    load("mqtt: {max_packet_size: 255MB}");
    assert_int_equal(settings->net.packet_size_max, 255 * 1024 * 1024);
}

static void a_server_keep_alive_of_zero_is_one(void **state)
{
    (void)state;
    load("mqtt: {server_keepalive: 0s}");
    assert_true(settings->net.has_server_keep_alive);
    assert_int_equal(settings->net.server_keep_alive_s, 0);
}

static void priorities_are_sorted_copies(void **state)
{
    (void)state;
    load("mqtt:\n"
         "  mqueue_priorities: {long/topic: 3, b: 2, a: 1, bb: 255}\n"
         "  mqueue_default_priority: highest\n");
    config_try_reset(); /* nothing of the configuration may be borrowed */
    const struct route_settings *route = &settings->route;
    assert_int_equal(route->priority_default, 255);
    assert_int_equal(route->priorities_count, 4);
    static const char *const topics[] = {"a", "b", "bb", "long/topic"};
    static const uint8_t priorities[] = {1, 2, 255, 3};
    for (unsigned i = 0; i < 4; i++) {
        assert_true(bytes_equal(route->priorities[i].topic, bytes_of_text(topics[i])));
        assert_int_equal(route->priorities[i].priority, priorities[i]);
    }
}

static void strategies_are_those_of_the_groups(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SHARE_STRATEGY_COUNT; i++) {
        char text[100];
        const char *name = share_strategy_text((enum share_strategy)i);
        snprintf(text, sizeof(text), "mqtt: {shared_subscription_strategy: %s}", name);
        load(text);
        assert_int_equal(settings->route.share_strategy, i);
    }
}

static void nothing_is_nothing_to_destroy(void **state)
{
    (void)state;
    settings_destroy(NULL);
}

static void settings_rate_is(const struct bucket_rate *rate, uint64_t amount, uint64_t burst,
                             uint32_t ms)
{
    assert_int_equal(rate->amount, amount);
    assert_int_equal(rate->burst, burst);
    assert_int_equal(rate->period_ms, ms);
}

static void rates_of_listeners_arrive(void **state)
{
    (void)state;
    load("listeners:\n"
         "- {bind: 'tcp://:1'}\n"
         "- {bind: 'tcp://:2', max_conn_rate: 5/s, messages_rate: 7/m, messages_burst: 70,\n"
         "   bytes_rate: 1KB/10s, max_conn_rate_per_address: 3/h, over_rate_disconnect: true}\n");
    for (unsigned i = 0; i < 2; i++)
        settings_listener(settings, i, &try_config, &try_config.listeners[i]);
    const struct listener_limits *none = &settings->net.listeners[0];
    assert_false(bucket_rate_limits(&none->accepts) || bucket_rate_limits(&none->messages) ||
                 bucket_rate_limits(&none->bytes) || bucket_rate_limits(&none->accepts_of_address));
    assert_false(none->over_rate_disconnects);
    const struct listener_limits *all = &settings->net.listeners[1];
    settings_rate_is(&all->accepts, 5, 5, 1000);
    settings_rate_is(&all->accepts_of_address, 3, 3, 3600000);
    settings_rate_is(&all->messages, 7, 70, 60000);
    settings_rate_is(&all->bytes, 1024, 1024, 10000);
    assert_true(all->over_rate_disconnects);
}

/* What a key of that type may be, the first that is not the default, and "" when there is none. */
static const char *another_value(const struct config_key *key)
{
    static const char *const values[][3] = {
        [CONFIG_TYPE_BOOL] = {"true", "false"},
        [CONFIG_TYPE_COUNT] = {"1", "50", "0"},
        [CONFIG_TYPE_SIZE] = {"77KB", "78KB"},
        [CONFIG_TYPE_DURATION] = {"777ms", "778s"},
        [CONFIG_TYPE_SECONDS] = {"9s", "8s"},
        [CONFIG_TYPE_FACTOR] = {"3", "4"},
        [CONFIG_TYPE_TEXT] = {"other", "another"},
        [CONFIG_TYPE_PRIORITIES] = {"a=3", "b=4"},
        [CONFIG_TYPE_CHOICE] = {"disconnect", "highest"},
    };
    struct error_list errors;
    error_list_init(&errors);
    const struct config_report report = {.errors = &errors, .place = key->path};
    assert_true(key->type < ARRAY_LEN(values));
    for (unsigned i = 0; i < 3 && values[key->type][i] != NULL; i++) {
        struct config probe;
        memset(&probe, 0, sizeof(probe));
        bool right = config_value_set(key, &probe, values[key->type][i], &report) &&
                     !config_value_equal(key, &probe, &try_config);
        config_value_clear(key, &probe);
        if (right)
            return values[key->type][i];
    }
    return "";
}

#if __has_builtin(__builtin_clear_padding)
#define HAS_CLEAR_PADDING
#endif

/* The plain values of a pair: lengths of texts stay, addresses do not. */
static struct settings_pair plain_of(const struct route_settings *route,
                                     const struct net_settings *net)
{
    struct settings_pair pair;
    memcpy(&pair.route, route, sizeof(*route));
    memcpy(&pair.net, net, sizeof(*net));
    pair.route.priorities = NULL;
    pair.net.response_info.ptr = NULL;
    pair.net.server_reference.ptr = NULL;
    pair.net.zone = 0;
    memset(pair.route.of_zone, 0, sizeof(pair.route.of_zone));
#ifdef HAS_CLEAR_PADDING
    __builtin_clear_padding(&pair);
#endif
    return pair;
}

static void every_key_of_a_zone_arrives(void **state)
{
    (void)state;
#ifndef HAS_CLEAR_PADDING
    skip(); /* structures cannot be compared as a whole */
#endif
    static const char base[] = "flapping_detect: {enable: true}\nzones:\n  other:\n  one:\n    %s: "
                               "{%s: '%s'}\n";
    uint32_t num = 0;
    uint32_t tried = 0;
    const struct config_key *keys = config_keys(&num);
    for (uint32_t i = 0; i < num; i++) {
        if (!config_zone_allows(&keys[i]))
            continue;
        char text[300];
        load("flapping_detect: {enable: true}\n");
        const char *value = another_value(&keys[i]);
        snprintf(text, sizeof(text), base, keys[i].section, keys[i].name, value);
        load(text);
        assert_int_equal(settings->zones_num, 2);
        const struct settings_pair *zones = settings->zones;
        assert_ptr_equal(settings->route.of_zone[1], &zones[0].route);
        assert_ptr_equal(settings->route.of_zone[2], &zones[1].route);
        assert_int_equal(zones[1].net.zone, 2);
        struct settings_pair all = plain_of(&settings->route, &settings->net);
        struct settings_pair none = plain_of(&zones[0].route, &zones[0].net);
        struct settings_pair one = plain_of(&zones[1].route, &zones[1].net);
        assert_memory_equal(&all, &none, sizeof(all));
        if (memcmp(&all, &one, sizeof(all)) == 0)
            fail_msg("%s: a zone does not change it", keys[i].path);
        tried++;
    }
    assert_int_equal(tried, 46);
}

static void a_listener_has_the_settings_of_its_zone(void **state)
{
    (void)state;
    load("zones: {low: {mqtt: {max_qos: 0}}}\n"
         "listeners:\n"
         "- {bind: 'tcp://:1', zone: low}\n"
         "- {bind: 'tcp://:2', zone: default}\n");
    for (unsigned i = 0; i < 2; i++)
        settings_listener(settings, i, &try_config, &try_config.listeners[i]);
    assert_ptr_equal(settings->net.of_listener[0], &settings->zones[0].net);
    assert_int_equal(settings->net.of_listener[0]->qos_max, 0);
    assert_null(settings->net.of_listener[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_defaults_are_those_of_the_table),
        TEST(every_key_arrives),
        TEST(rates_of_listeners_arrive),
        TEST(every_key_of_a_zone_arrives),
        TEST(a_listener_has_the_settings_of_its_zone),
        TEST(the_announced_receive_maximum_can_be_held),
        TEST(no_limit_is_translated_for_the_queue),
        TEST(the_largest_packet_still_has_its_header),
        TEST(a_server_keep_alive_of_zero_is_one),
        TEST(priorities_are_sorted_copies),
        TEST(strategies_are_those_of_the_groups),
        TEST(nothing_is_nothing_to_destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
