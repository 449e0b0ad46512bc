/*
 * sim_power.c -- see sim_power.h.
 */
#include "sim_power.h"

#include <string.h>

#include "sim_base.h"
#include "sim_disk.h"

#define SIM_LIVES_MAX 6

bool sim_ailing;

static struct {
    bool durable;
    bool survives; /* sim_power_survives */
    const char *mode;
    uint32_t steps; /* of the whole storm */
    uint32_t lives_left;
    uint64_t ends_at; /* step; 0: the disk decides */
    enum sim_end end;
} power;

void sim_power_start(bool durable, uint32_t steps)
{
    static const char *const modes[] = {"commit", "commit", "commit", "commit", "os", "interval"};
    memset(&power, 0, sizeof(power));
    sim_ailing = false;
    if (!durable)
        return;
    power.durable = true;
    power.steps = steps;
    power.mode = modes[sim_below(6)];
    power.survives = strcmp(power.mode, "commit") == 0;
    power.lives_left = 1 + sim_below(SIM_LIVES_MAX);
    sim_ailing = sim_chance(250);
    sim_disk_mood.refuses_direct = sim_chance(200);
    sim_disk_mood.refuses_dsync = sim_chance(100);
}

const char *sim_power_mode(void)
{
    return power.mode;
}

static void power_mood_well(void)
{
    struct sim_disk_mood *mood = &sim_disk_mood;
    mood->write_error = mood->sync_error = mood->read_error = mood->interrupt = 0;
    mood->capacity = 0;
}

/* A broker that cannot write at its start refuses to, so the disk is well then. */
void sim_power_plan(void)
{
    power.ends_at = 0;
    sim_disk_stop_after(0);
    power_mood_well();
    if (!power.durable || power.lives_left == 0)
        return;
    power.lives_left--;
    power.end = power.survives && sim_chance(700) ? SIM_END_POWER : SIM_END_KILL;
    if (sim_chance(650)) {
        /* Soon, perhaps while it starts, or in the midst of its work. */
        sim_disk_stop_after(1 + sim_below(sim_chance(350) ? 15 : 200));
        return;
    }
    power.ends_at = sim_step + 1 + sim_below(power.steps);
    if (sim_chance(300))
        power.end = SIM_END_STOP;
}

static void power_mood(void)
{
    struct sim_disk_mood *mood = &sim_disk_mood;
    bool is_bad = sim_chance(400);
    mood->write_error = is_bad && sim_chance(500) ? 1 + sim_below(sim_chance(300) ? 1000 : 200) : 0;
    mood->sync_error = is_bad && sim_chance(300) ? 1 + sim_below(300) : 0;
    mood->interrupt = sim_chance(300) ? sim_below(200) : 0;
    mood->capacity = is_bad && sim_chance(400) ? sim_disk_used() + sim_below(60000) : 0;
    SIM_TRACE("disk: write errors %u, sync errors %u, capacity %llu", mood->write_error,
              mood->sync_error, (unsigned long long)mood->capacity);
}

bool sim_power_step(void)
{
    if (!power.durable)
        return false;
    if (sim_ailing && sim_chance(5))
        power_mood();
    return sim_disk_is_dead() || (power.ends_at != 0 && sim_step >= power.ends_at);
}

bool sim_power_survives(void)
{
    return power.survives;
}

enum sim_end sim_power_end(void)
{
    return power.end;
}

void sim_power_calm(void)
{
    power_mood_well();
    power.ends_at = 0;
    if (power.durable)
        sim_disk_stop_after(0);
}
