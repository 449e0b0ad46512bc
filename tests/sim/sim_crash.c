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
#include "sim_seeds.h"
#include "sim_world.h"

static void run(uint64_t seed, uint32_t steps)
{
    const struct sim_options options = {.steps = steps, .durable = true};
    sim_world_run(seed, &options);
}

int main(int argc, char **argv)
{
    const struct sim_seeds seeds = {
        .program = "sim_crash", .count = 150, .steps = 2000, .run = run};
    return sim_seeds_main(argc, argv, &seeds);
}
