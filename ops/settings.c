/*
 * settings.c -- see settings.h.
 * Threads: see settings.h.
 */
#include "settings.h"

#include "config_zone.h"
#include "packet.h"

#include <stdlib.h>
#include <string.h>

static const enum share_strategy settings_strategies[] = {
    [CONFIG_SHARE_RANDOM] = SHARE_RANDOM,
    [CONFIG_SHARE_ROUND_ROBIN] = SHARE_ROUND_ROBIN,
    [CONFIG_SHARE_ROUND_ROBIN_PER_GROUP] = SHARE_ROUND_ROBIN_PER_GROUP,
    [CONFIG_SHARE_STICKY] = SHARE_STICKY,
    [CONFIG_SHARE_LOCAL] = SHARE_LOCAL,
    [CONFIG_SHARE_HASH_CLIENTID] = SHARE_HASH_CLIENTID,
    [CONFIG_SHARE_HASH_TOPIC] = SHARE_HASH_TOPIC,
};

static int settings_priority_order(const void *left, const void *right)
{
    const struct route_priority *a = left;
    const struct route_priority *b = right;
    if (a->topic.len != b->topic.len)
        return a->topic.len < b->topic.len ? -1 : 1;
    return memcmp(a->topic.ptr, b->topic.ptr, a->topic.len);
}

static bool settings_text(const char *text, struct bytes *out)
{
    size_t len = strlen(text);
    uint8_t *copy = malloc(len + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, text, len + 1);
    *out = bytes_of(copy, len);
    return true;
}

static bool settings_priorities(const struct config_mqtt *mqtt, struct route_settings *route)
{
    uint32_t num = mqtt->mqueue_priorities.num;
    route->priority_default = mqtt->mqueue_default_priority == CONFIG_PRIORITY_HIGHEST ? 255 : 0;
    if (num == 0)
        return true;
    route->priorities = calloc(num, sizeof(*route->priorities));
    if (route->priorities == NULL)
        return false;
    for (uint32_t i = 0; i < num; i++) {
        const struct config_priority *item = &mqtt->mqueue_priorities.items[i];
        if (!settings_text(item->topic, &route->priorities[i].topic))
            return false;
        route->priorities[i].priority = item->priority;
        route->priorities_count++;
    }
    qsort(route->priorities, num, sizeof(*route->priorities), settings_priority_order);
    return true;
}

static uint64_t settings_count(uint32_t max)
{
    return max == CONFIG_INFINITY_32 ? ACCOUNT_NO_LIMIT : max;
}

static bool settings_route(const struct config *config, struct route_settings *route)
{
    const struct config_mqtt *mqtt = &config->mqtt;
    *route = (struct route_settings){
        .max_inflight = (uint16_t)mqtt->max_inflight,
        .inflight_bytes_max = mqtt->max_inflight_bytes,
        .max_awaiting_rel = (uint16_t)mqtt->max_awaiting_rel,
        .await_rel_timeout_ms = mqtt->await_rel_timeout_ms,
        .queue_store_qos0 = mqtt->mqueue_store_qos0,
        .upgrade_qos = mqtt->upgrade_qos,
        .max_subscriptions = mqtt->max_subscriptions,
        .message_bytes_max = config->limits.message_bytes,
        .share_strategy = settings_strategies[mqtt->shared_subscription_strategy],
        .no_local_v3 = mqtt->ignore_loop_deliver,
        .retained_payload_max = config->retained.max_payload_size,
        .retained_expiry_s = config->retained.msg_expiry_interval_s,
        .retained_clear_stays = config->retained.stop_publish_clear_msg,
        .deny_disconnects = config->authorization.deny_action == CONFIG_DENY_DISCONNECT,
        .session_owner = config->authorization.session_owner,
        .user_max = {[ACCOUNT_CONNECTIONS] = settings_count(config->quotas.connections),
                     [ACCOUNT_SUBSCRIPTIONS] = settings_count(config->quotas.subscriptions),
                     [ACCOUNT_QUEUED_BYTES] = config->quotas.queued_bytes,
                     [ACCOUNT_RETAINED] = settings_count(config->quotas.retained),
                     [ACCOUNT_RETAINED_BYTES] = config->quotas.retained_bytes},
        .permit_cache_max = config->authorization.cache_size,
    };
    /* The queue says "no limit" with 0, the configuration with its highest value. */
    if (mqtt->max_mqueue_len != CONFIG_INFINITY_32)
        route->queue.len_max = mqtt->max_mqueue_len;
    if (mqtt->max_mqueue_bytes != CONFIG_INFINITY_64)
        route->queue.bytes_max = mqtt->max_mqueue_bytes;
    return settings_priorities(mqtt, route);
}

/* `burst` 0: as much as the rate's amount. */
static struct bucket_rate settings_rate(const struct units_rate *rate, uint64_t burst)
{
    if (rate->amount == CONFIG_INFINITY_64)
        return (struct bucket_rate){.amount = 0};
    struct bucket_rate made = {.amount = rate->amount,
                               .burst = burst == 0 ? rate->amount : burst,
                               .period_ms = (uint32_t)rate->period_ms};
    bucket_rate_assert(&made);
    return made;
}

