/*
 * sim_clock.c -- engine/clock.h with time that stands still until the simulator moves it.
 */
#include "clock.h"
#include "sim_base.h"

/* Neither clock begins at zero, where mistakes would look like "not set". */
#define SIM_CLOCK_START_NS UINT64_C(5000000000000)
#define SIM_CLOCK_WALL_MS  UINT64_C(1767225600000)

static uint64_t sim_clock_ns;

void sim_clock_start(void)
{
    sim_clock_ns = SIM_CLOCK_START_NS;
}

void sim_clock_advance(uint64_t ns)
{
    sim_clock_ns += ns;
}

uint64_t clock_mono_ns(void)
{
    return sim_clock_ns;
}

uint64_t clock_wall_ms(void)
{
    return SIM_CLOCK_WALL_MS + (sim_clock_ns - SIM_CLOCK_START_NS) / 1000000;
}

uint64_t clock_cpu_ns(pthread_t thread)
{
    (void)thread;
    return 0; /* computing takes no time here */
}
