/*
 * listen.h -- accepting connections: one socket per listener and shard, multishot accept.
 *
 * The sockets are made by the main thread (listen_open), so that an address in use is told before
 * anything else starts. SO_REUSEPORT lets every shard have its own; the kernel spreads connections
 * over them. Options set on a listening socket are inherited by what it accepts.
 *
 * Rates: a listener with max_conn_rate accepts one connection at a time and stops while its token
 * bucket is empty; who connects waits in the backlog. Each shard has a bucket with the whole rate
 * and charges it with what all shards have accepted, which it learns from their counters, so that
 * the shards share the rate without sharing memory that they write. Addresses that connect too
 * often are closed at once (source_rate.h).
 *
 * Out of descriptors: the process keeps one in reserve per shard. When accept fails for want of
 * one, the reserve is given up for a moment to accept the waiting connection and close it, so that
 * clients are refused instead of left hanging; accepting goes on a little later.
 *
 * Threads: listen_open, listen_adjust and listen_shut by the main thread, which is also the ops
 * thread; the others on the shard.
 */
#ifndef SLUICE_LISTEN_H
#define SLUICE_LISTEN_H

#include <sys/socket.h>

#include "check.h"
#include "rc.h"

struct completion;
struct conn;
struct listen_policy;
struct listener;
struct net;
struct net_shared;
struct shard;
struct tls_server;

/* What lies between the wire and MQTT (transport.h), from the wire up. */
enum listen_layer { LISTEN_LAYER_TLS = 1, LISTEN_LAYER_WEBSOCKET = 2 };

/*
 * What a listener's shards should do. They look at it at start and when settings are new
 * (listen_settings_changed).
 */
enum listen_state {
    LISTEN_CLOSED,  /* there are no sockets; connections that are there go on */
    LISTEN_ENDED,   /* the same, and connections are closed */
    LISTEN_ACCEPTS, /* there is a socket for each shard */
};

/* How to make the sockets of one listener. */
struct listen_options {
    const char *name;
    struct sockaddr_storage address;
    socklen_t address_len;
    int backlog;
    bool nodelay;
    bool v6only;
    int keepalive_idle_s; /* 0: off */
    int keepalive_interval_s;
    int keepalive_probes;
    unsigned user_timeout_ms; /* 0: the kernel's */
    unsigned connections_max;
    bool disabled;                      /* no sockets at present */
    bool is_unix;                       /* the address is a path; nothing is told to TCP */
    unsigned unix_mode;                 /* permissions of the path; 0: by the umask */
    uint8_t layers;                     /* enum listen_layer */
    struct tls_server *tls;             /* with LISTEN_LAYER_TLS; borrowed */
    const struct listen_policy *policy; /* borrowed; NULL: nothing special */
};

/*
 * Makes a listener with a socket for each shard. RC_IO: `out_error` is an errno. The port chosen by
 * the kernel, where 0 was asked for, stands in *out_port (host order).
 */
MUST_USE enum rc listen_open(struct net_shared *shared, const struct listen_options *options,
                             unsigned *out_port, int *out_error);

/*
 * Gives the sockets of a listener new options for the connections to come: the limit of connections
 * and what TCP is told; all else stays. RC_IO: the kernel refused one, the others are set.
 */
enum rc listen_adjust(struct net_shared *shared, unsigned listener,
                      const struct listen_options *options);

/*
 * Describes the listener at place `slot`, the next one or one without sockets and connections: all
 * of `options` but its address. It is LISTEN_CLOSED.
 */
void listen_describe(struct net_shared *shared, unsigned slot,
                     const struct listen_options *options);

/* Gives a closed listener its sockets, which shards begin to accept from. */
void listen_begin(struct net_shared *shared, unsigned slot, const struct sockaddr_storage *address,
                  const int *fds);

/* Shards close its sockets and, with `ends`, its connections. */
void listen_end(struct net_shared *shared, unsigned slot, bool ends);

/* Has it neither sockets nor connections? */
bool listen_is_vacant(const struct net_shared *shared, unsigned slot);

/* A new policy, for connections to come and for questions to come of those that are there. */
void listen_policy_set(struct net_shared *shared, unsigned listener,
                       const struct listen_policy *policy);

/* Closes every listening socket that is left. */
void listen_shut(struct net_shared *shared);

/* Begins to accept on all listeners. */
void listen_start(struct net *net);

/* Stops accepting and closes this shard's listening sockets. */
void listen_stop(struct net *net);

/* The rates may be others: accept again where they allow it. */
void listen_settings_changed(struct net *net);

/* Is the listener of this connection to be rid of its connections? */
bool listen_ends_connections(const struct net *net, const struct conn *conn);

/* Whether the connection's address may connect now, as its listener's rate per address says. */
MUST_USE bool listen_admits(const struct conn *conn);

/*
 * The connection's peer is known: the address that was accepted, or what a trusted proxy says.
 * False: its listener's access rules or rate per address refuse it, and it has been aborted.
 */
MUST_USE bool listen_peer_ok(struct conn *conn);

void listen_on_completion(struct shard *shard, const struct completion *completion);

#endif
