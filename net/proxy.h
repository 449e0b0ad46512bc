/*
 * proxy.h -- the PROXY protocol as the lowest layer of the transport (transport.h).
 *
 * On a listener with proxy_protocol a peer that is trusted (by address, or because it came by a
 * Unix socket) has to begin with a header (proxy_header.h) within proxy_protocol_timeout; then the
 * layer is done and takes itself out. The header's source becomes the connection's peer, which the
 * access rules of the listener are asked about, and what it says about the client's certificate its
 * identity. A LOCAL or UNKNOWN connection is the proxy's own.
 *
 * A peer that is not trusted is a client like any other. A header that it sends all the same is an
 * error of the protocol behind, unless the listener skips such headers unread.
 *
 * Bounds: at most PROXY_HEADER_LEN_MAX bytes and one receive are kept.
 *
 * Threads: the owner shard.
 */
#ifndef SLUICE_PROXY_H
#define SLUICE_PROXY_H

#include "check.h"
#include "rc.h"

struct conn;

/* Puts the layer on the connection, which has just been accepted, if it has to have it. */
MUST_USE enum rc proxy_open(struct conn *conn);

#endif
