/*
 * input.h -- from received bytes to packets.
 *
 * Bytes arrive in a provided buffer, which must go back within the turn. Whole packets are handled
 * where they lie; only the beginning of an incomplete one is copied into the connection's stash.
 * The next bytes first complete that packet, in the stash, and then the rest is handled in place
 * again. The stash grows with the bytes received (doubling), never with the length announced.
 *
 * A connection that is paused (a shard that it feeds is pressed) stops in the middle: what it has
 * not handled goes to the stash, and input_resume takes it up again.
 *
 * Threads: the owner shard.
 */
#ifndef SLUICE_INPUT_H
#define SLUICE_INPUT_H

#include "conn.h"
#include "frame.h"

struct completion;
struct net;
struct shard;

/* A receive has completed. */
void input_on_completion(struct shard *shard, const struct completion *completion);

/* Handles `data` and, before it, what is in the stash. The connection may be closed on return. */
void input_feed(struct conn *conn, struct bytes data);

/* Stops reading from the connection until input_resume_all. */
void input_pause(struct conn *conn);

/* The connection waits for nothing any more: handles what is in the stash, and receives. */
void input_continue(struct conn *conn);

/* The same until input_go_on, by whoever has throttled it: the rate of one client (quota.h). */
void input_throttle(struct conn *conn);
void input_go_on(struct conn *conn);

/*
 * Takes up the paused connections, once no shard is pressed, and the starved ones. True if paused
 * ones were taken up: they may have left work for the hooks of the next turn.
 */
bool input_resume_all(struct net *net);

/*
 * Handles one packet (dispatch.c), which stands at the beginning of `input`; what is behind it is
 * for a hand-over. False: stop here, the connection was closed, handed over or paused.
 */
bool input_packet(struct conn *conn, const struct frame *frame, struct bytes input);

#endif
