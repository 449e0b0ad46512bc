/*
 * scenario.h -- who publishes to whom, as data.
 *
 * A scenario is a row: how many publishers and subscribers unless told otherwise, and which
 * publishers a subscriber listens to. Every publisher has a topic of its own.
 *
 *     pairs    subscriber i listens to the topic of publisher i
 *     fan-in   every subscriber (one by default) listens to all topics
 *     fan-out  the same with the numbers turned round
 *     shared   the subscribers are one shared group that listens to all topics
 *
 * Threads: constants, any.
 */
#ifndef BENCH_SCENARIO_H
#define BENCH_SCENARIO_H

#include "check.h"

enum scenario_audience {
    SCENARIO_OWN,   /* subscriber i hears publisher i */
    SCENARIO_ALL,   /* each subscriber hears every publisher */
    SCENARIO_GROUP, /* one shared group hears every publisher */
};

struct scenario {
    const char *name;
    const char *text;
    enum scenario_audience audience;
    uint32_t num_publishers;  /* default */
    uint32_t num_subscribers; /* default; 0: as many as publishers */
};

/* NULL if there is none of that name. */
const struct scenario *scenario_find(const char *name);

/* NULL behind the last one. */
const struct scenario *scenario_at(unsigned index);

/* How many destinations a message has: the subscribers of the topic, a group counting as one. */
uint32_t scenario_destinations(const struct scenario *scenario, uint32_t num_subscribers);

#endif
