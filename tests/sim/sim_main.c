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
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sim_base.h"
#include "sim_world.h"

#define SIM_SEED_USUAL  1
#define SIM_COUNT_USUAL 150
#define SIM_STEPS_USUAL 4000

static uint64_t sim_argument(int argc, char **argv, int index, uint64_t otherwise)
{
    return argc > index ? strtoull(argv[index], NULL, 0) : otherwise;
}

/* An assertion of the broker does not know the seed. */
static void sim_on_abort(int number)
{
    char text[80];
    int len = snprintf(text, sizeof(text), "seed %llu step %llu: aborted\n",
                       (unsigned long long)sim_seed, (unsigned long long)sim_step);
    (void)(write(STDOUT_FILENO, text, (size_t)len) < 0);
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigaction(number, &usual, NULL);
    raise(number);
}

int main(int argc, char **argv)
{
    uint64_t seed = sim_argument(argc, argv, 1, SIM_SEED_USUAL);
    uint64_t count = sim_argument(argc, argv, 2, argc > 1 ? 1 : SIM_COUNT_USUAL);
    struct sim_options options = {.steps = (uint32_t)sim_argument(argc, argv, 3, SIM_STEPS_USUAL)};
    sim_tracing = getenv("SIM_TRACE") != NULL;
    struct sigaction on_abort = {.sa_handler = sim_on_abort};
    sigaction(SIGABRT, &on_abort, NULL);
    for (uint64_t i = 0; i < count; i++)
        sim_world_run(seed + i, &options);
    printf("seeds %llu to %llu: ok\n", (unsigned long long)seed,
           (unsigned long long)(seed + count - 1));
    return 0;
}
