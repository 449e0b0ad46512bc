/*
 * broker.c -- see broker.h.
 * Threads: see broker.h.
 */
#include "broker.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "acl_load.h"
#include "api_users.h"
#include "clock.h"
#include "config_change.h"
#include "durability.h"
#include "listen.h"
#include "listener_policy.h"
#include "logger.h"
#include "source_rate.h"
#include "store_reshard.h"
#include "tls_listeners.h"
#include "user_quota.h"

/*
 * 1 MiB of each kind a shard: a receive for each of 256 clients that send now and then, and as much
 * as a core's cache holds for those that send all the time. More would be slower.
 */
static const struct ring_buffers broker_recv_buffers = {
    .small_count = 256, .small_size = 4096, .large_count = 16, .large_size = 65536};

/* How long a start waits for the address of a broker that has just been killed. */
#define BROKER_BIND_MS      1000
#define BROKER_BIND_STEP_MS 10

#define BROKER_FILTERS_MAX (UINT64_C(1) << 30)

static bool broker_shard_start(struct shard *shard)
{
    struct broker *broker = shard->runtime->user;
    if (broker->reshard != NULL && store_reshard(shard, broker->reshard) != RC_OK)
        return false;
    enum rc rc = router_open(shard, &broker->route);
    if (rc != RC_OK) {
        LOG(LOG_ERROR, "could not start: %s", rc_text(rc));
        return false;
    }
    if (shard->id == 0 && rows_loaded(broker) != RC_OK) {
        router_close(shard);
        return false;
    }
    return true;
}

/* Nobody is served before all have recovered: a publication must find every subscription. */
static bool broker_shard_begin(struct shard *shard)
{
    struct broker *broker = shard->runtime->user;
    /* Nor does anything change while a shard looks at what the others have recovered. */
    if (!runtime_meet(shard->runtime) || router_settle(shard) != RC_OK ||
        !runtime_meet(shard->runtime)) {
        router_close(shard);
        return false;
    }
    router_begin(shard);
    if (net_open(shard, &broker->net) == RC_OK)
        return true;
    LOG(LOG_ERROR, "out of memory");
    router_close(shard);
    return false;
}

static void broker_shard_stop(struct shard *shard)
{
    if (shard->net != NULL)
        net_close(shard);
    router_close(shard);
}

static void broker_retained_ref(void *value)
{
    msg_ref_shared(value);
}

static void broker_retained_unref(void *value)
{
    msg_unref_shared(value);
}

/* The CPUs of the shards: the configured ones, or those of the affinity mask, round and round. */
static unsigned broker_cpus(struct broker *broker, bool *out_may_spin)
{
    const struct config_shards *shards = &broker->config->shards;
    uint16_t ids[CONFIG_CPUS_MAX];
    unsigned num = 0;
    cpu_set_t set;
    CPU_ZERO(&set);
    bool known = sched_getaffinity(0, sizeof(set), &set) == 0;
    for (unsigned i = 0; i < shards->cpus.num; i++)
        ids[num++] = shards->cpus.ids[i];
    for (unsigned i = 0; num == 0 || (shards->cpus.num == 0 && i < CPU_SETSIZE); i++) {
        if (i >= CPU_SETSIZE)
            ids[num++] = 0;
        else if (known && CPU_ISSET(i, &set) && num < CONFIG_CPUS_MAX)
            ids[num++] = (uint16_t)i;
        if (i >= CPU_SETSIZE)
            break;
    }
    unsigned count = shards->count == 0 ? num : shards->count;
    if (count > SHARDS_MAX)
        count = SHARDS_MAX;
    for (unsigned i = 0; i < count; i++)
        broker->cpus[i] = ids[i % num];
    /* Clients, workers and the rest of the machine need some, too. */
    *out_may_spin = count <= num && (long)count < sysconf(_SC_NPROCESSORS_ONLN);
    return count;
}

static bool broker_indexes(struct broker *broker, unsigned shards)
{
    struct hash_key key;
    do {
        if (getrandom(&key, sizeof(key), 0) != (ssize_t)sizeof(key))
            return false;
    } while (key.words[0] == 0 || key.words[1] == 0);
    struct filter_index_config filters = {.key = key,
                                          .shard_count = shards,
                                          .shapes_per_level_max = FILTER_SHAPES_USUAL,
                                          .filters_max = BROKER_FILTERS_MAX,
                                          .bytes_max = UINT64_MAX};
    struct retained_config retained = {
        .key = key,
        .count_max = UINT64_MAX,
        .bytes_max = UINT64_MAX,
        .ops = {.ref = broker_retained_ref, .unref = broker_retained_unref},
        .accounts = accounts_create()};
    broker->route = (struct route_shared){.settings = &broker->settings->route,
                                          .sink = net_sink(),
                                          .filters = filter_index_create(&filters),
                                          .retained = retained_create(&retained),
                                          .accounts = retained.accounts,
                                          .home_key = broker->dir.secret,
                                          .acl = broker->acl,
                                          .authn = broker->authn,
                                          .shards = shards};
    return broker->route.filters != NULL && broker->route.retained != NULL &&
           broker->route.accounts != NULL;
}

