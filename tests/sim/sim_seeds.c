/*
 * sim_seeds.c -- see sim_seeds.h.
 */
#include "sim_seeds.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "sim_base.h"

#define SIM_SEED_USUAL 1

static const char *program;
static uint32_t steps;

/* An assertion of the broker does not know the seed. */
static void sim_on_abort(int number)
{
    char text[160];
    char tail[32] = "";
    if (steps > 0)
        snprintf(tail, sizeof(tail), " 1 %u", (unsigned)steps);
    int len = snprintf(text, sizeof(text),
                       "seed %llu step %llu: aborted; again: SIM_TRACE=1 %s %llu%s\n",
                       (unsigned long long)sim_seed, (unsigned long long)sim_step, program,
                       (unsigned long long)sim_seed, tail);
    (void)(write(STDOUT_FILENO, text, (size_t)len) < 0);
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigaction(number, &usual, NULL);
    raise(number);
}

static uint64_t sim_argument(int argc, char **argv, int index, uint64_t otherwise)
{
    return argc > index ? strtoull(argv[index], NULL, 0) : otherwise;
}

int sim_seeds_main(int argc, char **argv, const struct sim_seeds *seeds)
{
    uint64_t seed = sim_argument(argc, argv, 1, SIM_SEED_USUAL);
    uint64_t count = sim_argument(argc, argv, 2, argc > 1 ? 1 : seeds->count);
    program = seeds->program;
    steps = (uint32_t)sim_argument(argc, argv, 3, seeds->steps);
    sim_tracing = getenv("SIM_TRACE") != NULL;
    struct sigaction on_abort = {.sa_handler = sim_on_abort};
    sigaction(SIGABRT, &on_abort, NULL);
    /* Nobody reads it; when it is full it drops lines. */
    struct log_ring *lines = seeds->is_quiet && !sim_tracing ? log_ring_create(0) : NULL;
    if (lines != NULL)
        log_attach(lines);
    for (uint64_t i = 0; i < count; i++)
        seeds->run(seed + i, steps);
    if (lines != NULL) {
        log_attach(NULL);
        log_ring_destroy(lines);
    }
    printf("seeds %llu to %llu: ok\n", (unsigned long long)seed,
           (unsigned long long)(seed + count - 1));
    return 0;
}
