/*
 * sim_seeds.h -- the command line of a simulator: PROGRAM [seed [count [steps]]].
 *
 * Runs `count` seeds from `seed` on; a seed alone is run once. Whatever ends the process early, an
 * assertion of the broker or a failed check, says with which seed and how to see it again.
 */
#ifndef SLUICE_SIM_SEEDS_H
#define SLUICE_SIM_SEEDS_H

#include <stdbool.h>
#include <stdint.h>

/* What is run, and how without arguments. A value. */
struct sim_seeds {
    const char *program;
    uint64_t count; /* of seeds, from 1 on */
    uint32_t steps; /* 0: the run decides itself */
    void (*run)(uint64_t seed, uint32_t steps);
    bool is_quiet; /* what the broker logs shows in a trace only; for runs without a world */
};

/* The exit code of main. */
int sim_seeds_main(int argc, char **argv, const struct sim_seeds *seeds);

#endif
