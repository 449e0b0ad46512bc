/*
 * handover.h -- a connection moves to the home shard of its session.
 *
 * The accepting shard receives once at a time until CONNECT is whole; so when it knows the home,
 * the kernel has no request of the connection, and the descriptor with the bytes received, and the
 * layers of its transport (transport.h) with what they hold, is all there is to move. The home
 * shard makes a connection of it and handles the bytes as if it had received them.
 *
 * Threads: handover_send on the accepting shard, handover_on_mail on the home shard.
 */
#ifndef SLUICE_HANDOVER_H
#define SLUICE_HANDOVER_H

#include "conn.h"

struct mail;
struct shard;

/* Moves the connection, which is gone on return (without memory: closed). */
void handover_send(struct conn *conn, shard_id home, struct bytes packet, struct bytes rest);

void handover_on_mail(struct shard *shard, const struct mail *mail);

/* A hand-over that nobody will receive any more: closes the descriptor. */
void handover_drop(const struct mail *mail);

#endif
