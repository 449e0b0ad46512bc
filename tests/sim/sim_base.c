/*
 * sim_base.c -- see sim_base.h.
 *
 * Chance is splitmix64, whose state is one word.
 */
#include "sim_base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t sim_seed;
uint64_t sim_step;
bool sim_tracing;

static uint64_t sim_state;

void sim_random_start(uint64_t seed)
{
    sim_seed = seed;
    sim_state = seed;
    sim_step = 0;
}

uint64_t sim_random(void)
{
    uint64_t z = sim_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t sim_below(uint32_t bound)
{
    return (uint32_t)(sim_random() % bound);
}

bool sim_chance(uint32_t permille)
{
    return sim_below(1000) < permille;
}

uint32_t sim_size(uint32_t most)
{
    switch (sim_below(4)) {
    case 0:
        return 1;
    case 1:
        return 1 + sim_below(most < 16 ? most : 16);
    case 2:
        return 1 + sim_below(most);
    default:
        return most;
    }
}

static void sim_say(FILE *out, const char *format, va_list args)
{
    fprintf(out, "seed %llu step %llu: ", (unsigned long long)sim_seed,
            (unsigned long long)sim_step);
    vfprintf(out, format, args);
    fputc('\n', out);
}

void sim_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fflush(stdout);
    sim_say(stderr, format, args);
    va_end(args);
    fprintf(stderr, "%s:%d\n", file, line);
    abort();
}

void sim_trace_write(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sim_say(stdout, format, args);
    va_end(args);
}
