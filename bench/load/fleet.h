/*
 * fleet.h -- all clients of a run, what they are to each other, and the workers that run them.
 *
 * Subscribers come first, so that a broker has all subscriptions when the first publisher appears.
 * Slow subscribers and gatherers of filters come between the two. Clients are spread over the
 * workers: a pair stays together, everything else goes round. For each publisher and each worker
 * with somebody who listens to it there is a lane with its tallies (tally.h); a group's lane is
 * looked after by the publisher's worker.
 *
 * Topics are PREFIX/RUN/PUBLISHER, where RUN is new for every run: what an earlier one left behind
 * in the broker cannot be mistaken for this one's.
 *
 * Threads: made and destroyed by the main thread; in between each worker uses its own part.
 */
#ifndef BENCH_FLEET_H
#define BENCH_FLEET_H

#include "scenario.h"
#include "worker.h"

#define FLEET_RUN_ID_LEN 8

/*
 * What a publisher and a subscriber that hears it need for each other: a tally of their own, or in
 * a group a pointer to the group's and the place in the order; and of all such couples.
 */
#define FLEET_COUPLE_BYTES       128
#define FLEET_COUPLE_BYTES_GROUP 16
#define FLEET_COUPLES_BYTES_MAX  UINT64_C(512000000)

struct fleet {
    const struct options *options;
    const struct endpoint *endpoint;
    struct control *control;
    char run_id[FLEET_RUN_ID_LEN + 1];
    struct worker *workers; /* owned; options->workers of them */
    uint32_t num_workers;
    struct client *clients; /* owned */
    uint32_t num_clients;
    uint32_t num_publishers;   /* the clients behind the subscribers; 0 when idle */
    uint32_t num_subscribers;  /* the first clients; 0 when idle */
    uint32_t num_destinations; /* of each message */
    struct tally *tallies;     /* owned */
    uint64_t num_tallies;
    struct tally_lane *lanes; /* owned */
    uint64_t num_lanes;
};

/* Everything but the threads. The numbers are judged already (fleet_size). */
void fleet_init(struct fleet *fleet, const struct options *options, const struct endpoint *endpoint,
                struct control *control, const struct scenario *scenario);

/* The same for clients without traffic. */
void fleet_init_idle(struct fleet *fleet, const struct options *options,
                     const struct endpoint *endpoint, struct control *control);

/* After fleet_stop, or when no worker was started. */
void fleet_fini(struct fleet *fleet);

/* How many clients there are beside publishers and subscribers. */
uint32_t fleet_extras(const struct options *options);

/* How many of each there will be; false if they are too many to account for. */
bool fleet_size(const struct options *options, const struct scenario *scenario,
                uint32_t *out_publishers, uint32_t *out_subscribers) MUST_USE;

/* The client that is publisher `number`. */
struct client *fleet_publisher(const struct fleet *fleet, uint32_t number);

enum rc fleet_start(struct fleet *fleet) MUST_USE;

/* Stops and joins the workers that were started. */
void fleet_stop(struct fleet *fleet);

/* Sets the phase and tells everybody. */
void fleet_enter(struct fleet *fleet, enum control_phase phase);

/* Allows clients with numbers below `num` to connect. */
void fleet_allow(struct fleet *fleet, uint64_t num);

uint64_t fleet_num_ready(struct fleet *fleet);
uint64_t fleet_num_unfinished(struct fleet *fleet);

/* Sums over the workers. */
struct counters fleet_counters(struct fleet *fleet);

#endif
