/*
 * sim_power.h -- how the lives of a simulated broker end, and how its disk behaves meanwhile.
 *
 * A run with a data directory is a few lives of a broker on one false disk. A life ends when the
 * disk dies within some write, or at some moment between two; then either the machine loses power
 * or only the process is gone; or the broker is stopped in order. The next life may end while it
 * still recovers. In some runs the disk also fails for a time, or is full.
 *
 * Everything is drawn when a life begins, so that what ends it does not depend on what it does.
 */
#ifndef SLUICE_SIM_POWER_H
#define SLUICE_SIM_POWER_H

#include <stdbool.h>
#include <stdint.h>

enum sim_end { SIM_END_POWER, SIM_END_KILL, SIM_END_STOP };

/* The disk may fail or be full in this run: what must be logged may be refused. */
extern bool sim_ailing;

/* A run begins. Not `durable`: there is one life, without a disk. */
void sim_power_start(bool durable, uint32_t steps);

/* `durability.mode` of this run. */
const char *sim_power_mode(void);

/* A life begins. */
void sim_power_plan(void);

/* Between two steps: the disk's mood may change. True: the life is over. */
bool sim_power_step(void);

/* What is acknowledged in this run outlives the machine, not only the process. */
bool sim_power_survives(void);

/* How this life ends. */
enum sim_end sim_power_end(void);

/* No life ends any more, and the disk is well. */
void sim_power_calm(void);

#endif
