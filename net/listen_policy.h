/*
 * listen_policy.h -- what a listener asks of its connections: who may come, through which proxies,
 * how WebSocket is spoken, what is put before topics.
 *
 * Immutable once published. Shards read listener->policy anew whenever they need it and keep no
 * pointer into it from turn to turn, so that a reload can replace it (ops/reload.h).
 *
 * Threads: built by the ops thread; read by any.
 */
#ifndef SLUICE_LISTEN_POLICY_H
#define SLUICE_LISTEN_POLICY_H

#include "bytes.h"
#include "cidr.h"
#include "ws_upgrade.h"

struct listen_policy {
    const struct cidr_rule *rules; /* who may connect; none: everybody */
    uint32_t num_rules;
    const struct cidr *trusted; /* proxies that are believed; Unix sockets always are */
    uint32_t num_trusted;
    bool proxy;      /* trusted peers begin with a PROXY header */
    bool proxy_skip; /* one from others is skipped, not an error */
    bool is_unix;    /* peers have no address */
    uint64_t proxy_timeout_ms;
    uint64_t ws_frame_max; /* payload of a frame; WS_FRAME_UNLIMITED: any */
    struct ws_rules ws;
    struct bytes mountpoint; /* with ${clientid} and ${username}; empty: none */
    struct bytes zone;
};

/* Is the peer at `address` a proxy that is believed? */
static inline bool listen_policy_trusts(const struct listen_policy *policy,
                                        const struct in6_addr *address)
{
    return policy->is_unix || cidr_any_holds(policy->trusted, policy->num_trusted, address);
}

/* May a client at `address` come in? One without an address came by a Unix socket: it may. */
static inline bool listen_policy_allows(const struct listen_policy *policy,
                                        const struct in6_addr *address)
{
    return IN6_IS_ADDR_UNSPECIFIED(address) ||
           cidr_rules_allow(policy->rules, policy->num_rules, address);
}

#endif
