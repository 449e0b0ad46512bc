/*
 * sim_main.c -- the whole broker in one thread, under a false kernel and false time, from one seed.
 *
 *   sim_main [seed [count [steps]]]
 *
 * makes `count` runs with the seeds from `seed` on, each with `steps` steps of storm. The same seed
 * gives the same run; SIM_TRACE=1 in the environment shows it. A failure prints seed and step.
 *
 * Invariants, for clients that behave (sim_client.h) whatever the kernel, the clock, the other
 * clients and those that do not behave (sim_chaos.h) do. Some runs have limits that cost messages,
 * some let allocations fail; those two are spared what they cannot keep.
 *
 *   loss         a message of QoS 1 or 2 that the broker acknowledged reaches every session whose
 *                subscription was confirmed before it was sent, that asks for at least QoS 1 and
 *                that lasts, within its limits; and at least one member of every shared group
 *   once         with QoS 2 on both sides it is accepted once, by a session or by a shared group;
 *                with QoS 1 it comes without DUP at most as often as its publisher sent it, with
 *                QoS 0 at most once
 *   order        of one publisher, topic and QoS, messages come first in the order of their sending
 *   form         what the broker sends is well-formed, whole and in place: no packet before CONNACK
 *                or behind DISCONNECT, none over the Maximum Packet Size, no more under way than
 *                the Receive Maximum, known aliases and subscription identifiers, DUP only on
 *                resumed sessions, no QoS above the granted, expiry never longer than published
 *   answers      each request is answered once, acknowledgements in the order of their PUBLISH,
 *                none that nobody waits for; nothing that behaves is refused or disconnected
 *   sessions     a session that should be there is present, one that should not is not
 *   retained     a confirmed subscription is given the retained message, not an older one
 *   wills        published once after a connection that was lost, never after DISCONNECT
 *   rest         when nothing new happens everything comes to rest: no work forgotten by a shard
 *                that sleeps, no wake-up lost, gauges at what is there
 *   stop         told to stop from rest the broker says so to every MQTT 5 client; from the middle
 *                of the storm it has let go of all clients within seconds, whatever they do
 *   machine      no assertion, no sanitizer finding, no leak, no descriptor left, every receive
 *                buffer returned within the turn, no operation on a descriptor that is closed, no
 *                byte of output freed before it was sent
 */
#include "sim_seeds.h"
#include "sim_world.h"

static void run(uint64_t seed, uint32_t steps)
{
    const struct sim_options options = {.steps = steps};
    sim_world_run(seed, &options);
}

int main(int argc, char **argv)
{
    const struct sim_seeds seeds = {.program = "sim_main", .count = 150, .steps = 4000, .run = run};
    return sim_seeds_main(argc, argv, &seeds);
}
