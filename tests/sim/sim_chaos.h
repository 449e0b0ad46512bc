/*
 * sim_chaos.h -- clients that do not behave: no invariant holds for them, but the broker must hold
 * against them and the others must not notice.
 *
 * They share few client identifiers, so that they take each other's sessions over; their topics are
 * below x/ and nobody else's. What they send is legal packets in senseless order, packets with
 * damaged bytes, and noise; some pipeline everything behind CONNECT, read nothing, or vanish.
 */
#ifndef SLUICE_SIM_CHAOS_H
#define SLUICE_SIM_CHAOS_H

#include "mqtt.h"
#include "sim_socket.h"

struct sim_chaos {
    struct sim_file *socket;
    struct sim_pipe out;
    enum mqtt_version version;
    uint32_t packets_left; /* before it leaves */
    bool is_deaf;
    bool is_legal; /* so far: what comes back must be packets */
    struct sim_pipe in;
};

void sim_chaos_step(struct sim_chaos *chaos);

/* Leaves at once. */
void sim_chaos_fini(struct sim_chaos *chaos);

#endif
