/*
 * sim_audit.h -- what a broker that has just started must hold, looked at from inside.
 *
 * Sessions whose CONNACK a client has seen, with the subscriptions that were confirmed, with their
 * options, and without those whose end was confirmed; of each retained topic the value that was
 * acknowledged, or a newer one that was sent. What was under way may have happened or not.
 */
#ifndef SLUICE_SIM_AUDIT_H
#define SLUICE_SIM_AUDIT_H

#include "sim_client.h"

struct router;

/* The calling thread is the router's shard. */
void sim_audit(struct router *router, const struct sim_client *clients, unsigned clients_num);

#endif