static bool broker_runtime(struct broker *broker, unsigned shards, bool may_spin)
{
    struct shard_tables tables;
    memset(&tables, 0, sizeof(tables));
    router_tables_fill(&tables);
    wal_tables_fill(&tables);
    net_tables_fill(&tables);
    tables.drops[MAIL_AUTHN_STEP] = jwks_drop;
    tables.start = broker_shard_start;
    tables.begin = broker_shard_begin;
    tables.stop = broker_shard_stop;
    uint64_t spin_us = may_spin ? broker->config->shards.spin_us : 0;
    struct runtime_options options = {.shards = shards,
                                      .helpers = 2 + broker->access.workers_num,
                                      .cpus = broker->cpus,
                                      .spin_max_ns = spin_us * 1000,
                                      .recv_buffers = broker_recv_buffers};
    access_prepare(broker, (shard_id)(shards + 1));
    if (runtime_create(&broker->runtime, &options, &tables, broker) != RC_OK)
        return false;
    broker->stats = aligned_alloc(64, sizeof(struct stats));
    if (broker->stats == NULL)
        return false;
    memset(broker->stats, 0, sizeof(struct stats));
    broker->port = mail_port_create(broker->runtime->mesh, (shard_id)shards, broker->stats);
    broker->epoch = epoch_register(broker->runtime->epoch);
    broker->net.settings = &broker->settings->net;
    broker->net.runtime = broker->runtime;
    broker->net.shards = shards;
    broker->net.ops = (shard_id)shards;
    return broker->port != NULL && broker->epoch != NULL &&
           broker_count_users(broker, broker->settings) == RC_OK;
}

enum rc broker_count_users(struct broker *broker, const struct settings *settings)
{
    if (!user_quota_is_set(&settings->route, ACCOUNT_RETAINED) &&
        !user_quota_is_set(&settings->route, ACCOUNT_RETAINED_BYTES))
        return RC_OK;
    return retained_count_users(broker->route.retained, broker->epoch);
}

void broker_set_bounds(struct broker *broker)
{
    const struct config *config = broker->config;
    uint64_t count_max = UINT64_MAX;
    if (config->retained.max_messages != CONFIG_INFINITY_32)
        count_max = config->retained.max_messages;
    retained_set_limits(broker->route.retained, count_max, config->retained.max_bytes);
    mesh_set_limit(broker->runtime->mesh, config->limits.mail_overflow_bytes);
}

void broker_listener_limits(const struct config *config, struct settings *settings)
{
    for (uint32_t i = 0; i < config->num_listeners; i++)
        settings_listener(settings, i, config, &config->listeners[i]);
}

uint64_t broker_vacant(const struct broker *broker)
{
    uint64_t vacant = 0;
    for (uint32_t i = 0; i < broker->config->num_listeners; i++) {
        if (broker->config->listeners[i].removed && listen_is_vacant(&broker->net, i))
            vacant |= UINT64_C(1) << i;
    }
    return vacant;
}

bool broker_wants_sources(const struct config *config)
{
    bool wants = false;
    for (uint32_t i = 0; i < config->num_listeners; i++)
        wants |= config->listeners[i].max_conn_rate_per_address.amount != CONFIG_INFINITY_64;
    return wants;
}

struct listen_options broker_listen_options(const struct config_listener *from)
{
    struct listen_options options = {
        .name = from->name,
        .backlog = (int)from->backlog,
        .nodelay = from->nodelay,
        .v6only = from->bind.host[0] != '\0',
        .keepalive_idle_s = (int)from->tcp_keepalive.idle_s,
        .keepalive_interval_s = (int)from->tcp_keepalive.interval_s,
        .keepalive_probes = (int)from->tcp_keepalive.probes,
        .connections_max = from->max_connections,
        .disabled = !from->enable,
        .layers = listen_uri_layers(from->bind.scheme),
    };
    options.is_unix = from->bind.scheme == LISTEN_UNIX;
    if (from->mode[0] != '\0')
        options.unix_mode = (unsigned)strtoul(from->mode, NULL, 8);
    if (from->tcp_user_timeout_ms <= INT32_MAX)
        options.user_timeout_ms = (unsigned)from->tcp_user_timeout_ms;
    return options;
}

static enum rc broker_listen_tls(struct broker *broker, const struct config_listener *from,
                                 char *out_reason, size_t reason_size)
{
    static struct error_list errors; /* too large for a stack */
    error_list_init(&errors);
    enum rc rc = tls_listener_create(from, &broker->tls[broker->net.listeners_num], &errors);
    if (rc != RC_OK)
        snprintf(out_reason, reason_size, "%s", errors.texts[0]);
    return rc;
}

