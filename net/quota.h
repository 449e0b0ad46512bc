/*
 * quota.h -- how much one client may send in a time: messages_rate and bytes_rate of its listener.
 *
 * Two token buckets (bucket.h), made for a connection when it sends its first packet after CONNECT
 * and its listener has a rate at all. Who is over the rate is not read from until it is within it
 * again, by a timer (its TCP window does the rest, and keep alive is not charged meanwhile), or is
 * disconnected, as the listener's over_rate_disconnect says:
 *
 *   PUBLISH without a token   waits where it is, or 0x96 (message rate too high)
 *   bytes                     are charged when they have come, into debt, or 0x97 (quota exceeded)
 *
 * While the broker is overloaded (net_overload) every client that publishes more often than
 * overload_protection.greedy_rate is held to that rate in the same way, and waits.
 *
 * Where no listener has a rate all of this is one branch for each packet (net->limited).
 *
 * Bounds: one struct quota for each connection of a listener with a rate, some 150 bytes;
 * while greedy publishers are paused, one for each client that publishes.
 *
 * Threads: the owner shard.
 */
#ifndef SLUICE_QUOTA_H
#define SLUICE_QUOTA_H

#include "bucket.h"
#include "conn.h"
#include "frame.h"

/*
 * Whether the packet may be handled now; only to be asked while net->limited. False: the connection
 * is paused and the packet stays where it is, or the connection is closed.
 */
MUST_USE bool quota_admits(struct conn *conn, const struct frame *frame);

/* `len` bytes have come and were handled. The connection may be paused or closed on return. */
void quota_bytes(struct conn *conn, uint32_t len);

/* Whether the connection is not read from because of its rates; a timer ends that. */
bool quota_waits(const struct conn *conn);

/* The connection has no more input; frees its quota. */
void quota_free(struct conn *conn);

#endif
