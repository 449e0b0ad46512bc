/*
 * model_args.h -- seed, number of steps and random numbers of a model test.
 *
 * A model test does random operations on the real thing and on a slow twin that is obviously right,
 * and compares. Usage of each: model_x [seed [steps]], or MODEL_SEED and MODEL_STEPS in the
 * environment. Without a seed the clock gives one, and it is printed before anything else, so that
 * a failure can be repeated.
 */
#ifndef SLUICE_MODEL_ARGS_H
#define SLUICE_MODEL_ARGS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct model_args {
    uint64_t seed;
    uint64_t steps;
    uint64_t state; /* of the generator */
};

static inline uint64_t model_number(int argc, char **argv, int index, const char *env,
                                    uint64_t otherwise)
{
    if (argc > index)
        return strtoull(argv[index], NULL, 0);
    const char *text = getenv(env);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static inline struct model_args model_args_of(int argc, char **argv, uint64_t steps)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t clock_seed = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    struct model_args args = {
        .seed = model_number(argc, argv, 1, "MODEL_SEED", clock_seed),
        .steps = model_number(argc, argv, 2, "MODEL_STEPS", steps),
    };
    args.state = args.seed;
    printf("seed %llu steps %llu\n", (unsigned long long)args.seed, (unsigned long long)args.steps);
    fflush(stdout);
    return args;
}

/* splitmix64 */
static inline uint64_t model_random(struct model_args *args)
{
    uint64_t z = args->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 to bound - 1 */
static inline uint32_t model_below(struct model_args *args, uint32_t bound)
{
    return (uint32_t)(model_random(args) % bound);
}

#endif
