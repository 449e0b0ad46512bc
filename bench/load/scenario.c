/*
 * scenario.c -- the table of scenarios.
 *
 * Threads: any.
 */
#include "scenario.h"

#include <string.h>

static const struct scenario scenarios[] = {
    {"pairs", "each publisher has a subscriber of its own", SCENARIO_OWN, 10, 0},
    {"fan-in", "many publishers, one subscriber", SCENARIO_ALL, 50, 1},
    {"fan-out", "one publisher, many subscribers", SCENARIO_ALL, 1, 100},
    {"retained", "what is retained, to subscribers of all of it", SCENARIO_ALL, 1, 1},
    {"shared", "many publishers, one shared group of subscribers", SCENARIO_GROUP, 10, 10},
};

const struct scenario *scenario_find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_LEN(scenarios); i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    return NULL;
}

const struct scenario *scenario_at(unsigned index)
{
    return index < ARRAY_LEN(scenarios) ? &scenarios[index] : NULL;
}

uint32_t scenario_destinations(const struct scenario *scenario, uint32_t num_subscribers)
{
    return scenario->audience == SCENARIO_ALL ? num_subscribers : 1;
}
