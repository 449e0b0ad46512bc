/*
 * ip_address.h -- an address of either family in one form: IPv6, with IPv4 mapped into
 * ::ffff:0:0/96 (RFC 4291, section 2.5.5.2). So a client that came in through an IPv6 socket is
 * judged like any other, and whoever keeps, compares or hashes an address knows one kind only. All
 * zero: no address.
 *
 * Threads: pure functions of values, any.
 */
#ifndef SLUICE_IP_ADDRESS_H
#define SLUICE_IP_ADDRESS_H

#include <netinet/in.h>
#include <stddef.h>

#include "check.h"

/* Of four bytes in network order. */
struct in6_addr ip_address_of_v4(const void *four);

/*
 * `192.168.1.7` or `2001:db8::1`, `len` bytes that need no end mark. False: it is no address, and
 * *out is untouched.
 */
MUST_USE bool ip_address_parse(const char *text, size_t len, struct in6_addr *out);

/* Writes the usual text of it, IPv4 with dots, into INET6_ADDRSTRLEN bytes; returns `out`. */
const char *ip_address_text(const struct in6_addr *address, char *out);

#endif
