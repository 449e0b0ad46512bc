/*
 * test_settings.c -- from the operator's configuration to the settings of route and net
 * (ops/settings.h).
 */
#include "config_try.h"
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
    assert_int_equal(settings->route.message_expiry_max_s, UINT32_MAX);
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
    assert_int_equal(route->message_expiry_max_s, 13);
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
        settings_listener(settings, i, &try_config.listeners[i]);
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_defaults_are_those_of_the_table),
        TEST(every_key_arrives),
        TEST(rates_of_listeners_arrive),
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
