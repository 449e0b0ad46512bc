/*
 * alarms.c -- see alarms.h.
 */
#include "alarms.h"

#include "log.h"

static const char *const alarm_names[] = {
#define ALARM_ROW(id, name, text) [id] = name,
    ALARM_TABLE(ALARM_ROW)
#undef ALARM_ROW
};

static const char *const alarm_texts[] = {
#define ALARM_ROW(id, name, text) [id] = text,
    ALARM_TABLE(ALARM_ROW)
#undef ALARM_ROW
};

const char *alarm_name(enum alarm alarm)
{
    CHECK((unsigned)alarm < ALARM_COUNT);
    return alarm_names[alarm];
}

void alarms_set(struct alarms *alarms, enum alarm alarm, bool is_raised, const char *why)
{
    CHECK((unsigned)alarm < ALARM_COUNT && why != NULL);
    if (alarms->is_raised[alarm] == is_raised)
        return;
    alarms->is_raised[alarm] = is_raised;
    const char *between = why[0] == '\0' ? "" : ": ";
    if (is_raised) {
        alarms->times[alarm]++;
        LOG(LOG_WARNING, "alarm %s raised: %s%s%s", alarm_names[alarm], alarm_texts[alarm], between,
            why);
    } else {
        LOG(LOG_WARNING, "alarm %s cleared%s%s", alarm_names[alarm], between, why);
    }
}
