/*
 * cidr.h -- ranges of addresses, and ordered rules over them.
 *
 *   192.168.0.0/24   10.1.2.3   2001:db8::/32   ::1   all
 *
 * An address without a length is a range of one. Bits behind the length are ignored. IPv4 is kept
 * as IPv4-mapped IPv6, which is how connections carry their peer, so that a client that came in
 * through an IPv6 socket is judged like any other; for the same reason an IPv6 range wider than
 * ::ffff:0:0/96, `::/0` say, does not hold IPv4 addresses. `all` holds both.
 *
 * A rule is `allow` or `deny` and a range. The first rule whose range holds the address decides. If
 * none does, the opposite of the last rule holds: a list that ends in `allow` is a list of friends,
 * one that ends in `deny` a list of enemies. No rules at all allow everybody.
 *
 * A Unix socket has no address; rules are not for such listeners.
 *
 * Threads: pure functions of values, any.
 */
#ifndef SLUICE_CIDR_H
#define SLUICE_CIDR_H

#include <netinet/in.h>

#include "check.h"
#include "rc.h"

#define CIDR_TEXT_LEN_MAX 64 /* of a rule */

struct cidr {
    struct in6_addr address; /* bits behind the length are 0 */
    uint8_t bits;            /* of 128; an IPv4 range has 96 or more */
    bool is_v4;
    bool is_all;
};

struct cidr_rule {
    struct cidr range;
    bool allow;
};

/*
 * RC_OK: *out is filled. RC_INVALID: it is untouched and *out_reason is a static sentence that
 * completes "x: ...".
 */
MUST_USE enum rc cidr_parse(const char *text, struct cidr *out, const char **out_reason);

/* `allow 192.168.0.0/24`, `deny all`; same contract. */
MUST_USE enum rc cidr_rule_parse(const char *text, struct cidr_rule *out, const char **out_reason);

bool cidr_holds(const struct cidr *range, const struct in6_addr *address);

/* Does one of the ranges hold the address? */
bool cidr_any_holds(const struct cidr *ranges, uint32_t num, const struct in6_addr *address);

/* May a client from this address come in? */
bool cidr_rules_allow(const struct cidr_rule *rules, uint32_t num, const struct in6_addr *address);

/*
 * An address as text, with or without a port behind it: `1.2.3.4`, `1.2.3.4:567`, `::1`,
 * `[::1]:567`. *out is IPv4-mapped where it is IPv4, *out_port 0 without a port. False: it is none,
 * and nothing is touched.
 */
MUST_USE bool cidr_address_parse(const char *text, uint32_t len, struct in6_addr *out,
                                 uint16_t *out_port);

#endif