static bool settings_net(const struct config *config, struct net_settings *net)
{
    const struct config_mqtt *mqtt = &config->mqtt;
    uint32_t receive_max = mqtt->receive_maximum;
    /* What we cannot hold we must not announce. */
    if (receive_max > mqtt->max_awaiting_rel)
        receive_max = mqtt->max_awaiting_rel;
    *net = (struct net_settings){
        .connect_timeout_ms = mqtt->connect_timeout_ms,
        .auth_timeout_ms = config->access.auth_timeout_ms,
        .send_timeout_ms = config->limits.send_timeout_ms,
        /* The longest remaining length still has its fixed header before it. */
        .packet_size_max = mqtt->max_packet_size >= PACKET_LEN_MAX
                               ? PACKET_SIZE_UNLIMITED
                               : (uint32_t)mqtt->max_packet_size,
        .client_id_len_max = mqtt->max_clientid_len,
        .topic_levels_max = mqtt->max_topic_levels,
        .alias_in_max = (uint16_t)mqtt->max_topic_alias,
        .alias_out_max = (uint16_t)mqtt->max_topic_alias_out,
        .qos_max = (uint8_t)mqtt->max_qos,
        .retain_available = mqtt->retain_available,
        .wildcard_available = mqtt->wildcard_subscription,
        .shared_available = mqtt->shared_subscription,
        .sub_id_available = mqtt->subscription_identifiers,
        .payload_format_check = mqtt->payload_format_check,
        .has_server_keep_alive = mqtt->server_keepalive_s != CONFIG_DISABLED_32,
        .keep_alive_permille = mqtt->keepalive_multiplier_permille,
        .receive_max = (uint16_t)receive_max,
        .session_expiry_v3_s = mqtt->session_expiry_interval_s,
        .session_expiry_max_s = mqtt->max_session_expiry_interval_s,
        .message_expiry_max_s = mqtt->message_expiry_interval_s,
        .output_bytes_max = config->limits.connection_output_bytes,
        .output_bytes_total_max = config->limits.output_bytes,
        .connections_max = config->limits.max_connections,
        .tls_handshakes_max = config->limits.tls_handshakes,
    };
    net->packet_timeout_ms = config->limits.packet_timeout_ms;
    net->unfinished_bytes_max = config->limits.unfinished_bytes;
    net->greedy = settings_rate(&config->overload_protection.greedy_rate, 0);
    if (config->flapping_detect.enable)
        net->flapping = (struct flapping_limits){
            .count = config->flapping_detect.max_count,
            .window_ms = config->flapping_detect.window_time_ms};
    if (net->has_server_keep_alive)
        net->server_keep_alive_s = (uint16_t)mqtt->server_keepalive_s;
    return settings_text(mqtt->response_information, &net->response_info) &&
           settings_text(mqtt->server_reference, &net->server_reference);
}

void settings_listener(struct settings *settings, unsigned slot, const struct config *config,
                       const struct config_listener *from)
{
    CHECK(slot < LISTENERS_MAX);
    uint32_t zone = config_zone_number(config, from->zone);
    CHECK(zone <= settings->zones_num);
    if (zone > 0)
        settings->net.of_listener[slot] = &settings->zones[zone - 1].net;
    settings->net.listeners[slot] = (struct listener_limits){
        .accepts = settings_rate(&from->max_conn_rate, from->max_conn_burst),
        .accepts_of_address = settings_rate(&from->max_conn_rate_per_address, 0),
        .messages = settings_rate(&from->messages_rate, from->messages_burst),
        .bytes = settings_rate(&from->bytes_rate, from->bytes_burst),
        .over_rate_disconnects = from->over_rate_disconnect,
    };
}

static bool settings_zones(const struct config *config, struct settings *settings)
{
    STATIC_CHECK(CONFIG_ZONES_MAX <= ROUTE_ZONES_MAX, "a place for each zone");
    settings->zones = calloc(config->num_zones + 1, sizeof(*settings->zones));
    if (settings->zones == NULL)
        return false;
    for (uint32_t i = 0; i < config->num_zones; i++) {
        struct config values;
        struct settings_pair *pair = &settings->zones[i];
        config_zone_values(config, &config->zones[i], &values);
        settings->zones_num++;
        if (!settings_route(&values, &pair->route) || !settings_net(&values, &pair->net))
            return false;
        pair->net.zone = (uint8_t)(i + 1);
        settings->route.of_zone[i + 1] = &pair->route;
    }
    return true;
}

struct settings *settings_create(const struct config *config)
{
    struct settings *settings = calloc(1, sizeof(*settings));
    if (settings == NULL)
        return NULL;
    if (settings_route(config, &settings->route) && settings_net(config, &settings->net) &&
        settings_zones(config, settings))
        return settings;
    settings_destroy(settings);
    return NULL;
}

static void settings_release(struct route_settings *route, struct net_settings *net)
{
    for (uint32_t i = 0; i < route->priorities_count; i++)
        free((void *)(uintptr_t)route->priorities[i].topic.ptr);
    free(route->priorities);
    free((void *)(uintptr_t)net->response_info.ptr);
    free((void *)(uintptr_t)net->server_reference.ptr);
}

void settings_destroy(struct settings *settings)
{
    if (settings == NULL)
        return;
    settings_release(&settings->route, &settings->net);
    for (uint32_t i = 0; i < settings->zones_num; i++)
        settings_release(&settings->zones[i].route, &settings->zones[i].net);
    free(settings->zones);
    free(settings);
}
