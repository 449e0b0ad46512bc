/*
 * sim_ring.h -- what the simulator can do with the false rings beside engine/ring.h.
 */
#ifndef SLUICE_SIM_RING_H
#define SLUICE_SIM_RING_H

#include "ring.h"

/* How the false kernel behaves, a value; chances are per mille. */
struct sim_kernel {
    uint32_t progress;     /* an operation that can go on does so at one enter */
    uint32_t receive_most; /* bytes of one receive */
    uint32_t send_most;    /* bytes of one send */
    uint32_t receive_end;  /* a multishot receive or accept ends with a result */
    uint32_t no_buffers;   /* a receive finds no provided buffer */
    uint32_t buffer_full;  /* a receive says that its buffer is full */
    uint32_t interrupt;    /* a receive or send is interrupted */
    uint32_t send_error;   /* a send breaks the connection */
    uint32_t accept_error; /* an accept fails */
    uint32_t wake_error;   /* a wake-up by ring fails */
};

extern struct sim_kernel sim_kernel;

/* True if an enter would have something to do or the completion queue holds something. */
bool sim_ring_has_work(const struct ring *ring);

/*
 * While held, no write and no sync of a file completes on this ring, nor reaches the disk; all else
 * goes on. Released before the ring is destroyed.
 */
void sim_ring_hold_writes(struct ring *ring, bool held);

/* At a crash: of the writes under way to the false disk some sectors have arrived. */
void sim_ring_tear(void);

/* Rings that exist; 0 before and after a run. */
unsigned sim_ring_count(void);

#endif
