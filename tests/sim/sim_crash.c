/*
 * sim_crash.c -- the whole broker with its logs on a false disk: power cuts, kills, failing disks.
 *
 *   sim_crash [seed [count [steps]]]
 *
 * is sim_main.c with a data directory. A run is several lives of a broker (sim_power.h): each ends
 * within any write to the disk, or between two, also while it still recovers; what was not synced
 * is lost, torn or in another order (sim_disk.h); then a broker is made anew from what the disk
 * holds, and the clients go on where they were. One shard to four, in some runs another number in
 * each life; segments so small that checkpoints and compaction go on all the time. The same seed
 * gives the same run; a failure prints it, and
 * `SIM_TRACE=1 sim_crash SEED` shows what happened.
 *
 * Beside what sim_main.c lists, over all lives:
 *
 *   sessions       of whom CONNACK said so is there, with the subscriptions whose SUBACK came, with
 *                  their options, and without those whose UNSUBACK came
 *   loss           a message that was acknowledged before the end of a life comes in a later one:
 *                  with QoS 1 at least once, with QoS 2 exactly once, as it was sent, in order
 *   once           what comes twice is what QoS 1 allows: it was on its way when the life ended
 *   packet ids     of both sides go on: nobody waits for what does not come, no id means two things
 *   retained       the value that was acknowledged or one sent later; what was cleared stays so
 *   wills          of sessions that last come after the restart
 *   recovery       a crash is never taken for damage; every start succeeds, whatever it ended in
 *   failing disk   (in a quarter of the runs writes and syncs fail, or the disk is full for a time)
 *                  what cannot be stored is refused, never acknowledged; when the disk is well the
 *                  broker is, too, by itself
 *
 * With durability os and interval only the process dies; what is acknowledged outlives that.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sim_base.h"
#include "sim_world.h"

#define SIM_SEED_USUAL  1
#define SIM_COUNT_USUAL 150
#define SIM_STEPS_USUAL 2000

static uint64_t sim_argument(int argc, char **argv, int index, uint64_t otherwise)
{
    return argc > index ? strtoull(argv[index], NULL, 0) : otherwise;
}

static struct sim_options options = {.durable = true};

/* Says how to see it again; an assertion of the broker does not know the seed. */
static void sim_on_abort(int number)
{
    char text[160];
    int len = snprintf(text, sizeof(text),
                       "seed %llu step %llu: aborted; again: SIM_TRACE=1 sim_crash %llu 1 %u\n",
                       (unsigned long long)sim_seed, (unsigned long long)sim_step,
                       (unsigned long long)sim_seed, (unsigned)options.steps);
    (void)(write(STDOUT_FILENO, text, (size_t)len) < 0);
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigaction(number, &usual, NULL);
    raise(number);
}

int main(int argc, char **argv)
{
    uint64_t seed = sim_argument(argc, argv, 1, SIM_SEED_USUAL);
    uint64_t count = sim_argument(argc, argv, 2, argc > 1 ? 1 : SIM_COUNT_USUAL);
    options.steps = (uint32_t)sim_argument(argc, argv, 3, SIM_STEPS_USUAL);
    sim_tracing = getenv("SIM_TRACE") != NULL;
    struct sigaction on_abort = {.sa_handler = sim_on_abort};
    sigaction(SIGABRT, &on_abort, NULL);
    for (uint64_t i = 0; i < count; i++)
        sim_world_run(seed + i, &options);
    printf("seeds %llu to %llu: ok\n", (unsigned long long)seed,
           (unsigned long long)(seed + count - 1));
    return 0;
}