/*
 * A broker that was killed is gone before its sockets are: the kernel ends the accepts of its rings
 * a little later. Whoever is started at once in its place must not fail for that.
 */
static enum rc broker_listen_open(struct broker *broker, const struct listen_options *options,
                                  unsigned *out_port, int *out_error)
{
    enum rc rc;
    for (unsigned waited_ms = 0;; waited_ms += BROKER_BIND_STEP_MS) {
        rc = listen_open(&broker->net, options, out_port, out_error);
        if (rc == RC_OK || *out_error != EADDRINUSE || waited_ms >= BROKER_BIND_MS)
            return rc;
        (void)poll(NULL, 0, BROKER_BIND_STEP_MS);
    }
}

static enum rc broker_listen(struct broker *broker, const struct config_listener *from,
                             char *out_reason, size_t reason_size)
{
    char address[LISTEN_URI_LEN_MAX + 1];
    const char *why = NULL;
    struct listen_options options = broker_listen_options(from);
    listen_uri_format(&from->bind, address);
    if (tls_listener_wanted(from)) {
        enum rc made = broker_listen_tls(broker, from, out_reason, reason_size);
        if (made != RC_OK)
            return made;
        options.tls = broker->tls[broker->net.listeners_num];
    }
    struct listener_policy **policy = &broker->policies[broker->net.listeners_num];
    *policy = listener_policy_create(from);
    if (*policy == NULL) {
        snprintf(out_reason, reason_size, "%s", rc_text(RC_NO_MEMORY));
        return RC_NO_MEMORY;
    }
    options.policy = listener_policy_view(*policy);
    if (listen_uri_resolve(&from->bind, &options.address, &options.address_len, &why) != RC_OK) {
        snprintf(out_reason, reason_size, "%s: cannot listen at %s: %s", from->place, address, why);
        return RC_NOT_FOUND;
    }
    unsigned port = 0;
    int error = 0;
    enum rc rc = broker_listen_open(broker, &options, &port, &error);
    if (rc != RC_OK) {
        snprintf(out_reason, reason_size, "%s: cannot listen at %s: %s", from->place, address,
                 strerror(error));
        return rc;
    }
    if (options.disabled)
        LOG(LOG_INFO, "not listening at %s, which is not enabled", address);
    else if (port != 0 && from->bind.port == 0)
        LOG(LOG_INFO, "listening at %s, port %u", address, port);
    else
        LOG(LOG_INFO, "listening at %s", address);
    return RC_OK;
}

/* The ban list, or in `out_reason` the first thing that is wrong with it. */
static enum rc broker_bans(struct broker *broker, char *out_reason, size_t reason_size)
{
    static struct error_list errors;
    error_list_init(&errors);
    enum rc rc = bans_open(broker, &errors);
    if (rc != RC_OK)
        snprintf(out_reason, reason_size, "%s", errors.texts[0]);
    return rc;
}

/*
 * The chains of authentication and the access rules. What is wrong with them stands in the log, the
 * first of it also in `out_reason`.
 */
static bool broker_access(struct broker *broker, char *out_reason, size_t reason_size)
{
    static struct error_list errors;
    error_list_init(&errors);
    broker->authn = access_create(broker->config, &broker->userdb, &errors);
    broker->acl = acl_load(broker->config, &errors);
    if (broker->authn != NULL && broker->acl != NULL)
        return true;
    snprintf(out_reason, reason_size, "%s", errors.texts[0]);
    for (uint32_t i = 1; i < errors.num; i++)
        LOG(LOG_ERROR, "%s", errors.texts[i]);
    return false;
}

