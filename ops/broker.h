/*
 * broker.h -- the whole broker as one object: construction, draining, destruction.
 *
 * Order of construction: settings, data directory, indexes, runtime (mesh, epochs), listening
 * sockets, shards. Destruction is the reverse. The simulator builds the same object and turns the
 * shards itself.
 *
 * Threads: main, which is also the ops thread.
 */
#ifndef SLUICE_BROKER_H
#define SLUICE_BROKER_H

#include "access.h"
#include "alarms.h"
#include "api.h"
#include "bans.h"
#include "config.h"
#include "control_socket.h"
#include "datadir.h"
#include "mem.h"
#include "net.h"
#include "overload.h"
#include "reload.h"
#include "rows.h"
#include "settings.h"
#include "store.h"
#include "userdb.h"

struct admin;
struct listener_policy;

struct store_reshard;

struct broker {
    struct config *config; /* borrowed; a reload replaces what is in it */
    struct settings *settings;
    struct reload reload;
    struct rows rows;
    struct userdb userdb;
    struct bans bans;
    struct alarms alarms;
    struct overload overload;
    struct datadir dir;
    struct store_config store;     /* how the log is kept, if there is one */
    struct store_reshard *reshard; /* until the shards are up; NULL: their number is the old one */
    struct route_shared route;
    struct net_shared net;
    struct runtime *runtime;
    struct access access;
    struct authn_set *authn;    /* the ops thread's reference */
    struct acl_set *acl;        /* the rules in force */
    struct mail_port *port;     /* the ops thread's */
    struct stats *stats;        /* the ops thread's */
    struct epoch_record *epoch; /* the ops thread's */
    uint16_t cpus[SHARDS_MAX];
    unsigned drained; /* shards that have reported */
    bool json;
    bool started;  /* all shards are up */
    bool draining; /* broker_drain was called */
    uint64_t log_lost;
    struct tls_server *tls[CONFIG_LISTENERS_MAX]; /* tls_listeners.h */
    struct listener_policy *policies[CONFIG_LISTENERS_MAX];
    struct api api;
    struct http_server *control; /* the control socket, or NULL */
    char control_path[CONTROL_PATH_MAX + 1];
    struct admin *admin; /* the endpoint for operators (telemetry.h), or NULL */
    struct mem_figures allocator;
    uint64_t allocator_next_ms; /* when to ask the allocator again */
    bool allocator_tells;
};

/*
 * Builds everything up to the listening sockets. RC_* on failure, with one line in `out_reason`.
 */
MUST_USE enum rc broker_create(struct broker *broker, struct config *config, char *out_reason,
                               size_t reason_size);

struct listen_options;

/* What `from` says of the sockets, all but the address. */
struct listen_options broker_listen_options(const struct config_listener *from);

/* The limits of listeners, each at its place. */
void broker_listener_limits(const struct config *config, struct settings *settings);

/* The places of listeners that were removed and have nothing left: bit n is place n. */
uint64_t broker_vacant(const struct broker *broker);

/* Whether some listener has a rate for each source address. */
bool broker_wants_sources(const struct config *config);

/*
 * With quotas of retained messages in them, users are counted before these settings are in force.
 * RC_NO_MEMORY.
 */
MUST_USE enum rc broker_count_users(struct broker *broker, const struct settings *settings);

/* Bounds of the configuration that are neither route's nor net's settings. */
void broker_set_bounds(struct broker *broker);

/* Starts the shards. */
MUST_USE enum rc broker_start(struct broker *broker, char *out_reason, size_t reason_size);

/* Asks all shards to drain; broker_turn counts the answers. */
void broker_drain(struct broker *broker);

/* The ops thread's turn: takes answers and writes the log. True when every shard has drained. */
bool broker_turn(struct broker *broker);

/* Sends what has been mailed since the last turn. */
void broker_flush(struct broker *broker);

/* Stops the shards' threads and destroys everything. */
void broker_stop(struct broker *broker);
void broker_destroy(struct broker *broker);

/* Writes every counter that is not zero to the log (SIGUSR1). */
void broker_log_counters(struct broker *broker);

#endif
