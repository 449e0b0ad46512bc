/*
 * relay.h -- a server that only copies: what a machine can do without a broker.
 *
 * It speaks as much MQTT as sluice-bench needs to take it for a broker, at QoS 0 and 1, and does
 * the least that any broker has to: the packets of a publisher go, as they are, to the one client
 * that has subscribed to their topic by name, and a publisher's QoS 1 is acknowledged. There are no
 * wildcards, no sessions and no windows, and nothing is kept. One thread, sockets handled as the
 * generator's are (poller.h), output sent once per turn.
 *
 * Latencies through it, on the same cores and at the same rate, are the machine's: a broker cannot
 * be asked for less. `sluice-bench compare` runs it beside the brokers where latency is compared.
 *
 * Bounds: RELAY_PEERS_MAX connections ever; output of RELAY_CHUNKS_MAX chunks (stream.h) each, and
 * whoever lets more wait is disconnected.
 *
 * Threads: the main thread.
 */
#ifndef BENCH_RELAY_H
#define BENCH_RELAY_H

#include "endpoint.h"
#include "options.h"

/* Serves until SIGINT or SIGTERM. Returns the exit code: 0, or 1 without a socket to listen at. */
int relay_run(const struct options *options, const struct endpoint *endpoint);

#endif