enum rc broker_create(struct broker *broker, struct config *config, char *out_reason,
                      size_t reason_size)
{
    memset(broker, 0, sizeof(*broker));
    broker->dir.lock_fd = -1;
    broker->config = config;
    broker->json = logger_is_json(config->log.format);
    enum rc rc = datadir_open(&broker->dir, config->data_dir, out_reason, reason_size);
    if (rc != RC_OK)
        return rc;
    if (!broker_access(broker, out_reason, reason_size))
        return RC_INVALID;
    bool may_spin;
    unsigned shards = broker_cpus(broker, &may_spin);
    broker->access.workers_num = access_workers(config, shards);
    broker->settings = settings_create(config);
    if (broker->settings == NULL || !broker_indexes(broker, shards) ||
        !broker_runtime(broker, shards, may_spin)) {
        snprintf(out_reason, reason_size, "not enough memory or descriptors to start");
        return RC_NO_MEMORY;
    }
    rows_init(broker);
    api_init(broker);
    broker_listener_limits(config, broker->settings);
    if (broker_wants_sources(config))
        broker->net.sources = source_rates_create(&broker->dir.secret);
    if (broker_wants_sources(config) && broker->net.sources == NULL) {
        snprintf(out_reason, reason_size, "%s", rc_text(RC_NO_MEMORY));
        return RC_NO_MEMORY;
    }
    rc = durability_prepare(broker, shards, out_reason, reason_size);
    if (rc == RC_OK)
        rc = broker_bans(broker, out_reason, reason_size);
    if (rc != RC_OK)
        return rc;
    broker_set_bounds(broker);
    for (uint32_t i = 0; i < config->num_listeners; i++) {
        rc = broker_listen(broker, &config->listeners[i], out_reason, reason_size);
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

enum rc broker_start(struct broker *broker, char *out_reason, size_t reason_size)
{
    enum rc rc = access_start(broker);
    if (rc == RC_OK)
        rc = runtime_start(broker->runtime);
    durability_settle(broker, rc == RC_OK);
    broker_turn(broker);
    if (rc != RC_OK)
        snprintf(out_reason, reason_size, "the shards could not start");
    broker->started = rc == RC_OK;
    return rc;
}

static void broker_wake(void *context, shard_id target)
{
    struct broker *broker = context;
    runtime_wake(broker->runtime, target);
}

void broker_drain(struct broker *broker)
{
    broker->draining = true;
    for (unsigned i = 0; i < broker->net.shards; i++) {
        struct mail mail = {.kind = MAIL_DRAIN};
        mail_send(broker->port, (shard_id)i, MAIL_CONTROL, &mail);
    }
    mail_flush(broker->port, broker_wake, broker);
}

static void broker_on_mail(void *context, const struct mail *mail)
{
    struct broker *broker = context;
    if (mail->kind == MAIL_RELOADED) {
        reload_taken(broker);
        return;
    }
    if (mail->kind == MAIL_BANS_TAKEN || mail->kind == MAIL_BAN_WANTED) {
        bans_on_mail(broker, mail);
        return;
    }
    if (mail->kind == MAIL_KEYED_DONE) {
        rows_on_mail(broker, mail);
        return;
    }
    if (mail->kind == MAIL_PASSWORD_MADE) {
        api_users_on_mail(broker, mail);
        return;
    }
    if (mail->kind == MAIL_AUTHN_TAKEN) {
        userdb_on_taken(&broker->userdb);
        return;
    }
    if (mail->kind == MAIL_AUTHN_STEP) {
        access_on_step(broker, mail);
        return;
    }
    CHECK(mail->kind == MAIL_DRAINED);
    broker->drained++;
}

void broker_flush(struct broker *broker)
{
    mail_flush(broker->port, broker_wake, broker);
}

bool broker_turn(struct broker *broker)
{
    while (mail_drain(broker->port, 64, broker_on_mail, broker))
        ;
    bans_turn(broker);
    userdb_turn(broker);
    overload_turn(broker);
    access_turn(broker, clock_mono_ns());
    durability_turn(broker);
    broker_flush(broker);
    for (unsigned i = 0; i < broker->net.shards; i++)
        broker->log_lost += logger_drain(broker->runtime->shards[i].log, broker->json);
    return broker->drained == broker->net.shards;
}

void broker_stop(struct broker *broker)
{
    runtime_stop(broker->runtime);
    access_stop(broker);
    broker_turn(broker);
}

/* Mail that no shard will take any more. */
static void broker_drop(void *context, const struct mail *mail)
{
    const struct broker *broker = context;
    shard_drop_fn drop = broker->runtime->tables.drops[mail->kind];
    if (drop != NULL)
        drop(mail);
}

void broker_destroy(struct broker *broker)
{
    access_stop(broker);
    listen_shut(&broker->net);
    if (broker->port != NULL)
        mail_port_empty(broker->port, broker_drop, broker);
    mail_port_destroy(broker->port);
    /* Runs what the shards have retired; the indexes must still be there. */
    runtime_destroy(broker->runtime);
    free(broker->stats);
    authn_set_unref(broker->authn);
    acl_set_destroy(broker->acl);
    reload_fini(broker);
    rows_fini(broker);
    userdb_fini(&broker->userdb);
    bans_close(broker);
    overload_close(broker);
    source_rates_destroy(broker->net.sources);
    if (broker->route.filters != NULL)
        filter_index_destroy(broker->route.filters);
    if (broker->route.retained != NULL)
        retained_destroy(broker->route.retained);
    accounts_destroy(broker->route.accounts);
    tls_listeners_fini(broker);
    for (unsigned i = 0; i < CONFIG_LISTENERS_MAX; i++)
        listener_policy_destroy(broker->policies[i]);
    durability_settle(broker, true);
    settings_destroy(broker->settings);
    datadir_close(&broker->dir);
}
