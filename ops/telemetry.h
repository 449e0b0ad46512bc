/*
 * telemetry.h -- the broker behind its endpoint for operators: where the figures come from and when
 * it is ready.
 *
 * Ready is the broker from the moment at which all shards are up until it is told to stop.
 *
 * Threads: the ops thread.
 */
#ifndef SLUICE_TELEMETRY_H
#define SLUICE_TELEMETRY_H

#include "broker.h"

/*
 * Opens the endpoint that the configuration asks for and remembers it in the broker. A default
 * address that is in use is a warning and no endpoint; any other failure of a wanted endpoint is an
 * error with one line in `out_reason`.
 */
MUST_USE enum rc telemetry_open(struct broker *broker, char *out_reason, size_t reason_size);

/* Nothing to do without an endpoint. */
void telemetry_run(struct broker *broker, uint64_t now_ms);
void telemetry_close(struct broker *broker);

/* For poll: -1 without an endpoint; and how long poll may wait, at most `most_ms`. */
int telemetry_fd(const struct broker *broker);
int telemetry_timeout_ms(const struct broker *broker, int most_ms);

#endif
