/*
 * send.h -- from a connection's output to the kernel: one send in flight, once per turn.
 *
 * Routing appends to outputs and marks connections dirty; at the end of the turn send_flush starts
 * one send for each dirty connection that has none in flight. A single segment is sent as it is,
 * several are gathered by a message header that lives until the completion.
 *
 * Threads: the owner shard.
 */
#ifndef SLUICE_SEND_H
#define SLUICE_SEND_H

#include "conn.h"

struct completion;
struct net;
struct shard;

/* Starts sends for all dirty connections and releases closed ones. */
void send_flush(struct net *net);

/* A send has completed. */
void send_on_completion(struct shard *shard, const struct completion *completion);

/* The ring is gone: the gathered header of a send in flight goes too. */
void send_forget(struct conn *conn);

void send_pool_fini(struct net *net);

#endif
